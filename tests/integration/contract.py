# SPDX-License-Identifier: GPL-2.0-or-later
"""contract: what operators say of a VM with "rcachectl set".

Scenarios for scenarios.py, which runs them.
"""
import errno

from auto import ShortCluster
from cluster import Cluster, MIB, Vm, expect_clean, goes_on, wait_for

SCENARIOS = {}


def scenario(function):
    SCENARIOS[function.__name__] = function
    return function


def hold(c, vm, on=True):
    return c.call(c.requester.path("admin.sock"), "set", vm=vm.name, hold=on)


def listed(c, vm):
    """What rcached says of it."""
    return next(v for v in c.call(c.requester.path("admin.sock"), "vms")
                if v["name"] == vm.name)


def wait_home(c, vm, seconds=60):
    wait_for("all of it to be home", lambda: listed(c, vm)["hold"] == "home",
             seconds)


def new_rcached(c):
    process = c.requester.processes["rcached"]
    process.popen.kill()
    process.popen.wait()
    c.start_requester()


@scenario
def held(build):
    """Nothing more of a VM goes that is held, and all of it comes home; so it
    stays when its pager dies and when the daemon does. Then it ends."""
    with Cluster(build, requester=("--reserve", "64M")) as c:
        vm = Vm(c.requester, mem=64, local_max=24, size=64, seconds=600,
                threads=2, write_percent=50)
        wait_for("evictions", lambda: vm.stats()["evicted_pages"] > 4000, 60)
        answer = hold(c, vm)
        assert answer["held"] and answer["remote_bytes"], answer
        assert answer["no_room_bytes"] == 0, answer
        wait_home(c, vm)
        went = vm.stats()["evicted_pages"]
        answer = vm.call(f"evict {MIB}")
        assert answer["status"] == -errno.EPERM, answer
        assert "hold=off" in answer["text"], answer
        attaches = vm.stats()["attaches"]
        assert c.kill_pager()
        wait_for("the next pager",
                 lambda: vm.stats()["attaches"] > attaches, 30)
        goes_on(vm)
        new_rcached(c)
        wait_for("the next daemon to know", lambda: [
            v for v in c.call(c.requester.path("admin.sock"), "vms")
            if v["held"] and v["hold"] == "home"], 30)
        goes_on(vm)
        stats = vm.stats()
        assert stats["evicted_pages"] == went, (stats, went)
        assert stats["remote"] == 0, stats
        wait_for("providers to store nothing", lambda: not c.stored(), 60)
        # What it may have here when the hold ends, it says meanwhile.
        answer = vm.call(f"resize {64 * MIB} {32 * MIB}")
        assert answer["status"] == 0, answer
        assert answer["local_max"] == 32 * MIB, answer
        assert not hold(c, vm, on=False)["held"]
        wait_for("its limits to count again", lambda:
                 vm.stats()["resident"] < 33 * MIB, 60)
        goes_on(vm)
        expect_clean(vm.quit())
        c.shut_down()


@scenario
def held_without_room(build):
    """A host that is short takes home only what it has room for, and says so;
    the guest goes on, and all comes home when there is room."""
    mem, local_max, room = 64 * MIB, 16 * MIB, 16 * MIB
    with ShortCluster(build, 256 * MIB, 64 * MIB, providers=1) as c:
        vm = Vm(c.requester, mem=mem // MIB, local_max=local_max // MIB,
                size=mem // MIB, seconds=600, write_percent=50)
        wait_for("most of it to be away",
                 lambda: vm.stats()["remote"] > mem * 5 // 8, 60)
        group = c.requester.cgroup
        hog = c.hog(c.requester, group.free() - c.reserve - room)
        wait_for("the host to be short",
                 lambda: group.free() < c.reserve + room * 5 // 4, 30)
        assert hold(c, vm)["no_room_bytes"] > 8 * MIB
        wait_for("the host to have no room",
                 lambda: group.free() < c.reserve + 8 * MIB and
                 listed(c, vm)["hold"] == "no room", 60)
        goes_on(vm)
        assert group.free() > c.reserve // 2, group.free()
        stats = vm.stats()
        assert stats["remote"] > 8 * MIB, stats
        problems = c.status(c.requester)["problems"]
        assert any("is held, and host requester has no room" in text
                   for text in problems), problems
        hog.popen.kill()
        hog.popen.wait()
        c.processes.remove(hog)
        wait_home(c, vm)
        goes_on(vm)
        expect_clean(vm.quit())
        c.shut_down()
