# SPDX-License-Identifier: GPL-2.0-or-later
"""guide_host: a host of the guide, a machine with a systemd of its own, with
what "meson install" installs, and a disk for what operators write.
"""
import os
import shutil
import subprocess
import sys

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
sys.path.insert(0, os.path.join(TOP, "tests", "lib"))
sys.path.insert(0, os.path.join(TOP, "scripts", "lib"))
import machine  # noqa: E402
from lab import JsonSocket, LabError, run  # noqa: E402

ADMIN = "/run/rcached/admin.sock"
ARBITER = "/run/rcached/arbiter.sock"
UNITS = "usr/lib/systemd/system"
# What a boot leaves as it is.
DISK = ("etc/rcached", "etc/pki", "etc/systemd/system/multi-user.target.wants")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def install(build, folder):
    """All that is installed, into @folder, as on a system with everything
    in /usr but what the build puts elsewhere."""
    run("meson", "install", "-C", build, "--no-rebuild", "--quiet",
        "--destdir", folder)
    for other, place in (("lib", "usr/lib"), ("usr/local/etc", "etc")):
        if os.path.isdir(os.path.join(folder, other)):
            shutil.copytree(os.path.join(folder, other),
                            os.path.join(folder, place), dirs_exist_ok=True)
            shutil.rmtree(os.path.join(folder, other))


class GuideMachine(machine.Machine):
    users = {"rcached": 991, "rcache-exporter": 993}

    def __init__(self, host, installed, disk):
        """@disk: what its last boot has left; or None"""
        self.installed = installed
        self.disk = disk
        super().__init__(host, "")

    def put_files(self, conf):
        """In place of the base's unit and configuration the installed ones."""
        super().put_files(conf)
        files = os.path.join(self.folder, "files")
        os.remove(os.path.join(files, "etc/systemd/system/rcached.service"))
        shutil.copytree(self.installed, files, dirs_exist_ok=True)
        self.put("/etc/hostname", f"{self.host.name}\n")
        for name in ("arbiter", "rcache-exporter@"):
            self.put(f"/etc/systemd/system/{name}.service.d/lab.conf",
                     "[Service]\n"
                     f"StandardError=append:{machine.LOG}\n")
        self.put_program(os.path.join(self.host.lab.build, "tests", "fakes",
                                      "fake-vmm"), "fake-vmm")
        self.put_program(os.path.join(TOP, "tests", "guide",
                                      "qemu-stand-in"),
                         "qemu-system-x86_64-rcache")
        if self.disk:
            run("cp", "-a", f"{self.disk}/.", files)

    def keep_disk(self):
        """A copy of what is on its disk now, for its next boot."""
        disk = os.path.join(self.host.lab.dir, f"{self.host.name}-disk")
        shutil.rmtree(disk, ignore_errors=True)
        for path in DISK:
            there = self.path("/" + path)
            if os.path.isdir(there):
                to = os.path.join(disk, os.path.dirname(path))
                os.makedirs(to, exist_ok=True)
                run("cp", "-a", there, to)
        return disk

    def boot_again(self):
        """After its end: the same host, with what is on its disk."""
        shutil.rmtree(self.folder)
        return GuideMachine(self.host, self.installed, self.disk)

    def shell(self, text, seconds=200):
        """Commands as root's shell runs them: (exit status, what it said)."""
        done = subprocess.run(
            [*self.host.enter, *self.enter(), "env", "-i", "-C", "/root",
             f"PATH={PATH}", "HOME=/root", "bash", "-euo", "pipefail"],
            input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, timeout=seconds, check=False)
        return done.returncode, done.stdout

    def ask(self, path, execute, **arguments):
        """An admin socket of this host; None if nobody answers there."""
        try:
            sock = JsonSocket(self.path(path), timeout=20)
        except OSError:
            return None
        try:
            return sock.call(execute, **arguments)
        except (OSError, LabError):
            return None
        finally:
            sock.close()
