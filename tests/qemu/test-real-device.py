#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A QEMU that may not open /dev/userfaultfd, under rcached's own pager: it has
the device from rcached.

    test-real-device.py [NAME...]     only the cases whose names contain NAME
"""
import os
import stat
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from idedisk import BYTES, START, IdeDisk                   # noqa: E402
from qemu_fakepager import unprivileged                     # noqa: E402
from realvm import (MIB, PAGE, LabError, RealVm, content,   # noqa: E402
                    files_of, main, wait_for)

AT = 16 * MIB
SIZE = 6 * MIB                  # which is more than may be local


def may_open_nothing(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        assert "CapEff:\t0000000000000000" in f.read()
    mode = os.stat(f"/proc/{pid}/root/dev/userfaultfd").st_mode
    assert stat.S_ISREG(mode) and not stat.S_IMODE(mode), oct(mode)


def disk_is_written(vm, disk):
    """By the kernel, from pages that are away."""
    def ok(line):
        assert vm.ask(line) == "OK", line
    vm.evict_all()
    disk.prepare(ok, AT)
    for line in START:
        ok(line)
    wait_for("the disk to have what was away", lambda: disk.pages() == [
        content(page, vm.versions[page])
        for page in range(AT, AT + BYTES, PAGE)], 60)


def device(stage):
    """Its guest's pages go and come back, also to the kernel, and with a pager
    that comes later."""
    folder = stage.requester.run
    disk = IdeDisk(folder, "threads")
    vm = RealVm(stage, *disk.options, prefix=unprivileged(folder))
    try:
        may_open_nothing(vm.process.pid)
        if not [where for _, where in files_of(vm.process.pid)
                if where == "/dev/userfaultfd"]:
            raise LabError("QEMU does not have the device")
        vm.write_pages(AT, SIZE, 1)
        disk_is_written(vm, disk)
        vm.verify()
        stage.kill_pager()
        vm.attached()
        vm.write_pages(AT, SIZE // 2, 2)
        disk_is_written(vm, disk)
        vm.verify()
        vm.settled()
    finally:
        vm.close()


if __name__ == "__main__":
    sys.exit(main([device]))
