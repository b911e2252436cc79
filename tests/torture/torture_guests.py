# SPDX-License-Identifier: GPL-2.0-or-later
"""torture_guests: VMs that verify all they read, and what they say of it.

Two kinds with the same face: the fake VMM of the tests, and a patched QEMU
with a Linux guest.  What is asked of one is a task (tasks.py).
"""
import json
import os
import time

from torture_lab import LabError, MIB   # first: it knows where others are
from cluster import Vm
from lab import Guest
from tasks import Lines, Talk, pause, until

PAGE = 4096
# For an answer; a resize may take long where much has to be moved.
ANSWER, LONG = 240, 300
LOOK = 0.25


class Figures:
    """What a VM has said last."""

    def __init__(self):
        self.at = 0.0           # when
        self.moved_at = time.monotonic()    # when it last made progress
        self.verified = 0
        self.mismatches = 0
        self.lost = 0           # pages
        self.longest_ms = 0.0
        self.oldest_wait = 0.0  # seconds that a page has been waited for
        self.one_copy = None    # bytes that ought to have two; None: nobody
                                # knows now
        self.copying = 0
        self.remote = 0

    def progress(self, verified):
        now = time.monotonic()
        if verified > self.verified:
            self.moved_at = now
        self.at, self.verified = now, verified

    def set_copies(self, wanted, one_copy, copying):
        self.one_copy = one_copy if wanted > 1 else 0
        self.copying = copying

    def is_whole(self):
        return self.one_copy == 0 and not self.copying


class FakeGuest:
    """A VM of 96 MiB; each does its work in a way of its own."""

    MEM = 96
    KINDS = (
        dict(pattern="sweep", threads=3, write_percent=50, local_max=32),
        dict(threads=2, write_percent=80, local_max=40, discard_permille=20),
        dict(threads=2, hot=12, write_percent=30, local_max=24, dma=True),
    )

    def __init__(self, cluster, number, copies):
        options = dict(self.KINDS[number % len(self.KINDS)])
        if copies == 1:
            options.pop("dma", None)    # what waits for DMA is not forgiven
        self.copies = copies
        self.path = os.path.join(cluster.dir, f"figures{number}")
        self.vm = Vm(cluster.requester, number=number, mem=self.MEM,
                     size=self.MEM, seconds=100000, most_seconds=100000,
                     copies=copies, figures=self.path, pace=0,
                     **options)
        self.name = self.vm.name
        self.memory = self.MEM * MIB
        self.local_max = options["local_max"] * MIB
        self.lines = Lines(self.name, self.vm.popen.stdin.fileno(),
                           self.vm.popen.stdout.fileno())
        self.figures = Figures()

    def ask(self, command, seconds=ANSWER):
        return self.lines.ask(command, seconds)

    def watch(self):
        """A task without an end: its figures."""
        while True:
            self.read()
            if self.figures.lost and self.copies == 1:
                yield from self.ask("forgive")
            yield from pause(LOOK)

    def read(self):
        """What it has written last, whatever it is asked meanwhile."""
        try:
            with open(self.path, encoding="ascii") as f:
                self.take(json.loads(f.readline()))     # older bytes follow
        except (OSError, ValueError):
            pass                # it is being written

    def take(self, stats):
        f = self.figures
        f.progress(stats["visits"])
        f.mismatches = stats["mismatches"]
        f.lost = max(f.lost, stats["lost"] // PAGE)
        f.longest_ms = stats["longest_ns"] / 1e6
        f.oldest_wait = stats["oldest_wait_ns"] / 1e9
        f.set_copies(stats["copies"], stats["one_copy"], stats["copying"])
        if not stats["attached"] or not stats["reconciled"]:
            f.one_copy = None
        f.remote = stats["remote"]

    def resize(self, local_max, size=None):
        """A task: None, or why it was refused."""
        command = ("resize 0" if size == 0
                   else f"resize {self.memory} {local_max}")
        answer = yield from self.ask(command, LONG)
        return answer["text"] if answer["status"] else None

    def evict(self, bytes_):
        answer = yield from self.ask(f"evict {bytes_}", LONG)
        return answer["text"] if answer["status"] else None

    def end(self):
        """A task: every page once more, then the end."""
        self.vm.popen.stdin.write(b"quit\n")
        self.vm.popen.stdin.flush()
        result = yield from until(f"{self.name} to end", self.lines.answer,
                                  LONG)
        status = self.vm.popen.wait(30)
        f = self.figures
        f.mismatches = result["mismatches"] + result["wrong_at_end"]
        f.verified = result["visits"] + self.memory // PAGE
        f.longest_ms = max(f.longest_ms, result["longest_ms"])
        if status and not f.mismatches:
            raise LabError(f"{self.name} ended with {status}: {result}")

    def said(self):
        return self.vm.last_words()

    def all_said(self):
        return self.vm.said()


class QemuGuest:
    """Patched QEMU; the guest fills its memory first."""

    MEM, LOCAL_MAX = 256, 80

    def __init__(self, cluster, args):
        self.name = "demo"
        self.memory, self.local_max = self.MEM * MIB, self.LOCAL_MAX * MIB
        host = cluster.requester
        self.guest = Guest(
            host, args.qemu, args.kernel, args.initrd, f"{self.MEM}M",
            f"remote-cache,id=rc0,local-max={self.LOCAL_MAX}M,"
            f"size={self.MEM}M,copies={args.copies},"
            f"socket={host.path('vmm.sock')}", append="rcache.write=30")
        self.figures = Figures()
        self.qmp = Talk(host.path("qmp.sock"))
        self.jobs = 0

    def greet(self):
        """A task: the monitor's first words."""
        yield from until("QEMU's monitor", self.qmp.line, 60)
        yield from self.qmp.call("qmp_capabilities")

    def fill(self):
        """A task: until the guest's memory is full."""
        yield from self.greet()
        yield from until("the guest to fill its memory", lambda: (
            self.poll() and self.guest.status.get("state") == "run"), 600)

    def poll(self):
        if not self.guest.process.alive():
            raise LabError("QEMU ended:\n" + self.guest.process.tail())
        status = self.guest.poll()
        f = self.figures
        f.progress(status.get("verified", 0))
        f.mismatches = status.get("mismatches", 0)
        f.longest_ms = status.get("longest_us", 0) / 1e3
        return True

    def watch(self):
        while True:
            self.poll()
            info = (yield from self.qmp.call("query-remote-cache", ANSWER))[0]
            self.take(info, info.get("stats"))
            yield from pause(LOOK)

    def take(self, info, stats):
        f = self.figures
        f.one_copy = None
        if info["attached"] and stats:
            f.set_copies(info["copies"], stats["one-copy"], stats["copying"])
            f.remote = stats["remote"]
            f.lost = max(f.lost, stats["lost"] // PAGE)
        f.oldest_wait = info.get("waiting", {}).get("oldest-ns", 0) / 1e9

    def job(self, execute, **arguments):
        """A task: a command that is a job; None, or why it failed."""
        self.jobs += 1
        name = f"job{self.jobs}"
        try:
            yield from self.qmp.call(execute, id="rc0", job_id=name,
                                     **arguments)
        except LabError as error:
            return str(error)
        while True:
            job, = [j for j in (yield from self.qmp.call("query-jobs", ANSWER))
                    if j["id"] == name]
            if job["status"] == "concluded":
                yield from self.qmp.call("job-dismiss", id=name)
                return job.get("error")
            yield from pause(LOOK)

    def resize(self, local_max, size=None):
        if size == 0:
            return self.job("remote-cache-resize", size=0)
        return self.job("remote-cache-resize", size=self.memory,
                        local_max=local_max)

    def evict(self, bytes_):
        return self.job("remote-cache-evict", bytes=bytes_)

    def end(self):
        """A task: until the guest has gone over all of its memory again."""
        # Half of its visits sweep over all pages, in turn.
        target = self.figures.verified + 3 * self.memory // PAGE
        yield from until("the guest to verify all once more", lambda: (
            self.poll() and self.figures.verified >= target), LONG)
        self.qmp.close()
        self.guest.process.stop()

    def all_said(self):
        with open(self.guest.process.log, errors="replace") as f:
            return f.read()

    def said(self):
        lines = self.guest.mismatch_lines[:5] + [self.guest.process.tail(5)]
        return "\n".join(lines)


def start(cluster, args):
    """The VMs of a run."""
    if args.qemu:
        return [QemuGuest(cluster, args)]
    return [FakeGuest(cluster, n, args.copies)
            for n in range(len(FakeGuest.KINDS))]


def nr_guests(args):
    return 1 if args.qemu else len(FakeGuest.KINDS)
