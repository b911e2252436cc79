# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest's drivers of virtio-balloon, virtio-net and virtio-mem, by the qtest
protocol.

The device is a modern PCI one in a slot of a "pc" machine.  A queue has one
request under way at a time; its rings, requests and answers are in guest
pages from QUEUES on, which a test must leave alone.
"""
import struct

from qemu_fakepager import MIB, outl, wait_for

PAGE = 4096
QUEUES = 8 * MIB                # 16 pages for each device
BARS = 0xfe000000               # and 64 KiB of addresses
INFLATE, DEFLATE, FIGURES = 0, 1, 2
PLUG, UNPLUG, UNPLUG_ALL = 0, 1, 2
ACK, NACK, BUSY, ERROR = range(4)

# virtio_pci_common_cfg
FEATURE_SELECT, FEATURE, ACCEPT_SELECT, ACCEPT = 0, 4, 8, 12
STATUS, QUEUE_SELECT, QUEUE_SIZE, QUEUE_ENABLE = 20, 22, 24, 28
QUEUE_NOTIFY, QUEUE_PLACES = 30, 32
COMMON_CFG, NOTIFY_CFG, DEVICE_CFG = 1, 2, 4
VENDOR_CAP = 9


class Device:
    def __init__(self, vm, slot):
        self.vm = vm
        self.slot = slot
        self.at = {}                    # kinds of registers
        self.find()
        common = self.at[COMMON_CFG]
        self.store(common + STATUS, 0, 1)
        self.store(common + STATUS, 3, 1)
        for half in (0, 1):
            self.store(common + FEATURE_SELECT, half, 4)
            offered = self.load(common + FEATURE, 4)
            self.store(common + ACCEPT_SELECT, half, 4)
            # Of the upper half only what makes it a modern device.
            self.store(common + ACCEPT, offered & (1 if half else ~0), 4)
        self.store(common + STATUS, 11, 1)
        assert self.load(common + STATUS, 1) == 11, "features"

    def load(self, address, size):
        letter = {1: "b", 2: "w", 4: "l", 8: "q"}[size]
        return int(self.vm.ask(f"read{letter} {address:#x}").split()[1], 0)

    def store(self, address, value, size):
        letter = {1: "b", 2: "w", 4: "l", 8: "q"}[size]
        assert self.vm.ask(f"write{letter} {address:#x} {value:#x}") == "OK"

    def config(self, register, value=None):
        outl(self.vm, 0xcf8, 0x80000000 | self.slot << 11 | register & 0xfc)
        if value is not None:
            outl(self.vm, 0xcfc, value)
        return int(self.vm.ask("inl 0xcfc").split()[1], 0)

    def find(self):
        """Give it addresses, and find what is where."""
        base = BARS + (self.slot << 16)
        self.config(0x10 + 4 * 4, base)
        self.config(0x10 + 4 * 5, 0)
        self.config(0x04, 6)            # memory, bus master
        cap = self.config(0x34) & 0xff
        while cap:
            head = self.config(cap)
            if head & 0xff == VENDOR_CAP and \
                    self.config(cap + 4) & 0xff == 4:
                self.at.setdefault(head >> 24, base + self.config(cap + 8))
                if head >> 24 == NOTIFY_CFG:
                    self.multiplier = self.config(cap + 16)
            cap = head >> 8 & 0xff

    def ready(self, *queues):
        self.queues = [Queue(self, n) for n in queues]
        self.store(self.at[COMMON_CFG] + STATUS, 15, 1)

    def pages(self):
        """The addresses of the queues' own pages."""
        return [queue.page + i * PAGE for queue in self.queues
                for i in range(5)]

    def touch(self):
        """Have them here: a request needs them."""
        for page in self.pages():
            self.vm.put(page, self.vm.get(page, 8))


class Queue:
    """Descriptors, both rings, the request and the answer: a page each."""

    def __init__(self, device, number):
        self.device = device
        self.turn = 0
        self.page = QUEUES + (device.slot * 16 + number * 5) * PAGE
        common = device.at[COMMON_CFG]
        device.store(common + QUEUE_SELECT, number, 2)
        self.size = device.load(common + QUEUE_SIZE, 2)
        for i in range(3):
            device.store(common + QUEUE_PLACES + 8 * i, self.page + i * PAGE,
                         4)
            device.store(common + QUEUE_PLACES + 8 * i + 4, 0, 4)
        self.number = number
        self.notify = (device.at[NOTIFY_CFG] + device.multiplier *
                       device.load(common + QUEUE_NOTIFY, 2))
        device.store(common + QUEUE_ENABLE, 1, 2)

    def send(self, request, answer=0):
        """The device's answer, of so many bytes at most."""
        used, theirs = self.page + 2 * PAGE, self.page + 4 * PAGE
        vm = self.device.vm
        self.post(request, answer)
        wait_for("the device", lambda: struct.unpack(
            "<H", vm.get(used + 2, 2))[0] == self.turn & 0xffff)
        return vm.get(theirs, answer) if answer else b""

    def post(self, request, answer=0):
        """The device has it, and answers when it likes."""
        desc, avail, _, ours, theirs = (self.page + i * PAGE
                                        for i in range(5))
        vm = self.device.vm
        vm.put(ours, request)
        vm.put(desc, struct.pack("<QIHHQIHH", ours, len(request),
                                 1 if answer else 0, 1, theirs, answer, 2, 0))
        vm.put(avail + 4 + self.turn % self.size * 2, bytes(2))
        self.turn += 1
        vm.put(avail + 2, struct.pack("<H", self.turn & 0xffff))
        self.device.store(self.notify, self.number, 2)


class Balloon(Device):
    def __init__(self, vm, slot):
        super().__init__(vm, slot)
        self.ready(INFLATE, DEFLATE, FIGURES)

    def give(self, *addresses):
        """The guest gives pages up: QEMU discards them."""
        self.list(INFLATE, addresses)

    def take(self, *addresses):
        self.list(DEFLATE, addresses)

    def report(self, figures):
        """The guest's memory, by tag; the device keeps it until it asks."""
        self.queues[FIGURES].post(b"".join(
            struct.pack("<HQ", tag, value) for tag, value in figures.items()))

    def list(self, queue, addresses):
        self.queues[queue].send(struct.pack(
            f"<{len(addresses)}I", *(a // PAGE for a in addresses)))


class Net(Device):
    """virtio-net; nothing is sent or received."""

    def __init__(self, vm, slot):
        super().__init__(vm, slot)
        self.ready(0, 1)


class Mem(Device):
    """virtio-mem @name; its memory begins at @base."""

    def __init__(self, vm, slot, name):
        super().__init__(vm, slot)
        self.name = name
        self.block_size, _, self.base, self.size = (
            self.load(self.at[DEVICE_CFG] + i * 8, 8) for i in range(4))
        self.ready(0)

    def want(self, size):
        self.vm.qmp.call("qom-set", path=f"/machine/peripheral/{self.name}",
                         property="requested-size", value=size)

    def request(self, kind, address=0, blocks=0):
        """ACK, NACK, BUSY or ERROR"""
        answer = self.queues[0].send(struct.pack(
            "<H6xQH6x", kind, address, blocks), 10)
        return struct.unpack_from("<H", answer)[0]
