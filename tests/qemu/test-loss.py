#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""on-loss: what QEMU does when something waits for a page that nobody has.

Against a fake pager, which says that there is such a wait.

    test-loss.py [NAME...]     only the cases whose names contain NAME
"""
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import fakepager as fp                                      # noqa: E402
import virtio                                               # noqa: E402
from bare import FIRST, LAST, Console, need_kvm             # noqa: E402
from idedisk import OLD, START, IdeDisk                     # noqa: E402
from outside import Reader                                  # noqa: E402
from qemu_fakepager import (                                # noqa: E402
    TEST_AT, Vm, failed, main, page_of, refused, wait_for)

CASES = []
EVENT = "REMOTE_CACHE_PAGE_LOST"
SECOND = f"clock_step {10 ** 9 + 1}"    # events are told once in a second


def case(function):
    CASES.append(function)
    return function


def status(vm):
    return vm.qmp.call("query-status")["status"]


def in_vain(vm, state, at=TEST_AT, pages=1):
    """The pager says that something waits in vain for a page."""
    vm.pager.do_set(page_of(at), state)
    vm.pager.do_how({"hopeless": (page_of(at), pages)})


def comes(vm, at=TEST_AT):
    vm.pager.do_how({"hopeless": None})
    vm.pager.do_set(page_of(at), fp.HOT)


def goes_on(vm):
    """It runs, and is not stopped by what the pager says now."""
    vm.qmp.events.clear()
    vm.qmp.call("cont")
    for _ in range(15):
        assert status(vm) == "running"
        time.sleep(0.1)
    assert not [e for e in vm.qmp.events if e["event"] == "STOP"]


@case
def pause(folder):
    """The VM is stopped, the event says for which page and why; cont goes on
    when the page is there, and not before."""
    vm = Vm(folder)
    try:
        vm.write(TEST_AT, 0x77)
        vm.manage()
        assert vm.query()["on-loss"] == "pause"
        # It waits, but there is hope.
        vm.pager.do_how({"hopeless": (page_of(TEST_AT), 0)})
        goes_on(vm)
        for state, pages, text in (
                (fp.LOST, 1, "page, and its bytes are lost: no provider"),
                (fp.REMOTE, 3, "its provider has "
                 "been away for so long that it is given up: prov1 (3 pages "
                 "are waited for in vain)")):
            in_vain(vm, state, pages=pages)
            for _ in range(2):          # and again after cont
                event = vm.qmp.event(EVENT, action="pause", timeout=30)
                assert (event["block"], event["offset"]) == (
                    "pc.ram", TEST_AT), event
                assert text in event["reason"], event
                vm.qmp.event("STOP", timeout=30)
                assert status(vm) == "io-error"
                problem = vm.query()["problem"]
                assert problem.startswith("the VM was stopped: pc.ram "
                                          "offset 0x1000000"), problem
                assert text in problem, problem
                vm.ask(SECOND)
                vm.qmp.call("cont")
            vm.qmp.event("STOP", timeout=30)
            vm.ask(SECOND)
            comes(vm)
            goes_on(vm)
            assert "problem" not in vm.query()
        assert vm.read(TEST_AT) == 0x77
        # Who has stopped the VM, and why, stays so.
        vm.qmp.call("stop")
        in_vain(vm, fp.LOST)
        time.sleep(0.5)
        assert status(vm) == "paused"
    finally:
        vm.close()


@case
def events_of_each_kind(folder):
    """That many pages are found lost does not hide that the VM is stopped."""
    vm = Vm(folder)
    try:
        vm.write(TEST_AT, 0x77)
        vm.manage()
        page = page_of(TEST_AT)
        for n in range(10):
            vm.pager.do_event(5, page + n, f"gone {n}")
        assert vm.qmp.event(EVENT, action="report")["reason"] == "gone 0"
        in_vain(vm, fp.LOST)
        vm.qmp.event(EVENT, action="pause", timeout=30)
    finally:
        vm.close()


@case
def disk_waits(folder):
    """A worker of a disk waits for the page, and is in a system call: the VM
    is not stopped, since QEMU would wait for the disk in its main loop."""
    disk = IdeDisk(folder, "threads")
    vm = Vm(folder, *disk.options)
    page = page_of(TEST_AT)
    try:
        for at in range(TEST_AT, TEST_AT + 0x20000, 4096):
            vm.write(at, 0x77)
        disk.prepare(vm.ask, TEST_AT)
        vm.manage()
        assert vm.pager.do_evict(page) == 1
        vm.pager.do_how({"lost": True, "given_up": True})
        for line in START:
            vm.ask(line)
        event = vm.qmp.event(EVENT, action="wait", timeout=60)
        assert event["offset"] == TEST_AT, event
        for _ in range(10):
            assert status(vm) == "running"
            time.sleep(0.1)
        # What can be done about it is done, and the disk goes on.
        vm.pager.do_how({"lost": False, "given_up": False})
        wait_for("the disk", lambda: disk.pages()[0][0] != OLD)
        vm.qmp.call("stop")
        assert status(vm) == "paused"
    finally:
        vm.close()


class Guest(Console):
    def __init__(self, folder, accel):
        super().__init__(folder)
        self.vm = Vm(folder, *self.options, accel=accel)
        self.seen = 0

    def evict(self):
        return sum(self.vm.pager.do_evict(at, 64)
                   for at in range(page_of(FIRST), page_of(LAST), 64))


def cpu_waits(folder, accel):
    """The guest's CPU waits for a page whose providers are given up: the VM is
    stopped where the CPU can be, and cont goes on when they are back; else it
    is told, and the monitor is not hung by the attempt."""
    guest = Guest(folder, accel)
    vm = guest.vm
    try:
        wait_for("the guest", guest.verified, 60)
        vm.manage()
        vm.pager.do_how({"lost": True, "given_up": True})
        assert guest.evict() > 0
        action = vm.qmp.event(EVENT, timeout=60)["action"]
        print(f"the action is {action}")
        if action == "pause":
            vm.qmp.event("STOP", timeout=30)
            assert status(vm) == "io-error"
            vm.qmp.call("cont")
            vm.qmp.event("STOP", timeout=30)
        else:
            assert action == "wait" and status(vm) == "running"
        vm.pager.do_how({"lost": False, "given_up": False})
        vm.qmp.call("cont")
        guest.rounds(2)
        assert status(vm) == "running"
        return action
    finally:
        vm.close()


@case
def tcg(folder):
    assert cpu_waits(folder, "tcg") == "wait"


@case
def kvm(folder):
    need_kvm(folder)
    cpu_waits(folder, "kvm")


# ------------------------------------------------------------------ poison

def read(vm, page, seconds=20):
    reader = Reader(vm.process.pid, vm.pager.do_address(page))
    reader.join(seconds)
    return reader.value


@case
def poison(folder):
    """What waits for a lost page fails, the VM goes on; what is not lost is
    not poisoned, and a page that is discarded is good again."""
    vm = Vm(folder, "-device", "virtio-balloon-pci,addr=4",
            props="local-max=32M,on-loss=poison")
    page = page_of(TEST_AT)
    try:
        assert vm.query()["on-loss"] == "poison"
        device = virtio.Balloon(vm, 4)
        for n in range(4):
            vm.write((page + n) * 4096, 0x100 + n)
        vm.manage()
        assert vm.pager.do_evict(page, 3) == 3
        vm.pager.do_how({"lost": True})
        vm.pager.do_set(page, fp.LOST)
        vm.pager.do_set(page + 1, fp.LOST)
        reader = Reader(vm.process.pid, vm.pager.do_address(page))
        reader.join(1)
        assert reader.value == "nothing", reader.value
        vm.pager.do_how({"hopeless": (page, 1)})
        event = vm.qmp.event(EVENT, action="poison", timeout=30)
        assert event["offset"] == TEST_AT, event
        assert status(vm) == "running"
        reader.join(20)
        assert reader.value is None, reader.value
        vm.pager.do_how({"hopeless": None})
        assert read(vm, page + 1) is None       # its neighbour, at once
        assert read(vm, page + 2, 1) == "nothing"       # is away, not lost
        assert read(vm, page + 3) == 0x103
        assert vm.pager.do_state(page, 2) == [fp.LOST, fp.LOST]
        # Providers that are given up are waited for.
        vm.pager.do_how({"hopeless": (page + 2, 1)})
        assert read(vm, page + 2, 1) == "nothing"
        vm.pager.do_how({"hopeless": None, "lost": False})
        assert read(vm, page + 2) == 0x102
        # The guest gives the pages up.
        device.give(page * 4096, (page + 1) * 4096)
        wait_for("them to be zero", lambda: vm.pager.do_state(page, 2) ==
                 [fp.ZERO, fp.ZERO])
        assert vm.read(page * 4096) == vm.read((page + 1) * 4096) == 0
        assert vm.process.poll() is None, vm.output()
    finally:
        vm.close()


@case
def refusals(folder):
    """What cannot be is refused by name, and what is not said is pause."""
    rcached = fp.FakeRcached(folder + "/vmm.sock", folder + "/store")
    try:
        refused(folder, "on-loss=poison needs KVM",
                props="local-max=32M,on-loss=poison", accel="tcg")
        refused(folder, "kill", props="local-max=32M,on-loss=kill")
    finally:
        rcached.close()
    vm = Vm(folder)
    try:
        assert vm.qmp.call("qom-get", path="/objects/rc0",
                           property="on-loss") == "pause"
        failed(vm.qmp, "cannot be set any more", "qom-set",
               path="/objects/rc0", property="on-loss", value="poison")
        text = vm.qmp.call("human-monitor-command",
                           command_line="info remote-cache")
        assert "on-loss:     pause" in text, text
    finally:
        vm.close()


if __name__ == "__main__":
    sys.exit(main(CASES))
