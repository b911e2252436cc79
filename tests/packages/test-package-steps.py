#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What dist/package-steps does where all goes well, and where it does not.

usage: test-package-steps.py PACKAGE-STEPS.IN

The programs that it calls are played: each writes down that it was called.
"""
import fcntl
import os
import stat
import subprocess
import sys
import tempfile
import unittest

SCRIPT = sys.argv.pop(1)
# With the names that such a status has.
STATUS = """{
  "daemon" : "rcached",
  "host" : "h1",
  "vms" : 2,
  "stored_bytes" : %d,
  "own_stored_bytes" : 7
}"""


class Steps(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        with open(SCRIPT, encoding="utf-8") as f:
            text = f.read().replace("/run/", self.path("run/"))
        for name in ("sbindir", "bindir"):
            text = text.replace(f"@{name}@", self.path("bin"))
        self.put("package-steps", text)
        os.makedirs(self.path("run/systemd/system"))
        os.makedirs(self.path("run/rcached"))
        self.running(True)
        self.config(0)
        self.daemon(STATUS % 0)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def put(self, name, text):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, stat.S_IRWXU)

    def program(self, name, body):
        self.put("bin/" + name, f"#!/bin/sh\necho {name} \"$@\" "
                 f">>{self.path('called')}\n{body}\n")

    def running(self, active, state=None, kept=0):
        """Its process is this one, which is another program."""
        state = state or ("active" if active else "inactive")
        self.program("systemctl", "case $* in "
                     f"*is-active*) {'true' if active else 'false'} ;; "
                     f"*ActiveState*) echo {state} ;; "
                     f"*NFileDescriptorStore*) echo {kept} ;; "
                     f"*MainPID*) echo {os.getpid()} ;; esac")

    def config(self, status):
        self.program("rcached", f"exit {status}")

    def daemon(self, status, upgrades=0):
        """The daemon that answers with this status, or with None does not."""
        self.put("status", status or "")
        self.program(
            "rcachectl", "case $* in "
            f"*status) [ -s {self.path('status')} ] && "
            f"cat {self.path('status')} ;; "
            f"*upgrade*) exit {upgrades} ;; esac")

    def run_steps(self, word):
        env = dict(os.environ, PATH=self.path("bin") + ":" +
                   os.environ["PATH"])
        done = subprocess.run(["sh", self.path("package-steps"), word],
                              env=env, capture_output=True, text=True,
                              check=False, timeout=60)
        self.said = done.stderr
        try:
            with open(self.path("called"), encoding="utf-8") as f:
                self.called = f.read()
        except FileNotFoundError:
            self.called = ""
        self.assertNotIn("systemctl stop", self.called)
        self.assertNotIn("systemctl restart", self.called)
        return done.returncode

    # -- an upgrade

    def test_upgraded(self):
        self.assertEqual(self.run_steps("upgraded"), 0)
        self.assertIn("daemon-reload", self.called)
        self.assertIn("upgrade h1\n", self.called)
        self.assertEqual(self.said, "")

    def test_a_daemon_that_does_not_run_is_not_looked_for(self):
        self.running(False)
        self.assertEqual(self.run_steps("upgraded"), 0)
        self.assertNotIn("rcachectl", self.called)

    def test_nothing_is_done_without_systemd(self):
        os.rmdir(self.path("run/systemd/system"))
        self.assertEqual(self.run_steps("upgraded"), 0)
        self.assertEqual(self.called, "")

    def test_the_installed_one_is_left_alone(self):
        os.remove(self.path("bin/rcached"))
        os.symlink(sys.executable, self.path("bin/rcached"))
        self.assertEqual(self.run_steps("upgraded"), 0)
        self.assertNotIn("upgrade", self.called)

    def test_not_with_a_bad_configuration(self):
        self.config(2)
        self.assertEqual(self.run_steps("upgraded"), 0)
        self.assertNotIn("upgrade h1", self.called)
        self.assertIn("does not accept the configuration", self.said)

    def test_not_where_the_daemon_does_not_answer(self):
        self.daemon(None)
        self.assertEqual(self.run_steps("upgraded"), 0)
        self.assertNotIn("upgrade h1", self.called)
        self.assertIn("does not answer", self.said)

    def test_an_upgrade_that_fails_is_told(self):
        self.daemon(STATUS % 0, upgrades=1)
        self.assertEqual(self.run_steps("upgraded"), 0)
        self.assertIn("not complete", self.said)

    # -- a removal

    def test_removing(self):
        self.assertEqual(self.run_steps("removing"), 0)
        self.assertEqual(self.said, "")

    def test_not_with_a_pager(self):
        path = self.path("run/rcached/pager-01234567-0000-0000-0000-00000001")
        with open(path, "w", encoding="utf-8") as f:
            f.write("17 0000000000000001 1 my vm\n")
            f.flush()
            fcntl.flock(f, fcntl.LOCK_EX)
            self.assertEqual(self.run_steps("removing"), 1)
            self.assertIn("VMs again: my vm\n", self.said)
            # Nor when the daemon was stopped: they go on without it.
            self.running(False)
            self.assertEqual(self.run_steps("removing"), 1)
        # One that has ended may leave its file.
        self.running(True)
        self.assertEqual(self.run_steps("removing"), 0)

    def test_not_with_others_memory(self):
        self.daemon(STATUS % 4096)
        self.assertEqual(self.run_steps("removing"), 1)
        self.assertIn("4096 bytes of other hosts' VMs", self.said)
        self.assertIn("drain --wait h1", self.said)

    def test_not_where_nobody_answers(self):
        self.daemon(None)
        self.assertEqual(self.run_steps("removing"), 1)
        self.assertIn("does not answer", self.said)
        self.running(False)
        self.assertEqual(self.run_steps("removing"), 0)

    def test_not_while_it_begins_or_ends(self):
        for state in ("activating", "deactivating", "reloading", ""):
            self.running(False, state or "''")
            self.assertEqual(self.run_steps("removing"), 1, state)
            self.assertIn(f"is {state or 'in a state'}", self.said)

    def test_not_while_systemd_keeps_what_it_stored(self):
        for state in ("inactive", "failed"):
            self.running(False, state, kept=3)
            self.assertEqual(self.run_steps("removing"), 1)
            self.assertIn("keeps 3 descriptors", self.said)
            self.running(False, state)
            self.assertEqual(self.run_steps("removing"), 0)

    def test_other_words(self):
        self.assertEqual(self.run_steps("stop"), 2)
        self.assertEqual(self.called, "")


if __name__ == "__main__":
    unittest.main()
