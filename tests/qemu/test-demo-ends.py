#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""How the demo ends, with figures that are made up and tools that are not
what they seem; needs no QEMU."""
import contextlib
import io
import os
import signal
import subprocess
import sys
import tempfile
from unittest import mock

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(TOP, "scripts", "lib"))
import demo                                                 # noqa: E402

MIB = 1 << 20
SLACK = 16 * MIB                # of a local-max of 128M
GOOD = {
    "guest_bytes": 512 * MIB, "local_max_bytes": 128 * MIB,
    "resident_bytes": 128 * MIB + SLACK, "remote_bytes": 384 * MIB,
    "zero_bytes": MIB, "copies": 2, "one_copy_bytes": 0, "providers": [],
    "faults": 5, "evicted_pages": 5,
    "fault_p50_us": 1.0, "fault_p99_us": 2.0, "pages_verified": 1000,
    "mismatches": 0, "pager_restarts": 1, "pager_first_fault_ms": 1.0,
    "pager_all_known_ms": 1.0, "provider_lost_pause_ms": 1000.0,
    "two_copies_again_s": 30.0, "others_cpu_percent": 49,
    "longest_pause_ms": 1.0, "seconds": 30.0}


class NoLab:
    """In the place of a lab: nothing is started."""
    processes = ()
    dir = "/nowhere"

    def __init__(self, *_, **__):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def ends(run, *options):
    """(exit status, stdout, stderr) of a demo whose run is this."""
    out, err = io.StringIO(), io.StringIO()
    kept = {n: signal.getsignal(n)
            for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), \
            mock.patch.object(demo, "Lab", NoLab), \
            mock.patch.object(demo, "available", lambda: 1 << 40), \
            mock.patch.object(demo.Demo, "run", run), \
            mock.patch.object(sys, "argv", ["demo", *options]):
        status = demo.main()
    for number, handler in kept.items():
        signal.signal(number, handler)
    return status, out.getvalue(), err.getvalue()


def with_figures(**other):
    def run(self):
        self.steady = {**GOOD, **other}
        self.check_result()
    return run


def raising(error):
    def run(self):
        raise error
    return run


def check_figures():
    status, out, _ = ends(with_figures())
    assert status == 0 and "FAILED" not in out, (status, out)
    status, out, _ = ends(with_figures(mismatches=1))
    assert status == 1, status
    assert "FAILED  1000 pages verified by the guest, 1 wrong" in out, out
    status, out, _ = ends(with_figures(
        resident_bytes=GOOD["resident_bytes"] + 1))
    assert status == 1 and "FAILED  never more than" in out, (status, out)


def check_loss():
    """What a provider's death may cost, and when that proves nothing."""
    for other, text in (
            ({"provider_lost_pause_ms": 1000.1}, "the guest waited 1000.1 ms"),
            ({"two_copies_again_s": 30.1}, "after 30.1 s, of 30"),
            ({"two_copies_again_s": None}, "not even after a minute")):
        status, out, _ = ends(with_figures(**other))
        assert status == 1 and out.count("\nFAILED  ") == 1, out
        assert text in out[out.index("\nFAILED  "):], out
        status, out, _ = ends(with_figures(**other, others_cpu_percent=50))
        assert status == 0 and "FAILED" not in out, (status, out)
        busy = out[out.index("\nbusy    "):]
        assert text in busy and "others had 50 %" in busy, out


def check_faults():
    for error, text in (
            (KeyError("stored_bytes"), "demo: KeyError: 'stored_bytes'"),
            (ValueError("no JSON"), "demo: ValueError: no JSON"),
            (subprocess.TimeoutExpired("rcachectl", 30), "timed out after"),
            (demo.LabError("QEMU ended"), "demo: QEMU ended")):
        status, out, err = ends(raising(error), "--keep")
        assert status == 1 and text in err, (status, err)
        assert "logs: /nowhere" in out, out
    status, out, err = ends(raising(KeyboardInterrupt()), "--keep")
    assert status == 130 and "only logs are left behind" in err, err
    assert "logs: /nowhere" in out, out
    status, out, err = ends(raising(KeyboardInterrupt()))
    assert status == 130 and "nothing is left behind" in err, err
    assert "logs:" not in out, out


def check_background():
    """What goes wrong beside the picture is not lost."""
    def fail():
        raise KeyError("evicted")
    job = demo.Background(fail)
    job.start()
    job.join()
    assert isinstance(job.error, KeyError), job.error


def build_with(folder, ninja):
    """(status, stderr) of scripts/demo where ninja is this."""
    tool = os.path.join(folder, "ninja")
    with open(tool, "w", encoding="ascii") as f:
        f.write(f"#!/bin/sh\n{ninja}\n")
    os.chmod(tool, 0o755)
    open(os.path.join(folder, "build.ninja"), "w").close()
    done = subprocess.run(
        [os.path.join(TOP, "scripts", "demo"), "--guest-mem", "128M",
         "--local-max", "64M"], stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False, start_new_session=True,
        env={**os.environ, "RCACHED_BUILD": folder,
             "PATH": f"{folder}:{os.environ['PATH']}"})
    return done.returncode, done.stderr


def check_build(folder):
    status, err = build_with(folder, "echo no such header; exit 1")
    assert status == 1 and "the daemons do not build" in err, (status, err)
    assert "no such header" in err, err
    # Ctrl-C goes to both, and ninja ends in its own way.
    status, err = build_with(folder, "kill -INT $PPID; exit 2")
    assert status == 130, (status, err)
    assert "do not build" not in err, err


def check_options_first(folder):
    """Bad options are refused before anything is looked for or installed."""
    asked = os.path.join(folder, "asked")
    for name in ("dpkg-query", "apt-get"):
        tool = os.path.join(folder, name)
        with open(tool, "w", encoding="ascii") as f:
            f.write(f"#!/bin/sh\ntouch {asked}\nexit 1\n")
        os.chmod(tool, 0o755)
    done = subprocess.run(
        [os.path.join(TOP, "scripts", "demo"), "--seconds", "20"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"})
    assert done.returncode == 2 and "at least 30" in done.stderr, done
    assert not os.path.exists(asked), "packages came before the options"


def main():
    check_figures()
    check_loss()
    check_faults()
    check_background()
    if os.geteuid() == 0:
        with tempfile.TemporaryDirectory() as folder:
            check_options_first(folder)
    there = subprocess.run([os.path.join(TOP, "scripts", "setup"), "--check"],
                           capture_output=True, check=False).returncode == 0
    if os.geteuid() == 0 and there and demo.available() > 2048 * MIB:
        with tempfile.TemporaryDirectory() as folder:
            check_build(folder)
    else:
        print("not tried: Ctrl-C while the daemons are built")
    return 0


if __name__ == "__main__":
    sys.exit(main())
