# SPDX-License-Identifier: GPL-2.0-or-later
"""delays: a guest grows slow, and its operator is told what it waits for."""
import subprocess

from cluster import Vm, expect_clean, wait_for
from relays import RelayCluster

SCENARIOS = {}
SOCKETS = (("admin.sock", "vm vm1"), ("arbiter.sock", "vm vm1 on requester"))


def scenario(function):
    SCENARIOS[function.__name__] = function
    return function


def figures(c, name="admin.sock"):
    """Of the requester's one VM, as a daemon there tells them."""
    return c.call(c.requester.path(name), "vms")[0]


def warnings(c, name):
    return [problem for problem in
            c.call(c.requester.path(name), "status")["problems"]
            if "have waited" in problem]


def come_back(vm, pages):
    before = vm.stats()["faults_remote"]
    wait_for(f"{pages} pages to come back",
             lambda: vm.stats()["faults_remote"] >= before + pages, 60)


def heard_of(c, name="admin.sock"):
    delays = figures(c, name)["delays"]
    return delays and sum(delays["whole"]["counts"])


def check_sums(vm):
    """The phases add up to the whole, and each counts each fault."""
    delays = vm["delays"]
    phases = delays["phases"]
    for part in ("total_seconds", "recent_seconds"):
        parts = sum(phase[part] for phase in phases)
        assert abs(parts - delays["whole"][part]) < 1e-6, delays
    faults = sum(delays["whole"]["counts"])
    assert faults > 0
    assert all(sum(p["counts"]) == faults for p in phases), delays
    return {phase["phase"]: phase for phase in phases}


def check_agreement(vm):
    """One thread waits for one page, nearly always: what threads waited is what
    faults took."""
    waited, took = vm["vcpu_wait_seconds"], \
        vm["delays"]["whole"]["total_seconds"]
    # Two of them are under way, and two threads may wait for one page.
    assert 0.9 * took < waited < 1.1 * took + 1, (waited, took)


def metrics(c):
    return subprocess.run(
        [c.program("rcachectl"),
         f"--socket={c.requester.path('admin.sock')}", "metrics"],
        check=True, stdout=subprocess.PIPE, universal_newlines=True).stdout


@scenario
def stalls_are_told(build):
    """The way to the providers is slow: status names the VM, how much of its
    time it stands still, and the phase; all figures agree."""
    with RelayCluster(build) as c:
        vm = Vm(c.requester, mem=64, local_max=24, seconds=600, threads=2)
        come_back(vm, 500)
        # Its pager tells the daemon once a second.
        wait_for("the daemon to hear of them", lambda: heard_of(c), 20)
        before = check_sums(figures(c))
        c.tell("delay 20")
        come_back(vm, 200)
        for name, words in SOCKETS:
            wait_for(f"{name} to warn of the network", lambda: any(
                problem.startswith(f"{words}: its vCPUs have waited") and
                "in the phase network" in problem
                for problem in warnings(c, name)), 60)
            now = figures(c, name)
            phases = check_sums(now)
            check_agreement(now)
            assert now["vcpus"] == 2 and now["slowest_phase"] == "network", now
            assert 10 < now["stalled_percent"] < 101, now
            slow = phases["network"]["recent_seconds"]
            whole = now["delays"]["whole"]["recent_seconds"]
            assert slow > 0.8 * whole, now["delays"]
            # The providers say that it is not them.
            took = {name: phases[name]["total_seconds"] for name in phases}
            assert 0 < took["provider"] < 0.2 * took["network"], took
            assert min(took[name] for name in
                       ("read", "send", "check", "install")) > 0, took
        assert all(sum(phases[p]["counts"]) > sum(before[p]["counts"])
                   for p in phases)
        text = metrics(c)
        assert 'phase="network",le="0.1"} ' in text, text
        assert "rcache_vm_stalled_ratio{" in text, text
        # And the VMM's own operator.
        told = vm.stats()
        assert told["vcpus"] == 2 and told["waited_ns"] > 1e9, told
        assert 0.9 < told["waited_ns"] / told["whole_ns"] < 1.2, told
        c.tell("delay 0")
        expect_clean(vm.quit())
        c.shut_down()


@scenario
def stalls_of_an_old_vmm(build):
    """A VMM that says neither whose faults are nor how many vCPUs it has: what
    was waited for is told, but of no share."""
    with RelayCluster(build) as c:
        vm = Vm(c.requester, mem=64, local_max=24, seconds=600, threads=2,
                old=True)
        come_back(vm, 500)
        c.tell("delay 20")
        come_back(vm, 200)
        wait_for("what was waited for to be told",
                 lambda: figures(c)["vcpu_wait_seconds"] > 1, 60)
        for name, _ in SOCKETS:
            # What it has first may be from before the first fault.
            wait_for(f"{name} to have it", lambda: heard_of(c, name), 30)
            now = figures(c, name)
            check_sums(now)
            assert now["vcpus"] is None, now
            assert now["stalled_percent"] is None, now
            assert not warnings(c, name)
        assert vm.stats()["vcpus"] == 0 and vm.stats()["waited_ns"] == 0
        c.tell("delay 0")
        expect_clean(vm.quit())
        c.shut_down()
