#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A scenario that is ended by a signal leaves nothing behind; what one leaves
that was killed, the next one takes away.

    test-ended.py BUILD
"""
import os
import signal
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "scripts", "lib"))
from lab import FOLDER, SIGNALS, Lab, sweep, wait_for               # noqa: E402


def left(pid):
    """Namespaces and folders of a lab."""
    return [name for folder, prefix in (
                ("/run/netns", f"rc{pid}n"),
                (tempfile.gettempdir(), f"{FOLDER}{pid}-"))
            if os.path.isdir(folder)
            for name in os.listdir(folder) if name.startswith(prefix)]


def in_the_background():
    """What a shell does to programs that it starts with an "&"."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def started(build):
    """A scenario that is under way."""
    popen = subprocess.Popen(
        [sys.executable, os.path.join(HERE, "scenarios.py"), build, "smoke"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, preexec_fn=in_the_background)
    wait_for("the scenario's hosts", lambda: len(left(popen.pid)) >= 4, 30)
    return popen


def handlers_come_back(build):
    before = [signal.getsignal(n) for n in SIGNALS]
    with Lab(build):
        assert signal.getsignal(signal.SIGTERM) != signal.SIG_DFL
    assert [signal.getsignal(n) for n in SIGNALS] == before


def swept(pid):
    """Not at once, if what it has begun outlives it: "ip netns add"."""
    sweep()
    return not left(pid)


def main():
    if os.geteuid():
        print("skip: network namespaces need root")
        return 77
    handlers_come_back(sys.argv[1])
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        popen = started(sys.argv[1])
        popen.send_signal(number)
        assert popen.wait(120) != 0, signal.Signals(number).name
        assert not left(popen.pid), (number, left(popen.pid))
    popen = started(sys.argv[1])
    # What started() has seen is still there, unless another lab on this
    # machine sweeps first.
    popen.kill()
    popen.wait()
    wait_for("all of it to be swept", lambda: swept(popen.pid), 10)
    return 0


if __name__ == "__main__":
    sys.exit(main())
