# SPDX-License-Identifier: GPL-2.0-or-later
"""bounds: what a pager does no more of than it has to.

About one eviction for each page that comes back.
"""
from cluster import Cluster, MIB, Vm, expect_clean, expect_within, wait_for


def rates(vm, names, until, seconds=60):
    """How much each figure grows until @until says that it is enough."""
    first = vm.stats()
    grown = {}

    def enough():
        now = vm.stats()
        grown.update({n: now[n] - first[n] for n in names})
        return until(grown)
    wait_for(f"{names} to grow", enough, seconds)
    return grown


def evictions_per_fault(build):
    """With as much away as may be, a page goes for each that comes."""
    with Cluster(build) as c:
        vm = Vm(c.requester, mem=192, local_max=96, seconds=600, threads=2,
                write_percent=100)
        wait_for("as much to be away as may be",
                 lambda: vm.stats()["remote"] >= 95 * MIB, 60)
        grown = rates(vm, ("evicted_pages", "fetched_pages", "faults_remote"),
                      lambda g: g["faults_remote"] > 20000)
        # Nothing comes back but what a guest waits for ...
        assert grown["fetched_pages"] < 1.02 * grown["faults_remote"] + 600, \
            grown
        # ... and no more goes than that.
        assert grown["evicted_pages"] < 1.1 * grown["faults_remote"] + 600, \
            grown
        stats = vm.stats()
        assert stats["remote"] <= 96 * MIB, stats
        result = vm.quit()
        expect_clean(result)
        expect_within(result, 96 * MIB)
        c.shut_down()


SCENARIOS = {f.__name__: f for f in (evictions_per_fault,)}
