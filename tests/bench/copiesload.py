# SPDX-License-Identifier: GPL-2.0-or-later
"""copiesload: what a second copy of each page costs.

Two guests of the same size, each with an arbiter and a pager of its own; the
pages of one go to one provider, those of the other to two.  By turns: an
eviction on command, and scattered pages that come back while nothing else is
done.  A fault's floor is the guest with one copy; an eviction's is the floor
of evict, which sends each page once.
"""
import statistics

from lab import LabError, wait_for

MIB = 1 << 20
PAGE = 4096


def all_copied(product):
    """Has each provider what the others have?"""
    stored = product.stored()
    return min(stored) > 0 and max(stored) == min(stored)


def evict(product, size):
    """Pages a second."""
    done = product.vmm.ask(f"evict {size * MIB}")
    if done["status"]:
        raise LabError(f"copies: evict: status {done['status']}")
    return done["pages"] / done["seconds"]


def run(bench, product):
    mem = 128 if bench.args.short else 1024
    size, touches = mem // 8, mem * 8
    faults, rates, floors = {1: [], 2: []}, {1: [], 2: []}, []
    with product(bench, mem, mem) as one, \
            product(bench, mem, mem, copies=2) as two:
        both = {1: one, 2: two}
        for guest in both.values():
            guest.vmm.ask("fill")
            # Leases and management come with the first, and second places.
            guest.vmm.ask(f"evict {mem // 4 * MIB}")
            wait_for("all copies", lambda guest=guest: all_copied(guest), 30)
        for n in range(bench.rounds):
            bench.say(f"copies: round {n + 1} of {bench.rounds}")
            floors.append(bench.floor("floor-evict",
                                      f"--pages={size // 2 * MIB // PAGE}"))
            for copies in sorted(both, reverse=n % 2):
                rates[copies].append(evict(both[copies], size))
                faults[copies].append(bench.touch(both[copies], touches))
        wait_for("all copies", lambda: all_copied(two), 30)
    middle = {c: statistics.median(f["p50_ns"] for f in faults[c]) / 1e3
              for c in faults}
    bench.add("copies", "fault_p50", "us", middle[2], middle[1],
              {f"p99 with {c}": statistics.median(
                  f["p99_ns"] for f in faults[c]) / 1e3 for c in faults})
    all_of = bench.medians(floors, "pages_per_s")
    bench.add("copies", "evict", "pages/s", statistics.median(rates[2]),
              max(all_of.values()),
              {**{f"floor {v}": rate for v, rate in all_of.items()},
               "with 1": statistics.median(rates[1])})
