# SPDX-License-Identifier: GPL-2.0-or-later
"""demo: a guest whose cold memory lives on other hosts, each page at two.

Started by scripts/demo, which has built everything.  What is shown comes from
four places that do not know each other: the guest (pages verified,
mismatches, its longest wait), the host's kernel (what the guest's memory
takes up, by stat(2)), the daemons' admin sockets, and QMP.
"""
import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time

from demo_view import Figures, View, mib
from lab import Guest, JsonSocket, Lab, LabError, wait_for

MIB = 1 << 20
SAMPLE = 0.1
LEAST_SECONDS = 30
# What local-max may be exceeded by: max(5 %, 16 MiB).
SLACK_BYTES = 16 * MIB
SLACK_PART = 20
# What a provider's death may cost, and after how long it is given up.
PAUSE_MS_MAX = 1000
WHOLE_S_MAX = 30
GIVE_UP_S = 10
# If others have so much of this machine's processors it proves nothing.
BUSY_PERCENT = 50


def size(text):
    """Bytes, whole MiB: 512M, 1G, or plain bytes."""
    units = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
    if text[-1:].upper() in units:
        return int(text[:-1]) * units[text[-1].upper()] // MIB * MIB
    return int(text) // MIB * MIB


# What a run may end with, to be said in a line.
FAULTS = (LabError, OSError, KeyError, ValueError,
          subprocess.SubprocessError)
# The daemons, QEMU itself, and what providers keep free and lend in advance.
BESIDE_GUEST = 1536 * MIB


def available():
    """Bytes that programs can still have."""
    with open("/proc/meminfo", encoding="ascii") as f:
        for line in f:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) << 10
    return 0


def arguments():
    parser = argparse.ArgumentParser(
        prog="demo", add_help=False, allow_abbrev=False,
        usage="demo [--json] [--seconds N] [--guest-mem SIZE] "
        "[--local-max SIZE]\n            [--corrupt] [--plain] [--keep]")
    for name in ("build", "qemu", "kernel", "initrd"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--only-check-options", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--guest-mem", type=size, default=512 * MIB)
    parser.add_argument("--local-max", type=size, default=128 * MIB)
    parser.add_argument("--corrupt", action="store_true")
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--keep", action="store_true")
    args = parser.parse_args()
    if args.seconds < LEAST_SECONDS:
        parser.error(f"--seconds: at least {LEAST_SECONDS}, for all that "
                     "happens in them")
    if args.local_max < 64 * MIB or args.guest_mem < 2 * args.local_max:
        parser.error("--local-max: at least 64M, and at most half of "
                     "--guest-mem")
    # Each page that is not here is at two providers.
    need, there = 2 * args.guest_mem + BESIDE_GUEST, available()
    if need > there:
        parser.error(f"--guest-mem: {mib(args.guest_mem)} and what is beside "
                     f"it need {mib(need)}, and this machine has {mib(there)} "
                     "available: take a smaller guest")
    # What the demo does on its way; less only where there is less.
    args.resize_to = min(96 * MIB, args.local_max // 4 * 3 // MIB * MIB)
    args.evict = min(32 * MIB, args.resize_to // 3)
    return args


class Memory(threading.Thread):
    """What the guest's memory takes up here: a look every 100 ms, by
    stat(2), whatever else goes on.  From the first eviction on, which is when
    a provider stores something, the highest figure is kept."""

    def __init__(self, pid, guest_bytes, is_evicting):
        super().__init__(daemon=True)
        self.fd = self.find(pid, guest_bytes)
        self.is_evicting = is_evicting
        self.highest = 0
        self.ended = threading.Event()

    @staticmethod
    def find(pid, guest_bytes):
        for name in os.listdir(f"/proc/{pid}/fd"):
            path = f"/proc/{pid}/fd/{name}"
            try:
                if (os.readlink(path).startswith("/memfd:") and
                        os.stat(path).st_size == guest_bytes):
                    return os.open(path, os.O_RDONLY)
            except OSError:
                pass
        raise LabError("QEMU's guest memory is no memfd")

    def resident(self):
        return os.fstat(self.fd).st_blocks * 512

    def run(self):
        evicting = False
        while not self.ended.wait(SAMPLE):
            evicting = evicting or self.is_evicting()
            if evicting:
                self.highest = max(self.highest, self.resident())

    def stop(self):
        """The memory goes back only when the last descriptor is closed."""
        self.ended.set()
        self.join()
        os.close(self.fd)


class Processors:
    """Who has this machine's processors: the lab, or others."""

    def __init__(self, lab):
        self.lab = lab
        self.begun = self.look()

    def pids(self):
        found = [os.getpid()]
        for host in self.lab.hosts.values():
            done = subprocess.run(["ip", "netns", "pids", host.netns],
                                  capture_output=True, text=True, check=True)
            found += [int(pid) for pid in done.stdout.split()]
        return found

    def look(self):
        """(all ticks, those that somebody ran, the lab's by pid)"""
        with open("/proc/stat", encoding="ascii") as f:
            ticks = [int(n) for n in f.readline().split()[1:9]]
        user, nice, system, _, _, _, _, steal = ticks
        ours = {}
        for pid in self.pids():
            try:
                with open(f"/proc/{pid}/stat", encoding="utf-8",
                          errors="replace") as f:
                    fields = f.read().rsplit(")", 1)[1].split()
                ours[pid] = int(fields[11]) + int(fields[12])
            except OSError:
                pass            # it has just ended
        return sum(ticks), user + nice + system + steal, ours

    def others_percent(self):
        """How much of them others have had since the start."""
        whole, ran, ours = self.look()
        was = self.begun
        mine = sum(n - was[2].get(pid, 0) for pid, n in ours.items())
        return round(100 * max(ran - was[1] - mine, 0) /
                     max(whole - was[0], 1))


class Background(threading.Thread):
    """A command that takes its time, while the picture goes on."""

    def __init__(self, call):
        super().__init__(daemon=True)
        self.call = call
        self.value = None
        self.error = None

    def run(self):
        try:
            self.value = self.call()
        except FAULTS as error:
            self.error = error


class Demo:
    def __init__(self, args, lab):
        self.args = args
        self.lab = lab
        self.view = View(sys.stderr if args.json else sys.stdout)
        self.figures = Figures()
        self.memory = None
        self.limit = args.local_max
        self.vm = {}
        self.rate_from = None
        self.refreshed = 0.0
        self.begun = 0.0        # when the guest's memory was full
        self.checksum_errors = 0
        self.checks = []
        self.rcachectl = ""
        self.cpus = []
        self.first_fault_ms = self.all_known_ms = None
        self.lost = None        # the provider that was killed
        self.lost_pause_ms = self.whole_s = self.others = None

    # ------------------------------------------------------------ set-up

    def start(self):
        args = self.args
        self.view.note("four hosts in network namespaces")
        self.requester = self.lab.add_host("requester")
        self.providers = [self.lab.add_host(f"provider-{letter}")
                          for letter in "abc"]
        arbiter = f"{self.requester.address}:9471"
        self.requester.start_arbiter()
        for host in self.providers:
            # Two have room for all, also in slabs that are not full.
            host.start_rcached("--arbiter", arbiter, "--slab-size", "16M",
                               "--lend", str(args.guest_mem // 2 * 3),
                               "--reserve", "256M", "--enable-debug-commands")
        self.requester.start_rcached("--config", self.configuration(),
                                     "--arbiter", arbiter, "--lend", "0",
                                     "--enable-debug-commands")
        self.admin = {h.name: h.admin() for h in self.lab.hosts.values()}
        self.arbiter = JsonSocket(self.requester.path("arbiter.sock"))
        wait_for("the arbiter to know three hosts with room",
                 self.hosts_known, 20)
        self.view.note("the guest boots, and fills its memory")
        self.guest = Guest(
            self.requester, args.qemu, args.kernel, args.initrd,
            f"{args.guest_mem // MIB}M",
            f"remote-cache,id=rc0,local-max={args.local_max // MIB}M,copies=2,"
            f"socket={self.requester.path('vmm.sock')}")
        self.qmp = self.guest.qmp()
        watch = [host.admin() for host in self.providers]
        # "ip netns exec" becomes the program, so it is the child itself.
        self.memory = Memory(
            self.guest.process.pid, args.guest_mem,
            lambda: any(a.call("status")["stored_bytes"] for a in watch))
        self.memory.start()

    def configuration(self):
        """Of the requester: a dead provider is given up soon."""
        path = self.requester.path("rcached.conf")
        with open(path, "w", encoding="ascii") as f:
            f.write(f"[pager]\ngive-up = {GIVE_UP_S}s\n")
        return path

    def hosts_known(self):
        hosts = self.arbiter.call("hosts")
        return (len([h for h in hosts if h["state"] == "alive"]) == 4 and
                len([h for h in hosts if h["lends"] and h["free_bytes"] >=
                     self.args.guest_mem // 2]) == 3)

    # ----------------------------------------------------------- figures

    def refresh(self):
        """Ask the daemons."""
        f = self.figures
        vms = self.admin["requester"].call("vms")
        if vms:
            self.vm = vms[0]
        for host in self.providers:
            f.stored[host.name] = self.stored_at(host)
        f.guest = self.args.guest_mem
        f.local_max = self.limit
        f.remote = self.vm.get("remote_bytes", 0)
        f.one_copy = self.vm.get("one_copy_bytes", 0)
        f.copying = self.vm.get("repairing_bytes", 0)
        f.p50 = self.vm.get("fault_p50_seconds", 0)
        f.p99 = self.vm.get("fault_p99_seconds", 0)
        f.restarts = self.vm.get("pager_restarts", 0)
        f.balloon_free = self.vm.get("balloon_free_bytes")
        now, faults = time.monotonic(), self.vm.get("faults", 0)
        if self.rate_from and now - self.rate_from[0] > 0.5:
            f.faults_per_s = ((faults - self.rate_from[1]) /
                              (now - self.rate_from[0]))
        self.rate_from = (now, faults)
        self.refreshed = now

    def stored_at(self, host):
        """None: it is dead."""
        if host is self.lost:
            return None
        return self.admin[host.name].call("status")["stored_bytes"]

    def turn(self):
        """A tenth of a second of the demo."""
        f, status = self.figures, self.guest.poll()
        if not self.guest.process.alive():
            raise LabError("QEMU ended:\n" + self.guest.process.tail())
        f.verified = status.get("verified", 0)
        f.mismatches = status.get("mismatches", 0)
        f.longest_ms = status.get("longest_us", 0) / 1000
        f.here = self.memory.resident()
        if self.begun:
            f.elapsed = time.monotonic() - self.begun
        f.total = max(self.args.seconds, f.elapsed)
        if time.monotonic() - self.refreshed >= 1:
            self.refresh()
            self.view.draw(f)
        time.sleep(SAMPLE)

    def run_until(self, end):
        while time.monotonic() < end:
            self.turn()

    def run_for(self, seconds):
        self.run_until(time.monotonic() + seconds)

    def during(self, call):
        """call()'s value; the picture goes on meanwhile."""
        job = Background(call)
        job.start()
        while job.is_alive():
            self.turn()
        if job.error:
            raise job.error
        return job.value

    def turn_until(self, check, seconds):
        """True as soon as check() is, with fresh figures."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.refresh()
            if check():
                return True
            self.run_for(0.3)
        return False

    # ------------------------------------------------------------- steps

    def check(self, good, text):
        self.checks.append((good, "ok" if good else "FAILED", text))
        self.view.note(("ok: " if good else "FAILED: ") + text, bad=not good)

    def check_time(self, value, most, busy_percent, text):
        """A time that a busy machine stretches is no proof of anything."""
        missed = value is None or value > most
        if missed and busy_percent >= BUSY_PERCENT:
            text += (f"; not judged, since the machine was busy: others had "
                     f"{busy_percent} % of its processors")
            self.checks.append((True, "busy", text))
            self.view.note("busy: " + text)
        else:
            self.check(not missed, text)

    def step_resize(self):
        to = self.args.resize_to
        self.view.note(f"QMP: remote-cache-resize to {mib(to)}")
        start = time.monotonic()
        try:
            self.during(lambda: self.qmp.job(
                "remote-cache-resize", id="rc0",
                size=self.args.guest_mem - to, local_max=to))
        except LabError as error:
            self.check(False, str(error))
            return
        took = time.monotonic() - start
        self.limit = to
        here = self.memory.resident()
        slack = max(to // SLACK_PART, SLACK_BYTES)
        self.check(took <= 10 and here <= to + slack,
                   f"local-max lowered to {mib(to)}: reached in {took:.1f} s,"
                   f" {mib(here)} are here")

    def copy_figures(self):
        """QMP's figures, or None while there are none."""
        return self.qmp.call("query-remote-cache")[0].get("stats")

    def is_whole(self):
        """Has each page that is away two copies?"""
        stats = self.copy_figures()
        return bool(stats) and not stats["one-copy"] and not stats["copying"]

    def stored_settled(self):
        """(what providers store, what is remote by QMP), once both stand
        still and all has two copies."""
        last, same, end = None, 0, time.monotonic() + WHOLE_S_MAX
        while same < 4 and time.monotonic() < end:
            self.run_for(0.3)
            stats = self.copy_figures()
            now = (sum(self.stored_at(host) or 0 for host in self.providers),
                   stats["remote"] if stats else None)
            same = same + 1 if now == last and self.is_whole() else 0
            last = now
        return last

    def step_evict(self):
        """With the guest stopped, so that both sides' figures stand still.
        Each page goes to two providers."""
        self.view.note(f"QMP: remote-cache-evict of {mib(self.args.evict)}")
        self.during(lambda: self.qmp.call("stop"))
        before, _ = self.stored_settled()
        try:
            gone = self.during(lambda: self.qmp.job(
                "remote-cache-evict", id="rc0", bytes=self.args.evict))
        except LabError as error:
            self.check(False, str(error))
            return
        finally:
            after, remote = self.stored_settled()
            self.qmp.call("cont")
        self.check(2 * gone == after - before and gone >= self.args.evict,
                   f"evicted on command: QMP says {gone} bytes, the "
                   f"providers confirm two copies: {after - before}")
        self.check(after == 2 * remote, f"QMP says that {remote} bytes are "
                   f"remote, the providers store two copies: {after}")

    def waited_faults(self):
        """Faults of the guest's CPUs that somebody has answered, by the
        kernel's count: those that are answered by userfaultfd are major."""
        count = 0
        for cpu in self.cpus:
            with open(f"/proc/{self.guest.process.pid}/task/{cpu}/stat",
                      encoding="utf-8", errors="replace") as f:
                count += int(f.read().rsplit(")", 1)[1].split()[9])
        return count

    def unmanaged(self):
        """(attached, bytes outside management), by QMP; the latter is None
        until the pager that is attached has told."""
        info = self.qmp.call("query-remote-cache")[0]
        stats = info.get("stats")
        return info["attached"], stats["unmanaged"] if stats else None

    def watch_next_pager(self, killed, unmanaged):
        """When the guest has got a page with a new pager there, and when that
        one knows all pages; before it is there QEMU answers, where it can."""
        gone, faults = False, None
        while (time.monotonic() < killed + 15 and
               (self.first_fault_ms is None or self.all_known_ms is None)):
            attached, outside = self.unmanaged()
            ms = round((time.monotonic() - killed) * 1e3, 1)
            gone = gone or not attached
            answered = self.waited_faults()
            if not gone or not attached:
                faults = answered
                continue
            if answered > faults and self.first_fault_ms is None:
                self.first_fault_ms = ms
            if (outside is not None and outside <= unmanaged and
                    self.all_known_ms is None):
                self.all_known_ms = ms
            time.sleep(0.001)

    def step_kill_pager(self):
        before = self.figures.restarts
        self.cpus = [cpu["thread-id"]
                     for cpu in self.qmp.call("query-cpus-fast")]
        _, unmanaged = self.unmanaged()
        start = time.monotonic()
        killed = self.admin["requester"].call("debug-kill-pager", vm="demo")
        self.watch_next_pager(start, unmanaged or 0)
        self.view.note(f"the pager (pid {killed['pid']}) was killed")
        self.check(self.first_fault_ms is not None and
                   self.all_known_ms is not None,
                   "from the kill to the first page with the next pager: "
                   f"{self.first_fault_ms} ms; until it knew all pages: "
                   f"{self.all_known_ms} ms")
        back = self.turn_until(
            lambda: (self.figures.restarts > before and
                     self.vm["state"] == "attached"), 15)
        self.check(back, f"a new pager has taken over, seen after "
                   f"{time.monotonic() - start:.1f} s")

    def pager_pause_ns(self):
        """The longest a page has been waited for, of the last minute."""
        info = self.qmp.call("query-remote-cache")[0]
        stats, waiting = info.get("stats"), info.get("waiting")
        return max(stats["fault-max-ns"] if stats else 0,
                   (waiting or {}).get("oldest-ns", 0))

    def watch_whole(self, killed):
        """Until all has two copies again: the longest pause in ms, by the
        guest and by the pager, and the seconds it took, or None."""
        degraded, pager_ns = False, 0
        while time.monotonic() < killed + 2 * WHOLE_S_MAX:
            pager_ns = max(pager_ns, self.pager_pause_ns())
            whole = self.is_whole()
            if degraded and whole:
                self.whole_s = round(time.monotonic() - killed, 1)
                break
            degraded = degraded or not whole
            self.turn()
        self.run_for(1.5)       # until the guest has told of that time
        self.lost_pause_ms = round(max(self.guest.longest_us / 1e3,
                                       pager_ns / 1e6), 1)

    def step_lose_provider(self):
        """The one that stores most dies, and does not come back."""
        self.refresh()
        lost = max(self.providers, key=lambda h: self.figures.stored[h.name])
        stored = self.figures.stored[lost.name]
        daemon = lost.processes["rcached"].popen
        processors = Processors(self.lab)
        self.guest.longest_us = 0
        daemon.kill()
        killed = time.monotonic()
        daemon.wait()
        self.lost = lost
        self.view.note(f"{lost.name} was killed for good, and {mib(stored)} "
                       f"with it; it is given up after {GIVE_UP_S} s")
        self.watch_whole(killed)
        self.others = processors.others_percent()

    def run_rcachectl(self, *options):
        done = subprocess.run(
            [self.lab.program("rcachectl"), "--socket",
             self.requester.path("arbiter.sock"), *options, "vms"],
            capture_output=True, text=True, check=False, timeout=30)
        if done.returncode:
            raise LabError(f"rcachectl vms: {done.stderr.strip()}")
        return done.stdout

    def step_balloon(self):
        """What a guest says of itself, once its balloon is told to ask it."""
        self.qmp.call("qom-set", path="/machine/peripheral/balloon0",
                      property="guest-stats-polling-interval", value=1)
        free = None
        for _ in range(20):
            vms = json.loads(self.run_rcachectl("--json"))
            free = vms[0]["balloon_free_bytes"] if vms else None
            if free:
                break
            self.run_for(0.5)
        self.rcachectl = self.run_rcachectl()
        self.check(bool(free), "rcachectl vms shows what the guest says is "
                   f"free: {mib(free) if free else 'nothing'}")

    def caught(self):
        """Pages that arrived with a wrong checksum, by QMP."""
        info = self.qmp.call("query-remote-cache")[0]
        return info.get("stats", {}).get("checksum-errors", 0)

    def step_corrupt(self):
        """Flip stored bits, one at a time, until one is fetched."""
        self.view.note("a bit of a stored page is flipped on a provider")
        alive = [host for host in self.providers if host is not self.lost]
        before, flips = self.caught(), 0
        while self.caught() == before and flips < 60:
            self.admin[alive[flips % len(alive)].name].call("debug-corrupt")
            flips += 1
            self.run_for(1)
        self.checksum_errors = self.caught() - before
        self.run_for(1)
        wrong, verified = self.figures.mismatches, self.figures.verified
        self.check(self.checksum_errors > 0 and not wrong,
                   f"{flips} flipped bit(s): the checksum has caught "
                   f"{'it' if self.checksum_errors else 'nothing'}, the "
                   f"guest saw {wrong} wrong pages")
        self.check(self.turn_until(
            lambda: self.figures.verified > verified, WHOLE_S_MAX),
            "the guest goes on, with the other copy of what was flipped")

    # --------------------------------------------------------------- all

    def run(self):
        self.start()
        if not self.turn_until(
                lambda: self.guest.status.get("state") == "run", 180):
            raise LabError("the guest has not filled its memory in 3 minutes"
                           ":\n" + self.guest.process.tail())
        self.view.note("the guest verifies its memory, for ever")
        self.begun, n = time.monotonic(), self.args.seconds
        self.run_until(self.begun + n * 0.1)
        self.step_resize()
        self.run_until(self.begun + n * 0.25)
        self.step_evict()
        self.run_until(self.begun + n * 0.35)
        self.step_kill_pager()
        self.run_for(1)
        self.step_balloon()
        self.run_until(self.begun + n * 0.5)
        self.step_lose_provider()
        self.run_until(self.begun + n)
        self.refresh()
        self.seconds = time.monotonic() - self.begun
        self.steady = self.result()
        if self.args.corrupt:
            self.step_corrupt()
        self.steady["mismatches"] = self.figures.mismatches
        self.check_result()

    # ----------------------------------------------------------- summary

    def result(self):
        vm, f = self.vm, self.figures
        return {
            "guest_bytes": vm["guest_bytes"],
            "local_max_bytes": self.args.local_max,
            "resident_bytes": self.memory.highest,
            "remote_bytes": vm["remote_bytes"],
            "zero_bytes": vm["zero_bytes"],
            "copies": vm["copies"],
            "one_copy_bytes": vm["one_copy_bytes"],
            "providers": [{"name": n, "alive": s is not None,
                           "stored_bytes": s or 0}
                          for n, s in f.stored.items()],
            "faults": self.vm.get("faults", 0),
            "evicted_pages": self.vm.get("evicted_pages", 0),
            "fault_p50_us": round(vm["fault_p50_seconds"] * 1e6, 1),
            "fault_p99_us": round(vm["fault_p99_seconds"] * 1e6, 1),
            "pages_verified": f.verified,
            "mismatches": f.mismatches,
            "pager_restarts": vm["pager_restarts"],
            "pager_first_fault_ms": self.first_fault_ms,
            "pager_all_known_ms": self.all_known_ms,
            "provider_lost_pause_ms": self.lost_pause_ms,
            "two_copies_again_s": self.whole_s,
            "others_cpu_percent": self.others,
            "longest_pause_ms": round(f.longest_ms, 1),
            "seconds": round(self.seconds, 1),
        }

    def check_result(self):
        r = self.steady
        slack = max(r["local_max_bytes"] // SLACK_PART, SLACK_BYTES)
        self.check(r["resident_bytes"] <= r["local_max_bytes"] + slack,
                   f"never more than {mib(r['resident_bytes'])} here, in a "
                   "look every 100 ms")
        self.check(r["mismatches"] == 0,
                   f"{r['pages_verified']} pages verified by the guest, "
                   f"{r['mismatches']} wrong")
        busy = r["others_cpu_percent"]
        self.check_time(r["provider_lost_pause_ms"], PAUSE_MS_MAX, busy,
                        "a provider was killed for good: the guest waited "
                        f"{r['provider_lost_pause_ms']} ms for a page, of "
                        f"{PAUSE_MS_MAX} that it may")
        again = r["two_copies_again_s"]
        self.check_time(again, WHOLE_S_MAX, busy,
                        "all has two copies again " +
                        (f"after {again} s" if again is not None else
                         "not even after a minute") +
                        f", of {WHOLE_S_MAX} that it may take")

    def summary(self):
        r, out = self.steady, self.view.out
        print(f"\n{self.rcachectl}", file=out)
        print(f"Of the guest's {mib(r['guest_bytes'])}, "
              f"{mib(r['remote_bytes'])} were remote at the end, each page "
              "at two providers ("
              + ", ".join(f"{mib(p['stored_bytes'])} on {p['name']}"
                          for p in r["providers"] if p["alive"]) +
              f"), with at most {mib(r['local_max_bytes'])}, then "
              f"{mib(self.args.resize_to)}, allowed here.", file=out)
        print(f"{r['faults']} faults, half of them within "
              f"{r['fault_p50_us']:.0f} us, 99 % within "
              f"{r['fault_p99_us']:.0f} us; {r['evicted_pages']} pages "
              f"evicted; {r['pager_restarts']} pager(s) restarted; the "
              f"longest wait was {r['longest_pause_ms']:.0f} ms.", file=out)
        for _, word, text in self.checks:
            print(f"{word:<8}{text}", file=out)
        if self.args.json:
            print(json.dumps(r, indent=2))
        return all(good for good, _, _ in self.checks)


def run_demo(args, lab):
    demo = Demo(args, lab)
    try:
        demo.run()
        return demo.summary()
    except FAULTS:
        for process in lab.processes:
            print(f"--- {process.name}\n{process.tail(8)}", file=sys.stderr)
        raise
    finally:
        # No second Ctrl-C may stop what cleans up.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        if demo.memory:
            demo.memory.stop()
        if args.keep:
            print(f"logs: {lab.dir}", file=demo.view.out)


def interrupted(signum, frame):
    raise KeyboardInterrupt


def main():
    args = arguments()
    if args.only_check_options:
        return 0
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
    try:
        with Lab(args.build, keep=args.keep, tls=not args.plain) as lab:
            good = run_demo(args, lab)
    except KeyboardInterrupt:
        left = "only logs are" if args.keep else "nothing is"
        print(f"demo: interrupted; {left} left behind", file=sys.stderr)
        return 130
    except FAULTS as error:
        print(f"demo: {type(error).__name__}: {error}"
              if isinstance(error, (KeyError, ValueError))
              else f"demo: {error}", file=sys.stderr)
        return 1
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
