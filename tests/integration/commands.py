# SPDX-License-Identifier: GPL-2.0-or-later
"""commands: resize and evict, given up by the VMM while they are under way.

A slow way to the provider gives each command time to be cancelled in.
"""
import time

from cluster import Cluster, MIB, Vm, expect_clean, goes_on, wait_for
from relays import RelayCluster

EAGAIN, ECANCELED = 11, 125


def told(answer):
    """The progress that was told until a command was cancelled."""
    assert answer["status"] == -ECANCELED, answer
    assert "cancelled" in answer["text"], answer
    assert answer["told"] > 0 and not answer["fell"], answer
    assert 0 < answer["done"] < answer["total"], answer


def stands_still(vm, name, seconds=2):
    """Wait until a figure has not changed for so long."""
    state = [None, time.monotonic()]

    def same():
        now = vm.stats()[name]
        if now != state[0]:
            state[:] = now, time.monotonic()
        return time.monotonic() - state[1] > seconds
    wait_for(f"{name} to stand still", same, 30)
    return state[0]


def evict_cancelled(build):
    """A cancelled evict stops, and says what went."""
    with RelayCluster(build, providers=1) as c:
        vm = Vm(c.requester, mem=96, local_max=95, size=96, seconds=600,
                threads=2, write_percent=100)
        wait_for("most of it to be touched",
                 lambda: vm.stats()["memfd"] > 88 * MIB, 60)
        vm.call("hold")
        before = stands_still(vm, "evicted_pages")
        c.tell("trickle 16384")         # 16 MiB a second at most
        vm.call(f"cancel-at {8 * MIB}")
        answer = vm.call(f"evict {80 * MIB}")
        told(answer)
        assert answer["total"] == 80 * MIB, answer
        assert 8 * MIB <= answer["value"] < 72 * MIB, answer
        c.tell("trickle 0")
        after = stands_still(vm, "evicted_pages")
        went = (after - before) * 4096
        # What was on its way when it was cancelled may still arrive.
        assert answer["value"] <= went < 76 * MIB, (answer, went)
        vm.call("go")
        answer = vm.call(f"evict {4 * MIB}")    # and the next one is served
        assert answer["status"] == 0, answer
        assert not answer["fell"], answer
        expect_clean(vm.quit())
        c.shut_down()


def resize_cancelled(build):
    """A cancelled resize leaves the limits as they were, and says so."""
    with RelayCluster(build, providers=1) as c:
        vm = Vm(c.requester, mem=96, local_max=80, size=90, seconds=600,
                threads=2, write_percent=100)
        wait_for("evictions", lambda: vm.stats()["evicted_pages"] > 1000, 60)
        vm.call("hold")
        stands_still(vm, "evicted_pages")
        c.tell("trickle 16384")
        vm.call(f"cancel-at {8 * MIB}")
        answer = vm.call(f"resize {90 * MIB} {16 * MIB}")
        told(answer)
        assert answer["size"] == 90 * MIB, answer
        assert answer["local_max"] == 80 * MIB, answer
        c.tell("trickle 0")
        stands_still(vm, "evicted_pages")
        stats = vm.stats()
        assert stats["local_max"] == 80 * MIB, stats
        assert stats["memfd"] > 24 * MIB, stats
        vm.call("go")
        answer = vm.call(f"resize {80 * MIB} {40 * MIB}")
        assert answer["status"] == 0, answer
        assert (answer["size"], answer["local_max"]) == (80 * MIB, 40 * MIB)
        answer = vm.call(f"resize {MIB} {MIB}")
        assert answer["status"] < 0, answer
        assert (answer["size"], answer["local_max"]) == (80 * MIB, 40 * MIB)
        answer = vm.call("resize 0")
        assert answer["status"] == 0, answer
        assert (answer["size"], answer["local_max"]) == (0, 96 * MIB), answer
        expect_clean(vm.quit())
        c.shut_down()


def evict_in_use(build):
    """An evict of more than the guest leaves alone says what went, and ends:
    it does not go on with what the guest brings back."""
    with Cluster(build) as c:
        vm = Vm(c.requester, mem=64, local_max=48, size=64, seconds=600,
                threads=2, hot=16, write_percent=50)
        wait_for("evictions", lambda: vm.stats()["evicted_pages"] > 1000, 60)
        answer = vm.call(f"evict {1024 * MIB}")
        assert answer["status"] == -EAGAIN, answer
        assert "using what is left" in answer["text"], answer
        assert 16 * MIB < answer["value"] < 512 * MIB, answer
        goes_on(vm)
        expect_clean(vm.quit())
        c.shut_down()


SCENARIOS = {f.__name__: f for f in (evict_cancelled, evict_in_use,
                                     resize_cancelled)}
