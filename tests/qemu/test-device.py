#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A QEMU that may not open /dev/userfaultfd has rcached open it; against a fake
rcached.  With the real one: test-real-device.py.

    test-device.py [NAME...]     only the cases whose names contain NAME
"""
import array
import errno
import os
import socket
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import fakepager as fp                                      # noqa: E402
from idedisk import BYTES, START, IdeDisk                   # noqa: E402
from qemu_fakepager import (MIB, TEST_AT, Skip, Vm, failed,  # noqa: E402
                            in_thread, main, page_of, refused, unprivileged,
                            wait_for)
from lab import files_of                                    # noqa: E402

CASES = []
PAGES = BYTES // fp.PAGE
NEW = 0xa5
DEVICE, DEVICE_ACK = 22, 23
REMEDY = "it needs access to /dev/userfaultfd, its own or rcached's"
SAID = "userfaultfd=1; rcached says: the fake one says no"


def case(function):
    CASES.append(function)
    return function


class Asked(fp.FakeRcached):
    """One that is asked for the device before anything else.

    @status, @kind: of the answer
    @gives: how many descriptors of the device are in it
    """

    def __init__(self, folder, status=0, kind=DEVICE_ACK, gives=0):
        super().__init__(folder + "/vmm.sock", folder + "/store")
        self.answer = (status, kind, gives)
        self.asked = 0
        self.ended = False
        self.expect()

    def expect(self):
        self.thread = in_thread(self.serve)

    def serve(self):
        self.listener.settimeout(30)
        sock, _ = self.listener.accept()
        status, kind, gives = self.answer
        with sock:
            sock.settimeout(30)
            magic, asked, flags, size, _, _ = fp.HDR.unpack(sock.recv(4096))
            assert (magic, asked, flags, size) == \
                (fp.MAGIC, DEVICE, 0, fp.HDR.size), (magic, asked, flags, size)
            body = struct.pack("=IiQ256s", fp.VERSION, status, 0,
                               b"the fake one says no" if status else b"")
            head = fp.HDR.pack(fp.MAGIC, kind, 0, fp.HDR.size + len(body), 0,
                               0)
            fds = [os.open("/dev/userfaultfd", os.O_RDWR)
                   for _ in range(gives)]
            sock.sendmsg([head + body], [(
                socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
                if fds else [])
            for fd in fds:
                os.close(fd)
            self.asked += 1
            self.ended = sock.recv(4096) == b""     # QEMU lets go of it

    def accept(self, timeout=10):
        self.thread.join(timeout)
        return super().accept(timeout)


def need_device():
    if not os.access("/dev/userfaultfd", os.R_OK | os.W_OK):
        raise Skip("there is no /dev/userfaultfd that could be given")


def go_and_come(vm, disk, new):
    """Pages go; QEMU's own threads touch them, and then the kernel does, for a
    write to a disk."""
    first = page_of(TEST_AT)
    for i in range(PAGES):
        vm.write(TEST_AT + i * fp.PAGE, 0x1000 + i)
    vm.manage()
    for _ in range(2):
        assert vm.pager.do_evict(first, PAGES) == PAGES
        assert not vm.pager.do_data(first)
        for i in range(PAGES):
            assert vm.read(TEST_AT + i * fp.PAGE) == 0x1000 + i

    def ok(line):
        assert vm.ask(line) == "OK", line
    ok(f"memset {TEST_AT:#x} {BYTES:#x} {new:#x}")
    assert vm.pager.do_evict(first, PAGES) == PAGES
    disk.prepare(ok, TEST_AT)
    for line in START:
        ok(line)
    wait_for("the disk to have what was away", lambda: all(
        set(page) == {new} for page in disk.pages()))


@case
def given(folder):
    """On the command line: it asks once, and has all that it needs."""
    need_device()
    disk = IdeDisk(folder, "threads")
    vm = Vm(folder, *disk.options, prefix=unprivileged(folder), start=False)
    vm.rcached.close()
    vm.rcached = Asked(folder, gives=1)
    vm.start()
    try:
        assert vm.rcached.asked == 1 and vm.rcached.ended
        go_and_come(vm, disk, NEW)
        vm.pager.kill()                 # a later one is not asked for anything
        vm.next_pager()
        assert vm.read(TEST_AT) == NEW * 0x0101010101010101
    finally:
        vm.close()


@case
def given_later(folder):
    """To an object that is added while the VM runs; and to one that is added
    when the first has gone, which does not ask: QEMU has kept the device."""
    need_device()
    disk = IdeDisk(folder, "threads")
    memory = ("-object", "memory-backend-memfd,id=pc.ram,size=64M,share=on",
              "-machine", "memory-backend=pc.ram")
    vm = Vm(folder, *memory, *disk.options, prefix=unprivileged(folder),
            late=True)
    vm.rcached.close()
    vm.rcached = Asked(folder, gives=1)
    try:
        vm.add(local_max=32 * MIB)
        go_and_come(vm, disk, NEW)
        vm.qmp.job("remote-cache-resize", id="rc0", size=0)
        vm.qmp.call("object-del", id="rc0")
        vm.add(local_max=32 * MIB)
        assert vm.rcached.asked == 1
        go_and_come(vm, disk, NEW + 1)
    finally:
        vm.close()


def devices_of(vm):
    """How many descriptors of the device QEMU has."""
    return [where for _, where in files_of(vm.process.pid)].count(
        "/dev/userfaultfd")


def says_no(folder, expect=REMEDY, **answer):
    """On the command line, and to an object that comes later, twice."""
    prefix = unprivileged(folder)
    rcached = Asked(folder, **answer)
    try:
        refused(folder, expect, prefix=prefix)
        rcached.thread.join(10)
        assert rcached.asked == 1 and rcached.ended
    finally:
        rcached.close()
    vm = Vm(folder, "-object", "memory-backend-memfd,id=ram,size=64M,share=on",
            "-machine", "memory-backend=ram", prefix=prefix, late=True)
    vm.rcached.close()
    vm.rcached = Asked(folder, **answer)
    try:
        for turn in (1, 2):
            failed(vm.qmp, expect, "object-add", qom_type="remote-cache",
                   id="rc0", local_max=32 * MIB, socket=folder + "/vmm.sock")
            assert not devices_of(vm), devices_of(vm)
            vm.rcached.thread.join(10)
            assert vm.rcached.asked == turn and vm.rcached.ended
            vm.rcached.expect()
    finally:
        vm.close()


@case
def refused_by_rcached(folder):
    """rcached may not open it either, and the operator sees why."""
    says_no(folder, SAID, status=-errno.EACCES)


@case
def refused_and_given(folder):
    """What says no is no device, whatever comes with it."""
    need_device()
    says_no(folder, SAID, status=-errno.EBUSY, gives=1)


@case
def given_two(folder):
    """What should have one descriptor has two: none is taken or kept."""
    need_device()
    says_no(folder, gives=2)


@case
def given_nothing(folder):
    """A yes without a descriptor."""
    says_no(folder)


@case
def not_known(folder):
    """An rcached that knows no such request takes it for a HELLO."""
    says_no(folder, status=-errno.EPROTO, kind=fp.HELLO_ACK)


if __name__ == "__main__":
    sys.exit(main(CASES))
