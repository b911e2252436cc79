# SPDX-License-Identifier: GPL-2.0-or-later
"""cleanload: pages that leave without being sent (keep-clean=yes).

All of a guest's memory is sent away, part of it comes back and is only read,
and goes again on command: by then all that is here is clean.  Its floor is that
of evict, a bare loop that sends each page.  Beside the rate stands what went
through the loopback interface meanwhile for each page, heartbeats and all.
"""
import statistics

from lab import LabError, wait_for

MIB = 1 << 20
PAGE = 4096


def sent():
    """Bytes that have gone through the loopback interface so far."""
    with open("/proc/net/dev", encoding="ascii") as f:
        for line in f:
            name, _, figures = line.partition(":")
            if name.strip() == "lo":
                return int(figures.split()[8])
    raise LabError("clean: there is no loopback interface")


def evict(product, what):
    done = product.vmm.ask(what)
    if done["status"]:
        raise LabError(f"clean: {what}: status {done['status']}")
    return done


def left_clean(product):
    return sum(vm["left_clean_pages"] or 0
               for vm in product.admin("requester", "vms"))


def run(bench, product):
    mem, size = (128, 32) if bench.args.short else (1024, 128)
    pages = size * MIB // PAGE
    rates, per_page, floors, gone = [], [], [], 0
    with product(bench, mem, mem, keep_clean=True) as guest:
        guest.vmm.ask("fill")
        evict(guest, f"evict {(mem - 1) * MIB}")
        for n in range(bench.rounds):
            bench.say(f"clean: round {n + 1} of {bench.rounds}")
            floors.append(bench.floor("floor-evict",
                                      f"--pages={pages // 2}"))
            bench.touch(guest, pages)
            before = sent()
            done = evict(guest, f"evict {size * MIB - PAGE}")
            per_page.append((sent() - before) / done["pages"])
            rates.append(done["pages"] / done["seconds"])
            gone += done["pages"]
        # It is told once a second.
        wait_for("as many pages to have left unsent",
                 lambda: left_clean(guest) > 0.9 * gone, 5)
    all_of = bench.medians(floors, "pages_per_s")
    bench.add("clean", "evict", "pages/s", statistics.median(rates),
              max(all_of.values()),
              {f"floor {v}": rate for v, rate in all_of.items()})
    bench.add("clean", "sent", "bytes/page", statistics.median(per_page),
              PAGE, {"least": min(per_page), "most": max(per_page)})
