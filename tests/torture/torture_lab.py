# SPDX-License-Identifier: GPL-2.0-or-later
"""torture_lab: the cluster that is tortured.

A requester, four providers and two arbiters, each in a network namespace.  A
provider listens on its own loopback only, and says so; what answers at that
address on any other host is a proxy, which connects to it inside its
namespace: so all that goes to a provider can be made bad, what other providers
push to it included.  The requester reaches the arbiters through proxies too.

Each provider is in a memory cgroup of its own, has a spill file, and a keeper
that does for it what systemd does: it keeps what was lent over a crash.  The
first one's disk can be full.
"""
import os
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in ("../integration", "../lib", "../../scripts/lib"):
    sys.path.insert(0, os.path.join(HERE, folder))
from cgroup import Cgroup  # noqa: E402
from cluster import Cluster, MIB  # noqa: E402
from faulty_proxy import FaultyProxy  # noqa: E402
from keeper import Keeper  # noqa: E402
from lab import (EACH_HOSTS, JsonSocket, LabError,  # noqa: E402
                 die_with_parent, run, wait_for)

import tasks  # noqa: E402

PROVIDERS, ARBITERS = 4, 2
FIRST_PORT = 9480
ARBITER_PORT, FIRST_ARBITER_PORT = 9471, 9571
LIMIT, RESERVE, SPILL = 768 * MIB, 96 * MIB, 512 * MIB
SLAB = "4M"
# Shorter than most outages, so that what comes after them happens too.
LEASE_TTL, GIVE_UP, DEADLINE = "10s", "10s", "2s"
HOG = """
import sys, time
path, most = sys.argv[1], int(sys.argv[2])
taken = []
while True:
    with open(path) as f:
        if int(f.read()) < most:
            taken.append(b"x" * (4 << 20))
    time.sleep(0.1)
"""
SLOWFS = os.path.join(HERE, "..", "lib", "slowfs.py")


class TortureCluster(Cluster):
    def __init__(self, build, give_up=GIVE_UP, tls=None, keep_clean=False):
        super().__init__(build, providers=PROVIDERS, slab=SLAB, tls=tls)
        self.give_up = give_up
        self.keep_clean = keep_clean
        self.ways = {}          # proxies by what they lead to
        self.bad = {}           # what is wrong with these, by lane
        self.disk = None
        self.disk_dir = None

    # ------------------------------------------------------------- set-up

    def start(self):
        self.sites = [self.add_host(f"arbiter{i}") for i in range(ARBITERS)]
        self.requester = self.add_host("requester")
        self.providers = [self.add_host(f"provider{i}")
                          for i in range(PROVIDERS)]
        self.mount_disk()
        self.configure()
        for site in self.sites:
            self.wait_socket(self.spawn_arbiter(site),
                             site.path("arbiter.sock"))
        for i, host in enumerate(self.providers):
            host.port = FIRST_PORT + i
            host.keeper = Keeper(host)
            host.cgroup = Cgroup(f"{self.prefix}-{host.name}", LIMIT)
            self.wait_socket(self.spawn_provider(host),
                             host.path("admin.sock"))
        self.lay_ways()
        self.wait_socket(self.spawn_requester(),
                         self.requester.path("admin.sock"))
        for site in self.sites:
            wait_for(f"{site.name} to know all hosts",
                     lambda site=site: self.knows_all(site), 30)

    def configure(self):
        for host in self.providers:
            self.write_conf(host, f"[provider]\nlease-ttl = {LEASE_TTL}\n"
                            f"stop-timeout = 60s\n"
                            f"[agent]\ndeadline = {DEADLINE}\n")
        self.write_conf(self.requester, "[pager]\n"
                        f"give-up = {self.give_up}\nslow-window = 2s\n"
                        "moves-per-minute = 12\n"
                        f"keep-clean = {self.keep_clean and 'yes' or 'no'}\n")

    def write_conf(self, host, text):
        with open(self.conf(host), "w") as f:
            f.write(text)

    def conf(self, host):
        return os.path.join(self.dir, f"{host.name}.conf")

    def mount_disk(self):
        """The first provider's; without FUSE it is one like the others."""
        where, image = self.dir + "/disk", self.dir + "/image"
        os.mkdir(where)
        with open(image, "wb") as f:
            f.truncate(SPILL)
        disk = subprocess.Popen(
            [sys.executable, SLOWFS, "--writable", where, image, "0"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            preexec_fn=die_with_parent)
        if disk.stdout.readline() == b"mounted\n":
            self.disk, self.disk_dir = disk, where
        else:
            disk.wait()

    def lay_ways(self):
        for host in self.providers:
            self.ways[host.name] = [
                FaultyProxy(self.build, host.port, host.port, other.enter,
                            host.netns, seed=host.port, address=EACH_HOSTS)
                for other in (self.requester, *self.providers)
                if other is not host]
        for i, site in enumerate(self.sites):
            self.ways[site.name] = [FaultyProxy(
                self.build, FIRST_ARBITER_PORT + i, ARBITER_PORT,
                self.requester.enter, site.netns, seed=i,
                address=EACH_HOSTS)]
        self.bad = {name: {} for name in self.ways}

    def knows_all(self, site):
        hosts = self.call(site.path("arbiter.sock"), "hosts")
        alive = [h for h in hosts if h["state"] == "alive"]
        return (len(alive) == PROVIDERS + 1 and
                all(h["free_bytes"] for h in alive if h["lends"]))

    # ------------------------------------------------------------ daemons

    def other_build(self, name):
        return os.path.join(self.build, "tests", "integration",
                            f"{name}-next")

    def switch_build(self, host, name):
        """The next one started is of the other build."""
        host.programs[name] = (None if host.programs.get(name)
                               else self.other_build(name))

    def spawn_arbiter(self, site):
        sock = site.path("arbiter.sock")
        if os.path.exists(sock):
            os.unlink(sock)
        return site.start("arbiter", [
            site.program("arbiter"), "--listen", f"0.0.0.0:{ARBITER_PORT}",
            *(["--name", site.name] if self.tls else []),
            *site.security("arbiter"), "--admin-socket", sock,
            "--heartbeat", "200"])

    def spawn_provider(self, host):
        arbiters = [f"--arbiter={site.at(ARBITER_PORT)}"
                    for site in self.sites]
        disk = (self.disk_dir if host is self.providers[0] and self.disk
                else self.build)
        return host.keeper.spawn(
            "--config", self.conf(host), f"--listen={EACH_HOSTS}:{host.port}",
            "--slab-size", self.slab, "--reserve", str(RESERVE),
            "--memory-source", f"cgroup:{host.cgroup.path}",
            "--spill-dir", disk, "--spill-size", str(SPILL),
            "--enable-debug-commands", *arbiters)

    def spawn_requester(self):
        host = self.requester
        sock = host.path("admin.sock")
        if os.path.exists(sock):
            os.unlink(sock)
        return host.start("rcached", [
            host.program("rcached"), "--run-dir", host.run,
            "--host", host.name, "--config", self.conf(host),
            *host.security("host"), "--lend", "0", "--enable-debug-commands",
            *(f"--arbiter={EACH_HOSTS}:{FIRST_ARBITER_PORT + i}"
              for i in range(ARBITERS))])

    def pids(self):
        """On the requester; ip fails now and then when one ends meanwhile."""
        for _ in range(5):
            done = subprocess.run(
                ["ip", "netns", "pids", self.requester.netns],
                capture_output=True, text=True, check=False)
            if not done.returncode:
                return done.stdout.split()
        raise LabError(f"ip netns pids: {done.stderr}")

    def pagers(self):
        """Their pids: a name is enough, nothing else here has it."""
        found = []
        for pid in self.pids():
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as f:
                    if b"\0--pager\0" in f.read():
                        found.append(int(pid))
            except OSError:
                pass            # it has just ended
        return sorted(found)

    @staticmethod
    def listens(path):
        try:
            JsonSocket(path).close()
            return True
        except OSError:
            return False

    # ------------------------------------------------------- ways and disk

    def tell_way(self, name, lane, command):
        """What @lane does to all that leads to @name; None: no more."""
        bad = self.bad[name]
        bad.pop(lane, None)
        if command:
            bad[lane] = command
        for proxy in self.ways[name]:
            proxy.tell("well")
            for one in bad.values():
                proxy.tell(one)

    def set_disk_full(self, full):
        self.disk.send_signal(signal.SIGUSR1 if full else signal.SIGUSR2)

    def set_link(self, host, state):
        """Its way to the others but for the proxies: heartbeats."""
        run("ip", "-n", host.netns, "link", "set", "eth0", state)

    @staticmethod
    def hog(host):
        """A process on @host that takes 40 MiB a second, until half of the
        reserve is left; and more when there is more."""
        cgroup = host.cgroup
        return host.start("hog", [
            sys.executable, "-c", HOG, os.path.join(cgroup.path, cgroup.used),
            str(LIMIT - RESERVE // 2)])

    # -------------------------------------------------------------- the end

    def has_nothing_leased(self):
        """Every provider, once its VMs have ended."""
        try:
            return not sum(self.status(h)["leased_bytes"]
                           for h in self.providers)
        except (OSError, LabError):
            return False

    def clean(self):
        for proxy in sum(self.ways.values(), []):
            proxy.popen.kill()
            proxy.popen.wait()
        for process in self.processes:
            if process.alive():         # a stopped one would not end
                process.popen.send_signal(signal.SIGCONT)
        super().clean()
        if self.disk:
            self.disk.terminate()
            self.disk.wait()
        for host in self.hosts.values():
            if host.cgroup:
                wait_for("a cgroup to be empty", host.cgroup.removed, 10)


def listening(cluster, process, path):
    """A task: until somebody listens at @path."""
    def there():
        if not process.alive():
            raise LabError(f"{process.name} ended:\n{process.tail()}")
        return cluster.listens(path)
    yield from tasks.until(f"{process.name} to listen", there, 120)
