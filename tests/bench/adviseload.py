# SPDX-License-Identifier: GPL-2.0-or-later
"""adviseload: what less local memory would cost, as predicted and as it is.

A guest whose memory is all here is observed while it visits its pages at a pace
that it would have with less as well.  Others of the same size, with less local
memory, then make the same visits, and the pages that come back are counted.
Uniform, zipf, and a scan that goes through memory in turn.  The value is what
was predicted, the floor what it is: a ratio of 1 is right.  Both are for a
thousand visits, so what the guest would stall is taken out of the prediction
again.  Where the machine is too busy for the pace the figures mean nothing:
memory has not been gone through often enough.  Then the verdict says so.

What it costs to be observed: visits a second of a guest that is, beside one
that is not, both with all of their memory here, by turns.
"""
import statistics
import time

from lab import LabError, wait_for

PATTERNS = ("uniform", "zipf", "sequential")
PERCENTS = (75, 50, 25)
WITHIN = 0.2                    # of what it is
COST = 0.98                     # of the visits of one that is not observed
KEPT = 0.9                      # of the pace, by all


def metrics(short):
    found = {f"{p}_{n}" for p in PATTERNS for n in PERCENTS}
    return ({"zipf_50", "observed_visits"} if short
            else found | {"observed_visits"})


def verdict(r):
    if r["metric"] == "observed_visits":
        return r["ratio"] >= COST, f"ratio >= {COST}"
    if r["peers"]["kept"] < KEPT:
        return False, "the machine is too busy for this"
    good = 1 - WITHIN <= r["ratio"] <= 1 + WITHIN
    return good, f"within {WITHIN:.0%}"


def visit(vmm, pattern, seconds, pace=0, seed=1):
    done = vmm.ask(f"access {pattern} 1 0 0 {int(seconds * 1000)} {seed}"
                   f"{f' {pace}' if pace else ''}")
    if done["wrong"]:
        raise LabError(f"{done['wrong']} pages were wrong")
    return done


def advice(product, number):
    """Of the guest with that --number; all have the same name."""
    return product.admin("requester", "advise", vm=(
        f"be9c{number:02x}00-0000-0000-0000-000000000000"))


def predicted(product, vmm, plan, pattern):
    """{percent: pages for 1000 visits}, of a guest that is observed from now
    on; and how much of the pace was kept."""
    done = visit(vmm, pattern, plan["watch"], plan["pace"])
    pace = done["visits"] / plan["watch"] / 1000
    told = wait_for("the advice", lambda: advice(product, 2), 5)
    if told["wait_seconds"]:
        raise LabError(f"{pattern}: nothing is told after {plan['watch']} s: "
                       f"{told['notes']}")
    return {size["local_percent"]: size["pages_per_second"] / pace /
            (1 - size["stalled_percent"] / 100)
            for size in told["sizes"]}, pace * 1000 / plan["pace"]


def measured(vmm, plan, pattern):
    """Pages that come back for 1000 visits; how much of the pace was kept."""
    warm = visit(vmm, pattern, plan["warm"], plan["pace"], seed=2)
    time.sleep(0.2)             # figures come ten times a second
    before = vmm.ask("stats")
    done = visit(vmm, pattern, plan["run"], plan["pace"])
    time.sleep(0.2)
    after = vmm.ask("stats")
    return ((after["fetched_pages"] - before["fetched_pages"]) /
            done["visits"] * 1000), min(
                warm["visits"] / plan["warm"], done["visits"] / plan["run"]
            ) / plan["pace"]


def one_pattern(bench, product_of, plan, pattern):
    mem = plan["mem"]
    with product_of(bench, mem, mem, room=2 * mem) as product:
        product.vmm.stop()
        observed = product.guest(mem, mem, "--number=2", "--observe=1")
        try:
            observed.ask("fill")
            bench.say(f"advise: {pattern}: observed")
            told, kept = predicted(product, observed, plan, pattern)
        finally:
            observed.stop()
        for number, percent in enumerate(plan["percents"], 3):
            bench.say(f"advise: {pattern}: with {percent} %")
            guest = product.guest(mem, mem * percent // 100,
                                  f"--number={number}")
            try:
                guest.ask("fill")
                real, also = measured(guest, plan, pattern)
            finally:
                guest.stop()
            bench.add("advise", f"{pattern}_{percent}", "pages/1000",
                      told[percent], real,
                      {"pace": plan["pace"], "kept": min(kept, also)})


def cost(bench, product_of, plan):
    rounds = 1 if bench.args.short else 9
    seconds = 1 if bench.args.short else 3
    mem = plan["mem"]
    got = {"observed": [], "not": []}
    with product_of(bench, mem, mem, room=2 * mem) as product:
        observed = product.guest(mem, mem, "--number=2", "--observe=1")
        guests = {"observed": observed, "not": product.vmm}
        try:
            for guest in guests.values():
                guest.ask("fill")
            time.sleep(3)       # until its memory is registered
            for n in range(rounds):
                bench.say(f"advise: cost, round {n + 1} of {rounds}")
                for name in sorted(guests, reverse=n % 2):
                    done = visit(guests[name], "uniform", seconds)
                    got[name].append(done["visits"] / seconds)
        finally:
            observed.stop()
    middle = {name: statistics.median(all_of) for name, all_of in got.items()}
    bench.add("advise", "observed_visits", "visits/s", middle["observed"],
              middle["not"], {"least": min(got["observed"]),
                              "most": max(got["observed"])})


def run(bench, product_of):
    plan = {"mem": 128, "pace": 4000, "watch": 50, "warm": 25, "run": 20,
            "percents": PERCENTS}
    patterns = PATTERNS
    if bench.args.short:
        plan.update(mem=64, watch=36, warm=6, run=4, percents=(50,))
        patterns = ("zipf",)
    for pattern in patterns:
        one_pattern(bench, product_of, plan, pattern)
    cost(bench, product_of, plan)
