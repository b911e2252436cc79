#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The series' own tests, and those that it adds to: a qtest, and unit tests of
the visitors; on the QEMU that was built."""
import os
import subprocess
import sys

TREE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..",
                    "scripts", "qemu-tree")
TESTS = ("remote-cache-test", "unit/test-qobject-input-visitor",
         "unit/test-opts-visitor", "unit/test-forward-visitor")


def main():
    if not os.environ.get("RCACHED_QEMU"):
        print("skipped: RCACHED_QEMU names no patched QEMU")
        return 77
    out = subprocess.run([TREE, "build", "--tests", " ".join(TESTS)],
                         check=True, stdout=subprocess.PIPE, text=True).stdout
    binary = out.split()[-1]
    ended = [subprocess.run(
        [os.path.join("tests", test if "/" in test else "qtest/" + test)],
        cwd=os.path.dirname(binary),
        env={**os.environ, "QTEST_QEMU_BINARY": binary},
        check=False).returncode for test in TESTS]
    return 1 if any(ended) else 0


if __name__ == "__main__":
    sys.exit(main())
