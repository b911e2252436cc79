# SPDX-License-Identifier: GPL-2.0-or-later
"""floods: a host with a good certificate that asks for too much, and somebody
without one who makes daemons write.

The limits of these clusters are small, so that a test in Python reaches them.
The VM goes on meanwhile, and status says which limit bites, and whom.
"""
import contextlib
import os
import socket
import subprocess
import tempfile
import threading
import time

from cluster import Vm, expect_clean, goes_on, wait_for
from intruders import (CLAIM, CLAIM_ACK, HELLO_ACK, ROLE_FAULT, Mallory, away,
                       beat, ended, frame, hello, lease_of, read)
from secured import ROLE_BULK, Secured

SCENARIOS = {}
MIB = 1 << 20
PING, RELEASE, RELEASE_ACK = 3, 26, 27
LIMITS = """[limits]
connections = 64
connections-per-host = 40
idle-connections-per-host = 8
pings-per-host = 100
"""
STRANGERS = r'''
import socket, sys, time
end = time.monotonic() + float(sys.argv[2])
while time.monotonic() < end:
    with socket.create_connection((sys.argv[1], int(sys.argv[3]))) as c:
        c.sendall(b"this is no TLS at all\r\n" * 8)
        c.settimeout(5)
        try:
            while c.recv(4096):
                pass
        except OSError:
            pass
'''


def scenario(function):
    SCENARIOS[function.__name__] = function
    return function


@contextlib.contextmanager
def limited(build, **options):
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as conf:
        conf.write(LIMITS)
        conf.flush()
        with Secured(build, provider=("--config", conf.name),
                     **options) as c:
            yield c


def limit_of(status, name):
    return next(limit for limit in status["limits"] if limit["limit"] == name)


def is_hit_by(status, name, who):
    limit = limit_of(status, name)
    return limit["in_effect"] and any(w["name"] == who and w["in_effect"]
                                      for w in limit["who"])


def session(mallory, provider, vm=b"M" * 16):
    sock = mallory.connect(provider, 9470)
    sock.sendall(hello("mallory", ROLE_BULK, vm))
    kind, status, _ = read(sock)
    assert kind == HELLO_ACK, kind
    return sock, status


@scenario
def idle_for_ever(build):
    """One connection after the other that says HELLO and nothing more: it
    takes places from itself, and a host with a lease has its own."""
    with limited(build, providers=1) as c:
        provider = c.providers[0]
        vm = away(c)
        mallory = Mallory(c)
        socks = []
        for _ in range(16):
            sock, status = session(mallory, provider)
            assert status == 0, status
            socks.append(sock)
        for sock in socks[:8]:
            assert ended(sock)
        wait_for("status to say so", lambda: is_hit_by(
            c.status(provider), "idle-connections-per-host", "mallory"), 20)
        status = c.status(provider)
        assert any("idle-connections-per-host = 8 bites: mallory" in p
                   for p in status["problems"]), status["problems"]
        assert limit_of(status, "idle-connections-per-host")["hits"] == 8
        goes_on(vm)
        # Who comes later has a place, and what it has stays.
        other = Vm(c.requester, number=2, mem=64, local_max=48, seconds=600,
                   threads=2)
        wait_for("evictions", lambda:
                 other.stats()["evicted_pages"] > 1000, 60)
        socks[-1].sendall(frame(PING))
        mallory.close()
        expect_clean(other.quit())
        expect_clean(vm.quit())
        c.shut_down()


@scenario
def pings_without_end(build):
    """PINGs, faster than anybody needs them, at a provider and at an arbiter:
    they are answered at a pace, and nobody else waits."""
    with limited(build, providers=1) as c:
        provider = c.providers[0]
        vm = away(c)
        mallory = Mallory(c)
        sock, _ = session(mallory, provider)
        control = mallory.at_arbiter()
        control.sendall(beat(1))
        counts = {}

        def flood(name, to, pongs, more=lambda seq: b""):
            def send():
                with contextlib.suppress(OSError):
                    for seq in range(pongs // 100):
                        to.sendall(frame(PING) * 100 + more(seq))

            def count():
                counts[name] = 0
                with contextlib.suppress(OSError):
                    while counts[name] < pongs * 40:
                        counts[name] += len(to.recv(1 << 16))
            for function in (send, count):
                threading.Thread(target=function, daemon=True).start()

        began = time.monotonic()
        flood("provider", sock, 2000)
        # A host that does not beat is not heard.
        flood("arbiter", control, 8000, lambda seq: beat(2 + seq))
        wait_for("the provider's status to say so", lambda: is_hit_by(
            c.status(provider), "pings-per-host", "mallory"), 20)
        wait_for("the arbiter's status to say so", lambda: is_hit_by(
            c.arbiter_status(), "frames-per-host", "mallory"), 20)
        goes_on(vm)
        metrics = subprocess.run(
            [os.path.join(build, "arbiter", "rcachectl"), "--socket",
             provider.path("admin.sock"), "metrics"], check=True,
            capture_output=True, text=True).stdout
        line = next(line for line in metrics.splitlines() if line.startswith(
            'rcache_limit_hits_total{limit="pings-per-host"}'))
        assert int(line.split()[1]) > 0, line
        # Four seconds' worth at once and then 100 a second: 2000 take 16 s.
        wait_for("all to be answered",
                 lambda: counts["provider"] >= 2000 * 40, 120)
        assert time.monotonic() - began > 14, time.monotonic() - began
        wait_for("the arbiter to answer all",
                 lambda: counts["arbiter"] >= 8000 * 40, 60)
        assert time.monotonic() - began > 6
        # There is a line when it begins, not for each.
        for host, name, key in ((provider, "rcached", "pings-per-host"),
                                (c.requester, "arbiter", "frames-per-host")):
            assert 1 <= c.log(host, name).count(f"{key} = ") <= 3
        mallory.close()
        expect_clean(vm.quit())
        c.shut_down()


@scenario
def floods_of_strangers(build):
    """Whoever makes a daemon write a line with each connection makes it write
    few, and it says how many it has left out."""
    with Secured(build, providers=1) as c:
        provider = c.providers[0]
        vm = away(c)
        where = ((provider, 9470, "rcached"), (c.requester, 9471, "arbiter"))
        before = [len(c.log(h, name).splitlines()) for h, _, name in where]
        seconds = 12
        floods = [subprocess.Popen(
            h.enter + ["python3", "-c", STRANGERS, h.address, str(seconds),
                       str(port)]) for h, port, _ in where]
        goes_on(vm)
        for flood in floods:
            assert flood.wait(seconds + 60) == 0
        for (host, _, name), lines in zip(where, before):
            more = c.log(host, name).splitlines()[lines:]
            assert 3 < len(more) <= 10 * seconds, "\n".join(more)
            assert any("were not written" in line for line in more), more
        goes_on(vm)
        expect_clean(vm.quit())
        c.shut_down()


@scenario
def requests_without_end(build):
    """GETs of a lease of its own, on as many connections as it may have: the
    VM's faults are not behind them."""
    with limited(build, providers=2) as c:
        vm = away(c)
        mallory = Mallory(c)
        control, granted, grants = lease_of(c, mallory, 8 * MIB)
        assert granted, "no lease"
        number, token, name = grants[0]
        provider = c.hosts[name]
        over = threading.Event()
        threads = []
        served = [0]

        def ask(sock, get):
            with contextlib.suppress(OSError):
                while not over.is_set():
                    sock.sendall(get)

        def take(sock):
            with contextlib.suppress(OSError):
                while not over.is_set():
                    served[0] += len(sock.recv(1 << 18))

        flood = []
        for i in range(6):
            sock = mallory.connect(provider, 9470)
            sock.sendall(hello("mallory", ROLE_FAULT if i % 2 else ROLE_BULK,
                               b"M" * 16))
            assert read(sock)[:2] == (HELLO_ACK, 0)
            sock.sendall(frame(CLAIM, token, lease=number, epoch=1))
            kind, status, payload = read(sock)
            assert (kind, status) == (CLAIM_ACK, 0), (kind, status)
            first = int.from_bytes(payload[8:12], "little") << 32
            slots = b"".join((first + page).to_bytes(8, "little")
                             for page in range(64))
            sock.sendall(frame(16, slots + b"x" * (64 << 12), lease=number,
                               epoch=1, count=64))
            assert read(sock)[:2] == (17, 0)
            get = frame(18, slots, lease=number, epoch=1, count=64) * 8
            flood.append((sock, get))
        # Only now: what it still has to be told would be behind its own flood.
        for sock, get in flood:
            for thread in (threading.Thread(target=ask, args=(sock, get)),
                           threading.Thread(target=take, args=(sock,))):
                thread.daemon = True
                thread.start()
                threads.append(thread)
        wait_for("the flood", lambda: served[0] > 64 * MIB, 60)
        goes_on(vm, visits=5000)
        over.set()
        # OpenSSL writes to the number of a descriptor, whosever it is by then.
        for sock in mallory.sockets:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
        for thread in threads:
            thread.join(30)
        # A provider that stops waits for what stands there.
        sock, _ = session(mallory, provider)
        sock.sendall(frame(CLAIM, token, lease=number, epoch=1))
        assert read(sock)[:2] == (CLAIM_ACK, 0)
        sock.sendall(frame(RELEASE, lease=number, epoch=1))
        assert read(sock)[:2] == (RELEASE_ACK, 0)
        control.close()
        mallory.close()
        expect_clean(vm.quit())
        c.shut_down()
