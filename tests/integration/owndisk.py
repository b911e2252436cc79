# SPDX-License-Identifier: GPL-2.0-or-later
"""owndisk: guests whose host has a disk for when nobody lends memory.

Scenarios for scenarios.py, which runs them.
"""
import contextlib
import os
import subprocess
import sys
import time

from cluster import MIB, Vm, expect_clean, goes_on, wait_for
from giveback import KeepingCluster, drain, leased
from keeper import Keeper
from lab import die_with_parent, files_of  # after cluster, which adds lib
from spill import SLOWFS

SCENARIOS = {}


def scenario(function):
    SCENARIOS[function.__name__] = function
    return function


class OwnDisk(KeepingCluster):
    """The requester has a spill file, and may be killed."""

    def disk(self):
        """The folder for the file."""
        return self.build

    def start_requester(self):
        host = self.requester
        if not hasattr(host, "keeper"):
            host.keeper = Keeper(host)
        return host.keeper.start(
            "--lend", "0", "--slab-size", self.slab, "--spill-dir",
            self.disk(), "--spill-size", "256M", "--enable-debug-commands",
            *self.arbiter, *self.requester_options)

    def kill_requester(self):
        process = self.requester.processes["rcached"]
        process.popen.kill()
        process.popen.wait()

    def own(self):
        """Bytes that are stored on the requester's own disk."""
        return self.status(self.requester)["own_stored_bytes"]

    def leased_own(self):
        return self.status(self.requester)["own_leased_bytes"]


class BadDisk(OwnDisk):
    """The requester's disk is one that does as it is told."""

    fs = None

    def disk(self):
        where, image = self.dir + "/disk", self.dir + "/image"
        if self.fs:
            return where
        os.mkdir(where)
        with open(image, "wb") as f:
            f.truncate(256 * MIB)
        self.fs = subprocess.Popen(
            [sys.executable, SLOWFS, "--writable", "--control", where, image,
             "0"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            preexec_fn=die_with_parent)
        if self.fs.stdout.readline() != b"mounted\n":
            print("skipped: FUSE cannot be mounted here")
            sys.exit(77)
        return where

    def tell(self, how):
        self.fs.stdin.write(how.encode() + b"\n")
        self.fs.stdin.flush()
        assert self.fs.stdout.readline().decode() == how + "\n"

    def errors(self):
        return self.status(self.requester)["spill_errors"]

    def slabs_memory(self):
        """Bytes of memory that the slabs of the requester's rcached have."""
        total = 0
        for path, where in files_of(self.requester.processes["rcached"].pid):
            if "memfd:rcached-slab" in where:
                with contextlib.suppress(FileNotFoundError):
                    total += 512 * os.stat(path).st_blocks
        return total

    def clean(self):
        if self.fs:
            self.fs.terminate()
            self.fs.wait()
        super().clean()


def guest(c, **options):
    """A VM of which three quarters are away."""
    settings = dict(mem=96, local_max=24, seconds=600, threads=2,
                    pattern="sweep")
    settings.update(options)
    return Vm(c.requester, **settings)


def wait_on_disk(c, least=48 * MIB):
    wait_for("pages to go to the own disk", lambda: c.own() > least, 60)


def end(c, vm):
    """All of it comes home, and is right."""
    expect_clean(vm.quit())
    wait_for("the disk to be given back", lambda: not c.leased_own(), 60)
    c.shut_down()


@scenario
def own_disk(build):
    """
    While no provider has room pages go to the requester's own disk; when one
    has, they leave it.  rcached on the requester and the pager may be killed
    meanwhile.
    """
    with OwnDisk(build, slab="1M", providers=1) as c:
        lender, = c.providers
        drain(c, lender)
        vm = guest(c)
        wait_on_disk(c)
        status = c.status(c.requester)
        assert not status["ok"], status
        assert status["leased_bytes"] == status["stored_bytes"] == 0, status
        hosts = c.call(c.requester.path("arbiter.sock"), "hosts")
        assert not any(h["leased_bytes"] or h["offered_bytes"] and
                       h["name"] == "requester" for h in hosts), hosts
        goes_on(vm)
        # What stands there outlives the daemon, and the pager.
        c.kill_requester()
        before = vm.stats()["visits"]
        c.start_requester()
        wait_for("the guest to go on",
                 lambda: vm.stats()["visits"] > before + 2000, 60)
        assert c.kill_pager()
        goes_on(vm)
        assert c.own() > 32 * MIB, c.status(c.requester)
        assert not leased(c, lender), c.status(lender)
        drain(c, lender, undo=True)
        wait_for("the disk to be left", lambda: not c.own(), 120)
        goes_on(vm)
        assert c.status(lender)["stored_bytes"] > 32 * MIB, c.status(lender)
        end(c, vm)


@scenario
def own_disk_without_arbiters(build):
    """No arbiter is there to ask: the disk needs none."""
    with OwnDisk(build, slab="1M", providers=0, arbiter=False) as c:
        vm = guest(c)
        wait_on_disk(c)
        goes_on(vm)
        end(c, vm)


@scenario
def own_disk_for_a_copy(build):
    """
    Of two copies the own disk has one while only one provider has room; when
    that one dies the guest goes on with what the disk has.
    """
    with OwnDisk(build, slab="1M", providers=2) as c:
        lender, other = c.providers
        drain(c, other)
        vm = guest(c, copies=2)
        wait_on_disk(c, 48 * MIB)
        wait_for("all to have two copies",
                 lambda: c.status(lender)["stored_bytes"] > 48 * MIB and
                 not one_copy(c), 60)
        lender.processes["rcached"].popen.kill()
        lender.processes["rcached"].popen.wait()
        goes_on(vm)
        drain(c, other, undo=True)
        c.restart_provider(lender)
        wait_for("the disk to be left", lambda: not c.own(), 120)
        goes_on(vm)
        end(c, vm)


@scenario
def own_disk_takes_what_stops(build):
    """
    The only provider ends: what it has lent goes to its requester's own disk.
    Then rcached on the requester ends, when that provider is back: nothing
    stays on the disk, which ends with it.  Until then nothing more goes there,
    and the guest goes on with more than local-max.
    """
    with OwnDisk(build, slab="1M", providers=1) as c:
        lender, = c.providers
        vm = guest(c)
        wait_for("pages to be lent to",
                 lambda: c.status(lender)["stored_bytes"] > 48 * MIB, 60)
        process = lender.processes["rcached"]
        assert process.stop(120) == 0, process.tail(20)
        assert c.own() > 32 * MIB, c.status(c.requester)
        goes_on(vm)
        vm.call("hold")         # or all of it comes home before the provider
        process = c.requester.processes["rcached"]
        process.popen.terminate()
        wait_for("it to wait for the disk",
                 lambda: "has to leave first" in process.tail(100), 30)
        time.sleep(3)           # an end that loses nothing takes a second
        assert process.popen.poll() is None, process.tail(20)
        vm.call("go")
        wait_for("the guest to be refused the disk",
                 lambda: "0 leases granted: this host's rcached is about to "
                 "stop" in process.tail(100), 60)
        wait_for("local-max to give way", lambda: beyond(vm), 60)
        lender.keeper.forget()
        c.start_provider(lender)
        assert process.popen.wait(120) == 0, process.tail(20)
        c.requester.keeper.forget()
        c.start_requester()
        goes_on(vm, 5000)
        end(c, vm)


@scenario
def own_disk_is_not_kept(build):
    """
    Nobody would keep the disk for the next daemon: nothing goes there, or a
    daemon that is killed would take pages of its own VMs with it.
    """
    with OwnDisk(build, providers=0, arbiter=False) as c:
        c.kill_requester()
        del c.requester.keeper
        process = c.requester.start_rcached(
            "--lend", "0", "--spill-dir", c.disk(), "--spill-size", "256M")
        vm = guest(c)
        wait_for("local-max to give way", lambda: beyond(vm), 60)
        status = c.status(c.requester)
        assert status["spill_size_bytes"] and not status["own_leased_bytes"], \
            status
        wait_for("the reason to be told",
                 lambda: "no service manager" in process.tail(100), 30)
        end(c, vm)


@scenario
def own_disk_fails(build):
    """
    The disk has no room although it promised some, takes half of what is
    written, and fails altogether: the guest goes on, or waits, and nothing is
    lost.
    """
    with BadDisk(build, slab="1M", providers=1) as c:
        drain(c, c.providers[0])
        # A host that has just booted starts with such a disk as well.
        c.kill_requester()
        c.requester.keeper.forget()
        c.tell("full")
        c.start_requester()
        assert "No space left" in c.status(c.requester)["verdict"]
        c.tell("well")
        vm = guest(c, mem=72)
        wait_on_disk(c, 40 * MIB)
        assert c.status(c.requester)["spill_errors"] == 1
        for how in "full", "short":
            before = c.errors()
            c.tell(how)
            wait_for("a write to fail", lambda: c.errors() > before, 60)
            wait_for("local-max to give way", lambda: beyond(vm), 60)
            assert c.slabs_memory() < MIB, c.slabs_memory()
            goes_on(vm)
            status = c.status(c.requester)
            assert any("spill file: writing fails" in p
                       for p in status["problems"]), status
            c.tell("well")
            goes_on(vm)
        before = c.errors()
        c.tell("broken")
        wait_for("a read to fail", lambda: c.errors() > before, 60)
        wait_for("the guest to wait",
                 lambda: vm.stats()["oldest_wait_ns"] > 10 ** 9, 60)
        c.tell("well")
        goes_on(vm)
        end(c, vm)


@scenario
def own_disk_fails_with_a_copy(build):
    """What cannot be read from the disk is read at the other place."""
    with BadDisk(build, slab="1M", providers=1) as c:
        vm = guest(c, mem=72, copies=2)
        wait_on_disk(c, 40 * MIB)
        wait_for("all to have two copies", lambda: not one_copy(c), 60)
        before = c.errors()
        c.tell("broken")
        wait_for("the disk to fail", lambda: c.errors() > before, 60)
        goes_on(vm, 5000)
        c.tell("well")
        goes_on(vm)
        end(c, vm)


def beyond(vm):
    """Has the guest more here than local-max and all its slack?"""
    return vm.stats()["resident"] > (24 + 20) * MIB


def one_copy(c):
    vm, = c.call(c.requester.path("admin.sock"), "vms")
    return vm["one_copy_bytes"]
