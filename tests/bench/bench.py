#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""bench: the first figures of rcached, each beside its floor.

The daemons are the real ones, over loopback in a network namespace of their
own (ownnet.py), with bench-vmm for a guest; the floors (floor-*.c) are bare
loops that do only what cannot be left out, pinned the same way and run in
between, so that both see the same machine.  A floor is the fastest of its
variants in this run.  Figures are medians of rounds.
"""
import argparse
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import types

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "scripts", "lib"))
import arbiterload  # noqa: E402
import attachload  # noqa: E402
import cleanload  # noqa: E402
import copiesload  # noqa: E402
import failoverload  # noqa: E402
import floodload  # noqa: E402
import givebackload  # noqa: E402
import guestload  # noqa: E402
import maxmemload  # noqa: E402
import neighbourload  # noqa: E402
import ownnet  # noqa: E402
import peerload  # noqa: E402
import variantload  # noqa: E402
from lab import (Authority, JsonSocket, LabError, Process,  # noqa: E402
                 wait_for)

MIB = 1 << 20
PAGE = 4096
# What is wanted of a figure: at most so many times its floor, or at least.
TARGETS = {("fault-latency", "quiet_p50"): ("ratio <=", 1.15),
           ("fault-latency", "held_p50"): ("ratio <=", 2.0),
           ("evict", "rate"): ("ratio >=", 0.75),
           ("clean", "evict"): ("ratio >=", 5.0),
           ("clean", "sent"): ("value <", 64),
           ("copies", "fault_p50"): ("ratio <=", 1.15),
           ("copies", "evict"): ("ratio >=", 0.45),
           ("idle", "cpu"): ("value <", 1.0),
           ("variants", "tls_seal_fault_p50"): ("ratio <=", 1.35),
           ("variants", "tls_seal_evict_rate"): ("ratio >=", 0.6),
           ("maxmem", "pager_memory"): ("ratio <=", 1.05),
           ("maxmem", "pager_locked"): ("ratio <=", 1.05),
           ("maxmem", "evict_cpu"): ("ratio <=", 1.05),
           ("maxmem", "fault_cpu"): ("ratio <=", 1.05),
           ("giveback", "time"): ("value <", 10),
           ("neighbours", "p99"): ("ratio <=", 2.0),
           **{("floods", flood): ("ratio >=", 0.9)
              for flood in floodload.FLOODS},
           **{("floods", f"{flood}_lines"): ("value <=", 10)
              for flood in floodload.FLOODS},
           ("guest-overhead", "boot_cpu"): ("ratio <=", 1.02),
           ("guest-overhead", "page_cpu"): ("ratio <=", 1.02),
           ("arbiter-load", "cpu"): ("value <", 1.0),
           ("arbiter-load", "memory"): ("value <", 256),
           ("arbiter-load", "assign_p99"): ("value <=", 5.0),
           ("arbiter-load", "known_again"): ("value <", 5.0),
           ("arbiter-failover", "one_dies"): ("value <=", 1.0),
           ("arbiter-failover", "all_die"): ("value <=", 2.0),
           ("arbiter-failover", "split"): ("ratio <=", 1.0)}


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Cpus:
    """The guest shares a CPU with the provider, as two machines would not;
    the pager has one of its own.  The floors are pinned just so.  Or nobody
    is pinned."""

    def __init__(self, pinned=True):
        self.pager = self.provider = None
        self.guest = -1
        if not pinned:
            return
        cpus = sorted(os.sched_getaffinity(0))
        self.guest = self.provider = cpus[0]
        self.pager = cpus[1 % len(cpus)]

    def options(self):
        return [f"--guest-cpu={self.guest}", f"--pager-cpu={self.pager}",
                f"--provider-cpu={self.provider}"]


class Vmm:
    """bench-vmm and the conversation with it."""

    def __init__(self, argv, log):
        with open(log, "ab") as err:
            self.popen = subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=err, text=True)
        self.log = log
        self.pid = json.loads(self.line())["pid"]

    def line(self):
        line = self.popen.stdout.readline()
        if not line:
            with open(self.log, errors="replace") as f:
                raise LabError("bench-vmm ended: " + f.read()[-500:])
        return line

    def ask(self, command):
        self.popen.stdin.write(command + "\n")
        self.popen.stdin.flush()
        return json.loads(self.line())

    def stop(self):
        self.popen.kill()
        self.popen.wait()


class Product:
    """An arbiter, a requester with a guest, and a provider for each copy."""

    def __init__(self, bench, mem, local_max, maxmem=0, copies=1, seal=0,
                 tls=False, room=None, pinned=True, keep_clean=False):
        self.bench = bench
        self.room = room or mem
        self.cpus = bench.cpus if pinned else Cpus(pinned=False)
        self.copies = copies
        self.seal = seal
        self.keep_clean = keep_clean
        self.dir = tempfile.mkdtemp(prefix="rcached-bench-")
        self.processes = []
        self.vmm = None
        self.authority = None
        try:
            if tls:
                self.authority = Authority(self)
            self.start(mem, local_max, maxmem)
        except BaseException as error:
            if isinstance(error, LabError):
                self.show_logs()
            self.stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind and issubclass(kind, LabError):
            self.show_logs()
        self.stop()

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def program(self, name):
        """For Authority."""
        return self.bench.program("arbiter", name)

    def security(self, name, role):
        """What a daemon is told about TLS."""
        if not self.authority:
            return ["--tls", "none"]
        host = types.SimpleNamespace(
            name=name, path=lambda folder: self.path(f"{name}-{folder}"))
        return ["--tls-directory", self.authority.issue(host, role)]

    def show_logs(self):
        for process in self.processes:
            print(f"--- {process.name}\n{process.tail(8)}", file=sys.stderr)

    def daemon(self, name, cpu, argv, sock):
        pin = ["taskset", "-c", str(cpu)] if cpu is not None else []
        process = Process(name, pin + argv, self.path(f"{name}.log"))
        self.processes.append(process)

        def there():
            if not process.alive():
                raise LabError(f"{name} ended:\n{process.tail()}")
            try:
                JsonSocket(sock).close()
                return True
            except OSError:
                return False
        wait_for(f"{name} to listen", there)
        return process

    def rcached(self, name, cpu, *options):
        os.mkdir(self.path(name), 0o700)
        return self.daemon(name, cpu, [
            self.bench.program("rcached", "rcached"), "--run-dir",
            self.path(name), "--host", name, "--arbiter", self.arbiter,
            "--listen", f"127.0.0.1:{free_port()}",
            *self.security(name, "host"), *options],
            self.path(name, "admin.sock"))

    def start(self, mem, local_max, maxmem):
        cpus = self.cpus
        self.arbiter = f"127.0.0.1:{free_port()}"
        self.daemon("arbiter", None, [
            self.bench.program("arbiter", "arbiter"), "--listen",
            self.arbiter, "--admin-socket", self.path("arbiter.sock"),
            *self.security("arbiter", "arbiter"),
            *(["--name", "arbiter"] if self.authority else []),
            "--heartbeat", "500"], self.path("arbiter.sock"))
        self.providers = [
            self.rcached(name, cpus.provider, "--lend",
                         f"{self.room + 256}M",
                         "--reserve", "256M")
            for name in ("provider", "provider2")[:self.copies]]
        self.requester = self.rcached("requester", cpus.pager, "--lend", "0",
                                      *self.keeping())
        wait_for("the arbiter to know both hosts", self.hosts_known, 15)
        if local_max is None:
            return              # the guest is another one
        self.vmm = self.guest(mem, local_max, f"--maxmem={maxmem}",
                              f"--guest-cpu={cpus.guest}")
        self.pager = wait_for("the pager", self.pager_pid)

    def keeping(self):
        """What the requester is told of clean pages."""
        if not self.keep_clean:
            return []
        with open(self.path("keeping.conf"), "w", encoding="ascii") as f:
            f.write("[pager]\nkeep-clean = yes\n")
        return ["--config", self.path("keeping.conf")]

    def guest(self, mem, local_max, *options):
        return Vmm([
            self.bench.program("tests", "bench", "bench-vmm"),
            self.path("requester", "vmm.sock"), f"--mem={mem}",
            f"--local-max={local_max}", f"--copies={self.copies}",
            f"--seal={self.seal}", *options], self.path("vmm.log"))

    def hosts_known(self):
        sock = JsonSocket(self.path("arbiter.sock"))
        try:
            hosts = sock.call("hosts")
        finally:
            sock.close()
        alive = [h for h in hosts if h["state"] == "alive"]
        return (len(alive) == self.copies + 1 and
                all(h["free_bytes"] for h in alive if h["lends"]))

    def stored(self):
        """What each provider stores, in bytes."""
        return [self.admin(p.name, "status")["stored_bytes"]
                for p in self.providers]

    def admin(self, name, execute):
        sock = JsonSocket(self.path(name, "admin.sock"))
        try:
            return sock.call(execute)
        finally:
            sock.close()

    def pager_pid(self):
        """The requester's only child."""
        pid = self.requester.pid
        with open(f"/proc/{pid}/task/{pid}/children",
                  encoding="ascii") as f:
            children = f.read().split()
        return int(children[0]) if children else None

    def stop(self):
        if self.vmm:
            self.vmm.stop()
        for process in reversed(self.processes):
            process.stop()
        pager = getattr(self, "pager", None)
        for _ in range(50):
            if not pager or not os.path.exists(f"/proc/{pager}"):
                break
            time.sleep(0.1)
        else:
            os.kill(pager, signal.SIGKILL)
        shutil.rmtree(self.dir, ignore_errors=True)

    def evict_to(self, size):
        """Come down to so many bytes here."""
        done = self.vmm.ask(f"evict-to {size}")
        if done["status"]:
            raise LabError(f"evict-to {size}: status {done['status']}")


def cpu_seconds(pid):
    """On a CPU so far, to the nanosecond, all threads."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{task}/schedstat",
                      encoding="ascii") as f:
                total += int(f.read().split()[0])
        except FileNotFoundError:
            pass
    return total / 1e9


def medians(rounds, key):
    """{name: median} of a list of {name: {key: value}}."""
    return {name: statistics.median(r[name][key] for r in rounds)
            for name in rounds[0]}


class Bench:
    def __init__(self, args):
        self.args = args
        self.cpus = Cpus()
        self.results = []
        self.began = time.monotonic()
        self.rounds = 1 if args.short else 5
        self.sizes = args.sizes or ([256] if args.short
                                    else [1024, 4096, 16384])
        self.medians = medians
        self.absent, self.broken = {}, {}

    def program(self, *names):
        return os.path.join(self.args.build, *names)

    def say(self, text):
        print(f"bench: {time.monotonic() - self.began:4.0f} s: {text}",
              file=sys.stderr, flush=True)

    def floor(self, name, *options):
        """{variant: its line}"""
        done = subprocess.run(
            [self.program("tests", "bench", f"bench-{name}"), *options,
             *self.cpus.options()], capture_output=True, text=True,
            check=False)
        if done.returncode:
            raise LabError(f"{name}: {done.stderr.strip()}")
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        return {line["variant"]: line for line in lines}

    def add(self, bench, metric, unit, value, floor, peers):
        self.results.append({
            "bench": bench, "metric": metric, "unit": unit,
            "value": round(value, 3), "floor": round(floor, 3),
            "ratio": round(value / floor, 3) if floor else None,
            "peers": {k: round(v, 3) for k, v in peers.items()}})

    def run(self):
        """All that were asked for; what one of them measured is not lost
        when it, or another one, fails.  Return: the exit status"""
        status = 0
        for name in self.args.names:
            try:
                getattr(self, name.replace("-", "_"))()
            except KeyboardInterrupt:
                print(f"bench: {name}: interrupted", file=sys.stderr)
                return 130
            except (LabError, OSError,
                    subprocess.SubprocessError) as error:
                print(f"bench: {name}: {error}", file=sys.stderr)
                status = 1
        return status

    # --------------------------------------------------------- the benches

    def fault_latency(self):
        touches = 1000 if self.args.short else 4000
        mem, local_max = (128, 64) if self.args.short else (512, 128)
        quiet_at = local_max // 4 * MIB
        floors, quiet, held = [], [], []
        with Product(self, mem, local_max) as product:
            product.vmm.ask("fill")
            for n in range(self.rounds):
                self.say(f"fault-latency: round {n + 1} of {self.rounds}")
                floors.append(self.floor("floor-fault",
                                         f"--pages={touches}"))
                product.evict_to(quiet_at)
                quiet.append(self.touch(product, touches))
            # Fill up to local-max: from then on every fault has to push.
            self.touch(product, local_max * MIB // PAGE)
            before = product.vmm.ask("stats")
            for n in range(self.rounds):
                self.say(f"fault-latency, held: round {n + 1} of "
                         f"{self.rounds}")
                floors.append(self.floor("floor-fault",
                                         f"--pages={touches}"))
                held.append(self.touch(product, touches))
            stats = product.vmm.ask("stats")
        # A page has to go for each that comes: more is work for nothing.
        went, came = (stats[k] - before[k]
                      for k in ("evicted_pages", "faults_remote"))
        self.add("fault-latency", "held_evictions", "per fault",
                 went / max(came, 1), 1, {"pages": went, "faults": came})
        sleeping = [v for v, line in floors[0].items() if not line["busy"]]
        for metric, key in (("p50", "p50_ns"), ("p99", "p99_ns")):
            all_of = medians(floors, key)
            floor = min(all_of[v] for v in sleeping) / 1e3
            peers = {f"floor {v}": ns / 1e3 for v, ns in all_of.items()}
            for name, rounds in (("quiet", quiet), ("held", held)):
                more = {"pager's own figure": stats[key] / 1e3}
                if name == "quiet":
                    more = {}
                self.add("fault-latency", f"{name}_{metric}", "us",
                         statistics.median(r[key] for r in rounds) / 1e3,
                         floor, {**peers, **more})

    def touch(self, product, pages, pause_us=None):
        done = product.vmm.ask(f"touch {pages}" +
                               (f" {pause_us}" if pause_us else ""))
        if done["wrong"]:
            raise LabError(f"{done['wrong']} of {done['touched']} pages "
                           "were wrong")
        if done["touched"] < pages / 2:
            raise LabError(f"only {done['touched']} of {pages} pages were "
                           "away")
        return done

    def evict(self):
        mem, size = (128, 32) if self.args.short else (1024, 128)
        floor_pages = size // 2 * MIB // PAGE
        floors, rates = [], []
        with Product(self, mem, mem) as product:
            product.vmm.ask("fill")
            # Leases and management come with the first.
            product.vmm.ask(f"evict {16 * MIB}")
            for n in range(self.rounds):
                self.say(f"evict: round {n + 1} of {self.rounds}")
                floors.append(self.floor("floor-evict",
                                         f"--pages={floor_pages}"))
                done = product.vmm.ask(f"evict {size * MIB}")
                if done["status"]:
                    raise LabError(f"evict: status {done['status']}")
                rates.append(done["pages"] / done["seconds"])
        all_of = medians(floors, "pages_per_s")
        self.add("evict", "rate", "pages/s", statistics.median(rates),
                 max(all_of.values()),
                 {f"floor {v}": rate for v, rate in all_of.items()})

    def clean(self):
        cleanload.run(self, Product)

    def scan(self):
        rounds = []
        pages = (1 << 18) if self.args.short else (4 << 20)
        for n in range(self.rounds):
            self.say(f"scan: round {n + 1} of {self.rounds}")
            rounds.append(self.floor("scan", f"--pages={pages}"))
        all_of = medians(rounds, "ns_per_page")
        floor = min(all_of["branch"], all_of["flat"])
        peers = {f"floor {v}": all_of[v] for v in ("branch", "flat")}
        self.add("scan", "front_hand", "ns/page", all_of["front"], floor,
                 peers)
        self.add("scan", "back_hand", "ns/page", all_of["back"], floor,
                 peers)

    def idle(self):
        seconds = 2 if self.args.short else 10
        mem, local_max = (128, 64) if self.args.short else (512, 128)
        values, floors, parts = [], [], []
        with Product(self, mem, local_max) as product:
            product.vmm.ask("fill")
            time.sleep(2)
            for n in range(min(self.rounds, 3)):
                self.say(f"idle: round {n + 1}")
                floors.append(self.floor("floor-idle",
                                         f"--seconds={seconds}"))
                part = self.idle_cpu(product, seconds)
                parts.append(part)
                values.append(part["pager"] + part["rcached"])
            stats = product.vmm.ask("stats")
        self.add("idle", "cpu", "% of a core", statistics.median(values),
                 medians(floors, "percent")["poll"],
                 {name: statistics.median(p[name] for p in parts)
                  for name in parts[0]})
        pages, remote = stats["guest"] // PAGE, stats["remote"] // PAGE
        self.add("idle", "pager_memory", "bytes", stats["pager_rss"],
                 8 * pages + 8 * remote,
                 {"limit": 16 * pages + 32 * MIB + 8 * remote,
                  "guest pages": pages, "remote pages": remote})

    @staticmethod
    def idle_cpu(product, seconds):
        pids = {"pager": product.pager, "rcached": product.requester.pid,
                "provider's rcached": product.providers[0].pid,
                "vmm": product.vmm.pid}
        before = {name: cpu_seconds(pid) for name, pid in pids.items()}
        start = time.monotonic()
        time.sleep(seconds)
        took = time.monotonic() - start
        return {name: (cpu_seconds(pid) - before[name]) / took * 100
                for name, pid in pids.items()}

    def variants(self):
        variantload.run(self, Product, cpu_seconds)

    def maxmem(self):
        maxmemload.run(self, Product, cpu_seconds)

    def copies(self):
        copiesload.run(self, Product)

    def peers(self):
        peerload.run(self, Product, cpu_seconds)

    def attach(self):
        attachload.run(self, Product)

    def neighbours(self):
        neighbourload.run(self, Product)

    def floods(self):
        floodload.run(self, Product)

    def giveback(self):
        givebackload.run(self)

    def guest_overhead(self):
        guestload.run(self, Product, cpu_seconds)

    def arbiter_load(self):
        arbiterload.run(self, cpu_seconds)

    def arbiter_failover(self):
        failoverload.run(self)

    # --------------------------------------------------------------- output

    def verdict(self, r):
        if r["bench"] == "idle" and r["metric"] == "pager_memory":
            limit = r["peers"]["limit"]
            return (r["value"] <= limit, f"value <= {limit / MIB:.0f} MiB")
        if r["bench"] == "attach":
            return attachload.verdict(r)
        if r["bench"] == "peers":
            return peerload.verdict(r)
        target = TARGETS.get((r["bench"], r["metric"]))
        if not target:
            return None
        how, limit = target
        value = r[how.split()[0]]
        good = {"<=": value <= limit, ">=": value >= limit,
                "<": value < limit}[how.split()[1]]
        return good, f"{how} {limit}"

    def table(self):
        print(f"{'bench':<17}{'metric':<24}{'value':>14}{'floor':>14}"
              f"{'ratio':>8}  {'unit':<12} wanted")
        for r in self.results:
            verdict = self.verdict(r)
            text = ""
            if verdict:
                text = f"{verdict[1]}: {'ok' if verdict[0] else 'MISSED'}"
            print(f"{r['bench']:<17}{r['metric']:<24}{r['value']:>14,.2f}"
                  f"{r['floor']:>14,.2f}{r['ratio'] or 0:>8.2f}  "
                  f"{r['unit']:<12} {text}")
        print("\nThe floors' variants and other peers:")
        for r in self.results:
            print(f"  {r['bench']} {r['metric']}: " + ", ".join(
                f"{name} {value:,.2f}" for name, value in r["peers"].items()))
        for name, reason in self.absent.items():
            print(f"  absent: {name}: {reason}")

    def middle_floor(self, result):
        """Of a latency: its floor's median; else the floor."""
        name = result["metric"].replace("_p99", "_p50")
        return next(r["floor"] for r in self.results if
                    (r["bench"], r["metric"]) == (result["bench"], name))

    def check(self):
        """Do the figures make sense?  Not: are they good."""
        names = {(r["bench"], r["metric"]) for r in self.results}
        want = {("fault-latency", m) for m in
                ("quiet_p50", "quiet_p99", "held_p50", "held_p99",
                 "held_evictions")}
        want |= {("evict", "rate"), ("scan", "front_hand"),
                 ("scan", "back_hand"), ("idle", "cpu"),
                 ("giveback", "time"), ("copies", "fault_p50"),
                 ("copies", "evict"), ("idle", "pager_memory"),
                 ("clean", "evict"), ("clean", "sent")}
        want |= {("variants", f"{v}_{m}") for m in variantload.METRICS
                 for v in variantload.VARIANTS if v != "plain"}
        want |= {("neighbours", m) for m in ("p50", "p99")}
        want |= {("maxmem", m) for m in
                 ("pager_memory", "pager_locked", "evict_cpu", "fault_cpu")}
        want |= {("arbiter-load", m) for m in
                 ("cpu", "heartbeats", "assign_p50", "assign_p99", "memory",
                  "known_again")}
        want |= {("floods", flood + more) for flood in floodload.FLOODS
                 for more in ("", "_lines")}
        want |= {("peers", m) for m in peerload.METRICS}
        want |= {("arbiter-failover", m) for m in
                 ("one_dies", "all_die", "split")}
        want |= {("guest-overhead", m) for m in
                 ("boot", "boot_cpu", "page", "page_cpu")}
        want = {(b, m) for b, m in want if b in self.args.names}
        problems = [f"{b} {m} is missing" for b, m in want - names]
        if "attach" in self.args.names:
            problems += attachload.problems(
                [r for r in self.results if r["bench"] == "attach"])
        problems += peerload.problems(
            [r for r in self.results if r["bench"] == "peers"], self.broken)
        for r in self.results:
            name = f"{r['bench']} {r['metric']}"
            if (r["value"] <= 0 and r["unit"] != "lines/s") or \
               r["floor"] <= 0:
                problems.append(f"{name} is not above zero")
            # A floor's own 99th percentile is the machine's worst moment.
            if r["bench"] == "fault-latency" and not (
                    r["value"] < 1e6 and
                    r["value"] > 0.3 * self.middle_floor(r)):
                problems.append(f"{name}: {r['value']} us beside "
                                f"{r['floor']} us")
            if r["metric"] == "held_evictions" and r["value"] > 2:
                problems.append(f"{name}: {r['value']} pages go for each that "
                                "comes")
            if r["metric"] == "heartbeats" and not 0.2 < r["ratio"] < 5:
                problems.append(f"{name}: {r['ratio']} of the floor")
            if r["metric"] in ("rate", "evict") and not 0.01 < r["ratio"] < (
                    100 if r["bench"] == "clean" else 3):
                problems.append(f"{name}: {r['ratio']} of the floor")
            if r["metric"] == "split" and r["ratio"] > 1:
                problems.append(f"{name}: more is leased than is offered")
            if r["bench"] == "variants" and not 0.05 < r["ratio"] < 20:
                problems.append(f"{name}: {r['ratio']} of no protection")
            if r["bench"] == "maxmem" and r["ratio"] > (
                    1.1 if r["unit"] == "bytes" else 4):
                problems.append(f"{name}: {r['ratio']} of a guest without "
                                "room")
            if r["bench"] == "idle" and r["metric"] == "pager_memory" and \
               r["value"] > r["peers"]["limit"]:
                problems.append(f"{name}: {r['value']} bytes")
        for problem in problems:
            print(f"bench: {problem}", file=sys.stderr)
        return not problems


def sizes(text):
    try:
        return [attachload.mib_of(size) for size in text.split(",")]
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{text}: sizes are like 256M or 4G, a comma in between, "
            "64M at least") from error


def arguments():
    parser = argparse.ArgumentParser(prog="bench", add_help=False)
    parser.add_argument("--build", required=True)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--sizes", type=sizes)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    known = ["fault-latency", "evict", "clean", "copies", "variants", "scan",
             "idle", "maxmem", "neighbours", "peers",
             "attach", "floods", "giveback", "guest-overhead", "arbiter-load",
             "arbiter-failover"]
    for name in args.names:
        if name not in known:
            parser.error(f"{name}: there are {', '.join(known)}")
    args.names = args.names or known
    return args


def main():
    args = arguments()
    if os.geteuid():
        print("skipped: needs root, for /dev/userfaultfd")
        return 77
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        ownnet.enter()
    except OSError as error:
        print(f"bench: {error}: how the host paces its connections is in the "
              "figures", file=sys.stderr)
    bench = Bench(args)
    status = bench.run()
    if args.json:
        print(json.dumps(bench.results, indent=2))
    else:
        bench.table()
    return status or (0 if not args.check or bench.check() else 1)


if __name__ == "__main__":
    sys.exit(main())
