# SPDX-License-Identifier: GPL-2.0-or-later
"""proactiveload: what proactive mode frees, and what that costs the guest.

A guest has written all of its memory and goes on with a third of it, zipf 0.99
over scattered pages, one visit in ten writes.  All of it may be here.  Measured
is how much is here in the end, how many visits it made in the last third of the
time and in all of it, and what it waited; beside the same guest, with the same
seeds, without proactive mode.  Rounds of both are by turns.  So that it takes a
minute and not ten, proactive-interval is half a second and not 6 s.
"""
import statistics

from lab import LabError

MIB = 1 << 20
TARGET = 1000                   # millionths: 0.1 %, the default
INTERVAL = "500ms"
CHUNK_MS = 5000


def product_class(product_of, on):
    """A Product whose requester decides often, and whose guest says so."""

    class Shrunk(product_of):
        def rcached(self, name, cpu, *options):
            if name == "requester":
                conf = self.path("requester.conf")
                with open(conf, "w", encoding="ascii") as f:
                    f.write(f"[pager]\nproactive-interval = {INTERVAL}\n"
                            "proactive-min = 5%\n")
                options += ("--config", conf)
            return super().rcached(name, cpu, *options)

        def guest(self, mem, local_max, *options):
            return super().guest(
                mem, local_max, *options, f"--visit={mem // 3}", "--vcpus=1",
                f"--proactive={2 if on else 1}", f"--stall-target={TARGET}")

    return Shrunk


def measure(bench, product_of, mem, chunks, seed):
    """{visits, all_visits, resident, waited}"""
    visits = []
    with product_of(bench, mem, mem) as product:
        product.vmm.ask("fill")
        before = product.vmm.ask("stats")
        for n in range(chunks):
            done = product.vmm.ask(f"access zipf 1 10 0 {CHUNK_MS} {seed + n}")
            if done["wrong"]:
                raise LabError(f"{done['wrong']} pages were wrong")
            visits.append(done["visits"])
        after = product.vmm.ask("stats")
    seconds = chunks * CHUNK_MS / 1e3
    last = visits[-max(chunks // 3, 1):]
    return {"visits": statistics.mean(last) * 1e3 / CHUNK_MS,
            "all_visits": sum(visits) / seconds,
            "resident": after["resident"] / MIB,
            "moved": (after["evicted_pages"] + after["faults_remote"] -
                      before["evicted_pages"] - before["faults_remote"]) *
            4096 / MIB / seconds,
            "stall": (after["waited_ns"] - before["waited_ns"]) / 1e7 /
            seconds}


def run(bench, product_of):
    rounds = 1 if bench.args.short else 3
    mem, chunks = (64, 3) if bench.args.short else (512, 24)
    found = {"on": [], "off": []}
    for n in range(rounds):
        for name in sorted(found, reverse=n % 2):
            bench.say(f"proactive={name}: round {n + 1} of {rounds}")
            found[name].append(measure(
                bench, product_class(product_of, name == "on"), mem, chunks,
                100 * n))
    on, off = ({key: statistics.median(r[key] for r in found[name])
                for key in found[name][0]} for name in ("on", "off"))
    bench.add("proactive", "resident", "MiB", on["resident"], off["resident"],
              {"freed": off["resident"] - on["resident"],
               "visited": mem // 3,
               "MiB a second moved": on["moved"]})
    bench.add("proactive", "visits", "visits/s", on["visits"], off["visits"],
              {"lost, %": 100 - 100 * on["visits"] / off["visits"]})
    bench.add("proactive", "all_visits", "visits/s", on["all_visits"],
              off["all_visits"],
              {"lost, %": 100 - 100 * on["all_visits"] / off["all_visits"]})
    bench.add("proactive", "stall", "% of a vCPU", max(on["stall"], 0.001),
              TARGET / 1e4, {"proactive=off": off["stall"]})
