# SPDX-License-Identifier: GPL-2.0-or-later
"""A QEMU without a guest whose pager is rcached's own: the test reads and
writes guest RAM by the qtest protocol, and looks at the page words.

A page's content is a function of its address and a version (content()), and
is compared whole.  QEMU reads the protocol a KiB at a time, each in a turn of
its main loop, so that pages are written by what is short (writes()).
"""
import hashlib
import mmap
import os
import signal
import socket
import struct
import subprocess
import sys
import time
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(__file__),
                                "..", "..", "scripts", "lib"))
import fakepager as fp                                      # noqa: E402
from qemu_fakepager import MIB, QEMU, Qmp, Skip, Vm         # noqa: E402
from lab import Lab, LabError, files_of, wait_for           # noqa: E402

PAGE = fp.PAGE
AT_ONCE = 16                    # pages that one command reads or writes


def content(address, version):
    """Two words of which no other page and version has either, and between
    them a byte that each version of the page has another one of."""
    digest = hashlib.blake2b(f"{address}/{version}".encode(),
                             digest_size=16).digest()
    fill = (address // PAGE + 37 * version) % 256
    return digest[:8] + bytes([fill]) * (PAGE - 16) + digest[8:]


def writes(address, version):
    """The commands that make a page that."""
    page = content(address, version)
    return (f"memset {address:#x} {PAGE:#x} {page[8]:#x}",
            f"writeq {address:#x} {int.from_bytes(page[:8], 'little'):#x}",
            f"writeq {address + PAGE - 8:#x} "
            f"{int.from_bytes(page[-8:], 'little'):#x}")


def runs(numbers, most, step=1):
    """(first, how many) of numbers that follow each other at @step, at most
    @most in one."""
    first, nr = None, 0
    for number in sorted(numbers):
        if nr in (0, most) or number != first + nr * step:
            if nr:
                yield first, nr
            first, nr = number, 0
        nr += 1
    if nr:
        yield first, nr


def is_stopped(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        return f.read().rsplit(")", 1)[1].split()[0] == "T"


class Stopped:
    """with Stopped(pid): it does nothing."""

    def __init__(self, pid):
        self.pid = pid

    def __enter__(self):
        os.kill(self.pid, signal.SIGSTOP)
        wait_for(f"{self.pid} to stop", lambda: is_stopped(self.pid))

    def __exit__(self, *what):
        os.kill(self.pid, signal.SIGCONT)


class Table:
    """The page words, in the state memfd that QEMU has open."""

    def __init__(self, pid):
        for path, where in files_of(pid):
            if "memfd:remote-cache-state" in where:
                break
        else:
            raise LabError("QEMU has no state memfd")
        with open(path, "rb") as f:
            self.map = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)
        head = fp.STATE_HEAD.unpack_from(self.map)
        self.nr, self.words_at = head[5], head[9]

    def word(self, page):
        return struct.unpack_from("=Q", self.map, self.words_at + 8 * page)[0]

    def words(self):
        return struct.unpack_from(f"={self.nr}Q", self.map, self.words_at)

    def state(self, page):
        return self.word(page) & 0xf

    def pages(self, *states):
        return [n for n, w in enumerate(self.words()) if w & 0xf in states]

    def slots(self):
        return sum(w & fp.SLOT_MASK != 0 for w in self.words())


class RealVm(Vm):
    """One of a stage.  Its pages' versions are what the test wrote last."""

    def __init__(self, stage, *options, ram=64 * MIB,
                 props="local-max=4M,copies=1", machine="pc", memory="",
                 prefix=()):
        self.stage = stage
        self.versions = {}
        self.places = [(0, ram, 0)]     # address, size, first word
        host = stage.requester
        self.folder = host.run
        for name in ("qmp", "qmp2", "qtest"):
            if os.path.exists(host.path(name)):
                os.unlink(host.path(name))
        self.child = host.start("qemu", [
            *prefix, QEMU, "-L", "/usr/share/seabios", "-L", "/usr/share/qemu",
            "-accel", "qtest", "-machine", machine, "-display", "none",
            "-nodefaults", "-nic", "none", "-m", f"{ram // MIB}M{memory}",
            "-name", "realvm", *((
                "-object", f"remote-cache,id=rc0,{props},"
                f"socket={host.path('vmm.sock')}") if props else ()),
            "-qmp", f"unix:{host.path('qmp')},server=on,wait=off",
            "-qmp", f"unix:{host.path('qmp2')},server=on,wait=off",
            "-qtest", f"unix:{host.path('qtest')},server=on,wait=off",
            "-qtest-log", "none", *options])
        self.process = self.child.popen
        wait_for("QMP", self.listens)
        self.qmp = Qmp(host.path("qmp"))
        self.qmp2 = Qmp(host.path("qmp2"))
        for qmp in (self.qmp, self.qmp2):
            qmp.sock.settimeout(60)
        self.qtest = socket.socket(socket.AF_UNIX)
        self.qtest.connect(host.path("qtest"))
        if props:
            self.attached()

    def listens(self):
        if not self.child.alive():
            raise LabError(f"QEMU ended:\n{self.child.tail()}")
        return os.path.exists(f"{self.folder}/qtest")

    def attached(self):
        wait_for("a pager", lambda: self.query()["attached"], 20)
        self.table = Table(self.process.pid)

    def pager_pid(self):
        """The name is enough: there is one VM."""
        for pid in subprocess.run(
                ["ip", "netns", "pids", self.stage.requester.netns],
                capture_output=True, text=True, check=True).stdout.split():
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                if b"--pager" in f.read():
                    return int(pid)
        raise LabError("no pager")

    def pager_locked(self):
        """KiB of its memory that cannot be swapped."""
        with open(f"/proc/{self.pager_pid()}/status", encoding="ascii") as f:
            return int(f.read().split("VmLck:")[1].split()[0])

    # ------------------------------------------------------------- memory

    def page_of(self, address):
        """The index of its word."""
        for first, size, word in self.places:
            if first <= address < first + size:
                return word + (address - first) // PAGE
        raise KeyError(address)

    def write_pages(self, first, size, version):
        """Guest addresses; @version 0 stands for zeros."""
        self.write_each(range(first, first + size, PAGE), version)

    def write_each(self, pages, version):
        for at in range(0, len(pages), AT_ONCE):
            some = pages[at:at + AT_ONCE]
            self.ask_all([line for page in some
                          for line in writes(page, version)])
            self.versions.update((page, version) for page in some)

    def ask_all(self, lines):
        """Commands that have nothing to answer."""
        self.qtest.settimeout(60)
        self.qtest.sendall("".join(line + "\n" for line in lines).encode())
        answer = b""
        while answer.count(b"\n") < len(lines):
            data = self.qtest.recv(1 << 16)
            assert data, f"QEMU has ended: {self.child.tail()}"
            answer += data
        assert answer == b"OK\n" * len(lines), answer

    def discarded(self, *pages):
        """From now on they are zero."""
        self.versions.update((p, 0) for p in pages)

    def host_address(self, address):
        """Where a guest address of machine RAM is in QEMU."""
        size = self.places[0][1]
        with open(f"/proc/{self.process.pid}/maps", encoding="ascii") as f:
            for line in f:
                first, last = (int(n, 16) for n in
                               line.split()[0].split("-"))
                if last - first == size and "memfd:" in line:
                    return first + address
        raise LabError("RAM is not mapped")

    def forget(self, first, size):
        for page in range(first, first + size, PAGE):
            self.versions.pop(page, None)

    def verify(self, pages=None):
        """Every page that was written or discarded, or those of @pages."""
        pages = self.versions if pages is None else pages
        for first, nr in runs(pages, AT_ONCE, PAGE):
            data = self.get(first, nr * PAGE)
            for i in range(nr):
                self.is_right(first + i * PAGE, data[i * PAGE:(i + 1) * PAGE])
        return len(pages)

    def is_right(self, at, found):
        version = self.versions[at]
        right = content(at, version) if version else bytes(PAGE)
        assert found == right, \
            f"{at:#x}: not version {version}, but {found[:8].hex()}..., " \
            f"its word is {self.table.word(self.page_of(at)):#x}"

    # ------------------------------------------------------------ evicting

    def send_evict(self):
        """Ask for all to go; that is a job, and ends later."""
        self.qmp.call("remote-cache-evict", id="rc0", local_target=0)

    def evict_ended(self):
        self.qmp.job_end("rc0")

    def evict_all(self):
        """Until every page that the test knows is away."""
        pages = [self.page_of(p) for p in self.versions]

        def gone():
            try:
                self.qmp.job("remote-cache-evict", id="rc0", local_target=0)
            except LabError:
                pass            # some page was wanted meanwhile
            return all(self.table.state(p) in
                       (fp.REMOTE, fp.ZERO, fp.UNTOUCHED) for p in pages)

        wait_for("all to be away", gone, 30)

    def settled(self, copies=1):
        """Each slot that is stored is one that a word names."""
        wait_for("the providers to store what the words say", lambda:
                 self.stage.stored() == copies * self.table.slots() * PAGE, 30)

    def close(self, last=False):
        """@last: no VM comes after it"""
        self.qmp.close()
        self.qmp2.close()
        self.qtest.close()
        self.process.kill()
        self.process.wait()
        if last:
            return
        # The next one's slots are its own.
        wait_for("the pager to end", self.stage.vm_is_gone, 30)


class Stage:
    """A requester, and one provider that can be told to stand still; a second
    one when it is asked for."""

    def __init__(self, lab):
        self.lab = lab
        self.requester = lab.add_host("requester")
        self.arbiter = f"{self.requester.address}:9471"
        self.providers = []
        self.requester.start_arbiter()
        self.provider = self.add_provider("provider")
        self.start_requester()

    def start_requester(self, *options):
        """Its daemon; or another one with other options."""
        if "rcached" in self.requester.processes:
            self.requester.processes["rcached"].stop(20)
        self.requester.start_rcached("--arbiter", self.arbiter, "--lend", "0",
                                     "--enable-debug-commands", *options)
        wait_for("the arbiter to know all", self.known, 20)

    def add_provider(self, name):
        host = self.lab.add_host(name)
        host.start_rcached("--arbiter", self.arbiter, "--slab-size", "4M",
                           "--lend", "256M", "--reserve", "256M")
        self.providers.append(host)
        return host

    def ask(self, host, execute, **arguments):
        admin = host.admin()
        try:
            return admin.call(execute, **arguments)
        finally:
            admin.close()

    def known(self):
        return all(a["connected"] for host in (self.requester, *self.providers)
                   for a in self.ask(host, "status")["arbiters"])

    def stored(self):
        return sum(self.ask(host, "status")["stored_bytes"]
                   for host in self.providers)

    def vm_is_gone(self):
        return not self.ask(self.requester, "vms")

    def kill_pager(self):
        self.ask(self.requester, "debug-kill-pager", vm="realvm")

    def provider_stopped(self):
        return Stopped(self.provider.processes["rcached"].pid)


def main(cases):
    """Run those whose names contain one of the arguments; the exit status."""
    if not QEMU:
        print("skipped: RCACHED_QEMU names no patched QEMU")
        return 77
    if os.geteuid():
        print("skipped: needs root, for network namespaces")
        return 77
    bad = skipped = 0
    with Lab(os.environ["RCACHED_BUILD"]) as lab:
        stage = Stage(lab)
        for case in cases:
            if sys.argv[1:] and not any(w in case.__name__
                                        for w in sys.argv[1:]):
                continue
            begin = time.monotonic()
            result = "ok"
            try:
                case(stage)
            except Skip as e:
                result = f"skipped: {e}"
                skipped += 1
            except Exception:
                traceback.print_exc()
                for process in lab.processes:
                    print(f"--- {process.name}\n{process.tail()}")
                result = "FAILED"
                bad += 1
            print(f"{case.__name__}: {result} "
                  f"({time.monotonic() - begin:.1f} s)", flush=True)
    return 1 if bad else 77 if skipped else 0
