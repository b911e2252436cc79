#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""rcachectl top on a terminal, against an arbiter and against a fake one.

usage: test-top.py ARBITER RCACHECTL
"""
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from terminal import Terminal  # noqa: E402

ARBITER, RCACHECTL = (os.path.abspath(p) for p in sys.argv[1:3])


class FakeDaemon:
    """Answers status, hosts and vms, until it is told to be silent."""

    def __init__(self, path):
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(path)
        self.server.listen()
        self.faults = 0
        self.thread = threading.Thread(target=self.loop)
        self.thread.start()

    def answer(self, command):
        if command == "status":
            return {"daemon": "arbiter", "uptime_seconds": 60, "ok": True,
                    "level": "ok", "verdict": "ok: all of it " + "x" * 200,
                    "problems": []}
        if command == "hosts":
            return [{"name": f"host{i:02}", "state": "alive", "lends": True,
                     "connected": True, "leased_bytes": i << 30}
                    for i in range(40)]
        self.faults += 100
        return [{"name": f"vm{i:02}", "uuid": str(i), "host": "h",
                 "state": "attached", "remote_bytes": i << 20,
                 "faults": self.faults} for i in range(40)]

    def loop(self):
        while True:
            try:
                peer = self.server.accept()[0]
            except OSError:
                return
            with peer, peer.makefile("rw") as lines:
                command = json.loads(lines.readline())["execute"]
                lines.write(json.dumps({"return": self.answer(command)}) +
                            "\n")

    def close(self):
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
        self.thread.join()


def starts(row, text):
    return lambda lines: lines[row].startswith(text)


class Top(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="top-")
        self.addCleanup(folder.cleanup)
        self.socket = os.path.join(folder.name, "s")

    def top(self, *args, **kwargs):
        return Terminal([RCACHECTL, "--socket", self.socket,
                         "--interval=200ms", *args, "top"], **kwargs)

    def fake(self):
        daemon = FakeDaemon(self.socket)
        self.addCleanup(daemon.close)

    def test_a_screen(self):
        self.fake()
        top = self.top()
        top.wait(starts(23, "q quit"))
        lines = top.screen.lines()
        self.assertTrue(lines[0].startswith("rcachectl top: arbiter"), lines)
        self.assertEqual(len(lines[0]), 80)
        self.assertTrue(lines[1].startswith("ok: all of it xxx"))
        self.assertEqual(lines[1][-1], "~")
        self.assertTrue(lines[2].startswith("HOST "))
        self.assertTrue(lines[3].startswith("host00 "), lines)
        vms = next(i for i, line in enumerate(lines)
                   if line.startswith("VM "))
        self.assertTrue(lines[vms + 1].startswith("vm00 "), lines)
        self.assertEqual(sum(line.startswith(("host", "vm"))
                             for line in lines), 19)
        # Rates come with the second answer.
        column = lines[vms].index("FAULT/S")
        top.wait(lambda lines: lines[vms + 1][column:column + 7].strip()
                 .isdigit())
        top.send("q")
        self.assertEqual(top.end(), 0)

    def test_keys(self):
        self.fake()
        top = self.top()
        top.wait(starts(23, "q quit"))
        top.send("s")           # VMs by what is remote
        top.wait(lambda lines: any(line.startswith("vm39")
                                   for line in lines))
        top.send("\t\x1bOB\x1bOB")      # hosts, two rows down
        top.wait(starts(3, "host02"))
        top.send("\x1bOA")
        top.wait(starts(3, "host01"))
        top.send("q")
        self.assertEqual(top.end(), 0)

    def test_it_resizes(self):
        self.fake()
        top = self.top()
        top.wait(starts(23, "q quit"))
        for columns, rows in ((132, 40), (40, 10), (10, 3), (80, 24)):
            top.resize(columns, rows)
            if columns == 10:
                top.wait(starts(0, "too small"))
                continue
            top.wait(lambda lines, rows=rows: lines[rows - 1].startswith(
                "q quit") and lines[0].startswith("rcachectl"))
        top.send("q")
        self.assertEqual(top.end(), 0)

    def test_a_daemon_that_comes_and_goes(self):
        def start():
            process = subprocess.Popen(
                [ARBITER, "--listen=127.0.0.1:0",
                 f"--admin-socket={self.socket}"],
                stderr=subprocess.DEVNULL)
            self.addCleanup(process.wait)
            self.addCleanup(process.kill)
            end = time.monotonic() + 60
            while not os.path.exists(self.socket):
                self.assertLess(time.monotonic(), end)
                time.sleep(0.02)
            return process

        arbiter = start()
        top = self.top()
        top.wait(starts(1, "degraded: no host has reported yet"))
        arbiter.terminate()
        arbiter.wait()
        top.wait(starts(1, "no answer: "))
        start()
        top.wait(starts(1, "degraded: no host"))
        top.send("q")
        self.assertEqual(top.end(), 0)

    def test_terminals_that_do_not_do(self):
        self.fake()
        top = self.top(term="no-such-terminal")
        self.assertEqual(top.end(), 1)
        self.assertIn("TERM is 'no-such-terminal'",
                      " ".join(top.screen.lines()))
        done = subprocess.run([RCACHECTL, "--socket", self.socket, "top"],
                              capture_output=True, text=True, timeout=60,
                              stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 1)
        self.assertIn("top needs a terminal", done.stderr)

    def test_no_daemon(self):
        top = self.top()
        self.assertEqual(top.end(), 3)

    def test_json(self):
        self.fake()
        done = subprocess.run([RCACHECTL, "--socket", self.socket, "--json",
                               "top"], capture_output=True, text=True,
                              timeout=60)
        answer = json.loads(done.stdout)
        self.assertEqual(sorted(answer), ["hosts", "status", "vms"])
        self.assertEqual(len(answer["vms"]), 40)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
