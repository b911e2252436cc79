# SPDX-License-Identifier: GPL-2.0-or-later
"""tasks: things that go on side by side, in one thread.

A task is a generator: it yields where it has to wait, and is called again a
moment later.  One thread, because a child that is started by a thread is
killed when that thread ends (PR_SET_PDEATHSIG).
"""
import json
import os
import select
import socket
import time

from lab import LabError

TURN = 0.02


class Tasks:
    def __init__(self):
        self.running = []

    def start(self, task):
        self.running.append(task)
        return task

    def is_running(self, task):
        return task in self.running

    def turn(self):
        """Each of them a step on."""
        for task in list(self.running):
            try:
                next(task)
            except StopIteration:
                self.running.remove(task)
        time.sleep(TURN)


def pause(seconds, over=lambda: False):
    end = time.monotonic() + seconds
    while time.monotonic() < end and not over():
        yield


def until(what, check, seconds):
    """check()'s first true value; LabError if there is none in time."""
    end = time.monotonic() + seconds
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > end:
            raise LabError(f"timed out after {seconds:g} s: {what}")
        yield


class Lines:
    """One JSON object a line, over two descriptors; each command is answered
    before the next one is sent.  Objects with "event" are kept apart."""

    def __init__(self, name, into, out):
        self.name = name
        self.into = into
        self.out = out
        self.rest = b""
        self.busy = False
        self.asked_at = 0.0
        self.events = []

    def line(self):
        """The next object, or None."""
        while b"\n" not in self.rest:
            if not select.select([self.out], [], [], 0)[0]:
                return None
            data = os.read(self.out, 65536)
            if not data:
                raise LabError(f"{self.name} has ended")
            self.rest += data
        text, self.rest = self.rest.split(b"\n", 1)
        return json.loads(text)

    def answer(self):
        answer = self.line()
        while answer and "event" in answer:
            self.events.append(answer)
            answer = self.line()
        return answer

    def ask(self, command, seconds):
        """A task: the answer to a line."""
        yield from until(f"{self.name} to answer what it was asked before",
                         lambda: not self.busy, seconds)
        self.busy = True
        self.asked_at = time.monotonic()
        try:
            os.write(self.into, command.encode() + b"\n")
            return (yield from until(f"{self.name} to answer to {command}",
                                     self.answer, seconds))
        finally:
            self.busy = False


class Talk(Lines):
    """With a daemon's admin socket, or QEMU's monitor."""

    def __init__(self, path):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # A daemon that is stopped does not accept: that must not hold us up.
        sock.setblocking(False)
        try:
            sock.connect(path)
        except OSError:
            sock.close()
            raise
        self.sock = sock
        super().__init__(path, sock.fileno(), sock.fileno())

    def close(self):
        self.sock.close()

    def call(self, execute, seconds=20, **arguments):
        """A task: what the command returns; LabError with its error."""
        request = {"execute": execute}
        if arguments:
            request["arguments"] = {k.replace("_", "-"): v
                                    for k, v in arguments.items()}
        answer = yield from self.ask(json.dumps(request), seconds)
        if "error" in answer:
            raise LabError(f"{execute}: {answer['error']['desc']}")
        return answer["return"]


def call(path, execute, seconds=20, **arguments):
    """A task: one command over a connection of its own."""
    talk = Talk(path)
    try:
        return (yield from talk.call(execute, seconds, **arguments))
    finally:
        talk.close()
