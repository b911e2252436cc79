# SPDX-License-Identifier: GPL-2.0-or-later
"""floodload: what a flood at a provider costs a VM whose pages are there.

A guest that waits for one page after the other, at a provider with TLS; beside
it, from another host with a certificate of its own, one flood after the other.
Each round is a quiet time, a flood and another quiet time, and the ratio is
that of the flood's rate to the mean of the two: the machine is not the same a
minute later.  What is measured is what the provider and its limits cost: the
guest and its pager share one CPU and the provider has the other, and who floods
runs where nobody else wants to (SCHED_IDLE), as on a machine of its own.  How
much the flood got done is among the peers: one that does nothing costs nothing.
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
SHORT, LONG = (128, 2000, 1), (512, 8000, 13)   # MiB, touches, rounds
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


def one_round(bench, product, what, how, seconds):
    """A quiet time, the flood for so long at least, another quiet time."""
    before = rate(bench, product, *how["vm"])
    flood = Flood(what, *how["flood"])
    try:
        time.sleep(how["lead"])
        lines, done, began = lines_of(product), flood.done(), time.monotonic()
        beside = rate(bench, product, *how["vm"])
        time.sleep(max(0, seconds - (time.monotonic() - began)))
        took = time.monotonic() - began
        lines, done = lines_of(product) - lines, flood.done() - done
    finally:
        flood.stop()
    time.sleep(how["lead"])
    after = rate(bench, product, *how["vm"])
    return {"rate": beside, "quiet": (before + after) / 2,
            "ratio": 2 * beside / (before + after), "flood": done / took,
            "lines": lines / took}


def run(bench, product_class):
    mem, touches, rounds = SHORT if bench.args.short else LONG
    cpus = sorted(os.sched_getaffinity(0))
    bench.cpus.provider = cpus[0]
    bench.cpus.guest = bench.cpus.pager = cpus[1 % len(cpus)]
    with product_class(bench, mem, mem, tls=True) as product:
        mallory = types.SimpleNamespace(
            name="mallory", path=lambda name: product.path(f"mallory-{name}"))
        folder = product.authority.issue(mallory, "host")
        product.vmm.ask("fill")
        product.evict_to(mem // 4 * MIB)
        address = product.admin("provider", "status")["listen"]
        for what in FLOODS:
            # A provider drops what nobody claims within a minute.
            sock, lease = lease_of(product, folder, 4 * MIB)
            threading.Thread(target=beats, args=(sock,), daemon=True).start()
            how = {"vm": (touches, mem // 4 * MIB), "lead": 1,
                   "flood": (folder, address, lease)}
            got = []
            for n in range(rounds):
                bench.say(f"floods: {what}, round {n + 1} of {rounds}")
                # What may be written at once is not what is written in the
                # long run: the first one is longer.
                got.append(one_round(bench, product, what, how,
                                     1 if n else 5))
            sock.close()
            middle = {key: statistics.median(r[key] for r in got)
                      for key in got[0]}
            if what != "nothing" and not middle["flood"]:
                raise LabError(f"floods: {what} has done nothing")
            bench.add("floods", what, "faults/s",
                      middle["ratio"] * middle["quiet"], middle["quiet"],
                      {"least ratio": min(r["ratio"] for r in got),
                       "most ratio": max(r["ratio"] for r in got),
                       "of the flood a second": middle["flood"]})
            bench.add("floods", f"{what}_lines", "lines/s",
                      got[0]["lines"], 10, {})
        limits = product.admin("provider", "status")["limits"]
    bench.say("floods: limits that were run into: " + json.dumps(
        {limit["limit"]: limit["hits"] for limit in limits if limit["hits"]}))


if __name__ == "__main__":
    main()
