# SPDX-License-Identifier: GPL-2.0-or-later
"""crash_providers: providers that die at each step that cannot be taken back.

As crash_points.py does it to pagers. What a provider has lent outlives it: a
service manager (keeper.py) keeps table, slabs and spill file for the next one.
So nothing may be lost of a guest that has one copy, and when the next one has
taken over, all figures agree again, those of what is kept included.
"""
import os
import re

from cluster import LabError, MIB, Vm, expect_clean, goes_on, wait_for
from crash_points import (Order, Point, check, lent_by, nothing_left,
                          settle, stored_by, under_load)
from giveback import KeepingCluster, drain
from spill import spilled

SCENARIOS = {}


class Victims(KeepingCluster):
    """The first provider can be told where to die."""

    order = None
    conf = ""

    def __init__(self, build, **options):
        super().__init__(build, slab="1M", **options)

    def start_provider(self, host):
        if host is not self.providers[0]:
            return super().start_provider(host)
        path = os.path.join(self.dir, "provider-crash")
        if not self.order:
            self.order = Order(path)
        host.programs["rcached"] = os.path.join(
            self.build, "tests", "integration", "rcached-crash")
        os.environ["RCACHED_CRASH_FILE"] = path
        try:
            return super().start_provider(host)
        finally:
            del os.environ["RCACHED_CRASH_FILE"]


class SpillingVictims(Victims):
    """It is the only one, and what it is to give back goes to its disk."""

    def start_provider(self, host):
        config = os.path.join(self.dir, "provider.conf")
        with open(config, "w") as f:
            f.write("[agent]\ndeadline = 1s\n")
        self.provider_options = ["--config", config, "--spill-dir",
                                 self.build, "--spill-size", "256M"]
        return super().start_provider(host)


# ------------------------------------------------------------------ checking

def kept_slabs(host):
    """What the service manager holds, and the next daemon would be given."""
    with host.keeper.lock:
        return len(host.keeper.kept.keys() -
                   {"leases", "spill-key", "spill-file"})


def nothing_kept_for_nobody(c):
    """A slab that is nobody's is given back, not only forgotten."""
    host = c.providers[0]
    wait_for("as many slabs to be kept as are lent",
             lambda: kept_slabs(host) * MIB == lent_by(c, host), 5)


def die_at(c, vm, name):
    """The first provider dies there, and the next one takes over."""
    host, point = c.providers[0], POINTS[name]
    c.order.arm(name, point.count)
    if point.bring:
        try:
            point.bring(c, vm)
        except (LabError, ConnectionError) as error:
            # It may do what it was told, and die, before it has answered.
            print(f"{name}: {error}", flush=True)
    wait_for(f"a provider to die at {name}", c.order.victim, 30, 0.01)
    host.processes["rcached"].popen.wait()
    if point.full:
        vm.call("discard-half")
    c.start_provider(host)


# ---------------------------------------------------------- how it comes there

def bring_home(c, vm):
    """Then all that is leased is given back."""
    vm.call("resize 0")


def send_away(c, vm):
    """To the first one, though it has only just come back: a resize that finds
    nobody with room yet ends as it began."""
    drain(c, c.providers[1])
    wait_for("the guest to get smaller", lambda: vm.call(
        f"resize {40 * MIB} {24 * MIB}")["status"] == 0, 30)
    wait_for("pages to be away again",
             lambda: stored_by(c, c.providers[0]) > 4 * MIB, 30)
    drain(c, c.providers[1], undo=True)


def empty(c, host):
    drain(c, host)
    wait_for(f"{host.name} to be empty", lambda: not lent_by(c, host), 20)


def leave_the_first(c, vm):
    """The other one is left before, so that there is something to move."""
    empty(c, c.providers[1])
    drain(c, c.providers[1], undo=True)
    drain(c, c.providers[0])


def leave_the_other(c, vm):
    """The guest stands still: what has come would come again otherwise, over
    what is left of it."""
    vm.call("hold", 30)
    empty(c, c.providers[0])
    drain(c, c.providers[0], undo=True)
    drain(c, c.providers[1])


def first_is_left(c, vm):
    """As the drain, which the next one knows of, wants it."""
    empty(c, c.providers[0])
    drain(c, c.providers[0], undo=True)


def other_is_left(c, vm):
    empty(c, c.providers[1])
    settle(c, vm)
    drain(c, c.providers[1], undo=True)
    vm.call("go")


def to_the_file(c, vm):
    drain(c, c.providers[0])


def all_in_the_file(c):
    host = c.providers[0]
    wait_for("all slabs to be in the file",
             lambda: spilled(c, host) and spilled(c, host) == lent_by(c, host),
             30)


def is_back(c, vm):
    """All of it goes, and comes back, in the end."""
    all_in_the_file(c)
    goes_on(vm, 500, 30)
    drain(c, c.providers[0], undo=True)
    wait_for("the slabs to be back",
             lambda: not spilled(c, c.providers[0]), 30)


def from_the_file(c, vm):
    drain(c, c.providers[0])
    all_in_the_file(c)
    drain(c, c.providers[0], undo=True)


def comes_back(c, vm):
    wait_for("the slabs to be back",
             lambda: not spilled(c, c.providers[0]), 30)


def name_as_before(kept):
    """Slabs had longer names, under which they stay."""
    for name in [x for x in kept if re.fullmatch("s[0-9a-f]+", x)]:
        kept[f"slab-{int(name[1:], 16)}"] = kept.pop(name)


def begin_again(c, vm):
    """With all of it in the file, named by an earlier daemon, and a slab that
    is nobody's."""
    host = c.providers[0]
    if not spilled(c, host):
        drain(c, host)
        all_in_the_file(c)
    host.processes["rcached"].popen.kill()
    host.processes["rcached"].popen.wait()
    with host.keeper.lock:
        name_as_before(host.keeper.kept)
        host.keeper.kept["s270f"] = os.memfd_create("nobody's")
    c.start_provider(host)


def goes_on_from_the_file(c, vm):
    """What was kept is all there, and may be used."""
    all_in_the_file(c)
    goes_on(vm, 500, 30)


# --------------------------------------------------------------- the points

# Those that leave slabs full that nothing names: half of what they have is of
# no use any more when they are used again.
POINTS = {
    # A daemon takes over what the last one left.
    "adopted": Point("adopts", 1, begin_again, goes_on_from_the_file),
    "let-go": Point("adopts", 1, begin_again, goes_on_from_the_file),
    "adopted-kept": Point("adopts", 1, begin_again, goes_on_from_the_file),
    # Memory is granted.
    "granted": Point("grants"),
    "grant-slab-kept": Point("grants"),
    "grant-kept": Point("grants"),
    # Pages come and go; leases end.
    "put-stored": Point("serves"),
    "free-come": Point("serves"),
    "free-done": Point("serves"),
    "lease-ended": Point("serves", 1, bring_home, send_away),
    "slab-punched": Point("serves", 3, bring_home, send_away),
    # Slabs move: those points in which the old provider dies,
    "pages-pushed": Point("pushes", 3, leave_the_first, first_is_left),
    "pushed-sent": Point("pushes", 3, leave_the_first, first_is_left),
    "push-done": Point("pushes", 3, leave_the_first, first_is_left),
    "slab-marked": Point("pushes", 3, leave_the_first, first_is_left),
    "slab-uncounted": Point("pushes", 3, leave_the_first, first_is_left),
    "slab-disowned": Point("pushes", 3, leave_the_first, first_is_left),
    # ... and those in which the new one does.
    "slab-emptied": Point("intakes", 3, leave_the_other, other_is_left),
    "page-taken": Point("intakes", 500, leave_the_other, other_is_left,
                        full=True),
    "slab-taken": Point("intakes", 3, leave_the_other, other_is_left,
                        full=True),
    "slab-confirmed": Point("intakes", 3, leave_the_other, other_is_left,
                            full=True),
    # Slabs go to the disk, and come back.
    "spill-begun": Point("spills", 4, to_the_file, is_back),
    "chunk-written": Point("spills", 20, to_the_file, is_back),
    "chunk-in-file": Point("spills", 20, to_the_file, is_back),
    "chunk-punched": Point("spills", 20, to_the_file, is_back),
    "put-filed": Point("spills", 1, to_the_file, is_back),
    "put-in-file": Point("spills", 1, to_the_file, is_back),
    "spill-back-begun": Point("spills", 4, from_the_file, comes_back),
    "chunk-allocated": Point("spills", 10, from_the_file, comes_back),
    "page-restored": Point("spills", 500, from_the_file, comes_back),
    "slab-restored": Point("spills", 3, from_the_file, comes_back),
}


def each(c, vm, names):
    for name in names:
        point = POINTS[name]
        die_at(c, vm, name)
        # Before slabs of the same names are lent again.
        nothing_kept_for_nobody(c)
        if point.after:
            point.after(c, vm)
        check(c, vm)
        print(f"{name}: ok", flush=True)


def end(c, vm):
    """What is home again keeps no lease: no slot has been forgotten."""
    bring_home(c, vm)
    wait_for("all leases to be given back",
             lambda: not sum(lent_by(c, h) for h in c.providers), 15)
    nothing_kept_for_nobody(c)
    expect_clean(vm.quit())
    c.shut_down()


def in_grants(build, names):
    """One VM after the other, each of which needs its first leases."""
    with Victims(build, providers=1) as c:
        for number, name in enumerate(names, 1):
            c.order.arm(name, POINTS[name].count)
            vm = Vm(c.requester, number=number, mem=24, local_max=8,
                    seconds=3600, threads=4, write_percent=60, at_once=True)
            wait_for(f"a provider to die at {name}", c.order.victim, 30, 0.01)
            c.providers[0].processes["rcached"].popen.wait()
            c.start_provider(c.providers[0])
            wait_for("evictions",
                     lambda: vm.stats()["evicted_pages"] > 1000, 30)
            # Sooner than a provider takes a grant back that nobody claims;
            # the whole one may be claimed as long as the VM is there.
            check(c, vm, seconds=5, lent=name != "grant-kept")
            expect_clean(vm.quit())
            nothing_left(c, 4)
            nothing_kept_for_nobody(c)
            print(f"{name}: ok", flush=True)
        c.shut_down()


def in_cluster(cluster, **options):
    def group(build, names):
        with cluster(build, **options) as c:
            vm = under_load(c, 1)
            each(c, vm, names)
            end(c, vm)
    return group


GROUPS = {"adopts": in_cluster(SpillingVictims, providers=1),
          "grants": in_grants,
          "serves": in_cluster(Victims),
          "pushes": in_cluster(Victims),
          "intakes": in_cluster(Victims),
          "spills": in_cluster(SpillingVictims, providers=1)}


def scenario_of(group):
    def scenario(build, *names):
        """All points of the group, or those."""
        GROUPS[group](build, names or [n for n, p in POINTS.items()
                                       if p.group == group])
    return scenario


SCENARIOS = {f"crash_points_{group}": scenario_of(group) for group in GROUPS}
