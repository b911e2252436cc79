#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The packages themselves: made, looked at, and tried.

usage: test-packages.py SOURCE-ROOT BUILD [--fresh]

scripts/package makes them of the tree as it is.  lintian and rpmlint have no
error and no warning; they have all that is installed, each file once; hosts
with their programs do what debian/tests says; and lifecycle.py installs,
upgrades, removes and purges them on a host that is this machine seen through
an overlay, which forgets all of it.  With --fresh that is a Debian on which
there is nothing but what the packages say that they need (tests/fresh), and
the tests there are those of HEAD.  The next release is the same packages with
another version, and in them the daemon of tests/integration that speaks the
next protocol.
"""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

import installed

# No upload to Debian.
NOT_FOR_US = "initial-upload-closes-no-bugs"
# Of rpm before 4.6; and where the tarball is.
RPM_MAY_SAY = ("W: no-buildroot-tag", "W: invalid-url Source0")
PROFILE = """
abi <abi/3.0>,
profile libvirt-vm /nonexistent {{
{rules}
}}
"""


class Failed(Exception):
    pass


def run(*argv, may_fail=False, **options):
    """What a command prints; where it fails, all that it has said."""
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.STDOUT, check=False, **options)
    if done.returncode and not may_fail:
        raise Failed(f"{' '.join(argv)}: {done.returncode}:\n{done.stdout}")
    return done.stdout


class Packages:
    def __init__(self, source, build, folder, fresh):
        self.source = source
        self.fresh = fresh
        self.build = build
        self.now = os.path.join(folder, "now")
        self.next = os.path.join(folder, "next")
        self.root = os.path.join(folder, "root")
        self.folder = folder

    def script(self, *path):
        return os.path.join(self.source, *path)

    def debs(self):
        return sorted(glob.glob(self.now + "/*.deb"))

    # -- made

    def make(self):
        run(self.script("scripts", "package"), "--source", "--output",
            self.now,
            env=dict(os.environ, DEB_BUILD_OPTIONS="nocheck noautodbgsym "
                     f"parallel={os.cpu_count()}"))

    # -- looked at

    def lint(self):
        changes, = glob.glob(self.now + "/*.changes")
        run("lintian", "--fail-on=error,warning", "--allow-root",
            "--suppress-tags", NOT_FOR_US, changes)

    def lint_spec(self):
        said = run("rpmlint", self.script("dist", "rpm", "rcached.spec"),
                   may_fail=True)
        if "1 specfiles checked" not in said:
            raise Failed(said)
        bad = [line for line in said.splitlines()
               if re.search(r"rcached\.spec(:\d+)?: [EW]:", line) and
               not any(words in line for words in RPM_MAY_SAY)]
        if bad:
            raise Failed("\n".join(bad))

    def contents(self):
        packages = {os.path.basename(deb).split("_")[0]: installed.of_deb(deb)
                    for deb in self.debs()}
        bad = installed.wrong(installed.of_meson(self.build), packages, "deb")
        recipes = installed.of_debian(self.source)
        bad += [f"{name} has {files ^ recipes[name]}, other than its recipe"
                for name, files in packages.items()
                if files != recipes.get(name)]
        if bad:
            raise Failed("\n".join(bad))

    def apparmor(self):
        """The parser takes the rules in a profile, as libvirt's has them."""
        for name in ("apparmor/rcached", "qemu-system-x86-rcache/apparmor"):
            with open(self.script("dist", name), encoding="utf-8") as f:
                profile = PROFILE.format(rules=f.read())
            run("apparmor_parser", "--skip-kernel-load", "--skip-cache",
                "--config-file=/dev/null", input=profile)

    # -- tried

    def hosts(self):
        for deb in self.debs():
            run("dpkg-deb", "-x", deb, self.root)
        # Its #! names the system's python, as a package's test has to.
        run(self.script("debian", "tests", "hosts-in-namespaces"),
            env=dict(os.environ, RCACHED_ROOT=self.root))

    def make_next(self):
        """A later version, whose daemon is of another release."""
        os.mkdir(self.next)
        for deb in self.debs():
            tree = os.path.join(self.folder, "tree")
            run("dpkg-deb", "-R", deb, tree)
            control = os.path.join(tree, "DEBIAN", "control")
            with open(control, encoding="utf-8") as f:
                text = f.read()
            version = re.search(r"^Version: (.*)$", text, re.MULTILINE)[1]
            with open(control, "w", encoding="utf-8") as f:
                f.write(text.replace(version, version + "+next"))
            daemon = os.path.join(tree, "usr", "sbin", "rcached")
            if os.path.exists(daemon):
                shutil.copy2(os.path.join(self.build, "tests", "integration",
                                          "rcached-next"), daemon)
            run("dpkg-deb", "--root-owner-group", "-Znone", "-b", tree,
                self.next)
            shutil.rmtree(tree)

    def bring(self):
        """What the fresh machine needs, and nothing else."""
        folder = os.path.join(self.folder, "bring")
        for path, name in (("usr/sbin/rcached", "rcached/rcached"),
                           ("usr/sbin/arbiter", "arbiter/arbiter"),
                           ("usr/bin/rcachectl", "arbiter/rcachectl")):
            to = os.path.join(folder, "build", name)
            os.makedirs(os.path.dirname(to), exist_ok=True)
            shutil.copy2(os.path.join(self.root, path), to)
        os.makedirs(os.path.join(folder, "build", "tests", "fakes"))
        shutil.copy2(os.path.join(self.build, "tests", "fakes", "fake-vmm"),
                     os.path.join(folder, "build", "tests", "fakes"))
        for name, debs in (("now", self.now), ("next", self.next)):
            os.mkdir(os.path.join(folder, name))
            for deb in glob.glob(debs + "/*.deb"):
                shutil.copy2(deb, os.path.join(folder, name))
        return folder

    def life(self):
        self.make_next()
        folder = self.bring()
        argv = [sys.executable, self.script("tests", "packages",
                                            "lifecycle.py")]
        argv += [os.path.join(folder, name)
                 for name in ("build", "now", "next")]
        if self.fresh:
            argv = [self.script("tests", "fresh", "test-fresh"), "--bring",
                    folder, "tests/packages/fresh-steps"]
        elif os.geteuid():
            print("skipped: lifecycle.py needs root")
            return 77
        done = subprocess.run(argv, stdout=subprocess.PIPE, text=True,
                              stderr=subprocess.STDOUT, check=False)
        print(done.stdout)
        if done.returncode not in (0, 77):
            raise Failed("lifecycle.py")
        return done.returncode


def main():
    source, build = map(os.path.abspath, sys.argv[1:3])
    status = 0
    # Not in /tmp, which that host has of its own.
    with tempfile.TemporaryDirectory(prefix="packages-", dir=build) as folder:
        p = Packages(source, build, folder, "--fresh" in sys.argv[3:])
        for what in (p.make, p.lint, p.lint_spec, p.contents, p.apparmor,
                     p.hosts, p.life):
            start = time.monotonic()
            try:
                status = what() or status
            except Failed as error:
                print(f"FAILED: {what.__name__}: {error}")
                return 1
            print(f"{what.__name__}: {time.monotonic() - start:.1f} s",
                  flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
