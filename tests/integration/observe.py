# SPDX-License-Identifier: GPL-2.0-or-later
"""observe: guests that are watched and keep all of their pages, and what is
said of what less memory would cost; of guests that are paged as well."""
import subprocess

from cluster import Cluster, MIB, Vm, expect_clean, goes_on, wait_for

SCENARIOS = {}
STATES = ("unmanaged", "untouched", "hot", "zapped", "cached", "remote",
          "zero", "lost")


def scenario(function):
    SCENARIOS[function.__name__] = function
    return function


def observed(c, **options):
    """A guest that has four times what local-max says."""
    settings = dict(mem=64, local_max=16, seconds=600, threads=2,
                    observe=True)
    settings.update(options)
    vm = Vm(c.requester, **settings)
    wait_for("pages to be sampled", lambda: vm.stats()["samples"] > 100, 60)
    return vm


def advice(c, name="admin.sock", **arguments):
    return c.call(c.requester.path(name), "advise", **arguments)


def rcachectl(c, *argv):
    return subprocess.run(
        [c.program("rcachectl"),
         f"--socket={c.requester.path('admin.sock')}", *argv],
        check=False, capture_output=True, text=True)


def check_kept(vm):
    """Nothing has left, nothing is about to, and the figures add up."""
    stats = vm.stats()
    assert stats["evicted_pages"] == stats["remote"] == 0, stats
    assert stats["zapped"] == 0, stats
    assert sum(stats[state] for state in STATES) == stats["guest"], stats
    assert stats["waiting_pages"] == 0, stats
    return stats


@scenario
def observed_guests_keep_all(build):
    """More is here than local-max, no lease is asked for, commands are refused;
    in time both daemons say what less memory would cost."""
    with Cluster(build) as c:
        vm = observed(c, write_percent=50)
        wait_for("more to be here than local-max",
                 lambda: vm.stats()["resident"] > 48 * MIB, 30)
        stats = check_kept(vm)
        assert stats["curve_source"] == 1 and stats["watched"] > 0, stats
        assert stats["faults_minor"] > 0, stats
        for command in ("evict 1048576", "resize 0"):
            result = vm.call(command)
            assert result["status"] == -1, result       # EPERM
        early = advice(c, vm="vm1")
        assert early["source"] == "sampled", early
        assert early["wait_seconds"] > 0, early
        assert early["recommended_local_max_bytes"] is None, early
        assert all(size["pages_per_second"] is None
                   for size in early["sizes"]), early
        assert "not enough seen yet" in early["notes"][0], early
        assert "not enough seen yet" in rcachectl(c, "advise", "vm1").stdout
        for name in ("admin.sock", "arbiter.sock"):
            wait_for(f"{name} to have figures", lambda: advice(
                c, name, vm="vm1")["wait_seconds"] == 0, 60)
            told = advice(c, name, vm="vm1")
            whole, *_, quarter = told["sizes"]
            assert whole["pages_per_second"] == 0, told
            assert quarter["pages_per_second"] > 100, told
            assert not quarter["at_most"], told
            assert told["hot_bytes"] > 32 * MIB, told
            assert told["recommended_local_max_bytes"] >= told["hot_bytes"] - \
                MIB, told
            everything = advice(c, name)
            assert everything["unknown_vms"] == 0, everything
            assert everything["vms"][0]["vm"] == "vm1", everything
            # Half of the time may be waited: still not below what is hot.
            most = advice(c, name, vm="vm1", stall_millionths=500000)
            assert most["recommended_local_max_bytes"] >= \
                most["hot_bytes"] - MIB, most
        shown = rcachectl(c, "--stall=5%", "advise", "vm1").stdout
        assert "pages/s" in shown and "local-max for a stall" in shown, shown
        assert "more could be lent" in rcachectl(c, "advise").stdout
        assert rcachectl(c, "--stall=200%", "advise").returncode == 2
        assert not [lease for lease in c.call(
            c.requester.path("admin.sock"), "leases") if lease["held"]]
        check_kept(vm)
        expect_clean(vm.quit())
        c.shut_down()


@scenario
def observed_with_nobody_there(build):
    """No provider, no arbiter; pagers die, the next ones go on; pages are
    discarded, written by DMA, and touched while they are zapped."""
    with Cluster(build, providers=0, arbiter=False) as c:
        vm = observed(c, discard_permille=20, dma=True, zap_delay_us=20000,
                      blocks=3, write_percent=50)
        c.kill_pagers(vm, 6, 1.0)
        wait_for("the next pager to sample",
                 lambda: vm.stats()["samples"] > 100, 60)
        goes_on(vm)
        check_kept(vm)
        assert advice(c, vm="vm1")["wait_seconds"] > 0
        result = vm.quit()
        expect_clean(result)
        assert result["dmas"] > 0, result
        c.shut_down()


@scenario
def old_vmms_and_what_they_are_told(build):
    """A VMM that does not know of curves is sent none; its host has them."""
    with Cluster(build) as c:
        vm = Vm(c.requester, mem=64, local_max=24, seconds=600, threads=2,
                old=True)
        wait_for("pages to come back",
                 lambda: vm.stats()["fetched_pages"] > 500, 60)
        told = wait_for("its host to know", lambda: (
            lambda t: t["source"] and t)(advice(c, vm="vm1")), 30)
        assert told["source"] == "returns", told
        assert told["wait_seconds"] > 0, told
        assert vm.stats()["samples"] == 0, vm.stats()
        expect_clean(vm.quit())
        c.shut_down()


@scenario
def paged_guests_are_told_of_returns(build):
    """A guest that is paged: of local-max and more there are figures, of less
    there are words."""
    with Cluster(build) as c:
        vm = Vm(c.requester, mem=64, local_max=32, seconds=600, threads=1)
        wait_for("pages to come back",
                 lambda: vm.stats()["fetched_pages"] > 500, 60)
        for name in ("admin.sock", "arbiter.sock"):
            wait_for(f"{name} to have figures", lambda: (
                lambda t: t["source"] == "returns" and
                t["wait_seconds"] == 0)(advice(c, name, vm="vm1")), 120)
        before = vm.stats()
        told = advice(c, vm="vm1")
        by = {size["local_percent"]: size for size in told["sizes"]}
        assert by[25]["pages_per_second"] is None, told
        assert by[50]["pages_per_second"] > \
            by[75]["pages_per_second"] > by[100]["pages_per_second"] == 0, told
        assert told["recommended_local_max_bytes"] >= 32 * MIB, told
        assert told["hot_bytes"] is None, told
        assert any("cannot tell" in note for note in told["notes"]), told
        assert before["watched"] == 0, before
        expect_clean(vm.quit())
        c.shut_down()
