#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU's remote-cache object against a fake pager.

Most cases run without a guest: qtest reads and writes guest RAM from QEMU's
main loop, so that a page that is missing stops the main loop, which is the
worst place for it.  Where a CPU has to wait, it is SeaBIOS's.

    test-object.py [NAME...]     only the cases whose names contain NAME
"""
import errno
import json
import os
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import fakepager as fp                                      # noqa: E402
import virtio                                               # noqa: E402
from qemu_fakepager import (                                # noqa: E402
    MIB, RAM, TEST_AT, Qmp, Vm, failed, fake_devices, hmp, hmp_says,
    in_thread, main, outl, page_of, refused, wait_for)

# ------------------------------------------------------------------ cases

CASES = []


def case(function):
    CASES.append(function)
    return function


@case
def options_refused(folder):
    rcached = fp.FakeRcached(folder + "/vmm.sock", folder + "/store")
    try:
        for prop, expect in (
                ("copies=0", "copies must be 1 or 2"),
                ("copies=3", "copies must be 1 or 2"),
                ("copies=two", "copies"),
                ("seal=maybe", "seal"),
                # What does not work yet is not there.
                ("proactive=on", "proactive"),
                ("size=16M", "is below the guest's memory"),
                ("memdev=nope", "no memory backend that is the guest's"),
                ("local-min=16M", "local-min is for local-max=auto only"),
                ("frob=1", "frob")):
            refused(folder, expect, props="local-max=32M," + prop)
        for value in ("much", "true"):
            refused(folder, f"does not accept value '{value}'",
                    props="local-max=" + value)
        for value in ("-1", "2G2"):
            refused(folder, "expects a size value", props="local-max=" + value)
        refused(folder, "local-min must be a multiple of 4096",
                props="local-max=auto,local-min=5000001")
        refused(folder, "local-max", props="size=64M")
        refused(folder, "needs local-max", props="local-max=0")
        refused(folder, "multiple of 4096", props="local-max=5000001")
        refused(folder, "a second one on the same VM is refused", "-object",
                f"remote-cache,id=rc1,local-max=32M,socket={folder}/vmm.sock")
    finally:
        rcached.close()


@case
def memory_refused(folder):
    rcached = fp.FakeRcached(folder + "/vmm.sock", folder + "/store")
    backing = folder + "/ram"
    try:
        refused(folder, "'m0' is not shared memory", "-object",
                "memory-backend-ram,id=m0,size=64M,share=off",
                "-machine", "memory-backend=m0")
        refused(folder, "memory-backend-memfd,id=ram0", "-object",
                "memory-backend-ram,id=m0,size=64M,share=off",
                "-machine", "memory-backend=m0")
        refused(folder, "'m0' is in a file", "-object",
                f"memory-backend-file,id=m0,size=64M,share=on,"
                f"mem-path={backing}", "-machine", "memory-backend=m0")
        refused(folder, "is not shared memory", "-mem-path", folder)
        refused(folder, "-overcommit mem-lock", "-overcommit", "mem-lock=on")
        refused(folder, "-incoming", "-incoming", "defer")
        refused(folder, "already ('rc0')", "-object",
                "remote-cache,id=rc1,local-max=32M,socket=/nope")
        refused(folder, "start rcached, or say with socket=",
                path=folder + "/nope")
        refused(folder, "longer than", path=folder + "/" + "x" * 100)
    finally:
        rcached.close()


@case
def shared_by_default(folder):
    """A plain -m becomes shared memory; ROMs and video RAM stay out."""
    vm = Vm(folder, "-device", "VGA")
    try:
        assert vm.pager.do_blocks() == [("pc.ram", 0, RAM // fp.PAGE)]
        hello = vm.pager.do_hello()
        assert hello[5:9] == (RAM, 32 * MIB, 32 * MIB, 2), hello
        assert hello[2] & fp.F_COPIES, hello
        assert hello[-1] == "testvm" and hello[4] != 0
        wait_for("the pager", lambda: vm.query()["attached"])
        info = vm.query()
        assert info["id"] == "rc0"
        assert info["size"] == 32 * MIB and info["local-max"] == 32 * MIB
        assert vm.process.poll() is None
    finally:
        vm.close()


@case
def backends(folder):
    """NUMA nodes' memory is found; memdev= takes one of them only."""
    numa = ("-object", "memory-backend-memfd,id=m0,size=32M",
            "-object", "memory-backend-ram,id=m1,size=32M",
            "-numa", "node,memdev=m0", "-numa", "node,memdev=m1")
    vm = Vm(folder, *numa)
    try:
        assert [b[0] for b in vm.pager.do_blocks()] == ["m0", "m1"]
        assert vm.pager.do_blocks()[1][1] == 32 * MIB // fp.PAGE
    finally:
        vm.close()
    vm = Vm(folder, *numa, props="local-max=16M,memdev=m1")
    try:
        assert [b[0] for b in vm.pager.do_blocks()] == ["m1"]
        assert vm.pager.do_hello()[5] == 32 * MIB
    finally:
        vm.close()


@case
def evict_and_fetch(folder):
    vm = Vm(folder)
    try:
        page = page_of(TEST_AT)
        for i in range(64):
            vm.write(TEST_AT + i * fp.PAGE, 0x1000 + i)
        vm.manage()
        assert vm.pager.do_state(page) == [fp.HOT]
        assert vm.pager.do_evict(page, 64) == 64
        assert not vm.pager.do_data(page)
        for i in range(64):
            assert vm.read(TEST_AT + i * fp.PAGE) == 0x1000 + i
        assert vm.pager.do_state(page, 64) == [fp.HOT] * 64
        # A zap of something that is there no more, by its generation.
        status, _ = vm.pager.do_zap(page, 1, 77)
        assert status == -errno.ENOENT
        stats = wait_for("figures", lambda: vm.query().get("stats"))
        assert stats["guest"] == RAM
        text = vm.qmp.call("human-monitor-command",
                           command_line="info remote-cache")
        assert "rc0: attached" in text and "local-max:" in text
        assert "lease 7 of prov1" in text
    finally:
        vm.close()


@case
def no_pager(folder):
    """Faults while no pager is there go by the table."""
    vm = Vm(folder)
    try:
        base = page_of(TEST_AT)
        for i in range(16):
            vm.write(TEST_AT + i * fp.PAGE, 0x2000 + i)
        vm.manage()
        pager = vm.pager
        assert pager.do_zap(base, 16)[0] == 0
        assert pager.do_evict(base + 8) == 1
        # As a pager leaves them that dies at the wrong moment.
        for i, state in enumerate((fp.ZAPPED, fp.ZAPPING, fp.EVICTING, fp.HOT,
                                   fp.CACHED)):
            pager.do_set(base + i, state)
        zero = base + 1000
        pager.do_set(zero, fp.ZERO)
        pager.kill()
        time.sleep(0.3)         # rcached may start the next one any time
        for i in range(5):
            assert vm.read(TEST_AT + i * fp.PAGE) == 0x2000 + i
        assert vm.read(TEST_AT + 1000 * fp.PAGE) == 0
        vm.write(TEST_AT + 1000 * fp.PAGE, 5)
        # One that is away waits, and nothing is made up for it.
        assert vm.read(TEST_AT + 8 * fp.PAGE, 0.7) is None
        info = vm.query()
        assert not info["attached"] and "problem" in info
        assert info["waiting"]["block"] == "pc.ram"
        assert info["waiting"]["offset"] == TEST_AT + 8 * fp.PAGE
        assert info["waiting"]["reason"] == "pager"
        vm.qmp.event("REMOTE_CACHE_STATE_CHANGED", state="degraded")
        vm.qmp.event("REMOTE_CACHE_STATE_CHANGED", state="waiting")
        vm.next_pager()
        assert vm.read_late() == 0x2008
        assert vm.pager.do_state(base, 5) == [fp.HOT] * 5
        assert vm.pager.do_state(zero) == [fp.HOT]
        assert vm.pager.do_count(fp.LOST) == 0
        assert vm.read(TEST_AT + 1000 * fp.PAGE) == 5
        assert "waiting" not in vm.query()
    finally:
        vm.close()


@case
def broken_memory(folder):
    """With no pager a page that the kernel cannot map, since its memory is
    broken, is waited for, and that is told."""
    with fake_devices(folder):
        vm = Vm(folder)
    broken = folder + "/dev/broken"
    try:
        vm.write(TEST_AT, 0x2345)
        vm.manage()
        assert vm.pager.do_zap(page_of(TEST_AT))[0] == 0
        open(broken, "wb").close()
        vm.pager.kill()
        assert vm.read(TEST_AT, 1) is None
        assert vm.query()["waiting"]["offset"] == TEST_AT
        os.unlink(broken)
        vm.next_pager()
        assert vm.read_late() == 0x2345
    finally:
        vm.close()


@case
def leaves_no_trace(folder):
    """Once the object is gone, RAM that is made later is not shared any more
    for its sake, large folios are welcome again, and no descriptor is left."""
    vm = Vm(folder)
    qmp = vm.qmp

    def made_shared(name):
        qmp.call("object-add", qom_type="memory-backend-ram", id=name,
                 size=MIB)
        shared = qmp.call("qom-get", path="/objects/" + name, property="share")
        qmp.call("object-del", id=name)
        return shared

    def no_folios():
        """Of guest RAM, the largest piece of shared memory that there is."""
        with open(f"/proc/{vm.process.pid}/smaps", encoding="ascii") as f:
            parts = f.read().split("VmFlags:")
        for part, after in zip(parts, parts[1:]):
            if f"{RAM // 1024} kB" in part and "/memfd:" in part:
                return " nh" in after.split("\n")[0]
        raise AssertionError("no guest RAM")

    def gone():
        qmp.job("remote-cache-resize", id="rc0", size=0)
        qmp.call("object-del", id="rc0")

    def descriptors():
        return len(os.listdir(f"/proc/{vm.process.pid}/fd"))

    try:
        wait_for("a pager", lambda: vm.query()["attached"])
        assert made_shared("m1")
        could_have_any = no_folios()        # a kernel that has them at all

        gone()
        time.sleep(1)                       # the last are closed a little later
        before = descriptors()
        assert not made_shared("m2")
        assert could_have_any and not no_folios()
        for _ in range(3):
            vm.add(local_max=32 * MIB)
            wait_for("a pager", lambda: vm.query()["attached"])
            gone()
            wait_for("its descriptors to be closed",
                     lambda: descriptors() <= before)
    finally:
        vm.close()


@case
def fencing(folder):
    """No descriptors for a new pager while the old one lives."""
    vm = Vm(folder)
    try:
        vm.write(TEST_AT, 0x3333)
        vm.manage()
        assert vm.pager.do_zap(page_of(TEST_AT))[0] == 0
        old = vm.pager
        old.do_mute()
        old.do_raw(b"nonsense")         # QEMU ends the conversation
        new = vm.next_pager(ready=False)
        try:
            new.wait("ready", 1)
        except socket.timeout:
            pass
        else:
            raise AssertionError("two pagers have the descriptors")
        # The old one could still act: nothing is answered by the table.
        assert vm.read(TEST_AT, 0.5) is None
        old.kill()
        new.wait("ready")
        assert vm.read_late() == 0x3333
    finally:
        vm.close()


@case
def bad_messages(folder):
    """What is not in the protocol ends the conversation, never QEMU."""
    vm = Vm(folder)
    head = fp.HDR
    try:
        for data in (
                b"x",
                head.pack(0, fp.ZAP, 0, 64, 0, 0) + bytes(40),
                head.pack(fp.MAGIC, fp.ZAP, 0, 4096, 0, 0) + bytes(40),
                head.pack(fp.MAGIC, fp.ZAP, 0, 32, 0, 0) + bytes(8),
                head.pack(fp.MAGIC, 99, 0, 64, 0, 0) + bytes(40),
                head.pack(fp.MAGIC, fp.HELLO, 0, 64, 0, 0) + bytes(40),
                head.pack(fp.MAGIC, fp.READY, 0, 24, 0, 0),
                # more ranges than the message has
                head.pack(fp.MAGIC, fp.ZAP, 0, 48, 0, 0) +
                fp.struct.pack("=QIIII", 1, 0, 1, 100, 0),
                # more pages than a zap may name
                head.pack(fp.MAGIC, fp.ZAP, 0, 56, 0, 0) +
                fp.struct.pack("=QIIIIII", 1, 0, 1, 1, 0, 0, 5000),
                b"y" * 16000):
            vm.pager.do_raw(data)
            vm.next_pager()
            wait_for("a pager", lambda: vm.query()["attached"])
        vm.write(TEST_AT, 1)
        assert vm.read(TEST_AT) == 1
    finally:
        vm.close()


@case
def hello_refused(folder):
    for how, problem in (
            ({"refuse": -errno.EEXIST, "text": "a VM of that uuid runs"},
             "rcached refuses: a VM of that uuid runs"),
            ({"version": 9}, "of another version"),
            ({"no_pidfd": True}, "has no pidfd")):
        vm = Vm(folder, how=how, start=False)
        try:
            vm.start(ready=False)
            wait_for(problem, lambda: problem in vm.query().get("problem", ""))
            vm.write(TEST_AT, 7)        # it runs all the same
            assert vm.read(TEST_AT) == 7
            vm.rcached.how = {}
            for _ in range(5):          # one may still have been refused
                try:
                    vm.next_pager()
                    break
                except (EOFError, socket.timeout):
                    continue
            wait_for("a pager", lambda: vm.query()["attached"])
        finally:
            vm.close()


@case
def rcached_restarts(folder):
    """The socket is away for a while."""
    vm = Vm(folder)
    try:
        vm.rcached.listener.close()
        os.unlink(vm.rcached.path)
        vm.pager.kill()
        wait_for("the end", lambda: not vm.query()["attached"])
        time.sleep(1.5)
        vm.rcached.listen()
        vm.next_pager()
        wait_for("a pager", lambda: vm.query()["attached"])
        assert vm.output().count("no pager:") <= 3, vm.output()
    finally:
        vm.close()


def quits(vm, how):
    """End QEMU by @how; (status, seconds)."""
    begin = time.monotonic()
    if how != "SIGTERM":
        execute = b"execute" if how == "quit" else b"exec-oob"
        try:
            vm.qmp.sock.sendall(b'{"%s": "quit"}\n' % execute)
        except OSError:
            pass
    else:
        vm.process.terminate()
    return vm.ended(60), time.monotonic() - begin


@case
def end_with_page_missing(folder):
    """quit and SIGTERM with a page missing: as a power cut, within 2 s on a
    machine that is not busy.

    The CPU or the main loop waits for a page; its provider, or the pager, is
    away.  While the main loop waits, as it does for a CPU that is in a device,
    a quit has to be out of band."""
    for accel, how, pager in (("tcg", "exec-oob quit", "alive"),
                              ("tcg", "SIGTERM", "dead"),
                              ("tcg", "exec-oob quit", "dead"),
                              ("tcg", "SIGTERM", "mute"),
                              ("qtest", "SIGTERM", "alive"),
                              ("qtest", "exec-oob quit", "dead"),
                              ("qtest", "SIGTERM", "dead")):
        vm = Vm(folder, accel=accel, how={"lost": True})
        try:
            if accel == "tcg":
                time.sleep(1.5)         # SeaBIOS has found nothing to boot
                vm.manage()
                for first in range(0, 256, 64):
                    vm.pager.do_evict(first, 64)
            else:
                vm.write(TEST_AT, 1)
                vm.manage()
                assert vm.pager.do_evict(page_of(TEST_AT)) == 1
            if pager == "dead":
                vm.rcached.listener.close()
                vm.pager.kill()
            elif pager == "mute":
                vm.pager.do_mute()
            if accel == "qtest":
                assert vm.read(TEST_AT, 0.5) is None
            if pager == "mute":
                time.sleep(1.0)
            else:
                wait_for("a wait", lambda v=vm: v.query().get("waiting"))
            status, seconds = quits(vm, how)
            assert status == 1, f"{accel} {how} {pager}: {status}"
            print(f"{accel} {how} {pager}: {seconds:.1f} s")
            assert "as by a power cut" in vm.output()
        finally:
            vm.close()


@case
def a_refused_quit_is_none(folder):
    """A quit that was refused does not end QEMU when a page is late."""
    vm = Vm(folder)
    try:
        vm.write(TEST_AT, 0x99)
        vm.manage()
        failed(vm.qmp, "unexpected", "quit", x=1)
        vm.pager.do_evict(page_of(TEST_AT))
        vm.pager.do_mute()
        assert vm.read(TEST_AT, timeout=4) is None
        assert vm.process.poll() is None, "ended by a quit that was refused"
        vm.pager.do_speak()
        assert vm.read_late() == 0x99
    finally:
        vm.close()


@case
def end_while_short(folder):
    """SIGTERM while there is always some page that is waited for, as in a
    guest that is short of memory: since it is not the same one, QEMU waits
    for its orderly end."""
    vm = Vm(folder, how={"lost": True, "short": True})
    try:
        vm.write(TEST_AT, 0x77)
        vm.manage()
        assert vm.pager.do_evict(page_of(TEST_AT)) == 1
        assert vm.read(TEST_AT, 0.5) is None
        wait_for("the wait", lambda: vm.query().get("waiting"))
        vm.process.terminate()
        assert vm.ended(4) is None, vm.output()
        vm.pager.do_how({"lost": False})
        assert vm.ended(60) == 0, vm.output()
        assert "as by a power cut" not in vm.output()
    finally:
        vm.close()


@case
def end_with_all_there(folder):
    """An ordinary end: with pages away, but none missing."""
    for how in ("quit", "SIGTERM"):
        vm = Vm(folder, accel="tcg")
        try:
            time.sleep(1.0)
            vm.manage()
            for first in range(0, 256, 64):
                vm.pager.do_evict(first, 64)
            time.sleep(0.5)
            status, seconds = quits(vm, how)
            assert status == 0, f"{how}: {status}"
            print(f"{how}: {seconds:.1f} s")
        finally:
            vm.close()


@case
def commands(folder):
    vm = Vm(folder)
    qmp = vm.qmp
    try:
        qmp.job("remote-cache-resize", id="rc0", local_max=16 * MIB,
                size=48 * MIB)
        assert vm.pager.wait("command") == (fp.RESIZE, 3, 48 * MIB, 16 * MIB)
        info = vm.query()
        assert info["size"] == 48 * MIB and info["local-max"] == 16 * MIB
        vm.pager.do_how({"result": (0, 4 * MIB, "")})
        assert qmp.job("remote-cache-evict", id="rc0", bytes=4 * MIB) == \
            4 * MIB
        assert vm.pager.wait("command") == (fp.EVICT, 1, 4 * MIB)
        # What went stands in the job, also when that is not all.
        vm.pager.do_how({"result": (-errno.ETIME, MIB, "no room")})
        qmp.call("remote-cache-evict", id="rc0", local_target=4 * MIB)
        job = qmp.job_end("rc0")
        assert job["type"] == "remote-cache-evict", job
        assert "no room" in job["error"], job
        assert job["current-progress"] == MIB, job
        assert vm.pager.wait("command") == (fp.EVICT, 2, 4 * MIB)
        vm.pager.do_how({"result": (-errno.ETIME, 0, "no provider")})
        failed(qmp, "no provider", "remote-cache-evict", id="rc0", bytes=MIB)
        failed(qmp, "no provider", "remote-cache-resize", id="rc0", size=MIB)
        assert vm.query()["size"] == 48 * MIB
        failed(qmp, "no remote-cache 'x'", "remote-cache-evict", id="x",
               bytes=1)
        failed(qmp, "either bytes", "remote-cache-evict", id="rc0")
        failed(qmp, "none of size", "remote-cache-resize", id="rc0")
        # The outcome is there until it is dismissed, or another one comes.
        vm.pager.do_how({"result": (0, MIB, "")})
        for job_id, found in ((None, ["rc0"]), (None, ["rc0"]),
                              ("mine", ["mine", "rc0"])):
            name = {"job_id": job_id} if job_id else {}
            qmp.call("remote-cache-evict", id="rc0", bytes=MIB, **name)
            wait_for("the job's end", lambda: all(
                j["status"] == "concluded" for j in qmp.call("query-jobs")))
            jobs = qmp.call("query-jobs")
            assert sorted(j["id"] for j in jobs) == found, jobs
        failed(qmp, "'mine' already in use", "remote-cache-evict", id="rc0",
               bytes=MIB, job_id="mine")
        # The pager goes while it is at it.
        vm.pager.do_how({"no_result": True})
        old = vm.pager
        thread = in_thread(lambda: (time.sleep(0.5), old.kill()))
        failed(qmp, "connection to the pager", "remote-cache-evict", id="rc0",
               bytes=MIB)
        thread.join()
        # The next pager hears of the limits as they are now.
        vm.next_pager()
        assert vm.pager.do_hello()[6:8] == (48 * MIB, 16 * MIB)
    finally:
        vm.close()


@case
def events(folder):
    """Each that there is; and no flood of pages that are lost."""
    vm = Vm(folder)
    qmp = vm.qmp
    try:
        for number, state in enumerate(("attached", "waiting", "degraded",
                                        "recovered"), 1):
            vm.pager.do_event(number, 0, "for " + state)
            assert qmp.event("REMOTE_CACHE_STATE_CHANGED",
                             reason="for " + state) == {
                "id": "rc0", "state": state, "reason": "for " + state}
        page = page_of(TEST_AT)
        for n in range(100):
            vm.pager.do_event(5, page + n, f"gone {n}")
        lost = qmp.event("REMOTE_CACHE_PAGE_LOST")
        assert lost == {"id": "rc0", "block": "pc.ram", "offset": TEST_AT,
                        "reason": "gone 0", "action": "report"}, lost
        vm.pager.do_event(4, 0, "all sent")     # comes after them
        qmp.event("REMOTE_CACHE_STATE_CHANGED", reason="all sent")
        vm.ask(f"clock_step {10 ** 9 + 1}")
        lost = qmp.event("REMOTE_CACHE_PAGE_LOST")
        assert lost["reason"] == "gone 99", lost
        assert not [e for e in qmp.events
                    if e["event"] == "REMOTE_CACHE_PAGE_LOST"]
    finally:
        vm.close()


@case
def monitors_meanwhile(folder):
    """While a job waits for the pager every monitor executes every command;
    another job of the object, and its end, are refused."""
    vm = Vm(folder, "-qmp", f"unix:{folder}/qmp2,server=on,wait=off")
    try:
        first, second = vm.qmp, Qmp(folder + "/qmp2")
        vm.pager.do_how({"no_result": True, "progress": (4 * MIB, MIB)})
        first.call("remote-cache-resize", id="rc0", size=MIB)
        vm.pager.wait("command")
        for qmp in (first, second):
            assert qmp.oob("query-remote-cache")[0]["attached"]
            assert qmp.call("query-status")["status"]
            failed(qmp, "has a job under way, 'rc0'", "remote-cache-evict",
                   id="rc0", bytes=MIB)
        failed(second, "while its job 'rc0' is under way", "object-del",
               id="rc0")

        def progress():
            job, = second.call("query-jobs")
            return (job["type"], job["status"], job["current-progress"],
                    job["total-progress"])
        wait_for("its progress", lambda: progress() == (
            "remote-cache-resize", "running", MIB, 4 * MIB))
        vm.pager.kill()
        assert "connection to the pager" in first.job_end("rc0")["error"]
    finally:
        vm.close()


@case
def job_cancel(folder):
    """A cancelled evict stops, and what went is known; after a cancelled
    resize the limits are what they were, and migration stays blocked as it
    was."""
    vm = Vm(folder)
    qmp = vm.qmp
    try:
        vm.pager.do_how({"no_result": True, "went": 3 * MIB,
                         "progress": (8 * MIB, 2 * MIB)})
        qmp.call("remote-cache-evict", id="rc0", bytes=8 * MIB)
        vm.pager.wait("command")
        qmp.call("job-cancel", id="rc0")
        vm.pager.wait("cancel")
        job = qmp.job_end("rc0")
        assert "error" in job and job["current-progress"] == 3 * MIB, job
        assert job["total-progress"] == 8 * MIB, job
        for limits in ({"size": 0}, {"local_max": 16 * MIB, "size": RAM}):
            qmp.call("remote-cache-resize", id="rc0", **limits)
            vm.pager.wait("command")
            qmp.call("job-cancel", id="rc0")
            vm.pager.wait("cancel")
            assert "error" in qmp.job_end("rc0")
            info = vm.query()
            assert info["size"] == info["local-max"] == 32 * MIB, info
            failed(qmp, "keeps guest memory on other hosts", "migrate",
                   uri=f"file:{folder}/mig")
        # QEMU ends, though the pager does not answer the cancel.
        qmp.call("remote-cache-evict", id="rc0", bytes=8 * MIB)
        vm.pager.wait("command")
        vm.pager.do_mute()
        assert quits(vm, "quit")[0] == 0, vm.output()
    finally:
        vm.close()


@case
def lost_page(folder):
    """A page that is lost is not home, whatever the answer to a resize says:
    the VM cannot be migrated, nor the object deleted, before it is given
    up."""
    vm = Vm(folder)
    qmp = vm.qmp
    page = page_of(TEST_AT)
    try:
        vm.write(TEST_AT, 0x4000)
        vm.manage()
        vm.pager.do_set(page, fp.LOST)
        for _ in range(2):
            failed(qmp, "4096 bytes of guest memory are lost",
                   "remote-cache-resize", id="rc0", size=0)
            failed(qmp, "keeps guest memory on other hosts", "migrate",
                   uri=f"file:{folder}/mig")
            failed(qmp, "cannot be deleted", "object-del", id="rc0")
        # Nor by the words, when no pager counts.
        vm.pager.kill()
        wait_for("the end", lambda: not vm.query()["attached"])
        time.sleep(0.3)
        failed(qmp, "cannot be deleted", "object-del", id="rc0")
        vm.next_pager()
        vm.pager.do_set(page, fp.HOT)
        qmp.job("remote-cache-resize", id="rc0", size=0)
        qmp.call("migrate", uri=f"file:{folder}/mig")
        wait_for("the migration", lambda: qmp.call("query-migrate")["status"]
                 == "completed")
    finally:
        vm.close()


@case
def not_reconciled(folder):
    """While a new pager looks at what the last one has left, nothing is known
    to be home, though nothing is counted as away."""
    vm = Vm(folder)
    qmp = vm.qmp
    try:
        vm.manage()
        vm.pager.do_how({"unreconciled": True})
        qmp.call("remote-cache-resize", id="rc0", size=0)
        vm.pager.wait("command")
        time.sleep(0.5)
        assert qmp.call("query-jobs")[0]["status"] == "running"
        failed(qmp, "keeps guest memory on other hosts", "migrate",
               uri=f"file:{folder}/mig")
        vm.pager.do_how({"unreconciled": False})
        assert "error" not in qmp.job_end("rc0")
        vm.pager.do_how({"unreconciled": True})
        time.sleep(0.5)
        failed(qmp, "cannot be deleted", "object-del", id="rc0")
        vm.pager.do_how({"unreconciled": False})
        time.sleep(0.5)
        qmp.call("object-del", id="rc0")
    finally:
        vm.close()


@case
def resize_not_started(folder):
    """A resize that does not become a job leaves no trace: what is at home can
    still be migrated."""
    vm = Vm(folder)
    qmp = vm.qmp
    try:
        wait_for("a pager", lambda: vm.query()["attached"])
        qmp.job("remote-cache-resize", id="rc0", size=0)
        failed(qmp, "Invalid job ID", "remote-cache-resize", id="rc0",
               size=RAM, job_id="no/name")
        qmp.call("migrate", uri=f"file:{folder}/mig")
        wait_for("the migration", lambda: qmp.call("query-migrate")["status"]
                 == "completed")
    finally:
        vm.close()


@case
def cancelled_too_late(folder):
    """A cancel that the pager ignores, since it is done: the job says what
    holds, and that is not that it was cancelled."""
    vm = Vm(folder)
    qmp = vm.qmp
    try:
        wait_for("a pager", lambda: vm.query()["attached"])
        vm.pager.do_how({"no_result": True, "late": True})
        qmp.call("remote-cache-resize", id="rc0", size=RAM)
        vm.pager.wait("command")
        qmp.call("job-cancel", id="rc0")
        vm.pager.wait("cancel")
        job = qmp.job_end("rc0")
        assert "error" not in job, job
        assert vm.query()["size"] == RAM
    finally:
        vm.close()


@case
def silent_pager(folder):
    """One that is there and does nothing is not just "attached"."""
    vm = Vm(folder)
    try:
        wait_for("figures", lambda: vm.query().get("stats"))
        assert "problem" not in vm.query()
        vm.pager.do_mute()
        wait_for("the silence", lambda: "said nothing" in
                 vm.query().get("problem", ""))
        assert vm.query()["attached"]
        assert vm.query()["stats-age-ms"] > 5000
        vm.pager.do_speak()
        wait_for("a word", lambda: "problem" not in vm.query())
    finally:
        vm.close()


@case
def not_deleted_while_silent(folder):
    """A pager that does not listen cannot let go: nobody waits for that."""
    vm = Vm(folder)
    qmp = vm.qmp
    try:
        qmp.job("remote-cache-resize", id="rc0", size=0)
        vm.pager.do_mute()
        wait_for("the silence", lambda: "said nothing" in
                 vm.query().get("problem", ""))
        failed(qmp, "says nothing", "object-del", id="rc0")
        assert vm.query()["id"] == "rc0"
        vm.pager.do_speak()
        wait_for("a word", lambda: "problem" not in vm.query())
        qmp.call("object-del", id="rc0")
        assert qmp.call("query-remote-cache") == []
    finally:
        vm.close()


@case
def set_once(folder):
    """What the object was made with is not changed behind its back."""
    vm = Vm(folder)
    try:
        for name, value in (("socket", "/elsewhere"), ("memdev", "m0"),
                            ("size", MIB), ("local-max", MIB)):
            failed(vm.qmp, f"{name} cannot be set any more", "qom-set",
                   path="/objects/rc0", property=name, value=value)
    finally:
        vm.close()


@case
def quit_under_replay(folder):
    """Out of band, a quit is not made where the request may not be."""
    vm = Vm(folder, "-icount", f"shift=auto,rr=record,rrfile={folder}/rr",
            accel="tcg", late=True)
    try:
        assert quits(vm, "exec-oob quit")[0] == 0, vm.output()
    finally:
        vm.close()


@case
def pager_without_jobs(folder):
    """A pager that knows neither CANCEL nor PROGRESS is sent no command."""
    vm = Vm(folder, how={"commands": 0})
    try:
        wait_for("a pager", lambda: vm.query()["attached"])
        failed(vm.qmp, "restart rcached", "remote-cache-evict", id="rc0",
               bytes=MIB)
    finally:
        vm.close()


def copies_of(vm):
    """What is wanted, and the pager's figures."""
    info = vm.query()
    stats = info.get("stats", {})
    return info["copies"], stats.get("one-copy"), stats.get("copying")


@case
def copies(folder):
    """How many there are to be is said to each pager, changed by a resize
    that succeeds, and by no other; the pager's figures are shown."""
    vm = Vm(folder, how={"one_copy": (3 * MIB, 2 * MIB)},
            props="local-max=32M,copies=1")
    qmp = vm.qmp

    def resize(n, **more):
        qmp.job("remote-cache-resize", id="rc0", copies=n, **more)
        return vm.pager.wait("command")
    try:
        assert vm.pager.do_hello()[8] == 1
        wait_for("figures", lambda: copies_of(vm) == (1, 3 * MIB, 2 * MIB))
        assert qmp.call("qom-get", path="/objects/rc0",
                        property="copies") == 1
        text = qmp.call("human-monitor-command",
                        command_line="info remote-cache")
        for line in ("copies:      1", "one copy:    3 MiB",
                     "copying:     2 MiB"):
            assert line in text, text
        assert resize(2) == (fp.RESIZE, 4, 0, 0, 2)
        assert copies_of(vm)[0] == 2
        assert vm.query()["size"] == 32 * MIB
        assert resize(1, local_max=40 * MIB) == (
            fp.RESIZE, 6, 0, 40 * MIB, 1)
        assert copies_of(vm)[0] == 1
        for n in (0, 3):
            failed(qmp, "copies must be 1 or 2", "remote-cache-resize",
                   id="rc0", copies=n)
        failed(qmp, "cannot be set any more", "qom-set", path="/objects/rc0",
               property="copies", value=2)
        # One that changes something else leaves them, and one that fails.
        assert resize(2)[-1] == 2
        qmp.job("remote-cache-resize", id="rc0", local_max=32 * MIB)
        assert vm.pager.wait("command") == (fp.RESIZE, 2, 0, 32 * MIB)
        assert copies_of(vm)[0] == 2
        vm.pager.do_how({"result": (-errno.ETIME, 0, "no provider")})
        failed(qmp, "no provider", "remote-cache-resize", id="rc0", copies=1)
        assert copies_of(vm)[0] == 2
        vm.pager.kill()
        vm.next_pager()
        assert vm.pager.do_hello()[8] == 2
    finally:
        vm.close()


@case
def pager_of_one_copy(folder):
    """A pager that does not know two copies: the VM that wants two has none,
    and is told what to do; one that wants one works, and cannot have two."""
    vm = Vm(folder, how={"copies": 0}, start=False)
    try:
        vm.start(ready=False)
        wait_for("the reason", lambda: "start the VM with copies=1" in
                 vm.query().get("problem", ""))
        assert not vm.query()["attached"]
        vm.write(TEST_AT, 7)            # it runs all the same
        assert vm.read(TEST_AT) == 7
    finally:
        vm.close()
    vm = Vm(folder, how={"copies": 0}, props="local-max=32M,copies=1")
    try:
        wait_for("figures", lambda: copies_of(vm) == (1, 0, 0))
        failed(vm.qmp, "keeps one copy of a page: use a newer rcached",
               "remote-cache-resize", id="rc0", copies=2)
        assert copies_of(vm)[0] == 1
    finally:
        vm.close()


def memory_has(pid, what):
    """Is it anywhere in what a process has mapped?"""
    with open(f"/proc/{pid}/maps") as maps, \
            open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            area, rights = line.split()[:2]
            start, end = (int(at, 16) for at in area.split("-"))
            if rights[0] != "r":
                continue
            try:
                mem.seek(start)
                if what in mem.read(end - start):
                    return True
            except (OSError, OverflowError):
                pass                # such as [vvar]
    return False


@case
def sealed(folder):
    """Pages are sealed unless it says otherwise, under a key that each pager
    gets, that is another for each VM, and that QEMU itself keeps nowhere."""
    keys = []
    for props, seal in (("local-max=32M", 1), ("local-max=32M,seal=off", 0)):
        vm = Vm(folder, props=props)
        try:
            hello = vm.pager.do_hello()
            assert hello[2] & fp.F_SEAL and hello[9] == seal, hello
            assert vm.query()["seal"] == bool(seal)
            text = vm.qmp.call("human-monitor-command",
                               command_line="info remote-cache")
            assert f"seal:        {'on' if seal else 'off'}" in text, text
            assert vm.qmp.call("qom-get", path="/objects/rc0",
                               property="seal") == bool(seal)
            failed(vm.qmp, "cannot be set any more", "qom-set",
                   path="/objects/rc0", property="seal", value=not seal)
            key, is_secret = vm.pager.do_key()
            if is_secret:
                assert not memory_has(vm.process.pid, key)
            vm.pager.kill()
            vm.next_pager()
            assert vm.pager.do_key()[0] == key
            assert vm.pager.do_hello()[9] == seal
            keys.append(key)
        finally:
            vm.close()
    assert keys[0] != keys[1]


@case
def pager_that_does_not_seal(folder):
    """It gets nothing, whatever the VM wants, and the reason is told."""
    for props in ("local-max=32M", "local-max=32M,seal=off"):
        vm = Vm(folder, how={"seal": 0}, props=props, start=False)
        try:
            vm.start(ready=False)
            wait_for("the reason", lambda: "without sealing them" in
                     vm.query().get("problem", ""))
            assert not vm.query()["attached"]
        finally:
            vm.close()


@case
def figures_of_two_pagers(folder):
    """What one pager has said last is not shown for the next one's, which
    says less."""
    vm = Vm(folder, how={"one_copy": (3 * MIB, 2 * MIB)},
            props="local-max=32M,copies=1")
    try:
        wait_for("figures", lambda: copies_of(vm) == (1, 3 * MIB, 2 * MIB))
        vm.rcached.how = {"copies": 0}
        vm.pager.kill()
        vm.next_pager()
        wait_for("its figures", lambda: copies_of(vm)[1] is not None)
        assert copies_of(vm) == (1, 0, 0)
    finally:
        vm.close()


@case
def setup_refused(folder):
    """Why a pager does not take a VM is told, and not only in its log."""
    why = "the state memfd is of layout 2, and this pager's of layout 3"
    vm = Vm(folder, how={"refuse_state": why}, start=False)
    try:
        vm.start(ready=False)
        wait_for("the reason", lambda: why in vm.query().get("problem", ""))
        assert why in vm.output()
        # One is about to be refused already.
        vm.rcached.how = {}
        for _ in range(5):
            try:
                vm.next_pager()
                break
            except (EOFError, socket.timeout):
                continue
        wait_for("a pager", lambda: vm.query()["attached"])
    finally:
        vm.close()


@case
def local_max_everywhere(folder):
    """A size, or "auto": on the command line, as options and as JSON, at the
    human monitor and by QMP."""
    size = 24 * MIB
    for given, auto in (("24M", False), (str(size), False),
                        ("0x1800000", False), ("auto", True)):
        vm = Vm(folder, props=f"local-max={given}")
        try:
            info = wait_for("the object", vm.query)
            assert info["local-max-auto"] == auto, info
            assert auto or info["local-max"] == size, info
        finally:
            vm.close()
        for name in ("qmp", "qtest", "vmm.sock"):
            os.unlink(f"{folder}/{name}")
    vm = Vm(folder, "-object", "memory-backend-memfd,id=ram,size=64M,share=on",
            "-machine", "memory-backend=ram", late=True)
    line = f"object_add remote-cache,id=rc0,socket={folder}/vmm.sock,local-max="

    def added(auto):
        vm.next_pager()
        info = vm.query()
        assert info["local-max-auto"] == auto, info
        assert auto or info["local-max"] == size, info
        vm.qmp.job("remote-cache-resize", id="rc0", size=0)
        vm.qmp.call("object-del", id="rc0")
    try:
        for given in ("24M", str(size), "0x1800000", "auto"):
            assert hmp_says(vm, line + given) == "", given
            added(given == "auto")
        for given, text in (("much", "does not accept value 'much'"),
                            ("", "does not accept value ''"),
                            ("-1", "local-max"), ("24M4", "local-max")):
            answer = hmp_says(vm, line + given)
            assert "Error: " in answer and text in answer, (given, answer)
        for given in (size, "auto"):
            vm.qmp.call("object-add", qom_type="remote-cache", id="rc0",
                        socket=folder + "/vmm.sock", local_max=given)
            added(given == "auto")
        # What is a number is no word for QMP, which can tell them apart.
        for given in ("24M", "much", True):
            failed(vm.qmp, "local-max", "object-add", id="rc0",
                   qom_type="remote-cache", local_max=given,
                   socket=folder + "/vmm.sock")
    finally:
        vm.close()
    for name in ("qmp", "qtest", "vmm.sock"):
        os.unlink(f"{folder}/{name}")
    for given in (size, "auto"):
        vm = Vm(folder, "-object", json.dumps(
            {"qom-type": "remote-cache", "id": "rc0", "local-max": given,
             "socket": folder + "/vmm.sock"}), late=True, start=False)
        vm.late = False                         # it is there from the start
        try:
            vm.start()
            assert vm.query()["local-max-auto"] == (given == "auto")
        finally:
            vm.close()
        for name in ("qmp", "qtest", "vmm.sock"):
            os.unlink(f"{folder}/{name}")


@case
def local_max_auto(folder):
    """rcached chooses local-max, until a size is given."""
    vm = Vm(folder, props="local-max=auto")
    qmp = vm.qmp
    auto = 2                            # RCACHE_VMM_F_AUTO

    def limits(name="local-max"):
        info = vm.query()
        return (info["local-max-auto"], info.get("local-min"), info[name])
    try:
        hello = vm.pager.do_hello()
        assert hello[2] & auto and hello[5:8] == (RAM, RAM * 7 // 8, RAM // 8)
        # The fake pager's STATS say what HELLO said.
        wait_for("what the pager says", lambda: limits() ==
                 (True, RAM // 8, RAM // 8))
        assert limits("size")[2] == RAM * 7 // 8
        text = qmp.call("human-monitor-command",
                        command_line="info remote-cache")
        assert "local-min:" in text
        assert qmp.call("qom-get", path="/objects/rc0",
                        property="local-max") == "auto"
        failed(qmp, "cannot be set any more", "qom-set", path="/objects/rc0",
               property="local-max", value=MIB)
        # A resize of size alone leaves it to rcached; one that fails, too.
        qmp.job("remote-cache-resize", id="rc0", size=48 * MIB)
        assert limits()[0]
        vm.pager.do_how({"result": (-errno.ETIME, 0, "no room")})
        failed(qmp, "no room", "remote-cache-resize", id="rc0",
               local_max=24 * MIB)
        assert limits()[0]
        vm.pager.do_how({"result": (0, 0, "")})
        qmp.job("remote-cache-resize", id="rc0", local_max=24 * MIB)
        assert limits() == (False, None, 24 * MIB)
        vm.pager.kill()
        vm.next_pager()
        hello = vm.pager.do_hello()
        assert not hello[2] & auto
        assert hello[6:8] == (48 * MIB, 24 * MIB), hello
        qmp.job("remote-cache-resize", id="rc0", size=0)
        qmp.call("object-del", id="rc0")
        vm.add(local_max="auto", local_min=4 * MIB)
        assert vm.pager.do_hello()[7] == 4 * MIB
        # All of it at home ends it as well.
        qmp.job("remote-cache-resize", id="rc0", size=0)
        assert limits() == (False, None, RAM)
        qmp.call("object-del", id="rc0")
        failed(qmp, "local-max", "object-add", qom_type="remote-cache",
               id="rc0", local_max="16M")
        vm.add(local_max=16 * MIB)
        assert limits() == (False, None, 16 * MIB)
    finally:
        vm.close()


@case
def migration_and_removal(folder):
    """Blocked while memory is away; free, and deletable, once it is home."""
    vm = Vm(folder)
    qmp = vm.qmp
    try:
        for i in range(32):
            vm.write(TEST_AT + i * fp.PAGE, 0x4000 + i)
        vm.manage()
        vm.pager.do_evict(page_of(TEST_AT), 32)
        failed(qmp, "size=0 brings it home", "object-del", id="rc0")
        failed(qmp, "keeps guest memory on other hosts", "migrate",
               uri=f"file:{folder}/mig")
        qmp.job("remote-cache-resize", id="rc0", size=0)
        assert vm.query()["local-max"] == RAM
        qmp.call("migrate", uri=f"file:{folder}/mig")
        wait_for("the migration", lambda: qmp.call("query-migrate")["status"]
                 == "completed")
        # A size of 0 alone is no proof: what is away keeps the object.
        vm.pager.do_evict(page_of(TEST_AT))
        wait_for("QEMU to hear of it", lambda: vm.query()["stats"]["remote"])
        failed(qmp, "brings it home", "object-del", id="rc0")
        assert vm.read(TEST_AT) == 0x4000
        # The guest goes on a moment before the word says so.
        wait_for("the page to be here", lambda: not any(
            vm.pager.do_count(state) for state in (fp.REMOTE, fp.FETCHING,
                                                   fp.FILLING)))
        wait_for("QEMU to hear of it",
                 lambda: not vm.query()["stats"]["remote"])
        qmp.call("object-del", id="rc0")
        assert qmp.call("query-remote-cache") == []
        for i in range(32):
            assert vm.read(TEST_AT + i * fp.PAGE) == 0x4000 + i
        # And again, since RAM is shared memory and nobody has it mapped.
        vm.add(local_max=32 * MIB)
        vm.manage()
        assert vm.pager.do_evict(page_of(TEST_AT), 32) == 32
        for i in range(32):
            assert vm.read(TEST_AT + i * fp.PAGE) == 0x4000 + i
    finally:
        vm.close()


@case
def dma_is_pinned(folder):
    """A page that a disk is writing to is named in the zap's answer."""
    disk = folder + "/disk"
    with open(disk, "wb") as f:
        f.write(b"D" * MIB)
    vm = Vm(folder, "-blockdev",
            f"driver=raw,node-name=d0,file.driver=blkdebug,"
            f"file.image.driver=file,file.image.filename={disk}",
            "-device", "ide-hd,id=hd0,drive=d0,bus=ide.0")
    try:
        page = page_of(TEST_AT)
        vm.write(TEST_AT, 1)
        vm.write(TEST_AT + 2 * fp.PAGE, 1)
        vm.manage()
        # PIIX3's bus master registers at 0xc000, memory and master enabled.
        for reg, value in ((0x20, 0xc001), (0x04, 0x5)):
            outl(vm, 0xcf8, 0x80000900 | reg)
            outl(vm, 0xcfc, value)
        table = TEST_AT + 2 * fp.PAGE
        vm.write(table, 0x80001000 << 32 | TEST_AT)
        outl(vm, 0xc004, table)
        for port, value in ((0x1f6, 0xe0), (0x1f2, 8), (0x1f3, 0), (0x1f4, 0),
                            (0x1f5, 0)):
            assert vm.ask(f"outb {port:#x} {value:#x}") == "OK"
        hmp(vm, "qemu-io -d hd0 \"break read_aio A\"")
        assert vm.ask("outb 0x1f7 0xc8") == "OK"        # READ DMA
        assert vm.ask("outb 0xc000 0x09") == "OK"       # start, to memory
        time.sleep(0.2)
        status, pinned = vm.pager.do_zap(page)
        assert status == 0 and pinned == [page], (status, pinned)
        assert vm.pager.do_evict(page) == 0
        assert vm.pager.do_zap(page + 2) == (0, [])
        hmp(vm, "qemu-io -d hd0 \"resume A\"")
        wait_for("the DMA's end", lambda: vm.read(TEST_AT) ==
                 int.from_bytes(b"D" * 8, "little"))
        assert vm.pager.do_evict(page) == 1
        assert vm.read(TEST_AT) == int.from_bytes(b"D" * 8, "little")
    finally:
        vm.close()


@case
def dma_of_many(folder):
    """A page that 300 parts of one request write to is pinned until they are
    done, and no longer."""
    disk = folder + "/disk"
    parts = 300
    with open(disk, "wb") as f:
        f.write(b"D" * MIB)
    vm = Vm(folder, "-drive", f"file={disk},format=raw,if=none,id=d0",
            "-device", "ide-hd,id=hd0,drive=d0,bus=ide.0")
    try:
        table = TEST_AT + 2 * fp.PAGE
        vm.write(TEST_AT, 1)
        for i in range(parts):
            flags = 0x8000 if i == parts - 1 else 0
            vm.write(table + 8 * i, (flags << 16 | 512) << 32 |
                     TEST_AT + i % 8 * 512)
        vm.manage()
        for reg, value in ((0x20, 0xc001), (0x04, 0x5)):
            outl(vm, 0xcf8, 0x80000900 | reg)
            outl(vm, 0xcfc, value)
        outl(vm, 0xc004, table)
        for port, value in ((0x1f6, 0xe0), (0x1f2, parts >> 8), (0x1f3, 0),
                            (0x1f4, 0), (0x1f5, 0), (0x1f2, parts & 0xff),
                            (0x1f3, 0), (0x1f4, 0), (0x1f5, 0)):
            assert vm.ask(f"outb {port:#x} {value:#x}") == "OK"
        assert vm.ask("outb 0x1f7 0x25") == "OK"        # READ DMA EXT
        assert vm.ask("outb 0xc000 0x09") == "OK"       # start, to memory
        wait_for("the DMA's end", lambda: not int(
            vm.ask("inb 0xc002").split()[1], 0) & 1)
        assert vm.read(TEST_AT) == int.from_bytes(b"D" * 8, "little")
        assert vm.pager.do_evict(page_of(TEST_AT)) == 1
    finally:
        vm.close()


@case
def dma_cut_off(folder):
    """What a request has mapped and cannot send yet, since it is no whole
    sector, is unmapped, and its bytes come with the next turn.

    Of addresses at which there is no RAM QEMU has 4 KiB mapped at a time, so
    the second of these ends a turn, with half a sector of RAM at its end."""
    disk = folder + "/disk"
    content = b"".join(struct.pack("<Q", n) for n in range(MIB // 8))
    with open(disk, "wb") as f:
        f.write(content)
    vm = Vm(folder, "-drive", f"file={disk},format=raw,if=none,id=d0",
            "-device", "ide-hd,id=hd0,drive=d0,bus=ide.0")
    nowhere, half = 0x60000000, 256
    parts = ((nowhere, fp.PAGE), (TEST_AT, half), (nowhere, fp.PAGE),
             (TEST_AT + fp.PAGE, half))
    try:
        table = TEST_AT + 2 * fp.PAGE
        for i, (address, length) in enumerate(parts):
            flags = 0x8000 if i == len(parts) - 1 else 0
            vm.write(table + 8 * i, (flags << 16 | length) << 32 | address)
        vm.write(TEST_AT, 1)
        vm.write(TEST_AT + fp.PAGE, 1)
        vm.manage()
        for reg, value in ((0x20, 0xc001), (0x04, 0x5)):
            outl(vm, 0xcf8, 0x80000900 | reg)
            outl(vm, 0xcfc, value)
        outl(vm, 0xc004, table)
        sectors = sum(length for _, length in parts) // 512
        for port, value in ((0x1f6, 0xe0), (0x1f2, sectors), (0x1f3, 0),
                            (0x1f4, 0), (0x1f5, 0)):
            assert vm.ask(f"outb {port:#x} {value:#x}") == "OK"
        assert vm.ask("outb 0x1f7 0xc8") == "OK"        # READ DMA
        assert vm.ask("outb 0xc000 0x09") == "OK"       # start, to memory
        wait_for("the DMA's end", lambda: not int(
            vm.ask("inb 0xc002").split()[1], 0) & 1)
        at = 0
        for address, length in parts:
            if address != nowhere:
                assert vm.get(address, length) == content[at:at + length]
            at += length
        assert vm.pager.do_evict(page_of(TEST_AT), 2) == 2
        assert vm.get(TEST_AT, half) == content[fp.PAGE:fp.PAGE + half]
    finally:
        vm.close()


@case
def balloon_figures(folder):
    """What the guest says of its memory goes to the pager; that it is asked
    for more is up to somebody else."""
    vm = Vm(folder, "-device", "virtio-balloon-pci,id=b0,addr=4")
    try:
        device = virtio.Balloon(vm, 4)
        wait_for("a pager", lambda: vm.query()["attached"])
        device.report({4: 11 * MIB, 5: 55 * MIB})       # free, and in all
        wait_for("the figures", vm.pager.do_balloon)
        _, actual, valid, _, *stat = vm.pager.do_balloon()
        assert actual == RAM and valid == 1 << 4 | 1 << 5, (actual, valid)
        assert stat[4:6] == [11 * MIB, 55 * MIB]
        assert vm.qmp.call("qom-get", path="/machine/peripheral/b0",
                           property="guest-stats-polling-interval") == 0
        # The next pager has them as well.
        vm.pager.kill()
        vm.next_pager()
        wait_for("the figures", vm.pager.do_balloon)
    finally:
        vm.close()


class Balloon:
    """The guest's side of a legacy virtio-balloon, in slot 4."""

    RING = 8 * MIB
    LIST = 9 * MIB

    def __init__(self, vm):
        self.vm = vm
        self.turn = 0
        for reg, value in ((0x10, 0xc101), (0x04, 0x5)):
            outl(vm, 0xcf8, 0x80002000 | reg)
            outl(vm, 0xcfc, value)
        assert vm.ask("outb 0xc112 0x3") == "OK"        # status: driver
        assert vm.ask("outw 0xc10e 0x0") == "OK"        # the inflate queue
        self.size = int(vm.ask("inw 0xc10c").split()[1], 0)
        outl(vm, 0xc108, self.RING // fp.PAGE)
        assert vm.ask("outb 0xc112 0x7") == "OK"        # driver is ready

    def inflate(self, *addresses):
        """The guest gives pages up: QEMU discards them."""
        vm = self.vm
        for i, address in enumerate(addresses):
            assert vm.ask(f"writel {self.LIST + 4 * i:#x} "
                          f"{address // fp.PAGE:#x}") == "OK"
        avail = self.RING + 16 * self.size
        used = (avail + 6 + 2 * self.size + 4095) // 4096 * 4096
        vm.write(self.RING, self.LIST)
        vm.write(self.RING + 8, 4 * len(addresses))
        assert vm.ask(f"writew {avail + 4 + 2 * (self.turn % self.size):#x} "
                      "0x0") == "OK"
        self.turn += 1
        assert vm.ask(f"writew {avail + 2:#x} {self.turn:#x}") == "OK"
        assert vm.ask("outw 0xc110 0x0") == "OK"
        wait_for("the balloon", lambda: int(
            vm.ask(f"readw {used + 2:#x}").split()[1], 0) == self.turn)


@case
def discards(folder):
    """Rule 6: in step with the words, and never under the pager's hands."""
    vm = Vm(folder, "-device",
            "virtio-balloon-pci,addr=4,disable-modern=on,disable-legacy=off")
    try:
        balloon = Balloon(vm)
        pages = [page_of(TEST_AT) + i for i in range(8)]
        places = [p * fp.PAGE for p in pages]
        for place in places:
            vm.write(place, 0x77)
        # Not managed yet: the word is as it was, the page is empty.
        balloon.inflate(places[0])
        assert vm.pager.do_state(pages[0]) == [fp.UNMANAGED]
        assert not vm.pager.do_data(pages[0])
        assert vm.read(places[0]) == 0
        vm.write(places[0], 0x77)
        vm.manage()
        before = vm.pager.do_discards()
        vm.pager.do_evict(pages[1])
        vm.pager.do_set(pages[2], fp.FILLING)
        vm.pager.do_set(pages[3], fp.PUNCHING)
        vm.pager.do_set(pages[4], fp.LOST)
        assert vm.pager.do_zap(pages[5])[0] == 0
        words = [vm.pager.do_word(p) for p in pages]
        balloon.inflate(*places)
        after = [vm.pager.do_word(p) for p in pages]

        def flipped(word):
            return (word & fp.SLOT_MASK |
                    (word + fp.GEN) & fp.GEN_MASK | fp.ZERO)

        # What is lost can be given up like any other page.
        for i in (0, 1, 4, 5, 6, 7):
            assert after[i] == flipped(words[i]), (i, hex(after[i]))
            assert not vm.pager.do_data(pages[i])
        assert after[1] & fp.SLOT_MASK, "the slot is the pager's to free"
        for i in (2, 3):
            assert after[i] == words[i], (i, hex(after[i]))
            assert vm.pager.do_data(pages[i]), f"page {i} was punched"
        now = vm.pager.do_discards()
        assert now[0] > before[0]
        assert now[1] - before[1] == 4, (before, now)   # were here
        assert now[2] - before[2] == 1, (before, now)   # was away
        assert vm.pager.do_frame(pages[0]) == 1
        for i in (0, 1, 4, 5):
            assert vm.read(places[i]) == 0
        # ZERO again: the generation alone tells it from the one before.
        word = vm.pager.do_word(pages[6])
        balloon.inflate(places[6])
        assert vm.pager.do_word(pages[6]) == flipped(word)
    finally:
        vm.close()


@case
def hotplug(folder):
    """A DIMM that is plugged is managed; its removal is told of."""
    vm = Vm(folder, "-m", "64M,slots=2,maxmem=256M")
    try:
        for turn in range(2):
            vm.qmp.call("object-add", qom_type="memory-backend-ram", id="m1",
                        size=64 * MIB)
            vm.qmp.call("device_add", driver="pc-dimm", id="dimm1",
                        memdev="m1")
            assert vm.pager.wait("block") == ("m1",)
            blocks = vm.pager.do_blocks()
            assert blocks[1] == ("m1", RAM // fp.PAGE, 64 * MIB // fp.PAGE)
            vm.pager.do_manage("m1")
            vm.pager.wait("managed")
            at = 0x100000000
            page = RAM // fp.PAGE
            vm.write(at, 0x5500 + turn)
            assert vm.pager.do_evict(page) == 1
            assert vm.read(at) == 0x5500 + turn
            assert vm.pager.do_evict(page) == 1
            if turn:                    # unplugged while there is no pager
                vm.pager.kill()
                wait_for("the end", lambda: not vm.query()["attached"])
            unplug(vm, "dimm1", "m1")
            if not turn:
                assert vm.pager.wait("unblock") == ("m1",)
        # QEMU may have connected, and named the DIMM, before it went.
        vm.next_pager()
        wait_for("the DIMM to go", lambda: [b[0] for b in
                                            vm.pager.do_blocks()] ==
                 ["pc.ram"])
        assert vm.pager.do_word(page) == 0
    finally:
        vm.close()


def ram_blocks(vm):
    return vm.qmp.call("human-monitor-command",
                       command_line="info ramblock").count("\n")


def unplug(vm, dimm, memory):
    """Remove a DIMM, as a guest does that agrees."""
    before = ram_blocks(vm)
    vm.qmp.call("device_del", id=dimm)
    outl(vm, 0xa00, 0)
    assert vm.ask("outb 0xa14 0x8") == "OK"
    vm.qmp.event("DEVICE_DELETED", device=dimm)
    vm.qmp.call("object-del", id=memory)
    wait_for("its RAM to be gone", lambda: ram_blocks(vm) < before)


@case
def unplugged_unheard_of(folder):
    """A DIMM that has gone before the pager heard of it: nothing is said of
    it, and the pager stays."""
    vm = Vm(folder, "-m", "64M,slots=3,maxmem=192M")

    def plug(name):
        vm.qmp.call("object-add", qom_type="memory-backend-ram", id="m" + name,
                    size=64 * MIB)
        vm.qmp.call("device_add", driver="pc-dimm", id="d" + name,
                    memdev="m" + name)
    try:
        plug("1")
        assert vm.pager.wait("block") == ("m1",)
        vm.pager.do_mute()
        unplug(vm, "d1", "m1")
        # The next one has to wait until the pager has let go of the first.
        plug("2")
        unplug(vm, "d2", "m2")
        plug("3")
        vm.pager.do_speak()
        assert vm.pager.wait("unblock") == ("m1",)
        assert vm.pager.wait("block") == ("m3",)
        assert [b[0] for b in vm.pager.do_blocks()] == ["pc.ram", "m3"]
        assert vm.query()["attached"]
        assert "no pager" not in vm.output()
    finally:
        vm.close()


@case
def hotplug_no_place(folder):
    """A DIMM that is plugged before the pager has let go of the last one is
    managed when it has."""
    vm = Vm(folder, "-m", "64M,slots=2,maxmem=128M")

    def plug(name):
        vm.qmp.call("object-add", qom_type="memory-backend-ram", id="m" + name,
                    size=64 * MIB)
        vm.qmp.call("device_add", driver="pc-dimm", id="d" + name,
                    memdev="m" + name)
    try:
        plug("1")
        assert vm.pager.wait("block") == ("m1",)
        vm.pager.do_mute()
        unplug(vm, "d1", "m1")
        plug("2")
        assert "no place left for RAM block 'm2'" in vm.output()
        assert not vm.pager.told
        vm.pager.do_speak()
        assert vm.pager.wait("unblock") == ("m1",)
        assert vm.pager.wait("block") == ("m2",)
        vm.pager.do_manage("m2")
        vm.pager.wait("managed")
        at, page = 0x100000000, RAM // fp.PAGE
        vm.write(at, 0x6600)
        assert vm.pager.do_evict(page) == 1
        assert vm.read(at) == 0x6600
        # The same where there is no pager that could let go.
        vm.pager.kill()
        wait_for("the end", lambda: not vm.query()["attached"])
        unplug(vm, "d2", "m2")
        plug("3")
        vm.next_pager()
        wait_for("the third", lambda: [b[0] for b in vm.pager.do_blocks()] ==
                 ["pc.ram", "m3"])
    finally:
        vm.close()


if __name__ == "__main__":
    sys.exit(main(CASES))
