#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The pages that the QEMU series adds to QEMU's manual can be rendered.

QEMU renders them with Sphinx; here docutils does, which knows all that they
use but references to other pages (those must be pages of the series, or named
in OTHERS) and the substitutions of QEMU's conf.py.
"""
import io
import os
import re
import sys
import tempfile

from docutils import nodes
from docutils.core import publish_doctree
from docutils.parsers.rst import roles

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from series import from_series                              # noqa: E402

PAGES = ("interop/remote-cache", "system/remote-cache")
OTHERS = ()                     # of QEMU's own
PROLOG = ".. |qemu_system_x86| replace:: qemu-system-x86_64\n\n"


def page_role(name, rawtext, text, lineno, inliner, **_):
    """:doc:`/folder/page`, or with a title before <...>"""
    target = re.sub(r".*<(.*)>$", r"\1", text)
    if target.lstrip("/") in PAGES + OTHERS:
        return [nodes.literal(rawtext, text)], []
    error = inliner.reporter.error(f"no page {target}", line=lineno)
    return [inliner.problematic(rawtext, rawtext, error)], [error]


def render(text, name):
    """What docutils has to say against it."""
    said = io.StringIO()
    publish_doctree(PROLOG + text, source_path=name, settings_overrides={
        "warning_stream": said, "report_level": 2, "halt_level": 5,
        "file_insertion_enabled": False})
    return said.getvalue()


def main():
    os.environ["GIT_CEILING_DIRECTORIES"] = tempfile.gettempdir()
    roles.register_local_role("doc", page_role)
    said = ""
    with tempfile.TemporaryDirectory() as folder:
        for page in PAGES:
            said += render(from_series(folder, f"docs/{page}.rst"), page)
    # It would notice.
    for wrong in ("Title\n=====\n\n:doc:`/nowhere`\n", "Title\n====\n",
                  "Title\n=====\n\n`open\n"):
        assert render(wrong, "wrong"), wrong
    print(said, end="")
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
