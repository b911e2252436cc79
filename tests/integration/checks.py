# SPDX-License-Identifier: GPL-2.0-or-later
"""checks: what rcachectl check finds of real daemons, and on the way to them.

What the machine of the tests is set to is none of it: only what the scenario
does has to be found, and only while it holds.
"""
import json
import os
import subprocess

from cluster import PATIENCE, Cluster, wait_for
from lab import run

# Of a cluster that is well none of these is found.
OURS = ("mtu-", "peer-", "arbiter", "daemon-", "pagers-", "versions-",
        "no-arbiter", "listen-", "address-", "cgroup-", "descriptors-",
        "certificate")


class Found:
    """What "rcachectl check" on a host has said."""

    def __init__(self, c, host, *args):
        done = subprocess.run(
            [*host.enter, host.program("rcachectl"), "--json",
             "--socket", host.path("admin.sock"), "check", *args],
            capture_output=True, text=True, timeout=60 * PATIENCE,
            check=False)
        assert not done.stderr, done.stderr
        self.answer = json.loads(done.stdout)
        self.findings = self.answer["findings"]
        expected = (4 if self.answer["errors"] else
                    5 if self.answer["warnings"] else 0)
        assert done.returncode == expected, (done.returncode, self.answer)

    def ids(self):
        """Those that the cluster could be to blame for."""
        return sorted(f["id"] for f in self.findings
                      if f["id"] and f["id"].startswith(OURS))

    def one(self, name):
        """The only finding of that id."""
        found = [f for f in self.findings if f["id"] == name]
        assert len(found) == 1, (name, self.findings)
        assert found[0]["remedy"], found
        return found[0]

    def unseen(self, check):
        return any(f["id"] == "not-looked-at" and f["check"] == check
                   for f in self.findings)


def set_mtu(netns, device, mtu):
    run("ip", "-n", netns, "link", "set", "dev", device, "mtu", str(mtu))


def all_is_well(c):
    """Until all have settled: nothing is found, and all was looked at."""
    wait_for("nothing to be found",
             lambda: not Found(c, c.requester).ids(), 20)
    found = Found(c, c.requester)
    assert not found.unseen("mtu"), found.findings
    # A host without an arbiter says what it cannot look at.
    assert Found(c, c.providers[0]).unseen("other hosts")


def one_side_is_small(c, host):
    """The MTU of one host is smaller than that of the other."""
    set_mtu(host.netns, "eth0", 1400)
    found = Found(c, c.requester)
    assert found.ids() == ["mtu-differs"], found.findings
    finding = found.one("mtu-differs")
    assert finding["found"] == "1400" and host.name in finding["what"], finding
    assert "eth0 mtu 1500" in finding["remedy"], finding
    set_mtu(host.netns, "eth0", 1500)


def middle_is_small(c, host):
    """Something between takes less than both, and tells nobody."""
    port = "h" + host.netns.rpartition("n")[2]
    set_mtu(c.bridge, port, 1400)
    found = Found(c, c.requester)
    assert found.ids() == ["mtu-vanish"], found.findings
    finding = found.one("mtu-vanish")
    assert finding["severity"] == "error", finding
    assert "1500 bytes" in finding["what"], finding
    assert finding["found"] == "1400 bytes do", finding
    assert host.address in finding["what"], finding
    set_mtu(c.bridge, port, 1500)
    wait_for("all to arrive again",
             lambda: not Found(c, c.requester).ids(), 20)


def nobody_listens(c, host):
    """A port that is asked for, and where nobody is."""
    found = Found(c, c.requester, host.at(9))
    assert found.ids() == ["peer-unreachable"], found.findings
    assert host.address in found.one("peer-unreachable")["what"]


def arbiter_dies(c):
    arbiter = c.requester.processes["arbiter"]
    arbiter.popen.kill()
    arbiter.popen.wait()
    wait_for("the arbiter to be missed", lambda: {
        "arbiters-away", "arbiter-silent"} <= set(
            Found(c, c.requester).ids()), 30)
    # A socket that nobody has left is no error.
    os.unlink(c.requester.path("arbiter.sock"))
    found = Found(c, c.requester)
    assert "arbiter-silent" not in found.ids(), found.findings
    assert found.unseen("other hosts"), found.findings


def check_finds_it(build):
    """A cluster that is well, then one thing after the other that is not."""
    with Cluster(build) as c:
        sick = c.providers[0]
        all_is_well(c)
        one_side_is_small(c, sick)
        middle_is_small(c, sick)
        nobody_listens(c, sick)
        arbiter_dies(c)
        c.shut_down()


SCENARIOS = {f.__name__: f for f in (check_finds_it,)}
