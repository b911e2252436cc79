# SPDX-License-Identifier: GPL-2.0-or-later
"""cgroup: a memory cgroup for a host of a lab, version 1 or 2."""
import os

ROOT = "/sys/fs/cgroup"


class Cgroup:
    def __init__(self, name, limit):
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
