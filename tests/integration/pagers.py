# SPDX-License-Identifier: GPL-2.0-or-later
"""pagers: what the daemon notices of pagers, and says."""
import ctypes
import os
import platform
import signal
import socket
import struct
import subprocess

from cluster import (Cluster, Vm, expect_clean, goes_on, pagers_of,
                     wait_for)
from crash_points import SPIN, CrashCluster, check, under_load

SCENARIOS = {}


def scenario(function):
    SCENARIOS[function.__name__] = function
    return function


def pager_of(host):
    """The pid of the only pager on @host."""
    found = pagers_of(host)
    assert len(found) == 1, found
    # As ps and top have it.
    with open(f"/proc/{found[0]}/comm", encoding="ascii") as f:
        name = f.read()
    assert name == "rcached-pager\n", name
    return found[0]


def verdict(c, name):
    return c.call(c.requester.path(name), "status")["verdict"]


def state(c, name):
    vms = c.call(c.requester.path(name), "vms")
    return vms[0]["state"] if vms else "none"


def replaced(c, vm, pager):
    """Another pager serves the VM, and it is said why."""
    log = c.requester.processes["rcached"].log
    with open(log, errors="replace") as f:
        said = f.read()
    return (f"pager {pager} has said nothing for " in said and
            state(c, "admin.sock") == "attached" and
            pagers_of(c.requester) not in ([], [pager]))


@scenario
def pager_stuck(build):
    """A pager that is there and does nothing is replaced; its guest goes on,
    and nobody hears more of it."""
    with CrashCluster(build) as c:
        vm = under_load(c, 1)
        pager = pager_of(c.requester)
        os.kill(pager, signal.SIGSTOP)
        wait_for("the pager that is stopped to be replaced",
                 lambda: replaced(c, vm, pager), 30)
        goes_on(vm)
        c.order.arm("fetching", how=SPIN)
        wait_for("a pager to spin", c.order.victim, 30)
        wait_for("the pager that spins to be replaced",
                 lambda: replaced(c, vm, c.order.victim()), 30)
        check(c, vm)
        for name in ("admin.sock", "arbiter.sock"):
            wait_for("nothing to be wrong any more",
                     lambda n=name: "stuck" not in verdict(c, n) and
                     state(c, n) == "attached", 30)
        expect_clean(vm.quit())
        c.shut_down()


# For one who may not have a ring as large as a pager's (1024 entries).
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_FILTER = 38, 22, 2
IO_URING_SETUP, RING_ENTRIES, EPERM = 425, 1024, 1


def forbid_large_rings():
    """A seccomp filter: io_uring_setup() with so many entries is refused."""
    code = [(0x20, 0, 0, 0),                    # the call's number
            (0x15, 0, 3, IO_URING_SETUP),
            (0x20, 0, 0, 16),                   # its first argument
            (0x15, 0, 1, RING_ENTRIES),
            (0x06, 0, 0, 0x00050000 | EPERM),   # an error
            (0x06, 0, 0, 0x7fff0000)]           # allowed
    rules = ctypes.create_string_buffer(
        b"".join(struct.pack("=HBBI", *rule) for rule in code))
    program = struct.pack("@HP", len(code), ctypes.addressof(rules))
    libc = ctypes.CDLL(None, use_errno=True)
    for args in ((PR_SET_NO_NEW_PRIVS, 1, 0),
                 (PR_SET_SECCOMP, SECCOMP_FILTER,
                  ctypes.create_string_buffer(program))):
        if libc.prctl(*args, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl")


class NoRingsForPagers(Cluster):
    def start_requester(self):
        host = self.requester
        process = host.start("rcached", [
            self.program("rcached"), "--run-dir", host.run,
            "--host", host.name, "--listen", host.at(9470),
            *host.security("host"), "--lend", "0", *self.arbiter],
            in_child=forbid_large_rings)
        self.wait_socket(process, host.path("admin.sock"))
        return process


@scenario
def pager_cannot_start(build):
    """The VMM hears why there is no pager; the daemon has said it before."""
    if platform.machine() != "x86_64":
        print("skipped: the filter knows this machine's numbers only")
        return
    with NoRingsForPagers(build, providers=0) as c:
        daemon = c.requester.processes["rcached"]
        assert "no VMs can be managed here: io_uring" in daemon.tail()
        vm = Vm(c.requester, mem=64, local_max=32, seconds=600)
        refused = vm.line(60)["refused"]
        assert "io_uring" in refused, refused
        vm.popen.wait(60)
        c.shut_down()
    ask_pager_itself(os.path.join(build, "rcached", "rcached"))


def ask_pager_itself(program):
    """One that is started all the same answers HELLO, and says it twice."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    words_in, words_out = os.pipe()
    ours.settimeout(60)
    ours.send(b"a HELLO that nobody reads")
    popen = subprocess.Popen(
        [program, "--pager", f"--vmm-fd={theirs.fileno()}",
         f"--words-fd={words_out}", "--link=/nonexistent", "--host=here"],
        pass_fds=[theirs.fileno(), words_out], preexec_fn=forbid_large_rings)
    theirs.close()
    os.close(words_out)
    answer, said = ours.recv(4096), os.read(words_in, 4096)
    assert popen.wait(60) == 1
    assert b"its pager cannot start: io_uring" in answer, answer
    assert said.startswith(b"io_uring: Operation not permitted"), said
    ours.close()
    os.close(words_in)
