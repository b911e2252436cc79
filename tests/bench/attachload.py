# SPDX-License-Identifier: GPL-2.0-or-later
"""attachload: how long a guest waits when its pager is killed.

A guest of each size, once with all of it here but a little (and so in one
piece in its memfd), once with three quarters away. Its pager is killed, and
two threads of the guest touch pages, one such that are away, the other such
that are here and not mapped, until the next pager knows all pages. The first
page that each gets counts, from the kill on: the old pager's end, the next
one's start and its sessions with providers are in it. The guest of the fake
VMM answers nothing itself meanwhile, as QEMU does for pages that are here.

The floor of the first page is what the start of another process costs here:
kill one, start the daemon's program, and hear that it has ended. The floor of
"all known" is that and one look at each word and each page of the memfd.

Then the guest with three quarters away works, reading and writing pages all
over its memory, and its pager is killed many times, each at another moment. A
pause is the longest wait for a page that such a kill costs.
"""
import random
import subprocess
import time

from lab import LabError, wait_for

MIB = 1 << 20
PAGE = 4096
AWAY = 16                       # MiB: "all here" has so much away
SPARE = 1536                    # MiB that others may need meanwhile
# What is wanted: the first page within so much, whatever the size (all sizes
# within 20 % of their middle); all pages within so much more for each GiB.
FIRST_MS, GIB_MS = 200.0, 50.0
FLAT = 1.2 / 0.8
# Pagers killed under load, and what 99 of 100 pauses are to be below.
KILLS, KILLS_SHORT = 100, 4
APART = 1.0                     # s: pagers that die sooner are held up
PAUSE_MS = 500.0


def available_mib():
    with open("/proc/meminfo", encoding="ascii") as f:
        for line in f:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) >> 10
    raise LabError("/proc/meminfo does not say what is available")


def name_of(mib):
    return f"{mib // 1024}G" if mib % 1024 == 0 else f"{mib}M"


def mib_of(text):
    """256M, 4G; ValueError."""
    units = {"M": 1, "G": 1024}
    if text[-1:] not in units or not 64 <= (
            mib := int(text[:-1]) * units[text[-1]]) <= 1 << 20:
        raise ValueError(text)
    return mib


def sizes_that_fit(bench, sizes):
    """Too large ones are left out, for the largest that fits."""
    room, fit = available_mib() - SPARE, []
    for size in sorted(set(sizes)):
        if size <= room:
            fit.append(size)
            continue
        bench.say(f"attach: a guest of {name_of(size)} is left out: "
                  f"{max(room, 0)} MiB of memory are free for it")
        largest = room // 1024 * 1024
        if largest > max(fit, default=0):
            fit.append(largest)
    if not fit:
        raise LabError("attach: no size fits into memory")
    return fit


def restart_ns(program):
    """Kill a process, start the daemon's program, wait until it has ended."""
    old = subprocess.Popen(["sleep", "600"])
    began = time.monotonic_ns()
    old.kill()
    old.wait()
    subprocess.run([program, "--version"], check=True,
                   stdout=subprocess.DEVNULL)
    return time.monotonic_ns() - began


def whole(product):
    """Nothing is outside management, and there is one pager to be killed."""
    stats = product.vmm.ask("stats")
    return stats["attaches"] and not stats["unmanaged"] and \
        product.pager_pid()


def kill_once(product):
    product.pager = wait_for("all of the guest to be managed",
                             lambda: whole(product), 300)
    done = product.vmm.ask(f"attach {product.pager}")
    product.pager = product.pager_pid()
    if done["wrong"]:
        raise LabError(f"attach: {done['wrong']} pages were wrong")
    if not done["known_ns"]:
        raise LabError("attach: the next pager does not come to know all "
                       "pages")
    if not done["away"] or not done["here"]:
        raise LabError(f"attach: pages touched: {done['away']} away, "
                       f"{done['here']} here")
    return done


def measure(bench, product, label, evict):
    """@bench.rounds kills; the medians, in ms."""
    rounds = []
    for n in range(bench.rounds):
        bench.say(f"attach: {label}: round {n + 1} of {bench.rounds}")
        evict(product)
        floor = restart_ns(bench.program("rcached", "rcached"))
        rounds.append({"": {**kill_once(product), "floor_ns": floor}})
    return {key[:-3]: value for key in rounds[0][""] if key.endswith("_ns")
            for value in [bench.medians(rounds, key)[""] / 1e6]}


def pause_once(bench, product, after_us):
    """One kill under load; (the pause, the floor), in ns."""
    floor = restart_ns(bench.program("rcached", "rcached"))
    pager = wait_for("all of the guest to be managed",
                     lambda: whole(product), 300)
    done = product.vmm.ask(f"pause {pager} {after_us}")
    if done["wrong"] or not done["touched"] or not done["pause_ns"]:
        raise LabError(f"attach: a pager killed under load: {done}")
    return done["pause_ns"], floor


def measure_pauses(bench, product, size):
    rng = random.Random(size)
    kills = KILLS_SHORT if bench.args.short else KILLS
    bench.say(f"attach: {name_of(size)}, under load: {kills} kills")
    got = []
    for _ in range(kills):
        time.sleep(APART)
        got.append(pause_once(bench, product, rng.randrange(200000)))
    pauses = sorted(pause / 1e6 for pause, _ in got)
    floor = sorted(floor / 1e6 for _, floor in got)[kills // 2]
    product.pager = product.pager_pid()
    for name, value in (("p50", pauses[kills // 2]),
                        ("p99", pauses[-(-kills * 99 // 100) - 1])):
        bench.add("attach", f"pause_{name_of(size)}_{name}", "ms", value,
                  floor, {"longest": pauses[-1], "kills": kills})


def add(bench, variant, size, got):
    floors = {"first_away": got["floor"], "first_here": got["floor"],
              "known": got["floor"] + got["sweep"]}
    common = {"old one dead": got["dead"], "ready": got["ready"]}
    more = {"first_away": {"longest later": got["longest_away"]},
            "first_here": {"longest later": got["longest_here"]},
            "known": {"GiB": size / 1024}}
    for metric, floor in floors.items():
        bench.add("attach", f"{variant}_{name_of(size)}_{metric}", "ms",
                  got[metric], floor, {**common, **more[metric]})


def add_flat(bench, variant, by_size):
    """The slowest size's first page beside the fastest one's."""
    for metric in ("first_away", "first_here"):
        values = {name_of(size): got[metric]
                  for size, got in by_size.items()}
        bench.add("attach", f"{variant}_{metric}_spread", "ms",
                  max(values.values()), min(values.values()), values)


def evict_some(product):
    done = product.vmm.ask(f"evict {AWAY * MIB}")
    if done["status"]:
        raise LabError(f"attach: evict: status {done['status']}")


def measure_here(bench, product_of, size):
    """The lease comes early: later on there may be no memory to lend."""
    with product_of(bench, size, size) as product:
        product.vmm.ask(f"fill-to {size // 4 * MIB // PAGE}")
        evict_some(product)
        product.vmm.ask("fill")
        return measure(bench, product, f"{name_of(size)}, here", evict_some)


def measure_away(bench, product_of, size):
    with product_of(bench, size, size // 4) as product:
        product.vmm.ask("fill")
        got = measure(bench, product, f"{name_of(size)}, away",
                      lambda product: product.evict_to(size // 4 * MIB))
        measure_pauses(bench, product, size)
        return got


def run(bench, product_of):
    """@product_of(bench, mem, local_max): a product with a guest."""
    got = {"here": {}, "away": {}}
    for size in sizes_that_fit(bench, bench.sizes):
        bench.say(f"attach: {name_of(size)}: filling")
        got["here"][size] = measure_here(bench, product_of, size)
        bench.say(f"attach: {name_of(size)}: filling, three quarters go")
        got["away"][size] = measure_away(bench, product_of, size)
    for variant, by_size in got.items():
        for size, figures in by_size.items():
            add(bench, variant, size, figures)
        if len(by_size) > 1:
            add_flat(bench, variant, by_size)


def verdict(result):
    """(is it good, what is wanted) of one of these figures, or None."""
    metric, value = result["metric"], result["value"]
    if metric.endswith("_spread"):
        return result["ratio"] <= FLAT, f"ratio <= {FLAT:.1f}"
    if metric.startswith("pause_"):
        return value < PAUSE_MS, f"value < {PAUSE_MS:.0f}"
    limit = FIRST_MS
    if metric.endswith("_known"):
        limit += GIB_MS * result["peers"]["GiB"]
    return value <= limit, f"value <= {limit:.0f}"


def problems(results):
    """Do the figures make sense?"""
    for r in results:
        name = f"attach {r['metric']}"
        if not r["value"] < 120e3:
            yield f"{name}: {r['value']} ms"
        if r["metric"].endswith("_known") and \
           r["value"] < r["peers"]["ready"]:
            yield f"{name}: all known before READY"
    for metric in ("p50", "p99"):
        if not any(r["metric"].startswith("pause_") and
                   r["metric"].endswith(metric) for r in results):
            yield f"attach pause_*_{metric} is missing"
    for variant in ("here", "away"):
        for metric in ("first_away", "first_here", "known"):
            if not any(r["metric"].startswith(variant + "_") and
                       r["metric"].endswith("_" + metric) for r in results):
                yield f"attach {variant}_*_{metric} is missing"
