#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest without an operating system goes through zap, evict, fetch and a
killed pager, and verifies each of its pages: under KVM where there is one
(which may emulate every instruction), and under TCG.

    test-bare.py [NAME...]     only the cases whose names contain NAME
"""
import os
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import fakepager as fp                                      # noqa: E402
from bare import FIRST, LAST, Console, need_kvm            # noqa: E402
from qemu_fakepager import (MIB, Qmp, Vm, failed, in_thread,       # noqa: E402
                    main, page_of, wait_for)

CASES = []


def case(function):
    CASES.append(function)
    return function


class Guest(Console):
    def __init__(self, folder, accel, *options, **how):
        super().__init__(folder)
        self.vm = Vm(folder, *self.options, *options, accel=accel, **how)

    def verified(self):
        assert self.vm.process.poll() is None, self.vm.output()
        return super().verified()


def through_all(folder, accel):
    guest = Guest(folder, accel)
    vm = guest.vm
    try:
        wait_for("the guest", guest.verified, 60)
        vm.manage()
        first, pages = page_of(FIRST), (LAST - FIRST) // fp.PAGE
        evicted = 0
        for turn in range(3):
            # Zapped only: each page faults back, or has its word changed.
            for at in range(first, first + pages, 64):
                assert vm.pager.do_zap(at, 64)[0] == 0
            for at in range(first, first + pages, 64):
                evicted += vm.pager.do_evict(at, 64)
            if turn == 1:
                vm.pager.kill()
                vm.next_pager()
            # The round that is under way may have passed what has gone since.
            guest.rounds(2)
        assert evicted > pages, f"only {evicted} pages went"
        assert vm.pager.do_count(fp.LOST) == 0
        # With pages away it still ends when it is told to.
        for at in range(first, first + pages, 64):
            vm.pager.do_evict(at, 64)
        verified = guest.verified()
        vm.process.terminate()
        assert vm.ended(60) == 0, "SIGTERM"
        print(f"{verified} pages verified, {evicted} evicted")
    finally:
        vm.close()


def evict_all(vm):
    return sum(vm.pager.do_evict(at, 64)
               for at in range(page_of(FIRST), page_of(LAST), 64))


def comes_late(folder, accel):
    """The object is added to a VM that runs, taken away, and added again."""
    shared = ("-object", "memory-backend-memfd,id=ram,size=64M,share=on",
              "-machine", "memory-backend=ram")
    guest = Guest(folder, accel, *shared, late=True)
    vm = guest.vm
    try:
        wait_for("the guest", guest.verified, 60)
        for _ in range(2):
            vm.add(local_max=32 * MIB)
            vm.pager.do_manage("ram")
            vm.pager.wait("managed")
            evicted = evict_all(vm)
            assert evicted > (LAST - FIRST) // fp.PAGE // 2, evicted
            failed(vm.qmp, "brings it home", "object-del", id="rc0")
            guest.rounds(2)
            wait_for("all to be here", lambda: not any(
                vm.pager.do_count(state) for state in
                (fp.REMOTE, fp.FETCHING, fp.FILLING)))
            assert vm.qmp.call("query-status")["status"] == "running"
            vm.qmp.job("remote-cache-resize", id="rc0", size=0)
            vm.qmp.call("object-del", id="rc0")
            guest.rounds(1)
        print(f"{guest.verified()} pages verified")
    finally:
        vm.close()


def waiting_ends(folder, accel):
    """SIGTERM while the CPU waits for a page: soon, as a power cut; and
    however often it asks meanwhile, the pager goes on."""
    guest = Guest(folder, accel, how={"lost": True})
    vm = guest.vm
    try:
        wait_for("the guest", guest.verified, 60)
        vm.manage()
        for at in range(page_of(FIRST), page_of(LAST), 64):
            vm.pager.do_evict(at, 64)
        wait_for("the guest to wait", lambda: vm.query().get("waiting"))
        before = guest.verified()
        time.sleep(1)
        assert guest.verified() == before, "the guest went on"
        begin = time.monotonic()
        vm.process.terminate()
        assert vm.ended(60) == 1, vm.output()
        print(f"ended after {time.monotonic() - begin:.1f} s")
        assert "as by a power cut" in vm.output()
    finally:
        vm.close()


def stop_waits(folder, accel):
    """stop while the CPU waits for a page.  It ends at once where the wait
    can be interrupted, else with it.  However often the page is asked for
    meanwhile, it is fetched once; and cont finds everything as it was."""
    guest = Guest(folder, accel, "-qmp",
                  f"unix:{folder}/qmp2,server=on,wait=off",
                  how={"lost": True})
    vm = guest.vm
    try:
        wait_for("the guest", guest.verified, 60)
        vm.manage()
        evict_all(vm)
        wait_for("the guest to wait", lambda: vm.query().get("waiting"))
        vm.pager.do_asked()
        second = Qmp(folder + "/qmp2")
        stopped = threading.Event()
        in_thread(lambda: (second.call("stop"), stopped.set()))
        time.sleep(1)
        # The main loop may wait as well; this it answers.
        assert vm.query()["waiting"]["pages"] == 1
        how = "at once" if stopped.is_set() else "with the wait"
        asked = vm.pager.do_asked()[0]
        vm.pager.do_how({"lost": False})
        wait_for("stop to end", stopped.is_set)
        assert vm.qmp.call("query-status")["status"] == "paused"
        assert vm.pager.do_asked()[1] == 1, "fetched more than once"
        before = guest.verified()
        vm.qmp.call("cont")
        guest.rounds(2)
        assert vm.pager.do_count(fp.LOST) == 0
        print(f"stop ended {how}; {asked} faults meanwhile, {before} pages "
              f"verified before and {guest.verified()} after")
    finally:
        vm.close()


@case
def tcg(folder):
    through_all(folder, "tcg")


@case
def kvm(folder):
    need_kvm(folder)
    through_all(folder, "kvm")


@case
def tcg_late(folder):
    comes_late(folder, "tcg")


@case
def kvm_late(folder):
    need_kvm(folder)
    comes_late(folder, "kvm")


@case
def late_refused(folder):
    """RAM that is not shared is refused, and nothing has changed."""
    guest = Guest(folder, "tcg", late=True)
    vm = guest.vm
    try:
        wait_for("the guest", guest.verified, 60)
        for _ in range(2):
            failed(vm.qmp, "is not shared memory", "object-add",
                   qom_type="remote-cache", id="rc0", local_max=32 * MIB,
                   socket=folder + "/vmm.sock")
            guest.rounds(1)
    finally:
        vm.close()


@case
def late_mapped(folder):
    """A device that keeps memory mapped, from before it was noted which.  A
    CD, since the firmware first asks each drive whether it is one: Debian 12's
    waits half a minute for a disk's answer."""
    said = folder + "/firmware"
    vm = Vm(folder, "-object", "memory-backend-memfd,id=ram,size=64M,share=on",
            "-machine", "memory-backend=ram", "-blockdev",
            "null-co,node-name=disk,read-zeroes=on,read-only=on", "-device",
            "ide-cd,drive=disk", "-chardev", f"file,id=fw,path={said}",
            "-device", "isa-debugcon,iobase=0x402,chardev=fw", accel="tcg",
            machine="q35", late=True)

    def firmware_says(text):
        with open(said, encoding="ascii", errors="replace") as f:
            return text in f.read()
    try:
        wait_for("the firmware to use AHCI",
                 lambda: firmware_says("AHCI/"), 60)
        failed(vm.qmp, "have mapped guest memory", "object-add",
               qom_type="remote-cache", id="rc0", local_max=32 * MIB,
               socket=folder + "/vmm.sock")
    finally:
        vm.close()


@case
def kvm_waiting(folder):
    need_kvm(folder)
    waiting_ends(folder, "kvm")


@case
def kvm_stop(folder):
    need_kvm(folder)
    stop_waits(folder, "kvm")


@case
def tcg_stop(folder):
    stop_waits(folder, "tcg")


if __name__ == "__main__":
    sys.exit(main(CASES))
