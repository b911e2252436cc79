# SPDX-License-Identifier: GPL-2.0-or-later
"""crash_commands: pagers that die while they are told to do something.

As crash_points.py: the guest has its limits as before, who has asked is told
that it has failed, and all figures agree.
"""
import concurrent.futures
import time

from cluster import LabError, MIB, expect_clean, wait_for
from crash_points import (CrashCluster, Point, check, die_at, nothing_left,
                          settle, under_load)
from lab import JsonSocket  # after cluster, which knows where it is

SCENARIOS = {}
LOCAL = 24 * MIB


# ---------------------------------------------------------- how it comes there

def resize(c, vm):
    """To a little less away, and a little more here."""
    c.answer = vm.call(f"resize {32 * MIB} {32 * MIB}")


def resize_failed(c, vm):
    assert c.answer["status"] == 1, c.answer
    wait_for("the limit to be as before",
             lambda: vm.stats()["local_max"] == LOCAL, 10)


def ask(c):
    """The error of an evict by an operator, or None; 20 s are plenty."""
    sock = JsonSocket(c.requester.path("admin.sock"), timeout=20)
    try:
        sock.call("evict", vm="vm1", bytes=MIB)
        return None
    except (LabError, OSError) as error:
        return str(error) or "no answer"
    finally:
        sock.close()


def evict(c, vm):
    with concurrent.futures.ThreadPoolExecutor() as pool:
        c.answer = pool.submit(ask, c)
        wait_for("a pager to die", c.order.victim, 30, 0.01)


def evict_failed(c, vm):
    answer = c.answer.result()
    assert answer and "its pager has gone" in answer, answer


def unplug(c, vm):
    vm.call("unplug")


def stands_still(vm):
    before = vm.stats()["visits"]
    time.sleep(0.1)
    return vm.stats()["visits"] == before


def plug(c, vm):
    """What was there is nowhere any more.  Then it comes back at the same
    place; all of it is zeros now.  The guest touches it before the pager knows
    that it is there."""
    settle(c, vm)
    vm.call("go")
    wait_for("the guest to touch it", lambda: stands_still(vm), 20)
    vm.call("plug")
    wait_for("memory to go there",
             lambda: vm.stats()["guest"] == 64 * MIB, 10)


POINTS = {
    "resize-begun": Point("commands", 1, resize, resize_failed),
    "resize-reached": Point("commands", 1, resize, resize_failed),
    "evict-reached": Point("commands", 1, evict, evict_failed),
    "block-page-gone": Point("commands", 1000, unplug, plug),
    "block-gone": Point("commands", 1, unplug, plug),
}


def in_commands(build, names):
    with CrashCluster(build) as c:
        vm = under_load(c, 1, blocks=2, plug_later=True)
        vm.call("plug")
        wait_for("all of it to be known",
                 lambda: vm.stats()["guest"] == 64 * MIB, 30)
        wait_for("most of it to be away",
                 lambda: vm.stats()["remote"] > 32 * MIB, 60)
        for name in names:
            point = POINTS[name]
            die_at(c, vm, name, point.count, point.bring)
            point.after(c, vm)
            check(c, vm)
            print(f"{name}: ok", flush=True)
        expect_clean(vm.quit())
        nothing_left(c)
        c.shut_down()


def crash_points_commands(build, *names):
    """All of those points, or some."""
    in_commands(build, names or list(POINTS))


SCENARIOS = {"crash_points_commands": crash_points_commands}
