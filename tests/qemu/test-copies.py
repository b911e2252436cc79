#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the QEMU series carries a copy of is what it is here.

The protocol's header and its text stand in the series a second time, since
QEMU is built without this tree.
"""
import os
import subprocess
import sys
import tempfile

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
HEADER = "backends/remote-cache-vmm.h"
TEXT = "docs/interop/remote-cache.rst"


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def from_series(folder, path):
    """The file as the whole series leaves it."""
    patches = os.path.join(TOP, "qemu-patches")
    for line in read(os.path.join(patches, "series")).splitlines():
        line = line.split("#")[0].strip()
        if line and f"b/{path}\n" in read(os.path.join(patches, line)):
            subprocess.run(["git", "apply", f"--include={path}",
                            os.path.join(patches, line)], cwd=folder,
                           check=True)
    return read(os.path.join(folder, path))


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
