#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU ends, and connects again, whoever does not answer; against a fake pager.

    test-unresponsive.py [NAME...]     only the cases whose names contain NAME
"""
import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import fakepager as fp                                      # noqa: E402
from qemu_fakepager import (                                # noqa: E402
    TEST_AT, Skip, Vm, main, page_of, wait_for)
from idedisk import BYTES, OLD, START, IdeDisk              # noqa: E402

CASES = []
NEW = 0xa5
PAGES = BYTES // fp.PAGE
AWAY = range(8, PAGES)          # of the pages that are written to the disk


def case(function):
    CASES.append(function)
    return function


def ok(vm):
    def ask(line):
        assert vm.ask(line) == "OK", line
    return ask


def write_with_pages_away(vm, disk, meanwhile):
    """The disk is told to write pages of which most are away, from when
    @meanwhile has been called."""
    ask = ok(vm)
    ask(f"memset {TEST_AT:#x} {BYTES:#x} {NEW:#x}")
    vm.manage()
    first = page_of(TEST_AT)
    assert vm.pager.do_evict(first + AWAY[0], len(AWAY)) == len(AWAY)
    disk.prepare(ask, TEST_AT)
    meanwhile()
    vm.qtest.sendall("".join(line + "\n" for line in START).encode())


def is_old_or_new(disk):
    """No byte comes from nowhere; what was away cannot have been written."""
    for i, page in enumerate(disk.pages()):
        assert set(page) <= ({OLD} if i in AWAY else {OLD, NEW}), \
            f"page {i} of the disk has {sorted(set(page))}"


def end(vm, how):
    """QEMU ends; its exit status, and the seconds it took."""
    begin = time.monotonic()
    if how == "quit":
        vm.qmp.sock.sendall(b'{"execute": "quit"}\n')
    else:
        vm.process.terminate()
    return vm.ended(60), time.monotonic() - begin


def waits(vm):
    """Is there a thread that waits for a page?  The kernel tells, also where
    QEMU has nobody to ask."""
    tasks = f"/proc/{vm.process.pid}/task"
    for task in os.listdir(tasks):
        try:
            with open(f"{tasks}/{task}/wchan", encoding="ascii") as f:
                if f.read() == "handle_userfault":
                    return True
        except FileNotFoundError:
            continue
    return False


def disk_is_written(folder, begin):
    """For each way to write and to end; @begin makes pages be missing."""
    if os.geteuid():
        raise Skip("needs root, to see what threads wait for")
    for number, (aio, how) in enumerate((
            ("threads", "quit"), ("threads", "SIGTERM"), ("native", "SIGTERM"),
            ("io_uring", "quit"))):
        if aio != "threads" and not IdeDisk.direct_works(folder):
            continue            # these two only differ in who waits
        where = f"{folder}/{number}"
        os.mkdir(where)
        disk = IdeDisk(where, aio)
        vm = Vm(where, *disk.options, how={"lost": True})
        try:
            write_with_pages_away(vm, disk, lambda: begin(vm))
            wait_for("the write to wait", lambda: waits(vm))
            status, seconds = end(vm, how)
            is_old_or_new(disk)
            assert status == 1, f"{status}: {vm.output()}"
            assert "as by a power cut" in vm.output()
            print(f"{aio}, {how}: ended after {seconds:.1f} s")
        finally:
            vm.close()


@case
def disk_provider_away(folder):
    """The pager lives, and has nobody to get the pages from."""
    disk_is_written(folder, lambda vm: None)


@case
def disk_pager_dead(folder):
    def kill(vm):
        vm.rcached.listener.close()
        vm.pager.kill()
        wait_for("QEMU to know", lambda: not vm.query()["attached"])
    disk_is_written(folder, kill)


@case
def disk_rcached_stopped(folder):
    """The pager is dead, and rcached takes nobody's call."""
    def kill(vm):
        vm.pager.kill()
        wait_for("QEMU to know", lambda: not vm.query()["attached"])
    disk_is_written(folder, kill)


@case
def disk_pager_stopped(folder):
    """It keeps its connection, and does nothing any more."""
    disk_is_written(folder, lambda vm: os.kill(vm.pager.pid, signal.SIGSTOP))


@case
def disk_is_written_after_all(folder):
    """The same write, when somebody does answer: all of it arrives."""
    disk = IdeDisk(folder, "threads")
    vm = Vm(folder, *disk.options, how={"lost": True})
    try:
        write_with_pages_away(vm, disk, lambda: None)
        wait_for("the write to wait", lambda: vm.query().get("waiting"))
        is_old_or_new(disk)
        vm.pager.do_how({"lost": False})
        wait_for("the disk to be written", lambda: all(
            set(page) == {NEW} for page in disk.pages()))
    finally:
        vm.close()


@case
def reconnects(folder):
    """With a listener that hangs up on everybody: QEMU comes back after pauses
    that grow, up to a second.  A pause begins when we hang up, and what the
    machine is busy with can only make it longer."""
    vm = Vm(folder)
    try:
        vm.write(TEST_AT, 1)
        vm.pager.kill()
        pauses, hung_up = [], time.monotonic()
        for _ in range(7):
            vm.rcached.listener.settimeout(60)
            sock, _ = vm.rcached.listener.accept()
            pauses.append(time.monotonic() - hung_up)
            hung_up = time.monotonic()
            sock.close()
        # The first comes at once; a clock in whole milliseconds rounds.
        for pause, least in zip(pauses[1:], (0.1, 0.2, 0.4, 0.8, 1.0, 1.0)):
            assert pause > least - 0.01, pauses
        print("pauses:", " ".join(f"{pause:.2f}" for pause in pauses))
        assert vm.read(TEST_AT) == 1
        vm.next_pager()
        wait_for("the pager", lambda: vm.query()["attached"])
    finally:
        vm.close()


if __name__ == "__main__":
    sys.exit(main(CASES))
