# SPDX-License-Identifier: GPL-2.0-or-later
"""maxmemload: what room for memory that may be plugged later costs.

Two guests of the same size, each with an arbiter, a provider and a pager of
its own, the one with a word table for what it has, the other with one for as
much as 500 GiB more.  By turns: an eviction of some memory on command, and
scattered pages that come back.  Measured is what the pagers take of memory at
rest, and of a CPU for each page; the floor is the guest without the room.
"""
import os
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "integration"))
from attaches import memory as memory_of  # noqa: E402

MIB = 1 << 20
PAGE = 4096
ROOM = 500 << 10                # MiB


def one_round(bench, product, cpu_seconds, size, touches):
    """CPU of the pager: (ns a page that goes, ns a page that comes)."""
    before = cpu_seconds(product.pager)
    gone = product.vmm.ask(f"evict {size * MIB}")["pages"]
    between = cpu_seconds(product.pager)
    came = bench.touch(product, touches)["touched"]
    after = cpu_seconds(product.pager)
    return ((between - before) / max(gone, 1) * 1e9,
            (after - between) / max(came, 1) * 1e9)


def run(bench, product, cpu_seconds):
    mem = 128 if bench.args.short else 512
    size, touches = mem // 8, mem * 16
    rounds = 1 if bench.args.short else 9
    with product(bench, mem, mem) as small, \
            product(bench, mem, mem, maxmem=mem + ROOM) as large:
        both = {"without": small, "with": large}
        for guest in both.values():
            guest.vmm.ask("fill")
        time.sleep(1)
        memory = {n: memory_of(p.pager) for n, p in both.items()}
        for guest in both.values():     # leases and management come with it
            guest.vmm.ask(f"evict {size * MIB}")
        costs = {n: [] for n in both}
        for n in range(rounds):
            bench.say(f"maxmem: round {n + 1} of {rounds}")
            for name in sorted(both, reverse=n % 2):
                costs[name].append(one_round(
                    bench, both[name], cpu_seconds, size, touches))
    for at, metric in enumerate(("pager_memory", "pager_locked")):
        bench.add("maxmem", metric, "bytes", memory["with"][at],
                  memory["without"][at],
                  {"pages there is room for": (mem + ROOM) * MIB // PAGE,
                   "guest pages": mem * MIB // PAGE})
    for at, metric in enumerate(("evict_cpu", "fault_cpu")):
        middle = {n: statistics.median(c[at] for c in costs[n])
                  for n in both}
        bench.add("maxmem", metric, "ns/page", middle["with"],
                  middle["without"],
                  {f"{n} {word}": of(c[at] for c in costs[n])
                   for n in both
                   for word, of in (("least", min), ("most", max))})
