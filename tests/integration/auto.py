# SPDX-License-Identifier: GPL-2.0-or-later
"""auto: a host that is short divides its memory among its VMs.

Scenarios for scenarios.py, which runs them.
"""
import errno

from cluster import MIB, Vm, expect_clean, wait_for
from giveback import PressedCluster

from cgroup import Cgroup  # after cluster, which knows where it is

SCENARIOS = {}


def scenario(function):
    SCENARIOS[function.__name__] = function
    return function


class ShortCluster(PressedCluster):
    """Its requester is in a memory cgroup, and so are its VMs."""

    def start_provider(self, host):
        return super(PressedCluster, self).start_provider(host)

    def start_requester(self):
        host = self.requester
        host.cgroup = Cgroup(f"{self.prefix}-{host.name}", self.limit)
        return host.start_rcached(
            "--slab-size", self.slab, "--reserve", str(self.reserve),
            "--memory-source", f"cgroup:{host.cgroup.path}",
            "--enable-debug-commands", *self.arbiter)

    def limits(self):
        """local-max of each VM, bytes."""
        return [vm.stats()["local_max"] for vm in self.vms]


@scenario
def local_max_auto(build):
    """Memory goes to the VM that refaults, while the host is short.

    Before and afterwards each may have all of its memory here; and a host
    whose VMs are at their limits lends nothing.
    """
    mem, room = 128 * MIB, 144 * MIB
    with ShortCluster(build, 1024 * MIB, 256 * MIB, providers=1) as c:
        vms = [Vm(c.requester, number=n, mem=mem // MIB, local_max="auto",
                  seconds=600, threads=2, pattern="sweep") for n in (1, 2)]
        wait_for("all of both to be here", lambda: all(
            vm.stats()["resident"] > mem * 15 // 16 for vm in vms), 60)
        assert not any(vm.stats()["remote"] for vm in vms), vms[0].stats()
        assert c.limits() == [mem, mem], c.limits()
        idle, busy = vms
        idle.call("hold")
        hog = c.hog(c.requester, c.requester.cgroup.free() + 2 * mem -
                    c.reserve - room)
        wait_for("the memory to be where it is wanted", lambda:
                 busy.stats()["local_max"] > mem * 5 // 8 >
                 2 * idle.stats()["local_max"], 60)
        wait_for("it to fit", lambda: sum(c.limits()) < room * 9 // 8, 30)
        assert min(c.limits()) >= mem // 8, c.limits()
        assert c.status(c.requester)["offered_bytes"] == 0
        hog.popen.kill()
        hog.popen.wait()
        c.processes.remove(hog)
        wait_for("all to be theirs again", lambda: c.limits() == [mem, mem],
                 60)
        idle.call("go")
        for vm in vms:
            expect_clean(vm.quit())
        c.shut_down()


@scenario
def local_max_auto_kept(build):
    """A resize that fails leaves local-max to rcached, as it was."""
    mem = 64 * MIB
    with ShortCluster(build, 512 * MIB, 128 * MIB, providers=0) as c:
        vm = Vm(c.requester, mem=mem // MIB, local_max="auto", seconds=600,
                threads=2, pattern="sweep")
        wait_for("all of it to be here",
                 lambda: vm.stats()["resident"] > mem * 15 // 16, 60)
        answer = vm.call(f"resize {48 * MIB} {16 * MIB}")
        assert answer["status"] == -errno.ETIME, answer
        # It is known from the pager's next report.
        wait_for("the old limit", lambda: c.limits() == [mem], 30)
        rcached = c.requester.processes["rcached"]
        assert "have to share what" not in rcached.tail(1000)
        hog = c.hog(c.requester, c.requester.cgroup.free() - c.reserve // 2)
        wait_for("rcached to divide what there is among it",
                 lambda: "have to share what" in rcached.tail(1000), 60)
        hog.popen.kill()
        hog.popen.wait()
        c.processes.remove(hog)
        expect_clean(vm.quit())
        c.shut_down()
