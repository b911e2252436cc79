# SPDX-License-Identifier: GPL-2.0-or-later
"""libvirt_machine: a host of a lab with systemd, Debian's libvirtd as it is
packaged, and the patched QEMU where its package has it.

libvirt's packages are unpacked into the machine and nowhere else.  QEMU runs
as libvirt has it: as libvirt-qemu, in mounts of its own, with the seccomp
filter, and with the devices that libvirt knows.
"""
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.join(HERE, "..", "..")
sys.path.insert(0, os.path.join(TOP, "tests", "lib"))
import machine  # noqa: E402

KVM, LIBVIRT = 992, 985         # groups
QEMU_USER = 64055               # as Debian's package makes it
PACKAGE = "qemu-system-x86-rcache"
VIRSH = ("virsh", "--quiet", "--connect", "qemu:///system")


def unpacked():
    """The folder with libvirt's packages and what they need."""
    return subprocess.run(
        [os.path.join(TOP, "tests", "lib", "unpack-packages"),
         "libvirt-daemon-system", "libvirt-clients"], check=True,
        stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1]


class LibvirtMachine(machine.Machine):
    users = {"rcached": 991, "libvirt-qemu": QEMU_USER}

    def put_files(self, conf):
        super().put_files(conf)
        files = os.path.join(self.folder, "files")
        packages = unpacked()
        for part in ("etc", "usr", "var"):
            shutil.copytree(os.path.join(packages, part),
                            os.path.join(files, part), symlinks=True,
                            dirs_exist_ok=True)
        self.put_qemu(files)
        self.put_member()
        self.put_program(self.host.lab.program("rcachectl"), "rcachectl")

    def put_member(self):
        """The groups, as the packages' scripts have them."""
        path = os.path.join(self.folder, "files", "etc", "group")
        with open(path) as f:
            lines = f.read().splitlines()
        lines[lines.index(f"kvm:x:{self.kvm}:rcached")] += ",libvirt-qemu"
        with open(path, "w") as f:
            f.write("\n".join([*lines, f"libvirt:x:{LIBVIRT}:", ""]))

    @staticmethod
    def put_qemu(files):
        """As the package has it; its links are a list there."""
        folder = os.path.join(files, "usr", "lib", PACKAGE, "bin")
        os.makedirs(folder)
        shutil.copy2(os.environ["RCACHED_QEMU"],
                     os.path.join(folder, "qemu-system-x86_64"))
        with open(os.path.join(TOP, "dist", PACKAGE, "debian",
                               PACKAGE + ".links")) as f:
            links = [line.split() for line in f]
        for target, link in links:
            link = os.path.join(files, link)
            os.makedirs(os.path.dirname(link), exist_ok=True)
            os.symlink("/" + target, link)

    def virsh(self, *argv, **options):
        """What it has printed."""
        return self.run(*VIRSH, *argv, **options).strip()

    def virsh_fails(self, *argv):
        """What it has printed; None if it has not failed."""
        done = subprocess.run(
            [*self.enter(), *VIRSH, *argv], stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=120, check=False)
        return done.stdout if done.returncode else None
