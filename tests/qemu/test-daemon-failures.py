#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU with the real daemons and no guest: what QEMU and the tools answer when
things do not go well.  qtest writes and reads guest memory from QEMU's main
loop, each page with its number and version, so that nothing is lost unseen.

    test-daemon-failures.py [NAME...]   only the cases whose names contain NAME
"""
import base64
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import fakepager as fp                                      # noqa: E402
from bare import Skip                                       # noqa: E402
from qemu_fakepager import in_thread, main                  # noqa: E402
from idedisk import OLD, START, IdeDisk                     # noqa: E402
from realvm import Table, content, runs, writes             # noqa: E402
from scene import Lab, LabError, Qmp, wait_for              # noqa: E402

MIB = 1 << 20
PAGE = 4096
RAM = 16 * MIB
LOCAL = 6 * MIB
FIRST, LAST = 2 * MIB // PAGE, RAM // PAGE      # the pages that are used
AT_ONCE = 64                    # pages that one command reads or writes
CASES = []


def case(function):
    CASES.append(function)
    return function


def stamp(page, version):
    return content(page * PAGE, version)


class Qtest:
    """QEMU's main loop at the service of a test."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(path)
        self.sock.settimeout(120)
        self.rest = b""

    def send(self, line):
        self.sock.sendall(line.encode() + b"\n")

    def answered(self):
        """Is there an answer?"""
        return bool(self.rest or select.select([self.sock], [], [], 0)[0])

    def answer(self):
        while b"\n" not in self.rest:
            data = self.sock.recv(1 << 20)
            assert data, "QEMU has ended"
            self.rest += data
        line, self.rest = self.rest.split(b"\n", 1)
        assert line.startswith(b"OK"), line
        return line[2:].strip()

    def ask(self, line):
        self.send(line)
        return self.answer()


class Setup:
    """A VM under qtest, its requester, an arbiter and one provider."""

    def __init__(self, lab, lend=2 * RAM, options=()):
        self.lab = lab
        self.requester = lab.add_host("requester")
        self.provider = lab.add_host("provider")
        arbiter = f"{self.requester.address}:9471"
        self.requester.start_arbiter()
        self.provider.start_rcached(
            "--arbiter", arbiter, "--slab-size", "2M", "--lend", str(lend),
            "--reserve", "256M")
        self.requester.start_rcached("--arbiter", arbiter, "--lend", "0",
                                     "--enable-debug-commands")
        path = self.requester.path
        self.qemu = self.requester.start("qemu", [
            os.environ["RCACHED_QEMU"], "-name", "real", "-accel", "qtest",
            "-m", f"{RAM // MIB}M", "-nodefaults", "-display", "none", "-L",
            "/usr/share/seabios", "-L", "/usr/share/qemu", "-object",
            f"remote-cache,id=rc0,local-max={LOCAL // MIB}M,copies=1,socket="
            f"{path('vmm.sock')}", "-qtest", f"unix:{path('qtest')},"
            "server=on,wait=off", "-qtest-log", "none",
            *(word for name in ("qmp", "qmp2") for word in (
                "-qmp", f"unix:{path(name)},server=on,wait=off")), *options])
        self.qtest = wait_for("qtest", lambda: self.connect(Qtest, "qtest"))
        self.qmp = wait_for("QMP", lambda: self.connect(Qmp, "qmp"))
        self.versions = {}

    def connect(self, kind, name):
        if not self.qemu.alive():
            raise LabError(f"QEMU ended:\n{self.qemu.tail()}")
        try:
            return kind(self.requester.path(name))
        except (ConnectionRefusedError, FileNotFoundError):
            return None

    def query(self):
        """Out of band: the main loop may be in a wait."""
        self.qmp.sock.sendall(b'{"exec-oob": "query-remote-cache"}\n')
        while True:
            answer = self.qmp.line()
            if "event" not in answer:
                return answer["return"][0]

    def figure(self, name):
        return self.query().get("stats", {}).get(name, 0)

    def write(self, first, count, version):
        for at in range(first, first + count, AT_ONCE):
            pages = range(at, min(at + AT_ONCE, first + count))
            lines = [line for p in pages for line in writes(p * PAGE, version)]
            self.qtest.send("\n".join(lines))
            for _ in lines:
                self.qtest.answer()
            self.versions.update((p, version) for p in pages)

    def write_all(self, version=1):
        """More than may be here, so that much of it goes."""
        self.write(FIRST, LAST - FIRST, version)
        wait_for("pages to be elsewhere", lambda: self.figure("remote") >
                 (RAM - LOCAL) // 2, 20)

    def check(self, pages=None):
        """Each page has what was written to it last."""
        for first, nr in runs(pages or self.versions, AT_ONCE):
            data = base64.b64decode(self.qtest.ask(
                f"b64read {first * PAGE:#x} {nr * PAGE:#x}"))
            for i in range(nr):
                found = data[i * PAGE:(i + 1) * PAGE]
                assert found == stamp(first + i, self.versions[first + i]), \
                    f"page {first + i}: {found[:16].hex()}"
        assert self.figure("lost") == 0

    def stop(self, host):
        """The host's daemon stops answering; it goes on with the result."""
        popen = host.processes["rcached"].popen
        popen.send_signal(signal.SIGSTOP)
        return lambda: popen.send_signal(signal.SIGCONT)

    def read_missing(self):
        """Have the main loop read a page that is away, which is returned; the
        provider answers nothing, and it waits."""
        away = set(Table(self.qemu.pid).pages(fp.REMOTE))
        page = next(p for p in range(FIRST, LAST) if p in away)
        self.qtest.send(f"b64read {page * PAGE:#x} {PAGE:#x}")
        wait_for("a wait", lambda: self.query().get("waiting", {}).get(
            "oldest-ns", 0) > 1.5e9, 20)
        return page

    def rcachectl(self, *args):
        done = subprocess.run(
            [self.lab.program("rcachectl"), "--socket",
             self.requester.path("admin.sock"), *args],
            capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout + done.stderr


class Qmp2(Qmp):
    """A second monitor: sends, and looks whether there is an answer."""

    def send(self, command):
        self.sock.sendall(b'{"execute": "%s"}\n' % command.encode())

    def answered(self):
        while b"\n" in self.rest or select.select([self.sock], [], [], 0)[0]:
            answer = self.line()
            if "event" not in answer:
                return answer["return"]
        return None


@contextlib.contextmanager
def setup(**how):
    if os.geteuid():
        raise Skip("needs root, for network namespaces")
    build = os.environ.get("RCACHED_BUILD", os.path.join(HERE, "..", "..",
                                                         "build"))
    with Lab(build) as lab:
        try:
            yield Setup(lab, **how)
        except BaseException:
            for process in lab.processes:
                print(f"--- {process.name}\n{process.tail()}")
            raise


def fails(qmp, text, command, **arguments):
    run = qmp.job if command.startswith("remote-cache") else qmp.call
    try:
        run(command, **arguments)
    except LabError as e:
        assert text in str(e), e
    else:
        raise AssertionError(f"{command} did not fail")


@case
def main_loop_waits(folder):
    """Everybody can tell what QEMU waits for, while its main loop does."""
    with setup() as s:
        second = Qmp2(s.requester.path("qmp2"))
        s.write_all()
        go_on = s.stop(s.provider)
        try:
            page = s.read_missing()
            second.send("query-status")
            wait_for("rcachectl to say so",
                     lambda: "waiting" in s.rcachectl("vms")[1])
            code, text = s.rcachectl("status")
            assert code == 0 and text.startswith("failing"), text
            assert "vm real has waited" in text and "for provider" in text, \
                text
            waiting = s.query()["waiting"]
            assert waiting["reason"] == "provider", waiting
            assert waiting["offset"] == page * PAGE, waiting
            assert not second.answered(), "the main loop did not wait"
            assert not s.qtest.answered(), "made up"
        finally:
            go_on()
        assert base64.b64decode(s.qtest.answer()) == stamp(page, 1)
        wait_for("the monitor's answer", second.answered)
        s.check()
        wait_for("the VM to be as before",
                 lambda: "attached" in s.rcachectl("vms")[1])


@case
def resize_without_room(folder):
    """More than providers have room for: refused after a while, with the
    limits as they were; what else is asked meanwhile is refused at once."""
    with setup(lend=RAM - LOCAL) as s:
        s.write_all()
        fails(s.qmp, "below the VM's memory: raise one of them",
              "remote-cache-resize", id="rc0", local_max=LOCAL - MIB)
        errors = []

        def resize():
            try:
                Qmp(s.requester.path("qmp2")).job(
                    "remote-cache-resize", id="rc0", local_max=2 * MIB,
                    size=RAM)
            except LabError as e:
                errors.append(str(e))
        thread = in_thread(resize)
        wait_for("the resize to begin", lambda: json.loads(s.rcachectl(
            "--json", "vms")[1])[0]["local_max_bytes"] == 2 * MIB)
        code, text = s.rcachectl("evict", "real", "4096")
        assert code != 0 and "is under way" in text, text
        thread.join(120)
        assert errors and "no progress" in errors[0] and \
            "is there a provider with room" in errors[0], errors
        info = s.query()
        assert info["local-max"] == LOCAL, info
        assert info["size"] == RAM - LOCAL, info
        s.check()
        # Within the room that there is, it works.
        s.qmp.job("remote-cache-resize", id="rc0", local_max=LOCAL + 4 * MIB,
                  size=RAM - LOCAL)
        s.write(FIRST, 256, 2)
        s.check(range(FIRST, FIRST + 256))


@case
def resize_while_migrating(folder):
    """Nothing goes away while the VM is on its way to somewhere else."""
    with setup() as s, socket.socket(socket.AF_UNIX) as target:
        target.bind(folder + "/target")
        target.listen(1)
        s.write_all()
        fails(s.qmp, "remote-cache-resize with size=0", "migrate",
              uri=f"unix:{folder}/target")
        s.qmp.job("remote-cache-resize", id="rc0", size=0)
        s.qmp.call("migrate-set-parameters", max_bandwidth=65536)
        s.qmp.call("migrate", uri=f"unix:{folder}/target")
        wait_for("the migration", lambda: s.qmp.call("query-migrate")
                 .get("status") == "active")
        fails(s.qmp, "migration/snapshot in progress", "remote-cache-resize",
              id="rc0", size=RAM - LOCAL, local_max=LOCAL)
        info = s.query()
        assert info["size"] == 0 and info["local-max"] == RAM, info
        # The figures are a tenth of a second old.
        wait_for("all to be home", lambda: not s.figure("remote"))
        s.check()
        s.qmp.call("migrate_cancel")
        wait_for("its end", lambda: s.qmp.call("query-migrate")["status"] ==
                 "cancelled")
        s.qmp.job("remote-cache-resize", id="rc0", size=RAM - LOCAL,
                  local_max=LOCAL)
        s.write_all(2)
        s.check()


def pager_of(host):
    """Its process: rcached is its parent, and may be gone."""
    pids = subprocess.run(["ip", "netns", "pids", host.netns], check=True,
                          capture_output=True, text=True).stdout.split()
    for pid in pids:
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            if b"--pager" in f.read():
                return int(pid)
    raise LabError("no pager runs")


@case
def quit_while_writing(folder):
    """The provider, rcached and the pager are gone, a disk is being written
    from pages that are away, and QEMU is told to quit: the disk has what was
    there, or what the guest had written to the page, and nothing else."""
    disk = IdeDisk(folder, "threads")
    with setup(options=disk.options) as s:
        s.write_all()
        disk.prepare(s.qtest.ask, FIRST * PAGE)
        s.provider.processes["rcached"].popen.kill()
        s.requester.processes["rcached"].popen.kill()
        s.requester.processes["rcached"].popen.wait()
        os.kill(pager_of(s.requester), signal.SIGKILL)
        for line in START:
            s.qtest.send(line)
        wait_for("the write to wait", lambda: s.query().get("waiting"), 20)
        s.qmp.sock.sendall(b'{"execute": "quit"}\n')
        status = s.qemu.popen.wait(60)
        old = 0
        for i, page in enumerate(disk.pages()):
            if set(page) == {OLD}:
                old += 1
            else:
                assert page == stamp(FIRST + i, 1), f"page {i}: {page[:16]}"
        assert old, "no page was missing"
        assert status == 1 and "as by a power cut" in s.qemu.tail(), status


if __name__ == "__main__":
    sys.exit(main(CASES))
