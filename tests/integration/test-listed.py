#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Each scenario is run by a suite, and each that a suite runs is there.

    test-listed.py SCENARIOS NAME...
"""
import collections
import subprocess
import sys


def main():
    done = subprocess.run([sys.executable, sys.argv[1], "-", "list"],
                          capture_output=True, text=True, check=True)
    there, run = done.stdout.split(), sys.argv[2:]
    wrong = [f"{name}: no suite runs it; add it to meson.build"
             for name in there if name not in run]
    wrong += [f"{name}: scenarios.py has no such scenario"
              for name in run if name not in there]
    wrong += [f"{name}: is run {n} times"
              for name, n in collections.Counter(run).items() if n > 1]
    print("\n".join(wrong) or f"{len(there)} scenarios")
    return 1 if wrong or not there else 0


if __name__ == "__main__":
    sys.exit(main())
