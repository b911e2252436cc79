# SPDX-License-Identifier: GPL-2.0-or-later
"""A QEMU with the object, the fake rcached it speaks to, and the means to run
cases with them.
"""
import base64
import contextlib
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(__file__),
                                "..", "..", "scripts", "lib"))
import fakepager as fp                                      # noqa: E402
from bare import Skip                                       # noqa: E402
from lab import (PATIENCE, JsonSocket, LabError,            # noqa: E402
                 threads_of, wait_for)

QEMU = os.environ.get("RCACHED_QEMU", "")
MIB = 1 << 20
RAM = 64 * MIB
TEST_AT = 16 * MIB              # guest address that nothing else uses


ANSWER_S = 10 * PATIENCE        # within which QEMU answers, or it hangs


class Qmp(JsonSocket):
    def __init__(self, path):
        super().__init__(path, ANSWER_S)
        self.line()
        self.call("qmp_capabilities", enable=["oob"])

    def oob(self, execute):
        self.sock.sendall(b'{"exec-oob": "%s"}\n' % execute.encode())
        return self.line_of("return")

    def line_of(self, what):
        """What the next answer has as its "return" or "error"."""
        while True:
            answer = self.line()
            if "event" in answer:
                self.events.append(answer)
            else:
                return answer[what]

    def event(self, name, timeout=5, **match):
        """The next event of that name whose data has @match."""
        end = time.monotonic() + timeout
        while True:
            for event in self.events:
                data = event.get("data", {})
                if event["event"] == name and match.items() <= data.items():
                    self.events.remove(event)
                    return data
            self.sock.settimeout(max(0.01, end - time.monotonic()))
            try:
                self.events.append(self.line())
            except socket.timeout as e:
                raise AssertionError(f"no {name} {match}") from e
            finally:
                self.sock.settimeout(ANSWER_S)


class Vm:
    """A QEMU with the object, and the fake rcached it speaks to."""

    def __init__(self, folder, *options, how=None, accel="qtest", ram=RAM,
                 props="local-max=32M", machine="pc", start=True, late=False,
                 prefix=()):
        self.folder = folder
        self.late = late            # the object comes with add()
        self.props = props
        self.rcached = fp.FakeRcached(folder + "/vmm.sock", folder + "/store")
        self.rcached.how = how or {}
        self.argv = [
            *prefix, QEMU, "-L", "/usr/share/seabios", "-L", "/usr/share/qemu",
            "-accel", accel, "-machine", machine, "-display", "none",
            "-nodefaults", "-nic", "none", "-m", f"{ram // MIB}M",
            "-name", "testvm", *(() if late else (
                "-object",
                f"remote-cache,id=rc0,{props},socket={folder}/vmm.sock")),
            "-qmp", f"unix:{folder}/qmp,server=on,wait=off", *options]
        if accel == "qtest":
            self.argv += ["-qtest", f"unix:{folder}/qtest,server=on,wait=off",
                          "-qtest-log", "none"]
        self.pager = None
        if start:
            self.start()

    def start(self, ready=True):
        self.log = open(self.folder + "/log", "ab")
        self.process = subprocess.Popen(
            self.argv, stdin=subprocess.DEVNULL, stdout=self.log,
            stderr=self.log)
        if not self.late:
            self.next_pager(ready)
        self.qmp = wait_for("QMP", self.connect)
        self.qtest = None
        if "qtest" in self.argv:
            self.qtest = socket.socket(socket.AF_UNIX)
            self.qtest.connect(self.folder + "/qtest")
            self.qtest.settimeout(10)

    def connect(self):
        """None while nobody listens: there may be a socket before."""
        assert self.process.poll() is None, self.output()
        try:
            return Qmp(self.folder + "/qmp")
        except (ConnectionRefusedError, FileNotFoundError):
            return None

    def add(self, **props):
        """object-add on the running VM."""
        self.qmp.call("object-add", qom_type="remote-cache", id="rc0",
                      socket=self.folder + "/vmm.sock", **props)
        self.next_pager()

    def output(self):
        with open(self.folder + "/log", errors="replace") as f:
            return f.read()

    def ask(self, line, timeout=10):
        """A qtest command; None when there is no answer in time."""
        if line:
            self.qtest.sendall(line.encode() + b"\n")
        self.qtest.settimeout(timeout)
        answer = b""
        try:
            while not answer.endswith(b"\n"):
                data = self.qtest.recv(1 << 17)
                assert data, f"QEMU has ended: {self.output()}"
                answer += data
        except socket.timeout:
            return None
        return answer.decode().strip()

    def write(self, address, value):
        assert self.ask(f"writeq {address:#x} {value:#x}") == "OK"

    def read(self, address, timeout=10):
        answer = self.ask(f"readq {address:#x}", timeout)
        return answer and int(answer.split()[1], 0)

    def put(self, address, data):
        text = base64.b64encode(data).decode()
        assert self.ask(f"b64write {address:#x} {len(data):#x} {text}",
                        60) == "OK"

    def get(self, address, size):
        answer = self.ask(f"b64read {address:#x} {size:#x}", 60)
        assert answer and answer.startswith("OK "), answer
        return base64.b64decode(answer[3:])

    def read_late(self, timeout=10):
        """The answer of a read() that came to nothing before."""
        return int(self.ask("", timeout).split()[1], 0)

    def manage(self):
        self.pager.do_manage("pc.ram")
        self.pager.wait("managed")

    def next_pager(self, ready=True):
        self.pager = self.rcached.accept()
        if ready:
            self.pager.wait("ready")
        return self.pager

    def query(self):
        return self.qmp.oob("query-remote-cache")[0]

    def ended(self, seconds):
        """QEMU's exit status, within so many seconds."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def close(self):
        if self.process.poll() is None:
            if isinstance(sys.exc_info()[1], TimeoutError):
                print(f"QEMU hangs:\n{threads_of(self.process.pid)}")
            self.process.kill()
            self.process.wait()
        self.rcached.close()
        self.log.close()


def page_of(address):
    """The word of a guest address: below 3 GiB, RAM is one block."""
    return address // fp.PAGE


def in_thread(function):
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    return thread


def outl(vm, port, value):
    assert vm.ask(f"outl {port:#x} {value:#x}") == "OK"


def create_image(vm, path):
    """A qcow2 image that snapshots can go to, as node "disk"."""
    def job(options):
        vm.qmp.call("blockdev-create", job_id="job", options=options)
        wait_for("the image", lambda: [j for j in vm.qmp.call("query-jobs")
                                       if j["status"] == "concluded"])
        done, = vm.qmp.call("query-jobs")
        assert "error" not in done, done
        vm.qmp.call("job-dismiss", id="job")
    job({"driver": "file", "filename": path, "size": 0})
    vm.qmp.call("blockdev-add", driver="file", node_name="file", filename=path)
    job({"driver": "qcow2", "file": "file", "size": MIB})
    vm.qmp.call("blockdev-add", driver="qcow2", node_name="disk", file="file")


def hmp_says(vm, line):
    """The answer to a line at the human monitor."""
    return vm.qmp.call("human-monitor-command", command_line=line)


def hmp(vm, line):
    text = hmp_says(vm, line)
    assert "rror" not in text, text


def failed(qmp, text, command, **arguments):
    """The command fails, or the job that it starts; it says @text."""
    run = qmp.job if command.startswith("remote-cache") else qmp.call
    try:
        run(command, **arguments)
    except LabError as e:
        assert text in str(e), e
    else:
        raise AssertionError(f"{command} did not fail")


def refused(folder, expect, *options, props="local-max=32M", m="64M",
            path=None, prefix=(), accel="qtest", stdin=subprocess.DEVNULL):
    """QEMU must end at once, saying @expect."""
    props = f"remote-cache,id=rc0,{props}," if props else ""
    objects = ["-object", f"{props}socket={path or folder + '/vmm.sock'}"]
    try:
        done = subprocess.run(
            [*prefix, QEMU, "-L", "/usr/share/seabios", "-L",
             "/usr/share/qemu", "-accel", accel, "-display", "none",
             "-nodefaults", "-nic", "none", "-m", m, *objects, *options],
            capture_output=True, text=True, timeout=60, stdin=stdin,
            check=False)
    except subprocess.TimeoutExpired as e:
        raise AssertionError(f"QEMU runs on, and wanted was '{expect}': "
                             f"{e.stderr}") from None
    assert done.returncode == 1, f"{done.returncode}: {done.stderr}"
    assert expect in done.stderr, f"wanted '{expect}', got: {done.stderr}"


def unprivileged(folder):
    """What to start QEMU with, for it to have no capability, and no access to
    /dev/userfaultfd."""
    with open("/proc/sys/vm/unprivileged_userfaultfd", encoding="ascii") as f:
        if f.read().strip() != "0":
            raise Skip("vm.unprivileged_userfaultfd is 1 here")
    if os.geteuid():
        return []
    nothing = folder + "/nothing"
    os.close(os.open(nothing, os.O_CREAT, 0))
    script = 'exec setpriv --bounding-set=-all --inh-caps=-all "$@"'
    if os.path.exists("/dev/userfaultfd"):
        script = f'mount --bind "$0" /dev/userfaultfd && {script}'
    return ["unshare", "--mount", "sh", "-c", script, nothing]


@contextlib.contextmanager
def fake_devices(folder):
    """QEMUs that are started meanwhile find devices that are not there."""
    here = os.path.dirname(os.path.abspath(__file__))
    library, dev = folder + "/fakedevices.so", folder + "/dev"
    subprocess.run(["cc", "-Wall", "-Wextra", "-Werror", "-O2", "-shared",
                    "-fPIC", "-o", library, here + "/fakedevices.c", "-ldl"],
                   check=True)
    os.makedirs(dev + "/vfio")
    os.mkdir(folder + "/card")
    os.symlink("/sys/kernel/iommu_groups/7", folder + "/card/iommu_group")
    for name in ("udmabuf", "vhost-net", "vhost-scsi", "vhost-vdpa-0",
                 "vfio/vfio", "vfio/7"):
        open(f"{dev}/{name}", "wb").close()
    with open(dev + "/config", "wb") as f:      # of a network card
        f.write(struct.pack("<4H4B", 0x8086, 0x10d3, 0, 0, 0, 0, 0, 2)
                .ljust(256, b"\0"))
    os.environ.update(LD_PRELOAD=library, FAKE_DEV=dev)
    try:
        yield
    finally:
        del os.environ["LD_PRELOAD"], os.environ["FAKE_DEV"]


def run_case(function):
    """How it went: "ok", "FAILED" or "skipped: REASON"."""
    with tempfile.TemporaryDirectory(prefix="rc-") as folder:
        try:
            function(folder)
        except Skip as e:
            return f"skipped: {e}"
        except BaseException:
            traceback.print_exc()
            log = os.path.join(folder, "log")
            if os.path.exists(log):
                with open(log, errors="replace") as f:
                    print(f.read()[-3000:])
            return "FAILED"
    return "ok"


def chosen(cases, wanted):
    """Those whose names contain one of @wanted; where one is the whole name
    of a case, that case only."""
    names = {f.__name__ for f in cases}
    return [f for f in cases if not wanted or any(
        w == f.__name__ or (w not in names and w in f.__name__)
        for w in wanted)]


def main(cases):
    """Run those that the arguments name; the exit status, which is a failure
    if one failed, and else a skip if one was skipped."""
    if not QEMU:
        print("skipped: RCACHED_QEMU names no patched QEMU")
        return 77
    results = []
    for function in chosen(cases, sys.argv[1:]):
        begin = time.monotonic()
        results.append(run_case(function))
        print(f"{function.__name__}: {results[-1]} "
              f"({time.monotonic() - begin:.1f} s)", flush=True)
    if not results:
        print(f"no case is called {' or '.join(sys.argv[1:])}")
    if not results or "FAILED" in results:
        return 1
    return 0 if set(results) == {"ok"} else 77
