# SPDX-License-Identifier: GPL-2.0-or-later
"""cluster: real daemons in a lab, and fake VMMs on the requester."""
import json
import os
import random
import select
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
sys.path.insert(0, os.path.join(os.path.dirname(__file__),
                                "..", "..", "scripts", "lib"))
import leftovers  # noqa: E402
from lab import (PATIENCE, Lab, LabError, die_with_parent,  # noqa: E402
                 signals_later, wait_for)

MIB = 1 << 20
SANITIZER = ("AddressSanitizer", "LeakSanitizer", "runtime error:",
             "ThreadSanitizer")
# Visits a second of a guest that is not told otherwise: enough of everything is
# on its way at any time, and a test that waits for something else costs little.
PACE = 3000
# The daemons' own bugs; what peers do is logged as warning or message.
OWN_BUGS = ("CRITICAL **", "assertion failed", "Assertion `")


class Vm:
    """A fake VMM: commands on its stdin, results on its stdout.

    @pace: visits a second of its guest; 0: all that it can do
    """

    def __init__(self, host, number=1, socket=None, pace=PACE, **options):
        self.host = host
        self.socket = socket or host.path("vmm.sock")
        self.name = f"vm{number}"
        self.rest = b""
        argv = [*self.command(), f"--vm={number}", f"--name={self.name}",
                f"--pace={pace}"]
        for name, value in options.items():
            option = "--" + name.replace("_", "-")
            argv.append(option if value is True else f"{option}={value}")
        self.log = os.path.join(host.lab.dir, f"{self.name}.log")
        with open(self.log, "ab") as err, signals_later():
            self.popen = subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=err, preexec_fn=self.in_child)
            host.lab.vms.append(self)

    def command(self):
        """The program, and where it connects."""
        return [*self.host.enter,
                os.path.join(self.host.lab.build, "tests", "fakes",
                             "fake-vmm"), f"--socket={self.socket}"]

    def in_child(self):
        die_with_parent()
        if self.host.cgroup:
            self.host.cgroup.join()

    def line(self, seconds, to=""):
        """The next object it prints, the answer to @to; a busy machine gets
        more time."""
        seconds *= PATIENCE
        end = time.monotonic() + seconds
        out = self.popen.stdout
        while b"\n" not in self.rest:
            left = end - time.monotonic()
            if left <= 0 or not select.select([out], [], [], left)[0]:
                raise LabError(f"the VM said nothing for {seconds} s"
                               f"{to and f' to {to}'}; its last words: "
                               f"{self.last_words()}")
            data = os.read(out.fileno(), 65536)
            if not data:
                raise LabError(f"the VM ended ({self.popen.wait()}): "
                               f"{self.last_words()}")
            self.rest += data
        text, self.rest = self.rest.split(b"\n", 1)
        return json.loads(text)

    def said(self):
        """All that it has written on stderr."""
        with open(self.log, errors="replace") as f:
            return f.read()

    def last_words(self):
        return "\n".join(self.said().splitlines()[-5:])

    def send(self, command):
        """Its answer is the next line()."""
        self.popen.stdin.write(command.encode() + b"\n")
        self.popen.stdin.flush()

    def call(self, command, seconds=130):
        self.send(command)
        return self.line(seconds, command)

    def stats(self):
        return self.call("stats", 30)

    def result(self, seconds=120):
        """Wait for its end; the object with what it found."""
        result = self.line(seconds)
        status = self.popen.wait(30)
        return dict(result, exit=status)

    def quit(self, seconds=120):
        self.popen.stdin.write(b"quit\n")
        self.popen.stdin.flush()
        return self.result(seconds)


def pagers_of(host):
    """The pids of all pagers on @host."""
    link = f"--link={host.path('pager.sock')}".encode()
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                argv = f.read().split(b"\0")
        except OSError:
            continue
        if b"--pager" in argv and link in argv:
            found.append(int(pid))
    return found


class Cluster(Lab):
    """An arbiter, a requester, and providers (two if not told otherwise)."""

    arbiter_options = ()

    def __init__(self, build, providers=2, arbiter=True, slab="4M",
                 requester=(), provider=(), ipv6=False, heartbeat_ms=200,
                 tls=None):
        super().__init__(build, ipv6=ipv6, tls=tls)
        self.vms = []
        self.nr_providers = providers
        self.with_arbiter = arbiter
        self.slab = slab
        self.requester_options = requester
        self.provider_options = provider
        self.heartbeat_ms = heartbeat_ms

    def __enter__(self):
        super().__enter__()
        try:
            self.start()
            self.note_descriptors()
        except BaseException:
            self.clean()
            raise
        return self

    def start(self):
        self.requester = self.add_host("requester")
        self.providers = [self.add_host(f"provider{i}")
                          for i in range(self.nr_providers)]
        self.arbiter = []
        if self.with_arbiter:
            self.requester.start_arbiter(*self.arbiter_options,
                                         heartbeat_ms=self.heartbeat_ms)
            self.arbiter = ["--arbiter", self.requester.at(9471)]
        for host in self.providers:
            self.start_provider(host)
        self.start_requester()
        if self.with_arbiter:
            wait_for("the arbiter to know all hosts", self.all_known, 20)

    def start_provider(self, host):
        return host.start_rcached("--slab-size", self.slab, "--reserve",
                                  "512M", "--enable-debug-commands",
                                  *self.arbiter, *self.provider_options)

    def start_requester(self):
        return self.requester.start_rcached(
            "--lend", "0", "--enable-debug-commands", *self.arbiter,
            *self.requester_options)

    def all_known(self):
        hosts = self.call(self.requester.path("arbiter.sock"), "hosts")
        alive = [h for h in hosts if h["state"] == "alive"]
        return len(alive) == len(self.providers) + 1

    @staticmethod
    def call(path, execute, **arguments):
        from lab import JsonSocket
        sock = JsonSocket(path, timeout=60)
        try:
            return sock.call(execute, **arguments)
        finally:
            sock.close()

    def status(self, host):
        return self.call(host.path("admin.sock"), "status")

    def stored(self):
        return sum(self.status(h)["stored_bytes"] for h in self.providers)

    def stored_settled(self):
        """What providers store in all, once it stands still."""
        last, same = self.stored(), 0
        while same < 4:
            time.sleep(0.15)
            now = self.stored()
            same, last = (same + 1 if now == last else 0), now
        return last

    def kill_pager(self, name="vm1"):
        try:
            self.call(self.requester.path("admin.sock"), "debug-kill-pager",
                      vm=name)
            return True
        except LabError:
            return False        # between two of them

    def kill_pagers(self, vm, nr, visits):
        """Kill so many, each when the guest has made so many visits or so
        since it has attached.  By the clock those of a busy machine would not
        live for long enough to get anything done, and others for longer than
        it takes."""
        for _ in range(nr):
            stats = vm.stats()
            attaches = stats["attaches"]
            due = stats["visits"] + visits * random.uniform(0.2, 1.5)
            wait_for("the guest to go on",
                     lambda: vm.stats()["visits"] >= due, 60, 0.01)
            wait_for("the pager to be killed",
                     lambda: self.kill_pager(vm.name))
            wait_for("the next pager",
                     lambda: vm.stats()["attaches"] > attaches, 30)

    # ---------------------------------------------------- what is left over

    def note_descriptors(self):
        """Those of all daemons, before there is any VM."""
        self.descriptors = {
            p: leftovers.descriptors(p.pid) for p in self.processes
            if p.alive() and leftovers.program(p.pid).startswith(
                ("rcached", "arbiter"))}

    def grown_descriptors(self):
        """By daemon: those that it has kept for VMs and connections that are
        gone. A provider keeps slabs until their leases end."""
        grown = {}
        for process, before in self.descriptors.items():
            if not process.alive():
                continue
            now = leftovers.descriptors(process.pid)
            if process is not self.requester.processes.get("rcached"):
                now["memfd"] = min(now["memfd"], before["memfd"])
            grown[process.name] = leftovers.more(before, now)
        return {name: what for name, what in grown.items() if what}

    def nothing_left_over(self):
        try:
            wait_for("descriptors", lambda: not self.grown_descriptors(), 5)
        except LabError as late:
            raise LabError("descriptors are left over: "
                           f"{self.grown_descriptors()}") from late

    # ------------------------------------------------------------ the end

    def shut_down(self, hostile=False):
        """Clean ends of all daemons, and no word of a sanitizer.

        A hostile VMM makes its pager say what is a bug otherwise.
        """
        for vm in self.vms:
            if vm.popen.poll() is None:
                vm.popen.kill()
                vm.popen.wait()
        self.wait_pagers()
        self.nothing_left_over()
        for process in reversed(self.processes):
            if process.popen.returncode is None:
                status = process.stop(20 * PATIENCE, tell=True)
                assert status == 0, (f"{process.name} ended with {status}:\n"
                                     f"{process.tail(100)}")
        for host in self.hosts.values():
            left = [f for f in os.listdir(host.run) if f.endswith(".sock")]
            assert not left, f"{host.name} left {left}"
        try:                    # a pager that was just told may be ending
            wait_for("processes to end",
                     lambda: not leftovers.processes(self.dir), 2)
        except LabError as late:
            raise LabError("processes are left over: "
                           f"{leftovers.processes(self.dir)}") from late
        self.read_logs(SANITIZER if hostile else SANITIZER + OWN_BUGS)

    def wait_pagers_but(self, vm):
        """Wait for all pagers to end but that of one VM."""
        admin = self.requester.path("admin.sock")
        wait_for("the other pagers to end", lambda: all(
            v["name"] == vm.name or v["state"] == "no pager"
            for v in self.call(admin, "vms")), 30)

    def wait_pagers(self):
        def none_left():
            try:
                vms = self.call(self.requester.path("admin.sock"), "vms")
            except OSError:
                return True
            # A pager's process outlives its link by what it frees at its end.
            return (all(v["state"] == "no pager" for v in vms) and
                    not pagers_of(self.requester))
        wait_for("the pagers to end", none_left, 20)

    def log(self, host, name="rcached"):
        """What a daemon has said so far."""
        with open(host.processes[name].log, errors="replace") as f:
            return f.read()

    def read_logs(self, words):
        for name in os.listdir(self.dir):
            if not name.endswith(".log"):
                continue
            with open(os.path.join(self.dir, name), errors="replace") as f:
                text = f.read()
            for word in words:
                assert word not in text, f"{name}:\n{text[-4000:]}"


def goes_on(vm, visits=2000, seconds=60):
    """Wait until the guest has made so many more visits, each verified."""
    before = vm.stats()["visits"]
    wait_for("the guest to go on",
             lambda: vm.stats()["visits"] > before + visits, seconds)


def expect_clean(result, lost=0):
    assert result.get("exit") == 0, result
    assert result["mismatches"] == 0 and result["wrong_at_end"] == 0, result
    assert result["lost_events"] == lost, result


def expect_within(result, local_max):
    """local-max holds within max(5 %, 16 MiB), but for the zeros that a VMM
    without a pager gives its guest itself."""
    limit = local_max + max(local_max // 20, 16 * MIB)
    limit += result["filled_alone_max"]
    assert result["resident_max"] <= limit, (result["resident_max"], limit)
