#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""scripts/torture for half a minute: test-torture.py --seed N [--qemu]

Its programs are built already: RCACHED_BUILD is the build folder, and
RCACHED_QEMU the patched QEMU.
"""
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
WANTED = {"kills", "cuts", "drains", "repairs", "mismatches", "lost_pages",
          "longest_pause_ms", "pages_verified", "single_copy_seconds"}


def skip(why):
    print(f"skipped: {why}")
    sys.exit(77)


def main():
    options = sys.argv[1:]
    if os.geteuid():
        skip("needs root, for network namespaces")
    if "--qemu" in options:
        qemu = os.environ.get("RCACHED_QEMU")
        if not qemu:
            skip("RCACHED_QEMU names no patched QEMU")
        kernel, initrd = subprocess.run(
            [os.path.join(HERE, "..", "qemu", "make-initramfs")], check=True,
            capture_output=True, text=True).stdout.split()[-2:]
        options += ["--qemu-program", qemu, "--kernel", kernel,
                    "--initrd", initrd]
    done = subprocess.run(
        [os.path.join(HERE, "torture.py"), "--build",
         os.environ["RCACHED_BUILD"], "--seconds", "30", "--json", *options],
        stdout=subprocess.PIPE, text=True, check=False)
    print(done.stdout)
    if done.returncode:
        return 1
    result = json.loads(done.stdout)
    missing = WANTED - set(result)
    if missing or not result["kills"] or not result["pages_verified"]:
        print(f"FAILED: missing: {missing}, or nothing happened")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
