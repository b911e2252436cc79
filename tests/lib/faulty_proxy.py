#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""faulty_proxy: a bad network, by hand or by seed.

usage: faulty_proxy.py [--build DIR] [--connect-netns NAME] --listen PORT
           --connect PORT [--seed N] [--seconds S] [--kinds NAME,...]
       faulty_proxy.py --plan [--seed N] [--seconds S] [--kinds NAME,...]

Stands between who connects to PORT of this loopback and PORT of the other one,
does for S seconds what the seed says, and prints it; --plan only prints it.

For tests: FaultyProxy is one proxy, told what to do (tests/fakes/faulty-proxy.c
has the commands); a Storm is what a seed does to several of them, one at a
time, and the same each time.
"""
import argparse
import os
import random
import select
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__),
                                "..", "..", "scripts", "lib"))
from lab import LabError, die_with_parent  # noqa: E402

# What the network does for a while, with its numbers drawn.
KINDS = {
    "slow": lambda r: f"delay {r.randint(5, 60)}",
    "overtaking": lambda r: f"jitter {r.randint(5, 40)}",
    "loss": lambda r: f"lose {r.randint(5, 100)}",
    "resets": lambda r: f"drop {r.randint(1, 30)}",
    "corruption": lambda r: f"corrupt {r.randint(1, 30)}",
    "trickle": lambda r: f"trickle {r.randint(200, 3000)}",
    "half-open": lambda r: "pause",
    "blackhole": lambda r: "blackhole",
    "cut": lambda r: "cut",
    "mtu": lambda r: f"hole {r.choice(['up', 'down'])} "
                     f"{r.choice([0, 600, 1400])}",
}


class FaultyProxy:
    """A proxy process, told what to do on its stdin."""

    def __init__(self, build, listen, connect, enter=(), connect_netns=None,
                 seed=1, address="127.0.0.1"):
        """@enter: what a program is to be started with, to be where it is to
        listen; @address: where it listens and connects to."""
        argv = [*enter, os.path.join(build, "tests", "fakes", "faulty-proxy"),
                f"--listen={listen}", f"--connect={connect}",
                f"--seed={seed}", f"--address={address}"]
        if connect_netns:
            argv.append(f"--connect-netns={connect_netns}")
        self.popen = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            preexec_fn=die_with_parent)
        self.answer()

    def answer(self):
        if not select.select([self.popen.stdout], [], [], 10)[0]:
            raise LabError("the proxy does not answer")
        word, _, number = self.popen.stdout.readline().partition(" ")
        if word != "ok":
            raise LabError(f"the proxy says {word!r}")
        return int(number)

    def tell(self, command):
        """Returns how many connections it has."""
        self.popen.stdin.write(command + "\n")
        self.popen.stdin.flush()
        return self.answer()

    def stop(self):
        self.popen.stdin.close()
        self.popen.wait(10)


class Step:
    """One trouble: of the proxy @which, from @at on, @lasts seconds."""

    def __init__(self, at, which, kind, command, lasts):
        self.at = at
        self.which = which
        self.kind = kind
        self.command = command
        self.lasts = lasts

    def __str__(self):
        return (f"{self.at:6.2f} s: proxy {self.which}: {self.kind} "
                f"({self.command}) for {self.lasts:.2f} s")


class Storm:
    """What a seed does to @nr proxies in @seconds; one is bad at a time.

    @longest and @calm: seconds that a trouble lasts, and that pass between two
    of them, at most.
    """

    def __init__(self, seed, nr, seconds, kinds=tuple(KINDS), longest=2.0,
                 calm=1.0):
        rng = random.Random(seed)
        self.steps = []
        at = rng.uniform(0, calm)
        while at < seconds:
            kind = rng.choice(list(kinds))
            lasts = rng.uniform(0.05, longest)
            self.steps.append(Step(at, rng.randrange(nr), kind,
                                   KINDS[kind](rng), lasts))
            at += lasts + rng.uniform(0, calm)

    def run(self, proxies, say=lambda step: None, pause=time.sleep):
        """All of it; the way is well at the end, whatever happens."""
        began = time.monotonic()
        try:
            for step in self.steps:
                pause(max(0, began + step.at - time.monotonic()))
                say(step)
                proxies[step.which].tell(step.command)
                pause(step.lasts)
                proxies[step.which].tell("well")
        finally:
            for proxy in proxies:
                proxy.tell("well")


def main():
    parser = argparse.ArgumentParser(
        description="A bad network between two ports, by seed.")
    parser.add_argument("--build", default="build")
    parser.add_argument("--listen", type=int)
    parser.add_argument("--connect", type=int)
    parser.add_argument("--connect-netns")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--plan", action="store_true")
    args = parser.parse_args()
    kinds = args.kinds.split(",")
    unknown = sorted(set(kinds) - set(KINDS))
    if unknown:
        parser.error(f"{', '.join(unknown)}: no such kind; there are "
                     f"{', '.join(KINDS)}")
    storm = Storm(args.seed, 1, args.seconds, kinds)
    if args.plan:
        print("\n".join(map(str, storm.steps)))
        return 0
    if not args.listen or not args.connect:
        parser.error("--listen and --connect say where it is to stand")
    proxy = FaultyProxy(args.build, args.listen, args.connect,
                        connect_netns=args.connect_netns, seed=args.seed)
    try:
        storm.run([proxy], say=lambda step: print(step, flush=True))
    except KeyboardInterrupt:
        return 130
    finally:
        proxy.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
