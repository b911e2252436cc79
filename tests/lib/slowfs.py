#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A FUSE file system whose reads, or writes, take as long as it is told.

While a read that bypasses the page cache waits here, the kernel holds the
pages that it is to go into: a disk's DMA in slow motion, on any machine.

    slowfs.py MOUNTPOINT FILE MILLISECONDS
    slowfs.py --writable MOUNTPOINT FILE MILLISECONDS

FILE is shown as MOUNTPOINT/disk, read-only, and reading it is slow.  With
--writable the folder is empty; one file can be made there, whatever its name,
its bytes are those of FILE, and writing to it is slow.  It prints "mounted"
when it is, and unmounts when it is terminated.  From SIGUSR1 on there is no
room for anything that is written, until SIGUSR2.

    slowfs.py --control ...

also reads words from its standard input, a line each, and answers each on its
standard output: "full", as at SIGUSR1; "short": half of what is written is
taken; "broken": reads and writes fail, as of a disk that was pulled out;
"well", as at SIGUSR2.
"""
import ctypes
import errno
import heapq
import os
import select
import signal
import stat
import struct
import sys
import time

(LOOKUP, FORGET, GETATTR, SETATTR, UNLINK, OPEN, READ, WRITE, STATFS, RELEASE,
 FSYNC, FLUSH, INIT, CREATE, INTERRUPT, DESTROY, BATCH_FORGET, FALLOCATE) = (
     1, 2, 3, 4, 10, 14, 15, 16, 17, 18, 20, 25, 26, 35, 36, 38, 42, 43)
FOPEN_DIRECT_IO = 1
ASYNC_READ, ASYNC_DIO, MAX_PAGES = 1 << 0, 1 << 15, 1 << 22
MS_RDONLY, MS_NOSUID, MS_NODEV, MNT_DETACH = 1, 2, 4, 2
IN_HEAD = struct.Struct("=IIQQIIIHH")
ROOT, DISK = 1, 2
VALID_SECONDS = 3600

libc = ctypes.CDLL(None, use_errno=True)


class Disk:
    def __init__(self, path, delay, writable):
        self.file = os.open(path, os.O_RDWR if writable else os.O_RDONLY)
        self.writable = writable
        self.size = os.fstat(self.file).st_size
        self.delay = delay
        self.fuse = os.open("/dev/fuse", os.O_RDWR)
        # For all requests: to make one for each page costs more than the rest.
        self.buffer = memoryview(bytearray(1 << 20))
        self.late = []          # (due, unique, offset, size or bytes)
        self.how = "well"

    def reply(self, unique, body=b"", error=0):
        head = struct.pack("=IiQ", 16 + len(body), -error, unique)
        try:
            os.writev(self.fuse, [head, body])
        except OSError as e:
            if e.errno != errno.ENOENT:         # nobody waits any more
                raise

    def attr(self, node):
        w = 0o222 if self.writable else 0
        mode, size = (stat.S_IFREG | 0o444 | w, self.size) if node == DISK \
            else (stat.S_IFDIR | 0o555 | w, 0)
        return struct.pack("=QQQQQQIIIIIIIIII", node, size, size // 512, 0, 0,
                           0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)

    def entry(self):
        return struct.pack("=QQQQII", DISK, 0, VALID_SECONDS, VALID_SECONDS,
                           0, 0) + self.attr(DISK)

    def done(self, unique, offset, what):
        if self.how == "broken":
            self.reply(unique, error=errno.EIO)
        elif isinstance(what, bytes) and self.how == "full":
            self.reply(unique, error=errno.ENOSPC)
        elif isinstance(what, bytes) and self.how == "short":
            size = os.pwrite(self.file, what[:len(what) // 2], offset)
            self.reply(unique, struct.pack("=II", size, 0))
        elif isinstance(what, bytes):
            size = os.pwrite(self.file, what, offset)
            self.reply(unique, struct.pack("=II", size, 0))
        else:
            self.reply(unique, os.pread(self.file, what, offset))

    def request(self):
        size = os.readv(self.fuse, [self.buffer])
        _, op, unique, node, *_ = IN_HEAD.unpack_from(self.buffer)
        body = bytes(self.buffer[IN_HEAD.size:size])
        if op == INIT:
            self.reply(unique, struct.pack(
                "=IIIIHHIIHHI28x", 7, 31, 1 << 20,
                ASYNC_READ | ASYNC_DIO | MAX_PAGES, 1024, 1024, 1 << 18, 1,
                64, 0, 0))
        elif op == LOOKUP and body.rstrip(b"\0") == b"disk":
            self.reply(unique, self.entry())
        elif op == LOOKUP:
            self.reply(unique, error=errno.ENOENT)
        elif op == GETATTR:
            self.reply(unique, struct.pack("=QII", VALID_SECONDS, 0, 0) +
                       self.attr(node))
        elif op == OPEN:
            self.reply(unique, bytes(16))
        elif op == READ:
            _, offset, size = struct.unpack_from("=QQI", body)
            heapq.heappush(self.late, (time.monotonic() + self.delay, unique,
                                       offset, size))
        elif op == CREATE and self.writable:
            self.reply(unique, self.entry() +
                       struct.pack("=QII", 0, FOPEN_DIRECT_IO, 0))
        elif op == WRITE and self.writable:
            _, offset, size = struct.unpack_from("=QQI", body)
            heapq.heappush(self.late, (time.monotonic() + self.delay, unique,
                                       offset, body[40:40 + size]))
        elif op == STATFS:
            self.reply(unique, struct.pack("=QQQQQII", self.size // 4096, 0, 0,
                                           1, 0, 4096, 255) + bytes(32))
        elif op in (RELEASE, FLUSH, FSYNC, UNLINK, FALLOCATE):
            self.reply(unique)
        elif op not in (FORGET, BATCH_FORGET, INTERRUPT, DESTROY):
            self.reply(unique, error=errno.ENOSYS)

    def told(self):
        word = sys.stdin.readline().strip()
        if word:
            self.how = word
            print(word, flush=True)
        return bool(word)

    def serve(self, control):
        fds = [self.fuse] + [sys.stdin] * control
        while True:
            now = time.monotonic()
            while self.late and self.late[0][0] <= now:
                self.done(*heapq.heappop(self.late)[1:])
            wait = self.late[0][0] - now if self.late else None
            ready = select.select(fds, [], [], wait)[0]
            if sys.stdin in ready and not self.told():
                fds.remove(sys.stdin)
            if self.fuse in ready:
                try:
                    self.request()
                except OSError as e:
                    if e.errno == errno.ENODEV:         # unmounted
                        return
                    if e.errno not in (errno.EINTR, errno.ENOENT):
                        raise


def main():
    options = [arg for arg in sys.argv[1:] if arg.startswith("--")]
    writable, control = "--writable" in options, "--control" in options
    where, path, milliseconds = sys.argv[1 + len(options):]
    disk = Disk(path, int(milliseconds) / 1000, writable)
    options = f"fd={disk.fuse},rootmode=40000,user_id=0,group_id=0"
    if libc.mount(b"slowfs", where.encode(), b"fuse",
                  (0 if writable else MS_RDONLY) | MS_NOSUID | MS_NODEV,
                  options.encode()):
        sys.exit(f"mount: {os.strerror(ctypes.get_errno())}")

    def stop(*_):
        libc.umount2(where.encode(), MNT_DETACH)
        os._exit(0)

    def set_full(number, _):
        disk.how = "full" if number == signal.SIGUSR1 else "well"

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGUSR1, set_full)
    signal.signal(signal.SIGUSR2, set_full)
    print("mounted", flush=True)
    disk.serve(control)


if __name__ == "__main__":
    main()
