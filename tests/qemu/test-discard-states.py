#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Rule 6, word by word: what the guest gives up by balloon or virtio-mem, in
each state that a page can be in; against a fake pager, which holds it there.

Whatever the pager was about to do with a page, it did for the word that it
read: after a discard no word is one that was there before.

    test-discard-states.py [NAME...]     only cases whose names contain NAME
"""
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import fakepager as fp                                      # noqa: E402
import virtio                                               # noqa: E402
from qemu_fakepager import (MIB, TEST_AT, Vm, create_image,  # noqa: E402
                            fake_devices, hmp_says, main, outl, page_of)

CASES = []
PAGE = fp.PAGE
HERE = (fp.HOT, fp.ZAPPING, fp.ZAPPED, fp.EVICTING, fp.CACHED)
AWAY = (fp.REMOTE, fp.FETCHING)
NOWHERE = (fp.UNTOUCHED, fp.ZERO, fp.LOST)
# The pager's hands are under these two; the last is another thread's.
BUSY = (fp.FILLING, fp.PUNCHING)
KEPT = BUSY + (fp.DISCARDING,)


def case(function):
    CASES.append(function)
    return function


def hold(vm, page, state):
    """A page in that state, as a pager has it in the middle of its work."""
    if state in AWAY or state == fp.CACHED:
        assert vm.pager.do_evict(page) == 1
        if state == fp.CACHED:
            vm.pager.do_prefetch(page)
    elif state in (fp.ZAPPED, fp.EVICTING):
        assert vm.pager.do_zap(page) == (0, [])
    elif state in NOWHERE:
        vm.pager.do_punch(page)
    vm.pager.do_set(page, state)
    return vm.pager.do_word(page)


def flipped(word):
    return word & fp.SLOT_MASK | (word + fp.GEN) & fp.GEN_MASK | fp.ZERO


def discarded(vm, words):
    """Look at each page of @words, the words from before the discard."""
    for page, before in words.items():
        state, word = before & 0xf, vm.pager.do_word(page)
        if state in KEPT:
            assert word == before, (state, hex(word))
            assert vm.pager.do_data(page), f"punched in state {state}"
            continue
        assert word == flipped(before), (state, hex(before), hex(word))
        assert not vm.pager.do_data(page), f"not punched in state {state}"
        if state in AWAY or state == fp.CACHED:
            assert word & fp.SLOT_MASK, "the slot is the pager's to free"


@case
def balloon(folder):
    """Inflate in each state, deflate, and every page is zero; a page that was
    busy has what the pager made of it."""
    vm = Vm(folder, "-device", "virtio-balloon-pci,addr=4")
    try:
        device = virtio.Balloon(vm, 4)
        states = HERE + AWAY + NOWHERE + KEPT
        pages = {page_of(TEST_AT) + i: s for i, s in enumerate(states)}
        for page in pages:
            vm.write(page * PAGE, 0x5100 + page)
        vm.manage()
        before = vm.pager.do_discards()
        words = {p: hold(vm, p, s) for p, s in pages.items()}
        device.give(*(p * PAGE for p in pages))
        discarded(vm, words)
        now = vm.pager.do_discards()
        assert now[0] > before[0]
        assert now[1] - before[1] == len(HERE), (before, now)
        assert now[2] - before[2] == len(AWAY), (before, now)
        device.take(*(p * PAGE for p in pages))
        discarded(vm, words)
        for page, state in pages.items():
            if state in KEPT:
                vm.pager.do_set(page, fp.HOT)   # it has done its work
            value = vm.read(page * PAGE)
            assert value == (0x5100 + page if state in KEPT else 0), \
                (state, hex(value))
            vm.write(page * PAGE, 0x5200 + page)
            assert vm.pager.do_evict(page) == 1, state
            assert vm.read(page * PAGE) == 0x5200 + page, state
    finally:
        vm.close()


@case
def not_punched(folder):
    """Where the kernel does not punch the pages stay, and none in a state that
    nobody would end: what the pager was doing with them was called off.  One
    that it punches when it is asked again is discarded as ever."""
    with fake_devices(folder):
        vm = Vm(folder, "-device", "virtio-balloon-pci,addr=4")
    unpunched = folder + "/dev/unpunched"
    try:
        device = virtio.Balloon(vm, 4)
        states = HERE + AWAY + NOWHERE + KEPT
        pages = {page_of(TEST_AT) + i: s for i, s in enumerate(states)}
        again = page_of(TEST_AT) + 512
        for page in (*pages, again):
            vm.write(page * PAGE, 0x5300 + page)
        vm.manage()
        words = {p: hold(vm, p, s) for p, s in pages.items()}
        before = vm.pager.do_discards()
        with open(unpunched, "wb") as f:
            f.write(bytes(1000))
        device.give(*(p * PAGE for p in pages))
        assert os.path.getsize(unpunched) < 1000
        now = vm.pager.do_discards()
        assert now[0] > before[0] and now[1:] == before[1:], (before, now)
        for page, state in pages.items():
            word, old = vm.pager.do_word(page), words[page]
            if state not in KEPT:
                stays = (fp.HOT if state in HERE else
                         fp.REMOTE if state in AWAY else state)
                assert word == (old & fp.SLOT_MASK | stays |
                                (old + fp.GEN) & fp.GEN_MASK), \
                    (state, hex(old), hex(word))
            else:
                assert word == old, (state, hex(word))
        assert "cannot punch" in vm.output()
        with open(unpunched, "wb") as f:
            f.write(bytes(2))
        words = {again: vm.pager.do_word(again)}
        device.give(again * PAGE)
        assert not os.path.getsize(unpunched)
        discarded(vm, words)
        for page, state in pages.items():
            if state in KEPT:
                vm.pager.do_set(page, fp.HOT)
            if state != fp.LOST:
                assert vm.read(page * PAGE) == (
                    0 if state in NOWHERE else 0x5300 + page), state
    finally:
        vm.close()


@case
def memory_device(folder):
    """virtio-mem: a block with a page that is busy is not unplugged, and says
    so; then it is, in each state; and plugged again it is zero."""
    vm = Vm(folder, "-m", "64M,maxmem=128M", "-object",
            f"memory-backend-memfd,id=mem1,size={32 * MIB}", "-device",
            "virtio-mem-pci,id=vmem0,memdev=mem1,addr=4")
    try:
        name, first, _ = vm.pager.do_blocks()[1]
        device = virtio.Mem(vm, 4, "vmem0")
        block = device.block_size
        device.want(2 * block)
        assert device.request(virtio.PLUG, device.base, 2) == virtio.ACK
        states = HERE + AWAY + NOWHERE + BUSY
        pages = {first + i: s for i, s in enumerate(states)}

        def place(page):
            return device.base + (page - first) * PAGE

        other = place(first + block // PAGE)
        vm.write(other, 0x77)
        for page in pages:
            vm.write(place(page), 0x6100 + page)
        vm.pager.do_manage(name)
        vm.pager.wait("managed")
        words = {p: hold(vm, p, s) for p, s in pages.items()}
        device.want(block)
        assert device.request(virtio.UNPLUG, device.base, 1) == virtio.BUSY
        discarded(vm, words)
        for page, state in pages.items():
            if state in BUSY:
                vm.pager.do_set(page, fp.HOT)
            else:                       # once more, and with other slots
                assert vm.read(place(page)) == 0
                vm.write(place(page), 0x6200 + page)
        words = {p: hold(vm, p, s if s not in BUSY else fp.HOT)
                 for p, s in pages.items()}
        assert device.request(virtio.UNPLUG, device.base, 1) == virtio.ACK
        discarded(vm, words)
        assert vm.read(other) == 0x77
        device.want(2 * block)
        assert device.request(virtio.PLUG, device.base, 1) == virtio.ACK
        for page, state in pages.items():
            assert vm.read(place(page)) == 0, state
            vm.write(place(page), 0x6300 + page)
            assert vm.pager.do_evict(page) == 1, state
            assert vm.read(place(page)) == 0x6300 + page, state
        # A reset unplugs all of it, away or not.
        assert vm.pager.do_evict(first, len(pages)) == len(pages)
        words = {p: vm.pager.do_word(p) for p in pages}
        vm.qmp.call("system_reset")
        vm.qmp.event("RESET")
        discarded(vm, words)
    finally:
        vm.close()


@case
def reset_waits(folder):
    """A reset has to have all of virtio-mem: it waits a moment for a page
    that the pager is filling or punching, and does not give up."""
    vm = Vm(folder, "-m", "64M,maxmem=128M", "-object",
            f"memory-backend-memfd,id=mem1,size={32 * MIB}", "-device",
            "virtio-mem-pci,id=vmem0,memdev=mem1,addr=4")
    try:
        name, first, _ = vm.pager.do_blocks()[1]
        device = virtio.Mem(vm, 4, "vmem0")
        for state in BUSY:
            device.want(device.block_size)
            assert device.request(virtio.PLUG, device.base, 1) == virtio.ACK
            vm.write(device.base, 0x6100)
            vm.pager.do_manage(name)
            vm.pager.wait("managed")
            vm.pager.do_set(first, state)
            vm.pager.do_later(0.3, first, fp.HOT)
            vm.qmp.call("system_reset")
            vm.qmp.event("RESET")
            assert vm.pager.do_state(first) == [fp.ZERO], state
            assert vm.qmp.call("query-memory-devices")[0]["data"]["size"] == 0
            device = virtio.Mem(vm, 4, "vmem0")
    finally:
        vm.close()


@case
def plugged_again(folder):
    """A virtio-mem device is unplugged, and its memory, which stays managed,
    gets another: that has to have all of it, and waits a moment for a page
    that the pager is filling or punching."""
    vm = Vm(folder, "-m", "64M,maxmem=128M", "-object",
            f"memory-backend-memfd,id=mem1,size={32 * MIB}", "-device",
            "virtio-mem-pci,id=vmem0,memdev=mem1,addr=4")
    try:
        name, first, _ = vm.pager.do_blocks()[1]
        vm.pager.do_manage(name)
        vm.pager.wait("managed")
        for state in BUSY:
            vm.qmp.call("device_del", id="vmem0")
            outl(vm, 0xae10, 0)
            outl(vm, 0xae08, 1 << 4)            # the guest ejects it
            vm.qmp.event("DEVICE_DELETED", device="vmem0")
            vm.pager.do_set(first, state)
            vm.pager.do_later(0.3, first, fp.HOT)
            vm.qmp.call("device_add", driver="virtio-mem-pci", id="vmem0",
                        memdev="mem1", addr="4")
            assert vm.pager.do_state(first) == [fp.ZERO], state
    finally:
        vm.close()


@case
def load_waits(folder):
    """A snapshot is loaded, and what virtio-mem has unplugged in it has to be
    discarded: that waits a moment for a page which the pager is filling."""
    vm = Vm(folder, "-m", "64M,maxmem=128M", "-object",
            "memory-backend-memfd,id=ram,size=64M,share=on", "-machine",
            "memory-backend=ram", "-object",
            f"memory-backend-memfd,id=mem1,size={32 * MIB}", "-device",
            "virtio-mem-pci,id=vmem0,memdev=mem1,addr=4", late=True)
    try:
        create_image(vm, folder + "/image")
        assert hmp_says(vm, "savevm before") == ""
        vm.add(local_max=32 * MIB)
        name, first, _ = vm.pager.do_blocks()[1]
        vm.pager.do_manage(name)
        vm.pager.wait("managed")
        vm.pager.do_set(first, fp.FILLING)
        vm.pager.do_later(0.3, first, fp.HOT)
        said = hmp_says(vm, "loadvm before")
        assert said == "", said
        assert vm.pager.do_state(first) == [fp.ZERO]
    finally:
        vm.close()


@case
def reset_waits_no_longer(folder):
    """A page that stays busy holds a reset up for about a second, not for as
    many looks at the whole of a large block; the rest of it is discarded."""
    vm = Vm(folder, "-m", "64M,maxmem=12G", "-object",
            f"memory-backend-memfd,id=mem1,size={8 << 30}", "-device",
            "virtio-mem-pci,id=vmem0,memdev=mem1,addr=4")
    try:
        _, first, _ = vm.pager.do_blocks()[1]
        device = virtio.Mem(vm, 4, "vmem0")
        device.want(device.block_size)
        assert device.request(virtio.PLUG, device.base, 1) == virtio.ACK
        vm.pager.do_set(first, fp.FILLING)
        vm.pager.do_set(first + 1, fp.HOT)
        vm.pager.do_mute()              # so many words take it long to count
        begin = time.monotonic()
        vm.qmp.sock.settimeout(60)
        vm.qmp.call("system_reset")
        vm.qmp.event("RESET", timeout=60)
        vm.qmp.call("query-status")
        took = time.monotonic() - begin
        assert 0.9 < took < 10, took
        assert vm.pager.do_state(first, 2) == [fp.FILLING, fp.ZERO]
    finally:
        vm.close()


if __name__ == "__main__":
    sys.exit(main(CASES))
