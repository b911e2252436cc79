#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The qtests that the series brings with it, on the QEMU that was built."""
import os
import subprocess
import sys

TREE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..",
                    "scripts", "qemu-tree")
TEST = "remote-cache-test"


def main():
    if not os.environ.get("RCACHED_QEMU"):
        print("skipped: RCACHED_QEMU names no patched QEMU")
        return 77
    out = subprocess.run([TREE, "build", "--tests", TEST], check=True,
                         stdout=subprocess.PIPE, text=True).stdout
    binary = out.split()[-1]
    return subprocess.run(
        [os.path.join("tests", "qtest", TEST)], cwd=os.path.dirname(binary),
        env={**os.environ, "QTEST_QEMU_BINARY": binary},
        check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
