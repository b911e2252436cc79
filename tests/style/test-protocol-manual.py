#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Each number of rcache-protocol(7) is that of the headers, and there is none
beside its table.

usage: test-protocol-manual.py SOURCE-ROOT CC...

The compiler says what a name of the table is.  All ports and all versions of
the headers have to be in it.
"""
import os
import re
import subprocess
import sys
import tempfile

HEADERS = ("include/rcache/proto.h", "include/rcache/vmm.h", "rcached/link.h")
# Not of one version or port of ours: what is in a head, and of the key's page.
OTHERS = {"RCACHE_KEY_VERSION"}
ROW = re.compile(r"^(\S.*?\S) {1,}(\d+) +(\w[\w() ]+)$", re.MULTILINE)


def values(source, compiler, names):
    """What each name is, said by a program made of the headers."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "say")
        with open(path + ".c", "w", encoding="ascii") as f:
            f.write("#include <stdio.h>\n" +
                    "".join(f'#include "{h}"\n' for h in HEADERS) +
                    "int main(void)\n{\n" +
                    "".join(f'    printf("%llu\\n", '
                            f"(unsigned long long)({n}));\n" for n in names) +
                    "}\n")
        flags = subprocess.run(["pkg-config", "--cflags", "glib-2.0"],
                               capture_output=True, text=True,
                               check=True).stdout.split()
        subprocess.run([*compiler, "-D_GNU_SOURCE", "-I", source, "-I",
                        os.path.join(source, "include"), *flags, "-o", path,
                        path + ".c"], check=True)
        said = subprocess.run([path], capture_output=True, text=True,
                              check=True).stdout
    return dict(zip(names, map(int, said.split())))


def must_have(source):
    """Names of ports and versions."""
    found = set()
    for header in HEADERS:
        with open(os.path.join(source, header), encoding="utf-8") as f:
            found |= set(re.findall(
                r"^#define ((?:RCACHE|LINK)_\w*(?:PORT|VERSION|VERSION_MIN))\s",
                f.read(), re.MULTILINE))
    return found - OTHERS


def main():
    source, *compiler = sys.argv[1:]
    path = os.path.join(source, "docs", "man", "rcache-protocol.7.rst")
    with open(path, encoding="utf-8") as f:
        text = f.read()
    before, table = re.split(r"^NUMBERS\n=+\n", text, flags=re.MULTILINE)
    rows = {name: (what, int(number))
            for what, number, name in ROW.findall(table)}
    wrong = [f"{name} is not in the table"
             for name in sorted(must_have(source) - rows.keys())]
    actual = values(source, compiler, list(rows))
    wrong += [f"{what}: {name} is {actual[name]}, not {said}"
              for name, (what, said) in rows.items() if actual[name] != said]
    # Sections of the manual, the licence, and the head of the page are none.
    prose = re.sub(r"\\\(\d\)|GPL-2\.0|:Manual section: \d", "", before)
    wrong += [f"{number} stands beside the table, where nobody looks at it"
              for number in re.findall(r"\d+", prose)]
    print("\n".join(wrong))
    return bool(wrong) or len(rows) < 20


if __name__ == "__main__":
    sys.exit(main())
