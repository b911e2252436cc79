# SPDX-License-Identifier: GPL-2.0-or-later
"""attacks: a provider of the attacker's own.

Its daemon is a real one; what it has lent is changed under it, as whoever owns
that host can.  Each VM has a second copy at an honest provider: the guest never
sees a wrong byte, goes on, and its operator is told who it was.

Scenarios for scenarios.py, which runs them.
"""
import os
import random

from cluster import Cluster, MIB, Vm, expect_clean, goes_on, wait_for
from copies import two_everywhere
from spill import KeepingSpilling, drain, spilled
from told import problems

SCENARIOS = {}
PAGE = 4096
SLAB_PAGES = 4 * MIB // PAGE
PIECE = 4 * MIB
HUGE = 1 << 36
MARKER = b"Gu3stPg!"            # in every page of the guest: oracle.h
TAIL_LEASE = 16                 # where slab-internal.h has the lease's id


def scenario(function):
    SCENARIOS[function.__name__] = function
    return function


class Slab:
    """A slab of a provider, in a way that it does not notice."""

    def __init__(self, path):
        self.file = open(path, "r+b", buffering=0)

    def page(self, n):
        return os.pread(self.file.fileno(), PAGE, n * PAGE)

    def put(self, n, page):
        os.pwrite(self.file.fileno(), page, n * PAGE)

    def lease(self):
        return os.pread(self.file.fileno(), 8, SLAB_PAGES * PAGE + TAIL_LEASE)

    def pages(self):
        return os.pread(self.file.fileno(), SLAB_PAGES * PAGE, 0)

    def used(self):
        """Pages that something has been stored in."""
        every = self.pages()
        none = bytes(PAGE)
        return [n for n in range(SLAB_PAGES)
                if every[n * PAGE:(n + 1) * PAGE] != none]


def memfds(pid):
    folder = f"/proc/{pid}/fd"
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        try:
            if os.readlink(path).startswith("/memfd:"):
                yield path
        except OSError:
            pass                # it has been closed


def slabs(host):
    """What a provider has lent."""
    pid = host.processes["rcached"].pid
    return [Slab(path) for path in memfds(pid)
            if "rcached-slab" in os.readlink(path)]


# -------------------------------------------------------------- what is done

def change(all_slabs):
    for slab in all_slabs:
        for n in slab.used():
            page = bytearray(slab.page(n))
            page[random.randrange(PAGE)] ^= 1 << random.randrange(8)
            slab.put(n, page)


def truncate(all_slabs):
    for slab in all_slabs:
        for n in slab.used():
            slab.put(n, slab.page(n)[:PAGE // 2] + bytes(PAGE // 2))


def swap(all_slabs):
    for slab in all_slabs:
        used = slab.used()
        for a, b in zip(used[::2], used[1::2]):
            one, other = slab.page(a), slab.page(b)
            slab.put(a, other)
            slab.put(b, one)


class Replay:
    """All of it as it was."""

    def __init__(self, all_slabs):
        self.was = [(slab, slab.pages()) for slab in all_slabs]

    def __call__(self, _):
        for slab, pages in self.was:
            for n in slab.used():
                slab.put(n, pages[n * PAGE:(n + 1) * PAGE])


def answer_for_another(all_slabs):
    """Each lease gets the pages of another one, in the same places."""
    leases = {}
    for slab in all_slabs:
        leases.setdefault(slab.lease(), []).append(slab)
    lists = list(leases.values())
    assert len(lists) > 1, "one lease only"
    before = [[slab.pages() for slab in part] for part in lists]
    for part, other in zip(lists, before[1:] + before[:1]):
        for slab, pages in zip(part, other):
            for n in slab.used():
                slab.put(n, pages[n * PAGE:(n + 1) * PAGE])


# ------------------------------------------------------- and what comes of it

def wrong_pages(c, name, host):
    """As that socket says of each VM."""
    return [sum(p["wrong_pages"] for p in vm["providers"]
                if p["host"] == host)
            for vm in c.call(c.requester.path(name), "vms")]


def told(c):
    """Both sockets name the provider, and nobody else."""
    for name in ("admin.sock", "arbiter.sock"):
        wait_for(f"{name} to tell of wrong bytes", lambda: [
            t for t in problems(c, c.requester, name)[1]
            if "provider0 returned wrong bytes" in t], 60)
        wait_for(f"{name} to count them for each VM",
                 lambda: all(wrong_pages(c, name, "provider0")), 60)
        for host in c.providers[1:]:
            assert not any(wrong_pages(c, name, host.name)), host.name


def found_out(vm):
    """By the pager, not by the guest."""
    assert "MISMATCH" not in vm.said(), vm.last_words()
    return vm.stats()["checksum_errors"] > 0


def attacked(build, attack, vms=1, later=False, **options):
    """
    Two copies of each page, one of them at provider0, which attacks; the last
    provider takes none before.  With @later it keeps what it has, and attacks
    when that is not what was stored last.
    """
    with Cluster(build, providers=3) as c:
        drain(c, c.providers[2])
        guests = [Vm(c.requester, number=n + 1, mem=64, local_max=24,
                     seconds=600, threads=4, write_percent=30, copies=2,
                     **options) for n in range(vms)]
        for vm in guests:
            wait_for("evictions",
                     lambda vm=vm: vm.stats()["evicted_pages"] > 8000, 90)
        for vm in guests:
            two_everywhere(c, vm)
        drain(c, c.providers[2], undo=True)
        evil = slabs(c.providers[0])
        used = sum(len(slab.used()) for slab in evil)
        assert used > 1000, used
        if later:
            attack = attack(evil)
            for vm in guests:
                seen = vm.stats()["evicted_pages"]
                wait_for("new pages", lambda vm=vm, seen=seen:
                         vm.stats()["evicted_pages"] > seen + 8000, 90)
        attack(evil)
        for vm in guests:
            wait_for("it to be found out", lambda vm=vm: found_out(vm), 60)
        told(c)
        for vm in guests:
            goes_on(vm)
            wait_for("its VMM to say so",
                     lambda vm=vm: "provider provider0 returned wrong bytes" in
                     vm.said(), 30)
        for vm in guests:
            result = vm.quit()
            expect_clean(result)
        c.shut_down()


@scenario
def attack_change(build):
    """A bit of each page."""
    attacked(build, change)


@scenario
def attack_truncate(build):
    attacked(build, truncate)


@scenario
def attack_swap(build):
    attacked(build, swap)


@scenario
def attack_replay(build):
    attacked(build, Replay, later=True)


@scenario
def attack_other_vm(build):
    attacked(build, answer_for_another, vms=2)


@scenario
def attack_unsealed(build):
    """Pages that are only authenticated: swapped ones are found as well."""
    attacked(build, swap, no_seal=True)


# ----------------------------------------------------------------- who reads

def says_seal(c, seal):
    """Both sockets do, of each VM."""
    for name in ("admin.sock", "arbiter.sock"):
        vms = c.call(c.requester.path(name), "vms")
        assert vms and {vm["seal"] for vm in vms} == {seal}, vms


def area_has(mem, start, end, what, buffer):
    """Looked through piece by piece: they can be large.  @buffer is the same
    for all of them, or each would cost more to have than to read."""
    kept, overlap = 0, len(what) - 1
    view = memoryview(buffer)
    for at in range(start, end, PIECE):
        mem.seek(at)
        n = kept + mem.readinto(view[kept:kept + min(PIECE, end - at)])
        if buffer.find(what, 0, n) >= 0:
            return True
        kept = min(overlap, n)
        view[:kept] = bytes(view[n - kept:n])
    return False


def memory_has(pid, what):
    """Where it is in a process's memory, or in a memfd that it has."""
    buffer = bytearray(PIECE + len(what))
    with open(f"/proc/{pid}/maps") as maps, \
            open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            area, rights, *rest = line.split(None, 5)
            start, end = (int(at, 16) for at in area.split("-"))
            # A sanitizer's own notes are terabytes, and no page is in them.
            if rights[0] != "r" or end - start > HUGE:
                continue
            try:
                if area_has(mem, start, end, what, buffer):
                    return line.strip()
            except (OSError, OverflowError):
                pass            # such as [vvar], and secret memory
    for path in memfds(pid):
        try:
            with open(path, "rb", 0) as f:
                if area_has(f, 0, os.fstat(f.fileno()).st_size, what, buffer):
                    return os.readlink(path)
        except OSError:
            pass                # secret memory is not read
    return None


def daemons_have(c, what):
    """The same for all that are not the VM's own."""
    for host in c.providers:
        where = memory_has(host.processes["rcached"].pid, what)
        if where:
            return f"{host.name}: {where}"
    return None


def spill_file(pid):
    """The file has no name: it is the one that is no memory."""
    folder = f"/proc/{pid}/fd"
    for path in (os.path.join(folder, name) for name in os.listdir(folder)):
        link = os.readlink(path)
        if os.path.isfile(path) and "memfd:" not in link and \
                "secretmem" not in link and not link.endswith(".log"):
            with open(path, "rb") as f:
                return f.read()
    raise AssertionError("no spill file")


@scenario
def nobody_reads(build):
    """
    A provider's memory, slabs and spill file have nothing of the guest in them.
    """
    with KeepingSpilling(build, providers=1) as c:
        host, = c.providers
        vm = Vm(c.requester, mem=64, local_max=16, seconds=600, threads=2)
        wait_for("evictions", lambda: vm.stats()["evicted_pages"] > 8000, 90)
        says_seal(c, "on")
        assert sum(len(slab.used()) for slab in slabs(host)) > 1000
        for _ in range(3):      # while pages come and go
            where = daemons_have(c, MARKER)
            assert not where, where
        drain(c, host)
        wait_for("pages on the disk", lambda: spilled(c, host) > 4 * MIB, 60)
        on_disk = spill_file(host.processes["rcached"].pid)
        assert len(on_disk) > 4 * MIB and MARKER not in on_disk
        where = daemons_have(c, MARKER)
        assert not where, where
        assert memory_has(vm.popen.pid, MARKER)     # where it may be
        expect_clean(vm.quit())
        c.shut_down()


def nothing_left(build, tls):
    with Cluster(build, providers=2, tls=tls) as c:
        vm = Vm(c.requester, mem=64, local_max=16, seconds=600, threads=2,
                copies=2, no_seal=True)
        wait_for("evictions", lambda: vm.stats()["evicted_pages"] > 8000, 90)
        says_seal(c, "off")
        for host in c.providers:
            assert memory_has(host.processes["rcached"].pid, MARKER)
        expect_clean(vm.quit())
        wait_for("the leases to end", lambda: not any(
            c.status(host)["leased_bytes"] for host in c.providers), 60)
        wait_for("memory without a trace",
                 lambda: not daemons_have(c, MARKER), 20, 0.5)
        c.shut_down()


@scenario
def nothing_stays(build):
    """
    Unsealed pages are there to be read, but not once the lease has ended: not
    in the slabs, and not in any buffer that they went through.
    """
    nothing_left(build, False)


@scenario
def nothing_stays_of_tls(build):
    """Nor in those that GnuTLS has them in."""
    nothing_left(build, True)
