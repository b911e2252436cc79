#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""torture: VMs whose pages are elsewhere, while a seed breaks everything else.

Started by scripts/torture, which has built what is needed.  See there for what
it prints, and torture_plan.py for what a seed does.

With two copies at most one host is away at a time, for any length, and the
next one goes only when all pages are at two hosts again: then nothing may be
lost, and every VM has to go on.  One that goes for good stands still first, so
that nothing is stored there alone while that is found out.  The VMs verify
each page that they read.
"""
import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import torture_plan
from torture_lab import (ARBITERS, PROVIDERS, LabError, TortureCluster,
                         wait_for)
from torture_events import Events
import torture_guests
import tasks

# Seconds. How long a VM may stand still, beyond an outage that it has to wait
# for (with one copy); how long it may take until all is at two copies again.
STANDS, WHOLE = 60, 300
QUIET = 1.5             # so long must nothing be missing
HELD = 3                # VMs say once a second what they have where
LONGEST = 60            # outage
LOST_BY = re.compile(r"provider (\S+) has lost lease")
FAULTS = (LabError, OSError, AssertionError, subprocess.SubprocessError)
OWN_BUGS = ("CRITICAL **", "assertion failed", "Assertion `",
            "AddressSanitizer", "LeakSanitizer", "runtime error:",
            "ThreadSanitizer")


def arguments():
    parser = argparse.ArgumentParser(
        prog="torture", add_help=False, allow_abbrev=False,
        usage="torture [--seed N] [--seconds S] [--copies 1|2] [--tls] "
        "[--keep-clean]\n               [--qemu] [--json] [--schedule] "
        "[--keep]")
    for name in ("build", "qemu-program", "kernel", "initrd"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--only-check-options", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--copies", type=int, choices=(1, 2), default=2)
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--keep-clean", action="store_true")
    parser.add_argument("--qemu", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--schedule", action="store_true")
    parser.add_argument("--keep", action="store_true")
    args = parser.parse_args()
    if args.seconds < 5:
        parser.error("--seconds: at least 5")
    args.with_qemu, args.qemu = args.qemu, args.qemu_program
    return args


def schedule(args):
    # One guest with one CPU waits for ever for the first page that is lost.
    left_out = (("kill",) if args.with_qemu and args.copies == 1 else ())
    return torture_plan.schedule(
        args.seed, args.seconds, PROVIDERS, ARBITERS,
        torture_guests.nr_guests(args), left_out)


class Torture:
    def __init__(self, args, cluster):
        self.args = args
        self.c = cluster
        self.tasks = tasks.Tasks()
        self.out = sys.stderr if args.json else sys.stdout
        self.began = time.monotonic()
        self.guests = []
        self.events = None
        self.lanes = []
        self.over = False
        self.ending = False
        self.skipped = 0
        self.failures = []
        self.repairs = 0
        self.single_since = None
        self.single = 0.0
        self.shown = 0.0
        self.now_doing = {}

    # --------------------------------------------------------------- people

    def tell(self, text):
        print(f"{time.monotonic() - self.began:7.1f} s  {text}",
              file=self.out, flush=True)

    def fail(self, text):
        self.failures.append(text)
        self.tell(f"FAILED: {text}")

    def show(self):
        now = time.monotonic()
        if now < self.shown + 5:
            return
        self.shown = now
        f = [g.figures for g in self.guests]
        one = sum(x.one_copy or 0 for x in f) >> 20
        doing = ", ".join(str(e.kind) for e in self.now_doing.values())
        self.tell(f"{sum(x.verified for x in f)} pages verified, "
                  f"{sum(x.mismatches for x in f)} wrong, "
                  f"{sum(x.lost for x in f)} lost; "
                  f"{sum(x.remote for x in f) >> 20}M away, "
                  f"{one}M with one copy; now: {doing or 'nothing'}")

    # ---------------------------------------------------------------- a turn

    def turn(self):
        self.tasks.turn()
        if self.guests:
            self.look()
            self.show()

    def look(self):
        """At what the VMs have said; LabError if one stands still."""
        now = time.monotonic()
        figures = [g.figures for g in self.guests]
        if self.events and not self.ending:
            self.events.expect_all_alive()
        if any(f.one_copy for f in figures):
            self.single_since = self.single_since or now
        elif self.single_since and all(f.is_whole() for f in figures):
            self.single += now - self.single_since
            self.single_since = None
            self.repairs += 1
        limit = STANDS + (LONGEST if self.args.copies == 1 else 0)
        for guest in self.guests:
            f = guest.figures
            stood = max(now - f.moved_at, f.oldest_wait)
            if stood > limit:
                raise LabError(
                    f"{guest.name} hangs: no progress, or one page waited "
                    f"for, for {stood:.0f} s; at most {limit} s are allowed")
            if f.mismatches:
                raise LabError(f"{guest.name} has read wrong bytes: "
                               f"{guest.said()}")
            if f.lost and self.args.copies == 2:
                raise LabError(f"{guest.name} has lost {f.lost} pages, and no "
                               "two hosts were away")

    def finish(self, *running):
        """Go on until these tasks have ended."""
        while any(self.tasks.is_running(task) for task in running):
            self.turn()

    # ----------------------------------------------------------------- lanes

    def rest(self, seconds):
        return tasks.pause(seconds, lambda: self.over)

    def whole(self):
        """A task: until all is at two copies, and has been for a while."""
        end = time.monotonic() + WHOLE
        yield from tasks.pause(QUIET)
        since = None
        while since is None or time.monotonic() < since + QUIET:
            now = time.monotonic()
            if all(g.figures.is_whole() and now - g.figures.at < 5
                   for g in self.guests):
                since = since or now
            else:
                since = None
            if now > end:
                raise LabError(f"after {WHOLE} s there are still pages with "
                               "one copy: " + self.one_copy())
            yield

    def held(self, event):
        """A task: until the provider that is to be killed stands still, and
        all VMs have said since that they have nothing at one host alone.
        Pages may have been stored there alone after what they said last: they
        say it once a second."""
        while not self.over:
            yield from self.whole()
            process = self.events.provider(event).processes["rcached"]
            process.popen.send_signal(signal.SIGSTOP)
            end = time.monotonic() + HELD
            while self.is_whole() and time.monotonic() < end:
                yield
            if self.is_whole() and not self.over:
                return
            process.popen.send_signal(signal.SIGCONT)

    def is_whole(self):
        """A pager that is stopped says nothing new."""
        doing = [str(e.kind) for e in self.now_doing.values()]
        return "freeze-pager" not in doing and all(
            g.figures.is_whole() for g in self.guests)

    def one_copy(self):
        return ", ".join(f"{g.name}: {g.figures.one_copy} bytes, "
                         f"{g.figures.copying} to be copied"
                         for g in self.guests)

    def lane(self, name, events):
        """A task: the events of one lane, one after the other."""
        for event in events:
            while time.monotonic() < self.began + event.at and not self.over:
                yield
            if name == "host" and self.args.copies == 2 and not self.over:
                yield from (self.held(event) if str(event.kind) == "kill"
                            else self.whole())
            if self.over:
                self.skipped += 1
                continue
            self.tell(str(event)[11:])
            self.now_doing[name] = event
            yield from self.events.run(event)
            del self.now_doing[name]

    def start_lanes(self, events):
        for name in torture_plan.LANES:
            mine = [e for e in events if e.lane == name]
            self.lanes.append(self.tasks.start(self.lane(name, mine)))

    # ------------------------------------------------------------------- all

    def start_guests(self):
        guests = torture_guests.start(self.c, self.args)
        if self.args.with_qemu:
            self.finish(self.tasks.start(guests[0].fill()))
        self.guests = guests
        for guest in guests:
            guest.figures.moved_at = time.monotonic()
            self.tasks.start(guest.watch())
        self.finish(self.tasks.start(tasks.until(
            "pages to be away", lambda: all(
                g.figures.remote > g.memory // 8 for g in guests), 240)))
        if self.args.copies == 2:
            self.finish(self.tasks.start(self.whole()))

    def run(self, events):
        self.tell("the VMs fill their memory")
        self.start_guests()
        self.events = Events(self.c, self.guests, self.rest, self.tell)
        self.began = time.monotonic()
        self.tell("the torture begins")
        self.start_lanes(events)
        while time.monotonic() < self.began + self.args.seconds:
            self.turn()
        self.tell("time is over: what is under way ends, and is mended")
        self.over = True
        self.finish(*self.lanes)
        if self.args.copies == 2:
            self.finish(self.tasks.start(self.whole()))
        self.end_guests()
        self.end_daemons()

    def end_guests(self):
        self.ending = True
        self.tell("every VM verifies all of its memory")
        for guest in self.guests:
            # What still watches would take its last answer.
            self.finish(self.tasks.start(self.last_look(guest)))
        for task in list(self.tasks.running):
            self.tasks.running.remove(task)
        ends = [self.tasks.start(g.end()) for g in self.guests]
        end = time.monotonic() + torture_guests.LONG + 60
        while any(self.tasks.is_running(t) for t in ends):
            self.tasks.turn()
            if time.monotonic() > end:
                raise LabError("the VMs do not end")
        for guest in self.guests:
            if guest.figures.mismatches:
                raise LabError(f"{guest.name} has read wrong bytes: "
                               f"{guest.said()}")

    @staticmethod
    def last_look(guest):
        """A task: until it is asked nothing."""
        asked = getattr(guest, "lines", None) or guest.qmp
        yield from tasks.until(f"{guest.name} to answer",
                               lambda: not asked.busy, torture_guests.ANSWER)

    def end_daemons(self):
        """They end cleanly, with nothing leased, and have logged no bug."""
        self.c.wait_pagers()
        wait_for("the providers to have everything back",
                 self.c.has_nothing_leased, 60)
        for process in reversed(self.c.processes):
            if process.popen.returncode is None:
                status = process.stop(60)
                if status:
                    raise LabError(f"{process.name} ended with {status}:\n"
                                   f"{process.tail()}")
        self.read_logs()

    def read_logs(self):
        for name in sorted(os.listdir(self.c.dir)):
            if name.endswith(".log"):
                with open(os.path.join(self.c.dir, name),
                          errors="replace") as f:
                    for line in f:
                        if any(word in line for word in OWN_BUGS):
                            raise LabError(f"{name}: {line.strip()}")

    def check_losses(self):
        """With one copy: only what a provider had that was killed."""
        lost = sum(g.figures.lost for g in self.guests)
        for guest in self.guests:
            who = set(LOST_BY.findall(guest.all_said()))
            wrong = sorted(who - self.events.killed)
            if wrong:
                self.fail(f"{guest.name} has lost pages at "
                          f"{', '.join(wrong)}, and nobody killed that")
        if lost and not self.events.killed:
            self.fail(f"{lost} pages are lost, and no provider was killed")

    def result(self):
        f = [g.figures for g in self.guests]
        if self.single_since:
            self.single += time.monotonic() - self.single_since
        counts = self.events.counts if self.events else None
        return {
            "seed": self.args.seed,
            "seconds": self.args.seconds,
            "copies": self.args.copies,
            "kills": counts.kills if counts else 0,
            "cuts": counts.cuts if counts else 0,
            "drains": counts.drains if counts else 0,
            "repairs": self.repairs,
            "mismatches": sum(x.mismatches for x in f),
            "lost_pages": sum(x.lost for x in f),
            "longest_pause_ms": round(max(
                [x.longest_ms for x in f], default=0), 1),
            "pages_verified": sum(x.verified for x in f),
            "single_copy_seconds": round(self.single, 1),
            "not_reached": self.skipped,
            "failures": self.failures,
        }

    # --------------------------------------------------------------- picture

    def picture(self):
        """What there is to see when something has gone wrong."""
        for lane, event in self.now_doing.items():
            self.tell(f"was under way in lane {lane}: {event}")
        for guest in self.guests:
            self.tell(f"{guest.name}: {vars(guest.figures)}")
            self.tell(f"{guest.name} said: {guest.said()}")
        for host in self.c.hosts.values():
            for name in ("admin.sock", "arbiter.sock"):
                self.picture_of(host, name)
        for process in self.c.processes:
            if process.alive():
                self.tell(f"--- {process.name}\n{process.tail(12)}")

    def picture_of(self, host, name):
        what = ("vms", "status") if name == "admin.sock" else ("status",)
        for execute in what if os.path.exists(host.path(name)) else ():
            try:
                said = self.c.call(host.path(name), execute)
                self.tell(f"{host.name} {name} {execute}: "
                          f"{json.dumps(said)}")
            except (OSError, LabError) as error:
                self.tell(f"{host.name} {name}: {error}")


def replay(args):
    words = [f"--seed {args.seed} --seconds {args.seconds:g} "
             f"--copies {args.copies}"]
    words += ["--tls"] if args.tls else []
    words += ["--keep-clean"] if args.keep_clean else []
    words += ["--qemu"] if args.with_qemu else []
    return "scripts/torture " + " ".join(words)


def keep_logs(args, cluster, torture):
    folder = os.path.join(os.path.abspath(args.build),
                          f"torture-{args.seed}-{os.getpid()}")
    os.makedirs(folder, exist_ok=True)
    for name in os.listdir(cluster.dir):
        if name.endswith(".log"):
            shutil.copy(os.path.join(cluster.dir, name), folder)
    torture.tell(f"the logs are in {folder}")


def print_result(args, result):
    if args.json:
        print(json.dumps(result, indent=2))
        return
    print()
    for name, value in result.items():
        if name != "failures":
            print(f"{name.replace('_', ' '):20} {value}")
    for text in result["failures"]:
        print(f"FAILED  {text}")


def run_torture(args):
    events = schedule(args)
    with TortureCluster(args.build, tls=args.tls or None,
                        keep_clean=args.keep_clean) as cluster:
        torture = Torture(args, cluster)
        try:
            torture.run(events)
            torture.check_losses()
        except FAULTS as error:
            torture.fail(str(error))
            torture.picture()
            keep_logs(args, cluster, torture)
            torture.tell(f"to see it again: {replay(args)}")
        else:
            if args.keep or torture.failures:
                keep_logs(args, cluster, torture)
        result = torture.result()
    print_result(args, result)
    return 1 if result["failures"] or result["mismatches"] else 0


def main():
    args = arguments()
    if args.schedule:
        for event in schedule(args):
            print(event)
        return 0
    if args.only_check_options:
        return 0
    try:
        return run_torture(args)
    except KeyboardInterrupt:
        return 130
    except FAULTS as error:
        print(f"torture: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
