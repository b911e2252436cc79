#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A provider's restart with a service manager that keeps its descriptors.

usage: test-fd-store.py RCACHED

This program is the service manager (NOTIFY_SOCKET, LISTEN_FDS) and the
arbiter. A lease that was given, and a byte in its memory, have to be there
after the daemon was killed and started again.
"""
import json
import mmap
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time

RCACHED = sys.argv[1]
HEAD = struct.Struct("<IBBHIHHQQII")
MAGIC, VERSION = 0x31414352, 1
HELLO, HELLO_ACK, GRANT, GRANT_ACK = 1, 2, 51, 52
LEASE, BYTES = 0x1234, 3 << 20
# Descriptors that are kept, and what is asked for: more than would be kept.
STORE_MAX, ASKED = 6, 5 << 20


class Manager:
    """Keeps what is sent with FDSTORE=1, and remembers what else was said."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.settimeout(0.05)
        self.kept = {}
        self.said = []
        self.daemons = []

    def end(self):
        """A test that fails leaves none behind."""
        for popen in self.daemons:
            popen.kill()
            popen.wait()

    def turn(self):
        try:
            data, fds, _, _ = socket.recv_fds(self.socket, 4096, 4)
        except TimeoutError:
            return
        lines = data.decode().split("\n")
        names = [x[7:] for x in lines if x.startswith("FDNAME=")]
        if "FDSTORE=1" in lines:
            self.kept[names[0]] = fds.pop()
        elif "FDSTOREREMOVE=1" in lines:
            os.close(self.kept.pop(names[0]))
        for fd in fds:          # of a barrier: closing it is the answer
            os.close(fd)
        self.said += lines

    def wait(self, what, condition, seconds=60):
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"no {what}: {self.said}"
            self.turn()


def start(manager, folder, arbiter):
    """As a manager does: what was kept follows the standard descriptors."""
    manager.said = []
    names = sorted(manager.kept)
    fds = [manager.kept[n] for n in names]
    env = dict(os.environ, NOTIFY_SOCKET=manager.path,
               LISTEN_FDS=str(len(fds)), LISTEN_FDNAMES=":".join(names),
               FDSTORE=str(STORE_MAX))

    def place():
        high = [os.dup(fd) for fd in fds]
        high = [fd if fd > 50 else os.dup2(fd, 60 + i)
                for i, fd in enumerate(high)]
        for i, fd in enumerate(high):
            os.dup2(fd, 3 + i)

    popen = subprocess.Popen(
        ["/bin/sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh", RCACHED,
         "--config=/dev/null", f"--run-dir={folder}/run", "--host=here",
         "--listen=127.0.0.1:0", "--lend=8M", "--reserve=0",
         "--slab-size=1M", f"--arbiter={arbiter}"],
        env=env, close_fds=False, preexec_fn=place)
    manager.daemons.append(popen)
    manager.wait("READY=1", lambda: "READY=1" in manager.said)
    return popen


def read_frame(conn):
    data = b""
    while len(data) < HEAD.size:
        data += conn.recv(HEAD.size - len(data))
    head = HEAD.unpack(data)
    payload = b""
    while len(payload) < head[4]:
        payload += conn.recv(head[4] - len(payload))
    return head, payload


def frame(kind, payload, tag=0):
    return HEAD.pack(MAGIC, VERSION, kind, 0, len(payload), 0, 0, tag, 0, 0,
                     0) + payload


def greet(server):
    conn, _ = server.accept()
    conn.settimeout(60)
    head, _ = read_frame(conn)
    assert head[2] == HELLO, head
    conn.sendall(frame(HELLO_ACK, struct.pack(
        "<HHIQ16s64s128s", VERSION, 0, 60000, 0, b"b" * 16, b"arbiter",
        b"")))
    return conn


def grant(manager, conn):
    """The slabs have to be with the manager before the answer is out."""
    conn.sendall(frame(GRANT, struct.pack(
        "<QIIQ16s16s64s64s", LEASE, 1, 60000, ASKED, b"t" * 16, b"v" * 16,
        b"vm", b"far"), tag=7))
    conn.setblocking(False)
    data = b""

    def answered():
        nonlocal data
        try:
            data += conn.recv(65536)
        except BlockingIOError:
            return False
        return b"" != data and GRANT_ACK in kinds(data)

    manager.wait("GRANT_ACK", answered)
    slabs = [n for n in manager.kept if n != "leases"]
    assert len(slabs) == 3 and "leases" in manager.kept, manager.kept


def kinds(data):
    found = []
    while len(data) >= HEAD.size:
        head = HEAD.unpack_from(data)
        if len(data) < HEAD.size + head[4]:
            break
        found.append(head[2])
        data = data[HEAD.size + head[4]:]
    return found


def ask(manager, folder, command):
    conn = socket.socket(socket.AF_UNIX)
    conn.connect(f"{folder}/run/admin.sock")
    conn.sendall(json.dumps({"execute": command}).encode() + b"\n")
    conn.setblocking(False)
    data = b""

    def answered():
        nonlocal data
        try:
            data += conn.recv(65536)
        except BlockingIOError:
            return False
        return data.endswith(b"\n")

    manager.wait("answer", answered)
    conn.close()
    return json.loads(data)["return"]


def run(manager, folder):
    server = socket.create_server(("127.0.0.1", 0))
    arbiter = "127.0.0.1:%d" % server.getsockname()[1]
    first = start(manager, folder, arbiter)
    grant(manager, greet(server))
    slab = manager.kept[min(n for n in manager.kept if n != "leases")]
    with mmap.mmap(slab, 4096) as memory:
        memory[123] = 0x5a
    first.kill()
    first.wait()

    second = start(manager, folder, arbiter)
    assert any(x.startswith("EXTEND_TIMEOUT_USEC=") for x in manager.said) \
        and "STOPPING=1" not in manager.said, manager.said
    leases = ask(manager, folder, "leases")
    assert [x["lease"] for x in leases] == ["%016x" % LEASE], leases
    assert leases[0]["bytes"] == BYTES and leases[0]["vm"] == "vm", leases
    host = ask(manager, folder, "hosts")[0]
    assert host["leased_bytes"] == BYTES, host
    manager.wait("offer of what is kept", lambda: ask(
        manager, folder, "hosts")[0]["offered_bytes"] == BYTES)
    with mmap.mmap(slab, 4096) as memory:
        assert memory[123] == 0x5a
    second.terminate()
    end = time.monotonic() + 60
    while second.poll() is None and time.monotonic() < end:
        manager.turn()
    assert second.returncode == 0, second.returncode
    assert "STOPPING=1" in manager.said, manager.said


def main():
    folder = tempfile.mkdtemp(prefix="test-fd-store-")
    manager = Manager(folder)
    try:
        run(manager, folder)
    finally:
        manager.end()
        shutil.rmtree(folder)
    print("ok")


if __name__ == "__main__":
    main()
