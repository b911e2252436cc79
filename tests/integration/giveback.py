# SPDX-License-Identifier: GPL-2.0-or-later
"""giveback: providers that want their memory back, and get it.

Scenarios for scenarios.py, which runs them.
"""
import concurrent.futures
import json
import os
import random
import subprocess
import sys
import threading
import time

from cluster import Cluster, MIB, Vm, expect_clean, wait_for
from keeper import Keeper

from cgroup import Cgroup  # after cluster, which knows where it is

SCENARIOS = {}


def scenario(function):
    SCENARIOS[function.__name__] = function
    return function


def drain(c, host, undo=False, by_arbiter=False):
    path = c.requester.path("arbiter.sock") if by_arbiter else \
        host.path("admin.sock")
    return c.call(path, "undrain" if undo else "drain", host=host.name)


def leased(c, host):
    return c.status(host)["leased_bytes"]


def wait_empty(c, host, seconds=60):
    wait_for(f"{host.name} to be empty", lambda: not leased(c, host), seconds)


def busy_vm(c, **options):
    """A VM that reads and writes all it has, with most of it away."""
    settings = dict(mem=112, local_max=32, seconds=600, threads=4,
                    pattern="sweep")
    settings.update(options)
    vm = Vm(c.requester, **settings)
    wait_for("every provider to store something",
             lambda: min(c.status(h)["stored_bytes"]
                         for h in c.providers[:2]) > 16 * MIB, 60)
    return vm


def rcachectl(c, *args):
    """What it prints, at the arbiter's socket."""
    return subprocess.run(
        [os.path.join(c.build, "arbiter", "rcachectl"),
         f"--socket={c.requester.path('arbiter.sock')}", *args],
        check=True, capture_output=True, text=True, timeout=90).stdout


def may_stop(c, host):
    """The exit status of ok-to-stop, and what it prints."""
    done = subprocess.run(
        [os.path.join(c.build, "arbiter", "rcachectl"),
         f"--socket={c.requester.path('arbiter.sock')}", "ok-to-stop",
         host.name], capture_output=True, text=True, timeout=90, check=False)
    return done.returncode, done.stdout


def expect_whatif(c, old, name):
    """The arbiter says that this VM depends on @old, and could leave it."""
    def moves():
        # Heartbeats are behind, and the other one may be short for a moment.
        answer = json.loads(rcachectl(c, "--json", "whatif", old.name))
        return [(vm["name"], vm["if_died"], vm["if_drained"])
                for vm in answer["vms"]] == [(name, "waits", "moves")]

    wait_for("room for what would be drained", moves, 60)
    assert name in rcachectl(c, "whatif", old.name)


def watch_lending(c, host, stop):
    """No look at a host that is being drained contradicts itself."""
    looks = 0
    while not stop.is_set():
        drained, status = (c.call(host.path("admin.sock"), what)
                           for what in ("hosts", "status"))
        for figures in drained[0], status:
            assert figures["asked_back_bytes"] <= figures["leased_bytes"], \
                figures
            if drained[0]["draining"]:
                assert figures["free_bytes"] == 0, figures
                looks += 1
        time.sleep(0.01)
    return looks


@scenario
def drained(build):
    """A host that is drained ends empty; its guests go on (rule 9)."""
    with Cluster(build) as c:
        vm = busy_vm(c)
        old, new = c.providers
        wait_for("the arbiter to know of it", lambda: json.loads(rcachectl(
            c, "--json", "whatif", old.name))["stored_bytes"], 30)
        before = vm.stats()["visits"]
        expect_whatif(c, old, vm.name)
        status, text = may_stop(c, old)
        assert status == 4 and f"vm {vm.name} on " in text, (status, text)
        stop = threading.Event()
        with concurrent.futures.ThreadPoolExecutor() as pool:
            looks = pool.submit(watch_lending, c, old, stop)
            try:
                said = rcachectl(c, "--timeout=60s", "drain", "--wait",
                                 old.name)
            finally:
                stop.set()
        assert looks.result() > 0
        assert said.endswith(f"{old.name} is empty\n"), said
        status = c.status(old)
        assert status["slabs_moved_away"] > 0, status
        # Of the last tick, which may be half a second ago.
        wait_for("nothing more to be asked back",
                 lambda: c.status(old)["asked_back_bytes"] == 0, 10)
        wait_for("ok to stop", lambda: may_stop(c, old)[0] == 0, 30)
        status, text = may_stop(c, new)
        assert status == 4, (status, text)
        wait_for("visits", lambda: vm.stats()["visits"] > before + 1000, 30)
        # What is lent again is made use of again: and drained the other way.
        drain(c, old, undo=True)
        drain(c, new)
        wait_empty(c, new)
        expect_clean(vm.quit())
        c.shut_down()


@scenario
def over_ipv6(build):
    """Heartbeats, faults, a killed pager, slabs that move: all of it."""
    with Cluster(build, ipv6=True) as c:
        vm = busy_vm(c, threads=2)
        old, new = c.providers
        hosts = c.call(c.requester.path("arbiter.sock"), "hosts")
        assert all(h["peer"].startswith("[fd21:") for h in hosts), hosts
        c.kill_pager()
        drain(c, old, by_arbiter=True)
        wait_empty(c, old)
        assert c.status(old)["slabs_moved_away"] > 0, c.status(old)
        assert leased(c, new) > 0
        expect_clean(vm.quit())
        c.shut_down()


@scenario
def out_of_reach(build):
    """One provider cannot be pushed to by another: a third one is taken."""
    with Cluster(build, providers=3) as c:
        old, cut, third = c.providers
        subprocess.run(["ip", "-n", old.netns, "route", "add", "unreachable",
                        f"{cut.address}/32"], check=True)
        # All that is not at the old one is at the one that is out of reach.
        drain(c, third)
        vm = busy_vm(c, threads=2)
        drain(c, old)
        log = c.requester.processes["rcached"].log
        wait_for("the pair to be left alone", lambda: b"cannot move slabs to "
                 + cut.name.encode() in open(log, "rb").read(), 60)
        assert leased(c, third) == 0
        drain(c, third, undo=True)
        wait_empty(c, old)
        assert leased(c, third) > 0
        expect_clean(vm.quit())
        c.shut_down()


class KeepingCluster(Cluster):
    """Its providers may be killed: what they lent is kept for the next."""

    def start_provider(self, host):
        if not hasattr(host, "keeper"):
            host.keeper = Keeper(host)
        return host.keeper.start(
            "--slab-size", self.slab, "--reserve", "512M",
            "--enable-debug-commands", *self.arbiter, *self.provider_options)

    def restart_provider(self, host):
        process = host.processes["rcached"]
        process.popen.kill()
        process.popen.wait()
        self.start_provider(host)


def drain_and_kill(c, old, new, victim, after):
    """Drain @old; kill @victim shortly after the first slab has moved."""
    drain(c, new, undo=True)
    before = c.status(old)["slabs_moved_away"]
    drain(c, old)
    wait_for("a slab to move",
             lambda: c.status(old)["slabs_moved_away"] > before, 30, 0.001)
    time.sleep(after)
    busy = leased(c, old) > 0
    if victim == "pager":
        c.kill_pager()
    else:
        c.restart_provider(victim)
    wait_empty(c, old)
    return busy


def kill_while_moving(build, choose, rounds=4):
    """Kill one of the three at many moments of moves; nothing is lost."""
    rng = random.Random(1)
    with KeepingCluster(build, slab="1M") as c:
        vm = busy_vm(c, mem=96, local_max=24, threads=2)
        old, new = c.providers
        hits = 0
        for _ in range(rounds):
            hits += drain_and_kill(c, old, new, choose(old, new),
                                   rng.uniform(0, 0.03))
            old, new = new, old
        assert hits, "no kill came before the host was empty"
        expect_clean(vm.quit())
        with open(c.requester.processes["rcached"].log) as log:
            print(f"{hits} hits, {log.read().count('a slab stays')} moves "
                  "given up")
        c.shut_down()


@scenario
def pager_killed_while_moving(build):
    kill_while_moving(build, lambda old, new: "pager", 2)


@scenario
def old_killed_while_moving(build):
    kill_while_moving(build, lambda old, new: old)


@scenario
def new_killed_while_moving(build):
    kill_while_moving(build, lambda old, new: new)


# ------------------------------------------------------------ under pressure

HOG = """
import mmap, signal, sys
MAP_POPULATE = 0x8000
m = mmap.mmap(-1, int(sys.argv[1]),
              mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_POPULATE)
signal.pause()
"""


class PressedCluster(Cluster):
    """Each provider in a memory cgroup of @limit bytes, @reserve to be free."""

    def __init__(self, build, limit, reserve, **options):
        super().__init__(build, **options)
        self.limit = limit
        self.reserve = reserve

    def start_provider(self, host):
        host.cgroup = Cgroup(f"{self.prefix}-{host.name}", self.limit)
        return host.start_rcached(
            "--slab-size", self.slab, "--reserve", str(self.reserve),
            *self.memory_source(host),
            "--enable-debug-commands", *self.arbiter, *self.provider_options)

    def memory_source(self, host):
        """What tells the provider where it is."""
        return ["--memory-source", f"cgroup:{host.cgroup.path}"]

    def hog(self, host, size):
        """A process on @host that takes @size bytes."""
        return host.start("hog", [sys.executable, "-c", HOG, str(size)])

    def clean(self):
        super().clean()
        for host in self.hosts.values():
            if host.cgroup:
                wait_for("a cgroup to be empty", host.cgroup.removed, 10)


def press(build, back, slab):
    """
    A provider that has lent more than @back bytes gets a hog. Returns how
    long it takes from the moment that less than the reserve is free, or that
    the provider sees this coming and asks for memory back, whichever is
    first, until @back bytes are its own again; and how many pages the guest
    visited from the hog's start till then.
    """
    reserve = back * 5 // 4
    with PressedCluster(build, back * 6, reserve, slab=slab) as c:
        old, new = c.providers
        drain(c, new)           # all goes to the other one
        vm = Vm(c.requester, mem=back * 7 // 4 // MIB, seconds=600,
                local_max=back // 4 // MIB, threads=2, pattern="sweep")
        wait_for("enough to be stored",
                 lambda: c.status(old)["stored_bytes"] > back * 9 // 8, 120)
        drain(c, new, undo=True)
        # The first takes what nobody misses, the second what is needed.
        hogs = [c.hog(old, old.cgroup.free() - reserve * 2)]
        wait_for("the first hog",
                 lambda: old.cgroup.free() < reserve * 9 // 4, 60)
        before = leased(c, old)
        visits = vm.stats()["visits"]
        hogs += [c.hog(old, old.cgroup.free() - reserve // 4)]
        wait_for("pressure", lambda: old.cgroup.free() < reserve or
                 c.status(old)["asked_back_bytes"], 60, 0.002)
        began = time.monotonic()
        wait_for("the memory to be back",
                 lambda: leased(c, old) <= before - back, 60, 0.1)
        took = time.monotonic() - began
        visits = vm.stats()["visits"] - visits
        assert c.status(old)["slabs_moved_away"] > 0, c.status(old)
        for hog in hogs:
            hog.popen.kill()
            hog.popen.wait()
            c.processes.remove(hog)
        expect_clean(vm.quit())
        c.shut_down()
        return took, visits


@scenario
def hog(build):
    """A host that runs short gets its memory back; its guests go on."""
    _, visits = press(build, 64 * MIB, "4M")
    assert visits > 0, "the guest stood still"


class UntoldCluster(PressedCluster):
    """One provider in a cgroup that nobody has told it of."""

    def memory_source(self, host):
        return []


@scenario
def own_cgroup(build):
    """
    A provider that is limited by its own cgroup offers no more than that
    leaves it, and lives when a VM takes all it can get.
    """
    limit, reserve = 128 * MIB, 32 * MIB
    with UntoldCluster(build, limit, reserve, slab="4M", providers=1) as c:
        host, = c.providers
        status = c.status(host)
        assert status["mem_total_bytes"] == limit, status
        assert status["offered_bytes"] <= limit - reserve, status
        vm = Vm(c.requester, mem=160, seconds=600, local_max=48, threads=2,
                pattern="sweep")
        wait_for("all that is offered to be leased",
                 lambda: full(c, host), 120)
        assert host.cgroup.free() >= 0
        daemon = host.processes["rcached"]
        assert daemon.popen.poll() is None, daemon.tail()
        expect_clean(vm.quit())
        c.shut_down()


def full(c, host):
    """Something is leased there, and no slab more is offered."""
    status = c.status(host)
    return (status["leased_bytes"] > 8 * MIB and
            status["offered_bytes"] - status["leased_bytes"] < 4 * MIB)
