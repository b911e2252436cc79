#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the QEMU series carries a copy of is what it is here.

The protocol's header and its text stand in the series a second time, since
QEMU is built without this tree.
"""
import os
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from series import TOP, from_series, read                   # noqa: E402

HEADER = "backends/remote-cache-vmm.h"
TEXT = "docs/interop/remote-cache.rst"


def main():
    env = {"GIT_CEILING_DIRECTORIES": tempfile.gettempdir()}
    os.environ.update(env)
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        if from_series(folder, HEADER) != \
                read(os.path.join(TOP, "include/rcache/vmm.h")):
            print(f"{HEADER} differs from include/rcache/vmm.h")
            bad = 1
        ours = read(os.path.join(TOP, "docs/vmm-protocol.rst"))
        ours = ours.replace("include/rcache/vmm.h", HEADER)
        if from_series(folder, TEXT) != ours:
            print(f"{TEXT} differs from docs/vmm-protocol.rst")
            bad = 1
    return bad


if __name__ == "__main__":
    sys.exit(main())
