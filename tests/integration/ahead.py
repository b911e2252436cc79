# SPDX-License-Identifier: GPL-2.0-or-later
"""ahead: guests that go through their memory, whose pages are read ahead.

Each visit verifies the whole page, so that none may come that is not right,
whatever happens to providers and pagers meanwhile.
"""
from cluster import (Cluster, MIB, Vm, expect_clean, expect_within, goes_on,
                     wait_for)
from copies import GET_REPLY, kill, two_everywhere
from relays import RelayCluster

SCENARIOS = {}
PAGES = 10000


def scenario(function):
    SCENARIOS[function.__name__] = function
    return function


def scanning(c, number=1, **options):
    """A guest that goes through memory of which most is away."""
    settings = dict(mem=96, local_max=32, seconds=600, threads=2,
                    pattern="scan", write_percent=50, pace=0)
    settings.update(options)
    vm = Vm(c.requester, number=number, **settings)
    wait_for("evictions", lambda: vm.stats()["evicted_pages"] > PAGES, 90)
    return vm


def figures(c, vm):
    """What rcached has been told, a second ago at most."""
    for told in c.call(c.requester.path("admin.sock"), "vms"):
        if told["name"] == vm.name:
            return told
    return None


def fetched(vm, pages=PAGES, seconds=90):
    """How many of so many pages that come back the guest has waited for."""
    before = vm.stats()
    wait_for("pages to come back", lambda: vm.stats()["fetched_pages"] >
             before["fetched_pages"] + pages, seconds)
    after = vm.stats()
    return ((after["faults_remote"] - before["faults_remote"]) /
            (after["fetched_pages"] - before["fetched_pages"]))


def expect_read_ahead(c, vm):
    waited = fetched(vm)
    assert waited < 0.5, waited
    told = figures(c, vm)
    assert told["read_ahead_pages"] > PAGES / 4, told
    assert told["read_ahead_used_pages"] > told["read_ahead_wasted_pages"], told


@scenario
def scans_are_read_ahead(build):
    """Page by page and by strides, by several threads; local-max holds."""
    with Cluster(build) as c:
        for number, stride in enumerate((1, 7), 1):
            vm = scanning(c, number, stride=stride)
            expect_read_ahead(c, vm)
            result = vm.quit()
            expect_clean(result)
            expect_within(result, 32 * MIB)
        c.shut_down()


@scenario
def no_run_is_not_read_ahead(build):
    with Cluster(build) as c:
        vm = scanning(c, pattern="uniform")
        waited = fetched(vm, PAGES // 2)
        assert waited > 0.95, waited
        told = figures(c, vm)
        assert told["read_ahead_pages"] < PAGES / 100, told
        expect_clean(vm.quit())
        c.shut_down()


@scenario
def scans_and_discards(build):
    """Pages that are on their way, and markers, are discarded."""
    with Cluster(build) as c:
        vm = scanning(c, discard_permille=20)
        goes_on(vm, 4 * PAGES, 90)
        vm.call("discard-half")
        vm.call("go")
        goes_on(vm, 2 * PAGES, 90)
        expect_clean(vm.quit())
        c.shut_down()


@scenario
def pagers_die_in_a_scan(build):
    with Cluster(build) as c:
        vm = scanning(c, local_max=24)
        c.kill_pagers(vm, 12, 1200)
        goes_on(vm, PAGES, 90)
        expect_read_ahead(c, vm)
        expect_clean(vm.quit())
        c.shut_down()


@scenario
def provider_dies_in_a_scan(build):
    """All pages have a second copy: who waits for a frame that never comes
    gets its page from there."""
    with Cluster(build, providers=3) as c:
        vm = scanning(c, copies=2)
        two_everywhere(c, vm)
        kill(c.providers[0])
        goes_on(vm, 2 * PAGES, 90)
        stats = vm.stats()
        assert stats["lost"] == 0 and stats["oldest_wait_ns"] < 2e9, stats
        c.start_provider(c.providers[0])
        two_everywhere(c, vm)
        expect_read_ahead(c, vm)
        expect_clean(vm.quit())
        c.shut_down()


@scenario
def no_frame_is_answered_in_a_scan(build):
    """A provider answers everything but GETs: what was read ahead there holds
    up neither the guest nor a command that has all come home."""
    with RelayCluster(build, among=True, providers=3) as c:
        vm = scanning(c, copies=2)
        two_everywhere(c, vm)
        c.proxies[0].tell(f"swallow {GET_REPLY}")
        goes_on(vm, PAGES, 90)
        assert vm.stats()["oldest_wait_ns"] < 2e9, vm.stats()
        result = vm.call("resize 0")
        assert result["status"] == 0, result
        c.proxies[0].tell("well")
        c.proxies[0].tell("reset")
        goes_on(vm, PAGES, 90)
        wait_for("all slots to be free", lambda: c.stored() == 0, 60)
        expect_clean(vm.quit())
        c.shut_down()


@scenario
def wrong_bytes_in_a_scan(build):
    """Pages that are changed where they lie do not get into the guest, which
    has them from the other place."""
    with Cluster(build) as c:
        vm = scanning(c, copies=2)
        two_everywhere(c, vm)
        for _ in range(40):
            c.call(c.providers[0].path("admin.sock"), "debug-corrupt")
        wait_for("a page to be found wrong",
                 lambda: vm.stats()["checksum_errors"] > 0, 60)
        goes_on(vm, PAGES, 90)
        expect_clean(vm.quit())
        c.shut_down()


@scenario
def all_comes_home_from_a_scan(build):
    """No marker is left half-way when size is 0."""
    with Cluster(build) as c:
        vm = scanning(c)
        result = vm.call("resize 0")
        assert result["status"] == 0, result
        wait_for("the figures to say so",
                 lambda: vm.stats()["remote"] == 0, 10)
        goes_on(vm, PAGES, 90)
        wait_for("all slots to be free", lambda: c.stored() == 0, 30)
        expect_clean(vm.quit())
        c.shut_down()
