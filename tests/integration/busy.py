# SPDX-License-Identifier: GPL-2.0-or-later
"""busy: hosts that have no CPU to spare.

The time is taken from single processes with signals: those are late that are
meant to be, and no other test has to do without it.
"""
import os
import signal
import time

from cluster import Cluster, MIB, Vm, expect_clean, wait_for
from pagers import pager_of

PAGER_NICE = -10
SLACK = 16


def may_grow(late):
    """Bytes that a guest gets beyond local-max when nothing has gone for so
    many seconds: 64 pages after half a second, twice as many each fifth."""
    return int(64 * 4096 * 2 ** ((late - 0.5) / 0.2 + 1))


def evictions_are_late(build):
    """A guest takes little more than local-max while its pages go too late.

    The providers stand still until the guest may go beyond local-max, and are
    back at once: it must not have used that moment to take all it can.
    """
    with Cluster(build) as c:
        vm = Vm(c.requester, mem=256, local_max=64, seconds=600, threads=4,
                pattern="sweep", write_percent=100, pace=0)
        wait_for("evictions",
                 lambda: vm.stats()["evicted_pages"] > 10000, 60)
        nice = os.getpriority(os.PRIO_PROCESS, pager_of(c.requester))
        assert nice == PAGER_NICE, nice
        providers = [h.processes["rcached"].popen.pid for h in c.providers]
        began = time.monotonic()
        for pid in providers:
            os.kill(pid, signal.SIGSTOP)
        try:
            wait_for("local-max to be stretched",
                     lambda: "local-max is stretched" in vm.said(), 30)
        finally:
            for pid in providers:
                os.kill(pid, signal.SIGCONT)
        before = vm.stats()["evicted_pages"]
        wait_for("evictions to begin again",
                 lambda: vm.stats()["evicted_pages"] > before + 64, 60, 0.01)
        here = vm.stats()["resident"]
        late = time.monotonic() - began
        assert here <= (64 + SLACK) * MIB + may_grow(late), (here, late)
        wait_for("evictions to go on",
                 lambda: vm.stats()["evicted_pages"] > before + 10000, 60)
        # The guest goes on pressing.
        wait_for("local-max to hold again",
                 lambda: "local-max holds" in vm.said(), 60)
        expect_clean(vm.quit())
        c.shut_down()


SCENARIOS = {f.__name__: f for f in (evictions_are_late,)}
