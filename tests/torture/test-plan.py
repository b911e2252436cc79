#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a seed does is the same each time, and keeps to its rules."""
import sys

import torture_plan
from torture_plan import KINDS, LANES, schedule

# What the first events of a seed are: whoever changes the schedule changes
# what all seeds that were written down mean.
SEED_7 = """\
   0.75 s  host       half-open provider3 (pause) for 7.6 s
   2.29 s  cluster    loss provider3 (lose 82) for 1.1 s
   2.61 s  requester  evict vm0 (51)
   3.48 s  requester  kill-daemon for 1.2 s
   5.28 s  cluster    drain provider3 for 5.2 s
   7.02 s  requester  kill-pager vm0
"""


def texts(*args, **options):
    return [str(event) for event in schedule(*args, **options)]


def check(good, what):
    if not good:
        sys.exit(f"FAILED: {what}")


def check_lanes(events, seconds):
    for lane in LANES:
        mine = [e for e in events if e.lane == lane]
        check(mine, f"nothing in lane {lane}")
        for one, after in zip(mine, mine[1:]):
            check(one.at + one.seconds < after.at,
                  f"{one} is not over when {after} begins")
        check(all(e.at < seconds for e in mine), f"lane {lane} is too long")
        for event in mine:
            check_event(event, lane, seconds)


def check_event(event, lane, seconds):
    _, _, of, shortest, longest = next(k for k in KINDS[lane]
                                       if k[1] == event.kind)
    check(shortest <= event.seconds <= max(shortest, longest) and
          event.seconds <= max(shortest, 0.4 * seconds), str(event))
    nr = {"provider": 4, "arbiter": 2, "vm": 3, "": 0}[of]
    targets = [f"{of}{n}" for n in range(nr)] or [""]
    check(event.target in targets, str(event))


def main():
    check("\n".join(texts(7, 60)[:6]) + "\n" == SEED_7,
          "seed 7 begins with\n" + "\n".join(texts(7, 60)[:6]))
    for seed in range(200):
        events = schedule(seed, 120)
        check([str(e) for e in events] == texts(seed, 120), f"seed {seed}")
        check_lanes(events, 120)
    check(texts(1, 120) != texts(2, 120), "two seeds do the same")
    seen = {e.kind for seed in range(200) for e in schedule(seed, 120)}
    check(seen == {k[1] for lane in LANES for k in KINDS[lane]},
          f"only {seen}")
    longest = max(e.seconds for seed in range(200)
                  for e in schedule(seed, 3600) if e.kind == "freeze")
    check(50 < longest <= 60, f"a freeze lasts {longest} s at most")
    without = schedule(1, 600, left_out=("kill",))
    check("kill" not in {e.kind for e in without}, "what was left out is in")
    check(torture_plan.schedule(1, 600)[0].at >= 0, "before the start")
    print("ok")


if __name__ == "__main__":
    main()
