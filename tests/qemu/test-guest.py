#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A Linux guest while things break around it: it may wait, it never reads a
wrong byte.

    test-guest.py kills|daemons|home|frozen
"""
import os
import random
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
from lab import Guest, Lab, LabError, wait_for  # noqa: E402

MIB = 1 << 20
GUEST = 256 * MIB
LOCAL_MAX = 64 * MIB
SLACK = 16 * MIB


def skip(why):
    print(f"skipped: {why}")
    sys.exit(77)


def check(good, what):
    if not good:
        raise LabError(f"FAILED: {what}")


class Scene:
    """A requester with a guest that has more remote than local, and two
    providers."""

    def __init__(self, lab):
        self.requester = lab.add_host("requester")
        self.providers = [lab.add_host("provider-a"),
                          lab.add_host("provider-b")]
        self.arbiter = f"{self.requester.address}:9471"
        self.requester.start_arbiter()
        for host in self.providers:
            host.start_rcached("--arbiter", self.arbiter, "--slab-size",
                               "16M", "--lend", str(GUEST), "--reserve",
                               "256M")
        self.start_requester()
        wait_for("the arbiter to know the providers", self.known, 20)
        kernel, initrd = subprocess.run(
            [os.path.join(HERE, "make-initramfs")], check=True,
            capture_output=True, text=True).stdout.split()[-2:]
        self.guest = Guest(
            self.requester, os.environ["RCACHED_QEMU"], kernel, initrd,
            f"{GUEST // MIB}M", f"remote-cache,id=rc0,local-max="
            f"{LOCAL_MAX // MIB}M,socket={self.requester.path('vmm.sock')}")
        self.qmp = self.guest.qmp()
        wait_for("the guest to verify", lambda: self.status("state") == "run",
                 120)

    def start_requester(self):
        self.requester.start_rcached("--arbiter", self.arbiter, "--lend", "0",
                                     "--enable-debug-commands")

    def known(self):
        admin = self.requester.admin()
        try:
            arbiters = admin.call("status")["arbiters"]
        finally:
            admin.close()
        return all(a["connected"] for a in arbiters)

    def status(self, name):
        """What the guest has said last."""
        if not self.guest.process.alive():
            raise LabError("QEMU ended:\n" + self.guest.process.tail())
        self.guest.poll()
        check(not self.guest.mismatch_lines, self.guest.mismatch_lines)
        return self.guest.status.get(name, 0)

    def vm(self):
        admin = self.requester.admin()
        try:
            vms = admin.call("vms")
        finally:
            admin.close()
        return vms[0] if vms else {"state": "none"}

    def query(self):
        return self.qmp.call("query-remote-cache")[0]

    def progress(self, pages=20000, seconds=60):
        """Until the guest has verified so many more."""
        start = self.status("verified")
        wait_for(f"the guest to verify {pages} more pages",
                 lambda: self.status("verified") >= start + pages, seconds)

    def is_settled(self):
        """Attached, and most of the guest is elsewhere."""
        info = self.query()
        stats = info.get("stats")
        return (info["attached"] and stats and
                stats["resident"] <= LOCAL_MAX + SLACK and
                stats["remote"] >= GUEST // 3)

    def stored(self):
        total = 0
        for host in self.providers:
            admin = host.admin()
            total += admin.call("status")["stored_bytes"]
            admin.close()
        return total

    def kill_pager(self):
        admin = self.requester.admin()
        try:
            return admin.call("debug-kill-pager", vm="demo")["pid"]
        finally:
            admin.close()


def kills(scene):
    """The pager is killed at any time, a dozen times."""
    seed = int(os.environ.get("RCACHED_SEED", random.randrange(1 << 32)))
    print(f"RCACHED_SEED={seed}", flush=True)
    chance = random.Random(seed)
    killed = 0
    for _ in range(12):
        wait_for("a pager", lambda: scene.vm()["state"] == "attached", 20)
        time.sleep(chance.uniform(0, 1.5))
        scene.kill_pager()
        killed += 1
        scene.status("verified")
    scene.progress()
    wait_for("all to be as before", scene.is_settled, 30)
    check(scene.vm()["pager_restarts"] >= killed, "pager_restarts")
    check(scene.query()["stats"]["lost"] == 0, "pages were lost")
    scene.progress()


def pager_pids(scene):
    """What has the pager's lock open does not matter: its name is enough."""
    found = []
    for pid in subprocess.run(
            ["ip", "netns", "pids", scene.requester.netns],
            capture_output=True, text=True, check=True).stdout.split():
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            if b"--pager" in f.read():
                found.append(int(pid))
    return found


def daemons(scene):
    """No rcached here, then no arbiter: the guest notices neither."""
    before = pager_pids(scene)
    check(len(before) == 1, f"pagers: {before}")
    scene.requester.processes["rcached"].stop()
    scene.progress()
    scene.start_requester()
    wait_for("the pager to be adopted",
             lambda: scene.vm()["state"] == "attached", 20)
    check(pager_pids(scene) == before, "another pager was started")
    scene.requester.processes["arbiter"].stop()
    scene.progress()
    scene.requester.start_arbiter()
    wait_for("the arbiter to be found again", scene.known, 20)
    check(pager_pids(scene) == before, "another pager was started")
    # An adopted pager is watched like any other.
    pid = scene.kill_pager()
    check([pid] == before, f"killed {pid}, not {before}")
    wait_for("a new pager", lambda: pager_pids(scene) not in ([], before), 20)
    scene.progress()
    wait_for("all to be as before", scene.is_settled, 30)


def home(scene):
    """All of it comes home, and goes again."""
    wait_for("pages to be elsewhere", scene.is_settled, 30)
    scene.qmp.call("remote-cache-resize", id="rc0", size=0)
    # The figures are a tenth of a second old.
    wait_for("QEMU to see that all is home",
             lambda: scene.query()["stats"]["remote"] == 0, 1)
    wait_for("the providers to have nothing",
             lambda: scene.stored() == 0, 20)
    scene.progress()
    check(scene.stored() == 0, "something has gone again")
    scene.qmp.call("remote-cache-resize", id="rc0", size=GUEST - LOCAL_MAX,
                   local_max=LOCAL_MAX)
    wait_for("pages to be elsewhere again", scene.is_settled, 30)
    scene.progress()


def frozen(scene):
    """A provider stops answering for a while: the guest waits for it, and
    QEMU says so."""
    wait_for("pages to be elsewhere", scene.is_settled, 30)
    provider = scene.providers[1]
    provider.processes["rcached"].popen.send_signal(signal.SIGSTOP)
    try:
        wait = wait_for(
            "QEMU to name the provider",
            lambda: (lambda w: w and w["reason"] == provider.name and w)(
                scene.query().get("waiting")), 20)
        check(wait["block"] and wait["pages"] >= 1, f"{wait}")
        time.sleep(2)
        before = scene.status("verified")
        time.sleep(2)
        check(scene.status("verified") == before, "the guest went on")
    finally:
        provider.processes["rcached"].popen.send_signal(signal.SIGCONT)
    scene.progress()
    wait_for("nothing to be waited for any more",
             lambda: scene.query().get("waiting", {}).get("oldest-ns", 0) <
             1e9, 10)
    wait_for("all to be as before", scene.is_settled, 30)
    check(scene.query()["stats"]["lost"] == 0, "pages were lost")


def main():
    if os.geteuid():
        skip("needs root, for network namespaces")
    if not os.environ.get("RCACHED_QEMU"):
        skip("RCACHED_QEMU names no patched QEMU")
    case = {"kills": kills, "daemons": daemons, "home": home,
            "frozen": frozen}[sys.argv[1]]
    with Lab(os.environ["RCACHED_BUILD"]) as lab:
        try:
            scene = Scene(lab)
            case(scene)
            check(scene.status("mismatches") == 0, "mismatches")
            print(f"{scene.status('verified')} pages verified, 0 wrong")
        except LabError as error:
            for process in lab.processes:
                print(f"--- {process.name}\n{process.tail()}")
            print(error)
            sys.exit(1)


if __name__ == "__main__":
    main()
