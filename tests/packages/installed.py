# SPDX-License-Identifier: GPL-2.0-or-later
"""installed: which files "meson install" puts where, and which the recipes of
packages take from there.

Paths are those of a system with everything in /usr, without a / in front.
Neither a folder that is installed empty is one of them, nor what is in
usr/share/doc, where recipes put more than is installed.
"""
import glob
import json
import os
import re
import subprocess

FOLDERS = {"prefix": "usr", "bindir": "usr/bin", "sbindir": "usr/sbin",
           "libexecdir": "usr/libexec", "datadir": "usr/share",
           "mandir": "usr/share/man", "sysconfdir": "etc"}
UNITS = "usr/lib/systemd/system"
DOC = "usr/share/doc/"
# Of rpm.
MACROS = {"_bindir": "usr/bin", "_sbindir": "usr/sbin",
          "_libexecdir": "usr/libexec", "_datadir": "usr/share",
          "_mandir": "usr/share/man", "_sysconfdir": "etc", "_prefix": "usr",
          "_sysusersdir": "usr/lib/sysusers.d",
          "_udevrulesdir": "usr/lib/udev/rules.d", "_unitdir": UNITS}


def in_usr(path):
    """Older releases have some of usr/lib in /lib."""
    path = path.lstrip("/")
    return "usr/" + path if path.startswith("lib/") else path


def of_meson(build):
    """What "meson install" would install."""
    plan = json.loads(subprocess.run(
        ["meson", "introspect", "--install-plan", build],
        capture_output=True, text=True, check=True).stdout)
    found = set()
    for kind, files in plan.items():
        for entry in files.values():
            if kind != "emptydir":
                found.add(in_usr(re.sub(
                    r"\{(\w+)\}", lambda m: FOLDERS[m[1]],
                    entry["destination"])))
    return {path for path in found if not path.startswith(DOC)}


def of_debian(source):
    """{package: files} of debian/*.install."""
    found = {}
    for path in glob.glob(os.path.join(source, "debian", "*.install")):
        package = os.path.basename(path).removesuffix(".install")
        with open(path, encoding="utf-8") as f:
            found[package] = {
                in_usr(line.strip().replace("${env:UNIT_DIR}", UNITS))
                for line in f if not line.strip().endswith(".conf.d")
                and not line.startswith(DOC)}
    return found


def of_spec(source):
    """{package: files} of the %files of the spec."""
    found, package = {}, None
    with open(os.path.join(source, "dist", "rpm", "rcached.spec"),
              encoding="utf-8") as f:
        for line in map(str.strip, f):
            if line.startswith("%files"):
                package = (line.split() + ["-n", "rcached"])[2]
                found[package] = set()
            elif re.match(r"%(changelog|package|post|pre)", line):
                package = None
            elif package and re.match(r"%config|%\{_", line):
                path = re.sub(r"%config\S* ", "", line).rstrip("*")
                path = re.sub(r"%\{(\w+)\}", lambda m: MACROS[m[1]], path)
                if not path.startswith(DOC):
                    found[package].add(path)
    return found


def of_deb(path):
    """Files in a package, without those that each package has of itself."""
    found = set()
    for line in subprocess.run(["dpkg-deb", "-c", path], text=True,
                               capture_output=True, check=True
                               ).stdout.splitlines():
        mode, *_, name = line.split(" -> ")[0].split()
        name = in_usr(name.removeprefix("./"))
        if mode[0] != "d" and not name.startswith(DOC):
            found.add(re.sub(r"^(usr/share/man/.*)\.gz$", r"\1", name))
    return found


def wrong(planned, packages, what):
    """Sentences about what is in no package, in several, or nowhere else."""
    said = []
    for path in sorted(planned.union(*packages.values())):
        where = sorted(p for p, files in packages.items() if path in files)
        if not where:
            said.append(f"{what}: no package has {path}")
        elif len(where) > 1:
            said.append(f"{what}: {' and '.join(where)} have {path}")
        elif path not in planned:
            said.append(f"{what}: {where[0]} has {path}, which meson does not "
                        "install")
    return said
