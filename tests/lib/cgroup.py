# SPDX-License-Identifier: GPL-2.0-or-later
"""cgroup: a memory cgroup for a host of a lab, version 1 or 2."""
import os

ROOT = "/sys/fs/cgroup"


def hold_back_little():
    """What AddressSanitizer keeps of freed memory in processes started from
    now on is charged to their cgroup as well: 256 MiB, if nobody says less."""
    given = os.environ.get("ASAN_OPTIONS", "")
    if "quarantine" not in given:
        os.environ["ASAN_OPTIONS"] = ":".join(
            filter(None, (given, "quarantine_size_mb=8")))


class Cgroup:
    def __init__(self, name, limit):
        hold_back_little()
        v1 = os.path.isdir(os.path.join(ROOT, "memory"))
        self.path = os.path.join(ROOT, "memory" if v1 else "", name)
        if not v1:
            self.write(ROOT, "cgroup.subtree_control", "+memory")
        os.mkdir(self.path)
        self.limit = limit
        self.used = "memory.usage_in_bytes" if v1 else "memory.current"
        self.write(self.path, "memory.limit_in_bytes" if v1 else "memory.max",
                   limit)

    @staticmethod
    def write(folder, name, value):
        with open(os.path.join(folder, name), "w") as f:
            f.write(str(value))

    def read(self, name):
        with open(os.path.join(self.path, name)) as f:
            return f.read()

    def join(self):
        """The process that calls this goes there."""
        self.write(self.path, "cgroup.procs", os.getpid())

    def free(self):
        """Bytes below its limit."""
        return self.limit - int(self.read(self.used))

    def removed(self):
        """Remove it; True if it is gone. It stays while a process of it is
        still ending: to be tried again."""
        try:
            os.rmdir(self.path)
        except FileNotFoundError:
            pass
        except OSError:
            return False
        return True
