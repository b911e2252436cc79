# SPDX-License-Identifier: GPL-2.0-or-later
"""crash_points: pagers that die at each step that cannot be taken back.

The code has a named point between any two such steps (common/crash-point.h);
POINTS has each of them. Its test lets a pager of a guest under load die exactly
there, lets the next one take over, and then all must be right: the guest goes
on, no page is left half-way, and what providers store and have leased is what
the pager knows of. HACKING.md says what the next pager has to do for that, and
mutations.py takes it out: "crash_points:NAME" there is the test of one point.

scripts/check-style sees to it that the points of the code, of this file and of
HACKING.md are the same.
"""
import contextlib
import mmap
import os
import signal
import struct

import accounts
from cluster import Cluster, LabError, MIB, Vm, expect_clean, goes_on, wait_for
from giveback import KeepingCluster, drain

SCENARIOS = {}
SPIN = 1


class Order:
    """The file that arms a point; its layout is crash-point.c's."""

    def __init__(self, path):
        self.path = path
        with open(path, "wb+") as f:
            f.truncate(mmap.PAGESIZE)
            self.map = mmap.mmap(f.fileno(), mmap.PAGESIZE)

    def arm(self, name, count=1, how=0, then=""):
        """Die when that point is passed for the @count-th time; the next one
        at the point @then."""
        self.map[0:4] = struct.pack("I", 0)
        self.map[4:116] = struct.pack("II52s52s", how, 0, name.encode(),
                                      then.encode())
        self.map[0:4] = struct.pack("I", count)

    def victim(self):
        """The pid of who has died there; 0: nobody yet."""
        return struct.unpack("I", self.map[8:12])[0]


class Crashing:
    """A cluster whose requester's pagers can be told where to die."""

    order = None
    conf = ""

    def start_requester(self):
        path = os.path.join(self.dir, "requester-crash")
        if not self.order:
            self.order = Order(path)
        config = os.path.join(self.dir, "requester.conf")
        with open(config, "w") as f:
            f.write(self.conf)
        self.requester_options = ["--config", config]
        self.requester.programs["rcached"] = os.path.join(
            self.build, "tests", "integration", "rcached-crash")
        os.environ["RCACHED_CRASH_FILE"] = path
        try:
            return super().start_requester()
        finally:
            del os.environ["RCACHED_CRASH_FILE"]


class CrashCluster(Crashing, Cluster):
    """Its providers lose what they have when they are killed."""


class CopiesCrashCluster(CrashCluster):
    """Where so many leases come and go, some are under way whenever a pager
    dies: a grant that nobody claims then is not waited for half a minute.  Nor
    does it matter here how fast copies are made."""

    conf = "[pager]\nrepair-rate = 0\n"

    def start(self):
        config = os.path.join(self.dir, "arbiter.conf")
        with open(config, "w") as f:
            f.write("[placement]\nclaim-timeout = 5s\n")
        self.arbiter_options = ["--config", config]
        super().start()


class KeptCrashCluster(CrashCluster):
    """Pages that come back keep their slots."""

    conf = "[pager]\nkeep-clean = yes\n"


class KeepingCrashCluster(Crashing, KeepingCluster):
    """Its providers keep it, and a place that is away is given up soon."""

    conf = "[pager]\ngive-up = 1s\n"


# ------------------------------------------------------------------ checking

def lent_by(c, host):
    return c.status(host)["leased_bytes"]


def stored_by(c, host):
    return c.status(host)["stored_bytes"]


def listed(c):
    """What the pagers know of at each provider: leases, and the bytes that
    their slab tables name."""
    found = {host.name: [0, 0] for host in c.providers}
    for vm in c.call(c.requester.path("admin.sock"), "vms"):
        for provider in vm["providers"]:
            found[provider["host"]][0] += provider["leases"]
            found[provider["host"]][1] += provider["bytes"]
    return found


def leased(c):
    """What the providers have lent."""
    return {host.name: [len(c.call(host.path("admin.sock"), "leases")),
                        lent_by(c, host)]
            for host in c.providers}


def kept_by(c, vm):
    """Bytes that are stored for pages which are here (keep-clean)."""
    return sum(told["kept_bytes"] or 0 for told in
               c.call(c.requester.path("admin.sock"), "vms")
               if told["name"] == vm.name)


def unsettled(c, vm, copies, lent):
    """What is not as it has to be of a guest that stands still, or None;
    @lent: also of what is lent to it."""
    stats, states = vm.stats(), vm.call("states")
    stored, has, knows = c.stored(), leased(c), listed(c)
    wrong = {
        "not reconciled": not stats["reconciled"],
        "under way": states["under_way"],
        "stored": stored != copies * (stats["remote"] + kept_by(c, vm)),
        "one copy": copies > 1 and stats["one_copy"] + stats["copying"],
        "here": stats["memfd"] != stats["resident"],
        "leased": lent and has != knows,
        "lost": stats["lost"],
        "wrong bytes": stats["checksum_errors"],
    }
    found = [name for name, is_so in wrong.items() if is_so]
    return found and (found, stored, has, knows, states, stats)


def settle(c, vm, copies=1, seconds=20, lent=True):
    """The guest stands still, and all figures agree; but a provider waits half
    a minute for a grant to be claimed."""
    vm.call("hold", 30)
    last = [None]

    def settled():
        last[0] = unsettled(c, vm, copies, lent)
        return not last[0]
    try:
        wait_for("all to be as it has to be", settled, seconds, 0.1)
    except LabError as error:
        raise LabError(f"{error}: {last[0]}") from None


def check(c, vm, copies=1, seconds=20, lent=True):
    """The guest goes on, and then all is as it has to be."""
    goes_on(vm, 500, 30)
    settle(c, vm, copies, seconds, lent)
    vm.call("go")


def die_at(c, vm, name, count=1, bring=None, via=None):
    """A pager of @vm dies at that point, and another one takes over."""
    before = vm.stats()["attaches"] if vm else 0
    c.order.arm(via or name, count, then=name if via else "")
    if bring:
        bring(c, vm)
    wait_for(f"a pager to die at {name}", c.order.victim, 30, 0.01)
    if vm:
        wait_for("the next pager", lambda: vm.stats()["attaches"] > before,
                 30, 0.01)


def die_standing(c, vm, name, count=1, via=None):
    """As die_at(), but the guest stands still from then on: what it sends away
    under the next pager would go to slots that the one before has left full,
    and nobody would see that they were."""
    before = vm.stats()["attaches"]
    c.order.arm(via or name, count, how=SPIN, then=name if via else "")
    pid = wait_for(f"a pager to die at {name}", c.order.victim, 30, 0.01)
    vm.call("stop")
    with contextlib.suppress(ProcessLookupError):   # rcached was quicker
        os.kill(pid, signal.SIGKILL)
    wait_for("the next pager", lambda: vm.stats()["attaches"] > before, 30,
             0.01)


# ---------------------------------------------------------- how it comes there

def kill(c, vm):
    c.kill_pager(vm.name)


def discard_all(c, vm):
    # What was discarded for the point before this one has to be away again.
    wait_for("pages to be away", lambda: vm.stats()["remote"] > 4 * MIB, 60)
    vm.call("hold", 30)
    vm.call("discard-all")


def bring_home(c, vm):
    """Then all that is leased is given back."""
    vm.call("resize 0")


def unread(host):
    """Bytes that have come for a host's rcached on a connection for pages, and
    that it has not read; of all of them the most."""
    with open(f"/proc/{host.processes['rcached'].pid}/net/tcp",
              encoding="ascii") as f:
        lines = [line.split() for line in f]
    return max((int(fields[4].partition(":")[2], 16) for fields in lines
                if fields[1].endswith(f":{9470:04X}")), default=0)


def kill_with_pages(c, vm):
    """A provider's session ends while pages are on their way to it; what it has
    is kept.

    All pages go to both providers, and there is room for them once some have
    been discarded.  One provider has been stopped before they go, and is killed
    when they lie there: the guest stands still, so that PINGs are all it could
    have been sent besides.
    """
    host = c.providers[0]
    vm.call("hold", 30)
    stored = stored_by(c, host)
    vm.call("discard-half")
    wait_for("slots to be free",
             lambda: stored_by(c, host) < 0.75 * stored, 30)
    host.processes["rcached"].popen.send_signal(signal.SIGSTOP)
    vm.send(f"evict {4 * MIB}")
    wait_for("a page to lie there", lambda: unread(host) > 4096, 30, 0.01)
    c.restart_provider(host)
    answer = vm.line(130, "evict")
    assert answer["status"], answer     # its pager has died
    vm.call("go")


def end_provider(c):
    """The one that stores most."""
    c.ended = max(c.providers, key=lambda host: stored_by(c, host))
    process = c.ended.processes["rcached"]
    process.popen.kill()
    process.popen.wait()


def give_up(c, vm):
    """A provider is away for so long that its places are stale.  The guest
    would stand still if it touched a page that only that one has."""
    wait_for("all to have two copies", lambda: not vm.stats()["one_copy"], 30)
    end_provider(c)


def take_back(c, vm):
    """It comes back under a pager that has not seen it go: what was written
    meanwhile is not there, and only the table says so."""
    def all_stale():
        stats = vm.stats()      # none of it can be copied to a third provider
        return stats["copying"] > stats["remote"] // 2
    wait_for("all places there to be stale", all_stale, 30)
    written = vm.stats()["evicted_pages"]
    wait_for("pages to be written past it",
             lambda: vm.stats()["evicted_pages"] > written + 5000, 30)
    c.kill_pagers(vm, 1, 0)
    c.start_provider(c.ended)


def give_up_and_take_back(c, vm):
    """Again, where all was copied to the third one before it was back."""
    for _ in range(10):
        end_provider(c)
        wait_for("its places to be given up", lambda: vm.stats()["copying"],
                 30, 0.01)
        c.start_provider(c.ended)
        wait_for("nothing to be left to copy", lambda: c.order.victim() or
                 not vm.stats()["copying"], 30, 0.01)
        if c.order.victim():
            return


def lose_provider(c, vm):
    """What it had is gone, and it says so."""
    end_provider(c)
    c.start_provider(c.ended)


def copy_anew(c, vm):
    """All second places go and come."""
    vm.call("copies 1")
    wait_for("the second places to go", lambda: c.order.victim() or
             c.stored() < 1.5 * vm.stats()["remote"], 30)
    if not c.order.victim():
        vm.call("copies 2")


def drain_one(c, vm):
    c.drained = max(c.providers, key=lambda host: lent_by(c, host))
    drain(c, c.drained)


def undrain(c, vm):
    """Once nothing is there any more, as the drain wants it."""
    wait_for("the host to be empty",
             lambda: not lent_by(c, c.drained), 20)
    drain(c, c.drained, undo=True)


# --------------------------------------------------------------- the points

class Point:
    """@count: times it is passed; @bring: what makes a pager pass it; @after:
    what is done when it has died there; @via: where the one before has died;
    @full: it leaves slots full that nothing names: before the guest goes on
    they have to be empty."""

    def __init__(self, group, count=1, bring=None, after=None, via=None,
                 full=False):
        self.group = group
        self.via = via
        self.full = full
        self.count = count
        self.bring = bring
        self.after = after


POINTS = {
    # A page goes, a page comes: a guest under load passes them all the time.
    "zap-marked": Point("pages"),
    "zap-sent": Point("pages"),
    "zap-answered": Point("pages"),
    "version-stored": Point("pages"),
    "evicting": Point("pages"),
    "put-sent": Point("pages"),
    "put-acked": Point("pages", full=True),
    "sum-stored": Point("pages", 20, full=True),
    "committed": Point("pages"),
    "punched": Point("pages"),
    "zero-committed": Point("pages"),
    "fetching": Point("pages"),
    "get-sent": Point("pages"),
    "many-fetching": Point("ahead"),
    "gets-sent": Point("ahead"),
    "marker-kept": Point("ahead", 3),
    "marker-filling": Point("ahead", 3),
    "filling": Point("pages"),
    "copied": Point("pages", 50),
    "arrived": Point("pages", full=True),
    "faults-read": Point("pages"),
    "present": Point("pages"),
    "zero-filling": Point("pages"),
    "zero-filled": Point("pages"),
    "discards-seen": Point("pages", 1, discard_all, full=True),
    "discard-slot-out": Point("pages", 1, discard_all, full=True),
    "free-sent": Point("pages"),
    "free-acked": Point("pages"),
    "release-sent": Point("pages", 1, bring_home),
    "lease-left": Point("pages", 1, bring_home),
    # A pager takes over: one is killed, and the next dies there.
    "session-raised": Point("pages", 1, kill),
    "woken": Point("pages", 1, kill),
    "reconcile-punched": Point("pages", via="committed"),
    "frame-reconciled": Point("pages", 1, kill),
    "sweep-begun": Point("pages", via="put-acked", full=True),
    # A page that is clean goes, and keeps its slot when it comes.
    "clean-asked": Point("kept", full=True),
    "clean-committed": Point("kept"),
    "slot-kept": Point("kept", 20, full=True),
    "kept-ended": Point("kept", full=True),
    # A VM begins: leases come, memory comes under management.
    "lease-noted": Point("begins"),
    "claim-sent": Point("begins"),
    "lease-sized": Point("begins"),
    "slab-listed": Point("begins", 3),
    "registered": Point("begins"),
    "untouched": Point("begins", 3),
    "kept": Point("begins", 3),
    # Slabs get a second place.
    "put-acked-one": Point("copies", full=True),
    "expect-sent": Point("copies", 1, copy_anew),
    "slab-unlisted": Point("copies", 1, copy_anew),
    "expected-empty": Point("copies", 1, copy_anew),
    "location-added-empty": Point("copies", 1, copy_anew),
    "expected": Point("copies", 1, copy_anew),
    "move-sent": Point("copies", 1, copy_anew),
    "moved": Point("copies", 1, copy_anew),
    "confirm-sent": Point("copies", 1, copy_anew),
    "move-confirmed": Point("copies", 1, copy_anew),
    "location-added": Point("copies", 1, copy_anew),
    "copy-shed": Point("copies", 1, copy_anew),
    "place-cleared": Point("copies", 1, lose_provider),
    "location-replaced": Point("copies", 1, drain_one, undrain),
    "drop-sent": Point("copies", 1, drain_one, undrain),
    # A provider goes, or comes back with nothing.
    "stale-dropped": Point("away", 1, give_up_and_take_back),
    # One of two goes, and nobody else can have what it had.
    "put-called-off": Point("stale", 1, kill_with_pages),
    "place-stale": Point("stale", 1, give_up, take_back),
    # With what they do to the VM.
    "lost-marked": Point("ends", 100),
}


def start(c, number, **options):
    settings = dict(mem=64, local_max=24, seconds=3600, threads=4,
                    write_percent=60, at_once=True)
    settings.update(options)
    return Vm(c.requester, number=number, **settings)


def under_load(c, copies, **options):
    vm = start(c, 1, copies=copies, **options)
    wait_for("evictions", lambda: vm.stats()["evicted_pages"] > 5000, 60)
    return vm


def each(c, vm, names, copies):
    """One pager after the other of one VM."""
    for name in names:
        point = POINTS[name]
        if point.full and not point.bring:
            die_standing(c, vm, name, point.count, point.via)
        else:
            die_at(c, vm, name, point.count, point.bring, point.via)
        if point.full:
            settle(c, vm, copies)
            vm.call("go")
        if point.after:
            point.after(c, vm)
        check(c, vm, copies)
        print(f"{name}: ok", flush=True)


def in_pages(build, names):
    with CrashCluster(build) as c:
        vm = under_load(c, 1, zero_percent=20, discard_permille=20)
        each(c, vm, names, 1)
        expect_clean(vm.quit())
        nothing_left(c)
        c.shut_down()


def in_kept(build, names):
    """A guest that mostly reads: pages that come back keep their slots."""
    with KeptCrashCluster(build) as c:
        vm = under_load(c, 1, write_percent=10, discard_permille=20)
        each(c, vm, names, 1)
        expect_clean(vm.quit())
        nothing_left(c)
        c.shut_down()


def in_ahead(build, names):
    """A guest that goes through its memory: pages are read ahead."""
    with CrashCluster(build) as c:
        vm = under_load(c, 1, pattern="scan", threads=2)
        each(c, vm, names, 1)
        expect_clean(vm.quit())
        nothing_left(c)
        c.shut_down()


def in_copies(build, names):
    """Dozens of small leases come and go here, more than a message of the link
    once had room for."""
    with CopiesCrashCluster(build, providers=3, slab="1M") as c:
        vm = under_load(c, 2)
        each(c, vm, names, 2)
        expect_clean(vm.quit())
        nothing_left(c, 30)
        c.shut_down()


def nothing_left(c, seconds=15):
    """All VMs have ended: nothing may be leased for them."""
    c.wait_pagers()
    wait_for("all leases to be given back",
             lambda: not sum(lent_by(c, h) for h in c.providers), seconds)


def all_claimed(c):
    """No provider has waited in vain for a grant to be claimed: what was under
    way to a pager that died goes to the next one.  Not by what is lent after
    some time, as a busy machine takes longer than a provider waits; and a
    grant that comes later than an arbiter waits for it is nobody's."""
    asked = c.log(c.requester) + c.log(c.requester, "arbiter")
    if "did not answer in time" in asked or "came too late" in asked:
        return
    for host in c.providers:
        assert "nobody claimed it in time" not in c.log(host), \
            f"{host.name}:\n{c.log(host)[-2000:]}\nrequester:\n{asked[-4000:]}"


def in_begins(build, names):
    """One VM after the other; each lease has more slabs than are listed when a
    pager dies."""
    with CrashCluster(build, slab="1M") as c:
        for number, name in enumerate(names, 1):
            point = POINTS[name]
            c.order.arm(name, point.count)
            vm = start(c, number, mem=32, local_max=12)
            wait_for(f"a pager to die at {name}", c.order.victim, 30, 0.01)
            wait_for("evictions",
                     lambda: vm.stats()["evicted_pages"] > 1000, 30)
            check(c, vm)
            expect_clean(vm.quit())
            nothing_left(c)
            all_claimed(c)
            print(f"{name}: ok", flush=True)
        c.shut_down()


def in_away(build, names):
    with KeepingCrashCluster(build, providers=3, slab="1M") as c:
        vm = under_load(c, 2)
        each(c, vm, names, 2)
        expect_clean(vm.quit())
        nothing_left(c)
        c.shut_down()


def in_stale(build, names):
    with KeepingCrashCluster(build, slab="1M") as c:
        vm = under_load(c, 2)
        each(c, vm, names, 2)
        expect_clean(vm.quit())
        nothing_left(c)
        c.shut_down()


def lost(c, name):
    """All is lost that is away; the next pager finds the rest of it."""
    vm = under_load(c, 1)
    vm.call("hold", 30)
    away, _ = accounts.settled(c, vm)
    die_at(c, vm, name, POINTS[name].count, lose_provider)

    def all_lost():
        stats = vm.stats()      # a little more may have gone since
        return stats["lost"] == away and stats["remote"] < MIB
    wait_for("all of it to be lost", all_lost, 15)
    vm.call("discard-all")
    vm.call("go")
    check(c, vm)
    vm.quit()


def in_ends(build, names):
    """Those with a story of their own."""
    for name in names:
        with CrashCluster(build, providers=1) as c:
            lost(c, name)
            nothing_left(c, 60)
            c.shut_down()
            print(f"{name}: ok", flush=True)


GROUPS = {"pages": in_pages, "ahead": in_ahead, "begins": in_begins,
          "kept": in_kept,
          "copies": in_copies, "away": in_away, "stale": in_stale,
          "ends": in_ends}


def scenario_of(group):
    def scenario(build, *names):
        """All points of the group, or those."""
        GROUPS[group](build, names or [n for n, p in POINTS.items()
                                       if p.group == group])
    return scenario


SCENARIOS = {f"crash_points_{group}": scenario_of(group) for group in GROUPS}
