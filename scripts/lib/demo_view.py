# SPDX-License-Identifier: GPL-2.0-or-later
"""demo_view: what the demo shows while it runs.

On a terminal one picture that is drawn over and over; elsewhere every change
of step is a line, and the picture a line every five seconds.
"""
import shutil
import time

MIB = 1 << 20
WIDTH = 56
COLOURS = {"here": "\x1b[32m", "remote": "\x1b[34m", "zero": "\x1b[90m",
           "bad": "\x1b[31;1m", "off": "\x1b[0m"}
MARKS = {"here": "#", "remote": "=", "zero": "."}
LINE_EVERY = 5.0


def mib(n):
    return f"{n / MIB:.0f}M"


def duration(seconds):
    """A latency for people."""
    if seconds < 1e-3:
        return f"{seconds * 1e6:.0f} us"
    if seconds < 1:
        return f"{seconds * 1e3:.1f} ms"
    return f"{seconds:.1f} s"


class Figures:
    """What is to be shown; the demo fills it in."""

    def __init__(self):
        self.guest = self.here = self.remote = 0
        self.local_max = 0
        self.faults_per_s = 0.0
        self.p50 = self.p99 = 0.0
        self.restarts = 0
        self.stored = {}        # by provider; None: it is dead
        self.one_copy = self.copying = 0
        self.verified = self.mismatches = 0
        self.longest_ms = 0.0
        self.balloon_free = None
        self.elapsed = self.total = 0.0


class View:
    def __init__(self, out):
        self.out = out
        self.tty = out.isatty()
        self.notes = []
        self.drawn = 0
        self.line_at = 0.0

    def paint(self, name, text):
        if not self.tty:
            return text
        return COLOURS[name] + text + COLOURS["off"]

    def note(self, text, bad=False):
        """A step begins or has ended."""
        self.notes.append((text, bad))
        if not self.tty:
            print(f"demo: {text}", file=self.out, flush=True)

    def bar(self, name, part, whole):
        n = round(WIDTH * part / max(whole, 1))
        return self.paint(name, MARKS[name] * n) + " " * (WIDTH - n)

    def picture(self, f):
        zero = max(f.guest - f.here - f.remote, 0)
        yield (f"guest memory {mib(f.guest)}, at most {mib(f.local_max)} "
               f"here{'':10}{f.elapsed:4.0f} s of {f.total:.0f}")
        for name, part, text in (("here", f.here, "here"),
                                 ("remote", f.remote, "remote"),
                                 ("zero", zero, "zero, unused")):
            yield (f"  {text:<13}{mib(part):>6} |"
                   f"{self.bar(name, part, f.guest)}|")
        for name, stored in f.stored.items():
            bar = self.bar("remote", stored or 0, f.guest)
            size = "dead" if stored is None else mib(stored)
            yield f"  {name:<13}{size:>6} |{bar}|"
        yield f"copies       {self.copies(f)}"
        yield (f"faults       {f.faults_per_s:6.0f} a second, half of them "
               f"within {duration(f.p50)}, 99 % within {duration(f.p99)}")
        wrong = f"{f.mismatches} wrong"
        free = "" if f.balloon_free is None else \
            f", has {mib(f.balloon_free)} free"
        yield (f"guest says   {f.verified} pages verified, " +
               (self.paint("bad", wrong) if f.mismatches else wrong) +
               f", longest wait {f.longest_ms:.0f} ms{free}")
        if f.restarts:
            yield f"pager        restarted {f.restarts} time(s)"

    @staticmethod
    def copies(f):
        """What providers store, and what that is in pages of the guest."""
        stored = sum(s or 0 for s in f.stored.values())
        text = f"{mib(stored)} stored for {mib(f.remote)} remote: "
        if not f.one_copy and not f.copying:
            return text + "each page twice"
        return (text + f"{mib(f.one_copy)} have one copy, {mib(f.copying)} "
                "are still to be copied")

    def short(self, f):
        stored = " ".join(f"{n} {'dead' if s is None else mib(s)}"
                          for n, s in f.stored.items())
        return (f"{f.elapsed:4.0f} s: here {mib(f.here)} of "
                f"{mib(f.local_max)}, remote {mib(f.remote)} ({stored}; "
                f"{mib(f.one_copy)} with one copy), "
                f"{f.faults_per_s:.0f} faults/s, p50 {duration(f.p50)}, p99 "
                f"{duration(f.p99)}, {f.verified} verified, "
                f"{f.mismatches} wrong")

    def draw(self, figures):
        if not self.tty:
            if time.monotonic() - self.line_at >= LINE_EVERY:
                self.line_at = time.monotonic()
                print(f"demo: {self.short(figures)}", file=self.out,
                      flush=True)
            return
        lines = list(self.picture(figures))
        # A line that wraps would be two, and the picture would move.
        width = shutil.get_terminal_size().columns - 3
        for text, bad in self.notes[-8:]:
            text = f"  {text[:width]}"
            lines.append(self.paint("bad", text) if bad else text)
        if self.drawn:
            self.out.write(f"\x1b[{self.drawn}A")
        self.out.write("".join(f"\x1b[K{line}\n" for line in lines))
        self.out.write("\x1b[J")
        self.out.flush()
        self.drawn = len(lines)
