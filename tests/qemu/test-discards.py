#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a guest gives back is given back everywhere, and never comes back.

    test-discards.py reporting|churn
"""
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from scene import check, run, wait_for                      # noqa: E402

MIB = 1 << 20
PAGE = 4096
FREED = 96 * MIB                # as slots; and what the guest frees for it:
# its kernel reports whole free blocks of 2 MiB, and keeps a few of them.
HELD = FREED + 24 * MIB
GUEST = 160 * MIB               # and what can be plugged beside it
PLUGGED = 256 * MIB
CHURNED = 64 * MIB              # the most that the guest's program has
REPORTING = ("-global", "virtio-balloon-device.free-page-reporting=on")


def nowhere(scene):
    stats = scene.query()["stats"]
    return stats["zero"] + stats["untouched"]


def reporting(scene):
    """What the guest frees gives back its slots at the providers, unread."""
    wait_for("what the guest holds to be elsewhere", scene.is_settled, 60)
    # Nothing that the guest leaves alone may stay: it would have no slot.
    scene.qmp.job("remote-cache-evict", partly=True, id="rc0",
                  local_target=4 * MIB)
    time.sleep(0.3)             # the figures are a tenth of a second old
    before, stored = nowhere(scene), scene.stored()
    fetches = scene.query()["stats"]["fetched-pages"]
    check(stored >= HELD, f"only {stored // MIB} MiB are away")
    scene.guest.sock.sendall(b"free it\n")
    begin = time.monotonic()

    def given_back():
        """Bytes of slots, without those of pages that were fetched, which
        are free as well once the guest writes to the page."""
        fetched = scene.query()["stats"]["fetched-pages"] - fetches
        fetched *= PAGE
        return stored - scene.stored() - fetched, fetched

    wait_for(f"{FREED // MIB} MiB of slots to be free",
             lambda: given_back()[0] >= FREED, 30)
    slots, fetched = given_back()
    print(f"{slots / MIB:.1f} MiB of slots given back after "
          f"{time.monotonic() - begin:.1f} s, {fetched // 1024} KiB fetched")
    # A page in 64 holds the kernel's notes on the others: those it visits.
    check(fetched < FREED // 16, f"{fetched} bytes were fetched")
    wait_for("the pager to say that they are nowhere",
             lambda: nowhere(scene) - before >= FREED - fetched, 5)
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
        balloon(scene.size - 32 * MIB)
        scene.evict(8 * MIB)
        scene.progress(CHURNED // PAGE // 6)
        plugged(PLUGGED // 2, PLUGGED // 4)
        scene.evict(8 * MIB)
        balloon(scene.size)
        scene.progress(CHURNED // PAGE // 6)
        if not turn:
            scene.kill_pager()
    stats = scene.query()["stats"]
    check(stats["lost"] == 0 and stats["intruders"] == 0, f"{stats}")
    check(stats["fetched-pages"] > 1000, f"{stats}")


if __name__ == "__main__":
    run({"reporting": (reporting, dict(
            guest=256 * MIB, ready="held", extra=REPORTING, copies=1,
            append=f"rcache.run=free rcache.mib={HELD // MIB}")),
         "churn": (churn, dict(
            guest=GUEST, memory=f",maxmem={(GUEST + PLUGGED) // MIB}M",
            ready="churn", lend=2 * GUEST, append="rcache.run=churn "
            f"rcache.mib={CHURNED // MIB} "
            "memhp_default_state=online_movable",
            extra=(*REPORTING, "-object",
                   f"memory-backend-memfd,id=mem1,size={PLUGGED // MIB}M",
                   "-device", "virtio-mem-pci,id=vmem0,memdev=mem1")))},
        boot=("mem",))
