#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A manual page of section 5 has each key that its daemon takes, with the
default that holds, with the range that the daemon checks, and with an example
and a consequence of a change that make sense.

usage: test-config-manual.py DAEMON PAGE

PAGE is its source, made of the template and of the daemon's keys.  What it says
is held against the example that the daemon prints, and against what the daemon
says of files with one key in them.
"""
import re
import subprocess
import sys
import tempfile

# What a list or a text without choices takes is for the daemon's own tests.
SIZES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
TIMES = {"ms": 1, "s": 1000, "min": 60000, "h": 3600000, "d": 86400000}
FIELDS = ["Takes", "Default", "Example", "Change"]


def run(*argv):
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def of_example(text):
    """{(section, key): (default, what it is for)}"""
    found, section, doc = {}, None, []
    for line in text.splitlines():
        if line.startswith("["):
            section = line[1:-1]
        elif line.startswith("# "):
            doc.append(line[2:])
        elif line.startswith("#"):
            key, _, value = line[1:].partition(" =")
            found[section, key] = value.strip(), " ".join(doc)
        if not line.startswith("# "):
            doc = []
    return found


def plain(text):
    """Without what reStructuredText needs."""
    return re.sub(r"\\(.)", r"\1", text)


def of_page(text):
    """{(section, key): {field: what it says}}; "" is what it is for"""
    found, section, entry = {}, None, None
    for line in text.splitlines():
        if re.fullmatch(r"\[\S+\]", line):
            section, entry = line[1:-1], None
        elif section and (key := re.fullmatch(r"\*\*(\S+)\*\*", line)):
            entry = found[section, key[1]] = {}
        elif entry is None or not line.strip():
            continue
        elif field := re.fullmatch(r"    :(\w+): (.*)", line):
            entry[field[1]] = field[2]
        elif line.startswith("    "):
            entry[""] = plain(line.strip())
        else:
            section = entry = None      # the sections behind the keys
    return found


class Page:
    def __init__(self, daemon, keys, folder):
        self.daemon = daemon
        self.keys = keys
        self.folder = folder
        self.good = {}          # {key: values that are to be taken}
        self.wrong = []

    def check_file(self, values):
        """How the daemon ends with a file of these, [(key, value)]."""
        path = f"{self.folder}/one.conf"
        with open(path, "w", encoding="utf-8") as f:
            section = None
            for key, value in sorted(values):
                if key[0] != section:
                    section = key[0]
                    f.write(f"[{section}]\n")
                f.write(f"{key[1]} = {value}\n")
        return run(self.daemon, "--check-config", "--config", path,
                   "--tls=none")

    def complaint(self, key, value):
        """What the daemon has against a value; None: nothing."""
        said = self.check_file([(key, value)]).stderr
        at = said.find(f"[{key[0]}] {key[1]}: ")
        if "unknown" in said:
            return said
        return said[at:].strip() if at >= 0 else None

    def say(self, key, text):
        self.wrong.append(f"[{key[0]}] {key[1]}: {text}")

    def taken(self, key, value):
        self.good.setdefault(key, []).append(value)

    def check_taken(self):
        """Many in one file, as long as the daemon likes all of it."""
        while self.good:
            some = [(key, values.pop()) for key, values in self.good.items()]
            self.good = {key: values for key, values in self.good.items()
                         if values}
            if self.check_file(some).returncode == 0:
                continue
            for key, value in some:
                why = self.complaint(key, value)
                if why:
                    self.say(key, f"{value!r} should be taken: {why}")

    def refused(self, key, value):
        if not self.complaint(key, value):
            self.say(key, f"{value!r} should be refused")

    # -- what it takes

    def check_number(self, key, takes):
        """The ends of the range, and what is beyond them."""
        number = r"(\d+)(\w*)"
        both = re.search(f", from {number} to {number}(?:, or|$)", takes)
        least = re.search(f", {number} or more", takes)
        ends = both.groups() if both else least.groups() if least else ()
        units = (TIMES if takes.startswith("a time") else
                 {"": 1} if takes.startswith("a whole") else SIZES)
        values = [int(n) * units[unit or ("ms" if units is TIMES else "")]
                  for n, unit in zip(ends[::2], ends[1::2])]
        unit = "ms" if units is TIMES else ""
        for value, beyond in zip(values, (-1, 1)):
            self.taken(key, f"{value}{unit}")
            if value + beyond >= 0:
                self.refused(key, f"{value + beyond}{unit}")
        if not both:                    # no end is no end
            self.taken(key, f"{1 << 61}{unit}")
        if not values:
            self.taken(key, f"0{unit}")
        (self.taken if ", or a share" in takes else self.refused)(key, "7.25%")

    def check_takes(self, key, takes):
        choices = re.findall("``([^`]*)``", takes)
        for value in choices:
            self.taken(key, value)
        if choices:
            self.refused(key, "neither-of-them")
        elif re.match("(a time|a whole number of |bytes)", takes):
            self.check_number(key, takes)

    # -- all of it

    def check_key(self, key, default, doc):
        entry = self.keys[key]
        if list(entry) != ["", *FIELDS]:
            self.say(key, f"it has {list(entry)[1:]}, not {FIELDS}")
            return
        if entry[""] != doc:
            self.say(key, f"it is explained otherwise: {entry['']!r}")
        if entry["Default"] != (f"``{default}``" if default else "empty"):
            self.say(key, f"its default is {default!r}, not "
                     f"{entry['Default']}")
        example = re.fullmatch(f"``{key[1]} = (.+)``", entry["Example"])
        if not example:
            self.say(key, f"this is no example: {entry['Example']}")
        else:
            self.taken(key, example[1])
        if not re.match("takes effect .*[^ ]\\.$", entry["Change"]):
            self.say(key, f"this is no sentence: {entry['Change']}")
        if re.search("something|a text", entry["Takes"]):
            self.say(key, f"nobody knows what that is: {entry['Takes']}")
        self.check_takes(key, entry["Takes"])


def main():
    daemon, path = sys.argv[1:3]
    wanted = of_example(run(daemon, "--example-config").stdout)
    with open(path, encoding="utf-8") as f:
        keys = of_page(f.read())
    if len(wanted) < 20:
        print(f"the daemon names {len(wanted)} keys only")
        return 1
    wrong = [f"[{s}] {k}: not in the manual" for s, k in wanted.keys() - keys]
    wrong += [f"[{s}] {k}: only in the manual" for s, k in keys.keys() - wanted]
    with tempfile.TemporaryDirectory() as folder:
        page = Page(daemon, keys, folder)
        for key in wanted.keys() & keys.keys():
            page.check_key(key, *wanted[key])
        page.check_taken()
    print("\n".join(sorted(wrong + page.wrong)))
    return bool(wrong + page.wrong)


if __name__ == "__main__":
    sys.exit(main())
