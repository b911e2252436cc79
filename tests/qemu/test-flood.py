#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A flood of faults on a page whose provider has stopped answering, with the
real pager: "stop" interrupts a CPU that waits under KVM, which then asks for
its page again, some ten thousand times a second.  It costs one fetch.

    test-flood.py kvm|tcg
"""
import os
import signal
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from bare import MIB, Console, Skip, need_kvm               # noqa: E402
from scene import Lab, LabError, Qmp, check, skip, wait_for  # noqa: E402

RAM = 64 * MIB
LOCAL = 8 * MIB
# The page waited for, and what the pager fetches ahead of it.
FETCHES_MAX = 64


def start(lab, folder, accel):
    """A requester with the guest, and a provider; (guest, QMP, provider)."""
    requester, provider = lab.add_host("requester"), lab.add_host("provider")
    arbiter = f"{requester.address}:9471"
    requester.start_arbiter()
    provider.start_rcached("--arbiter", arbiter, "--slab-size", "16M",
                           "--lend", str(2 * RAM), "--reserve", "256M")
    requester.start_rcached("--arbiter", arbiter, "--lend", "0")
    console = Console(folder)
    qemu = requester.start("qemu", [
        os.environ["RCACHED_QEMU"], "-name", "flood", "-L",
        "/usr/share/seabios", "-L", "/usr/share/qemu", "-accel", accel, "-m",
        f"{RAM // MIB}M", "-nodefaults", "-display", "none", "-object",
        f"remote-cache,id=rc0,local-max={LOCAL // MIB}M,socket="
        f"{requester.path('vmm.sock')}", "-qmp",
        f"unix:{folder}/qmp,server=on,wait=off", "-qmp",
        f"unix:{folder}/qmp2,server=on,wait=off", *console.options])

    def qmp():
        if not qemu.alive():
            raise LabError(f"QEMU ended:\n{qemu.tail()}")
        try:
            return Qmp(folder + "/qmp")
        except (ConnectionRefusedError, FileNotFoundError):
            return None
    return (console, wait_for("QMP", qmp, 20),
            provider.processes["rcached"].popen)


def query(qmp):
    """Out of band: the main loop may be in a wait."""
    qmp.sock.sendall(b'{"exec-oob": "query-remote-cache"}\n')
    while True:
        answer = qmp.line()
        if "event" not in answer:
            return answer["return"][0]


def stop_with_page_missing(folder, qmp, provider):
    """Returns the fetches and the faults that were answered meanwhile."""
    def waits_for_page():
        # It may wait for room first; that wait ends while QEMU stops the CPU.
        waiting = query(qmp).get("waiting")
        return waiting and waiting["oldest-ns"] > 1e9 and \
            waiting["reason"] != "room"

    provider.send_signal(signal.SIGSTOP)
    try:
        wait_for("the guest to wait for a page", waits_for_page, 20)
        before = query(qmp)["stats"]
        second = Qmp(folder + "/qmp2")
        stopped = threading.Event()
        threading.Thread(daemon=True, target=lambda: (
            second.call("stop"), stopped.set())).start()
        time.sleep(2)
        now = query(qmp)
        check(now.get("waiting", {}).get("pages", 0) >= 1,
              f"what is waited for? {now}")
    finally:
        provider.send_signal(signal.SIGCONT)
    wait_for("stop to end", stopped.is_set, 20)
    wait_for("nothing to be waited for",
             lambda: not query(qmp).get("waiting"), 20)
    after = query(qmp)["stats"]
    return [after[name] - before[name]
            for name in ("fetched-pages", "faults-remote")]


def flood(accel):
    with tempfile.TemporaryDirectory(prefix="rc-") as folder:
        if accel == "kvm":
            need_kvm(folder)
        with Lab(os.environ["RCACHED_BUILD"]) as lab:
            try:
                console, qmp, provider = start(lab, folder, accel)
                wait_for("pages to be elsewhere", lambda: query(qmp).get(
                    "stats", {}).get("remote", 0) > 4 * MIB, 30)
                fetched, faults = stop_with_page_missing(folder, qmp, provider)
                check(1 <= fetched <= FETCHES_MAX and faults <= FETCHES_MAX,
                      f"{fetched} pages fetched for {faults} faults")
                qmp.call("cont")
                console.rounds(1)
                check(query(qmp)["stats"]["lost"] == 0, "pages were lost")
                print(f"{fetched} pages fetched, {faults} faults answered; "
                      f"{console.verified()} pages verified, 0 wrong")
            except LabError as error:
                for process in lab.processes:
                    print(f"--- {process.name}\n{process.tail()}")
                print(error)
                sys.exit(1)


if __name__ == "__main__":
    if os.geteuid():
        skip("needs root, for network namespaces")
    if not os.environ.get("RCACHED_QEMU"):
        skip("RCACHED_QEMU names no patched QEMU")
    try:
        flood(sys.argv[1])
    except Skip as why:
        skip(why)
