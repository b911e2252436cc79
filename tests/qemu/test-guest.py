#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A Linux guest while things break around it: it may wait, it never reads a
wrong byte.  Most of the cases have one guest, one after the other, since it
takes longer to boot one and fill its memory than most of them take.

The migration's target is a QEMU without the object; RCACHED_PLAIN_QEMU names
an unpatched one ("scripts/qemu-tree build --plain") to take for it.

    test-guest.py auto
    test-guest.py [kills] [daemons] [home] [outlived] [waits] [frozen] [migrate]
"""
import os
import random
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from scene import Guest, LabError, check, run, wait_for  # noqa: E402

MIB = 1 << 20


def kills(scene):
    """The pager is killed at any time, a dozen times."""
    seed = int(os.environ.get("RCACHED_SEED", random.randrange(1 << 32)))
    print(f"RCACHED_SEED={seed}", flush=True)
    chance = random.Random(seed)
    killed = set()      # one may be killed twice before its end is noticed
    for _ in range(12):
        wait_for("a pager", lambda: scene.vm()["state"] == "attached", 20)
        time.sleep(chance.uniform(0, 0.75))
        killed.add(scene.kill_pager())
        scene.status("verified")
    scene.progress()
    wait_for("all to be as before", scene.is_settled, 30)
    check(len(killed) > 2, f"killed: {killed}")
    check(scene.vm()["pager_restarts"] >= len(killed), "pager_restarts")
    check(scene.query()["stats"]["lost"] == 0, "pages were lost")
    check(scene.states() >= {"attached", "degraded"}, f"{scene.states()}")
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
    scene.qmp.job("remote-cache-resize", id="rc0", size=0)
    # The figures are a tenth of a second old.
    wait_for("QEMU to see that all is home",
             lambda: scene.query()["stats"]["remote"] == 0, 1)
    wait_for("the providers to have nothing",
             lambda: scene.stored() == 0, 20)
    scene.progress()
    check(scene.stored() == 0, "something has gone again")
    scene.qmp.job("remote-cache-resize", id="rc0", size=scene.size -
                  scene.local_max, local_max=scene.local_max)
    wait_for("pages to be elsewhere again", scene.is_settled, 30)
    scene.progress()


def frozen(scene):
    """The provider of pages that are nowhere else stops answering for a while:
    the guest waits for it, and QEMU says so."""
    scene.qmp.job("remote-cache-resize", id="rc0", copies=1)
    wait_for("pages to be elsewhere, once each", lambda: scene.is_settled() and
             scene.stored() < scene.query()["stats"]["remote"] // 4 * 5, 30)
    provider = max(scene.providers, key=scene.stored)
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
    check(scene.states() >= {"waiting", "recovered"}, f"{scene.states()}")


def outlived(scene):
    """With two copies of all pages the guest goes on while a provider does
    not answer."""
    def whole():
        stats = scene.query()["stats"]
        return scene.is_settled() and not stats["one-copy"]

    wait_for("two copies", whole, 60)
    provider = scene.providers[1].processes["rcached"].popen
    provider.send_signal(signal.SIGSTOP)
    try:
        scene.progress()
    finally:
        provider.send_signal(signal.SIGCONT)
    wait_for("all to be as before", scene.is_settled, 30)
    check(scene.query()["stats"]["lost"] == 0, "pages were lost")


def refused(scene, text, command, **arguments):
    run_it = (scene.qmp.job if command.startswith("remote-cache")
              else scene.qmp.call)
    try:
        run_it(command, **arguments)
    except LabError as error:
        check(text in str(error), f"{command} says: {error}")
    else:
        check(False, f"{command} was not refused")


def migrate(scene):
    """Not while pages are away; all of it comes home, then the VM moves to
    another QEMU, live."""
    wait_for("pages to be elsewhere", scene.is_settled, 30)
    target = scene.lab.add_host("target")
    uri = f"unix:{target.path('migrate.sock')}"
    refused(scene, "remote-cache-resize with size=0", "migrate", uri=uri)
    refused(scene, "raise one of them", "remote-cache-resize", id="rc0",
            size=scene.local_max)
    away = [scene.query()["stats"]["remote"]]
    scene.qmp.job("remote-cache-resize", look=lambda: away.append(
        scene.query()["stats"]["remote"]), id="rc0", size=0)
    check(any(0 < a < away[0] for a in away[1:]), f"no progress seen: {away}")
    other = Guest(target, os.environ.get("RCACHED_PLAIN_QEMU") or
                  os.environ["RCACHED_QEMU"], scene.kernel, scene.initrd,
                  scene.memory, None, append=scene.append,
                  extra=(*scene.extra, "-incoming", uri))
    wait_for("the target to listen",
             lambda: os.path.exists(target.path("migrate.sock")), 20)
    scene.qmp.call("migrate-set-parameters", max_bandwidth=256 * MIB,
                   downtime_limit=2000)
    scene.qmp.call("migrate", uri=uri)
    wait_for("the migration's end", lambda: scene.qmp.call("query-migrate")
             .get("status") in ("completed", "failed"), 120)
    done = scene.qmp.call("query-migrate")
    check(done["status"] == "completed", f"migration: {done}")
    before = scene.status("verified")
    scene.guest.process.stop()
    check(scene.stored() == 0, "the providers have something")

    def verified():
        check(other.process.alive(), other.process.tail())
        other.poll()
        check(not other.mismatch_lines, other.mismatch_lines)
        return other.status.get("verified", 0)

    # More than a sweep over all that the guest has.
    pages = scene.guest.status["pages"]
    wait_for("the guest to verify everything again",
             lambda: verified() > before + 3 * pages, 120)
    check(other.status["mismatches"] == 0, "mismatches")
    scene.guest = other


def auto(scene):
    """rcached chooses local-max on a host that has nothing to spare, until
    somebody else does."""
    info = scene.query()
    check(info["local-max-auto"] and info["local-min"] == scene.size // 8,
          f"{info}")
    info = wait_for("pages to leave for a lower local-max", lambda: (
        lambda i: i["local-max"] < scene.size // 2 and
        i.get("stats", {}).get("remote", 0) > scene.size // 4 and i)(
            scene.query()), 60)
    check(info["local-max"] >= info["local-min"], f"{info}")
    scene.progress()
    scene.qmp.job("remote-cache-resize", id="rc0", local_max=scene.size // 2)
    scene.kill_pager()
    wait_for("a pager", lambda: scene.vm()["state"] == "attached", 20)
    scene.progress()
    info = scene.query()
    check(not info["local-max-auto"] and "local-min" not in info and
          info["local-max"] == scene.size // 2, f"{info}")
    vm = scene.vm()
    check(vm["local_max_bytes"] == scene.size // 2, f"{vm}")


PHASES = ("read", "queue", "send", "network", "provider", "receive", "check",
          "install")


def waits(scene):
    """What a guest of two vCPUs waits for is told to QEMU's operator and to
    the host's, and adds up; the kernel says whose faults are."""
    scene.progress()
    delays = wait_for("faults of the last minute", lambda: (
        lambda d: d and d["vcpus"] == 2 and d["recent-faults"] > 100 and d)(
            scene.query().get("delays")), 60)
    for part in ("total-ns", "recent-ns"):
        parts = sum(delays[phase][part] for phase in PHASES)
        check(parts == delays["whole"][part], f"{part}: {delays}")
    for phase in PHASES:
        check(sum(delays[phase]["counts"]) == sum(delays["whole"]["counts"]),
              f"{phase}: {delays}")
    check(delays["waited-ns"] > 0, f"{delays}")
    vm = scene.vm()
    check(vm["vcpus"] == 2 and vm["stalled_percent"] > 0, f"{vm}")
    text = scene.qmp.call("human-monitor-command",
                          command_line="info remote-cache")
    check("of the last minute" in text and "network" in text, text)
    scene.progress()


def all_memory():
    return str(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))


if __name__ == "__main__":
    # Each provider has room for all, also in slabs that are not full.
    run({"auto": (auto, {"local_max": "auto",
                         "daemon": ("--reserve", all_memory())}),
         "kills": kills, "daemons": daemons, "home": home,
         "outlived": outlived, "waits": waits, "frozen": frozen,
         "migrate": migrate},
        extra=("-smp", "2"), lend=256 * MIB)
