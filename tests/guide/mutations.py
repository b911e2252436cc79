#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""mutations: make the manual wrong, see a test fail.

usage: mutations.py BUILD [NAME...]

Each entry changes a file in a clone of HEAD, or a page that was made in BUILD,
and runs the test it names, which has to fail; what it says is shown.  Those of
"guide" take up to some minutes each.  Exit status 0 if every one failed.
"""
import os
import subprocess
import sys
import tempfile

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
GUIDE = "docs/guide.md"
PROTOCOL = "docs/man/rcache-protocol.7.rst"
RCACHED_CONF = "rcached.conf.5.rst"
ARBITER_CONF = "arbiter.conf.5.rst"

# name: (file, what is taken out, what stands there instead, test)
MUTATIONS = {
    "a-key-is-missing": (
        RCACHED_CONF, "**give-up**", "give-up", "rcached.conf"),
    "a-key-too-many": (
        RCACHED_CONF, "**give-up**", "**give-out**", "rcached.conf"),
    "another-default": (
        RCACHED_CONF, ":Default: ``10min``", ":Default: ``20min``",
        "rcached.conf"),
    "another-range": (
        RCACHED_CONF, "a time, from 1s to 1d", "a time, from 1s to 2d",
        "rcached.conf"),
    "a-range-without-its-end": (
        RCACHED_CONF, "whole number of VMs, from 1 to 65536",
        "whole number of VMs, 1 or more", "rcached.conf"),
    "another-explanation": (
        ARBITER_CONF, "How often hosts report.", "How often hosts sleep.",
        "arbiter.conf"),
    "an-example-that-is-not-taken": (
        ARBITER_CONF, "``quota = 25%``", "``quota = 250%``", "arbiter.conf"),
    "nothing-about-a-change": (
        ARBITER_CONF, "    :Change: takes effect", "    :Note: takes effect",
        "arbiter.conf"),
    "another-port": (
        PROTOCOL, "9470     RCACHE_DEFAULT_PORT",
        "9471     RCACHE_DEFAULT_PORT", "protocol"),
    "a-version-is-missing": (
        PROTOCOL, "version of the link                     4        LINK_",
        "version of the link                     4        NO_LINK_",
        "protocol"),
    "a-number-in-the-text": (
        PROTOCOL, "on TCP port ``RCACHE_DEFAULT_PORT``", "on TCP port 9470",
        "protocol"),
    "no-such-option": (
        GUIDE, "rcachectl drain --wait", "rcachectl drain --await", "text"),
    "no-such-command": (GUIDE, "rcachectl vms", "rcachectl guests", "text"),
    "no-such-key": (GUIDE, "lend = 50%", "lent = 50%", "text"),
    "a-link-to-nowhere": (
        GUIDE, "](performance.md)", "](speed.md)", "text"),
    "a-runbook-is-forgotten": (
        GUIDE, ", [RcacheVersionsMixed](runbooks/RcacheVersionsMixed.md)", "",
        "text"),
    "for-which-host": (GUIDE, "# node1\nrcachectl pki init",
                       "rcachectl pki init", "text"),
    "keys-for-everybody": (
        GUIDE, "chmod 640 /etc/pki/rcached/*-key.pem\n```\n\n### Conf",
        "chmod 644 /etc/pki/rcached/*-key.pem\n```\n\n### Conf", "guide"),
    "no-certificate-for-an-arbiter": (
        GUIDE, "rcachectl pki issue --role both node1",
        "rcachectl pki issue node1", "guide"),
    "nobody-is-let-in": (
        GUIDE, "read-group = rcache-exporter", "group = rcached", "guide"),
    "a-block-has-changed": (
        GUIDE, "rcachectl undrain node3", "rcachectl undrain  node3",
        "guide"),
}


def argv(clone, build, test):
    def tests(*path):
        return os.path.join(clone, "tests", *path)

    def program(folder, name):
        return os.path.join(build, folder, name)

    rcached = program("rcached", "rcached")
    arbiter = program("arbiter", "arbiter")
    return {
        "rcached.conf": [tests("style", "test-config-manual.py"), rcached,
                         os.path.join(clone, RCACHED_CONF)],
        "arbiter.conf": [tests("style", "test-config-manual.py"), arbiter,
                         os.path.join(clone, ARBITER_CONF)],
        "protocol": [tests("style", "test-protocol-manual.py"), clone, "cc"],
        "text": [tests("guide", "test-guide-text.py"), clone, rcached, arbiter,
                 program("arbiter", "rcachectl")],
        "guide": [tests("guide", "test-guide.py"), clone, build],
    }[test]


def survives(name, build):
    """Does the test pass with it?"""
    path, old, new, test = MUTATIONS[name]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["git", "clone", "-q", "--no-hardlinks", TOP, folder],
                       check=True)
        full = os.path.join(folder, path)
        made = os.path.join(build, "docs", "man", path)
        with open(made if os.path.exists(made) else full,
                  encoding="utf-8") as f:
            text = f.read()
        if old not in text:
            print(f"{name}: {path} does not have what it takes out")
            return True
        with open(full, "w", encoding="utf-8") as f:
            f.write(text.replace(old, new, 1))
        done = subprocess.run(argv(folder, build, test), text=True,
                              stdout=subprocess.PIPE, check=False,
                              stderr=subprocess.STDOUT)
    if done.returncode in (0, 77):
        print(f"{name}: SURVIVES {test}")
        return True
    said = [line for line in done.stdout.splitlines() if line.strip()]
    print(f"{name}: {(said or ['?'])[-1][:200]}", flush=True)
    return False


def main():
    build = os.path.abspath(sys.argv[1])
    names = sys.argv[2:] or list(MUTATIONS)
    return any([survives(name, build) for name in names])


if __name__ == "__main__":
    sys.exit(main())
