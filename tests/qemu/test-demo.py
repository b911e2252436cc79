#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The demo, with assertions: what it prints, how it ends, what it leaves.

    test-demo.py figures|interrupt|usage

The guest is smaller than the demo's own, which the suite fresh has.
"""
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
DEMO = os.path.join(TOP, "scripts", "demo")
MIB = 1 << 20
PAGE = 4096
BUSY_PERCENT = 50               # as the demo has it
GUEST, LOCAL_MAX = 256 * MIB, 64 * MIB
SMALL = ("--guest-mem", str(GUEST), "--local-max", str(LOCAL_MAX))
FIELDS = ["guest_bytes", "local_max_bytes", "resident_bytes", "remote_bytes",
          "zero_bytes", "copies", "one_copy_bytes", "providers", "faults",
          "evicted_pages", "fault_p50_us", "fault_p99_us", "pages_verified",
          "mismatches", "pager_restarts", "pager_first_fault_ms",
          "pager_all_known_ms", "provider_lost_pause_ms",
          "two_copies_again_s", "others_cpu_percent", "longest_pause_ms",
          "seconds"]


def skip(why):
    print(f"skipped: {why}")
    sys.exit(77)


def demo(*options):
    """(exit status, stdout, stderr)"""
    popen = subprocess.Popen([DEMO, *options], stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             text=True)
    out, err = popen.communicate()
    sys.stderr.write(err)
    sys.stdout.write(out)
    check(not namespaces(popen.pid), "a namespace was left behind")
    return popen.returncode, out, err


def namespaces(pid):
    """Those that the demo with this pid has made."""
    done = subprocess.run(["ip", "netns", "list"], capture_output=True,
                          text=True, check=True)
    return [n for n in done.stdout.split() if n.startswith(f"rc{pid}n")]


def check(good, what):
    if not good:
        print(f"FAILED: {what}", file=sys.stderr)
        sys.exit(1)


def check_figures(r):
    guest, remote = r["guest_bytes"], r["remote_bytes"]
    stored = [p["stored_bytes"] for p in r["providers"] if p["alive"]]
    dead = [p["stored_bytes"] for p in r["providers"] if not p["alive"]]
    limit = r["local_max_bytes"] + max(r["local_max_bytes"] * 5 // 100,
                                       16 * MIB)
    check(list(r) == FIELDS, f"other fields than agreed: {list(r)}")
    check(r["mismatches"] == 0, "mismatches")
    check(guest == GUEST, "guest_bytes")
    check(r["local_max_bytes"] == LOCAL_MAX, "local_max_bytes")
    # Most of what may be here is: else nothing was sampled.
    check(LOCAL_MAX // 2 < r["resident_bytes"] <= limit, "resident_bytes")
    check(remote >= guest // 2, "less than half of the guest is remote")
    check(r["zero_bytes"] > 0, "zero_bytes")
    check(len(stored) == 2 and dead == [0], "one of three is dead")
    # What is stored and what is remote were not looked at in one instant.
    check(abs(sum(stored) - 2 * remote) <= GUEST // 8,
          "stored is not two copies of what is remote")
    check(r["copies"] == 2, "copies")
    check_loss(r)
    check(r["pages_verified"] >= guest // PAGE, "pages_verified")
    # Most pages that come are read ahead: 63 of 64 at the most.
    check(r["faults"] >= remote // PAGE // 64, "faults")
    check(r["evicted_pages"] >= remote // PAGE, "evicted_pages")
    check(r["pager_restarts"] >= 1, "pager_restarts")
    for field in ("pager_first_fault_ms", "pager_all_known_ms"):
        # Not known by then is null; how good they are is not asked here.
        check(r[field] is not None and 0 < r[field] < 15e3, field)
    check(0 < r["fault_p50_us"] <= r["fault_p99_us"] < 1e6, "latencies")
    check(r["longest_pause_ms"] > 0, "longest_pause_ms")
    check(r["seconds"] >= 30, "seconds")


def check_loss(r):
    """The demo judges how long it took, not this test."""
    pause, whole = r["provider_lost_pause_ms"], r["two_copies_again_s"]
    busy = r["others_cpu_percent"]
    check(isinstance(busy, int) and 0 <= busy <= 100, "others_cpu_percent")
    # The pager and the guest saw pages that were waited for.
    check(pause is not None and pause > 0, "provider_lost_pause_ms")
    if whole is None:
        check(busy >= BUSY_PERCENT, "two_copies_again_s")
        return
    # It is given up after 10 s, and not before.
    check(10 <= whole <= r["seconds"], "two_copies_again_s")
    check(r["one_copy_bytes"] == 0, "one_copy_bytes")


def figures():
    """With --corrupt, whose figures are those of before it."""
    status, out, err = demo("--json", "--seconds", "30", "--corrupt", *SMALL)
    check(status == 0, f"exit status {status}")
    check_figures(json.loads(out))
    for text in ("reached in", "the providers confirm two copies",
                 "the providers store two copies", "from the kill to",
                 "a new pager has", "rcachectl vms shows",
                 "the guest goes on, with the other copy"):
        check(any(line.startswith("ok ") and text in line
                  for line in err.splitlines()), f"no 'ok ... {text}'")
    for text in ("a provider was killed for good",
                 "all has two copies again"):
        check(any(line.startswith(("ok ", "busy ")) and text in line
                  for line in err.splitlines()), f"no '{text}'")
    check("the checksum has caught it, the guest saw 0 wrong" in err,
          "the summary does not say that it was caught")


def processes(pid):
    """All descendants of a process."""
    found = []
    todo = [pid]
    while todo:
        pid = todo.pop()
        try:
            for task in os.listdir(f"/proc/{pid}/task"):
                path = f"/proc/{pid}/task/{task}/children"
                with open(path, encoding="ascii") as f:
                    todo += [int(p) for p in f.read().split()]
        except OSError:
            continue
        found.append(pid)
    return found


def runs(pid):
    """A pager that has ended is nobody's but init's, who may take a while."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
            return f.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def interrupt():
    """Ctrl-C in the middle of it."""
    with tempfile.TemporaryDirectory(prefix="rcached-test-") as folder:
        interrupt_in(folder)


def interrupt_in(folder):
    popen = subprocess.Popen([DEMO, *SMALL],
                             env={**os.environ, "TMPDIR": folder},
                             stdout=subprocess.PIPE, text=True,
                             stdin=subprocess.DEVNULL)
    for line in popen.stdout:
        if "verifies its memory" in line:
            break
    time.sleep(3)
    made = namespaces(popen.pid)
    # A pager has a session of its own, but is in the requester's namespace.
    pids = set(processes(popen.pid))
    for name in made:
        done = subprocess.run(["ip", "netns", "pids", name], check=True,
                              capture_output=True, text=True)
        pids |= {int(p) for p in done.stdout.split()}
    check(len(made) == 5 and len(pids) >= 7, f"{made}, {pids} before Ctrl-C")
    popen.send_signal(signal.SIGINT)
    popen.stdout.read()
    status = popen.wait(30)
    check(status == 130, f"exit status {status}")
    check(not namespaces(popen.pid), "a namespace was left behind")
    time.sleep(0.5)
    left = [p for p in pids if runs(p)]
    check(not left, f"processes were left behind: {left}")
    check(not os.listdir(folder), f"{os.listdir(folder)} was left behind")


def usage():
    for options, text in (
            (["--nonsense"], "--nonsense"),
            (["--seconds", "3"], "--seconds: at least 30"),
            (["--seconds", "soon"], "invalid int value"),
            (["--local-max", "1G"], "at most half of --guest-mem"),
            (["--local-max", "12M"], "at least 64M"),
            (["--guest-mem", "900000G"], "this machine has"),
            (["--guest-mem", "lots"], "invalid size value")):
        status, _, err = demo(*options)
        check(status == 2 and text in err, f"{options}: {status}")
    # On stdin, since nobody may not be allowed into the checkout's folder.
    with open(DEMO, encoding="ascii") as script:
        done = subprocess.run(
            ["setpriv", "--reuid=65534", "--clear-groups", "bash", "-s"],
            cwd="/", stdin=script, capture_output=True, text=True,
            check=False)
    check(done.returncode == 2 and "needs root" in done.stderr,
          f"as nobody: {done.returncode}: {done.stderr}")
    status, out, _ = demo("--help")
    check(status == 0 and "--corrupt" in out, "--help")


def main():
    if os.geteuid():
        skip("needs root, for network namespaces")
    if not os.environ.get("RCACHED_QEMU"):
        skip("RCACHED_QEMU names no patched QEMU")
    {"figures": figures, "interrupt": interrupt,
     "usage": usage}[sys.argv[1]]()


if __name__ == "__main__":
    main()
