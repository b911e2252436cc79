#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest reads disks past every cache while its memory is being evicted all
the time, and compares each block: no device writes into a page that has gone.

    test-dma.py

Four disks at once: virtio-blk and virtio-scsi, aio=native and aio=io_uring,
in an iothread.  They are files of a file system whose reads take half a second
(tests/lib/slowfs.py), so that a page with a write on its way is old enough to
be evicted many times over, were it not for the count of its mappings.

To see it fail: mutations.py rule4-no-pins-in-a-guest.
"""
import os
import struct
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from scene import check, run, skip                          # noqa: E402

MIB = 1 << 20
PAGE = 4096
DISK = 16 * MIB
DELAY_MS = 500
ROUNDS = 2
MASK = (1 << 64) - 1
CASES = [(driver, aio) for driver in ("virtio-blk", "virtio-scsi")
         for aio in ("native", "io_uring")]


def mix(x):
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9 & MASK
    x = (x ^ x >> 27) * 0x94d049bb133111eb & MASK
    return x ^ x >> 31


def make_disk(path):
    """Blocks as guest/work.c wants them."""
    with open(path, "wb") as f:
        for number in range(DISK // PAGE):
            start = mix(number)
            f.write(struct.pack("<512Q", *((start + i) & MASK
                                           for i in range(512))))


def disks(scene):
    """The options of QEMU for them; the file system is mounted first."""
    where, image = scene.lab.dir + "/slow", scene.lab.dir + "/image"
    make_disk(image)
    os.mkdir(where)
    slow = scene.slow = subprocess.Popen(
        [os.path.join(HERE, "..", "lib", "slowfs.py"), where, image,
         str(DELAY_MS)], stdout=subprocess.PIPE)
    if slow.stdout.readline() != b"mounted\n":
        skip("FUSE cannot be mounted here")
    options = ["-object", "iothread,id=io0"]
    for i, (driver, aio) in enumerate(CASES):
        options += ["-drive", f"file={where}/disk,if=none,id=d{i},format=raw,"
                    f"readonly=on,file.locking=off,cache=none,aio={aio}"]
        if driver == "virtio-blk":
            options += ["-device", f"virtio-blk-pci,drive=d{i},iothread=io0"]
        else:
            options += ["-device", f"virtio-scsi-pci,id=s{i},iothread=io0",
                        "-device", f"scsi-hd,drive=d{i},bus=s{i}.0"]
    return options


def read_all(scene):
    blocks = ROUNDS * len(CASES) * DISK // PAGE
    end = time.monotonic() + 400
    while scene.status("verified") < blocks:
        check(time.monotonic() < end, f"only {scene.status('verified')} of "
              f"{blocks} blocks were read")
        scene.evict(4 * MIB)
        time.sleep(0.3)
    stats = scene.query()["stats"]
    print(f"{stats['evicted-pages']} pages were evicted meanwhile")
    check(stats["evicted-pages"] > blocks // 4, "too few to say anything")
    check(stats["lost"] == 0, "pages were lost")


def case(scene):
    try:
        read_all(scene)
        check(scene.status("mismatches") == 0, "mismatches")
    finally:
        scene.slow.terminate()
        scene.slow.wait()


if __name__ == "__main__":
    sys.argv[1:] = ["dma"]
    run({"dma": case}, guest=256 * MIB, local_max=64 * MIB, extra=disks,
        boot=("disk",), ready="disk",
        append=f"rcache.run=disk rcache.disks={len(CASES)}")
