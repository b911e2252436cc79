# SPDX-License-Identifier: GPL-2.0-or-later
"""leftovers: what a daemon still has when nobody needs it any more.

Descriptors are counted by what they are, so that a growing one has a name.
"""
import collections
import os
import re

from lab import files_of  # who imports this has added scripts/lib

# Of a VM, and of its pager: none may stay when both are gone.
OF_VMS = ("userfaultfd", "pidfd", "memfd")
# What libraries open when they need it, once.
LAZY = 4


def kind(target):
    """What /proc says of a descriptor, without what makes it unique."""
    for name in ("userfaultfd", "pidfd"):
        if name in target:
            return name
    if target.startswith(("/memfd:", "/secretmem")):
        return "memfd"
    return re.sub(r":?\[\d+\]$|\d+", "", target)


def descriptors(pid):
    """How many of each kind a process has."""
    count = collections.Counter()
    for _, where in files_of(pid):
        count[kind(where)] += 1
    return count


def program(pid):
    """The name of what it runs."""
    return os.path.basename(os.readlink(f"/proc/{pid}/exe"))


def more(before, now):
    """What there is more of than a daemon may have kept; {}: nothing."""
    grown = now - before
    strict = {k: n for k, n in grown.items() if k in OF_VMS}
    return strict or (dict(grown) if grown.total() > LAZY else {})


def parent(pid):
    """Its parent's pid; 0 if it has ended."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii",
                  errors="replace") as f:
            return int(f.read().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def processes(folder):
    """Those whose command line has this folder in it, but for this one and
    what it has started itself (a file system), which it ends itself."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                line = f.read().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue            # it has ended
        if folder in line and os.getpid() not in (int(pid), parent(pid)):
            found[int(pid)] = line
    return found
