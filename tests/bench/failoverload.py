# SPDX-License-Identifier: GPL-2.0-or-later
"""arbiter-failover: what a failed arbiter costs those who ask for memory.

Real daemons in network namespaces (tests/integration/failover.py), at a
heartbeat of a second: seconds until the next grant if one of two arbiters
dies, or hangs; seconds until a grant after both have died and one is back; and
how much VMs lease while each arbiter sees half of the cluster. Of several
rounds the worst counts. The floors are the same grant with nothing dead, and
what the provider offers.
"""
import os
import signal
import statistics
import sys

MIB = 1 << 20


def run(bench):
    sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..",
                                    "integration"))
    import failover
    build, rounds = bench.args.build, 1 if bench.args.short else 3

    def add(metric, unit, value, floor, peers):
        bench.add("arbiter-failover", metric, unit, value, floor, peers)

    bench.say("arbiter-failover: one of two dies")
    seen = {name: [failover.one_dies(build, how) for _ in range(rounds)]
            for name, how in (("dies", signal.SIGKILL),
                              ("hangs", signal.SIGSTOP))}
    both = seen["dies"] + seen["hangs"]
    add("one_dies", "s", max(took for _, took in both),
        statistics.median(usual for usual, _ in both),
        {name: statistics.median(took for _, took in times)
         for name, times in seen.items()})
    bench.say("arbiter-failover: all die, one comes back")
    back = [failover.all_die(build, 0 if bench.args.short else 14)
            for _ in range(rounds)]
    add("all_die", "s", max(took for _, took in back),
        statistics.median(usual for usual, _ in back),
        {"median": statistics.median(took for _, took in back)})
    bench.say("arbiter-failover: each sees half of the cluster")
    most, offered = failover.split(build)
    add("split", "MiB", most / MIB, offered / MIB,
        {"beyond": max(most - offered, 0) / MIB})
