# SPDX-License-Identifier: GPL-2.0-or-later
"""farewells: what becomes of a VM's leases when the VM has ended.

Scenarios for scenarios.py, which runs them.  A lease that nobody releases stays
at its provider for the orphan time, half a day.
"""
import os
import re
import signal
import time

from cluster import (PATIENCE, Cluster, MIB, Vm, expect_clean, goes_on,
                     wait_for)
from giveback import KeepingCluster, leased
from owndisk import OwnDisk, wait_on_disk
from pagers import pager_of

SCENARIOS = {}


def scenario(function):
    SCENARIOS[function.__name__] = function
    return function


def guest(c, number=1, **options):
    """A VM with pages at every provider."""
    settings = dict(mem=96, local_max=24, seconds=600, threads=2,
                    pattern="sweep")
    settings.update(options)
    vm = Vm(c.requester, number=number, **settings)
    wait_for("every provider to store something",
             lambda: min(c.status(h)["stored_bytes"]
                         for h in c.providers) > 8 * MIB, 60)
    return vm


def die(vm):
    vm.popen.kill()
    vm.popen.wait()


def kill_provider(host):
    process = host.processes["rcached"]
    process.popen.kill()
    process.popen.wait()


def all_given_back(c, seconds=30):
    wait_for("all to be given back",
             lambda: not any(leased(c, h) for h in c.providers), seconds)


def restart_with_leases(c, host):
    """It has those of before; they may be given back before it is asked."""
    c.restart_provider(host)
    log = host.processes["rcached"].tail()
    assert re.search(r"took over [1-9]\d* leases", log), log


def vms(c):
    return c.call(c.requester.path("admin.sock"), "vms")


def open_files(pid):
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            yield os.readlink(f"/proc/{pid}/fd/{fd}")
        except FileNotFoundError:
            pass                # closed meanwhile


def holds_memory(pid):
    return [name for name in open_files(pid)
            if "userfaultfd" in name or "ram" in name]


@scenario
def vmm_takes_its_time(build):
    """A VMM closes its socket and dies seconds later: its leases are given back
    all the same, and not before it is dead."""
    with Cluster(build) as c:
        vm = guest(c, linger=3000)
        vm.popen.stdin.write(b"quit\n")
        vm.popen.stdin.flush()
        wait_for("the pager to see the connection's end",
                 lambda: "waits for the VMM to end" in c.log(c.requester), 60)
        assert all(leased(c, h) for h in c.providers)
        assert vm.popen.poll() is None
        expect_clean(vm.result())
        all_given_back(c)
        c.shut_down()


@scenario
def provider_away_at_the_end(build):
    """A VM ends while one provider is not there: that one has its memory back
    when it is there again.  Until then nobody takes the VM for a living one."""
    with KeepingCluster(build) as c:
        away, there = c.providers
        vm = guest(c)
        kill_provider(away)
        die(vm)
        wait_for("the VM to have ended",
                 lambda: [v["state"] for v in vms(c)] == ["ended"], 20)
        pager = pager_of(c.requester)
        wait_for("the pager to let go of its memory",
                 lambda: not holds_memory(pager), 20)
        status = c.status(c.requester)
        assert status["vms"] == 0, status
        assert status["resident_bytes"] == status["remote_bytes"] == 0, status
        wait_for("the arbiter to know of no VM", lambda: not c.call(
            c.requester.path("arbiter.sock"), "vms"), 20)
        wait_for("the other one to have its memory back",
                 lambda: not leased(c, there), 20)
        time.sleep(10)          # the way back takes as long
        restart_with_leases(c, away)
        all_given_back(c)
        wait_for("the VM to be forgotten", lambda: not vms(c), 20)
        c.shut_down()


@scenario
def nothing_away_takes_its_time(build):
    """A VMM of which nothing is away closes its socket and dies seconds later,
    when its pager has left: its leases are given back when it is dead."""
    with Cluster(build) as c:
        vm = guest(c, linger=5000)
        answer = vm.call(f"resize {96 * MIB} {96 * MIB}")
        assert answer["status"] == 0, answer
        wait_for("all of it to be here", lambda: not vm.stats()["remote"], 60)
        assert all(leased(c, h) for h in c.providers)
        vm.popen.stdin.write(b"quit\n")
        vm.popen.stdin.flush()
        wait_for("the pager to be gone",
                 lambda: [v["state"] for v in vms(c)] == ["no pager"], 60)
        assert vm.popen.poll() is None
        assert all(leased(c, h) for h in c.providers)
        expect_clean(vm.result())
        all_given_back(c)
        c.shut_down()


@scenario
def killed_with_its_pager(build):
    """A VM and its pager are killed: its leases are given back all the same.
    A VM that only has no pager keeps them."""
    with Cluster(build) as c:
        vm = guest(c)
        vm.popen.send_signal(signal.SIGSTOP)
        os.kill(pager_of(c.requester), signal.SIGKILL)
        wait_for("the pager to be gone",
                 lambda: [v["state"] for v in vms(c)] == ["no pager"], 20)
        time.sleep(3)           # as often as VMs are looked at, and more
        held = [leased(c, h) for h in c.providers]
        assert all(held), held
        vm.popen.send_signal(signal.SIGCONT)
        wait_for("the next pager", lambda: vm.stats()["attaches"] > 1, 20)
        goes_on(vm)
        os.kill(pager_of(c.requester), signal.SIGSTOP)
        pager = pager_of(c.requester)
        die(vm)
        os.kill(pager, signal.SIGKILL)
        all_given_back(c)
        wait_for("the daemon to say so",
                 lambda: "all it had at other hosts is given back" in
                 c.log(c.requester), 20)
        c.shut_down()


@scenario
def killed_after_a_restart(build):
    """A VM's pager goes on under another daemon, then both are killed: that
    daemon knows what is to be given back."""
    with Cluster(build) as c:
        vm = guest(c)
        before = pager_of(c.requester)
        daemon = c.requester.processes["rcached"]
        daemon.popen.kill()
        daemon.popen.wait()
        c.start_requester()
        wait_for("the pager to report to it",
                 lambda: c.status(c.requester)["remote_bytes"], 20)
        pager = pager_of(c.requester)
        assert pager == before, (pager, before)
        os.kill(pager, signal.SIGSTOP)
        die(vm)
        os.kill(pager, signal.SIGKILL)
        all_given_back(c)
        c.shut_down()


@scenario
def started_again_at_once(build):
    """A VM is started again while its pager of before still waits for a
    provider: it gets its pager as fast as ever, and the provider its memory
    back when it is there."""
    with KeepingCluster(build) as c:
        away, _ = c.providers
        vm = guest(c)
        kill_provider(away)
        die(vm)
        wait_for("the VM to have ended",
                 lambda: [v["state"] for v in vms(c)] == ["ended"], 20)
        began = time.monotonic()
        again = Vm(c.requester, mem=64, local_max=32, seconds=600, threads=1)
        wait_for("its pager", lambda: again.stats()["attaches"], 20)
        took = time.monotonic() - began
        log = c.log(c.requester)
        assert took < 3 * PATIENCE, took
        assert "does not end: killing it" not in log, log[-2000:]
        assert "could not be given back" in log, log[-2000:]
        expect_clean(again.quit())
        restart_with_leases(c, away)
        all_given_back(c)
        c.shut_down()


@scenario
def own_disk_ends_with_its_vm(build):
    """A VM, its pager and the daemon die at a time: what the VM had on its
    host's own disk ends with it.  A VM that only has no pager keeps what it has
    there."""
    with OwnDisk(build, slab="1M", providers=0, arbiter=False) as c:
        vm = Vm(c.requester, mem=96, local_max=24, seconds=600, threads=2,
                pattern="sweep")
        wait_on_disk(c)
        pager = pager_of(c.requester)
        os.kill(pager, signal.SIGSTOP)
        held = c.leased_own()
        vm.popen.send_signal(signal.SIGSTOP)
        os.kill(pager, signal.SIGKILL)
        wait_for("the pager to be gone",
                 lambda: [v["state"] for v in vms(c)] == ["no pager"], 20)
        time.sleep(3)           # as often as VMs are looked at, and more
        assert c.leased_own() == held, c.status(c.requester)
        c.kill_requester()
        die(vm)
        c.start_requester()
        wait_for("the disk to be given back", lambda: not c.leased_own(), 20)
        c.shut_down()
