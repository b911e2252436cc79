# SPDX-License-Identifier: GPL-2.0-or-later
"""attaches: a pager that does not know all pages yet, and what goes on then;
and that the room that a VM has for more memory costs it nothing.
"""
import os
import time

from accounts import PAGE, filled, settled
from cluster import Cluster, MIB, Vm, expect_clean, wait_for
from pagers import pager_of

SCENARIOS = {}


def scenario(function):
    SCENARIOS[function.__name__] = function
    return function


def logged(c, words):
    """How often the requester's daemon and its pagers have said that."""
    with open(c.requester.processes["rcached"].log, errors="replace") as f:
        return f.read().count(words)


def knew_all(c):
    return logged(c, "all pages have been checked")


def kill_early(c, vm, pagers, most_us):
    """Pagers killed at READY or soon after; how many knew all pages by then."""
    before, attaches = knew_all(c), vm.stats()["attaches"]
    after = vm.call(f"kill-ready {pagers} {most_us}")["attaches"]
    assert after > attaches + pagers, (attaches, after)
    # Each had been READY: none counts as one that cannot serve.
    assert "cannot start" not in vm.said(), vm.last_words()
    return knew_all(c) - before - 1     # the last one lives


@scenario
def pager_killed_while_reconciling(build):
    """One pager after the other, and few of them get to know all pages."""
    with Cluster(build) as c:
        vm = Vm(c.requester, mem=256, local_max=192, seconds=600, threads=4,
                pattern="sweep")
        wait_for("evictions", lambda: vm.stats()["evicted_pages"] > 5000, 90)
        # At READY, or, where that comes late to us, for once soon enough.
        wait_for("pagers that are killed before they know all pages",
                 lambda: kill_early(c, vm, 4, 0) <= 1, 60)
        # At any point of what a pager does, and then later.
        most_us, known = 1000, 0
        while known < 2:
            assert most_us < 1 << 30, known
            known = kill_early(c, vm, 4, most_us)
            most_us *= 4
        away = vm.stats()["evicted_pages"]
        wait_for("evictions to go on",
                 lambda: vm.stats()["evicted_pages"] > away + 1000, 60)
        expect_clean(vm.quit())
        c.shut_down()


@scenario
def discards_while_reconciling(build):
    """What the VMM discards meanwhile reads zeros, and no slot is left."""
    with Cluster(build) as c:
        vm = Vm(c.requester, mem=128, local_max=64, seconds=600, threads=6,
                discard_permille=100)
        wait_for("evictions", lambda: vm.stats()["evicted_pages"] > 5000, 90)
        known = 0
        for most_us in (0, 2000, 8000, 32000, 128000):
            known += kill_early(c, vm, 3, most_us)
        assert known < 15, known
        vm.call("hold")
        stored, stats = settled(c, vm)
        assert stats["remote"] == stored, (stats, stored)
        assert stats["unmanaged"] == 0 and stats["lost"] == 0, stats
        # What is away goes too: then nothing may be stored for it.
        vm.call("discard-all")
        wait_for("all slots to be freed", lambda: c.stored() == 0, 30)
        vm.call("go")
        expect_clean(vm.quit())
        c.shut_down()


@scenario
def evict_while_reconciling(build):
    """EVICT comes with START: it waits, and its answer is right."""
    with Cluster(build) as c:
        vm = filled(c, 384, 320, size=384)
        for size in (16 * MIB, 5 * MIB + 3 * PAGE):
            before, _ = settled(c, vm)
            answer = vm.call(f"evict-early {size}")
            after, stats = settled(c, vm)
            assert answer["status"] == 0, answer
            assert answer["value"] == after - before >= size, (
                answer, before, after)
            assert stats["remote"] == after, (stats, after)
        vm.call("go")
        # And while the guest goes on.
        answer = vm.call(f"evict-early {8 * MIB}")
        assert answer["status"] == 0 and answer["value"] >= 8 * MIB, answer
        expect_clean(vm.quit())
        c.shut_down()


# ---------------------------------------------------------------- maxmem

def cpu_seconds(pid):
    with open(f"/proc/{pid}/schedstat", encoding="ascii") as f:
        return int(f.read().split()[0]) / 1e9


def memory(pid):
    """(what is in memory, what of that is locked), in bytes."""
    found = {}
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        for line in f:
            name, _, rest = line.partition(":")
            if rest.strip().endswith("kB"):
                found[name] = int(rest.split()[0]) << 10
    return found["Rss"], found["Locked"]


def faults(stats):
    return (stats["faults_remote"] + stats["faults_zero"] +
            stats["faults_minor"])


def memory_at_rest(c, number, **options):
    """(Rss, locked) of the pager of a guest that does nothing: how much it
    takes under load is a matter of what is on its way."""
    vm = Vm(c.requester, number=number, mem=160, local_max=64, seconds=600,
            threads=0, blocks=5, **options)
    wait_for("the pager's figures",
             lambda: vm.stats()["unmanaged"] == 160 * MIB, 60)
    found = memory(pager_of(c.requester))
    vm.popen.kill()
    vm.popen.wait()
    c.wait_pagers()
    return found


def cost_of_faults(c, number, **options):
    """CPU seconds a fault of a VM's pager; then size=0."""
    vm = Vm(c.requester, number=number, mem=40, local_max=16, seconds=600,
            threads=2, blocks=5, pace=0, **options)
    wait_for("every page to have been away",
             lambda: vm.stats()["evicted_pages"] > 2 * 40 * MIB // PAGE, 120)
    pager = pager_of(c.requester)
    began, cpu = faults(vm.stats()), cpu_seconds(pager)
    wait_for("faults", lambda: faults(vm.stats()) > began + 10000, 120)
    cost = ((cpu_seconds(pager) - cpu) / (faults(vm.stats()) - began))
    began = time.monotonic()
    answer = vm.call("resize 0")
    assert answer["status"] == 0, answer
    took = time.monotonic() - began
    wait_for("nothing to be away", lambda: vm.stats()["remote"] == 0, 10)
    expect_clean(vm.quit())
    c.wait_pagers()
    print(f"pager: {cost * 1e6:.1f} us of CPU a fault, home in {took:.1f} s")
    return cost


@scenario
def maxmem_costs_nothing(build):
    """A word table with room for 1 TiB beside one for what there is."""
    # No room may be left to an allocator that writes to what it gives out.
    os.environ["MALLOC_PERTURB_"] = "165"
    with Cluster(build) as c:
        rss, locked = memory_at_rest(c, 1)
        rss_max, locked_max = memory_at_rest(c, 2, maxmem=1 << 20)
        print(f"pager: {rss} and {rss_max} bytes, {locked} and {locked_max} "
              "locked")
        cost = cost_of_faults(c, 3)
        cost_max = cost_of_faults(c, 4, maxmem=1 << 20)
        assert rss_max <= 1.05 * rss, (rss, rss_max)
        assert locked_max <= 1.05 * locked, (locked, locked_max)
        assert cost_max <= 2 * cost, (cost, cost_max)
        c.shut_down()


@scenario
def sparse_comes_home(build):
    """size=0 of a large guest that has hardly been touched."""
    with Cluster(build) as c:
        vm = Vm(c.requester, mem=16384, maxmem=1 << 20, local_max=32,
                seconds=600, threads=4, hot=96)
        wait_for("evictions", lambda: vm.stats()["evicted_pages"] > 10000, 90)
        vm.call("hold")
        assert vm.stats()["remote"] > 0
        answer = vm.call("resize 0")
        assert answer["status"] == 0, answer
        wait_for("nothing to be away", lambda: vm.stats()["remote"] == 0, 10)
        vm.call("go")
        before = vm.stats()["visits"]
        wait_for("the guest to go on",
                 lambda: vm.stats()["visits"] > before + 1000, 30)
        # To verify all of it would touch all of it.
        assert "MISMATCH" not in vm.said(), vm.said()
        assert vm.stats()["lost"] == 0
        vm.popen.kill()
        vm.popen.wait()
        c.shut_down()
