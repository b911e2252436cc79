#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest without an operating system goes through zap, evict, fetch and a
killed pager, and verifies each of its pages: under KVM where there is one
(which may emulate every instruction), and under TCG.

    test-bare.py [NAME...]     only the cases whose names contain NAME
"""
import os
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import fakepager as fp                                      # noqa: E402
from fakevm import (MIB, QEMU, LabError, Skip, Vm, main,    # noqa: E402
                    page_of, wait_for)

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "guest",
                      "bare.c")
TEXT = 0xf0000
FIRST, LAST = 2 * MIB, 18 * MIB
CASES = []


def case(function):
    CASES.append(function)
    return function


def firmware(folder):
    """The path of the guest, as -bios wants it."""
    elf, flat, path = (f"{folder}/bare.{s}" for s in ("elf", "bin", "rom"))
    subprocess.run(
        ["cc", "-m32", "-O2", "-Wall", "-Wextra", "-Werror", "-ffreestanding",
         "-nostdlib", "-static", "-no-pie", "-fno-pic", "-fcf-protection=none",
         "-fno-stack-protector", "-fno-asynchronous-unwind-tables",
         f"-Wl,-Ttext={TEXT:#x},--build-id=none,-z,noexecstack,"
         "-N,--no-warn-rwx-segments", "-o", elf,
         SOURCE], check=True)
    subprocess.run(["objcopy", "-O", "binary", elf, flat], check=True)
    with open(flat, "rb") as f:
        image = bytearray(f.read().ljust(65536, b"\0"))
    assert len(image) == 65536
    image[0xfff0:0xfff5] = struct.pack("<BHH", 0xea, 0, TEXT >> 4)
    with open(path, "wb") as f:
        f.write(image)
    return path


class Guest:
    def __init__(self, folder, accel, how=None):
        self.console = folder + "/console"
        self.vm = Vm(folder, "-bios", firmware(folder), "-chardev",
                     f"file,id=con,path={self.console}", "-device",
                     "isa-debugcon,iobase=0xe9,chardev=con", accel=accel,
                     how=how)

    def verified(self):
        with open(self.console, encoding="ascii") as f:
            lines = [line for line in f if line.endswith("\n")]
        if not lines:
            assert self.vm.process.poll() is None, self.vm.output()
            return 0
        words = dict(w.split("=") for w in lines[-1].split()[1:])
        assert words["mismatches"] == "0", lines[-1]
        return int(words["verified"])

    def rounds(self, nr):
        """Until it has verified everything so many times more."""
        goal = self.verified() + nr * (LAST - FIRST) // fp.PAGE
        wait_for(f"{goal} pages to be verified",
                 lambda: self.verified() >= goal, 60)


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
        vm.process.terminate()
        assert vm.ended(5) == 0, "SIGTERM"
        print(f"{guest.verified()} pages verified, {evicted} evicted")
    finally:
        vm.close()


def waiting_ends(folder, accel):
    """SIGTERM while the CPU waits for a page: within 2 s, as a power cut; and
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
        assert vm.ended(10) == 1, vm.output()
        assert time.monotonic() - begin < 2.2, "too late"
        assert "as by a power cut" in vm.output()
    finally:
        vm.close()


def need_kvm(folder):
    """A probe with a time limit: /dev/kvm may be there and not work."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        raise Skip("no KVM here")
    console = folder + "/probe"
    qemu = subprocess.Popen(
        [QEMU, "-accel", "kvm", "-m", "32M", "-nodefaults", "-display",
         "none", "-bios", firmware(folder), "-L", "/usr/share/qemu",
         "-chardev", f"file,id=con,path={console}",
         "-device", "isa-debugcon,iobase=0xe9,chardev=con"],
        stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for("KVM", lambda: qemu.poll() is not None or
                 os.path.exists(console) and os.path.getsize(console), 30)
        if qemu.poll() is not None:
            raise Skip("KVM does not work here")
    except LabError as e:
        raise Skip("KVM runs no guest here") from e
    finally:
        qemu.kill()
        qemu.wait()


@case
def tcg(folder):
    through_all(folder, "tcg")


@case
def kvm(folder):
    need_kvm(folder)
    through_all(folder, "kvm")


@case
def kvm_waiting(folder):
    need_kvm(folder)
    waiting_ends(folder, "kvm")


if __name__ == "__main__":
    sys.exit(main(CASES))
