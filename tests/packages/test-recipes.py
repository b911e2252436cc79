#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The recipes of packages take all that is installed, each file once, and are
of one version.

usage: test-recipes.py SOURCE-ROOT BUILD
"""
import os
import re
import sys

import installed


def first(source, path, pattern):
    """What the pattern's group finds first in a file of the tree."""
    with open(os.path.join(source, path), encoding="utf-8") as f:
        return re.search(pattern, f.read(), re.MULTILINE)[1]


def main():
    source, build = sys.argv[1:3]
    planned = installed.of_meson(build)
    debian = installed.of_debian(source)
    spec = installed.of_spec(source)
    said = installed.wrong(planned, debian, "debian")
    said += installed.wrong(planned, spec, "spec")
    for package in debian:
        if debian[package] != spec.get(package):
            said.append(f"{package} has other files as deb than as rpm: "
                        f"{debian[package] ^ spec.get(package, set())}")
    versions = {path: first(source, path, pattern) for path, pattern in (
        ("meson.build", r"version: '([^']+)'"),
        ("debian/changelog", r"\A\S+ \((.*)-"),
        ("dist/rpm/rcached.spec", r"^Version: +(\S+)"),
        ("dist/qemu-system-x86-rcache/debian/changelog",
         r"\A\S+ \(.*\+rcache([^)]*)\)"))}
    if len(set(versions.values())) > 1:
        said.append(f"versions differ: {versions}")
    qemu = first(source, versions_of_qemu := "qemu-patches/BASE",
                 r"^tested ([0-9.]+)")
    packed = first(source, "dist/qemu-system-x86-rcache/debian/changelog",
                   r"\A\S+ \(([^+]*)\+")
    if qemu != packed:
        said.append(f"{versions_of_qemu} says {qemu}, the package {packed}")
    print("\n".join(said))
    return bool(said)


if __name__ == "__main__":
    sys.exit(main())
