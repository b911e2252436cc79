# SPDX-License-Identifier: GPL-2.0-or-later
"""network: guests whose way to the providers is bad (relays.py)."""
import json
import os
import re
import tempfile
import time

from cluster import MIB, Cluster, Vm, expect_clean, expect_within, wait_for
from copies import running
from lab import run         # after cluster: it is in lib
from relays import RelayCluster, troubles
from faulty_proxy import Storm


def slabs_at(c, host):
    """How many slabs of guests it has."""
    return c.status(host)["leased_bytes"] // (4 * MIB)


def calls_slow(c, host):
    """Does the requester say that it is slow?"""
    status = c.status(c.requester)
    return any(f"{host.name} has been slow for" in json.dumps(problem)
               for problem in status["problems"])


def fallen(c, host, most):
    """Does it have fewer slabs than it had at some look?  More may have come
    since the first one."""
    most[0] = max(most[0], slabs_at(c, host))
    return slabs_at(c, host) < most[0]


def grown(c, host, low):
    """Does it store more than the least that was seen?"""
    stored = c.status(host)["stored_bytes"]
    low[0] = min(low[0], stored)
    return stored > low[0] + MIB // 4


def wrong_pages(c):
    """What the requester's only VM has found changed at its providers."""
    vms = c.call(c.requester.path("admin.sock"), "vms")
    return vms[0]["wrong_pages"]


def moves(vm, pages, seconds=20):
    """Wait until @pages more have come back from providers."""
    before = vm.stats()["faults_remote"]
    wait_for(f"{pages} pages to come back",
             lambda: vm.stats()["faults_remote"] >= before + pages, seconds)


def end_cleanly(c, vm):
    expect_clean(vm.quit())
    c.shut_down()


def bits_flip(build):
    """Bits change on the way, there and back, and no page is lost.

    One of an answer: asked for again, or a new session.  One of a request: a
    new session.  One of a page that is put: it stays here.
    """
    with RelayCluster(build) as c:
        vm = Vm(c.requester, mem=64, local_max=24, seconds=600, threads=4)
        moves(vm, 500)
        for _ in range(40):
            c.tell("flip down 1")
            time.sleep(0.1)
        wait_for("a checksum to fail",
                 lambda: vm.stats()["checksum_errors"] > 0, 10)
        moves(vm, 500)
        for _ in range(10):
            c.tell("flip up 1")
            moves(vm, 100, 30)
        wrong = wrong_pages(c)
        for _ in range(10):
            c.tell("flip pages 1")
            moves(vm, 100, 30)
        wait_for("bytes that arrived other than they were sent",
                 lambda: wrong_pages(c) > wrong, 60)
        moves(vm, 500, 60)
        # All come home, so none is lost, and none is where none should be.
        answer = vm.call("resize 0")
        assert answer["status"] == 0, answer
        wait_for("nothing to be stored", lambda: c.stored() == 0, 60)
        end_cleanly(c, vm)


def puts_arrive_wrong(build):
    """Whatever is put at one of three providers arrives changed: pages go to
    the others, with one copy until they have two."""
    with RelayCluster(build, among=True, providers=3) as c:
        vm = running(c, pace=0)
        c.proxies[0].tell("flip pages 100000000")
        wrong = wrong_pages(c)
        wait_for("bytes to arrive wrong", lambda: wrong_pages(c) > wrong, 30)
        before = vm.stats()["evicted_pages"]
        wait_for("evictions to go on",
                 lambda: vm.stats()["evicted_pages"] > before + 20000, 20)
        c.proxies[0].tell("flip pages 0")
        moves(vm, 500)
        end_cleanly(c, vm)


def heads_flip(build):
    """A bit of a frame's head is wrong: another session, never a hang."""
    with RelayCluster(build) as c:
        vm = Vm(c.requester, mem=64, local_max=24, seconds=600, threads=4)
        moves(vm, 500)
        for where in ("head", "tag"):
            for _ in range(40):
                c.tell(f"flip {where} 1")
                time.sleep(0.1)
            # Nothing else wakes a page whose answer was not recognised.
            wait_for("no fault to wait",
                     lambda: vm.stats()["oldest_wait_ns"] < 1e9, 30)
        moves(vm, 500, 30)
        end_cleanly(c, vm)


def slow_network(build):
    """Tens of milliseconds, and the two connections out of step."""
    with RelayCluster(build) as c:
        vm = Vm(c.requester, mem=64, local_max=24, seconds=600, threads=8)
        moves(vm, 500)
        c.tell("delay 15")
        c.tell("jitter 20")
        moves(vm, 1000, 60)
        assert vm.stats()["p99_ns"] > 25e6, vm.stats()
        c.tell("delay 0")
        c.tell("jitter 0")
        end_cleanly(c, vm)


class QuickJudge(RelayCluster):
    """Whose pagers judge a provider, and leave it, in seconds."""

    def start_requester(self):
        conf = os.path.join(self.dir, "requester.conf")
        with open(conf, "w") as f:
            f.write("[pager]\nslow-window = 300ms\nmoves-per-minute = 12\n")
        self.requester_options = ["--config", conf]
        return super().start_requester()


def slow_provider(build):
    """One provider is slow: it is left gradually; later it is used again."""
    with QuickJudge(build) as c:
        slow = c.providers[0]
        vm = Vm(c.requester, mem=64, local_max=24, seconds=600, threads=4)
        moves(vm, 500)
        wait_for("slabs there", lambda: slabs_at(c, slow) > 2, 60)
        most = [slabs_at(c, slow)]
        c.proxies[0].tell("delay 30")
        wait_for("it to be called slow", lambda: calls_slow(c, slow), 60)
        wait_for("a slab to leave it", lambda: fallen(c, slow, most), 60)
        low = [c.status(slow)["stored_bytes"]]
        c.proxies[0].tell("delay 0")
        wait_for("it to be well again", lambda: not calls_slow(c, slow), 60)
        # What is needed more now is asked of all again, and stored evenly.
        wait_for("it to be used again", lambda: grown(c, slow, low), 60)
        end_cleanly(c, vm)


def pieces(build):
    """Frames that arrive in pieces, in both directions."""
    with RelayCluster(build) as c:
        vm = Vm(c.requester, mem=64, local_max=24, seconds=600, threads=4)
        moves(vm, 500)
        c.tell("trickle 1500")
        moves(vm, 200, 60)
        c.tell("trickle 0")
        moves(vm, 500)
        end_cleanly(c, vm)


def resets(build):
    """Connections end at any byte; sessions fence what was under way."""
    with RelayCluster(build) as c:
        vm = Vm(c.requester, mem=64, local_max=24, seconds=600, threads=6)
        moves(vm, 500)
        for turn in range(16):
            c.proxies[turn % 2].tell("reset")
            time.sleep(0.3)
        moves(vm, 1000)
        end_cleanly(c, vm)


def half_open(build):
    """The way goes silent without an end, and comes back."""
    with RelayCluster(build) as c:
        vm = Vm(c.requester, mem=64, local_max=24, seconds=600, threads=4)
        moves(vm, 500)
        c.proxies[0].tell("pause")

        def waits():
            stats = vm.stats()
            return (stats["oldest_wait_ns"] > 9e9 and
                    stats["waiting_for"] == "provider0")

        wait_for("the guest to wait for it", waits, 20)
        c.proxies[0].tell("resume")
        moves(vm, 500, 30)
        end_cleanly(c, vm)


def cut_and_mended(build):
    """No way at all for a while: refused, then taken again."""
    with RelayCluster(build) as c:
        vm = Vm(c.requester, mem=64, local_max=24, seconds=600, threads=4)
        moves(vm, 500)
        c.tell("cut")
        wait_for("the guest to wait",
                 lambda: vm.stats()["oldest_wait_ns"] > 3e9, 20)
        c.tell("mend")
        moves(vm, 500, 30)
        end_cleanly(c, vm)


def cut_while_evicting(build):
    """PUTs are called off; the slots of all but the stored pages are free."""
    with RelayCluster(build) as c:
        vm = Vm(c.requester, mem=96, local_max=64, seconds=600, threads=4)
        moves(vm, 100)
        for _ in range(6):
            c.tell("reset")
            time.sleep(0.4)
        answer = vm.call(f"resize {80 * MIB} {16 * MIB}")
        assert answer["status"] == 0, answer
        answer = vm.call("resize 0")
        assert answer["status"] == 0, answer
        wait_for("nothing to be stored", lambda: c.stored() == 0, 15)
        end_cleanly(c, vm)


def of_no_use(build, break_it, mend_it, words, used_again=False):
    """
    A provider that pages do not get through to, beside a healthy one: a new VM
    stays within local-max and waits for nothing, status names provider and
    cause, nothing is stored there, and later it is used again.
    """
    with RelayCluster(build) as c:
        sick, well = c.providers
        break_it(c.proxies)
        vm = Vm(c.requester, mem=128, local_max=32, seconds=600, threads=4,
                pattern="sweep")
        wait_for("evictions", lambda: vm.stats()["evicted_pages"] > 24000, 60)
        wait_for("the cause to be told", lambda: troubles(c, sick, words), 30)
        stats = vm.stats()
        assert stats["oldest_wait_ns"] < 3e9, stats
        assert c.status(sick)["stored_bytes"] < MIB, c.status(sick)
        wait_for("most of it to be at the other provider",
                 lambda: c.status(well)["stored_bytes"] > 64 * MIB, 30)
        before = vm.stats()["evicted_pages"]
        wait_for("evictions to go on",
                 lambda: vm.stats()["evicted_pages"] > before + 5000, 30)
        mend_it(c.proxies)
        wait_for("it to be well again",
                 lambda: not troubles(c, sick, words), 60)
        if used_again:
            wait_for("it to be used",
                     lambda: c.status(sick)["stored_bytes"] > MIB, 60)
        result = vm.quit()
        expect_clean(result)
        expect_within(result, 32 * MIB)
        c.shut_down()


def big_frames_vanish(build):
    """An MTU that is wrong on the way: PINGs pass, pages do not."""
    def hole(proxies, size):
        proxies[0].tell(f"hole up {size}")
        proxies[0].tell(f"hole down {size}")

    of_no_use(build, lambda proxies: hole(proxies, 1400),
              lambda proxies: hole(proxies, -1), "no pages", True)


def one_way_only(build):
    """Nothing comes back from the provider."""
    of_no_use(build, lambda proxies: proxies[0].tell("hole down 0"),
              lambda proxies: proxies[0].tell("hole down -1"),
              "does not answer")


def no_data_port(build):
    """The arbiter hears the provider, and nobody else can reach it."""
    of_no_use(build, lambda proxies: proxies[0].tell("cut"),
              lambda proxies: proxies[0].tell("mend"), "cannot be reached")


def packets_lost(build):
    """One packet in twenty is sent again: later, and never out of order."""
    with RelayCluster(build) as c:
        vm = Vm(c.requester, mem=64, local_max=24, seconds=600, threads=8)
        moves(vm, 500)
        c.tell("lose 50")
        wait_for("a page to be waited for as long as that takes",
                 lambda: vm.stats()["oldest_wait_ns"] > 150e6, 60, 0.02)
        moves(vm, 300, 60)
        c.tell("well")
        moves(vm, 1000)
        end_cleanly(c, vm)


def connections_drop(build):
    """Connections end again and again, at any byte, on one of the ways."""
    with RelayCluster(build) as c:
        vm = Vm(c.requester, mem=64, local_max=24, seconds=600, threads=6)
        moves(vm, 500)
        for proxy in c.proxies:
            before = proxy.tell("begun")
            proxy.tell("drop 10")
            wait_for("connections to be lost", lambda p=proxy, n=before:
                     p.tell("begun") > n + 6, 60)
            proxy.tell("well")
        moves(vm, 1000, 30)
        end_cleanly(c, vm)


def bits_flip_for_long(build):
    """A way on which a bit is flipped now and then, for as long as it lasts:
    nothing wrong is ever taken for right, and no page is lost."""
    with RelayCluster(build) as c:
        vm = Vm(c.requester, mem=64, local_max=24, seconds=600, threads=4)
        moves(vm, 500)
        c.tell("corrupt 5")
        wait_for("checksums to fail",
                 lambda: vm.stats()["checksum_errors"] > 2, 60)
        c.tell("well")
        moves(vm, 1000, 30)
        end_cleanly(c, vm)


def blackhole(build):
    """A provider is not there for a while, and says nothing; when it is back
    it knows nothing of the connections there were."""
    with RelayCluster(build) as c:
        vm = Vm(c.requester, mem=64, local_max=24, seconds=600, threads=4)
        moves(vm, 500)
        c.proxies[0].tell("blackhole")
        wait_for("the guest to wait",
                 lambda: vm.stats()["oldest_wait_ns"] > 6e9, 30)
        c.proxies[0].tell("resume")
        moves(vm, 500, 30)
        end_cleanly(c, vm)


def marks(host):
    """What the packets of a host's connections at providers' ports carry."""
    lines = run(*host.enter, "ss", "--tos", "-tnH",
                "( sport = 9470 or dport = 9470 )").splitlines()
    return [re.search(r"tos:(\S+)", line)[1] if "tos:" in line else "none"
            for line in lines]


def packets_are_marked(build):
    """Pages travel with the mark that was configured, both ways."""
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as config:
        config.write("[host]\ndscp = 10\n")
        config.flush()
        options = ("--config", config.name)
        with Cluster(build, requester=options, provider=options) as c:
            vm = Vm(c.requester, mem=64, local_max=24, seconds=600, threads=2)
            moves(vm, 100)
            for host in (c.requester, *c.providers):
                found = marks(host)
                assert found and set(found) == {"0x28"}, (host.name, found)
            end_cleanly(c, vm)


def storm(build):
    """All that a network may do, one way at a time, as three seeds have it."""
    with RelayCluster(build) as c:
        vm = Vm(c.requester, mem=64, local_max=24, seconds=600, threads=4)
        moves(vm, 500)
        for seed in (1, 2, 3):
            steps = Storm(seed, len(c.proxies), 6, longest=1.0, calm=0.5)
            steps.run(c.proxies, say=lambda s, n=seed: print(f"seed {n}: {s}"))
            moves(vm, 300, 30)
        end_cleanly(c, vm)


SCENARIOS = {f.__name__: f for f in (
    big_frames_vanish, one_way_only, no_data_port,
    bits_flip, puts_arrive_wrong, heads_flip, slow_network, slow_provider,
    pieces, resets, half_open, cut_and_mended, cut_while_evicting,
    packets_lost, connections_drop, bits_flip_for_long, blackhole,
    packets_are_marked, storm)}
