#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What scripts/qemu-tree makes of a source that is not what it should be;
needs no network."""
import os
import subprocess
import sys
import tempfile

TREE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..",
                    "scripts", "qemu-tree")


def fetch(folder, name):
    """(status, stdout, stderr) of a fetch of a tarball with that name."""
    path = os.path.join(folder, name)
    with open(path, "wb") as f:
        f.write(b"the beginning of a tarball")
    done = subprocess.run(
        [TREE, "fetch", "--tarball", path], capture_output=True, text=True,
        env={**os.environ, "XDG_CACHE_HOME": folder}, check=False)
    return done.returncode, done.stdout.strip(), done.stderr


def main():
    with tempfile.TemporaryDirectory() as folder:
        status, out, err = fetch(folder, "qemu_10.0.13+ds.orig.tar.xz")
        assert status == 1 and not out and "is damaged" in err, (status, err)
        # Somebody's own: taken, with a word about it.
        status, out, err = fetch(folder, "qemu_10.0.99.orig.tar.xz")
        assert status == 0 and out.endswith("10.0.99.orig.tar.xz"), err
        assert "not a release that the series was tested with" in err, err
        done = subprocess.run([TREE, "fetch", "--tarball", "/nowhere"],
                              capture_output=True, text=True, check=False)
        assert done.returncode == 1 and "no such file" in done.stderr
    return 0


if __name__ == "__main__":
    sys.exit(main())
