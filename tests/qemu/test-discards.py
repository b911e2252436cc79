#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a guest gives back is given back everywhere, and never comes back.

    test-discards.py reporting|churn
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from scene import check, run, wait_for                      # noqa: E402

MIB = 1 << 20
PAGE = 4096
FREED = 256 * MIB
PLUGGED = 256 * MIB
REPORTING = ("-global", "virtio-balloon-device.free-page-reporting=on")


def reporting(scene):
    """256 MiB that the guest frees give back their slots, unread."""
    wait_for("what the guest holds to be elsewhere", scene.is_settled, 60)
    before = scene.query()["stats"]
    stored = scene.stored()
    check(before["remote"] >= FREED * 3 // 4, f"only {before['remote']} away")
    scene.guest.sock.sendall(b"free it\n")
    nowhere = before["zero"] + before["untouched"]

    def given_back():
        now = scene.query()["stats"]
        return now["zero"] + now["untouched"] >= nowhere + FREED * 9 // 10

    wait_for("the guest's memory to be nowhere", given_back, 20)
    # But what of it was here before had no slots.
    gone = FREED * 9 // 10 - before["resident"]
    wait_for(f"{gone // MIB} MiB of slots to be free",
             lambda: scene.stored() <= stored - gone, 20)
    after = scene.query()["stats"]
    fetched = (after["fetched-pages"] - before["fetched-pages"]) * PAGE
    print(f"{(stored - scene.stored()) // MIB} MiB given back, "
          f"{fetched // 1024} KiB fetched")
    # A page in 64 holds the kernel's notes on the others: those it writes.
    check(fetched < FREED // 32, f"{fetched} bytes were fetched")
    check(scene.status("state") == "freed", scene.guest.status)


def churn(scene):
    """Balloon, reporting and virtio-mem all at once, while a program in the
    guest takes memory, writes, verifies and frees it."""
    def plugged(size, less=0):
        """@less: beyond @size as far as the guest can in its time."""
        scene.qmp.call("qom-set", path="/machine/peripheral/vmem0",
                       property="requested-size", value=size - less)
        wait_for(f"{size // MIB} MiB to be plugged", lambda: (
            scene.status("verified"),
            abs(scene.qmp.call("qom-get", path="/machine/peripheral/vmem0",
                               property="size") - size) <= less)[1], 60)

    def balloon(size):
        scene.qmp.call("balloon", value=size)
        wait_for(f"a balloon that leaves {size // MIB} MiB", lambda: (
            scene.status("verified"),
            abs(scene.qmp.call("query-balloon")["actual"] - size) < MIB)[1],
            60)

    for turn in range(2):
        plugged(PLUGGED)
        balloon(scene.size - 64 * MIB)
        scene.qmp.call("remote-cache-evict", id="rc0", bytes=16 * MIB)
        scene.progress(5000)
        plugged(PLUGGED // 2, PLUGGED // 4)
        scene.qmp.call("remote-cache-evict", id="rc0", bytes=16 * MIB)
        balloon(scene.size)
        scene.progress(5000)
        if not turn:
            scene.kill_pager()
    stats = scene.query()["stats"]
    check(stats["lost"] == 0 and stats["intruders"] == 0, f"{stats}")
    check(stats["fetched-pages"] > 1000, f"{stats}")


if __name__ == "__main__":
    run({"reporting": (reporting, dict(
            guest=448 * MIB, ready="held", extra=REPORTING,
            append=f"rcache.run=free rcache.mib={FREED // MIB}")),
         "churn": (churn, dict(
            guest=256 * MIB, memory=f",maxmem={(256 * MIB + PLUGGED) // MIB}M",
            ready="churn", lend=512 * MIB, append="rcache.run=churn "
            "rcache.mib=128 memhp_default_state=online_movable",
            extra=(*REPORTING, "-object",
                   f"memory-backend-memfd,id=mem1,size={PLUGGED // MIB}M",
                   "-device", "virtio-mem-pci,id=vmem0,memdev=mem1")))},
        boot=("mem",))
