# SPDX-License-Identifier: GPL-2.0-or-later
"""blocks: the commands of docs/guide.md, as they stand there.

The first line of a fenced block "sh" is a comment, "# HOST", which says for
which host it is: one, or "every host".  A comment of HTML right before it,
which no reader sees, may say

    <!-- not run: REASON -->            nobody runs it in a test
    <!-- not run (NAME): REASON -->     and the test has something in its place
    <!-- exits: 0 4 -->                 which exit statuses are good

A block of any other language has to say why it is not run as well.
"""
import re
from collections import namedtuple

# @line: of its first command; @heading: what it stands below; @reason: why it
# is not run, or None; @instead: the name of what stands in for it, or None.
Block = namedtuple("Block", "line heading language host text reason instead "
                   "statuses")

FENCE = re.compile(r"```(\S*)")
NOT_RUN = re.compile(r"not run(?: \(([\w-]+)\))?: (\S.*)", re.DOTALL)
EXITS = re.compile(r"exits: ([\d ]+)")


class WrongGuide(Exception):
    pass


def comment_says(text, line):
    """(reason, instead, statuses) of the comment before a block."""
    not_run, exits = NOT_RUN.fullmatch(text), EXITS.fullmatch(text)
    if text and not not_run and not exits:
        raise WrongGuide(f"line {line}: nobody knows what {text!r} means")
    reason = " ".join(not_run[2].split()) if not_run else None
    return (reason, not_run[1] if not_run else None,
            [int(n) for n in exits[1].split()] if exits else [0])


def read(path):
    """All blocks, in their order."""
    with open(path, encoding="utf-8") as f:
        lines = f.read().split("\n")
    found, heading, comment, at = [], "", "", 0
    while at < len(lines):
        line = lines[at]
        at += 1
        if line.startswith("#"):
            heading = line.lstrip("# ")
        elif line.startswith("<!--"):
            comment = line
            while not comment.endswith("-->"):
                comment += "\n" + lines[at]
                at += 1
            comment = comment[len("<!--"):-len("-->")].strip()
        elif fence := FENCE.fullmatch(line):
            end = lines.index("```", at)
            host = lines[at][2:] if lines[at].startswith("# ") else ""
            at += bool(host)
            found.append(Block(at + 1, heading, fence[1], host,
                               "\n".join(lines[at:end]) + "\n",
                               *comment_says(comment, at)))
            at, comment = end + 1, ""
        elif line.strip():
            comment = ""
    return found
