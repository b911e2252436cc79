# SPDX-License-Identifier: GPL-2.0-or-later
"""A disk that a test writes from guest memory by DMA, as a guest's driver does
it: the first IDE disk of the pc machine, by its registers.

The disk is full of OLD; what a page of it has become after the VM's end says
where the bytes came from.
"""
import os

PAGE = 4096
OLD = 0x5a
TABLE = 0x90000                 # where the list for the bus master is
BYTES = 128 * 1024              # of one command
AIO = {"threads": "aio=threads",
       "native": "aio=native,cache.direct=on",
       "io_uring": "aio=io_uring,cache.direct=on"}


class IdeDisk:
    def __init__(self, folder, aio):
        self.path = folder + "/disk"
        with open(self.path, "wb") as f:
            f.write(bytes([OLD]) * BYTES)
        self.options = ["-blockdev", f"driver=file,node-name=d0,{AIO[aio]},"
                        f"filename={self.path}", "-device",
                        "ide-hd,id=hd0,drive=d0,bus=ide.0"]

    @staticmethod
    def direct_works(folder):
        """Not every file system can do it."""
        try:
            os.close(os.open(folder + "/probe", os.O_CREAT | os.O_DIRECT |
                             os.O_RDWR))
            return True
        except OSError:
            return False

    def prepare(self, ask, address):
        """All but the last step of a write of BYTES from @address to the
        disk's begin; @ask does a qtest command."""
        for reg, value in ((0x20, 0xc001), (0x04, 0x5)):
            ask(f"outl 0xcf8 {0x80000900 | reg:#x}")
            ask(f"outl 0xcfc {value:#x}")
        ask("outb 0xc000 0x0")          # the end of the command before
        for i in range(2):              # 64 KiB each, written as 0
            last = 0x80000000 if i else 0
            ask(f"writel {TABLE + 8 * i:#x} {address + i * 65536:#x}")
            ask(f"writel {TABLE + 8 * i + 4:#x} {last:#x}")
        ask(f"outl 0xc004 {TABLE:#x}")
        for port, value in ((0x1f6, 0xe0), (0x1f2, 0), (0x1f3, 0), (0x1f4, 0),
                            (0x1f5, 0)):
            ask(f"outb {port:#x} {value:#x}")

    def pages(self):
        """What is on the disk, by page."""
        with open(self.path, "rb") as f:
            data = f.read()
        return [data[i:i + PAGE] for i in range(0, BYTES, PAGE)]


START = ("outb 0x1f7 0xca", "outb 0xc000 0x1")  # WRITE DMA, from memory
