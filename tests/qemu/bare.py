# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest without an operating system (guest/bare.c), made for -bios, and
what it says.
"""
import os
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__),
                                "..", "..", "scripts", "lib"))
from lab import LabError, wait_for                          # noqa: E402

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "guest",
                      "bare.c")
MIB = 1 << 20
TEXT = 0xf0000
FIRST, LAST = 2 * MIB, 18 * MIB     # what it goes over
PAGES = (LAST - FIRST) // 4096


class Skip(Exception):
    pass


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


class Console:
    """What the guest says, which goes to a file of @folder."""

    def __init__(self, folder):
        self.path = folder + "/console"
        self.options = ["-bios", firmware(folder), "-chardev",
                        f"file,id=con,path={self.path}", "-device",
                        "isa-debugcon,iobase=0xe9,chardev=con"]

    def verified(self):
        """How many pages; 0 when it has said nothing yet."""
        if not os.path.exists(self.path):
            return 0
        # In one piece: a line's end may be written while its begin is read.
        with open(self.path, encoding="ascii") as f:
            lines = f.read().split("\n")[:-1]
        if not lines:
            return 0
        words = dict(w.split("=") for w in lines[-1].split()[1:])
        assert words["mismatches"] == "0", lines[-1]
        return int(words["verified"])

    def rounds(self, nr):
        """Until it has verified everything so many times more."""
        goal = self.verified() + nr * PAGES
        wait_for(f"{goal} pages to be verified",
                 lambda: self.verified() >= goal, 60)


def need_kvm(folder):
    """A probe with a time limit: /dev/kvm may be there and not work."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        raise Skip("no KVM here")
    console = Console(folder)
    qemu = subprocess.Popen(
        [os.environ["RCACHED_QEMU"], "-accel", "kvm", "-m", "32M",
         "-nodefaults", "-display", "none", "-L", "/usr/share/qemu",
         *console.options],
        stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for("KVM", lambda: qemu.poll() is not None or
                 console.verified(), 30)
        if qemu.poll() is not None:
            raise Skip("KVM does not work here")
    except LabError as e:
        raise Skip("KVM runs no guest here") from e
    finally:
        qemu.kill()
        qemu.wait()
        if os.path.exists(console.path):
            os.unlink(console.path)
