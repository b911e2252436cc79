# SPDX-License-Identifier: GPL-2.0-or-later
"""crash_arbiters: arbiters that die between two steps of what they do.

What an arbiter knows dies with it. So these tests look at the others: who has
asked is served by the next one, and nothing stays lent that nobody knows of.
"""
import os

from cluster import Cluster, LabError, MIB, Vm, expect_clean, wait_for
from crash_points import Order, check, nothing_left, settle

SCENARIOS = {}
# What the host itself says of an upgrade here: it cannot be started again.
REFUSED = "no service manager"


class VictimCluster(Cluster):
    """Its arbiter can be told where to die."""

    order = None

    def start(self):
        self.order = Order(os.path.join(self.dir, "arbiter-crash"))
        os.environ["RCACHED_CRASH_FILE"] = self.order.path
        try:
            super().start()
        finally:
            del os.environ["RCACHED_CRASH_FILE"]

    def add_host(self, name):
        host = super().add_host(name)
        host.programs["arbiter"] = os.path.join(
            self.build, "tests", "integration", "arbiter-crash")
        return host

    def restart_arbiter(self):
        """The one that has died; returns when all hosts are back."""
        self.requester.processes["arbiter"].popen.wait()
        os.unlink(self.requester.path("arbiter.sock"))
        os.environ["RCACHED_CRASH_FILE"] = self.order.path
        try:
            self.requester.start_arbiter(heartbeat_ms=self.heartbeat_ms)
        finally:
            del os.environ["RCACHED_CRASH_FILE"]
        wait_for("the arbiter to know all hosts", self.all_known, 20)


def begin(c, number):
    return Vm(c.requester, number=number, mem=24, local_max=8, seconds=3600,
              threads=4, write_percent=60, at_once=True)


def dies(c, name):
    wait_for(f"an arbiter to die at {name}", c.order.victim, 30, 0.01)
    c.restart_arbiter()


def asked_for(c, number, name):
    """A VM asks for its first leases."""
    c.order.arm(name)
    vm = begin(c, number)
    dies(c, name)
    wait_for("evictions", lambda: vm.stats()["evicted_pages"] > 1000, 30)
    # Nobody but who was told of a grant can claim it, as long as the VM is
    # there; and it waits to be claimed for longer than this does.
    check(c, vm, seconds=5, lent=name in ("grant-written", "reply-sent"))
    return vm


def command(c, vm, name):
    """True: it has been answered; or the error's text."""
    what = {"evict-passed-on": ("evict", dict(vm=vm.name, bytes=MIB)),
            "upgrade-passed-on": ("upgrade", dict(host="requester"))}[name]
    try:
        c.call(c.requester.path("arbiter.sock"), what[0], **what[1])
        return True
    except (LabError, OSError) as error:
        return str(error)


def told(c, number, name):
    """An operator's command: the answer dies, what was begun goes on."""
    vm = begin(c, number)
    # Then no grant is under way that dies with the arbiter: its provider would
    # wait half a minute for somebody to claim it.
    wait_for("all of it to be touched, and most to be away",
             lambda: vm.stats()["remote"] > 14 * MIB, 60)
    settle(c, vm)
    vm.call("go")
    c.order.arm(name)
    told_so = command(c, vm, name)
    assert told_so is not True and REFUSED not in told_so, told_so
    dies(c, name)
    check(c, vm)
    told_so = command(c, vm, name)
    assert told_so is True or REFUSED in told_so, told_so
    return vm


POINTS = {
    "grant-written": asked_for,
    "grant-asked": asked_for,
    "grant-answered": asked_for,
    "reply-sent": asked_for,
    "evict-passed-on": told,
    "upgrade-passed-on": told,
}


def crash_points_arbiters(build, *names):
    """All of those points, or some."""
    with VictimCluster(build) as c:
        for number, name in enumerate(names or POINTS, 1):
            vm = POINTS[name](c, number, name)
            expect_clean(vm.quit())
            # Sooner than a provider takes a grant back by itself.
            nothing_left(c, 4)
            print(f"{name}: ok", flush=True)
        c.shut_down()


SCENARIOS = {"crash_points_arbiters": crash_points_arbiters}
