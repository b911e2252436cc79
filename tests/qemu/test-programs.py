#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Real programs in the guest: redis-server and SQLite with data three times
as large as the memory that may be here, each value checked; and a sort of a
file, which with what sort has in memory is three times as large as well (and
its result comes on top), whose checksum is the host's.

    test-programs.py
"""
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from scene import check, run, wait_for                      # noqa: E402

MIB = 1 << 20
LOCAL_MAX = 48 * MIB
DATA = 3 * LOCAL_MAX
STATES = ("redis-fill", "redis-check", "sqlite-fill", "sqlite-check", "sort",
          "done")


def on_the_host():
    """What the sort comes to where all memory is local."""
    cache = os.environ.get("XDG_CACHE_HOME") or \
        os.path.expanduser("~/.cache")
    busybox = f"{cache}/rcached/guest/programs/bin/busybox"
    with tempfile.TemporaryDirectory(prefix="rc-") as folder:
        return subprocess.run(
            [busybox, "sh", os.path.join(HERE, "guest", "programs.sh"),
             "sort", str(DATA // MIB), folder],
            capture_output=True, text=True, check=True).stdout.strip()


def programs(scene):
    want = on_the_host()
    for state in STATES:
        wait_for(f"the guest's state={state}", lambda s=state: STATES.index(
            scene.status("state")) >= STATES.index(s), 180)
        if state == "sort":
            before = scene.query()["stats"]
    check(scene.guest.status["mismatches"] == 0, scene.guest.status)
    check(scene.guest.status["verified"] == 2 * DATA // 4096,
          scene.guest.status)
    check(len(want) == 64 and scene.guest.status["sum"] == want,
          f"the guest sorts to {scene.guest.status['sum']}, not {want}")
    stats = scene.query()["stats"]
    for what in ("evicted-pages", "fetched-pages"):
        pages = stats[what] - before[what]
        print(f"{what} by the sort: {pages}")
        check(pages * 4096 > DATA - LOCAL_MAX, f"too few {what} by the sort")
    print(f"{stats['fetched-pages']} pages fetched, "
          f"{stats['evicted-pages']} evicted")
    check(stats["evicted-pages"] * 4096 > DATA, "too few to say anything")
    check(stats["lost"] == 0, "pages were lost")


if __name__ == "__main__":
    sys.argv[1:] = ["programs"]
    run({"programs": programs}, guest=512 * MIB, local_max=LOCAL_MAX,
        boot=("programs",), ready="redis-fill",
        append=f"rcache.script=programs rcache.mib={DATA // MIB}")
