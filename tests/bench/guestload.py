# SPDX-License-Identifier: GPL-2.0-or-later
"""guestload: what the object costs a guest that is not short of memory.

The same guest, by turns, without the object and with it, with as much local
memory as it has: until it has booted and filled its memory, and then while
it goes over it.  Measured is QEMU's time on a CPU, since the guest's program
does the same work each time and others on the machine would disturb a clock
on the wall; that one stands beside it.  The floor is the same command line
without the object; beside it stands QEMU with shared memory, which is what
the object makes of the guest's.
"""
import os
import select
import signal
import socket
import statistics
import subprocess
import time

from lab import LabError, wait_for

GUEST, SHORT = 256, 128         # MiB; and where figures do not count
HERE = os.path.dirname(os.path.abspath(__file__))


class Guest:
    """A Linux guest; its program's lines on the console."""

    def __init__(self, product, kernel, initrd, mem, options, cpu):
        self.console = product.path("console.sock")
        self.log = product.path("qemu.log")
        with open(self.log, "wb") as err:
            self.popen = subprocess.Popen(
                ["taskset", "-c", str(cpu), os.environ["RCACHED_QEMU"],
                 "-L", "/usr/share/seabios", "-L", "/usr/share/qemu",
                 "-accel", "tcg", "-m", f"{mem}M", "-nodefaults",
                 "-display", "none", "-no-reboot", "-kernel", kernel,
                 "-initrd", initrd, "-append",
                 "console=ttyS0 quiet panic=-1 rcache.hot=100 rcache.cold=100",
                 "-chardev", f"socket,id=con,path={self.console},server=on,"
                 "wait=on", "-serial", "chardev:con", *options],
                stdin=subprocess.DEVNULL, stdout=err, stderr=err)
        self.rest = b""
        self.sock = wait_for("QEMU's console", self.connect, 20)

    def connect(self):
        if self.popen.poll() is not None:
            with open(self.log, errors="replace") as f:
                raise LabError(f"QEMU ended: {f.read()[-500:]}")
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.connect(self.console)
        except OSError:
            sock.close()
            return None
        return sock

    def verified(self):
        """The next line's count of pages."""
        while True:
            *lines, self.rest = self.rest.split(b"\n")
            for line in lines:
                if line.startswith(b"RCACHE state=run"):
                    words = dict(w.split(b"=") for w in line.split()[1:])
                    if int(words[b"mismatches"]):
                        raise LabError(f"the guest says {line.decode()}")
                    return int(words[b"verified"])
            if not select.select([self.sock], [], [], 300)[0]:
                raise LabError("the guest says nothing")
            data = self.sock.recv(65536)
            if not data:
                raise LabError("QEMU ended")
            self.rest += data

    def stop(self):
        self.sock.close()
        self.popen.send_signal(signal.SIGKILL)
        self.popen.wait()


def one(product, boot, mem, options, cpu, pages, cpu_seconds):
    """(boot, its wall time, a page, its wall time), in seconds."""
    begin = time.monotonic()
    guest = Guest(product, *boot, mem, options, cpu)
    try:
        first = guest.verified()
        at = time.monotonic()
        used = cpu_seconds(guest.popen.pid)
        count = first
        while count - first < pages:
            count = guest.verified()
        used_after, end = cpu_seconds(guest.popen.pid), time.monotonic()
        return (used, at - begin, (used_after - used) / (count - first),
                (end - at) / (count - first))
    finally:
        guest.stop()


def run(bench, product_of, cpu_seconds):
    boot = subprocess.run(
        [os.path.join(HERE, "..", "qemu", "make-initramfs")], check=True,
        capture_output=True, text=True).stdout.split()[-2:]
    if "RCACHED_QEMU" not in os.environ:
        os.environ["RCACHED_QEMU"] = subprocess.run(
            [os.path.join(HERE, "..", "..", "scripts", "qemu-tree"), "build"],
            check=True, stdout=subprocess.PIPE, text=True).stdout.split()[-1]
    mem = SHORT if bench.args.short else GUEST
    rounds = 1 if bench.args.short else 7
    pages = 20000 if bench.args.short else 1000000
    took = {}
    with product_of(bench, mem, None) as product:
        ways = {
            "without": [],
            "shared": ["-object", f"memory-backend-memfd,id=ram,size={mem}M,"
                       "share=on", "-machine", "memory-backend=ram"],
            "object": ["-object", f"remote-cache,id=rc0,local-max={mem}M,"
                       "socket=" + product.path("requester", "vmm.sock")]}
        for turn in range(rounds):
            bench.say(f"guest-overhead: {turn + 1} of {rounds}")
            for name, options in ways.items():
                took.setdefault(name, []).append(one(
                    product, boot, mem, options, bench.cpus.guest, pages,
                    cpu_seconds))
    middle = {name: [statistics.median(column) for column in zip(*rows)]
              for name, rows in took.items()}
    for index, (metric, unit, factor) in enumerate((
            ("boot_cpu", "s", 1), ("boot", "s", 1),
            ("page_cpu", "us", 1e6), ("page", "us", 1e6))):
        figures = {name: row[index] * factor for name, row in middle.items()}
        value = figures.pop("object")
        bench.add("guest-overhead", metric, unit, value, figures["without"],
                  figures)
