#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The page of rcache-exporter in a browser without a screen.

usage: webpage.py BUILD check
       webpage.py BUILD shot FILE [--dark] [--width PIXELS] [--height PIXELS]

"check" starts the exporter, with a daemon that is played, has Chromium load the
page, and looks at what the page has become: hosts and VMs, hostile names
included, the arrows of the picture, and that the console has no errors.

"shot" shows an hour of a made-up cluster (played.py), which page-replay makes
in no time, with the files and headers of the exporter.  Chromium is not among
the packages that scripts/setup installs: apt-get install -y
--no-install-recommends chromium.
"""
import argparse
import html.parser
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "integration")]
import exporterplay  # noqa: E402
import played  # noqa: E402
import smallpng  # noqa: E402

STEP, HOUR = 10, 3600
HEIGHT_MAX = 4000
VOID = {"meta", "link", "br", "img", "input", "hr"}
# What a browser would run, or take in, if it were not text.
HOSTILE = ("<script>document.title='owned'</script>",
           "\"><img src=x onerror=\"document.title='owned'\">",
           "' onmouseover='alert(1)", "</svg></text>&lt;b&gt;",
           "a\u202egnp.exe", "tab\tnew\nline\x07", "n" * 65536,
           "\u00e4\U0001f600")


def browser():
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if shutil.which(name):
            return name
    print("skipped: chromium is not installed")
    sys.exit(77)


def run_browser(*args):
    """(what it prints, what its console said)"""
    with tempfile.TemporaryDirectory(prefix="webpage-") as folder:
        done = subprocess.run(
            [browser(), "--headless=new", "--no-sandbox", "--disable-gpu",
             "--disable-dev-shm-usage", "--hide-scrollbars",
             "--no-first-run", "--disable-extensions",
             "--disable-background-networking", "--disable-sync",
             f"--user-data-dir={folder}", "--enable-logging=stderr",
             "--virtual-time-budget=8000", *args],
            capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        sys.exit(f"the browser fails: {done.stderr[-2000:]}")
    return done.stdout, re.findall(r"^.*CONSOLE.*$", done.stderr, re.M)


# ---------------------------------------------------------------- what it is

class Document(html.parser.HTMLParser):
    """The elements of a page: (name, attributes, all text in it)."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.open = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        element = [tag, dict(attrs), ""]
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag, attrs):
        self.elements.append([tag, dict(attrs), ""])

    def handle_endtag(self, tag):
        while self.open and self.open.pop()[0] != tag:
            pass

    def handle_data(self, data):
        for element in self.open:
            element[2] += data

    def inside(self, tag, **attrs):
        return [e for e in self.elements if e[0] == tag and all(
            e[1].get(name.rstrip("_")) == value
            for name, value in attrs.items())]

    def rows(self):
        """Row headers of all tables: names of hosts, of VMs, of lenders."""
        return [e[2] for e in self.elements
                if e[0] == "th" and e[1].get("scope") == "row"]


def hostile_cluster():
    """The made-up one, in which each name is meant to do harm."""
    answers = played.Cluster().at(HOUR)
    for answer, key in ((answers["hosts"], "name"), (answers["vms"], "name")):
        for row, name in zip(answer, HOSTILE):
            old, row[key] = row[key], name
            for vm in answers["vms"]:
                if answer is answers["hosts"] and vm["host"] == old:
                    vm["host"] = name
                for provider in vm["providers"]:
                    if answer is answers["hosts"] and provider["host"] == old:
                        provider["host"] = name
    return answers


def expect(what, true, text=""):
    if not true:
        sys.exit(f"failed: {what}: {text}")


def check_document(text, console, answers):
    document = Document(text)
    rows = document.rows()
    tables = {e[1]["id"]: e[2] for e in document.inside("table")}
    edges = [e for e in document.elements if e[0] == "g" and
             "edge" in e[1].get("class", "").split()]
    pairs = {(p["host"], vm["host"]) for vm in answers["vms"]
             for p in vm["providers"]}
    expect("the console has no errors", not console, console)
    expect("nothing of a name has run", document.inside("title")[0][2] ==
           "rcached: arbiter", document.inside("title"))
    expect("no name has become an element", not [
        e for e in document.elements if e[0] in ("img", "b") or
        any(name.startswith("on") for name in e[1])])
    expect("there is one script", len(document.inside("script")) == 1)
    expect("each pair of hosts has an arrow", len(edges) == len(pairs),
           f"{len(edges)} of {len(pairs)}")
    expect("rows", len(rows) == len(answers["hosts"]) + len(answers["vms"]) +
           len(pairs), len(rows))
    for name in ("<script>document", "onerror=", "a?gnp.exe",
                 "tab?new?line?", "n" * 79 + "…", "&lt;b&gt;"):
        for where in tables:
            expect(f"{name} is shown in {where}", name in tables[where],
                   tables[where])
    expect("a plain name is shown", "windows-test" in tables["vms"])
    expect("what is old is said to be", "stale, " in tables["hosts"] and
           "stale, " in tables["vms"], tables)
    expect("the verdict is shown", "degraded: " in text)
    expect("rates are there", re.search(r"[1-9]/s", tables["vms"]), tables)
    expect("hosts' arrows have names that are text", "<script>document" in
           "".join(e[2] for e in edges))


def check(build):
    answers = hostile_cluster()

    class Test(exporterplay.Case):
        exporter = os.path.join(build, "arbiter", "rcache-exporter")

        def runTest(self):
            def vms():                  # they go on
                for vm in answers["vms"]:
                    vm["faults"] += 1000
                return answers["vms"]

            def is_known():
                page = json.loads(self.ask("/api/page")[2])
                return page["answer"]["totals"]["faults_per_second"]

            self.daemon(status=answers["status"], hosts=answers["hosts"],
                        vms=vms)
            self.start(of="arbiter")
            self.wait("a rate", is_known)
            check_document(*run_browser("--dump-dom",
                                        f"http://127.0.0.1:{self.port}/"),
                           answers)

    test = Test()
    result = test.run()
    for _, why in result.failures + result.errors:
        sys.exit(why)
    print("ok: hosts, VMs, arrows, hostile names; no errors in the console")


# ------------------------------------------------------------------ pictures

def replay(build):
    cluster = played.Cluster()
    lines = "".join(json.dumps({"at": at, **cluster.at(at)}) + "\n"
                    for at in range(0, HOUR + STEP, STEP))
    return subprocess.run([os.path.join(build, "tests/web/page-replay"), "1"],
                          input=lines, capture_output=True, text=True,
                          timeout=120, check=True).stdout.encode()


def serve(build, text):
    """Files and headers are the exporter's, and the page's text is @text."""
    test = type("Test", (exporterplay.Case,), {
        "exporter": os.path.join(build, "arbiter", "rcache-exporter"),
        "runTest": lambda self: None})()
    test.setUp()
    test.start(of="arbiter")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            with urllib.request.urlopen(
                    f"http://127.0.0.1:{test.port}{self.path}") as reply:
                body = text if self.path == "/api/page" else reply.read()
                self.send_response(200)
                for name, value in reply.headers.items():
                    if name not in ("Content-Length", "Date", "Age"):
                        self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return test, server


def shot(build, file, dark, width, height):
    test, server = serve(build, replay(build))
    try:
        _, console = run_browser(
            f"--window-size={width},{height}", f"--screenshot={file}",
            *(["--blink-settings=preferredColorScheme=0"] if dark else []),
            f"http://127.0.0.1:{server.server_address[1]}/")
        expect("the console has no errors", not console, console)
    finally:
        server.shutdown()
        test.doCleanups()
    smallpng.shrink(file)
    print(f"{file}: {os.path.getsize(file)} bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("check")
    a_shot = commands.add_parser("shot")
    a_shot.add_argument("file")
    a_shot.add_argument("--dark", action="store_true")
    a_shot.add_argument("--width", type=int, default=1180)
    a_shot.add_argument("--height", type=int, default=1600)
    args = parser.parse_args()
    browser()
    if args.command == "check":
        check(args.build)
    else:
        shot(args.build, os.path.abspath(args.file), args.dark, args.width,
             args.height)


if __name__ == "__main__":
    main()
