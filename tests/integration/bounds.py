# SPDX-License-Identifier: GPL-2.0-or-later
"""bounds: what a pager does no more of than it has to.

No evictions while all of the guest may be here, about one for each page that
comes back otherwise, and no more on its way to one provider than its share.
"""
import time

from cluster import Cluster, MIB, Vm, expect_clean, expect_within, wait_for

PAGE = 4096
ZAPS = "zap_seq"


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
        vm = Vm(c.requester, mem=96, local_max=48, seconds=600, threads=2,
                write_percent=100, pace=0)
        wait_for("as much to be away as may be",
                 lambda: vm.stats()["remote"] >= 47 * MIB, 60)
        grown = rates(vm, ("evicted_pages", "fetched_pages", "faults_remote"),
                      lambda g: g["faults_remote"] > 20000)
        # Nothing comes back but what a guest waits for ...
        assert grown["fetched_pages"] < 1.02 * grown["faults_remote"] + 600, \
            grown
        # ... and no more goes than that.
        assert grown["evicted_pages"] < 1.1 * grown["faults_remote"] + 600, \
            grown
        stats = vm.stats()
        assert stats["remote"] <= 48 * MIB, stats
        result = vm.quit()
        expect_clean(result)
        expect_within(result, 48 * MIB)
        c.shut_down()


def all_of_it_here(build):
    """With local-max not below RAM pages go on command only."""
    with Cluster(build) as c:
        vm = Vm(c.requester, mem=96, blocks=3, plug_later=True, local_max=64,
                size=96, seconds=600, threads=2, write_percent=50)
        wait_for("all of it to be touched",
                 lambda: vm.stats()["memfd"] > 95 * MIB, 60)
        time.sleep(1)
        stats = vm.stats()
        assert stats["guest"] == stats["unmanaged"] == 64 * MIB, stats
        assert stats["reconciled"], stats       # it stays so, and is here
        assert stats[ZAPS] == 0 and stats["evicted_pages"] == 0, stats
        # RAM is plugged: now local-max is below it.
        vm.call("plug")
        wait_for("pages to go", lambda: vm.stats()["evicted_pages"] > 8000, 40)
        answer = vm.call(f"resize {96 * MIB} {96 * MIB}")
        assert answer["status"] == 0, answer
        wait_for("the guest to have all of it back",
                 lambda: (vm.stats()["remote"], vm.stats()["zapped"]) == (0, 0),
                 60)
        before = vm.stats()
        time.sleep(2)
        after = vm.stats()
        for name in (ZAPS, "evicted_pages", "fetched_pages", "faults_minor"):
            assert after[name] == before[name], (name, before, after)
        answer = vm.call(f"evict {8 * MIB}")
        assert answer["status"] == 0 and answer["value"] >= 8 * MIB, answer
        result = vm.quit()
        expect_clean(result)
        c.shut_down()


def resize_to_all_manages_nothing(build):
    """A limit above RAM is no reason to take RAM under management."""
    with Cluster(build) as c:
        vm = Vm(c.requester, mem=64, local_max=64, size=64, seconds=600,
                threads=2, write_percent=50)
        wait_for("all of it to be touched",
                 lambda: vm.stats()["memfd"] > 63 * MIB, 60)
        answer = vm.call(f"resize {64 * MIB} {80 * MIB}")
        assert answer["status"] == 0, answer
        time.sleep(1)
        stats = vm.stats()
        assert stats["unmanaged"] == 64 * MIB, stats
        expect_clean(vm.quit())
        c.shut_down()


def one_hangs(build):
    """Pages go to the other provider while one does not answer."""
    with Cluster(build) as c:
        vm = Vm(c.requester, mem=96, local_max=64, size=90, seconds=600,
                threads=2, write_percent=100)
        wait_for("both to store",
                 lambda: min(c.status(h)["stored_bytes"]
                             for h in c.providers) > 4 * MIB, 30)
        vm.call("hold")
        process = c.providers[0].processes["rcached"]
        process.popen.send_signal(19)
        answer = vm.call(f"evict {24 * MIB}")
        # It was not the end of the session that let them go.
        assert "no answer for" not in vm.said(), vm.said()
        process.popen.send_signal(18)
        assert answer["status"] == 0, answer
        assert answer["value"] >= 24 * MIB, answer
        vm.call("go")
        expect_clean(vm.quit())
        c.shut_down()


def settled(vm, name):
    """A figure of a guest that stands still; the VM hears it once a second."""
    last, same = vm.stats()[name], 0
    while same < 12:
        time.sleep(0.2)
        now = vm.stats()[name]
        same, last = (same + 1 if now == last else 0), now
    return last


def hang_with_faults(c, vm, threads):
    """
    One provider hangs until all of the guest's threads wait for its pages.

    False if its session has ended meanwhile, with which all GETs that it had
    end too: then that the threads went on says nothing.
    """
    hung, well = c.providers
    wait_for("all of it to be touched",
             lambda: vm.stats()["remote"] > 46 * MIB, 60)
    vm.call("hold")
    vm.call(f"crowd {threads - 2}")
    before = settled(vm, "fetched_pages")
    stored = [c.status(h)["stored_bytes"] for h in (hung, well)]
    enough = before + 0.8 * threads * stored[1] / stored[0]
    process = hung.processes["rcached"]

    def ended():
        return "no answer for" in vm.said()

    process.popen.send_signal(19)
    try:
        vm.call("go")
        wait_for("the other provider's pages", lambda: ended() or
                 vm.stats()["fetched_pages"] > enough, 15)
        wait_for("all threads to wait", lambda: ended() or
                 vm.stats()["waiting_pages"] >= threads, 15)
        return not ended()
    finally:
        process.popen.send_signal(18)


def one_hangs_faults(build):
    """Faults are answered by the other provider while one does not answer.

    Each thread goes on until it waits for a page of the provider that hangs.
    So many threads wait in the end that they would fill all GETs there are;
    how many pages the other one has sent until then follows from what each of
    the two holds.  A machine that is too busy for all that within the eight
    seconds of a session tries again.
    """
    threads = 1000
    for _ in range(4):
        with Cluster(build) as c:
            # So large that eviction keeps more pages free than there are GETs.
            vm = Vm(c.requester, mem=192, local_max=144, size=90, seconds=600,
                    threads=2, write_percent=100, pace=0)
            in_time = hang_with_faults(c, vm, threads)
            # Each of them gets what it waits for.
            expect_clean(vm.quit())
            c.shut_down()
        if in_time:
            return
    raise AssertionError("the other provider's pages come only when the "
                         "session with the one that hangs has ended")


SCENARIOS = {f.__name__: f for f in (
    all_of_it_here, evictions_per_fault, one_hangs, one_hangs_faults,
    resize_to_all_manages_nothing)}
