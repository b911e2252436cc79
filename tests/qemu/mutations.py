#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""mutations: take a safety rule out of the patched QEMU, see a test fail.

usage: mutations.py [NAME...]

Each entry changes one piece of the source in a copy of the tree that
"scripts/qemu-tree build" has built, builds what depends on it, and runs cases
of a test with the result, each of which must fail (a skip is no failure).
Exit status 0 if every one did.  The number is the rule's in docs/design.md.
Sources only: headers are taken from where the tree was built.
"""
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.join(HERE, "..", "..")
OBJECT = "backends/remote-cache"

# name: (file, what stands there, what stands there instead,
#        [test, case...])
MUTATIONS = {
    "rule4-no-pins": (
        OBJECT + "-ram.c",
        "        if (dma_pins_test(b->rb, range->first + i)) {",
        "        if (false) {",
        ["test-object.py", "dma_is_pinned"]),
    "rule4-no-pins-in-a-guest": (
        OBJECT + "-ram.c",
        "        if (dma_pins_test(b->rb, range->first + i)) {",
        "        if (false) {",
        ["test-dma.py"]),
    "rule4-cut-off-and-mapped": (
        "system/dma-helpers.c",
        "            dma_memory_unmap(dbs->sg->as, last->iov_base, len, "
        "dbs->dir, 0);\n", "            ;\n",
        ["test-object.py", "dma_cut_off"]),
    "rule4-never-realized": (
        "target/i386/cpu.c",
        "        if (nested) {\n            x86_cpu_nested_end(cpu);",
        "        if (false) {\n            x86_cpu_nested_end(cpu);",
        ["test-refused.py", "nested_never"]),
    "observed-by-whom-it-may-be": (
        OBJECT + "-message.c",
        "    } else if (vm->observe && !(msg->features & "
        "RCACHE_VMM_F_OBSERVE)) {",
        "    } else if (false) {",
        ["test-object.py", "pager_that_would_evict"]),
    "text-is-no-number": (
        "qapi/qapi-visit-core.c",
        'strchr("-+.0123456789", *text)', "false",
        ["test-object.py", "local_max_everywhere"]),
    "rule4-all-are-welcome": (
        "system/ram-foreign.c",
        "    if (ram_foreign.forbidders) {", "    if (false) {",
        ["test-refused.py", "vhost_user_device", "vhost_scsi", "gpu_blob",
         "vdpa", "vfio", "multi_process"]),
    "rule4-nobody-is-seen": (
        "system/ram-foreign.c",
        "    if (ram_foreign.users) {", "    if (false) {",
        ["test-refused.py", "vhost_user_device", "vhost_scsi", "gpu_blob",
         "vdpa", "vfio", "multi_process"]),
    "what-is-lost-is-home": (
        OBJECT + "-message.c",
        "                           !msg->remote && !msg->lost);",
        "                           !msg->remote);",
        ["test-object.py", "lost_page"]),
    "what-is-not-known-is-home": (
        OBJECT + "-message.c",
        "(&vm->home, msg->hdr.flags & RCACHE_STATS_RECONCILED &&",
        "(&vm->home, true &&",
        ["test-object.py", "not_reconciled"]),
    "copies-are-not-told": (
        OBJECT + "-link.c",
        "        msg.copies = vm->copies;", "        msg.copies = 1;",
        ["test-object.py", "shared_by_default", "copies"]),
    "copies-of-a-resize-that-failed": (
        OBJECT + "-message.c",
        "    if (req->msg.hdr.type == RCACHE_VMM_RESIZE && !msg->status &&\n",
        "    if (req->msg.hdr.type == RCACHE_VMM_RESIZE &&\n",
        ["test-object.py", "copies"]),
    "copies-of-a-pager-that-has-none": (
        OBJECT + "-message.c",
        "    return vm->copies == 1 || msg->features & RCACHE_VMM_F_COPIES;",
        "    return true;",
        ["test-object.py", "pager_of_one_copy"]),
    "seal-is-not-told": (
        OBJECT + "-link.c",
        "        .seal = vm->seal,\n", "",
        ["test-object.py", "sealed"]),
    "sealed-by-any-pager": (
        OBJECT + "-message.c",
        "    } else if (!(msg->features & RCACHE_VMM_F_SEAL)) {",
        "    } else if (false) {",
        ["test-object.py", "pager_that_does_not_seal"]),
    "another-key-for-each-pager": (
        OBJECT + "-link.c",
        "    link->answering = false;\n    link->given = true;\n",
        "    link->answering = false;\n    link->given = true;\n"
        "    rcache_key_deinit(vm);\n    rcache_key_init(vm, &error_abort);\n",
        ["test-object.py", "sealed"]),
    "figures-of-another-pager": (
        OBJECT + "-message.c",
        "    vm->stats = (struct RcacheVmmStats) { 0 };\n", "",
        ["test-object.py", "figures_of_two_pagers"]),
    "deleted-while-silent": (
        OBJECT + ".c",
        "    return rcache_vm_can_stop(rc->vm, errp);", "    return true;",
        ["test-object.py", "not_deleted_while_silent"]),
    "rule6-busy-pages-punched": (
        OBJECT + "-state.c",
        "        case RCACHE_FILLING:\n        case RCACHE_PUNCHING:\n"
        "            d->busy = true;\n            return false;\n",
        "",
        ["test-discard-states.py", "balloon", "memory_device"]),
    "rule6-a-discard-is-not-busy": (
        OBJECT + "-state.c",
        "    ret = ret ? ret : busy ? -EBUSY : 0;\n", "",
        ["test-discard-states.py", "memory_device"]),
    "rule6-the-same-generation": (
        OBJECT + "-state.c",
        "new = rcache_page_next_gen(rcache_page_to(",
        "new = (rcache_page_to(",
        ["test-discard-states.py", "balloon", "memory_device"]),
    "rule6-no-hole": (
        OBJECT + "-state.c",
        "        err = discard_punch(d, i, end);\n",
        "        err = 0;\n        (void)discard_punch;\n",
        ["test-discard-states.py", "balloon", "memory_device"]),
    "rule6-put-back-as-it-was": (
        OBJECT + "-state.c",
        "punched ? RCACHE_ZERO : discard_settled(old)",
        "punched ? RCACHE_ZERO : rcache_page_state(old)",
        ["test-discard-states.py", "not_punched"]),
    "rule6-asked-once": (
        OBJECT + "-state.c",
        "#define PUNCH_TRIES 5", "#define PUNCH_TRIES 1",
        ["test-discard-states.py", "not_punched"]),
    "busy-pages-are-not-waited-for": (
        "system/physmem.c",
        "g_get_monotonic_time() + DISCARD_RETRY_US);", "0);",
        ["test-discard-states.py", "reset_waits", "plugged_again",
         "load_waits"]),
    "rule6-nobody-woken": (
        OBJECT + "-state.c",
        "    uffd_wakeup(d->vm->uffd,", "    (void)(",
        ["test-real-discards.py", "balloon"]),
    "lost-and-not-stopped": (
        OBJECT + "-loss.c", "    vm_stop(RUN_STATE_IO_ERROR);\n", "",
        ["test-loss.py", "pause"]),
    "stopped-while-a-cpu-waits": (
        OBJECT + "-loss.c", "cpus_have_stopped() && !tasks_wait()", "true",
        ["test-loss.py", "tcg"]),
    "stopped-while-a-disk-waits": (
        OBJECT + "-loss.c", "cpus_have_stopped() && !tasks_wait()",
        "cpus_have_stopped() || tasks_wait()",
        ["test-loss.py", "disk_waits"]),
    "poison-for-what-is-away": (
        OBJECT + "-loss.c",
        "(qatomic_read(&vm->words[page])) == RCACHE_LOST;",
        "(qatomic_read(&vm->words[page])) != RCACHE_HOT;",
        ["test-loss.py", "poison"]),
    "poisoned-for-good": (
        OBJECT + "-state.c",
        "    if (d->vm->on_loss == REMOTE_CACHE_ON_LOSS_POISON) {",
        "    if (false) {",
        ["test-loss.py", "poison"]),
    "rule1-closed-at-exit": (
        OBJECT + "-exit.c", "    _exit(EXIT_FAILURE);",
        "    close(vm->uffd);\n    g_usleep(200000);\n"
        "    _exit(EXIT_FAILURE);",
        ["test-unresponsive.py", "disk_pager_dead"]),
    "rule12-no-power-cut": (
        OBJECT + "-exit.c", "    _exit(EXIT_FAILURE);", "    return;",
        ["test-unresponsive.py", "disk_pager_dead"]),
    "blocks-after-start": (
        OBJECT + "-link.c",
        "            if (vm->block[i].state != RCACHE_BLOCK_FREE) {\n"
        "                link_block_add(vm, i);\n",
        "            if (vm->block[i].state != RCACHE_BLOCK_FREE) {\n"
        "                vm->block[i].state = RCACHE_BLOCK_NEW;\n",
        ["test-shapes.py", "blocks_before_start"]),
    "device-is-not-asked-for": (
        OBJECT + "-vm.c",
        "        int device = rcache_link_device(vm, &refusal);",
        "        int device = -1;",
        ["test-device.py", "given", "given_later"]),
    "device-is-not-asked-of-rcached": (
        OBJECT + "-vm.c",
        "        int device = rcache_link_device(vm, &refusal);",
        "        int device = -1;",
        ["test-real-device.py"]),
    "device-of-nothing": (
        OBJECT + "-vm.c",
        "        if (device >= 0) {", "        if (true) {",
        ["test-device.py", "refused_by_rcached", "given_nothing",
         "not_known"]),
    "device-is-not-used": (
        "util/userfaultfd.c",
        "    uffd_dev = fd;\n    open_mode = UFFD_USE_DEV_PATH;\n",
        "    uffd_dev = fd;\n",
        ["test-device.py", "given", "given_later"]),
    "device-of-who-says-no": (
        OBJECT + "-link.c",
        "    if (fd >= 0 && (!known || ack.status)) {",
        "    if (fd >= 0 && !known) {",
        ["test-device.py", "refused_and_given"]),
    "device-refusal-is-not-told": (
        OBJECT + "-link.c",
        "        *why = g_strndup(ack.text, sizeof(ack.text));\n",
        "        ;\n", ["test-device.py", "refused_by_rcached"]),
    "devices-too-many-are-kept": (
        OBJECT + "-link.c",
        "            if (fd >= 0) {\n                close(fd);",
        "            if (fd >= 0) {\n                ;",
        ["test-device.py", "given_two"]),
    "devices-too-many-are-taken": (
        OBJECT + "-link.c", "    if (n > 1) {\n        close(fd);",
        "    if (false) {\n        close(fd);",
        ["test-device.py", "given_two"]),
    "device-is-waited-for": (
        OBJECT + "-link.c",
        "#define DEVICE_WAIT_MS  2000", "#define DEVICE_WAIT_MS  -1",
        ["test-refused.py", "no_kernel_faults"]),
    "no-back-off": (
        OBJECT + "-link.c", "MAX(link->backoff * 2, BACKOFF_MIN_MS)",
        "MAX(link->backoff, BACKOFF_MIN_MS)",
        ["test-unresponsive.py", "reconnects"]),
}


def copy_tree(where):
    """src/ and build/ of the patched QEMU, with their times.  Trees of other
    series stay: somebody may be at work with them."""
    path = subprocess.run(
        [os.path.join(TOP, "scripts", "qemu-tree"), "build", "--keep", "1000"],
        check=True, stdout=subprocess.PIPE, text=True).stdout.split()[-1]
    tree = os.path.dirname(os.path.dirname(path))
    for name in ("src", "build"):
        subprocess.run(["cp", "-a", "--reflink=auto",
                        os.path.join(tree, name), where], check=True)
    return os.path.join(where, "build", os.path.basename(path))


def build(program):
    done = subprocess.run(
        ["ninja", "-C", os.path.dirname(program), os.path.basename(program)],
        capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError("QEMU does not build: " + done.stdout[-2000:])


def notices(name, program, test, case):
    """Does the case fail?"""
    env = {**os.environ, "RCACHED_QEMU": program,
           "RCACHED_BUILD": os.environ.get("RCACHED_BUILD",
                                           os.path.join(TOP, "build"))}
    done = subprocess.run([os.path.join(HERE, test), *case], env=env,
                          capture_output=True, text=True, check=False)
    good = done.returncode == 1
    print(f"{name}: {' '.join([test, *case])} " +
          ("fails, as it must" if good else
           f"PASSES (exit {done.returncode})"), flush=True)
    last = [line for line in (done.stdout + done.stderr).splitlines()
            if any(w in line for w in ("Error: ", "Expired: ", "FAILED"))]
    print(f"    {last[-1][:200] if last else 'and says nothing'}", flush=True)
    return good


def one(tree, program, name):
    path, old, new, (test, *cases) = MUTATIONS[name]
    path = os.path.join(tree, "src", path)
    with open(path, encoding="utf-8") as f:
        text = f.read()
    if text.count(old) != 1:
        print(f"{name}: the text to change is not there (once)", flush=True)
        return False
    try:
        with open(path, "w", encoding="utf-8") as f:
            f.write(text.replace(old, new))
        build(program)
        return all([notices(name, program, test, case)
                    for case in ([[c] for c in cases] or [[]])])
    finally:
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)


def main():
    names = sys.argv[1:] or list(MUTATIONS)
    for name in names:
        if name not in MUTATIONS:
            print(f"there is no {name}, only: {' '.join(MUTATIONS)}")
            return 2
    tree = tempfile.mkdtemp(prefix="rcached-qemu-mutations-")
    try:
        program = copy_tree(tree)
        return 0 if all([one(tree, program, name) for name in names]) else 1
    finally:
        shutil.rmtree(tree, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
