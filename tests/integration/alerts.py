# SPDX-License-Identifier: GPL-2.0-or-later
"""alerts: what goes wrong raises its alert, by the figures that the daemons
give at that moment through rcache-exporter, and ends it when it is over.

promtool takes each moment for two hours, so that no test waits for the time
that an alert waits for; tests/prometheus has those times.
"""
import json
import os
import re
import subprocess
import sys

from cluster import Cluster, MIB, Vm, expect_clean, wait_for
from lab import die_with_parent  # whose folder cluster has found
import promtext  # whose folder cluster has found
from copies import two_everywhere
from secured import Secured

SCENARIOS = {}
DASHBOARD = os.path.join(promtext.TOP, "dist", "grafana", "rcached.json")
# Beside the exporters of a host, as to start it for each look costs more than
# all that is looked at.
FETCH = """
import sys, urllib.request
for url in sys.stdin:
    text = urllib.request.urlopen(url.strip(), timeout=60).read()
    sys.stdout.buffer.write(b"%d\\n" % len(text) + text)
    sys.stdout.buffer.flush()
"""
PORTS = {"rcached": 9472, "arbiter": 9473}
JOBS = {"rcached": "rcached", "arbiter": "rcache-arbiter"}
SOCKETS = {"rcached": "admin.sock", "arbiter": "arbiter.sock"}
# Told only while it is so.
RARE = {"rcache_vm_provider_trouble"}


def scenario(function):
    SCENARIOS[function.__name__] = function
    return function


class Watch:
    """An exporter for each daemon of a cluster, and what they have said."""

    def __init__(self, c):
        self.c = c
        self.promtool, why = promtext.find_promtool()
        if why:
            print(f"skipped: {why}")
            sys.exit(77)
        self.moments = []
        self.fetchers = {}
        self.linted = set()
        for host in [c.requester, *c.providers]:
            self.start(host, "rcached")
        self.start(c.requester, "arbiter")

    def start(self, host, of):
        if host not in self.fetchers:
            self.fetchers[host] = subprocess.Popen(
                [*host.enter, sys.executable, "-c", FETCH],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                preexec_fn=die_with_parent)
        port = PORTS[of]
        process = host.start(f"exporter-of-{of}", [
            self.c.program("rcache-exporter"), f"--of={of}",
            f"--listen=127.0.0.1:{port}",
            f"--socket={host.path(SOCKETS[of])}"])
        wait_for("an exporter", lambda: "/metrics" in process.tail(), 20)

    def fetch(self, host, of="rcached"):
        fetcher = self.fetchers[host]
        fetcher.stdin.write(b"http://127.0.0.1:%d/metrics\n" % PORTS[of])
        fetcher.stdin.flush()
        size = fetcher.stdout.readline()
        assert size, f"the exporter of {host.name}'s {of} does not answer"
        return fetcher.stdout.read(int(size)).decode()

    def wait(self, what, check, seconds=60):
        """Until this moment's figures are as they should, which are kept."""
        def now():
            moment = {
                f"{host.name}:{PORTS[of]}": (JOBS[of], self.fetch(host, of))
                for host in [self.c.requester, *self.c.providers]
                for of in (["rcached", "arbiter"] if host is self.c.requester
                           else ["rcached"])}
            found = [s for _, text in moment.values()
                     for s in promtext.parse(text)]
            return check(found) and moment
        moment = wait_for(what, now, seconds, 1)
        for _, text in moment.values():
            wrong = promtext.offences(text)
            assert not wrong, wrong
            self.lint(text)
        self.moments.append(moment)

    def lint(self, text):
        """What promtool says of names and types it says of all texts that have
        the same ones."""
        shape = frozenset(
            [(name, *sorted(labels)) for name, labels, _ in
             promtext.parse(text)] +
            [line for line in text.splitlines() if line.startswith("#")])
        if shape not in self.linted:
            said = promtext.lint(self.promtool, text)
            assert not said, said
            self.linted.add(shape)

    def expect(self, *wanted):
        """These fire by what was kept, and none of them in the end."""
        first, ever, last = promtext.alerts(self.promtool, self.moments)
        print(f"before: {sorted(first)}, then: {sorted(ever)}, "
              f"in the end: {sorted(last)}")
        assert not first & set(wanted), first
        assert set(wanted) <= ever, set(wanted) - ever
        assert not last & set(wanted), last


def most(found, name, **labels):
    return max((value for other, has, value in found if other == name and
                labels.items() <= has.items()), default=0)


def least(found, name, **labels):
    return min((value for other, has, value in found if other == name and
                labels.items() <= has.items()), default=0)


def all_up(found):
    """Each daemon answers, is connected, and all hosts are known."""
    return (least(found, "rcache_up") and
            least(found, "rcache_arbiter_connected") and
            least(found, "rcache_host_connected"))


def running(c, **options):
    return Vm(c.requester, mem=96, local_max=32, seconds=600, threads=4,
              **options)


@scenario
def alerts_of_a_provider_lost(build):
    """It is away, its VM stands still; it comes back empty, and what the VM had
    there is lost until the VM ends."""
    with Cluster(build) as c:
        watch = Watch(c)
        vm = running(c)
        wait_for("both to store",
                 lambda: min(c.status(h)["stored_bytes"]
                             for h in c.providers) > 4 * MIB, 60)
        watch.wait("all to be well", lambda found: all_up(found) and
                   most(found, "rcache_vm_provider_stored_bytes",
                        provider="provider0") > MIB)
        process = c.providers[0].processes["rcached"]
        process.popen.kill()
        process.popen.wait()
        watch.wait("the VM to stand still, and all to be told", lambda found:
                   most(found, "rcache_vm_stall_seconds") > 5 and
                   most(found, "rcache_vm_provider_trouble",
                        provider="provider0") and
                   not least(found, "rcache_host_connected") and
                   not least(found, "rcache_up"), 120)
        c.start_provider(c.providers[0])
        watch.wait("the loss", lambda found:
                   all_up(found) and most(found, "rcache_vm_lost_bytes"))
        vm.popen.kill()
        vm.popen.wait()
        watch.wait("the VM to be gone", lambda found: all_up(found) and
                   not most(found, "rcache_vm_state") and
                   not most(found, "rcache_failing"), 120)
        watch.expect("RcacheHostAway", "RcacheProviderNotAnswering",
                     "RcacheVmStandsStill", "RcacheVmLostMemory",
                     "RcacheFailing", "RcacheDaemonDown")
        c.shut_down()


@scenario
def alerts_of_arbiters(build):
    """The only arbiter dies, and is started again."""
    with Cluster(build, providers=1) as c:
        watch = Watch(c)
        watch.wait("all to be well", all_up)
        process = c.requester.processes["arbiter"]
        process.popen.kill()
        process.popen.wait()
        os.unlink(c.requester.path("arbiter.sock"))
        watch.wait("nobody to be connected", lambda found:
                   not most(found, "rcache_arbiter_connected"))
        c.requester.start_arbiter(heartbeat_ms=c.heartbeat_ms)
        watch.wait("all to be well again", lambda found: all_up(found) and
                   most(found, "rcache_host_connected", host="provider0"))
        watch.expect("RcacheNoArbiter", "RcacheArbiterUnreachable",
                     "RcacheDaemonDown")
        c.shut_down()


def expressions():
    """All that the dashboard and the alerts ask for."""
    with open(DASHBOARD, encoding="utf-8") as file:
        text = " ".join(target["expr"] for panel in json.load(file)["panels"]
                        for target in panel.get("targets", []))
    with open(promtext.RULES, encoding="utf-8") as file:
        return text + "".join(re.findall(r"expr:(.*?)(?:labels|for):",
                                         file.read(), re.DOTALL))


@scenario
def alerts_of_certificates(build):
    """A certificate that ends soon; and real daemons tell all figures that the
    dashboard and the alerts ask for."""
    with Secured(build, providers=1) as c:
        watch = Watch(c)
        vm = running(c)
        watch.wait("faults, and certificates that last", lambda found:
                   all_up(found) and
                   most(found, "rcache_vm_fault_seconds_count") > 0 and
                   least(found, "rcache_tls_expires_seconds") > 14 * 86400)
        told = {name for _, text in watch.moments[0].values()
                for name, _, _ in promtext.parse(text)} | RARE
        asked = set(re.findall(r"\brcache_\w+", expressions()))
        assert len(asked) > 40, asked
        assert not asked - told, asked - told
        for valid, soon in (("132h", True), ("720h", False)):
            c.authority().issue(c.providers[0], valid=valid)
            c.reload(c.providers[0])
            watch.wait("it to be told", lambda found, soon=soon: soon == (
                least(found, "rcache_tls_expires_seconds") < 14 * 86400))
        watch.expect("RcacheCertificateExpires")
        expect_clean(vm.quit())
        c.shut_down()


@scenario
def alerts_of_one_copy(build):
    """One of the two providers that have all of it is away, and comes back."""
    with Cluster(build) as c:
        watch = Watch(c)
        vm = running(c, copies=2)
        wait_for("evictions", lambda: vm.stats()["evicted_pages"] > 5000, 90)
        two_everywhere(c, vm)
        watch.wait("two copies of all of it", lambda found: all_up(found) and
                   most(found, "rcache_vm_remote_bytes") > MIB and
                   not most(found, "rcache_vm_one_copy_bytes"))
        process = c.providers[1].processes["rcached"]
        process.popen.kill()
        process.popen.wait()
        watch.wait("one copy", lambda found:
                   most(found, "rcache_vm_one_copy_bytes") > MIB)
        c.start_provider(c.providers[1])
        watch.wait("two copies again", lambda found: all_up(found) and
                   most(found, "rcache_vm_remote_bytes") > MIB and
                   not most(found, "rcache_vm_one_copy_bytes"), 120)
        watch.expect("RcacheVmOneCopy")
        expect_clean(vm.quit())
        c.shut_down()


@scenario
def alerts_of_pagers(build):
    """Pagers that die again and again."""
    with Cluster(build, providers=1) as c:
        watch = Watch(c)
        vm = running(c)
        name = "rcache_vm_pager_restarts_total"
        wait_for("storing", lambda: c.stored() > 16 * MIB, 60)
        watch.wait("all to be well", lambda found: all_up(found) and
                   most(found, "rcache_vm_state", state="attached"))
        c.kill_pagers(vm, 3, 600)
        watch.wait("three of them to be told", lambda found:
                   least(found, name) >= 3 and
                   most(found, "rcache_vm_state", state="attached"))
        watch.expect("RcachePagerRestarts")
        expect_clean(vm.quit())
        c.shut_down()


@scenario
def alerts_of_wrong_bytes(build):
    """Bits that flip at the provider."""
    with Cluster(build, providers=1) as c:
        watch = Watch(c)
        vm = running(c)
        name = "rcache_vm_wrong_pages_total"
        wait_for("storing", lambda: c.stored() > 16 * MIB, 60)
        watch.wait("none yet", lambda found: all_up(found) and
                   most(found, "rcache_vm_remote_bytes") > 0 and
                   not most(found, name))
        for _ in range(20):
            c.call(c.providers[0].path("admin.sock"), "debug-corrupt")
        watch.wait("some", lambda found: least(found, name) > 0)
        watch.expect("RcacheVmWrongPages")
        vm.popen.kill()
        vm.popen.wait()
        c.shut_down()
