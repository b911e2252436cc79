# SPDX-License-Identifier: GPL-2.0-or-later
"""Files that the QEMU series adds, without a tree of QEMU."""
import os
import subprocess

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


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
