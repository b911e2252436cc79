# SPDX-License-Identifier: GPL-2.0-or-later
"""peerswap: a memory cgroup, and devices that the kernel swaps it to.

One device at a time is on, at the highest priority, and only such as were
made here.  Each step that has to be undone is written into a file before it
is done, so that a bench that was killed is tidied up after by the next one.
A device that is not to be had on this machine says why: Absent.
"""
import contextlib
import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys

from lab import LabError, Process, wait_for

MIB = 1 << 20
CGROUPS = "/sys/fs/cgroup"
PRIORITY = 32767                # the highest there is
TOOLS = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


class Absent(Exception):
    """Not on this machine, and why."""


def tool(name):
    path = shutil.which(name, path=TOOLS)
    if not path:
        raise Absent(f"{name} is not installed")
    return path


def call(*argv, seconds=60):
    """Its output; a tool that hangs must not take the bench with it."""
    try:
        done = subprocess.run([tool(argv[0]), *argv[1:]], text=True,
                              capture_output=True, check=False,
                              timeout=seconds)
    except subprocess.TimeoutExpired as error:
        raise LabError(f"{' '.join(argv)} takes more than {seconds} s"
                       ) from error
    if done.returncode:
        kind = Absent if "not permitted" in done.stderr else LabError
        raise kind(f"{' '.join(argv)}: {done.stderr.strip()}")
    return done.stdout.strip()


def write(path, text):
    with open(path, "w", encoding="ascii") as f:
        f.write(str(text))


def read(path):
    with open(path, encoding="ascii") as f:
        return f.read()


def swaps():
    """{device: bytes used} of all that is on."""
    rows = [line.split() for line in read("/proc/swaps").splitlines()[1:]]
    return {row[0].removesuffix("\\040(deleted)"): int(row[3]) * 1024
            for row in rows}


def pages_swapped():
    """(in, out) since the machine was started."""
    count = dict(line.split() for line in read("/proc/vmstat").splitlines())
    return int(count["pswpin"]), int(count["pswpout"])


# ------------------------------------------------------- what is to be undone

class Undo:
    """A stack of steps, kept in a file."""

    def __init__(self, folder):
        # What another bench has made is not to be undone while it runs.
        self.lock = open(os.path.join(folder, "lock"), "wb")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise LabError(f"another bench works in {folder}") from error
        self.path = os.path.join(folder, "to-undo.json")
        self.steps = []
        if os.path.exists(self.path):
            with open(self.path, encoding="utf-8") as f:
                self.steps = json.load(f)
            self.back_to(0)

    def save(self):
        with open(self.path, "w", encoding="utf-8") as f:
            json.dump(self.steps, f)

    def add(self, kind, what):
        self.steps.append([kind, str(what)])
        self.save()

    def back_to(self, length):
        """Undo what came after the first so many; one that fails stays
        noted, for the next bench."""
        stuck = []
        while len(self.steps) > length:
            kind, what = self.steps.pop()
            try:
                getattr(self, "undo_" + kind)(what)
            except (LabError, OSError, Absent) as error:
                stuck.append([kind, what])
                print(f"bench: {kind} {what}: {error}", file=sys.stderr)
        self.steps += reversed(stuck)
        self.save()

    @staticmethod
    def undo_swap(device):
        if device in swaps():
            call("swapoff", device, seconds=300)

    @staticmethod
    def undo_file(path):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)

    @staticmethod
    def undo_loop(device):
        if call("losetup", "--list", "--noheadings", "--output=BACK-FILE",
                device):
            call("losetup", "--detach", device)

    @staticmethod
    def undo_zram(number):
        if os.path.exists(f"/sys/block/zram{number}"):
            write(f"/sys/block/zram{number}/reset", 1)
            write("/sys/class/zram-control/hot_remove", number)

    @staticmethod
    def undo_mount(folder):
        for line in read("/proc/self/mounts").splitlines():
            if line.split()[1] == folder:
                call("umount", "--lazy", folder)
        with contextlib.suppress(OSError):
            os.rmdir(folder)

    @staticmethod
    def undo_cgroup(folder):
        def gone():
            try:
                os.rmdir(folder)
            except FileNotFoundError:
                pass
            except OSError:
                return False
            return True
        wait_for(f"{folder} to be empty", gone, 5)


# ------------------------------------------------------------------- devices

class Device:
    """What is swapped to.  make() returns the path."""
    name = ""
    title = ""

    def __init__(self, folder, undo):
        self.folder = folder
        self.undo = undo
        self.began = len(undo.steps)
        self.processes = []

    def make(self, size):
        raise NotImplementedError

    def on(self, size):
        self.began = len(self.undo.steps)
        path = self.make(size)
        call("mkswap", path)
        self.undo.add("swap", path)
        call("swapon", f"--priority={PRIORITY}", path)
        return path

    def off(self):
        """Nothing may be in it any more: whose memory it was has ended."""
        self.undo.back_to(self.began)
        for process in reversed(self.processes):
            process.stop()
        self.processes = []


def room_for_file(folder, size):
    free = shutil.disk_usage(folder).free
    if free < 2 * size:
        raise Absent(f"{free // MIB} MiB are free in {folder}")


class SwapFile(Device):
    name = "swapfile"
    title = "swap file on the local disk"

    def make(self, size):
        room_for_file(self.folder, size)
        path = os.path.join(self.folder, "swapfile")
        self.undo.add("file", path)
        with open(path, "wb") as f:
            os.fchmod(f.fileno(), 0o600)
            # Written, not only reserved: not all file systems swap to holes.
            for _ in range(size // MIB):
                f.write(bytes(MIB))
            os.fsync(f.fileno())
        return path


class Zram(Device):
    name = "zram"
    title = "zram"

    def make(self, size):
        control = "/sys/class/zram-control/hot_add"
        if not os.path.exists(control):
            with contextlib.suppress(LabError, Absent):
                call("modprobe", "zram")
        if not os.path.exists(control):
            raise Absent("the kernel has no zram")
        number = int(read(control))         # that makes one
        self.undo.add("zram", number)
        write(f"/sys/block/zram{number}/disksize", size)
        path = f"/dev/zram{number}"
        wait_for(path, lambda: os.path.exists(path), 5)
        return path


class Stock(Device):
    """nbdkit's memory, over TCP, as a file, as a block device."""
    name = "stock"
    title = "stock parts over the network (nbdkit, nbdfuse, loop)"

    def make(self, size):
        for name in ("nbdkit", "nbdfuse", "losetup"):
            tool(name)
        if not os.path.exists("/dev/fuse"):
            raise Absent("there is no /dev/fuse")
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            port = sock.getsockname()[1]
        folder = os.path.join(self.folder, "nbd")
        path = os.path.join(folder, "nbd")
        self.start("nbdkit", "--foreground", "--ipaddr=127.0.0.1",
                   f"--port={port}", "memory", str(size))
        wait_for("nbdkit", lambda: self.listens(port), 5)
        os.makedirs(folder, exist_ok=True)
        self.undo.add("mount", folder)
        self.start("nbdfuse", path, f"nbd://127.0.0.1:{port}")
        wait_for("nbdfuse", lambda: self.there(path, size), 5)
        # Past the page cache: what leaves is to cross the network.
        loop = call("losetup", "--find", "--show", "--direct-io=on", path)
        self.undo.add("loop", loop)
        if "1" not in call("losetup", "--list", "--noheadings",
                           "--output=DIO", loop):
            raise Absent("a loop device over FUSE has no direct I/O here")
        return loop

    def start(self, name, *argv):
        process = Process(name, [tool(name), *argv],
                          os.path.join(self.folder, f"{name}.log"))
        self.processes.append(process)

    def alive(self):
        for process in self.processes:
            if not process.alive():
                raise LabError(f"{process.name} ended: {process.tail(3)}")

    def listens(self, port):
        self.alive()
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", port)) == 0

    def there(self, path, size):
        self.alive()
        try:
            return os.stat(path).st_size == size
        except OSError:
            return False


# -------------------------------------------------------------------- cgroup

class Cgroup:
    """A memory cgroup, of either version."""

    def __init__(self, undo):
        name = f"rcached-bench-{os.getpid()}"
        one = os.path.join(CGROUPS, "memory", "memory.limit_in_bytes")
        if os.path.exists(one):
            root = os.path.join(CGROUPS, "memory")
            self.limit_file, self.usage_file, self.kills_file = (
                "memory.limit_in_bytes", "memory.usage_in_bytes",
                "memory.oom_control")
        else:
            root = self.unified()
            self.limit_file, self.usage_file, self.kills_file = (
                "memory.max", "memory.current", "memory.events")
        self.folder = os.path.join(root, name)
        undo.add("cgroup", self.folder)
        try:
            os.mkdir(self.folder)
        except OSError as error:
            raise Absent(f"no memory cgroup: {error}") from error
        if not os.path.exists(self.path(self.limit_file)):
            raise Absent(f"{self.folder} has no {self.limit_file}")

    @staticmethod
    def unified():
        for root in (CGROUPS, os.path.join(CGROUPS, "unified")):
            try:
                if "memory" not in read(f"{root}/cgroup.controllers").split():
                    continue
                if "memory" not in read(
                        f"{root}/cgroup.subtree_control").split():
                    write(f"{root}/cgroup.subtree_control", "+memory")
                return root
            except OSError:
                continue
        raise Absent("no memory cgroups here")

    def path(self, name):
        return os.path.join(self.folder, name)

    def usage(self):
        return int(read(self.path(self.usage_file)))

    def kills(self):
        """Of processes here, for want of memory."""
        rows = dict(line.split() for line in
                    read(self.path(self.kills_file)).splitlines())
        return int(rows.get("oom_kill", 0))

    def limit(self, size):
        write(self.path(self.limit_file), size)
