# SPDX-License-Identifier: GPL-2.0-or-later
"""arbiter-load: one real arbiter and ten thousand hosts, for bench.py.

The arbiter has one CPU and the generator (arbiter-load.c) another.  First the
floors (floor-arbiter.c) are put in the arbiter's place, one after the other,
with the same generator; then the arbiter is, which is killed in the end and
started again.
"""
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from lab import JsonSocket, LabError, Process, wait_for

MIB = 1 << 20
GUESTS = LEASES = 20
FRAME_BYTES = 40 + 168 + GUESTS * 248 + LEASES * 200


def fixed_port():
    """
    A free port that the system gives to nobody of itself: hosts that connect
    while no arbiter listens would else now and then meet themselves.
    """
    for port in random.sample(range(20000, 30000), 100):
        with socket.socket() as sock:
            try:
                sock.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass
    raise LabError("no free port between 20000 and 30000")


class Shape:
    """How many, how often, how long."""

    def __init__(self, short):
        self.hosts = 300 if short else 10000
        self.asks = 20 if short else 100
        self.warm = 0.5 if short else 3
        self.seconds = 1 if short else 20


class Generator:
    """arbiter-load, and the conversation with it."""

    def __init__(self, program, cpu, shape, port, bare):
        self.popen = subprocess.Popen(
            [program, f"--port={port}", f"--hosts={shape.hosts}",
             f"--guests={GUESTS}", f"--leases={LEASES}",
             f"--asks={shape.asks}", f"--bare={int(bare)}", f"--cpu={cpu}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pid = self.line()["pid"]

    def line(self):
        line = self.popen.stdout.readline()
        if not line:
            raise LabError("arbiter-load ended")
        return json.loads(line)

    def ask(self, command):
        self.popen.stdin.write(command + "\n")
        self.popen.stdin.flush()
        return self.line()

    def stop(self):
        self.popen.kill()
        self.popen.wait()


class Floor:
    """floor-arbiter in the arbiter's place."""

    def __init__(self, program, cpu, shape, paced):
        self.argv = [program, f"--hosts={shape.hosts}", f"--cpu={cpu}",
                     f"--paced={int(paced)}"]
        self.port = fixed_port()
        self.start()

    def start(self):
        self.popen = subprocess.Popen(
            self.argv + [f"--port={self.port}"], stdout=subprocess.PIPE,
            text=True)
        self.pid = self.popen.pid

    def wait_all(self):
        if not self.popen.stdout.readline():
            raise LabError("floor-arbiter ended")

    def restart(self):
        self.stop()
        self.start()

    def stop(self):
        self.popen.send_signal(signal.SIGKILL)
        self.popen.wait()


class Arbiter:
    """The real one."""

    def __init__(self, program, cpu, shape):
        self.dir = tempfile.mkdtemp(prefix="rcached-bench-")
        self.hosts = shape.hosts
        self.sock = os.path.join(self.dir, "arbiter.sock")
        self.port = fixed_port()
        conf = os.path.join(self.dir, "arbiter.conf")
        with open(conf, "w", encoding="ascii") as f:
            f.write(f"[arbiter]\nlisten = 127.0.0.1:{self.port}\n"
                    f"tls = none\nmax-hosts = {shape.hosts}\n"
                    f"[admin]\nsocket = {self.sock}\n")
        self.argv = ["taskset", "-c", str(cpu), program, "--config", conf]
        self.process = None
        self.start()
        wait_for("the arbiter to listen", self.listens)

    def start(self):
        self.process = Process("arbiter", self.argv,
                               os.path.join(self.dir, "arbiter.log"))

    @property
    def pid(self):
        return self.process.pid

    def listens(self):
        if not self.process.alive():
            raise LabError(f"the arbiter ended:\n{self.process.tail()}")
        return os.path.exists(self.sock)

    def status(self):
        sock = JsonSocket(self.sock)
        try:
            return sock.call("status")
        finally:
            sock.close()

    def knows_all(self):
        try:
            status = self.status()
        except OSError:
            return False
        return (status["hosts"]["alive"] == self.hosts and
                status["vms"] == self.hosts * GUESTS and
                status["leases"] == self.hosts * LEASES)

    def wait_all(self):
        wait_for("the arbiter to know all hosts", self.knows_all, 120)

    def restart(self):
        """As a service manager does it: at once."""
        os.kill(self.pid, signal.SIGKILL)
        self.process.popen.wait()
        self.start()

    def peak(self):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as f:
            for line in f:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
        raise LabError("no VmHWM")

    def stop(self):
        self.process.stop()
        shutil.rmtree(self.dir, ignore_errors=True)


def measure(bench, shape, server, bare, cpu_seconds):
    """What the generator saw, with the server's part added."""
    generator = Generator(bench.program("tests", "bench",
                                        "bench-arbiter-load"),
                          bench.cpus.guest, shape, server.port, bare)
    try:
        generator.ask("join")
        server.wait_all()
        generator.ask(f"run {shape.warm}")
        handled = None if bare else server.status()["heartbeats"]
        before, began = cpu_seconds(server.pid), time.monotonic()
        own = cpu_seconds(generator.pid)
        seen = generator.ask(f"run {shape.seconds}")
        took = time.monotonic() - began
        seen["cores"] = (cpu_seconds(server.pid) - before) / took
        seen["generator_cores"] = (cpu_seconds(generator.pid) - own) / took
        if not bare:
            handled = server.status()["heartbeats"] - handled
            seen["handled"] = handled / (time.monotonic() - began)
            seen["peak"] = server.peak()
        began = time.monotonic()
        server.restart()
        server.wait_all()
        seen["known_again"] = time.monotonic() - began
    finally:
        generator.stop()
    if seen["answered"] < seen["asked"] * 0.9:
        raise LabError(f"only {seen['answered']} of {seen['asked']} requests "
                       "were answered")
    return seen


def report(bench, shape, floors, seen):
    """Into the bench's table."""
    each = seen["seconds"]

    def floor(key):
        return min(f[key] for f in floors.values())

    def peers(key, scale=1):
        return {f"floor {name}": f[key] / scale
                for name, f in floors.items()}

    def add(metric, unit, value, least, more):
        bench.add("arbiter-load", metric, unit, value, least, more)

    add("cpu", "cores", seen["cores"], floor("cores"),
        {**peers("cores"), "hosts": shape.hosts,
         "generator": seen["generator_cores"]})
    add("heartbeats", "1/s", seen["handled"],
        max(f["beats"] / f["seconds"] for f in floors.values()),
        {"sent": seen["beats"] / each, "latest_ms": seen["late_ms"],
         "not_taken": seen["blocked"]})
    for metric in ("p50", "p99"):
        key = f"{metric}_ns"
        add(f"assign_{metric}", "ms", seen[key] / 1e6, floor(key) / 1e6,
            {**peers(key, 1e6), "longest": seen["max_ns"] / 1e6,
             "per_second": seen["answered"] / each,
             "refused": seen["refused"], "partial": seen["partial"]})
    add("memory", "MiB", seen["peak"] / MIB,
        shape.hosts * FRAME_BYTES / MIB,
        {"bytes_per_host": seen["peak"] / shape.hosts})
    add("known_again", "s", seen["known_again"], floor("known_again"),
        peers("known_again"))


def run(bench, cpu_seconds):
    shape = Shape(bench.args.short)
    cpu = bench.cpus.pager      # the one that the generator does not have
    floors = {}
    for name, paced in (("wake", False), ("paced", True)):
        bench.say(f"arbiter-load: floor, {name}")
        server = Floor(bench.program("tests", "bench",
                                     "bench-floor-arbiter"),
                       cpu, shape, paced)
        try:
            floors[name] = measure(bench, shape, server, True, cpu_seconds)
        finally:
            server.stop()
    bench.say(f"arbiter-load: {shape.hosts} hosts")
    server = Arbiter(bench.program("arbiter", "arbiter"), cpu, shape)
    try:
        seen = measure(bench, shape, server, False, cpu_seconds)
    finally:
        server.stop()
    report(bench, shape, floors, seen)
