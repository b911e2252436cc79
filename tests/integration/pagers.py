# SPDX-License-Identifier: GPL-2.0-or-later
"""pagers: what the daemon notices of pagers, and says."""
import os
import signal

from cluster import Cluster, Vm, expect_clean, wait_for

SCENARIOS = {}


def scenario(function):
    SCENARIOS[function.__name__] = function
    return function


def pager_of(host):
    """The pid of the only pager on @host."""
    link = f"--link={host.path('pager.sock')}".encode()
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                argv = f.read().split(b"\0")
        except OSError:
            continue
        if b"--pager" in argv and link in argv:
            found.append(int(pid))
    assert len(found) == 1, found
    return found[0]


def verdict(c, socket):
    return c.call(c.requester.path(socket), "status")["verdict"]


def state(c, socket):
    vms = c.call(c.requester.path(socket), "vms")
    return vms[0]["state"] if vms else "none"


@scenario
def pager_stuck(build):
    """A pager that is there and does nothing is told, here and there."""
    sockets = "admin.sock", "arbiter.sock"
    said = "failing: vm vm1"
    with Cluster(build, providers=1) as c:
        vm = Vm(c.requester, mem=64, local_max=32, seconds=600)
        wait_for("the pager to be attached",
                 lambda: all(state(c, s) == "attached" for s in sockets), 60)
        pager = pager_of(c.requester)
        os.kill(pager, signal.SIGSTOP)
        try:
            for socket in sockets:
                wait_for("the pager to be told as stuck",
                         lambda s=socket: state(c, s) == "stuck", 30)
                text = verdict(c, socket)
                assert text.startswith(said), text
                assert "no figures for " in text, text
                assert "its pager is stuck" in text, text
        finally:
            os.kill(pager, signal.SIGCONT)
        for socket in sockets:
            wait_for("the pager to be well again",
                     lambda s=socket: state(c, s) == "attached", 30)
            assert "stuck" not in verdict(c, socket)
        expect_clean(vm.quit())
        c.shut_down()
