# SPDX-License-Identifier: GPL-2.0-or-later
"""copies: pages that are at two providers, and what the loss of one costs.

A VM with copies=2 goes on when a provider dies, hangs or comes back empty, and
reads right bytes; what was there is copied elsewhere.
"""
import os
import signal
import subprocess
import time

from accounts import filled
from cluster import (Cluster, LabError, MIB, Vm, expect_clean, goes_on,
                     wait_for)
from giveback import drain, wait_empty
from relays import RelayCluster, troubles

SCENARIOS = {}
GET_REPLY = 19                  # of enum RcacheType


def scenario(function):
    SCENARIOS[function.__name__] = function
    return function


def daemon(host):
    return host.processes["rcached"]


def kill(host):
    """Its daemon, without warning."""
    daemon(host).popen.kill()
    daemon(host).popen.wait()


def two_everywhere(c, vm, seconds=60):
    """Wait until each page that is away has two copies; the VM's figures."""
    stats = {}

    def whole():
        stats.update(vm.stats())
        return (stats["remote"] > 0 and not stats["one_copy"] and
                not stats["copying"])
    wait_for("two copies of everything", whole, seconds)
    return stats


def running(c, **options):
    """A guest at work that has two copies of all that is away."""
    vm = Vm(c.requester, mem=96, local_max=32, seconds=600, threads=4,
            write_percent=30, copies=2, **options)
    wait_for("evictions", lambda: vm.stats()["evicted_pages"] > 10000, 90)
    two_everywhere(c, vm)
    return vm


@scenario
def two_copies(build):
    """Each page is stored twice, and what is freed is freed twice."""
    with Cluster(build, providers=3) as c:
        vm = filled(c, 128, 48, copies=2)
        stats = two_everywhere(c, vm)
        wait_for("every page to be stored twice",
                 lambda: c.stored() == 2 * vm.stats()["remote"], 30)
        assert stats["copies"] == 2, stats
        vm.call("discard-all")
        wait_for("all slots to be freed", lambda: c.stored() == 0, 30)
        vm.call("go")
        expect_clean(vm.quit())
        c.shut_down()


@scenario
def provider_dies_with_a_copy(build):
    """One of three dies for good: nobody waits, and all is copied again."""
    with Cluster(build, providers=3) as c:
        vm = running(c)
        kill(c.providers[0])
        goes_on(vm)
        stats = vm.stats()
        assert stats["lost"] == 0 and stats["oldest_wait_ns"] < 2e9, stats
        # Restarted without what it held: that is the proof.
        c.start_provider(c.providers[0])
        two_everywhere(c, vm)
        kill(c.providers[1])
        goes_on(vm)
        expect_clean(vm.quit())
        c.start_provider(c.providers[1])
        c.shut_down()


class Hasty(Cluster):
    """A requester that gives up a provider after two seconds."""

    def start_requester(self):
        conf = self.requester.path("hasty.conf")
        with open(conf, "w", encoding="ascii") as f:
            f.write("[pager]\ngive-up = 2s\n")
        self.requester_options = ("--config", conf)
        return super().start_requester()


class Renamed(Hasty):
    """A provider may come back under another name."""

    def start_provider(self, host, name=None):
        return host.start_rcached(
            "--slab-size", self.slab, "--reserve", "512M",
            "--enable-debug-commands", *self.arbiter,
            *(["--host", name] if name else []))


@scenario
def provider_renamed_with_a_copy(build):
    """Another host answers at a provider's address: that it does not know the
    lease proves nothing, but what was there is given up all the same."""
    with Renamed(build, providers=4) as c:
        vm = running(c)
        kill(c.providers[0])
        c.start_provider(c.providers[0], "another")
        goes_on(vm)
        two_everywhere(c, vm, 40)
        stats = vm.stats()
        assert stats["lost"] == 0, stats
        # Its pager waits a minute for the one whose leases it has.
        expect_clean(vm.quit())
        c.shut_down()


@scenario
def given_up_and_back(build):
    """The only provider says nothing for longer than give-up: who waits for a
    page of it waits without hope, which is told; and goes on when it is
    back."""
    with Hasty(build, providers=1) as c:
        vm = filled(c, 64, 24)
        provider = daemon(c.providers[0]).popen.pid
        os.kill(provider, signal.SIGSTOP)
        vm.call("go")
        wait_for("the guest to wait", lambda: vm.stats()["waiting_pages"], 30)
        wait_for("the provider to be given up",
                 lambda: vm.stats()["hopeless"], 30)
        stats = vm.stats()
        assert stats["hopeless"] <= stats["waiting_pages"], stats
        assert stats["waiting_for"] == "provider0", stats
        assert stats["lost"] == 0, stats
        os.kill(provider, signal.SIGCONT)
        wait_for("it to be back", lambda: not vm.stats()["hopeless"], 30)
        goes_on(vm)
        expect_clean(vm.quit())
        c.shut_down()


class Racks(Cluster):
    """Two of three providers are in one rack."""

    def start_provider(self, host):
        rack = "rack2" if host.name == "provider2" else "rack1"
        return host.start_rcached("--slab-size", self.slab, "--reserve",
                                  "512M", "--label", rack,
                                  "--enable-debug-commands", *self.arbiter)


@scenario
def rack_dies_with_copies(build):
    """The copies of a page are in different racks: a whole one may go.  The
    only host of the other one is drained: what is there has to go somewhere,
    and so it goes to the rack of its other copy."""
    with Racks(build, providers=3) as c:
        vm = running(c)
        kill(c.providers[0])
        kill(c.providers[1])
        goes_on(vm)
        # Both come back empty: only then is what they had proved gone.
        c.start_provider(c.providers[0])
        c.start_provider(c.providers[1])
        goes_on(vm)
        assert vm.stats()["lost"] == 0
        two_everywhere(c, vm)
        drain(c, c.providers[2])
        wait_empty(c, c.providers[2], 30)
        two_everywhere(c, vm)
        expect_clean(vm.quit())
        c.shut_down()


def pace(vm, seconds):
    """Pages that the guest has visited a second, for so long; and the longest
    wait that was told meanwhile."""
    began = time.monotonic()
    first = last = vm.stats()
    longest = 0
    while time.monotonic() < began + seconds:
        time.sleep(0.1)
        last = vm.stats()
        longest = max(longest, last["oldest_wait_ns"])
    return ((last["visits"] - first["visits"]) / (time.monotonic() - began),
            longest)


@scenario
def provider_hangs_with_a_copy(build):
    """One that is stopped is asked once more, and then the other is."""
    with Cluster(build, providers=3) as c:
        vm = running(c)
        well, _ = pace(vm, 2)
        os.kill(daemon(c.providers[0]).popen.pid, signal.SIGSTOP)
        try:
            # While the GETs run out that it does not answer.
            _, longest = pace(vm, 2)
            # And before its session ends, with which all of them would.
            hung, after = pace(vm, 4)
            goes_on(vm)
        finally:
            os.kill(daemon(c.providers[0]).popen.pid, signal.SIGCONT)
        assert max(longest, after) < 1e9, (longest, after)
        assert hung > well / 20, (hung, well)
        two_everywhere(c, vm)
        expect_clean(vm.quit())
        c.shut_down()


@scenario
def no_gets_are_answered(build):
    """A provider answers everything but GETs: its copies are of no use, which
    is told, and the guest goes on with the others."""
    with RelayCluster(build, among=True, providers=3) as c:
        vm = running(c)
        well, _ = pace(vm, 2)
        c.proxies[0].tell(f"swallow {GET_REPLY}")
        pace(vm, 2)
        mute, _ = pace(vm, 4)
        assert mute > well / 20, (mute, well)
        wait_for("the cause to be told",
                 lambda: troubles(c, c.providers[0], "no pages"), 30)
        goes_on(vm)
        # What it has swallowed nobody will answer.
        c.proxies[0].tell("well")
        c.proxies[0].tell("reset")
        wait_for("it to be well again",
                 lambda: not troubles(c, c.providers[0], "no pages"), 60)
        two_everywhere(c, vm)
        expect_clean(vm.quit())
        c.shut_down()


@scenario
def copies_change(build):
    """copies=2 makes a second copy of all that is away, copies=1 drops it."""
    with Cluster(build, providers=3) as c:
        vm = filled(c, 128, 48)
        wait_for("pages to be away", lambda: vm.stats()["remote"] > 40 * MIB)
        assert vm.call("copies 3")["status"] != 0
        assert vm.call("copies 2")["status"] == 0
        two_everywhere(c, vm)
        wait_for("every page to be stored twice",
                 lambda: c.stored() == 2 * vm.stats()["remote"], 30)
        assert vm.call("copies 1")["status"] == 0
        wait_for("every page to be stored once",
                 lambda: c.stored() == vm.stats()["remote"], 30)
        vm.call("go")
        goes_on(vm)
        expect_clean(vm.quit())
        c.shut_down()


@scenario
def pagers_die_with_copies(build):
    """Pagers that are killed while a slab is copied, and providers too."""
    with Cluster(build, providers=3) as c:
        vm = running(c, discard_permille=20)
        for turn in range(3):
            victim = c.providers[turn]
            kill(victim)
            c.start_provider(victim)
            c.kill_pagers(vm, 3, 1200)
            two_everywhere(c, vm)
        assert vm.stats()["lost"] == 0
        expect_clean(vm.quit())
        c.shut_down()


class GivesUp(Cluster):
    """A provider that is away for two seconds is given up."""

    def start_requester(self):
        conf = self.requester.path("rcached.conf")
        with open(conf, "w") as f:
            f.write("[pager]\ngive-up = 2s\n")
        return self.requester.start_rcached(
            "--config", conf, "--lend", "0", "--enable-debug-commands",
            *self.arbiter)


def metric(c, socket, name):
    """Of the one VM, as "rcachectl metrics" prints it."""
    text = subprocess.run(
        [c.program("rcachectl"), f"--socket={socket}", "metrics"],
        capture_output=True, text=True, timeout=60, check=True).stdout
    line, = [line for line in text.splitlines()
             if line.startswith(f"rcache_vm_{name}{{")]
    return float(line.split()[-1])


def told(c, vm, dead=()):
    """Bytes with one live copy or none, and bytes still to be copied, by who
    says so."""
    stats = vm.stats()
    said = {"STATS": (stats["one_copy"], stats["copying"])}
    for name in ("admin.sock", "arbiter.sock"):
        path = c.requester.path(name)
        one, = c.call(path, "vms")
        for what, o in (("vms", one), ("status", c.call(path, "status"))):
            said[f"{name} {what}"] = (o["one_copy_bytes"],
                                      o["repairing_bytes"])
        said[f"{name} metrics"] = (metric(c, path, "one_copy_bytes"),
                                   metric(c, path, "repairing_bytes"))
    for host in c.providers:
        if host not in dead:
            answer = c.call(c.requester.path("arbiter.sock"), "whatif",
                            host=host.name)
            for one in answer["vms"]:
                said[f"whatif {host.name}"] = (one["one_copy_bytes"],
                                               one["repairing_bytes"])
                assert answer["repairing_bytes"] == one["repairing_bytes"]
    return said


def sole(c, host):
    """What would be missing without it."""
    return c.call(c.requester.path("arbiter.sock"), "whatif",
                  host=host.name)["sole_bytes"]


def against(c, host):
    """What ok-to-stop says against it, in one text."""
    return "; ".join(c.call(c.requester.path("arbiter.sock"), "ok-to-stop",
                            host=host.name)["reasons"])


def without_a_pager(c, vm, host):
    """The VM's pager dies, and there is no other for a while: nobody knows
    what is only at @host."""
    attaches = vm.stats()["attaches"]
    vm.popen.send_signal(signal.SIGSTOP)        # so it asks for no other
    try:
        assert c.kill_pager(vm.name)
        wait_for("the last pager's word to count no more",
                 lambda: "has no pager" in against(c, host), 30)
        assert "whether 1 of them has other copies is not known" in c.call(
            c.requester.path("arbiter.sock"), "whatif",
            host=host.name)["if_died"]
    finally:
        vm.popen.send_signal(signal.SIGCONT)
    wait_for("the next pager", lambda: vm.stats()["attaches"] > attaches, 30)
    # The fake tells each pager what it was started with.
    assert vm.call("copies 2")["status"] == 0
    wait_for("the next pager's word", lambda: not against(c, host), 30)


def hangs_unnoticed(c, host, other):
    """@other stops, as a host without power; the arbiter knows before the
    pager does."""
    os.kill(daemon(other).popen.pid, signal.SIGSTOP)
    wait_for("the arbiter to miss it", lambda: "alive" not in [
        h["state"] for h in c.call(c.requester.path("arbiter.sock"), "hosts")
        if h["name"] == other.name], 30, 0.05)
    assert against(c, host), "the only live copy may stop"


@scenario
def figures_agree(build):
    """
    How much has one copy, and how much is still to be copied, is the same
    for the VMM, on both admin sockets and in all commands: with one copy
    wanted and with two, with a provider away, given up, and back. What has
    only one live copy may not stop, also while the VM does not know it.
    """
    with GivesUp(build) as c:
        vm = filled(c, 64, 24)
        lost = c.providers[1]

        def agree(what, figures, dead=()):
            def agreed():
                remote = vm.stats()["remote"]
                want = {figures(remote)}
                return remote and set(told(c, vm, dead).values()) == want
            try:
                wait_for(what, agreed, 60)
            except LabError as late:
                raise LabError(f"{told(c, vm, dead)}, {vm.stats()}") from late
        agree("one copy of everything", lambda remote: (remote, 0))
        wait_for("it to be there only", lambda: vm.stats()["remote"] ==
                 sum(sole(c, h) for h in c.providers), 30)
        assert vm.call("copies 2")["status"] == 0
        agree("two copies of everything", lambda remote: (0, 0))
        wait_for("nothing to be in one place only",
                 lambda: not any(sole(c, h) for h in c.providers), 30)
        without_a_pager(c, vm, c.providers[0])
        hangs_unnoticed(c, c.providers[0], lost)
        kill(lost)
        agree("what is left to be one copy that has to be copied",
              lambda remote: (remote, remote), dead=[lost])
        wait_for("it to be there only", lambda: vm.stats()["remote"] ==
                 sole(c, c.providers[0]), 30)
        c.start_provider(lost)
        agree("two copies of everything again", lambda remote: (0, 0))
        vm.call("go")
        goes_on(vm)
        expect_clean(vm.quit())
        c.shut_down()


def copied_as_far_as_can_be(vm):
    """Wait until what has still to be copied is less and stays so; that."""
    seen = [vm.stats()["copying"]]

    def still():
        seen.append(vm.stats()["copying"])
        return len(seen) > 20 and seen[-1] < max(seen) and \
            len(set(seen[-20:])) == 1
    wait_for("what can be copied to be copied", still, 60, 0.2)
    return seen[-1]


@scenario
def rot_is_not_copied(build):
    """Bits flip at one provider and the other one is away for too long: what
    is copied is compared with the requester's own sums, so that the right
    bytes are still there when it is back."""
    with GivesUp(build, providers=3) as c:
        vm = filled(c, 64, 24, copies=2, pace=0)
        two_everywhere(c, vm)
        rotten, away, _ = c.providers
        for _ in range(20):
            c.call(rotten.path("admin.sock"), "debug-corrupt")
        os.kill(daemon(away).popen.pid, signal.SIGSTOP)
        try:
            wait_for("it to be given up", lambda: vm.stats()["copying"], 60)
            left = copied_as_far_as_can_be(vm)
        finally:
            os.kill(daemon(away).popen.pid, signal.SIGCONT)
        # They are found, read from where they are right, and stored anew.
        two_everywhere(c, vm)
        # So this one is not needed any more.
        kill(rotten)
        vm.call("go")
        goes_on(vm, 2 * 64 * MIB // 4096)
        stats = vm.stats()
        assert stats["lost"] == 0, stats
        expect_clean(vm.quit())
        assert left > 0, "no slab was left as it was"
        c.start_provider(rotten)
        c.shut_down()
