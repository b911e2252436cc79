#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The shapes that a VM's RAM can have, with rcached's own pager, an arbiter
and a provider; every page that was written is compared, whole, whenever it
has been away.

    test-real.py [NAME...]     only the cases whose names contain NAME
"""
import contextlib
import fcntl
import os
import select
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import fakepager as fp                                      # noqa: E402
from outside import Reader                                  # noqa: E402
from qemu_fakepager import failed, outl                     # noqa: E402
from realvm import (MIB, PAGE, RealVm, Stopped, content,    # noqa: E402
                    files_of, main, wait_for)

CASES = []
AT = 16 * MIB
LOCAL = 4 * MIB                 # as RealVm has it
SIZE = 6 * MIB                  # which is more than may be local
DIMM_AT = 1 << 32
DIMM = 16 * MIB
SYS_PIDFD_GETFD = 438


def case(function):
    CASES.append(function)
    return function


def go_round(vm, version):
    """All goes, comes and is right; half of it is written and goes again."""
    vm.evict_all()
    vm.verify()
    vm.write_each(list(vm.versions)[::2], version)
    vm.evict_all()
    vm.verify()
    vm.settled()


@case
def machines(stage):
    for machine in ("pc", "q35", "microvm"):
        vm = RealVm(stage, machine=machine)
        try:
            vm.write_pages(AT, SIZE, 1)
            go_round(vm, 2)
            assert vm.pager_locked() > 0, "the pager's memory is not locked"
            print(f"{machine}: {vm.query()['stats']['fetched-pages']} pages "
                  "fetched")
        finally:
            vm.close()


@case
def reset(stage):
    """A reset takes nothing away, with everything away or coming back."""
    vm = RealVm(stage)
    try:
        vm.write_pages(AT, SIZE, 1)
        for _ in range(2):
            vm.evict_all()
            vm.qmp.call("system_reset")
            vm.qmp.event("RESET", 60)
            vm.verify()
            vm.qmp.call("system_reset")
            vm.qmp.event("RESET", 60)
        vm.settled()
    finally:
        vm.close()


TWO = ("-object", "memory-backend-memfd,id=m0,size=32M",
       "-object", "memory-backend-ram,id=m1,size=32M",
       "-numa", "node,memdev=m0", "-numa", "node,memdev=m1")


@case
def numa(stage):
    """Two memory backends: their pages are different pages."""
    vm = RealVm(stage, *TWO)
    try:
        vm.write_pages(AT, SIZE // 2, 1)
        vm.write_pages(40 * MIB, SIZE // 2, 1)
        go_round(vm, 2)
    finally:
        vm.close()


@case
def memdev(stage):
    """One of two is managed; the other stays where it is."""
    vm = RealVm(stage, *TWO, props="local-max=4M,copies=1,memdev=m1")
    near = {AT + i * PAGE: 1 for i in range(1000)}
    try:
        vm.places = [(32 * MIB, 32 * MIB, 0)]
        vm.write_pages(AT, len(near) * PAGE, 1)
        vm.versions = {}
        vm.write_pages(40 * MIB, SIZE, 1)
        go_round(vm, 2)
        vm.evict_all()
        assert wait_for("figures", lambda: vm.query().get("stats"))[
            "guest"] == 32 * MIB
        assert len(vm.table.pages(fp.REMOTE)) >= SIZE // PAGE
        fetched = vm.query()["stats"]["fetched-pages"]
        vm.versions, far = near, vm.versions
        vm.verify()
        assert vm.query()["stats"]["fetched-pages"] == fetched
        vm.versions = far
        vm.verify()
    finally:
        vm.close()


def plug(vm):
    vm.qmp.call("object-add", qom_type="memory-backend-ram", id="m1",
                size=DIMM)
    vm.qmp.call("device_add", driver="pc-dimm", id="dimm1", memdev="m1")
    # What the one before it had must not be there.
    vm.discarded(*range(DIMM_AT, DIMM_AT + DIMM, PAGE))
    vm.verify(range(DIMM_AT, DIMM_AT + DIMM, 16 * PAGE))


def eject(vm):
    """As the guest does when it has been asked to."""
    outl(vm, 0xa00, 0)
    assert vm.ask("outb 0xa14 0x8") == "OK"
    vm.qmp.event("DEVICE_DELETED", 60, device="dimm1")
    vm.forget(DIMM_AT, DIMM)


@case
def dimm(stage):
    """Rule 13: a DIMM goes while its pages are on their way out, then while
    no pager is there; the next one at its address has none of its bytes."""
    vm = RealVm(stage, memory=",slots=2,maxmem=256M")
    vm.places.append((DIMM_AT, DIMM, 64 * MIB // PAGE))
    pages = range(64 * MIB // PAGE, (64 * MIB + DIMM) // PAGE)
    try:
        vm.write_pages(AT, SIZE // 2, 1)
        for turn in range(3):
            plug(vm)
            vm.write_pages(DIMM_AT, SIZE, 10 + turn)
            vm.evict_all()
            vm.verify()
            vm.evict_all()              # so that these are first to go
            vm.write_pages(DIMM_AT, SIZE // 2, 30 + turn)
            vm.qmp.call("device_del", id="dimm1")
            if turn == 0:
                with stage.provider_stopped():
                    vm.send_evict()
                    wait_for("pages of it to be on their way", lambda: set(
                        vm.table.pages(fp.EVICTING)) & set(pages), 30)
                    eject(vm)
                vm.evict_ended()
            elif turn == 1:
                stage.kill_pager()
                eject(vm)
            else:
                eject(vm)
            vm.qmp.call("object-del", id="m1")
            wait_for("its words to be nobody's", lambda: not any(
                vm.table.word(p) & ~fp.GEN_MASK for p in pages), 30)
            vm.settled()
            vm.verify()
        vm.evict_all()
        vm.verify()
    finally:
        vm.close()


def dimm_address(pid):
    """Where a DIMM's memory is in QEMU; None while there is none."""
    with open(f"/proc/{pid}/maps", encoding="ascii") as f:
        for line in f:
            first, last = (int(n, 16) for n in line.split()[0].split("-"))
            if last - first == DIMM and "memfd:" in line:
                return first
    return None


@contextlib.contextmanager
def userfaultfd_of(pid):
    """QEMU's, as its pager has it."""
    path, = [path for path, where in files_of(pid)
             if where == "anon_inode:[userfaultfd]"]
    pidfd = os.pidfd_open(pid)
    fd = fp.libc.syscall(SYS_PIDFD_GETFD, pidfd, int(path.split("/")[-1]), 0)
    os.close(pidfd)
    assert fd >= 0, "pidfd_getfd"
    try:
        yield fd
    finally:
        os.close(fd)


@case
def dimm_registered_early(stage):
    """A pager that registers a DIMM's range when that has gone can hit what is
    mapped there next, which it has not been told of: the fault that it reads
    then is of no block, and is answered all the same when the block is known.
    The pager stands still, and the test registers in its place."""
    vm = RealVm(stage, memory=",slots=2,maxmem=256M")
    vm.places.append((DIMM_AT, DIMM, 64 * MIB // PAGE))
    pid = vm.process.pid
    try:
        plug(vm)
        with userfaultfd_of(pid) as uffd:
            with Stopped(vm.pager_pid()):
                vm.qmp.call("device_del", id="dimm1")
                eject(vm)
                vm.qmp.call("object-del", id="m1")
                wait_for("its memory to go", lambda: not dimm_address(pid))
                vm.qmp.call("object-add", qom_type="memory-backend-ram",
                            id="m2", size=DIMM)
                vm.qmp.call("device_add", driver="pc-dimm", id="dimm2",
                            memdev="m2")
                at = dimm_address(pid)
                fcntl.ioctl(uffd, fp.UFFDIO_REGISTER, bytearray(
                    struct.pack("=4Q", at, DIMM, 5, 0)))
                reader = Reader(pid, at)
                assert select.select([uffd], [], [], 30)[0], "nobody waits"
        reader.join(60)
        assert reader.value == 0, reader.value
        vm.places[1] = (DIMM_AT, DIMM, vm.places[1][2] + DIMM // PAGE)
        vm.write_pages(DIMM_AT, SIZE, 1)
        go_round(vm, 2)
    finally:
        vm.close()


@case
def object_del(stage):
    """Not with a page away; with all of it here, yes; and then the VM can
    have another."""
    vm = RealVm(stage)
    try:
        vm.write_pages(AT, SIZE, 1)
        vm.evict_all()
        failed(vm.qmp, "brings it home", "object-del", id="rc0")
        vm.verify()
        for version in (2, 3):
            vm.write_pages(AT, SIZE // 2, version)
            vm.evict_all()
            vm.qmp.job("remote-cache-resize", id="rc0", size=0)
            assert not vm.table.slots()
            vm.qmp.call("object-del", id="rc0")
            vm.verify()
            wait_for("the provider to have nothing",
                     lambda: not stage.stored(), 30)
            vm.write_pages(AT, SIZE // 4, version + 10)
            vm.qmp.call("object-add", qom_type="remote-cache", id="rc0",
                        local_max=LOCAL, copies=1,
                        socket=stage.requester.path("vmm.sock"))
            vm.attached()
            go_round(vm, version + 20)
    finally:
        vm.close()


@case
def dump(stage):
    """A dump reads every page, also what has never been touched: local-max
    holds meanwhile, and what is zero takes no slot."""
    vm = RealVm(stage)
    out = f"{vm.folder}/dump"
    most = 0
    try:
        vm.write_pages(AT, 4 * SIZE, 1)
        vm.evict_all()
        vm.settled()
        stored = stage.stored()
        vm.qmp.call("dump-guest-memory", paging=False, detach=True,
                    protocol=f"file:{out}")

        def done():
            nonlocal most
            most = max(most, vm.query()["stats"]["resident"])
            return vm.qmp.call("query-dump")["status"] != "active"

        wait_for("the dump", done, 60)
        assert vm.qmp.call("query-dump")["status"] == "completed"
        print(f"{most / MIB:.1f} MiB were here at most")
        assert most <= LOCAL + 16 * MIB, most       # which is its slack
        with open(out, "rb") as f:
            found = f.read()
        for page in list(vm.versions)[::97]:
            assert content(page, 1) in found, f"{page:#x} is not in the dump"
        vm.evict_all()
        vm.settled()
        assert stage.stored() == stored
        vm.verify()
    finally:
        vm.close()


def figures(vm):
    """Copies that are wanted; bytes with one or none that can be had now, and
    bytes to be copied."""
    info = vm.query()
    return (info["copies"], info["stats"]["one-copy"],
            info["stats"]["copying"])


@case
def one_provider(stage):
    """Two copies are wanted, as by default, and there is room for one: pages
    go all the same, and the figures say how many have one."""
    vm = RealVm(stage, props="local-max=4M")
    try:
        vm.write_pages(AT, SIZE, 1)
        go_round(vm, 2)
        vm.evict_all()
        vm.settled()
        stored = stage.stored()
        assert stored >= SIZE, stored
        wait_for("figures", lambda: figures(vm) == (2, stored, stored))
        vm.qmp.job("remote-cache-resize", id="rc0", copies=1)
        wait_for("figures", lambda: figures(vm) == (1, stored, 0))
        assert stage.stored() == stored
        vm.verify()
    finally:
        vm.close()


def stopped(vm, text):
    """The VM is stopped since something waits in vain; the event's page."""
    event = vm.qmp.event("REMOTE_CACHE_PAGE_LOST", action="pause", timeout=60)
    assert text in event["reason"], event
    vm.qmp.event("STOP", timeout=30)
    assert vm.qmp.call("query-status")["status"] == "io-error"
    assert event["block"] == "pc.ram", event
    return event["offset"]


@case
def given_up(stage):
    """The only provider does not answer for longer than give-up: the VM is
    stopped when a page is touched, again if it is continued too early, and
    goes on when the provider is back.  The toucher is a process outside, as no
    thread of this QEMU can be interrupted."""
    conf = stage.requester.path("hasty.conf")
    with open(conf, "w", encoding="ascii") as f:
        f.write("[pager]\ngive-up = 2s\n")
    stage.start_requester("--config", conf)
    vm = RealVm(stage)
    try:
        vm.write_pages(AT, SIZE, 1)
        vm.evict_all()
        at = next(page for page in vm.versions
                  if vm.table.state(vm.page_of(page)) == fp.REMOTE)
        with stage.provider_stopped():
            reader = Reader(vm.process.pid, vm.host_address(at))
            assert stopped(vm, "it is given up: provider") == at
            vm.ask(f"clock_step {10 ** 9 + 1}")     # for the next event
            vm.qmp.call("cont")
            assert stopped(vm, "it is given up: provider") == at
            assert reader.value == "nothing"
        reader.join(60)
        assert reader.value == int.from_bytes(content(at, 1)[:8], "little")
        wait_for("the pager to say so", lambda: "waiting" not in vm.query())
        vm.qmp.events.clear()
        vm.qmp.call("cont")
        vm.verify()
        assert vm.qmp.call("query-status")["status"] == "running"
    finally:
        vm.close()
        stage.start_requester()


@case
def two_providers(stage):
    """The second copy is made, dropped, and made again while the VM runs; and
    is enough when a provider is gone.  The last case: it is gone."""
    second = stage.add_provider("second")
    wait_for("the arbiter to know it", stage.known, 20)
    vm = RealVm(stage)
    try:
        vm.write_pages(AT, SIZE, 1)
        go_round(vm, 2)
        for copies in (2, 1, 2):
            vm.evict_all()
            vm.qmp.job("remote-cache-resize", id="rc0", copies=copies)
            wait_for("copies", lambda n=copies: figures(vm) == (
                n, 0 if n == 2 else vm.table.slots() * PAGE, 0), 60)
            vm.settled(copies)
        stage.providers.remove(second)
        second.processes["rcached"].popen.kill()
        wait_for("what is left to be one copy", lambda: figures(vm)[1] ==
                 vm.table.slots() * PAGE, 60)
        vm.verify()
    finally:
        # The pager would offer the dead one its leases for a minute.
        vm.close(last=True)


if __name__ == "__main__":
    sys.exit(main(CASES))
