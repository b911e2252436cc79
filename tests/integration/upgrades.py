# SPDX-License-Identifier: GPL-2.0-or-later
"""upgrades: builds of several versions in one cluster.

Scenarios for scenarios.py, which runs them.
"""
import os

from cluster import Cluster, MIB, Vm, expect_clean, wait_for
from giveback import drain, wait_empty

SCENARIOS = {}


def scenario(function):
    SCENARIOS[function.__name__] = function
    return function


class MixedCluster(Cluster):
    """@newer: who is of another build: names of hosts, or "arbiter"."""

    def __init__(self, build, newer, which="next", **options):
        super().__init__(build, **options)
        self.newer = newer
        self.which = which

    def other(self, name):
        return os.path.join(self.build, "tests", "integration",
                            f"{name}-{self.which}")

    def add_host(self, name):
        host = super().add_host(name)
        if name in self.newer:
            host.programs["rcached"] = self.other("rcached")
        if name == "requester" and "arbiter" in self.newer:
            host.programs["arbiter"] = self.other("arbiter")
        return host


def store(c, host, least=16 * MIB):
    wait_for(f"{host.name} to store something",
             lambda: c.status(host)["stored_bytes"] > least, 60)


def versions(c):
    hosts = c.call(c.requester.path("arbiter.sock"), "hosts")
    return {h["name"]: h["protocol_version"] for h in hosts}


def arbiter_status(c):
    return c.call(c.requester.path("arbiter.sock"), "status")


def notes(status):
    return [n for n in status["notes"] if "mixed" in n]


def mixed_at_hosts(c, newer):
    """A host names an arbiter that speaks an older version than it does."""
    for host in c.hosts.values():
        name = f"not spoken by arbiter {c.arbiter[1]};"
        want = host.name in newer and "arbiter" not in newer
        said = notes(c.status(host))
        assert len(said) == want and all(name in n for n in said), said


def mixed(c, behind):
    """The arbiter names who is behind."""
    note, = wait_for("the arbiter to tell of it",
                     lambda: notes(arbiter_status(c)), 30)
    named = note.split("spoken by ")[1].split(";")[0].split(", ")
    assert sorted(named) == sorted(behind), note


@scenario
def mixed_versions(build):
    """
    Half of a cluster speaks the next version of the protocol, then the other
    half: pages go and come, and slabs move, both ways; status names the rest.
    """
    for newer, behind in (
            (("provider0", "arbiter"), ("requester", "provider1")),
            (("provider1", "requester"), ("this arbiter", "provider0"))):
        with MixedCluster(build, newer) as c:
            old, new = c.providers
            vm = Vm(c.requester, mem=128, local_max=32, seconds=600,
                    threads=4, pattern="sweep")
            store(c, old)
            store(c, new)
            want = {n: 2 if n in newer else 1
                    for n in ("requester", "provider0", "provider1")}
            assert versions(c) == want, versions(c)
            mixed(c, behind)
            mixed_at_hosts(c, newer)
            for left, taken in ((old, new), (new, old)):
                drain(c, left)
                wait_empty(c, left)
                assert c.status(left)["slabs_moved_away"] > 0, c.status(left)
                store(c, taken)
                drain(c, left, undo=True)
            expect_clean(vm.quit())
            c.shut_down()


@scenario
def versions_too_far_apart(build):
    """A host that no longer speaks the others' version is refused, and says
    why; the others go on."""
    with Cluster(build) as c:
        late = c.add_host("late")
        late.programs["rcached"] = os.path.join(
            c.build, "tests", "integration", "rcached-after-next")
        late.start_rcached("--slab-size", c.slab, *c.arbiter)
        wait_for("it to say why it is refused", lambda: any(
            "no protocol version in common" in p
            for p in c.status(late)["problems"]), 30)
        assert "late" not in versions(c), versions(c)
        vm = Vm(c.requester, mem=64, local_max=24, seconds=3, threads=2)
        expect_clean(vm.result())
        c.shut_down()


def attaches(vms):
    return [vm.stats()["attaches"] for vm in vms]


def at_arbiter(c):
    """The requester's daemon, and its pagers to be replaced."""
    host, = c.call(c.requester.path("arbiter.sock"), "hosts",
                   host="requester")
    return host["daemon_pid"], host["pagers_to_replace"]


def old_pagers_told(c):
    """The same in the arbiter's status."""
    return any("another build than its rcached" in n
               for n in notes(arbiter_status(c)))


def old_pagers(c):
    """Who still has a pager of another build, by the host's status."""
    return [n for n in c.status(c.requester)["notes"] if "another build" in n]


def steps(c):
    """What the requester's daemon has done about them, in its last run."""
    said = c.requester.processes["rcached"].tail(500)
    said = said[said.rindex("runs as host"):]
    return [line.split(" vm ")[1].split(":")[0] + ": " +
            ("replaced" if "replacing it" in line else "of this build")
            for line in said.splitlines()
            if "replacing it" in line or "of this build now" in line]


@scenario
def upgraded_under_load(build):
    """
    A host's daemon is replaced by another build, and back: each VM gets a
    pager of the new one, one VM at a time, while all of them go on.
    """
    with Cluster(build) as c:
        vms = [Vm(c.requester, number=n, mem=64, local_max=24, seconds=600,
                  threads=2, pattern="sweep") for n in (1, 2, 3)]
        for vm in vms:
            wait_for(f"{vm.name} to have pages away",
                     lambda v=vm: v.stats()["remote"] > 16 * MIB, 60)
        for program in (os.path.join(c.build, "tests", "integration",
                                     "rcached-next"), None):
            before = attaches(vms)
            status = c.requester.processes["rcached"].stop(60)
            assert status == 0, status
            assert attaches(vms) == before, "a stop has cost pagers"
            c.requester.programs["rcached"] = program
            pid = c.start_requester().pid
            wait_for("the arbiter to hear of it, and of old pagers", lambda:
                     at_arbiter(c)[0] == pid and at_arbiter(c)[1] and
                     old_pagers_told(c), 30)
            wait_for("every VM to have another pager", lambda: [
                n + 1 for n in before] == attaches(vms), 60)
            wait_for("nothing more to be replaced",
                     lambda: not old_pagers(c), 30)
            wait_for("the last one to be told", lambda: steps(c)[-1:] ==
                     ["vm3: of this build"], 30)
            assert steps(c) == [f"{vm.name}: {step}" for vm in vms
                                for step in ("replaced", "of this build")]
            assert attaches(vms) == [n + 1 for n in before]
            wait_for("the arbiter to hear that it is done", lambda:
                     at_arbiter(c) == (pid, 0) and
                     not old_pagers_told(c), 30)
        for vm in vms:
            result = vm.quit()
            expect_clean(result)
        c.shut_down()
