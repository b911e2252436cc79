# SPDX-License-Identifier: GPL-2.0-or-later
"""secured: clusters that speak TLS: who is let in, and what files change.

That guests live there as without TLS other scenarios show, which meson.build
runs a second time with RCACHED_TEST_TLS.
"""
import os
import shutil
import signal
import socket
import ssl
import struct
import subprocess

from cluster import Cluster, MIB, Vm, expect_clean, goes_on, wait_for
from copies import running, two_everywhere
from failover import TwoArbiters
from giveback import drain, wait_empty

SCENARIOS = {}
HELLO = 1
ROLE_BULK, ROLE_HOST = 2, 3
REFUSED = 8


def scenario(function):
    SCENARIOS[function.__name__] = function
    return function


class Secured(Cluster):
    def __init__(self, build, **options):
        super().__init__(build, tls=True, **options)

    def reload(self, host, name="rcached"):
        """SIGHUP, and until it has said what came of it."""
        before = self.log(host, name).count("TLS: ")
        os.kill(host.processes[name].pid, signal.SIGHUP)
        wait_for(f"{host.name} to have read its files", lambda:
                 self.log(host, name).count("TLS: ") > before, 20)

    def reload_all(self):
        for host in self.hosts.values():
            for name in ("arbiter", "rcached"):
                if name in host.processes:
                    self.reload(host, name)

    def peers(self):
        """Where each host's heartbeats come from, as the arbiter sees it."""
        hosts = self.call(self.requester.path("arbiter.sock"), "hosts")
        return {h["name"]: h["peer"] for h in hosts}

    def wait_said(self, host, text, name="rcached", seconds=30):
        wait_for(f"{host.name}'s {name} to say '{text}'",
                 lambda: text in self.log(host, name), seconds)

    def arbiter_status(self):
        return self.call(self.requester.path("arbiter.sock"), "status")


def hello(name, role):
    """The frame, of one that calls itself so."""
    payload = struct.pack("<HHIQ16s16sQQ64s64s", 1, 1, role, 0, b"b" * 16,
                          b"v" * 16, 1, 1, name.encode(), b"")
    head = struct.pack("<IBBHIHHQQII", 0x31414352, 1, HELLO, 0, len(payload),
                       0, 0, 0, 0, 0, 0)
    return head + payload


class Intruder:
    """A connection to a daemon out of the requester's namespace, made by a
    process in it, with the certificate in a folder or without TLS."""

    def __init__(self, c, host, port, folder=None):
        here, there = socket.socketpair()
        script = ("import socket, sys; "
                  "c = socket.create_connection((sys.argv[1], "
                  "int(sys.argv[2]))); "
                  "s = socket.socket(fileno=int(sys.argv[3])); "
                  "socket.send_fds(s, [b'x'], [c.fileno()])")
        subprocess.run(c.requester.enter + ["python3", "-c", script,
                                            host.address, str(port),
                                            str(there.fileno())],
                       pass_fds=[there.fileno()], check=True)
        _, fds, _, _ = socket.recv_fds(here, 1, 1)
        here.close()
        there.close()
        self.sock = socket.socket(fileno=fds[0])
        self.sock.settimeout(60)
        if folder:
            self.sock = self.context(folder).wrap_socket(self.sock)

    @staticmethod
    def context(folder):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(f"{folder}/ca-cert.pem")
        context.load_cert_chain(f"{folder}/client-cert.pem",
                                f"{folder}/client-key.pem")
        return context

    def status(self, name, role):
        """Say HELLO; the answer's status, or None if there is none."""
        self.sock.sendall(hello(name, role))
        try:
            head = self.sock.recv(40)
        except OSError:
            return None
        return struct.unpack_from("<H", head, 12)[0] if len(head) == 40 \
            else None

    def close(self):
        self.sock.close()


def ask(c, host, port, folder, name, role):
    """Of an Intruder: the status of the answer to its HELLO."""
    intruder = Intruder(c, host, port, folder)
    try:
        return intruder.status(name, role)
    finally:
        intruder.close()


# -------------------------------------------------------------- who gets in

@scenario
def names_are_proved(build):
    """A certified host that takes another one's name is refused, and named."""
    with Secured(build, providers=1) as c:
        provider = c.providers[0]
        mallory = c.add_host("mallory")
        folder = c.authority().issue(mallory)
        # With its own name it is let in.
        assert ask(c, provider, 9470, folder, "mallory", ROLE_BULK) == 0
        assert ask(c, c.requester, 9471, folder, "mallory", ROLE_HOST) == 0
        said = "it calls itself requester, and its certificate is for mallory"
        assert ask(c, provider, 9470, folder, "requester",
                   ROLE_BULK) == REFUSED
        c.wait_said(provider, said)
        assert ask(c, c.requester, 9471, folder, "requester",
                   ROLE_HOST) == REFUSED
        c.wait_said(c.requester, said, "arbiter")
        # An arbiter's certificate is no host's.
        arbiter = c.authority().issue(mallory, "arbiter")
        assert ask(c, provider, 9470, arbiter, "mallory", ROLE_BULK) is None
        c.wait_said(provider, "only a host's is taken here")
        c.shut_down()


@scenario
def strangers_are_refused(build):
    """Somebody without TLS, and somebody with another authority's word."""
    with Secured(build, providers=1) as c:
        provider = c.providers[0]
        assert ask(c, provider, 9470, None, "requester", ROLE_BULK) is None
        c.wait_said(provider, "the peer speaks without TLS")
        assert ask(c, c.requester, 9471, None, "provider0",
                   ROLE_HOST) is None
        c.wait_said(c.requester, "the peer speaks without TLS", "arbiter")
        # An authority of the stranger's own, beside the real one.
        mallory = c.add_host("mallory")
        real = c.authority().folder
        c.signer.folder = os.path.join(c.dir, "other-ca")
        c.signer.pki("init")
        folder = c.signer.issue(mallory, names=("requester",))
        c.signer.folder = real
        shutil.copy(os.path.join(real, "ca-cert.pem"), folder)
        assert ask(c, provider, 9470, folder, "requester", ROLE_BULK) is None
        c.wait_said(provider, "is refused: The certificate is NOT trusted")
        vm = Vm(c.requester, mem=64, local_max=32, seconds=3, threads=2)
        expect_clean(vm.result())
        c.shut_down()


@scenario
def one_side_without_tls(build):
    """Both logs say which side has none, whichever that is."""
    with Secured(build, providers=2) as c:
        plain = c.providers[0]
        plain.processes["rcached"].stop(20)
        c.tls = False
        c.start_provider(plain)
        c.tls = True
        # It connects to the arbiter without, ...
        c.wait_said(plain, "bytes of TLS, and there is no TLS here")
        c.wait_said(c.requester, "the peer speaks without TLS", "arbiter")
        status = c.status(plain)
        assert status["tls"] == "none", status
        assert any("tls=none" in n for n in status["notes"]), status
        # ... and others connect to it with.
        folder = c.requester.path("pki-host")
        try:
            Intruder(c, plain, 9470, folder).close()
        except OSError:
            pass
        c.wait_said(plain, "bytes of TLS, and there is no TLS here (tls=none)")
        c.shut_down()


# Begins handshakes and hangs up, until it is told that it has begun too many.
FLOOD = '''
import socket, sys
for i in range(100000):
    c = socket.create_connection((sys.argv[1], int(sys.argv[2])))
    c.settimeout(0.5)
    try:
        c.sendall(b"\\x16")
        # A fatal alert: access_denied.
        if i % 100 == 99 and c.recv(7)[-2:] == bytes((2, 49)):
            sys.exit(0)
    except socket.timeout:
        pass
    except ConnectionError:     # it is not even listened to any more
        sys.exit(0)
    c.close()
sys.exit("nothing has ended it")
'''


@scenario
def handshakes_are_limited(build):
    """A certified host begins one handshake after the other: it is stopped,
    and others are not."""
    with Secured(build, providers=1) as c:
        provider = c.providers[0]
        vm = Vm(c.requester, mem=64, local_max=32, seconds=600, threads=2)
        wait_for("evictions", lambda: vm.stats()["evicted_pages"] > 1000, 60)
        mallory = c.add_host("mallory")
        for host, port, name in ((provider, 9470, "rcached"),
                                 (c.requester, 9471, "arbiter")):
            subprocess.run(mallory.enter + ["python3", "-c", FLOOD,
                                            host.address, str(port)],
                           check=True, timeout=300)
            c.wait_said(host, "handshakes-per-address = 50 bites", name)
        goes_on(vm)
        folder = c.authority().issue(mallory)
        assert ask(c, provider, 9470, folder, "mallory", ROLE_BULK) == 0
        assert ask(c, c.requester, 9471, folder, "mallory", ROLE_HOST) == 0
        expect_clean(vm.quit())
        c.shut_down()


# ------------------------------------------------------------- files change

@scenario
def new_certificates(build):
    """Daemons take new files at SIGHUP, and no connection ends for it; files
    that are of no use change nothing."""
    with Secured(build, providers=2) as c:
        vm = Vm(c.requester, mem=96, local_max=32, seconds=600, threads=2)
        wait_for("evictions", lambda: vm.stats()["evicted_pages"] > 5000, 60)
        peers = c.peers()
        for host in c.hosts.values():
            c.authority().issue(host, valid="60d")
        c.authority().issue(c.requester, "arbiter", valid="60d")
        assert c.status(c.requester)["tls_expires_seconds"] < 31 * 86400
        c.reload_all()
        goes_on(vm)
        for status in [c.arbiter_status()] + [c.status(h) for h in
                                              c.hosts.values()]:
            assert status["tls_expires_seconds"] > 50 * 86400, status
        assert c.peers() == peers, (c.peers(), peers)
        # A file is missing: all goes on, and status says so.
        key = os.path.join(c.requester.path("pki-host"), "server-key.pem")
        os.rename(key, key + ".away")
        c.reload(c.requester)
        status = c.status(c.requester)
        assert not status["ok"] and "server-key.pem" in status["verdict"]
        # Even a pager that starts now has what it needs.
        attaches = vm.stats()["attaches"]
        wait_for("the pager to be killed", c.kill_pager)
        wait_for("the next pager",
                 lambda: vm.stats()["attaches"] > attaches, 30)
        goes_on(vm)
        os.rename(key + ".away", key)
        # So is one that everybody can read.
        os.chmod(key, 0o644)
        c.reload(c.requester)
        status = c.status(c.requester)
        assert not status["ok"] and "chmod" in status["verdict"], status
        os.chmod(key, 0o600)
        c.reload(c.requester)
        status = c.status(c.requester)
        assert "server-key.pem" not in status["verdict"], status
        assert c.peers() == peers, (c.peers(), peers)
        expect_clean(vm.quit())
        c.shut_down()


@scenario
def revoked(build):
    """A host that is revoked loses its connections, everybody else none."""
    with Secured(build, providers=3) as c:
        vm = running(c)
        bad = c.providers[0]
        peers = c.peers()
        others = [h for h in c.hosts.values() if h is not bad]
        c.authority().revoke(bad.name, others)
        c.reload_all()
        c.wait_said(c.requester, "revoked", "arbiter")
        wait_for("the arbiter to have none of it", lambda: not [
            h for h in c.call(c.requester.path("arbiter.sock"), "hosts")
            if h["name"] == bad.name and h["connected"]], 30)
        goes_on(vm)
        # It can connect nowhere again.
        c.wait_said(bad, "the peer has")
        assert all(c.peers()[h.name] == peers[h.name] for h in others)
        # With a new certificate it is a host again.
        c.authority().issue(bad)
        c.reload(bad)
        wait_for("it to be back", c.all_known, 60)
        two_everywhere(c, vm)
        expect_clean(vm.quit())
        c.shut_down()


@scenario
def certificates_expire(build):
    """Status says it weeks before, also of other hosts, and metrics have it."""
    with Secured(build, providers=1) as c:
        provider = c.providers[0]
        for valid, words, level in (("492h", "expires in 20 days", "ok"),
                                    ("132h", "expires in 5 days",
                                     "degraded")):
            c.authority().issue(provider, valid=valid)
            c.reload(provider)
            status = c.status(provider)
            said = status["problems"] + status["notes"]
            assert any(f"this daemon's certificate {words}" in text
                       for text in said), status
            assert status["level"] == level, status
            # The arbiter sees what the connection began with.
            provider.processes["rcached"].stop(20)
            c.start_provider(provider)
            wait_for("the arbiter to see it", lambda words=words: any(
                f"the certificate of host provider0 {words}" in text
                for text in c.arbiter_status()["problems"] +
                c.arbiter_status()["notes"]), 30)
        metrics = subprocess.run(
            [c.program("rcachectl"), "--socket",
             c.requester.path("arbiter.sock"), "metrics"],
            check=True, capture_output=True, text=True).stdout
        assert "rcache_tls_expires_seconds " in metrics, metrics
        assert "rcache_host_certificate_expires_seconds{" in metrics, metrics
        c.shut_down()


# ----------------------------------------------------- the rest of a cluster

@scenario
def arbiters_over_tls(build):
    """The other arbiter gives leases when one has died; a host is none."""
    class Two(TwoArbiters, Secured):
        pass

    with Two(build) as c:
        c.seconds_to_a_grant(1)
        c.kill(c.sites[0])
        c.seconds_to_a_grant(2)
        # One that shows a host's certificate is no arbiter.
        c.authority().issue(c.sites[0])
        shutil.rmtree(c.sites[0].path("pki-arbiter"))
        shutil.copytree(c.sites[0].path("pki-host"),
                        c.sites[0].path("pki-arbiter"))
        c.sites[0].start_arbiter(heartbeat_ms=c.heartbeat_ms)
        c.wait_said(c.sites[0], "does not say that it is an arbiter's",
                    "arbiter")
        c.wait_said(c.requester, "only an arbiter's is taken here")
        c.end_vms()
        c.shut_down()


@scenario
def moves_over_tls(build):
    """What a provider has lent moves to another one, under a guest."""
    with Secured(build, providers=2) as c:
        vm = Vm(c.requester, mem=96, local_max=48, seconds=600, threads=2,
                write_percent=30)
        wait_for("evictions", lambda: vm.stats()["evicted_pages"] > 10000, 60)
        drain(c, c.providers[0])
        wait_empty(c, c.providers[0])
        assert c.status(c.providers[0])["slabs_moved_away"] > 0
        goes_on(vm)
        expect_clean(vm.quit())
        c.shut_down()


class Keys(Cluster):
    """A key for each host, in place of certificates."""

    def __init__(self, build, **options):
        super().__init__(build, tls=True, **options)

    def start(self):
        names = ["requester"] + [f"provider{i}"
                                 for i in range(self.nr_providers)]
        folder = os.path.join(self.dir, "keys")
        os.mkdir(folder, 0o700)
        with open(os.path.join(folder, "keys.psk"), "w",
                  encoding="ascii") as f:
            for name in names:
                f.write(f"{name}:{os.urandom(32).hex()}\n")
            os.fchmod(f.fileno(), 0o600)
        self.folder = folder
        super().start()

    def add_host(self, name):
        host = super().add_host(name)
        host.security = lambda role: ["--tls", "psk", "--tls-directory",
                                      self.folder]
        return host


@scenario
def with_keys(build):
    with Keys(build) as c:
        vm = Vm(c.requester, mem=96, local_max=32, seconds=4, threads=2)
        expect_clean(vm.result())
        for host in c.hosts.values():
            status = c.status(host)
            assert status["tls"] == "keys", status
            assert status["tls_expires_seconds"] is None, status
        assert c.stored() < 96 * MIB
        c.shut_down()
