# SPDX-License-Identifier: GPL-2.0-or-later
"""proactive: a guest is shrunk to what it uses, and has it back when it asks.

The guest writes all of its memory once and then works in a set of it, which
grows and shrinks.
"""
import os
import signal
import subprocess

from cluster import MIB, Cluster, Vm, expect_clean, wait_for

SCENARIOS = {}
MEM = 64
# Two in a hundred: what a busy machine adds to each wait is not to be the
# reason for what happens here.
TARGET = 20000
OFF, NO_CPUS, HELD = 0, 1, 8


def scenario(function):
    SCENARIOS[function.__name__] = function
    return function


class ProactiveCluster(Cluster):
    """Its pagers decide often."""

    def __init__(self, build, conf="", **options):
        super().__init__(build, **options)
        self.conf = f"[pager]\nproactive-interval = 300ms\n{conf}"

    def start_requester(self):
        config = os.path.join(self.dir, "requester.conf")
        with open(config, "w") as f:
            f.write(self.conf)
        return self.requester.start_rcached(
            "--config", config, "--lend", "0", "--enable-debug-commands",
            *self.arbiter)


def guest(c, hot, **options):
    """One that has written all of its memory."""
    vm = Vm(c.requester, mem=MEM, local_max=MEM, size=MEM, seconds=900,
            threads=2, pattern="set", hot=hot, write_percent=100, **options)
    wait_for("the guest to write its memory",
             lambda: vm.stats()["visits"] > MEM * MIB // 4096, 60)
    return vm


def shrunk_to(vm, mib, seconds=120):
    wait_for(f"the guest to be shrunk to {mib} MiB",
             lambda: vm.stats()["resident"] < mib * MIB, seconds)


def grown_to(vm, mib, seconds=60):
    wait_for(f"the guest to have {mib} MiB here",
             lambda: vm.stats()["resident"] > mib * MIB, seconds)


def evicted_all(vm):
    """What it does not use is on other hosts or zero."""
    told = vm.stats()
    where = told["remote"] + told["zero"] + told["resident"]
    assert where >= MEM * MIB * 0.98, told
    return told


def of_daemon(c):
    return c.call(c.requester.path("admin.sock"), "vms")[0]


def notes(c):
    return [note for note in c.status(c.requester)["notes"]
            if "proactive" in note]


def metrics(c):
    return subprocess.run(
        [c.program("rcachectl"),
         f"--socket={c.requester.path('admin.sock')}", "metrics"],
        check=True, stdout=subprocess.PIPE, universal_newlines=True).stdout


@scenario
def shrunk_to_what_it_uses(build):
    """A guest comes down to its working set, grows with it, and comes down
    again; a new pager goes on with it."""
    with ProactiveCluster(build) as c:
        vm = guest(c, 16, proactive=True, stall_target=TARGET)
        shrunk_to(vm, 24)
        told = evicted_all(vm)
        assert told["local_max"] == MEM * MIB, told
        assert told["proactive_limit"] <= 25 * MIB, told
        assert told["stall_target"] == TARGET, told
        wait_for("the daemon to be told", lambda: (
            of_daemon(c)["proactive_limit_bytes"] or MEM * MIB) < 25 * MIB, 20)
        assert of_daemon(c)["stall_target_percent"] == 2, of_daemon(c)
        assert "the target of 2.00 %" in of_daemon(c)["proactive_why"]
        assert any("vm vm1: proactive mode wants" in n for n in notes(c)), \
            c.status(c.requester)
        # An arbiter hears it with the heartbeats.
        arbiter = c.requester.path("arbiter.sock")
        wait_for("the arbiter to be told", lambda: (
            c.call(arbiter, "vms")[0]["proactive_limit_bytes"] or MEM * MIB
            ) < 25 * MIB, 20)
        assert any("vm vm1 on requester: proactive mode wants" in note
                   for note in c.call(arbiter, "status")["notes"])
        assert "rcache_vm_proactive_limit_bytes{" in metrics(c)
        # What it uses stays, for as many decisions as it took to come here.
        seen = []
        wait_for("it to stay as it is", lambda: seen.append(
            vm.stats()["resident"]) or len(seen) > 60, 60)
        assert min(seen) > 13 * MIB, min(seen)
        assert c.kill_pager()
        wait_for("the next pager", lambda: vm.stats()["attaches"] == 2, 30)
        vm.call("set 40")
        grown_to(vm, 38)
        vm.call("set 12")
        shrunk_to(vm, 20)
        evicted_all(vm)
        result = vm.quit()
        expect_clean(result)
        c.shut_down()


@scenario
def shrunk_only_if_told(build):
    """A VM is not shrunk unless somebody says so; off holds at once."""
    with ProactiveCluster(build) as c:
        vm = guest(c, 16, stall_target=TARGET)
        grown_to(vm, MEM - 1)
        # All of it is written by now; as long as it takes to see others go.
        other = guest(c, 8, number=2, proactive=True, stall_target=TARGET)
        shrunk_to(other, 40)
        told = vm.stats()
        assert not told["evicted_pages"], told
        assert not told["unmanaged"] < told["resident"] / 2, told
        other.call("proactive off")
        wait_for("it to be off", lambda: other.stats()["proactive"] == OFF, 20)
        before = other.stats()["evicted_pages"]
        assert other.stats()["proactive_limit"] == MEM * MIB
        # As it is configured is off as well.
        other.call("proactive auto")
        seen = []
        wait_for("some decisions", lambda: seen.append(other.stats()) or
                 len(seen) > 20, 30)
        assert seen[-1]["evicted_pages"] == before, (before, seen[-1])
        other.call("proactive on")
        shrunk_to(other, 24)
        for each in (vm, other):
            expect_clean(each.quit())
        c.shut_down()


@scenario
def shrunk_as_configured(build):
    """A VMM that does not know of it: as rcached's configuration says; with
    none of its vCPUs known, nothing is done, and that is told."""
    with ProactiveCluster(build, "proactive = yes\nstall-target = 2%\n"
                          "proactive-min = 50%\n") as c:
        old = guest(c, 8, old=True)
        wait_for("it to be told", lambda: any(
            "proactive mode does nothing: the VMM does not say" in note
            for note in notes(c)), 30)
        assert of_daemon(c)["proactive"] == "no-vcpus", of_daemon(c)
        vm = guest(c, 8, number=2)
        # Half of it stays, whatever it uses.
        wait_for("half of it to go", lambda: [
            v["proactive"] for v in c.call(
                c.requester.path("admin.sock"), "vms")
            if v["name"] == "vm2"] == ["at-minimum"], 120)
        resident = vm.stats()["resident"]
        assert MEM // 2 * MIB <= resident < (MEM // 2 + 2) * MIB, resident
        assert not old.stats()["evicted_pages"], old.stats()
        for each in (old, vm):
            expect_clean(each.quit())
        c.shut_down()


@scenario
def a_dead_provider_is_not_too_little_memory(build):
    """The guest waits for a provider that hangs: nothing is learned from it,
    and when it is back the guest is shrunk on."""
    with ProactiveCluster(build, providers=1) as c:
        vm = guest(c, 8, proactive=True, stall_target=TARGET)
        shrunk_to(vm, 40)
        provider = c.providers[0].processes["rcached"].popen
        provider.send_signal(signal.SIGSTOP)
        try:
            vm.call(f"set {MEM}")
            wait_for("the loop to hold",
                     lambda: vm.stats()["proactive"] == HELD, 60)
            wait_for("a long wait", lambda:
                     vm.stats()["oldest_wait_ns"] > 3e9, 60)
            told = vm.stats()
            assert told["proactive"] == HELD, told
            assert told["proactive_limit"] < (MEM - 8) * MIB, told
            vm.call("set 8")
        finally:
            provider.send_signal(signal.SIGCONT)
        shrunk_to(vm, 24)
        expect_clean(vm.quit())
        c.shut_down()
