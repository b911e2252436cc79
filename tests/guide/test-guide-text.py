#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The operator's guide names what there is: each block is for a host or says
why nobody runs it; commands and options are those of the programs; files that
it has operators write are taken; links lead somewhere, and to each runbook.

usage: test-guide-text.py SOURCE-ROOT RCACHED ARBITER RCACHECTL
"""
import os
import re
import subprocess
import sys
import tempfile

import blocks

HOSTS = ("node1", "node2", "node3", "node4", "every host")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
HERE = re.compile(r"cat >/etc/rcached/(\S+)\.conf\.d/\S+ <<'EOF'\n(.*?)^EOF$",
                  re.DOTALL | re.MULTILINE)
# Of other programs, in lines that are none of ours.
OURS = re.compile(r"\b(rcachectl|rcached|arbiter) (?=[-a-z])(.*)")


def help_of(program):
    return subprocess.run([program, "--help"], capture_output=True, text=True,
                          check=True).stdout


def anchors(text):
    """Those of GitHub's headings."""
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
            for heading in re.findall("^#+ (.*)$", text, re.MULTILINE)}


class Text:
    def __init__(self, source, programs):
        self.docs = os.path.join(source, "docs")
        self.programs = programs
        self.help = {name: help_of(path) for name, path in programs.items()}
        with open(os.path.join(self.docs, "guide.md"), encoding="utf-8") as f:
            self.text = f.read()
        self.wrong = []

    def check_block(self, block):
        where = f"line {block.line}"
        if block.reason:
            return
        if block.language != "sh":
            self.wrong.append(f"{where}: {block.language} is not run, and "
                              "does not say why")
        elif block.host not in HOSTS:
            self.wrong.append(f"{where}: for which host is it?")

    def check_command(self, program, rest, where):
        words = re.findall(r"[^\s|;&<>]+", rest.split(" | ")[0])
        text = self.help[program]
        for option in OPTION.findall(" ".join(words)):
            if not re.search(rf"{option}\b(?!-)", text):
                self.wrong.append(f"{where}: {program} has no {option}")
        names = [w for w in words if not w.startswith("-")]
        if program != "rcachectl" or not names:
            return
        line = re.search(rf"^ +{names[0]}\b.*", text, re.MULTILINE)
        if not line or (names[0] == "pki" and names[1] not in line[0]):
            self.wrong.append(f"{where}: rcachectl has no command "
                              f"{' '.join(names[:2])}")

    def check_commands(self, found):
        for block in found:
            for line in block.text.splitlines():
                match = OURS.match(line.strip())
                if match and block.language == "sh":
                    self.check_command(match[1], match[2],
                                       f"line {block.line}")
        prose = re.sub(r"^```.*?^```$", "", self.text,
                       flags=re.DOTALL | re.MULTILINE)
        for span in re.findall(r"`([^`\n]+)`", prose):
            match = OURS.match(span)
            if match:
                self.check_command(match[1], match[2], f"`{span}`")

    def check_files(self):
        seen = 0
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "one.conf")
            for daemon, text in HERE.findall(self.text):
                seen += 1
                with open(path, "w", encoding="utf-8") as f:
                    f.write(text)
                for name in ("rcached", "arbiter") if "$" in daemon \
                        else (daemon,):
                    done = subprocess.run(
                        [self.programs[name], "--check-config", "--tls=none",
                         "--config", path], capture_output=True, text=True,
                        check=False)
                    if done.returncode:
                        self.wrong.append(f"{name} does not take:\n{text}"
                                          f"{done.stderr}")
        if seen < 5:
            self.wrong.append(f"only {seen} files were found in it")

    def check_links(self):
        links = re.findall(r"\]\(([^)]+)\)", self.text)
        for link in links:
            path, _, anchor = link.partition("#")
            target = os.path.join(self.docs, path or "guide.md")
            if not os.path.exists(target):
                self.wrong.append(f"{link} leads nowhere")
                continue
            if anchor:
                with open(target, encoding="utf-8") as f:
                    if anchor not in anchors(f.read()):
                        self.wrong.append(f"{link}: no such heading")
        for name in os.listdir(os.path.join(self.docs, "runbooks")):
            if f"runbooks/{name}" not in links:
                self.wrong.append(f"no link to the runbook {name}")


def main():
    source, rcached, arbiter, rcachectl = sys.argv[1:5]
    text = Text(source, {"rcached": rcached, "arbiter": arbiter,
                         "rcachectl": rcachectl})
    found = blocks.read(os.path.join(source, "docs", "guide.md"))
    for block in found:
        text.check_block(block)
    text.check_commands(found)
    text.check_files()
    text.check_links()
    print("\n".join(text.wrong))
    return bool(text.wrong)


if __name__ == "__main__":
    sys.exit(main())
