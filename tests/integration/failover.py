# SPDX-License-Identifier: GPL-2.0-or-later
"""failover: arbiters that die, hang, come back, or see half of the cluster.

Scenarios for scenarios.py, which runs them; the times are also what
"scripts/bench arbiter-failover" prints.
"""
import os
import re
import signal
import time

from cluster import Cluster, MIB, PATIENCE, Vm, expect_clean, wait_for

SCENARIOS = {}
HEARTBEAT_MS = 1000


def scenario(function):
    SCENARIOS[function.__name__] = function
    return function


class TwoArbiters(Cluster):
    """Two arbiters on hosts of their own; all others know both."""

    def __init__(self, build, **options):
        super().__init__(build, heartbeat_ms=HEARTBEAT_MS, **options)

    def start(self):
        self.sites = [self.add_host(f"arbiter{i}") for i in range(2)]
        self.requester = self.add_host("requester")
        self.providers = [self.add_host(f"provider{i}")
                          for i in range(self.nr_providers)]
        for site in self.sites:
            site.start_arbiter(heartbeat_ms=self.heartbeat_ms)
        self.arbiter = [option for site in self.sites
                        for option in ("--arbiter", site.at(9471))]
        for host in self.providers:
            self.start_provider(host)
        self.start_requester()
        for site in self.sites:
            wait_for(f"{site.name} to know all hosts",
                     lambda site=site: self.knows(site), 30)

    def knows(self, site):
        hosts = self.call(site.path("arbiter.sock"), "hosts")
        return (len([h for h in hosts if h["state"] == "alive"]) ==
                len(self.providers) + 1 and
                all(h["free_bytes"] for h in hosts if h["lends"]))

    def kill(self, site):
        process = site.processes["arbiter"].popen
        process.kill()
        process.wait()
        os.unlink(site.path("arbiter.sock"))

    def held(self, host, name):
        """Bytes that this VM leases, as its host knows."""
        return sum(p["bytes"] for vm in self.call(host.path("admin.sock"),
                                                  "vms")
                   if vm["name"] == name for p in vm["providers"])

    def granted(self, name):
        """Has its host been told of a lease for this VM?  By its log, since
        figures come once a second."""
        with open(self.requester.processes["rcached"].log,
                  errors="replace") as f:
            return re.search(rf"vm {name}: [1-9]\d* leases granted",
                             f.read())

    def said(self, words):
        """Has the requester's daemon logged that?"""
        with open(self.requester.processes["rcached"].log,
                  errors="replace") as f:
            return words in f.read()

    def start_vm(self, number, host=None, **options):
        settings = dict(mem=64, local_max=32, seconds=600, threads=1)
        settings.update(options)
        return Vm(host or self.requester, number=number, **settings)

    def seconds_to_a_grant(self, number):
        """From now, for a VM that is started."""
        began = time.monotonic()
        vm = self.start_vm(number)
        wait_for(f"a lease of {vm.name}", lambda: self.granted(vm.name), 60,
                 0.005)
        return time.monotonic() - began

    def end_vms(self):
        for vm in self.vms:
            expect_clean(vm.quit())


def one_dies(build, how):
    """
    The arbiter that gave the last lease gets the signal @how. Seconds until a
    VM that is started then has its first lease, with all well before, and now.
    """
    with TwoArbiters(build) as c:
        usual = c.seconds_to_a_grant(1)
        # Who gave it is asked first: of two equals that is the first one.
        process = c.sites[0].processes["arbiter"].popen
        process.send_signal(how)
        if how == signal.SIGKILL:
            process.wait()
            os.unlink(c.sites[0].path("arbiter.sock"))
        took = c.seconds_to_a_grant(2)
        if how == signal.SIGSTOP:
            # However slow this machine is: it was not waited for to the end.
            name = f"arbiter {c.sites[0].at(9471)} does not answer"
            assert c.said(f"{name}: another one is asked")
            assert not c.said(f"{name} a lease request")
            process.send_signal(signal.SIGCONT)
        c.end_vms()
        c.shut_down()
        return usual, took


def all_die(build, refused_for):
    """
    Both are dead, and a VM has been refused its first lease for so long; then
    one is started. Seconds from its start until the VM has the lease; and what
    a lease took before. Once refused, a pager asks again after 2, 4, 8, 8, ...
    seconds.
    """
    with TwoArbiters(build) as c:
        usual = c.seconds_to_a_grant(1)
        for site in c.sites:
            c.kill(site)
        vm = c.start_vm(2)
        wait_for("the VM to be refused", lambda:
                 c.said(f"vm {vm.name}: 0 leases granted: no arbiter is "
                        "connected"), 60)
        time.sleep(refused_for)         # the pauses grow
        assert not c.granted(vm.name)
        began = time.monotonic()
        c.sites[1].start_arbiter(heartbeat_ms=HEARTBEAT_MS)
        wait_for("a lease", lambda: c.granted(vm.name), 60, 0.005)
        took = time.monotonic() - began
        c.end_vms()
        c.shut_down()
        return usual, took


def split(build, lend=64 * MIB):
    """
    Each arbiter hears one requester and the provider, whose VMs want more than
    it offers. Bytes that they lease at most, at any time, and those offered.
    """
    with Split(build, providers=1, provider=("--lend", str(lend))) as c:
        vms = [(c.requester, c.start_vm(1, c.requester, mem=192)),
               (c.other, c.start_vm(2, c.other, mem=192))]
        provider, = c.providers
        most, until = 0, time.monotonic() + 60 * PATIENCE
        full_since = None
        while full_since is None or time.monotonic() < full_since + 3:
            assert time.monotonic() < until, c.status(provider)
            status = c.status(provider)
            most = max(most, status["leased_bytes"],
                       sum(c.held(host, vm.name) for host, vm in vms))
            if status["leased_bytes"] == lend and full_since is None:
                full_since = time.monotonic()
            time.sleep(0.02)
        for _, vm in vms:       # what is in them is not looked at here
            vm.popen.kill()
            vm.popen.wait()
        c.pagers_end(c.other)
        c.shut_down()
        return most, lend


class Split(TwoArbiters):
    """Neither half knows of the other, but for the provider."""

    def start(self):
        super().start()
        self.other = self.add_host("other")
        for host, site in ((self.requester, self.sites[0]),
                           (self.other, self.sites[1])):
            if "rcached" in host.processes:
                host.processes["rcached"].stop(20)
            host.start_rcached("--lend", "0", "--arbiter", site.at(9471))
        for site in self.sites:
            wait_for(f"{site.name} to know its half",
                     lambda site=site: self.knows(site), 30)

    def knows(self, site):
        hosts = self.call(site.path("arbiter.sock"), "hosts")
        alive = {h["name"] for h in hosts
                 if h["state"] == "alive" and h["connected"]}
        return (len(alive) >= 2 and
                all(h["free_bytes"] for h in hosts if h["lends"]))

    def pagers_end(self, host):
        wait_for("its pagers to end", lambda: all(
            v["state"] == "no pager"
            for v in self.call(host.path("admin.sock"), "vms")), 20)


# A lease takes a moment besides, more on a busy machine or with sanitizers.
SLACK = 1.0 * PATIENCE


@scenario
def one_arbiter_dies(build):
    """The next grant is there within a heartbeat."""
    usual, took = one_dies(build, signal.SIGKILL)
    assert took < usual + HEARTBEAT_MS / 1000 + SLACK, (usual, took)


@scenario
def one_arbiter_hangs(build):
    """The same where its connections do not end."""
    usual, took = one_dies(build, signal.SIGSTOP)
    assert took < usual + HEARTBEAT_MS / 1000 + SLACK, (usual, took)


@scenario
def all_arbiters_die(build):
    """Grants are there within two heartbeats after one is back; the VM's
    pager would not ask for eight seconds."""
    usual, took = all_die(build, 2 + 4 + 8)
    assert took < usual + 2 * HEARTBEAT_MS / 1000 + SLACK, (usual, took)


@scenario
def split_arbiters(build):
    """There is never a grant beyond an offer."""
    most, lend = split(build, 16 * MIB)     # less than both want at once
    assert most <= lend, (most, lend)
