# SPDX-License-Identifier: GPL-2.0-or-later
"""The scene of the tests with a Linux guest: a requester with a VM, an arbiter
and two providers, each in a network namespace of its own.

A test says what the guest is to do (Scene's append), and watches what it says
on its console: lines that begin with RCACHE.
"""
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "scripts", "lib"))
from lab import Guest, JsonSocket, Lab, LabError, wait_for  # noqa: E402

MIB = 1 << 20
PAGE = 4096
SLACK = 16 * MIB


def skip(why):
    print(f"skipped: {why}")
    sys.exit(77)


def check(good, what):
    if not good:
        raise LabError(f"FAILED: {what}")


def boot_files(*options):
    """The paths of a kernel and an initramfs (make-initramfs has options)."""
    return subprocess.run(
        [os.path.join(HERE, "make-initramfs"), *options], check=True,
        capture_output=True, text=True).stdout.split()[-2:]


class Qmp(JsonSocket):
    """A monitor that can also be asked while it executes a command."""

    def __init__(self, path, timeout=60.0):
        super().__init__(path, timeout, patience=20)
        self.line()
        self.call("qmp_capabilities", enable=["oob"])


class Scene:
    """A requester with a guest that has more remote than local, and two
    providers.

    @guest, @local_max: bytes, or "auto" for @local_max
    @memory: what else -m is to say
    @daemon: more options of the requester's rcached
    @append: for the kernel's command line
    @extra: options of QEMU; a function is called with the scene for them
    @boot: options of make-initramfs
    @lend: bytes that each provider lends, if not as many as the guest has
    @ready: the state in which the guest is when the scene is complete
    """

    def __init__(self, lab, guest=128 * MIB, local_max=32 * MIB, memory="",
                 append="", extra=(), boot=(), ready="run", lend=0,
                 daemon=(), copies=2):
        self.lab = lab
        self.daemon = daemon
        self.size = guest
        self.local_max = local_max
        self.requester = lab.add_host("requester")
        self.providers = [lab.add_host("provider-a"),
                          lab.add_host("provider-b")]
        self.arbiter = f"{self.requester.address}:9471"
        self.requester.start_arbiter()
        for host in self.providers:
            host.start_rcached("--arbiter", self.arbiter, "--slab-size",
                               "16M", "--lend", str(lend or guest), "--reserve",
                               "256M")
        self.start_requester()
        wait_for("the arbiter to know the providers", self.known, 20)
        self.kernel, self.initrd = boot_files(*boot)
        self.memory = f"{guest // MIB}M{memory}"
        self.append = append
        self.extra = extra(self) if callable(extra) else extra
        self.guest = Guest(
            self.requester, os.environ["RCACHED_QEMU"], self.kernel,
            self.initrd, self.memory, f"remote-cache,id=rc0,local-max="
            f"{local_max},copies={copies},"
            f"socket={self.requester.path('vmm.sock')}",
            append=append, extra=self.extra)
        self.qmp = Qmp(self.requester.path("qmp.sock"))
        wait_for(f"the guest's state={ready}",
                 lambda: self.status("state") == ready, 120)

    def start_requester(self):
        self.requester.start_rcached("--arbiter", self.arbiter, "--lend", "0",
                                     "--enable-debug-commands", *self.daemon)

    def known(self):
        admin = self.requester.admin()
        try:
            arbiters = admin.call("status")["arbiters"]
        finally:
            admin.close()
        return all(a["connected"] for a in arbiters)

    def status(self, name):
        """What the guest has said last."""
        if not self.guest.process.alive():
            raise LabError("QEMU ended:\n" + self.guest.process.tail())
        self.guest.poll()
        check(not self.guest.mismatch_lines, self.guest.mismatch_lines)
        return self.guest.status.get(name, 0)

    def vm(self):
        admin = self.requester.admin()
        try:
            vms = admin.call("vms")
        finally:
            admin.close()
        return vms[0] if vms else {"state": "none"}

    def query(self):
        return self.qmp.call("query-remote-cache")[0]

    def states(self):
        """Those that REMOTE_CACHE_STATE_CHANGED has told of until now."""
        self.query()
        return {event["data"]["state"] for event in self.qmp.events
                if event["event"] == "REMOTE_CACHE_STATE_CHANGED"}

    def progress(self, pages=0, seconds=60):
        """Until the guest has verified so many more; else as many as a third
        of its memory has."""
        pages = pages or self.size // PAGE // 3
        start = self.status("verified")
        wait_for(f"the guest to verify {pages} more pages",
                 lambda: self.status("verified") >= start + pages, seconds)

    def is_settled(self):
        """Attached, and most of the guest is elsewhere."""
        info = self.query()
        stats = info.get("stats")
        return (info["attached"] and stats and
                stats["resident"] <= self.local_max + SLACK and
                stats["remote"] >= self.size // 3)

    def stored(self, *hosts):
        """Bytes, at all providers or these."""
        total = 0
        for host in hosts or self.providers:
            admin = host.admin()
            total += admin.call("status")["stored_bytes"]
            admin.close()
        return total

    def evict(self, size):
        """So many bytes, or less.  Where a busy machine lets the guest go over
        its pages before they have gone, none goes: who needs some to have gone
        looks at the figures in the end."""
        try:
            self.qmp.job("remote-cache-evict", partly=True, id="rc0",
                         bytes=size)
        except LabError as error:
            check("the guest is using what is left" in str(error), str(error))

    def kill_pager(self):
        admin = self.requester.admin()
        try:
            return admin.call("debug-kill-pager", vm="demo")["pid"]
        finally:
            admin.close()


def run(cases, **options):
    """The main program of a test: its arguments name the cases, one after the
    other with the same guest.  A case is a function, or one with the options
    of its Scene."""
    if os.geteuid():
        skip("needs root, for network namespaces")
    if not os.environ.get("RCACHED_QEMU"):
        skip("RCACHED_QEMU names no patched QEMU")
    if not set(sys.argv[1:]) & set(cases) or set(sys.argv[1:]) - set(cases):
        sys.exit(f"the cases are: {' '.join(cases)}")
    chosen = []
    for name in sys.argv[1:]:
        case, own = (cases[name] if isinstance(cases[name], tuple)
                     else (cases[name], {}))
        chosen.append(case)
        options.update(own)
    with Lab(os.environ["RCACHED_BUILD"]) as lab:
        try:
            begin = time.monotonic()
            scene = Scene(lab, **options)
            print(f"the guest: ready ({time.monotonic() - begin:.1f} s)",
                  flush=True)
            for case in chosen:
                run_case(scene, case)
        except LabError as error:
            for process in lab.processes:
                print(f"--- {process.name}\n{process.tail()}")
            print(error)
            sys.exit(1)


def run_case(scene, case):
    """It sees no event of an earlier one."""
    begin = time.monotonic()
    scene.states()
    scene.qmp.events.clear()
    case(scene)
    check(scene.status("mismatches") == 0, "mismatches")
    print(f"{case.__name__}: {scene.status('verified')} pages verified, 0 "
          f"wrong ({time.monotonic() - begin:.1f} s)", flush=True)
