# SPDX-License-Identifier: GPL-2.0-or-later
"""intruders: a host with a good certificate that means ill.

It is a host of the cluster by all that TLS can say, knows every number that
providers and arbiters know of a VM but its tokens, and speaks the protocol
byte by byte.  Guests, quotas and other hosts must not notice.
"""
import glob
import select
import socket
import ssl
import struct
import subprocess
import threading
import time

from cluster import MIB, Vm, expect_clean, goes_on, wait_for
from secured import HELLO, REFUSED, ROLE_BULK, ROLE_HOST, Secured, ask

SCENARIOS = {}
ROLE_FAULT = 1
HELLO_ACK, CLAIM, CLAIM_ACK, MOVE, MOVE_ACK = 2, 22, 23, 30, 31
HEARTBEAT, LEASE_REQUEST, LEASE_REPLY, GRANT, DRAIN, EVICT = \
    48, 49, 50, 51, 53, 54
HOST, GUEST, LEASE = 1, 2, 3            # sections of a heartbeat
LENDS, MANAGED = 1, 1
BOOT = b"m" * 16
TIB = 1 << 40


def scenario(function):
    SCENARIOS[function.__name__] = function
    return function


def socket_in(host, *where, listen=False):
    """A socket of that host's namespace: connected to an address and port, or
    listening there."""
    here, there = socket.socketpair()
    script = ("import socket, sys; a = (sys.argv[2], int(sys.argv[3])); "
              f"c = socket.{'create_server' if listen else 'create_connection'}"
              "(a); socket.send_fds(socket.socket(fileno=int(sys.argv[1])), "
              "[b'x'], [c.fileno()])")
    subprocess.run(host.enter + ["python3", "-c", script,
                                 str(there.fileno()), *map(str, where)],
                   pass_fds=[there.fileno()], check=True)
    _, fds, _, _ = socket.recv_fds(here, 1, 1)
    here.close()
    there.close()
    return socket.socket(fileno=fds[0])


def frame(kind, payload=b"", tag=0, lease=0, epoch=0, count=0):
    return struct.pack("<IBBHIHHQQII", 0x31414352, 1, kind, 0, len(payload),
                       0, count, tag, lease, epoch, 0) + payload


def hello(name, role, vm=b"v" * 16, incarnation=1, session=1, address="",
          features=0):
    return frame(HELLO, struct.pack(
        "<HHIQ16s16sQQ64s64s", 1, 1, role, features, BOOT, vm, incarnation,
        session, name.encode(), address.encode()))


def section(kind, content):
    return struct.pack("<HHI", kind, 0, len(content)) + content


def beat(seq, total=1 << 36, offered=0, leased=0, sections=b""):
    """A heartbeat of a host that lends what it says."""
    return frame(HEARTBEAT, section(HOST, struct.pack(
        "<Q16s7QIIII64s", seq, BOOT, total, total // 2, offered, leased, 0, 0,
        0, 0, 0, LENDS if offered else 0, 1024, b"")) + sections)


def guest(uuid):
    return section(GUEST, struct.pack(
        "<16s64sII16Q", uuid, b"of mallory", MANAGED, 0, *(16 * [0])))


def lease(number, host, uuid, size):
    return section(LEASE, struct.pack(
        "<QII16s64s64sQQQ", number, 1, 2, uuid, b"made up", host.encode(),
        size, 0, 60000))


class Mallory:
    """Connections of the host, under its own name and certificate."""

    def __init__(self, c):
        self.c = c
        self.host = c.add_host("mallory")
        self.folder = c.authority().issue(self.host)
        self.sockets = []

    def connect(self, host, port):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(f"{self.folder}/ca-cert.pem")
        context.load_cert_chain(f"{self.folder}/client-cert.pem",
                                f"{self.folder}/client-key.pem")
        sock = context.wrap_socket(socket_in(self.host, host.address, port))
        sock.settimeout(60)
        self.sockets.append(sock)
        return sock

    @staticmethod
    def listen(host, port):
        try:
            return socket_in(host, host.address, port, listen=True)
        except subprocess.CalledProcessError:
            return None

    def serve(self, host, port):
        """Accept TLS at that host's port with a certificate of its own: .served
        has what was said to it, .refused how often nobody wanted to."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(f"{self.folder}/server-cert.pem",
                                f"{self.folder}/server-key.pem")
        listener = wait_for("the port to be free",
                            lambda: self.listen(host, port), 30)
        listener.settimeout(0.2)
        self.sockets.append(listener)
        self.served = []
        self.refused = 0
        self.over = False

        def run():
            while not self.over:
                try:
                    accepted = listener.accept()[0]
                except OSError:
                    continue            # nobody, for now
                try:
                    with context.wrap_socket(accepted,
                                             server_side=True) as sock:
                        sock.settimeout(5)
                        self.served.append(sock.recv(4096))
                except OSError:
                    self.refused += 1
        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()

    def close(self):
        self.over = True
        for sock in self.sockets:
            sock.close()

    def at_arbiter(self, address=""):
        sock = self.connect(self.c.requester, 9471)
        sock.sendall(hello("mallory", ROLE_HOST, address=address))
        assert read(sock)[:2] == (HELLO_ACK, 0)
        return sock


def exactly(sock, size):
    data = b""
    while len(data) < size:
        more = sock.recv(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def read(sock):
    """The next frame but PINGs: its type, status and payload."""
    while True:
        head = exactly(sock, 40)
        kind, = struct.unpack_from("<B", head, 5)
        length, status = struct.unpack_from("<IH", head, 8)
        payload = exactly(sock, length)
        if kind not in (3, 4):
            return kind, status, payload


def ended(sock):
    try:
        while sock.recv(4096):
            pass
    except OSError:
        pass
    return True


def vm_of(c, vm):
    """All that a provider knows of a VM but tokens: uuid, incarnation."""
    for path in glob.glob(c.requester.path("pager-*")):
        with open(path, encoding="ascii", errors="replace") as f:
            words = f.read().split()
        if len(words) == 4 and words[3] == vm.name:
            uuid = bytes.fromhex(path.split("pager-")[-1].replace("-", ""))
            return uuid, int(words[1], 16)
    raise AssertionError("there is no such pager")


def away(c, **options):
    settings = dict(mem=96, local_max=32, seconds=600, threads=2)
    settings.update(options)
    vm = Vm(c.requester, **settings)
    wait_for("evictions", lambda: vm.stats()["evicted_pages"] > 5000, 60)
    return vm


@scenario
def fenced_for_ever(build):
    """The highest session number there is, and no token: the VM's pager goes
    on, and so does the next one."""
    with Secured(build, providers=2) as c:
        vm = away(c)
        uuid, incarnation = vm_of(c, vm)
        mallory = Mallory(c)
        for provider in c.providers:
            for role in (ROLE_FAULT, ROLE_BULK):
                sock = mallory.connect(provider, 9470)
                sock.sendall(hello("mallory", role, uuid, incarnation,
                                   2 ** 64 - 1))
                assert read(sock)[:2] == (HELLO_ACK, 0)
                # And it guesses at leases.
                sock.sendall(frame(CLAIM, b"t" * 16, lease=12345, epoch=1))
                assert read(sock)[:2] == (CLAIM_ACK, 3)
        goes_on(vm)
        attaches = vm.stats()["attaches"]
        wait_for("the pager to be killed", c.kill_pager)
        wait_for("the next pager",
                 lambda: vm.stats()["attaches"] > attaches, 30)
        goes_on(vm, visits=5000)
        mallory.close()
        expect_clean(vm.quit())
        c.shut_down()


def lease_of(c, mallory, size, copies=1, vm=b"M" * 16):
    """Ask the arbiter: the bytes, and (lease, token, provider) of each."""
    sock = mallory.at_arbiter()
    sock.sendall(beat(1, sections=guest(vm)))
    sock.sendall(frame(LEASE_REQUEST, struct.pack(
        "<16s64sQII", vm, b"of mallory", size, copies, 0), tag=7))
    seq = 1                     # the arbiter ends who does not beat meanwhile
    while not sock.pending() and not select.select([sock], [], [], 0.5)[0]:
        seq += 1
        sock.sendall(beat(seq, sections=guest(vm)))
    kind, _, payload = read(sock)
    assert kind == LEASE_REPLY, kind
    granted, = struct.unpack_from("<Q", payload)
    grants = []
    for at in range(200, len(payload) - 175, 168):
        number, _, _, _, token, host = struct.unpack_from("<QIIQ16s64s",
                                                          payload, at)
        grants.append((number, token, host.rstrip(b"\0").decode()))
    return sock, granted, grants


@scenario
def all_memory_for_one(build):
    """One request for all that there is gets half of it, once somebody else
    has VMs."""
    with Secured(build, providers=2, provider=("--lend", "256M")) as c:
        vm = away(c, mem=64, local_max=48)
        mallory = Mallory(c)
        sock, granted, _ = lease_of(c, mallory, 1 << 50)
        assert 0 < granted <= 256 * MIB, granted
        # Nor does asking again help.
        wait_for("the leases to be counted", lambda: sum(
            c.status(h)["leased_bytes"] for h in c.providers) >= granted, 30)
        time.sleep(1)
        _, more, _ = lease_of(c, mallory, 1 << 50, vm=b"N" * 16)
        assert granted + more <= 256 * MIB, (granted, more)
        goes_on(vm)
        sock.close()
        mallory.close()
        expect_clean(vm.quit())
        c.shut_down()


@scenario
def moves_to_anywhere(build):
    """A provider connects to no address because a requester says so: not on
    its own loopback, nor anywhere but to a registered provider."""
    with Secured(build, providers=2) as c:
        mallory = Mallory(c)
        sock, granted, grants = lease_of(c, mallory, 8 * MIB)
        assert granted, "no lease"
        number, token, name = grants[0]
        provider = c.hosts[name]
        inside = socket_in(provider, "127.0.0.1", 7777, listen=True)
        outside = socket_in(mallory.host, mallory.host.address, 7777,
                            listen=True)
        bulk = mallory.connect(provider, 9470)
        bulk.sendall(hello("mallory", ROLE_BULK, b"M" * 16, features=1))
        assert read(bulk)[:2] == (HELLO_ACK, 0)
        bulk.sendall(frame(CLAIM, token, lease=number, epoch=1))
        kind, status, payload = read(bulk)
        assert (kind, status) == (CLAIM_ACK, 0), (kind, status)
        slab, = struct.unpack_from("<I", payload, 8)
        for address, named in (("127.0.0.1:7777", b""),
                               (mallory.host.at(7777), b""),
                               ("127.0.0.1:7777", b"nobody"),
                               ("127.0.0.1:7777", b"mallory")):
            bulk.sendall(frame(MOVE, struct.pack(
                "<16sQIIQII64s", b"T" * 16, 99, 1, 0, 1, slab, 0,
                address.encode()) + (named and named.ljust(64, b"\0")),
                lease=number, epoch=1))
            kind, status, _ = read(bulk)
            assert (kind, status) == (MOVE_ACK, REFUSED), (address, status)
        for listener in (inside, outside):
            listener.settimeout(0.2)
            try:
                listener.accept()
                raise AssertionError("the provider has connected")
            except socket.timeout:
                listener.close()
        sock.close()
        mallory.close()
        c.shut_down()


@scenario
def leases_of_others(build):
    """A provider that says that others have leased all it could ever lend, and
    offers what no host has: nobody's quota is used up."""
    with Secured(build, providers=2) as c:
        vm = away(c, mem=64, local_max=48)
        uuid, _ = vm_of(c, vm)
        mallory = Mallory(c)
        sock = mallory.at_arbiter(mallory.host.at(9470))
        made_up = guest(b"M" * 16) + b"".join(
            lease(1000 + i, "requester", uuid if i % 2 else b"X" * 16, TIB)
            for i in range(40))
        for seq in range(1, 4):
            sock.sendall(beat(seq, total=50 * TIB, offered=50 * TIB,
                              leased=40 * TIB, sections=made_up))
        wait_for("the arbiter to have heard", lambda: any(
            h["name"] == "mallory" and h["leased_bytes"]
            for h in c.call(c.requester.path("arbiter.sock"), "hosts")), 30)
        # Of what it offers, no more than an operator allows.
        assert any("host mallory offers" in note and "allows 4" in note
                   for note in c.arbiter_status()["notes"]), \
            c.arbiter_status()
        other = Vm(c.requester, number=2, mem=96, local_max=32, seconds=600,
                   threads=2)
        wait_for("evictions", lambda:
                 other.stats()["evicted_pages"] > 5000, 60)
        goes_on(vm)
        assert "quota" not in c.log(c.requester, "arbiter")
        mallory.close()
        expect_clean(other.quit())
        expect_clean(vm.quit())
        c.shut_down()


@scenario
def hosts_command_nobody(build):
    """GRANT, DRAIN and EVICT of a host: not to a provider, not through an
    arbiter, and not in an arbiter's place."""
    with Secured(build, providers=2) as c:
        vm = away(c)
        uuid, _ = vm_of(c, vm)
        mallory = Mallory(c)
        grant = struct.pack("<QIIQ16s16s64s64s", 5, 1, 60000, 64 * MIB,
                            b"t" * 16, uuid, b"vm", b"mallory")
        commands = ((GRANT, grant), (DRAIN, struct.pack("<II", 1, 0)),
                    (EVICT, uuid + struct.pack("<Q", MIB)))
        for kind, payload in commands:
            data = mallory.connect(c.providers[0], 9470)
            data.sendall(hello("mallory", ROLE_BULK))
            assert read(data)[:2] == (HELLO_ACK, 0)
            data.sendall(frame(kind, payload))
            assert ended(data)
            control = mallory.at_arbiter()
            control.sendall(beat(1) + frame(kind, payload))
            assert ended(control)
        # In the arbiter's place, which is away.
        c.requester.processes["arbiter"].stop(20)
        mallory.serve(c.requester, 9471)
        c.wait_said(c.providers[0], "only an arbiter's is taken here")
        assert not any(mallory.served), mallory.served
        mallory.close()
        mallory.thread.join()
        c.requester.start_arbiter(heartbeat_ms=c.heartbeat_ms)
        for host in c.providers:
            assert "an arbiter asks" not in c.log(host), c.log(host)
            assert f"lease {5:016x}" not in c.log(host), c.log(host)
        goes_on(vm)
        expect_clean(vm.quit())
        c.shut_down()


@scenario
def places_of_others(build):
    """While a provider is away: neither its name at the arbiter nor its place
    towards a requester is to be had."""
    with Secured(build, providers=2) as c:
        vm = away(c, copies=2)
        bad = c.providers[0]
        mallory = Mallory(c)
        bad.processes["rcached"].popen.kill()
        bad.processes["rcached"].popen.wait()
        mallory.serve(bad, 9470)
        wait_for("the requester to have tried", lambda: mallory.refused > 3, 30)
        assert not any(mallory.served), mallory.served
        assert ask(c, c.requester, 9471, mallory.folder, "provider0",
                   ROLE_HOST) == REFUSED
        mallory.close()
        mallory.thread.join()
        goes_on(vm)
        c.start_provider(bad)
        wait_for("it to be back", c.all_known, 60)
        goes_on(vm)
        expect_clean(vm.quit())
        c.shut_down()
