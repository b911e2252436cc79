# SPDX-License-Identifier: GPL-2.0-or-later
"""peerload: the same visits through rcached and through what else there is.

A guest's memory is larger than what may be of it here; access.c visits its
pages, the same code with the same seeds for all: rcached (plain, sealed, with
two copies), a process in a memory cgroup whose memory the kernel swaps to
zram, to a file, and to stock parts over the network (peerswap.py), and the
floor, a bare pager that knows the order of visits (floor-pager.c).  Each round
starts all of them anew, one after the other, in an order that turns from round
to round, each filled and then run through all patterns.  Nobody is pinned to a
CPU: there are as many processes as each needs, and the scheduler has them all.

A figure is the median of the rounds.  Each sample goes into a file in the build
folder, and so do the plots (peerplot.py).  A peer that is not to be had here,
or whose guest does not survive, is absent, with its reason.
"""
import contextlib
import errno
import json
import os
import platform
import select
import statistics
import subprocess
import time

import peerplot
from lab import LabError, signals_later, wait_for
from peerswap import (Absent, Cgroup, Stock, SwapFile, Undo, Zram,
                      pages_swapped, swaps)

MIB = 1 << 20
PAGE = 4096
RCACHED = {"rcached": {}, "sealed": {"seal": 1}, "copies2": {"copies": 2}}
SWAPPED = (SwapFile, Zram, Stock)
WINDOWS = (32, 128)             # pages that the floor reads ahead
# Guest memory that is here, of all of it: the patterns, in their order.  Of
# each: its name here, access_parse()'s words, its unit.
PATTERNS = {
    4: (("zipf_25", "zipf 1 10", "visits/s"),
        ("uniform_1", "uniform 1 0", "visits/s"),
        ("uniform_4", "uniform 4 0", "visits/s"),
        ("uniform_16", "uniform 16 0", "visits/s"),
        ("seq_read", "sequential 1 0", "MiB/s"),
        ("seq_write", "sequential 1 100", "MiB/s"),
        ("strided", "strided 1 0", "MiB/s"),
        ("interleaved", "interleaved 1 0", "MiB/s")),
    2: (("zipf_50", "zipf 1 10", "visits/s"),),
}
LATENCIES = (("uniform_1", "p50"), ("uniform_1", "p99"))
REFAULTS = ("zipf_25", "zipf_50")
METRICS = {name for group in PATTERNS.values() for name, _, _ in group} | {
    f"{name}_pager_cpu" for group in PATTERNS.values() for name, _, _ in group
} | {f"{name}_{quantile}" for name, quantile in LATENCIES} | {
    f"{name}_waits" for name in REFAULTS}


class Guest:
    """bench-swap, bench-floor-pager: commands and answers, a line each."""

    def __init__(self, argv, log):
        self.log = log
        with open(log, "ab") as err:
            self.popen = subprocess.Popen(argv, stdin=subprocess.PIPE,
                                          stdout=subprocess.PIPE, stderr=err)
        self.pid = json.loads(self.line(30))["pid"]

    def line(self, seconds):
        if not select.select([self.popen.stdout], [], [], seconds)[0]:
            raise LabError(f"its guest says nothing for {seconds} s")
        line = self.popen.stdout.readline()
        if not line:
            status = self.popen.wait()
            with open(self.log, errors="replace") as f:
                said = f.read()[-300:].strip()
            raise LabError("its guest was killed" if status == -9 else
                           f"its guest ended with {status}: {said}")
        return line

    def ask(self, command):
        self.popen.stdin.write(command.encode() + b"\n")
        self.popen.stdin.flush()
        return json.loads(self.line(240))

    def stop(self):
        """False if it does not end: it waits for a page."""
        self.popen.kill()
        try:
            self.popen.wait(30)
            return True
        except subprocess.TimeoutExpired:
            return False


# -------------------------------------------------------------------- peers

def same_priority(pid):
    """The pager has a session of its own, and with it, on a desktop's kernel,
    a share of the CPUs that does not follow from the bench's."""
    with contextlib.suppress(OSError, ValueError):
        with open("/proc/self/autogroup", encoding="ascii") as f:
            nice = int(f.read().split()[-1])
        with open(f"/proc/{pid}/autogroup", "w", encoding="ascii") as f:
            f.write(str(nice))


class Rcached:
    """One of RCACHED; CPU time is that of its pager and its providers."""

    def __init__(self, load, name):
        self.load = load
        self.name = name

    @contextlib.contextmanager
    def started(self, mem, local):
        with self.load.product(self.load.bench, mem, local,
                               pinned=False, **RCACHED[self.name]) as product:
            same_priority(product.pager)
            product.vmm.ask("fill")
            self.product = product
            self.local = local
            # Until it has its leases a guest has more here than it may.
            wait_for("the guest to come down to its limit",
                     lambda: self.here() <= local * 1.02, 30)
            yield

    def here(self):
        """MiB of the guest."""
        return self.product.vmm.ask("stats")["memfd"] / MIB

    def cpu(self):
        return {"pager": self.load.cpu_seconds(self.product.pager),
                "providers": sum(self.load.cpu_seconds(p.pid)
                                 for p in self.product.providers)}

    def visit(self, command):
        before = self.cpu()
        done = self.product.vmm.ask(command)
        after = self.cpu()
        for name, seconds in before.items():
            done[f"{name}_cpu"] = after[name] - seconds
        done["here_mib"] = self.here()
        if done["here_mib"] > self.local * 1.1:
            raise LabError(f"{self.name}: {done['here_mib']:.0f} MiB are here "
                           f"where {self.local} may be")
        return done


class Floor:
    """The bare pager, with one of WINDOWS."""

    def __init__(self, load, window):
        self.load = load
        self.window = window
        self.name = f"floor {window}"

    @contextlib.contextmanager
    def started(self, mem, local):
        guest = Guest(
            [self.load.bench.program("tests", "bench", "bench-floor-pager"),
             f"--mem={mem}", f"--local={local}", f"--window={self.window}"],
            self.load.path("floor.log"))
        try:
            guest.ask("fill")
            self.guest = guest
            yield
        finally:
            guest.stop()

    def visit(self, command):
        return self.guest.ask(command)


class Swapped:
    """A process in a cgroup, and one swap device."""

    def __init__(self, load, kind):
        self.load = load
        self.name = kind.name
        self.device = kind(load.folder, load.undo)

    @contextlib.contextmanager
    def started(self, mem, local):
        began = len(self.load.undo.steps)
        guest = None
        try:
            # A signal waits until what has been made is noted.
            with signals_later():
                self.on = self.device.on((mem + 64) * MIB)
                self.cgroup = cgroup = Cgroup(self.load.undo)
            guest = Guest(
                [self.load.bench.program("tests", "bench", "bench-swap"),
                 cgroup.path("cgroup.procs"), f"--mem={mem}"],
                self.load.path(f"{self.name}.guest.log"))
            # What it has beside the guest's memory, and that one's tables.
            cgroup.limit(local * MIB + cgroup.usage() + mem * MIB // 512)
            guest.ask("fill")
            self.guest = guest
            self.has_swapped(mem - local)
            yield
        finally:
            if guest and not guest.stop():
                # It waits for a page: without the device that fails.
                for process in self.device.processes:
                    process.stop()
                guest.stop()
            with signals_later():
                self.load.undo.back_to(began)
                self.device.off()

    def has_swapped(self, mib):
        used = swaps().get(self.on, 0)
        if used < mib * MIB * 0.8:
            raise LabError(f"{used // MIB} of {mib} MiB are on {self.on}")

    def visit(self, command):
        foreign = {d: n for d, n in swaps().items() if d != self.on}
        before = pages_swapped()
        try:
            done = self.guest.ask(command)
        except LabError as error:
            if self.cgroup.kills():
                raise LabError("the kernel killed its guest, in want of "
                               "memory in the cgroup") from error
            raise
        done["swapped_in"], done["swapped_out"] = (
            after - then for after, then in zip(pages_swapped(), before))
        if not done["swapped_in"]:
            raise LabError(f"nothing came from {self.on}")
        for device, used in swaps().items():
            if device != self.on and used > foreign.get(device, 0):
                raise LabError(f"{device} was swapped to as well")
        return done


# -------------------------------------------------------------------- rounds

class Load:
    def __init__(self, bench, product, cpu_seconds):
        self.bench = bench
        self.product = product
        self.cpu_seconds = cpu_seconds
        args = bench.args
        self.mem = 64 if args.short else 512
        self.rounds = args.rounds or (1 if args.short else 3)
        self.ms = int((args.seconds or (0.3 if args.short else 2)) * 1000)
        self.folder = os.path.join(os.path.abspath(args.build), "peers")
        os.makedirs(self.folder, exist_ok=True)
        self.undo = Undo(self.folder)
        self.samples = []
        self.absent = {}            # {peer: reason}
        self.broken = {}            # those of them that should be there
        self.failed = []            # (peer, pattern, round, reason)

    def path(self, name):
        return os.path.join(self.folder, name)

    def peers(self):
        return ([Rcached(self, name) for name in RCACHED] +
                [Swapped(self, kind) for kind in SWAPPED] +
                [Floor(self, window) for window in WINDOWS])

    def one(self, peer, share, number):
        """A round of one peer: all patterns of which one in @share is here.
        One whose guest does not survive a pattern goes on without it."""
        local = self.mem // share
        left = list(PATTERNS[share])
        while left:
            with peer.started(self.mem, local):
                while left:
                    name, words, _ = left.pop(0)
                    try:
                        done = self.visit(peer, words, number)
                    except LabError as error:
                        if not isinstance(peer, Swapped):
                            raise
                        self.failed.append((peer.name, name, number,
                                            str(error)))
                        self.bench.say(f"peers: {peer.name}, {name}: {error}")
                        break
                    self.samples.append({
                        "round": number, "peer": peer.name, "pattern": name,
                        "local_mib": local, **done})

    def visit(self, peer, words, number):
        """A sample; of more time on a machine that has none for the guest."""
        for ms in (self.ms << n for n in range(6)):
            command = f"access {words} {ms // 2} {ms} {number}"
            done = peer.visit(command)
            if done["visits"]:
                break
        return {"command": command, "ms": ms, **done}

    def round(self, number, share):
        peers = self.peers()
        turn = number % len(peers)
        for peer in peers[turn:] + peers[:turn]:
            if peer.name in self.absent:
                continue
            self.bench.say(f"peers: 1/{share} here, round {number + 1} of "
                           f"{self.rounds}: {peer.name}")
            try:
                self.one(peer, share, number)
            except (Absent, LabError, OSError) as error:
                if not isinstance(peer, Swapped):
                    raise
                self.drop(peer, error)
        for sample in self.samples:
            if sample["wrong"] or not sample["visits"]:
                raise LabError(f"{sample['peer']}, {sample['pattern']}: "
                               f"{sample['wrong']} wrong pages in "
                               f"{sample['visits']} visits")

    def drop(self, peer, error):
        reason = str(error) or type(error).__name__
        self.bench.say(f"peers: without {peer.name}: {reason}")
        self.absent[peer.name] = reason
        forbidden = isinstance(error, OSError) and error.errno in (
            errno.EPERM, errno.EACCES, errno.EROFS)
        if not isinstance(error, Absent) and not forbidden:
            self.broken[peer.name] = reason

    def save(self):
        with open(self.path("samples.json"), "w", encoding="utf-8") as f:
            json.dump({
                "date": time.strftime("%Y-%m-%d %H:%M:%S %z"),
                "kernel": platform.release(), "cpus": os.cpu_count(),
                "cpu": cpu_model(), "guest_mib": self.mem,
                "rounds": self.rounds, "milliseconds": self.ms,
                "absent": self.reasons(), "samples": self.samples}, f, indent=1)

    def reasons(self):
        """{who is not there, or in what: why}"""
        return {**self.absent, **{
            f"{peer}, {pattern}, round {number + 1}": reason
            for peer, pattern, number, reason in self.failed}}

    # ---------------------------------------------------------------- figures

    def of(self, peer, pattern):
        return [s for s in self.samples
                if (s["peer"], s["pattern"]) == (peer, pattern)]

    def middle(self, peer, pattern, figure):
        """The median of a figure of each sample; None without any."""
        values = [figure(s) for s in self.of(peer, pattern)]
        return statistics.median(values) if values else None

    def row(self, metric, unit, pattern, figure, floor, most=max):
        """A row; @floor: of a sample of the floor, or a figure."""
        if callable(floor):
            floor = most(self.middle(f"floor {w}", pattern, floor)
                         for w in WINDOWS)
        peers = {p.name: self.middle(p.name, pattern, figure(p.name))
                 for p in self.peers()
                 if not isinstance(p, Floor) and p.name != "rcached"}
        self.bench.add("peers", metric, unit,
                       self.middle("rcached", pattern, figure("rcached")),
                       floor, {name: value for name, value in peers.items()
                               if value is not None})

    @staticmethod
    def rate(unit):
        scale = PAGE / MIB if unit == "MiB/s" else 1

        def figure(sample):
            return sample["visits"] / (sample["ms"] / 1000) * scale
        return figure

    def optimum(self, pattern):
        """Waits a visit, had somebody known all visits of rcached's rounds."""
        shares = []
        for sample in self.of("rcached", pattern):
            done = subprocess.run(
                [self.bench.program("tests", "bench", "bench-replay"),
                 sample["command"], f"--mem={self.mem}",
                 f"--local={sample['local_mib']}",
                 f"--warm={sample['warm_visits']}",
                 f"--visits={sample['visits']}"],
                capture_output=True, text=True, check=True)
            shares.append(json.loads(done.stdout)["misses"] /
                          sample["visits"])
        return statistics.median(shares)

    def rows(self):
        named = [(name, unit) for group in PATTERNS.values()
                 for name, _, unit in group]
        for name, unit in named:
            figure = self.rate(unit)
            self.row(name, unit, name, lambda _, figure=figure: figure,
                     figure)
        for name, quantile in LATENCIES:
            def latency(sample, key=f"{quantile}_ns"):
                return sample[key] / 1e3
            self.row(f"{name}_{quantile}", "us", name,
                     lambda _, latency=latency: latency, latency, min)
        for name in REFAULTS:
            def waits(sample):
                return sample["away"] / sample["visits"] * 1000
            self.row(f"{name}_waits", "/1000 visits", name,
                     lambda _, waits=waits: waits, self.optimum(name) * 1000)
        for name, _ in named:
            self.cpu_row(name)

    def cpu_row(self, name):
        """CPU time of the pager alone, for each visit."""
        def cpu(sample, who="pager"):
            return sample[f"{who}_cpu"] / (
                sample["visits"] + sample["warm_visits"]) * 1e6
        floor = min(self.middle(f"floor {w}", name, cpu) for w in WINDOWS)
        peers = {"provider": self.middle(
            "rcached", name, lambda s: cpu(s, "providers")),
            **{p: self.middle(p, name, cpu) for p in RCACHED
               if p != "rcached"}}
        self.bench.add("peers", f"{name}_pager_cpu", "us/visit",
                       self.middle("rcached", name, cpu), floor, peers)


def cpu_model():
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as f:
        for line in f:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def run(bench, product, cpu_seconds):
    load = Load(bench, product, cpu_seconds)
    try:
        for share in PATTERNS:
            for number in range(load.rounds):
                load.round(number, share)
    finally:
        with signals_later():
            load.undo.back_to(0)
        load.save()
    load.rows()
    peerplot.draw(bench, load)
    bench.absent, bench.broken = load.reasons(), load.broken


def verdict(result):
    """A pattern is to be at least as fast as stock parts are."""
    stock = result["peers"].get("stock")
    if stock is None or result["unit"] not in ("visits/s", "MiB/s"):
        return None
    return result["value"] >= stock, f">= {stock:,.0f} of stock"


def problems(results, broken):
    """What makes no sense; not what is slow."""
    wrong = [f"peers: {name}: {why}" for name, why in broken.items()]
    for r in results:
        name = f"peers {r['metric']}"
        if not 0.01 < r["ratio"] < 200 and "_p99" not in r["metric"]:
            wrong.append(f"{name}: {r['ratio']} of the floor")
        wrong += [f"{name}: {peer} is not above zero"
                  for peer, value in r["peers"].items() if value <= 0]
        # Nobody waits for fewer pages than who knows all visits before.
        if r["metric"].endswith("_waits") and r["ratio"] < 0.999:
            wrong.append(f"{name}: {r['ratio']} of the best there can be")
    return wrong
