#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""rcached as a program: its exit statuses, its files, and how it ends.

usage: test-rcached.py RCACHED SOURCE-ROOT
"""
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

RCACHED, ROOT = sys.argv[1:3]
SOCKETS = ("vmm.sock", "pager.sock", "admin.sock")
VMM_MAGIC, HELLO, HELLO_ACK = 0x766d6372, 1, 2
F_SEAL = 1 << 4            # a key comes with STATE


def run(*args):
    return subprocess.run([RCACHED, *args], capture_output=True, text=True,
                          timeout=60)


class Daemon:
    def __init__(self, folder, *more):
        self.folder = folder
        self.log = tempfile.TemporaryFile()
        self.popen = subprocess.Popen(
            [RCACHED, "--config=/dev/null", f"--run-dir={folder}",
             "--host=here", "--listen=127.0.0.1:0", "--lend=8M",
             "--slab-size=1M", *more], stderr=self.log)

    def wait_ready(self):
        end = time.monotonic() + 60
        while "runs as host" not in self.said():
            assert self.popen.poll() is None, self.said()
            assert time.monotonic() < end, self.said()
            time.sleep(0.02)

    def end(self, number):
        self.popen.send_signal(number)
        return self.popen.wait(60)

    def said(self):
        # Not with a seek: the daemon writes where the offset is.
        return os.pread(self.log.fileno(), 1 << 20, 0).decode()


def say_hello(folder, copies=1):
    """A VMM connects; (socket, status, text, descriptors of the answer)."""
    vmm = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    vmm.settimeout(60)
    vmm.connect(os.path.join(folder, "vmm.sock"))
    body = struct.pack("=IIQ16sQQQQII64s", 1, 4096, F_SEAL, b"v" * 16, 77,
                       64 << 20, 32 << 20, 32 << 20, copies, 0, b"vm")
    head = struct.pack("=IHHIIQ", VMM_MAGIC, HELLO, 0, 24 + len(body), 0, 0)
    vmm.send(head + body)
    data, fds, _, _ = socket.recv_fds(vmm, 16384, 4)
    assert struct.unpack_from("=IH", data) == (VMM_MAGIC, HELLO_ACK)
    status, = struct.unpack_from("=i", data, 28)
    return vmm, status, data[40:].split(b"\0")[0].decode(), fds


ASK = """
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
try:
    s.sendall(sys.argv[2].encode())
    s.shutdown(socket.SHUT_WR)
except OSError:
    pass                        # it has said why it closed
print(s.makefile().readline())
"""


def ask_as_member(group, folder, command, **arguments):
    """What nobody, with one supplementary group, is answered."""
    line = json.dumps({"execute": command, "arguments": arguments})
    return subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", f"--groups={group}",
         "/usr/bin/python3", "-c", ASK, os.path.join(folder, "admin.sock"),
         line], capture_output=True, text=True, timeout=60).stdout


def ask(folder, command, **arguments):
    """What root is answered."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(60)
        s.connect(os.path.join(folder, "admin.sock"))
        line = json.dumps({"execute": command, "arguments": arguments})
        s.sendall(line.encode() + b"\n")
        return json.loads(s.makefile().readline())["return"]


def refused(folder, command, **arguments):
    """Why root is refused."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(60)
        s.connect(os.path.join(folder, "admin.sock"))
        line = json.dumps({"execute": command, "arguments": arguments})
        s.sendall(line.encode() + b"\n")
        return json.loads(s.makefile().readline())["error"]["desc"]


def is_dead(pidfd):
    return bool(select.select([pidfd], [], [], 0)[0])


class Program(unittest.TestCase):
    def setUp(self):
        self.tmp = tempfile.TemporaryDirectory(prefix="test-rcached-")
        self.folder = os.path.join(self.tmp.name, "run")
        self.addCleanup(self.tmp.cleanup)

    def start(self, *more):
        daemon = Daemon(self.folder, *more)
        self.addCleanup(daemon.log.close)
        self.addCleanup(daemon.popen.wait)
        self.addCleanup(daemon.popen.kill)
        daemon.wait_ready()
        return daemon

    def test_version_and_help(self):
        self.assertRegex(run("--version").stdout, r"^rcached \d+\.\d+\.\d+\n$")
        self.assertIn("--memory-source", run("--help").stdout)

    def test_example_is_what_is_shipped(self):
        with open(os.path.join(ROOT, "dist", "rcached.conf")) as f:
            self.assertEqual(f.read(), run("--example-config").stdout)

    def test_manual_has_every_option(self):
        with open(os.path.join(ROOT, "docs", "man", "rcached.8.rst")) as f:
            manual = f.read()
        options = [w.split("=")[0] for w in run("--help").stdout.split()
                   if w.startswith("--")]
        self.assertGreater(len(options), 12)
        for option in options:
            if option != "--help":
                self.assertIn(option, manual)

    def test_usage_and_configuration_errors_are_2(self):
        for args in (["--nonsense"], ["--lend=much"], ["more"],
                     ["--listen=192.0.2.1:1"], ["--config=/no/such/file"],
                     ["--check-config", "--arbiter=192.0.2.1"]):
            done = run(*args)
            self.assertEqual(done.returncode, 2, args)
            self.assertTrue(done.stderr.startswith("rcached: "), args)
        self.assertEqual(run("--check-config").returncode, 0)

    def test_it_cannot_start_is_1(self):
        busy = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(busy.close)
        done = run("--config=/dev/null", f"--run-dir={self.folder}",
                   f"--listen=127.0.0.1:{busy.getsockname()[1]}")
        self.assertEqual(done.returncode, 1)
        self.assertIn("in use", done.stderr)
        self.assertEqual(os.listdir(self.folder), [])
        done = run("--config=/dev/null", f"--run-dir={self.folder}",
                   "--memory-source=cgroup:/no/such")
        self.assertEqual(done.returncode, 1)
        self.assertIn("/no/such", done.stderr)

    def test_one_daemon_in_a_folder(self):
        self.start()
        done = run("--config=/dev/null", f"--run-dir={self.folder}",
                   "--listen=127.0.0.1:0")
        self.assertEqual(done.returncode, 1)
        self.assertIn("another rcached", done.stderr)
        # And it has not harmed the first one.
        self.assertEqual(sorted(os.listdir(self.folder)), sorted(SOCKETS))

    @unittest.skipIf(os.geteuid(), "only root can be somebody else")
    def test_two_groups(self):
        os.chmod(self.tmp.name, 0o755)
        config = os.path.join(self.tmp.name, "conf")
        with open(config, "w") as f:
            f.write("[admin]\ngroup = games\nread-group = users\n")
        self.start(f"--config={config}")
        for group, command, word in (
                ("users", "status", '"return"'), ("users", "vms", '"return"'),
                ("users", "hosts", '"return"'), ("users", "leases", "return"),
                ("users", "drain", "drain is for root"),
                ("users", "evict", "evict is for root"),
                ("games", "drain", '"draining":true'),
                ("games", "undrain", '"draining":false'),
                ("nogroup", "status", "the group users")):
            arguments = {"host": "here"} if "drain" in command else {}
            self.assertIn(word, ask_as_member(group, self.folder, command,
                                              **arguments), (group, command))

    def test_a_clean_end(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            daemon = self.start()
            self.assertEqual(daemon.end(number), 0, daemon.said())
            self.assertEqual(os.listdir(self.folder), [])

    def test_what_a_killed_daemon_left_is_no_obstacle(self):
        daemon = self.start()
        daemon.end(signal.SIGKILL)
        self.assertEqual(sorted(os.listdir(self.folder)), sorted(SOCKETS))
        daemon = self.start()
        vmm, status, text, _ = say_hello(self.folder)
        vmm.close()
        self.assertEqual(status, 0, text)
        self.assertEqual(daemon.end(signal.SIGTERM), 0)

    def test_a_drain_outlives_it(self):
        for number in (signal.SIGTERM, signal.SIGKILL):
            daemon = self.start()
            self.assertFalse(ask(self.folder, "hosts")[0]["draining"])
            ask(self.folder, "drain", host="here")
            daemon.end(number)
            daemon = self.start()
            self.assertTrue(ask(self.folder, "hosts")[0]["draining"])
            ask(self.folder, "undrain", host="here")
            daemon.end(number)
        self.start()
        self.assertFalse(ask(self.folder, "hosts")[0]["draining"])

    def test_nobody_would_start_it_again(self):
        daemon = self.start()
        self.assertIn("no service manager",
                      refused(self.folder, "upgrade", host="here"))
        self.assertIn("this is host here",
                      refused(self.folder, "upgrade", host="there"))
        self.assertEqual(ask(self.folder, "status")["pid"], daemon.popen.pid)
        self.assertEqual(daemon.end(signal.SIGTERM), 0)

    def test_pagers_outlive_it(self):
        daemon = self.start()
        vmm, status, text, fds = say_hello(self.folder)
        self.assertEqual((status, len(fds)), (0, 1), text)
        self.assertEqual(daemon.end(signal.SIGTERM), 0)
        self.assertFalse(is_dead(fds[0]))
        uuid = "76767676-7676-7676-7676-767676767676"
        self.assertEqual(sorted(os.listdir(self.folder)),
                         ["host-name", "pager-" + uuid, "pid-1",
                          "vm-" + uuid])

        daemon = self.start()
        self.assertIn("taken over", daemon.said())
        vmm.close()
        again, status, text, _ = say_hello(self.folder)
        self.assertEqual(status, 0, text)
        self.assertTrue(is_dead(fds[0]))
        again.close()
        self.assertEqual(daemon.end(signal.SIGTERM), 0)

    def test_three_copies_are_refused(self):
        self.start()
        vmm, status, text, fds = say_hello(self.folder, copies=3)
        vmm.close()
        self.assertLess(status, 0)
        self.assertIn("copies=1", text)
        self.assertEqual(fds, [])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=1)
