# SPDX-License-Identifier: GPL-2.0-or-later
"""machine: a host of a lab that has systemd as its PID 1.

The services of the tree run in it, from the unit files of the tree; see
systemd-machine for what the machine is.
"""
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__),
                                "..", "..", "scripts", "lib"))
from lab import LabError, wait_for  # noqa: E402

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
INIT = os.path.join(os.path.dirname(__file__), "systemd-machine")
SYSTEMD = "/lib/systemd/systemd"
SBIN = "/usr/local/sbin"
LOG = "/run/rcached.log"


def why_not():
    """What is missing to make one; None: nothing is."""
    for program in (SYSTEMD, "/usr/bin/dbus-daemon"):
        if not os.path.exists(program):
            return f"{program} is missing"
    with open("/proc/filesystems") as f:
        known = f.read().split()
    for kind in ("overlay", "cgroup2"):
        if kind not in known:
            return f"the kernel has no {kind}"
    return None


def skip_without():
    """End the test as skipped, with the reason, where none can be made."""
    why = why_not()
    if why:
        print(f"skipped: {why}")
        sys.exit(77)


def cgroup2():
    """Where cgroups of version 2 are."""
    with open("/proc/mounts") as f:
        for line in f:
            words = line.split()
            if words[2] == "cgroup2":
                return words[1]
    raise LabError("no cgroup2 is mounted")


class Machine:
    """@host with PID 1; its rcached.service is as configured by @conf."""

    users = {"rcached": 991}    # as sysusers.d makes them

    def __init__(self, host, conf, kvm=992):
        """@kvm: the number of that group"""
        self.host = host
        self.kvm = kvm
        self.log = None
        self.folder = os.path.join(host.lab.dir, f"{host.name}-machine")
        self.cgroup = os.path.join(cgroup2(),
                                   f"{host.lab.prefix}-{host.name}-machine")
        os.mkdir(self.folder)
        self.put_files(conf)
        os.mkdir(self.cgroup)
        self.process = host.start("machine", [INIT, self.folder],
                                  in_child=self.join)
        self.pid = wait_for("the machine's PID 1", self.find_pid, 20)
        wait_for("the machine to have booted", self.is_booted, 30)

    # -- what it is made of

    def put(self, path, text):
        path = os.path.join(self.folder, "files", path.lstrip("/"))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(text)

    def put_program(self, path, name="rcached"):
        """As an upgrade does: the file there is another one afterwards."""
        root = (os.path.join(self.folder, "files") if not self.booted()
                else f"/proc/{self.pid}/root")
        to = os.path.join(root, SBIN.lstrip("/"), name)
        os.makedirs(os.path.dirname(to), exist_ok=True)
        shutil.copy2(path, to + ".new")
        os.rename(to + ".new", to)

    def booted(self):
        return hasattr(self, "pid")

    def put_files(self, conf):
        unit = os.path.join(TOP, "dist", "rcached.service")
        with open(unit) as f:
            self.put("/etc/systemd/system/rcached.service",
                     f.read().replace("@sbindir@", SBIN))
        self.put("/etc/rcached/rcached.conf", conf)
        for name, more in (
                ("passwd", "".join(f"{user}:x:{n}:{n}::/:/usr/sbin/nologin\n"
                                   for user, n in self.users.items())),
                ("group", f"kvm:x:{self.kvm}:rcached\n" + "".join(
                    f"{user}:x:{n}:\n" for user, n in self.users.items()))):
            with open(f"/etc/{name}") as f:
                kept = [line for line in f if line.split(":")[0] not in
                        ("kvm", *self.users)]
            self.put(f"/etc/{name}", "".join(kept) + more)
        # Sanitizers look for leaks in ways that the unit forbids.
        self.put("/etc/systemd/system/rcached.service.d/lab.conf",
                 "[Service]\nEnvironment=ASAN_OPTIONS=detect_leaks=0\n"
                 f"StandardError=append:{LOG}\n")
        self.put_program(self.host.lab.program("rcached"))

    # -- life

    def join(self):
        """The process that calls this goes to the machine's cgroup."""
        with open(os.path.join(self.cgroup, "cgroup.procs"), "w") as f:
            f.write(str(os.getpid()))

    def find_pid(self):
        if not self.process.alive():
            raise LabError(f"the machine ended:\n{self.process.tail()}")
        if not os.path.exists(os.path.join(self.folder, "up")):
            return None
        path = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        with open(path) as f:
            children = f.read().split()
        return int(children[0]) if children else None

    def is_booted(self):
        if not self.process.alive():
            raise LabError(f"the machine ended:\n{self.process.tail()}")
        return self.run("systemctl", "is-system-running",
                        check=False).strip() in ("running", "degraded")

    def enter(self):
        """What is in front of a command that is to run inside."""
        return ["nsenter", f"--target={self.pid}", "--mount", "--pid",
                "--cgroup", "--uts", "--ipc", "--root", "--wd=/", "--"]

    def run(self, *argv, check=True, seconds=120):
        """A command inside; what it has printed."""
        done = subprocess.run(
            [*self.enter(), *argv],
            capture_output=True, text=True, timeout=seconds, check=False)
        if check and done.returncode:
            raise LabError(f"{' '.join(argv)}: {done.stdout}{done.stderr}")
        return done.stdout

    def systemctl(self, *argv, **options):
        return self.run("systemctl", *argv, **options)

    def show(self, name):
        """A property of rcached.service."""
        return self.systemctl("show", "--value", f"--property={name}",
                              "rcached.service").strip()

    def said(self):
        """What the service has written, in all of its runs; also when the
        machine is gone."""
        if not self.log:
            self.log = open(self.path(LOG), errors="replace")
        self.log.seek(0)
        return self.log.read()

    def path(self, name):
        """That of a file inside, for who is outside."""
        return f"/proc/{self.pid}/root{name}"

    def wait_end(self, seconds=60):
        """Until it has shut down."""
        wait_for("the machine to end", lambda: not self.process.alive(),
                 seconds)
        self.remove()

    def kill(self):
        """As when the power fails."""
        if self.process.alive():
            os.kill(self.pid, 9)
            self.process.popen.wait(20)
        if self.log:
            self.log.close()
        self.remove()

    def remove(self):
        """The cgroups that PID 1 has left, whose processes are all dead."""
        for folder, _, _ in os.walk(self.cgroup, topdown=False):
            os.rmdir(folder)
