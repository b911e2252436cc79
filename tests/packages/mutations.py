#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""mutations: take what guards VMs out of the packages, see a test fail.

usage: mutations.py BUILD [NAME...]

Each entry changes a file in a clone of HEAD and runs the test it names, which
has to fail; what it says is shown.  Those of "packages" make packages and
take two minutes each.  Exit status 0 if every one failed.
"""
import os
import re
import subprocess
import sys
import tempfile

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
STEPS = "dist/package-steps.in"
RULES = "debian/rules"

# name: (file, what is taken out, what stands there instead, test)
MUTATIONS = {
    "stopped-at-an-upgrade": (
        RULES, "--no-stop-on-upgrade", "", "packages"),
    "bad-configuration-is-started": (
        STEPS, 'if ! "$rcached" --check-config; then', "if false; then",
        "steps"),
    "policy-is-not-asked": (
        "debian/rcached.postinst", '[ "$status" != 101 ]', "true",
        "packages"),
    "nothing-is-restarted": (
        "debian/rcached.postinst",
        "    /usr/libexec/rcached/package-steps upgraded", "    :",
        "packages"),
    "removed-under-a-pager": (
        STEPS, '&& ! flock', "&& false && ! flock", "steps"),
    "removed-with-others-memory": (
        STEPS, '"${stored:-0}" != 0', '"${stored:-0}" = none', "steps"),
    "removed-while-it-begins": (
        STEPS, "    inactive|failed)", "    inactive|failed|activating)",
        "steps"),
    "removed-with-descriptors": (
        STEPS, '[ "${kept:-0}" != 0 ] || return 0', "return 0", "steps"),
    "removal-asks-nobody": (
        "debian/rcached.prerm", '"$1" = remove', '"$1" = never', "packages"),
    "run-folder-stays": (
        "debian/rcached.postrm", "-delete", "-true", "packages"),
    "exporter-is-not-restarted": (
        "debian/rcache-exporter.postinst", "deb-systemd-invoke restart", "true",
        "packages"),
    "exporter-goes-on": (
        "debian/rcache-exporter.prerm", "deb-systemd-invoke stop", "true",
        "packages"),
    "exporter-stays-enabled": (
        "debian/rcache-exporter.postrm", "-delete", "-true", "packages"),
    "no-user": (
        "debian/control", " dh-sequence-installsysusers,\n", "", "packages"),
    "a-file-in-no-package": (
        "debian/rcached.install", "etc/needrestart/conf.d/rcached.conf\n", "",
        "recipes"),
    "a-file-in-no-rpm": (
        "dist/rpm/rcached.spec", "%{_bindir}/rcachectl\n", "", "recipes"),
    "versions-differ": (
        "debian/changelog", "(0.1.0-1)", "(0.2.0-1)", "recipes"),
    "a-library-too-few": (
        "debian/control", " ${shlibs:Depends},\nRecommends:\n default",
        "Recommends:\n default", "packages"),
}


def argv(clone, build, test):
    script = os.path.join(clone, "tests", "packages", {
        "packages": "test-packages.py", "recipes": "test-recipes.py",
        "steps": "test-package-steps.py"}[test])
    if test == "steps":
        return [script, os.path.join(clone, STEPS)]
    return [script, clone, build]


def survives(name, build):
    """Does the test pass with it?"""
    path, old, new, test = MUTATIONS[name]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["git", "clone", "-q", "--no-hardlinks", TOP, folder],
                       check=True)
        full = os.path.join(folder, path)
        with open(full, encoding="utf-8") as f:
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
    said = [line for line in done.stdout.splitlines()
            if re.search("FAILED|Error|^E: |^W: |has|differ", line)]
    print(f"{name}: {(said or ['?'])[-1][:200]}", flush=True)
    return False


def main():
    build = os.path.abspath(sys.argv[1])
    names = sys.argv[2:] or list(MUTATIONS)
    return any([survives(name, build) for name in names])


if __name__ == "__main__":
    sys.exit(main())
