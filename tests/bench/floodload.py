# SPDX-License-Identifier: GPL-2.0-or-later
"""floodload: what a flood at a provider costs a VM whose pages are there.

A guest that waits for one page after the other, at a provider with TLS; beside
it, from another host with a certificate of its own, one flood after the other.
What is measured is what the provider and its limits cost, and not what it
costs that who floods is on this machine, too, with the kernel's work for both
ends.  So the floor is the same flood at another provider, of a cluster of its
own, that has nothing to do with the guest; who floods and that provider run
where nobody else wants to (SCHED_IDLE), as on machines of their own.  Each
round is a flood there, one at the guest's provider, and another one there, and
the ratio is that of the rate meanwhile to the mean of the two: the machine is
not the same a minute later.  The rate without any flood is among the peers, and
how much both floods got done: one that does nothing costs nothing.

The guest and its pager share one CPU and the providers have the other.
"""
import json
import os
import socket
import ssl
import statistics
import struct
import subprocess
import sys
import threading
import time
import types

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))
sys.path.insert(0, os.path.join(HERE, "..", "..", "scripts", "lib"))
from lab import LabError                                    # noqa: E402

MIB = 1 << 20
PAGES = 64                      # of a GET
# MiB, touches, rounds; s before and after a flood, s of the first one: a short
# one shows that each flood does something.
SHORT, LONG = (128, 2000, 1, 0.25, 2), (512, 8000, 9, 1, 5)
FLOODS = ("nothing", "hello", "ping", "idle", "slow", "requests", "lines")


# ------------------------------------------------------------- who floods

class Flooder:
    """The host "mallory"; a process of its own."""

    def __init__(self, folder, address, lease):
        import intruders
        self.i = intruders
        self.folder = folder
        host, port = address.rsplit(":", 1)
        self.at = (host, int(port))
        self.lease = lease
        self.done = 0

    def connect(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(f"{self.folder}/ca-cert.pem")
        context.load_cert_chain(f"{self.folder}/client-cert.pem",
                                f"{self.folder}/client-key.pem")
        # An address of its own: limits of an address are not the VM's.
        sock = socket.create_connection(self.at,
                                        source_address=("127.0.0.2", 0))
        try:
            return context.wrap_socket(sock)
        except OSError:
            sock.close()
            raise

    def session(self, claim=False):
        i = self.i
        sock = self.connect()
        sock.sendall(i.hello("mallory", i.ROLE_BULK,
                             b"M" * 16 if claim else os.urandom(16)))
        assert i.read(sock)[:2] == (i.HELLO_ACK, 0)
        if claim:
            number, token = self.lease
            sock.sendall(i.frame(i.CLAIM, token, lease=number, epoch=1))
            kind, status, payload = i.read(sock)
            assert (kind, status) == (i.CLAIM_ACK, 0), (kind, status)
            self.slab, = struct.unpack_from("<I", payload, 8)
        return sock

    def again(self, function):
        """For ever, whatever the provider makes of it."""
        while True:
            try:
                function()
                self.done += 1
            except (OSError, EOFError, AssertionError):
                time.sleep(0.01)

    def nothing(self):
        """How much two quiet times differ."""

    def hello(self):
        def one():
            self.session().close()
        self.side_by_side(4, lambda: self.again(one))

    def idle(self):
        kept = []

        def one():
            kept.append(self.session())
            if len(kept) > 1000:
                kept.pop(0).close()
        self.side_by_side(8, lambda: self.again(one))

    def lines(self):
        def one():
            with socket.create_connection(
                    self.at, source_address=("127.0.0.2", 0)) as sock:
                sock.sendall(b"this is no TLS\r\n\r\n" * 4)
                sock.settimeout(1)
                while sock.recv(4096):
                    pass
        self.side_by_side(4, lambda: self.again(one))

    def ping(self):
        many = self.i.frame(3) * 400

        def one():
            sock = self.session()
            threading.Thread(target=self.drain, args=(sock, 40),
                             daemon=True).start()
            while True:
                sock.sendall(many)
        self.side_by_side(4, lambda: self.again(one))

    def drain(self, sock, unit, size=1 << 18, pause=0):
        buf = bytearray(size)
        try:
            while True:
                self.done += sock.recv_into(buf) / unit
                time.sleep(pause)
        except OSError:
            pass

    def gets(self, size, pause):
        sock = self.session(claim=True)
        number = self.lease[0]
        slots = struct.pack(f"<{PAGES}Q", *(
            self.slab << 32 | page for page in range(PAGES)))
        put = self.i.frame(16, slots + os.urandom(4096 * PAGES),
                           lease=number, epoch=1, count=PAGES)
        get = self.i.frame(18, slots, lease=number, epoch=1, count=PAGES)
        sock.sendall(put)
        kind, status, _ = self.i.read(sock)
        assert (kind, status) == (17, 0), (kind, status)
        threading.Thread(target=self.drain, args=(sock, 4096, size, pause),
                         daemon=True).start()
        while True:
            sock.sendall(get * 8)

    def requests(self):
        self.side_by_side(4, lambda: self.again(
            lambda: self.gets(1 << 18, 0)))

    def slow(self):
        self.side_by_side(8, lambda: self.again(
            lambda: self.gets(4096, 0.01)))

    @staticmethod
    def side_by_side(n, function):
        for _ in range(n - 1):
            threading.Thread(target=function, daemon=True).start()
        function()


def main():
    what, folder, address, number, token = sys.argv[1:]
    flooder = Flooder(folder, address, (int(number), bytes.fromhex(token)))
    # Where the bench is run with a real-time priority (chrt -r 10), because the
    # machine has other things to do, it is below that.
    if os.sched_getscheduler(0) == os.SCHED_RR:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    else:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))

    def tell():
        for line in sys.stdin:
            print(int(flooder.done), flush=True)
    threading.Thread(target=getattr(flooder, what), daemon=True).start()
    print(0, flush=True)
    tell()


# ------------------------------------------------------------- who measures

class Flood:
    def __init__(self, what, folder, address, lease):
        self.popen = subprocess.Popen(
            [sys.executable, os.path.abspath(__file__), what, folder, address,
             str(lease[0]), lease[1].hex()],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.popen.stdout.readline()

    def done(self):
        self.popen.stdin.write("\n")
        self.popen.stdin.flush()
        return int(self.popen.stdout.readline())

    def stop(self):
        self.popen.kill()
        self.popen.wait()


def lease_of(product, folder, size):
    """As the host "mallory", of the arbiter: number and token of a lease."""
    import intruders as i
    vm = b"M" * 16
    flooder = Flooder(folder, product.arbiter, None)
    sock = flooder.connect()
    sock.settimeout(30)
    sock.sendall(i.hello("mallory", i.ROLE_HOST))
    assert i.read(sock)[:2] == (i.HELLO_ACK, 0)
    for seq in range(1, 40):
        sock.sendall(i.beat(seq, sections=i.guest(vm)))
        sock.sendall(i.frame(i.LEASE_REQUEST, struct.pack(
            "<16s64sQII", vm, b"of mallory", size, 1, 0), tag=7))
        kind, _, payload = i.read(sock)
        assert kind == i.LEASE_REPLY, kind
        if len(payload) > 200:
            break
        time.sleep(0.5)         # nobody has offered anything yet
    number, _, _, _, token, _ = struct.unpack_from("<QIIQ16s64s", payload, 200)
    return sock, (number, token)


def beats(sock):
    """The host stays one of the cluster, and so its lease is kept."""
    import intruders as i
    seq = 1
    while True:
        seq += 1
        try:
            sock.sendall(i.beat(seq, sections=i.guest(b"M" * 16)))
        except OSError:
            return
        time.sleep(0.5)


def lines_of(product):
    with open(product.providers[0].log, errors="replace",
              encoding="utf-8") as f:
        return sum(1 for _ in f)


def rate(bench, product, touches, local):
    product.evict_to(local)
    began = time.monotonic()
    came = bench.touch(product, touches)
    return came["touched"] / (time.monotonic() - began)


class Target:
    """A provider that is flooded, and what the host "mallory" has there."""

    def __init__(self, product):
        self.product = product
        mallory = types.SimpleNamespace(
            name="mallory", path=lambda name: product.path(f"mallory-{name}"))
        self.folder = product.authority.issue(mallory, "host")
        self.address = product.admin("provider", "status")["listen"]
        self.sock = self.lease = None

    def begin(self):
        # A provider drops what nobody claims within a minute.
        self.end()
        self.sock, self.lease = lease_of(self.product, self.folder, 4 * MIB)
        threading.Thread(target=beats, args=(self.sock,), daemon=True).start()

    def end(self):
        if self.sock:
            self.sock.close()

    def flood(self, what):
        return Flood(what, self.folder, self.address, self.lease)


def give_way(product):
    """Its daemons run where nobody else wants to."""
    for process in product.processes:
        for thread in os.listdir(f"/proc/{process.pid}/task"):
            os.sched_setscheduler(int(thread), os.SCHED_IDLE,
                                  os.sched_param(0))


def beside(bench, product, target, what, vm, lead, seconds):
    """The VM's rate while there is that flood, for so long at least; @lead:
    seconds before and after it."""
    flood = target.flood(what)
    try:
        time.sleep(lead)
        lines, done = lines_of(target.product), flood.done()
        began = time.monotonic()
        got = rate(bench, product, *vm)
        time.sleep(max(0, seconds - (time.monotonic() - began)))
        took = time.monotonic() - began
        return {"rate": got, "flood": (flood.done() - done) / took,
                "lines": (lines_of(target.product) - lines) / took}
    finally:
        flood.stop()
        time.sleep(lead)


def one_round(bench, targets, what, vm, lead, seconds):
    """None, elsewhere, here, elsewhere."""
    here, there = targets
    product = here.product
    quiet = rate(bench, product, *vm)
    before = beside(bench, product, there, what, vm, lead, 0)
    got = beside(bench, product, here, what, vm, lead, seconds)
    after = beside(bench, product, there, what, vm, lead, 0)
    floor = (before["rate"] + after["rate"]) / 2
    return {**got, "floor": floor, "ratio": got["rate"] / floor,
            "quiet": quiet, "elsewhere": (before["flood"] + after["flood"]) / 2}


def measure(bench, targets, what, vm, rounds, lead, first):
    for target in targets:
        target.begin()
    got = []
    for n in range(rounds):
        bench.say(f"floods: {what}, round {n + 1} of {rounds}")
        # What may be written at once is not what is written in the long run:
        # the first one is longer.
        got.append(one_round(bench, targets, what, vm, lead,
                             1 if n else first))
    middle = {key: statistics.median(r[key] for r in got) for key in got[0]}
    if what != "nothing" and not middle["flood"]:
        raise LabError(f"floods: {what} has done nothing")
    bench.add("floods", what, "faults/s", middle["ratio"] * middle["floor"],
              middle["floor"],
              {"least ratio": min(r["ratio"] for r in got),
               "most ratio": max(r["ratio"] for r in got),
               "without": middle["quiet"],
               "of the flood a second": middle["flood"],
               "elsewhere": middle["elsewhere"]})
    bench.add("floods", f"{what}_lines", "lines/s", got[0]["lines"], 10, {})


def run(bench, product_class):
    mem, touches, *how = SHORT if bench.args.short else LONG
    cpus = sorted(os.sched_getaffinity(0))
    bench.cpus.provider = cpus[0]
    bench.cpus.guest = bench.cpus.pager = cpus[1 % len(cpus)]
    with product_class(bench, mem, mem, tls=True) as product, \
            product_class(bench, 64, None, tls=True) as other:
        give_way(other)
        product.vmm.ask("fill")
        product.evict_to(mem // 4 * MIB)
        targets = Target(product), Target(other)
        for what in FLOODS:
            measure(bench, targets, what, (touches, mem // 4 * MIB), *how)
        for target in targets:
            target.end()
        limits = product.admin("provider", "status")["limits"]
    bench.say("floods: limits that were run into: " + json.dumps(
        {limit["limit"]: limit["hits"] for limit in limits if limit["hits"]}))


if __name__ == "__main__":
    main()
