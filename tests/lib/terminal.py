# SPDX-License-Identifier: GPL-2.0-or-later
"""terminal: a program on a pty, and what a vt100 would show of it."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time

SEQUENCE = re.compile(r"\x1b(?:\[([?0-9;]*)([A-Za-z])|([()].)|([=>78DMEHc]))")


class Screen:
    """As much of a vt100 as ncurses asks of one; it refuses all else."""

    def __init__(self, columns, rows):
        self.resize(columns, rows)

    def resize(self, columns, rows):
        self.columns, self.rows = columns, rows
        self.cells = [[" "] * columns for _ in range(rows)]
        self.x = self.y = 0
        self.saved = 0, 0
        self.first, self.last = 0, rows - 1     # what scrolls

    def text(self, row):
        return "".join(self.cells[row]).rstrip()

    def lines(self):
        return [self.text(row) for row in range(self.rows)]

    def put(self, c):
        # The last column holds the cursor until the next character comes.
        if self.x == self.columns:
            self.x = 0
            self.line_feed()
        self.cells[self.y][self.x] = c
        self.x += 1

    def line_feed(self):
        if self.y == self.last:
            del self.cells[self.first]
            self.cells.insert(self.last, [" "] * self.columns)
        elif self.y < self.rows - 1:
            self.y += 1

    def reverse_line_feed(self):
        if self.y == self.first:
            del self.cells[self.last]
            self.cells.insert(self.first, [" "] * self.columns)
        elif self.y:
            self.y -= 1

    def erase(self, first, last):
        for i in range(first, last):
            self.cells[i // self.columns][i % self.columns] = " "

    def control(self, args, final):
        n = [int(a) if a.isdigit() else 0 for a in args.split(";")]
        here = self.y * self.columns + min(self.x, self.columns - 1)
        step = max(n[0], 1)
        if final == "H":
            self.y = min(max(n[0], 1), self.rows) - 1
            self.x = min(max((n + [1])[1], 1), self.columns) - 1
        elif final == "J":
            self.erase(here if n[0] == 0 else 0,
                       self.rows * self.columns if n[0] != 1 else here + 1)
        elif final == "K":
            start = self.y * self.columns
            self.erase(here if n[0] == 0 else start,
                       start + self.columns if n[0] != 1 else here + 1)
        elif final == "A":
            self.y = max(self.y - step, 0)
        elif final == "B":
            self.y = min(self.y + step, self.rows - 1)
        elif final == "C":
            self.x = min(self.x + step, self.columns - 1)
        elif final == "D":
            self.x = max(min(self.x, self.columns - 1) - step, 0)
        elif final == "r":
            self.first = max(n[0], 1) - 1
            self.last = min((n + [0])[1] or self.rows, self.rows) - 1
            self.x = self.y = 0
        elif final not in "mhl":
            raise ValueError(f"ESC [ {args} {final}")

    def feed(self, text):
        """Returns what is the begin of a sequence that is not whole yet."""
        i = 0
        while i < len(text):
            c = text[i]
            if c == "\x1b":
                m = SEQUENCE.match(text, i)
                if not m:
                    if len(text) - i > 32:
                        raise ValueError(repr(text[i:i + 32]))
                    return text[i:]
                if m[2]:
                    self.control(m[1], m[2])
                elif m[4] == "M":
                    self.reverse_line_feed()
                elif m[4] == "D":
                    self.line_feed()
                elif m[4] == "7":
                    self.saved = self.x, self.y
                elif m[4] == "8":
                    self.x, self.y = self.saved
                i = m.end()
                continue
            if c == "\r":
                self.x = 0
            elif c == "\n":
                self.line_feed()
            elif c == "\b":
                self.x = max(min(self.x, self.columns - 1) - 1, 0)
            elif c >= " ":
                self.put(c)
            i += 1
        return ""


class Terminal:
    def __init__(self, argv, columns=80, rows=24, term="vt100"):
        self.screen = Screen(columns, rows)
        self.rest = ""
        self.pid, self.fd = pty.fork()
        if not self.pid:
            os.environ["TERM"] = term
            # The size has to be known before the program asks for it.
            fcntl.ioctl(0, termios.TIOCSWINSZ,
                        struct.pack("HHHH", rows, columns, 0, 0))
            os.execv(argv[0], argv)

    def read(self, seconds):
        """Take what has come; False when the program has ended."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            return False
        self.rest = self.screen.feed(self.rest + data.decode("latin-1"))
        return bool(data)

    def wait(self, what, seconds=60):
        """Until what(lines) is true."""
        end = time.monotonic() + seconds
        while not what(self.screen.lines()):
            if not self.read(0.2) or time.monotonic() > end:
                raise AssertionError("\n".join(self.screen.lines()))

    def send(self, keys):
        os.write(self.fd, keys.encode())

    def resize(self, columns, rows):
        self.screen.resize(columns, rows)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ,
                    struct.pack("HHHH", rows, columns, 0, 0))

    def end(self, seconds=60):
        """Its exit status, once it ends."""
        end = time.monotonic() + seconds
        while self.read(0.2) and time.monotonic() < end:
            pass
        os.close(self.fd)
        while time.monotonic() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.05)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        raise AssertionError("it does not end")
