# SPDX-License-Identifier: GPL-2.0-or-later
"""spill: providers that want memory back when there is nobody to take it.

Scenarios for scenarios.py, which runs them.
"""
import os
import random
import subprocess
import sys
import time

from cluster import MIB, Vm, expect_clean, wait_for
from giveback import KeepingCluster, PressedCluster, drain, leased
from lab import die_with_parent, files_of  # after cluster, which adds lib

SCENARIOS = {}
SLOWFS = os.path.join(os.path.dirname(__file__), "..", "lib", "slowfs.py")
DEADLINE = 2        # seconds


def scenario(function):
    SCENARIOS[function.__name__] = function
    return function


def options(c, host, size):
    """What gives @host a spill file of @size on the disk of the build."""
    config = os.path.join(c.dir, f"{host.name}.conf")
    with open(config, "w") as f:
        f.write(f"[agent]\ndeadline = {DEADLINE}s\n")
    return ["--config", config, "--spill-dir", c.build,
            "--spill-size", str(size)]


class PressedSpilling(PressedCluster):
    """One provider in a cgroup, with a spill file as large as that."""

    def start_provider(self, host):
        self.provider_options = options(self, host, self.limit)
        return super().start_provider(host)


class KeepingSpilling(KeepingCluster):
    """One provider that may be killed, with a spill file."""

    def start_provider(self, host):
        self.provider_options = options(self, host, 512 * MIB)
        return super().start_provider(host)


class SlowDisk(KeepingSpilling):
    """The first provider's disk takes WRITE_MS for each write."""

    WRITE_MS = 120
    slow = None

    def start_provider(self, host):
        if host is self.providers[0]:
            return self.start_on_slow_disk(host)
        return super().start_provider(host)

    def start_on_slow_disk(self, host):
        where, image = self.dir + "/slow", self.dir + "/image"
        os.mkdir(where)
        with open(image, "wb") as f:
            f.truncate(512 * MIB)
        self.slow = subprocess.Popen(
            [sys.executable, SLOWFS, "--writable", where, image,
             str(self.WRITE_MS)], stdout=subprocess.PIPE,
            preexec_fn=die_with_parent)
        if self.slow.stdout.readline() != b"mounted\n":
            print("skipped: FUSE cannot be mounted here")
            sys.exit(77)
        given = options(self, host, 512 * MIB)
        given[given.index("--spill-dir") + 1] = where
        self.provider_options = given
        return KeepingCluster.start_provider(self, host)

    def clean(self):
        if self.slow:
            self.slow.terminate()
            self.slow.wait()
        super().clean()


def spilled(c, host):
    return c.status(host)["spilled_bytes"]


def rises(c, vm, seconds=60):
    """The guest gets on."""
    before = vm.stats()["visits"]
    wait_for("visits", lambda: vm.stats()["visits"] > before + 500, seconds)


@scenario
def spill(build):
    """
    A host that runs short and finds nobody to move slabs to has its memory
    back by the deadline; the slabs come back when the pressure is gone.
    """
    back = 64 * MIB
    reserve = back * 5 // 4
    with PressedSpilling(build, back * 6, reserve, slab="4M",
                         providers=1) as c:
        host, = c.providers
        vm = Vm(c.requester, mem=back * 7 // 4 // MIB, seconds=600,
                local_max=back // 4 // MIB, threads=2, pattern="sweep")
        wait_for("enough to be stored",
                 lambda: c.status(host)["stored_bytes"] > back * 9 // 8, 60)
        status = c.status(host)
        assert status["spilled_bytes"] == 0, status
        assert status["offered_bytes"] <= status["spill_size_bytes"], status
        hog = c.hog(host, host.cgroup.free() - reserve // 2)
        wait_for("pressure", lambda: host.cgroup.free() < reserve, 60, 0.002)
        began = time.monotonic()
        wait_for("the memory to be back",
                 lambda: host.cgroup.free() >= reserve, 60, 0.05)
        took = time.monotonic() - began
        status = c.status(host)
        assert status["spilled_bytes"] > 0, status
        assert not status["ok"], status
        assert status["slabs_moved_away"] == 0, status
        rises(c, vm)
        wait_for("pages to be read from the file",
                 lambda: c.status(host)["spill_get_pages"] > 0, 60)
        hog.popen.kill()
        hog.popen.wait()
        c.processes.remove(hog)
        # How many depends on what the host now takes for its own growth.
        wait_for("slabs to come back",
                 lambda: c.status(host)["spill_slabs_back"] > 0, 60)
        rises(c, vm)
        expect_clean(vm.quit())
        status = c.status(host)
        assert status["spill_errors"] == 0, status
        print(f"back after {took:.1f} s, {status['spill_get_pages']} pages "
              f"read and {status['spill_put_pages']} written meanwhile")
        c.shut_down()


# Pages of one slab of 1 MiB in the file.
FLIPPED = range(3 * 256, 4 * 256, 64)


def flip_pages(c, host):
    """Change a bit of each of those pages in the spill file, or change it
    back."""
    path, = (path for path, where in files_of(host.processes["rcached"].pid)
             if where.startswith(os.path.realpath(c.build)))
    with open(path, "r+b", buffering=0) as f:
        for page in FLIPPED:
            byte = os.pread(f.fileno(), 1, page * 4096 + 99)[0]
            os.pwrite(f.fileno(), bytes([byte ^ 4]), page * 4096 + 99)


@scenario
def spilled_then_moved(build):
    """
    Slabs in the file go on to another provider when there is one, but for the
    pages that cannot be read, which wait until they can.
    """
    with KeepingSpilling(build, slab="1M") as c:
        old, new = c.providers
        drain(c, new)
        vm = Vm(c.requester, mem=96, local_max=24, seconds=600, threads=2,
                pattern="sweep")
        wait_for("enough to be stored",
                 lambda: c.status(old)["stored_bytes"] > 48 * MIB, 60)
        drain(c, old)
        wait_for("all of it to be in the file",
                 lambda: spilled(c, old) > 0 and
                 spilled(c, old) == leased(c, old), 60)
        rises(c, vm)
        vm.call("hold")
        flip_pages(c, old)
        drain(c, new, undo=True)
        wait_for("only those pages to be left", lambda: leased(c, old) == MIB
                 and 0 < c.status(old)["stored_bytes"] <= len(FLIPPED) * 4096,
                 60)
        log = c.requester.processes["rcached"].log
        wait_for("it to be said", lambda: b"at provider provider0 cannot be "
                 b"read as a whole" in open(log, "rb").read(), 30)
        assert b"cannot move slabs to" not in open(log, "rb").read()
        flip_pages(c, old)
        vm.call("go")
        wait_for("the old one to be empty", lambda: not leased(c, old), 60)
        status = c.status(old)
        assert status["slabs_moved_away"] > 0, status
        assert status["spilled_bytes"] == 0, status
        rises(c, vm)
        expect_clean(vm.quit())
        c.shut_down()


@scenario
def moved_while_writing(build):
    """
    Slabs move away while pages that were sent to them still wait for the old
    provider's disk: nothing is left behind, and no MOVE came too early.
    """
    with SlowDisk(build, slab="16M") as c:
        old, new = c.providers
        drain(c, new)
        vm = Vm(c.requester, mem=96, local_max=24, seconds=600, threads=4,
                pattern="sweep", write_percent=100)
        wait_for("enough to be stored",
                 lambda: c.status(old)["stored_bytes"] > 48 * MIB, 60)
        drain(c, old)
        wait_for("all of it to be in the file",
                 lambda: spilled(c, old) > 0 and
                 spilled(c, old) == leased(c, old), 60)
        wait_for("pages to be written to the file",
                 lambda: c.status(old)["spill_put_pages"] > 50, 60)
        drain(c, new, undo=True)
        wait_for("the old one to be empty", lambda: not leased(c, old), 120)
        status = c.status(old)
        assert status["slabs_moved_away"] > 2, status
        # A page that was left behind would be waited for for ever.
        answer = vm.call("resize 0")
        assert answer["status"] == 0, answer
        expect_clean(vm.quit())
        with open(c.requester.processes["rcached"].log) as f:
            busy = [line for line in f if "a slab stays at provider0" in line]
        assert not busy, busy
        c.shut_down()


@scenario
def killed_while_spilling(build):
    """A provider is killed at many moments of slabs going out and back."""
    rng = random.Random(1)
    with KeepingSpilling(build, slab="1M", providers=1) as c:
        host, = c.providers
        vm = Vm(c.requester, mem=96, local_max=24, seconds=600, threads=2,
                pattern="sweep")
        wait_for("enough to be stored",
                 lambda: c.status(host)["stored_bytes"] > 48 * MIB, 60)
        hits = 0
        for _ in range(3):
            drain(c, host)
            wait_for("a slab to go", lambda: spilled(c, host) > 0, 30, 0.001)
            time.sleep(rng.uniform(0, 0.05))
            hits += spilled(c, host) < leased(c, host)
            c.restart_provider(host)
            drain(c, host, undo=True)
            wait_for("a slab to come back",
                     lambda: c.status(host)["spill_slabs_back"] > 0, 30,
                     0.001)
            time.sleep(rng.uniform(0, 0.05))
            hits += spilled(c, host) > 0
            c.restart_provider(host)
            rises(c, vm)
        assert hits, "no kill came while a slab was on its way"
        wait_for("the slabs to come back", lambda: not spilled(c, host), 60)
        expect_clean(vm.quit())
        print(f"{hits} hits")
        c.shut_down()
