#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Discards with rcached's own pager in the middle of its work: what was on
its way is called off, the slots are freed, and stale bytes never come back.

What is in the middle is made to stay there: QEMU is stopped when it is to
answer a zap, the provider when it is to store or to deliver a page.

    test-real-discards.py [NAME...]     only cases whose names contain NAME
"""
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import fakepager as fp                                      # noqa: E402
import virtio                                               # noqa: E402
from realvm import (MIB, PAGE, RealVm, Stopped, content,    # noqa: E402
                    main, wait_for)

CASES = []
SIZE = 4 * MIB


def case(function):
    CASES.append(function)
    return function


class BalloonVm(RealVm):
    """Its guest gives pages up by balloon."""

    def __init__(self, stage):
        # The queues are in m0, and never wait for a pager that is stopped.
        super().__init__(
            stage, "-object", "memory-backend-memfd,id=m0,size=32M",
            "-object", "memory-backend-memfd,id=m1,size=32M",
            "-numa", "node,memdev=m0", "-numa", "node,memdev=m1",
            "-device", "virtio-balloon-pci,addr=4",
            props="local-max=2M,memdev=m1")
        self.places = [(32 * MIB, 32 * MIB, 0)]
        self.device = virtio.Balloon(self, 4)
        self.first = 40 * MIB

    def give(self, pages):
        self.device.give(*pages)
        self.discarded(*pages)


class MemVm(RealVm):
    """Its guest gives blocks up by virtio-mem, and has them plugged again."""

    SIZE = 32 * MIB

    def __init__(self, stage):
        super().__init__(
            stage, "-object",
            f"memory-backend-memfd,id=mem1,size={self.SIZE}", "-device",
            "virtio-mem-pci,id=vmem0,memdev=mem1,addr=4",
            memory=f",maxmem={64 + self.SIZE // MIB}M")
        self.device = virtio.Mem(self, 4, "vmem0")
        self.first = self.device.base
        self.places.append((self.first, self.SIZE, 64 * MIB // PAGE))
        self.device.want(self.SIZE)
        assert self.device.request(virtio.PLUG, self.first, self.SIZE //
                                   self.device.block_size) == virtio.ACK

    def give(self, pages):
        """The blocks that @pages are in, once the pager's hands are off."""
        size = self.device.block_size
        for at in sorted({p - (p - self.first) % size for p in pages}):
            self.device.want(self.SIZE - size)
            wait_for("the block to go", lambda a=at: self.device.request(
                virtio.UNPLUG, a, 1) == virtio.ACK)
            self.device.want(self.SIZE)
            assert self.device.request(virtio.PLUG, at, 1) == virtio.ACK
            self.discarded(*range(at, at + size, PAGE))


def all_away(vm):
    """But what the device itself needs."""
    vm.evict_all()
    vm.device.touch()


def in_state(vm, *states):
    """Addresses of the test's pages that are in one of @states."""
    return [a for a in vm.versions if vm.table.state(vm.page_of(a)) in states]


def ends_well(vm):
    """Nothing stale, now or after another turn; no slot is left over."""
    vm.verify()
    vm.evict_all()
    vm.verify()
    vm.write_each(list(vm.versions)[::3], 9)
    vm.evict_all()
    vm.settled()
    vm.verify()
    stats = vm.query()["stats"]
    assert not stats["lost"] and not stats["intruders"], stats


def zapping(vm, stage):
    """The pager has the zap's answer after the discard."""
    def held():
        """Pages that stay ZAPPING, since QEMU is stopped."""
        with Stopped(vm.pager_pid()):
            vm.send_evict()
            time.sleep(0.2)             # QEMU passes it on
            qemu = Stopped(vm.process.pid)
            qemu.__enter__()
        try:
            end = time.monotonic() + 2
            while not in_state(vm, fp.ZAPPING) and time.monotonic() < end:
                time.sleep(0.01)
            pager = Stopped(vm.pager_pid())
            pager.__enter__()
        finally:
            qemu.__exit__()
        try:
            pages = in_state(vm, fp.ZAPPING)
            if pages:
                vm.give(pages[:64])
        finally:
            pager.__exit__()
        vm.evict_ended()
        vm.verify()
        return pages

    wait_for("a zap to be held", held, 30)


def evicting(vm, stage):
    """The PUT is answered after the discard, and after the page has had
    other bytes."""
    vm.device.touch()
    with stage.provider_stopped():
        vm.send_evict()
        pages = wait_for("pages to be on their way",
                         lambda: in_state(vm, fp.EVICTING), 30)
        vm.give(pages[:64])
        vm.verify(pages[:64])
        vm.write_each(pages[:64:2], 5)
    vm.evict_ended()
    vm.verify()


def fetching(vm, stage):
    """The GET is answered after the discard; who had waited for the page does
    not wait for that, and finds zeros."""
    all_away(vm)
    page = vm.first + 100 * PAGE
    out = f"{vm.folder}/dump"
    with stage.provider_stopped():
        vm.qmp.call("dump-guest-memory", paging=False, detach=True, begin=page,
                    length=PAGE, protocol=f"file:{out}")
        wait_for("the page to be waited for",
                 lambda: vm.table.state(vm.page_of(page)) == fp.FETCHING, 30)
        vm.give([page])
        wait_for("the wait to end", lambda: vm.qmp.call("query-dump")[
            "status"] == "completed", 30)
        vm.verify([page])
        vm.write_pages(page, PAGE, 6)
    with open(out, "rb") as f:
        assert content(page, 1) not in f.read(), "stale bytes"
    os.unlink(out)
    vm.verify()


def remote(vm, stage):
    """Slots are freed, and nothing is fetched for it."""
    all_away(vm)
    vm.settled()
    stored = stage.stored()
    fetched = vm.query()["stats"]["fetched-pages"]
    pages = sorted(vm.versions)[:512]
    vm.give(pages)
    wait_for("their slots to be free",
             lambda: stage.stored() == stored - len(pages) * PAGE, 30)
    assert vm.query()["stats"]["fetched-pages"] == fetched
    vm.verify(pages)


def in_each(stage, vm, *cases):
    try:
        for held in cases:
            vm.versions = {}
            vm.write_pages(vm.first, SIZE, 1)
            held(vm, stage)
            ends_well(vm)
            print(f"{held.__name__}: {len(vm.versions)} pages are right")
    finally:
        vm.close()


@case
def balloon(stage):
    in_each(stage, BalloonVm(stage), remote, evicting, fetching, zapping)


@case
def memory_device(stage):
    # A block with a page that the stopped pager was punching stays plugged.
    in_each(stage, MemVm(stage), remote, evicting, fetching)


if __name__ == "__main__":
    sys.exit(main(CASES))
