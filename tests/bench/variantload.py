# SPDX-License-Identifier: GPL-2.0-or-later
"""variantload: what protection costs, beside none.

One guest for each variant, with an arbiter, a provider and a pager of its own,
all at once and measured by turns: scattered pages that come back, one at a
time, and an eviction on command. The floor is the variant "plain": its pages
are authenticated but not encrypted, its connections are without TLS. The
CPU time of the pager, and of the provider, says more than the clock does where
the machine has other things to do; beside it stands what the cipher alone
costs (floor-cipher.c), once for each end of TLS and once for the seal.
"""
import contextlib
import statistics

MIB = 1 << 20
# What each is started with: see Product.
VARIANTS = {"plain": {"seal": 0}, "seal": {"seal": 1}, "tls": {"tls": True},
            "tls_seal": {"seal": 1, "tls": True}}
METRICS = {"fault_p50": "us", "fault_p99": "us", "fault_cpu": "ns/page",
           "fault_provider_cpu": "ns/page", "evict_rate": "pages/s",
           "evict_cpu": "ns/page", "evict_provider_cpu": "ns/page"}


def one_round(bench, product, cpu_seconds, size, touches):
    def spent():
        return [cpu_seconds(pid)
                for pid in (product.pager, product.providers[0].pid)]

    before = spent()
    gone = product.vmm.ask(f"evict {size * MIB}")
    between = spent()
    came = bench.touch(product, touches)
    after = spent()
    pager, provider = ((b - a) / gone["pages"] * 1e9
                       for a, b in zip(before, between))
    got = {"evict_rate": gone["pages"] / gone["seconds"],
           "evict_cpu": pager, "evict_provider_cpu": provider}
    pager, provider = ((b - a) / came["touched"] * 1e9
                       for a, b in zip(between, after))
    return {**got, "fault_p50": came["p50_ns"] / 1e3,
            "fault_p99": came["p99_ns"] / 1e3,
            "fault_cpu": pager, "fault_provider_cpu": provider}


def run(bench, product, cpu_seconds):
    mem = 128 if bench.args.short else 512
    size, touches = mem // 8, mem * 8
    rounds = 1 if bench.args.short else 9
    with contextlib.ExitStack() as stack:
        guests = {name: stack.enter_context(product(bench, mem, mem, **how))
                  for name, how in VARIANTS.items()}
        for guest in guests.values():
            guest.vmm.ask("fill")       # leases and management come with it
            guest.vmm.ask(f"evict {size * MIB}")
        got, ciphers = {name: [] for name in guests}, []
        for n in range(rounds):
            bench.say(f"variants: round {n + 1} of {rounds}")
            ciphers.append(bench.floor("floor-cipher"))
            for name in sorted(guests, reverse=n % 2):
                got[name].append(one_round(bench, guests[name],
                                           cpu_seconds, size, touches))
    cipher = bench.medians(ciphers, "ns_per_page")
    for name in VARIANTS:
        for metric, unit in METRICS.items():
            if name == "plain":
                continue
            middle = {v: statistics.median(r[metric] for r in rounds)
                      for v, rounds in got.items()}
            peers = {f"{v} {word}": of(r[metric] for r in got[v])
                     for v in (name, "plain")
                     for word, of in (("least", min), ("most", max))}
            if unit == "ns/page":
                peers.update(cipher)
            bench.add("variants", f"{name}_{metric}", unit, middle[name],
                      middle["plain"], peers)
