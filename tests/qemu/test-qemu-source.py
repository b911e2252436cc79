#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What scripts/qemu-tree makes of a source that is not what it should be;
needs no network: apt is played by scripts."""
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile

TREE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..",
                    "scripts", "qemu-tree")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
WHOLE = b"all of a tarball"
PART = WHOLE[:6]
BASE = f"""package qemu
suite trixie
branch 10.0
tested 10.0.13+ds {hashlib.sha256(WHOLE).hexdigest()}
"""
APT_GET = """#!/bin/sh
case "$*" in
*indextargets*) echo http://archive.invalid/debian ;;
*" update"*) ;;
*" source "*)
    echo source >>"$FAKE/calls"
    [ ! -e "$FAKE/breaks" ] || { printf bro >"$(cat "$FAKE/name")"; exit 100; }
    cp "$FAKE/served" "$(cat "$FAKE/name")" ;;
*) echo "unexpected: apt-get $*" >&2; exit 1 ;;
esac
"""
APT_CACHE = """#!/bin/sh
echo "Version: 1:$(cat "$FAKE/version")-0+deb13u1"
"""


class Source:
    """A copy of qemu-tree whose base, cache and apt are ours."""

    def __init__(self, folder):
        self.folder = folder
        self.fake = os.path.join(folder, "fake")
        self.tarballs = os.path.join(folder, "rcached", "qemu", "tarballs")
        self.tree = os.path.join(folder, "scripts", "qemu-tree")
        for name in ("fake", "scripts", "qemu-patches"):
            os.mkdir(os.path.join(folder, name))
        os.makedirs(self.tarballs)
        shutil.copy(TREE, self.tree)
        self.write("qemu-patches/BASE", BASE.encode())
        self.write("qemu-patches/series", b"")
        for name, text in (("apt-get", APT_GET), ("apt-cache", APT_CACHE)):
            self.write(f"fake/{name}", text.encode())
            os.chmod(os.path.join(self.fake, name), 0o755)

    def write(self, name, data):
        with open(os.path.join(self.folder, name), "wb") as f:
            f.write(data)

    def offer(self, version, data, breaks=False):
        """What the archive has, and gives."""
        self.file = f"qemu_{version}.orig.tar.xz"
        self.write("fake/version", version.encode())
        self.write("fake/name", self.file.encode())
        self.write("fake/served", data)
        self.write("fake/calls", b"")
        if breaks:
            self.write("fake/breaks", b"")
        elif os.path.exists(os.path.join(self.fake, "breaks")):
            os.remove(os.path.join(self.fake, "breaks"))

    def cache(self, data):
        with open(os.path.join(self.tarballs, self.file), "wb") as f:
            f.write(data)

    def cached(self):
        try:
            with open(os.path.join(self.tarballs, self.file), "rb") as f:
                return f.read()
        except FileNotFoundError:
            return None

    def downloads(self):
        with open(os.path.join(self.fake, "calls"), encoding="ascii") as f:
            return len(f.readlines())

    def fetch(self, *options):
        """(status, the last line of stdout, stderr)"""
        done = subprocess.run(
            [self.tree, "fetch", *options], capture_output=True, text=True,
            env={**os.environ, "XDG_CACHE_HOME": self.folder,
                 "FAKE": self.fake,
                 "PATH": f"{self.fake}:{os.environ['PATH']}"}, check=False)
        return done.returncode, done.stdout.strip(), done.stderr


def given_by_hand(source):
    path = os.path.join(source.folder, "qemu_10.0.13+ds.orig.tar.xz")
    with open(path, "wb") as f:
        f.write(PART)
    status, out, err = source.fetch("--tarball", path)
    assert status == 1 and not out and "is damaged" in err, (status, err)
    assert os.path.exists(path), "somebody's own file was removed"
    # Somebody's own: taken, with a word about it.
    other = path.replace("10.0.13+ds", "10.0.99")
    os.rename(path, other)
    status, out, err = source.fetch("--tarball", other)
    assert status == 0 and out.endswith("10.0.99.orig.tar.xz"), err
    assert "not a release that the series was tested with" in err, err
    status, out, err = source.fetch("--tarball", "/nowhere")
    assert status == 1 and "no such file" in err, err


def damaged_in_cache(source):
    source.offer("10.0.13+ds", WHOLE)
    source.cache(PART)
    status, out, err = source.fetch()
    assert status == 0 and "getting it again" in err, (status, err)
    assert out == os.path.join(source.tarballs, source.file), out
    assert source.cached() == WHOLE and source.downloads() == 1
    # A whole one is taken as it is.
    status, _, err = source.fetch()
    assert status == 0 and source.downloads() == 1, err


def damaged_in_archive(source):
    """Once more, not for ever."""
    source.offer("10.0.13+ds", PART)
    source.cache(PART[:3])
    status, out, err = source.fetch()
    assert status == 1 and not out and "BASE has for this" in err, err
    assert source.downloads() == 1, source.downloads()


def broken_off(source):
    """A part of a release that nobody knows the sum of must not stay."""
    # Else the tested one that the cache has is taken.
    shutil.rmtree(source.tarballs)
    os.mkdir(source.tarballs)
    source.offer("10.0.99", WHOLE, breaks=True)
    status, out, err = source.fetch()
    assert status != 0 and not out, (status, err)
    assert source.cached() is None, source.cached()
    source.offer("10.0.99", WHOLE * 2)
    status, out, err = source.fetch()
    assert status == 0 and source.cached() == WHOLE * 2, (status, err)
    assert "not a release that the series was tested with" in err, err


def main():
    cases = [given_by_hand]
    if os.access(KEYRING, os.R_OK):
        cases += [damaged_in_cache, damaged_in_archive, broken_off]
    for case in cases:
        with tempfile.TemporaryDirectory() as folder:
            case(Source(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
