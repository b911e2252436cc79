# SPDX-License-Identifier: GPL-2.0-or-later
"""torture_plan: what a seed does to a cluster, and when.

Pure: the same arguments give the same schedule, on any machine.  Events stand
in three lanes, which go on side by side; in a lane one event ends before the
next begins.

    host       a provider or an arbiter is away, by whatever means
    cluster    room and ways get worse; all hosts stay
    requester  pagers, the requester's daemon, what an operator asks of a VM

An event's time is when it begins at the earliest.  With two copies an event of
the lane "host" also waits until everything is at two copies again; so a run
may be over before all that is scheduled has happened.
"""
import random

LANES = ("host", "cluster", "requester")

# lane: (weight, kind, target, seconds that it lasts, at least and at most)
KINDS = {
    "host": (
        (4, "kill", "provider", 0.5, 40),
        (2, "crash", "provider", 0.2, 10),
        (2, "stop", "provider", 0.5, 10),
        (4, "freeze", "provider", 1, 60),
        (1, "cut", "provider", 1, 40),
        (1, "blackhole", "provider", 1, 40),
        (1, "half-open", "provider", 1, 40),
        (1, "mtu", "provider", 1, 40),
        (1, "upgrade", "provider", 0.2, 1),
        (1, "kill-arbiter", "arbiter", 0.5, 20),
        (1, "upgrade-arbiter", "arbiter", 0.2, 1),
        (1, "freeze-arbiter", "arbiter", 1, 40),
    ),
    "cluster": (
        (3, "drain", "provider", 2, 15),
        (1, "drain-all", "", 3, 10),
        (2, "disk-full", "provider", 3, 10),
        (2, "memory", "provider", 3, 12),
        (1, "slow", "provider", 0.5, 6),
        (1, "overtaking", "provider", 0.5, 6),
        (1, "loss", "provider", 0.5, 6),
        (1, "trickle", "provider", 0.5, 6),
        (2, "corruption", "provider", 0.5, 6),
        (2, "resets", "provider", 0.5, 6),
        (1, "silent-heartbeats", "provider", 2, 20),
        (1, "cut-arbiter", "arbiter", 2, 10),
    ),
    "requester": (
        (6, "kill-pager", "vm", 0, 0),
        (2, "freeze-pager", "vm", 0.5, 8),
        (2, "kill-daemon", "", 0.2, 5),
        (1, "stop-daemon", "", 0.2, 2),
        (1, "upgrade-daemon", "", 0.2, 1),
        (4, "resize", "vm", 0, 0),
        (1, "home", "vm", 0, 0),
        (4, "evict", "vm", 0, 0),
    ),
}
# Seconds between the end of an event and the next one of its lane, at most.
CALM = {"host": 2, "cluster": 3, "requester": 3}

# Of each kind, what else is drawn.
DETAILS = {
    "slow": lambda r: f"delay {r.randint(5, 60)}",
    "overtaking": lambda r: f"jitter {r.randint(5, 40)}",
    "loss": lambda r: f"lose {r.randint(5, 100)}",
    "trickle": lambda r: f"trickle {r.randint(200, 3000)}",
    "corruption": lambda r: f"corrupt {r.randint(1, 30)}",
    "resets": lambda r: f"drop {r.randint(1, 30)}",
    "half-open": lambda r: "pause",
    "blackhole": lambda r: "blackhole",
    "cut": lambda r: "cut",
    "mtu": lambda r: f"hole {r.choice(['up', 'down'])} "
                     f"{r.choice([0, 600, 1400])}",
    # Percent: of the VM's memory that may be here; of that, what is to go.
    "resize": lambda r: str(r.randint(20, 60)),
    "evict": lambda r: str(r.randint(5, 80)),
}


class Event:
    """@at: seconds from the start; @target: a number among its kind."""

    def __init__(self, at, lane, kind, target, seconds, detail):
        self.at = at
        self.lane = lane
        self.kind = kind
        self.target = target
        self.seconds = seconds
        self.detail = detail

    def __str__(self):
        words = [f"{self.at:7.2f} s  {self.lane:9}  {self.kind}"]
        if self.target:
            words.append(self.target)
        if self.detail:
            words.append(f"({self.detail})")
        if self.seconds:
            words.append(f"for {self.seconds:.1f} s")
        return " ".join(words)


def draw_target(rng, of, counts):
    return f"{of}{rng.randrange(counts[of])}" if of else ""


def draw_seconds(rng, shortest, longest, most):
    """As many short ones as long ones, by orders of magnitude."""
    if not longest:
        return 0.0
    longest = max(shortest, min(longest, most))
    return shortest * (longest / shortest) ** rng.random()


def draw_lane(rng, lane, seconds, counts, left_out):
    kinds = [k for k in KINDS[lane] if k[1] not in left_out]
    weights = [k[0] for k in kinds]
    at = rng.uniform(0, CALM[lane])
    while at < seconds:
        _, kind, of, shortest, longest = rng.choices(kinds, weights)[0]
        target = draw_target(rng, of, counts)
        lasts = draw_seconds(rng, shortest, longest, seconds * 0.4)
        detail = DETAILS.get(kind, lambda r: "")(rng)
        yield Event(at, lane, kind, target, lasts, detail)
        at += lasts + rng.uniform(0.1, CALM[lane])


def schedule(seed, seconds, providers=4, arbiters=2, vms=3, left_out=()):
    """All events, by the time at which they begin.

    @left_out: kinds that are not to be among them
    """
    counts = {"provider": providers, "arbiter": arbiters, "vm": vms}
    events = []
    for lane in LANES:
        # A lane's events do not depend on how many another one has.
        rng = random.Random(f"{seed} {lane}")
        events += draw_lane(rng, lane, seconds, counts, left_out)
    return sorted(events, key=lambda e: (e.at, LANES.index(e.lane)))
