# SPDX-License-Identifier: GPL-2.0-or-later
"""lab: several hosts on one machine, for the demo and the tests.

A Lab owns network namespaces joined by a bridge, one for each host, daemons
in them, and a folder for their sockets and logs.  Leaving its "with" block
ends every process it started, by pid, and removes all it made, whatever
happened inside.  Addresses are 10.213.N.0/24, inside the namespaces only.
"""
import contextlib
import ctypes
import glob
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time


class LabError(Exception):
    """Something the lab needs did not come about."""


def run(*argv, lines=None):
    """What it prints; @lines: what it reads."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False,
                          input=lines and "\n".join(lines))
    if done.returncode:
        raise LabError(f"{' '.join(argv)}: {done.stderr.strip()}")
    return done.stdout


def ip_batch(netns, *lines):
    """Several commands in one process: to start it costs more than they do."""
    run("ip", "-n", netns, "-batch", "-", lines=lines)


def die_with_parent():
    """In a child: be killed when the lab's process is.  Signals that wait in
    the lab (signals_later) are for the lab alone."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


# What ends a lab as Ctrl-C does.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def signals_later():
    """A signal waits until the block is left: what is made inside is noted
    as made before a signal can end the lab."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# Limits are what a quiet machine needs with room to spare; a busy one gets
# more.  Who passes does not wait, so that this costs only failures.
PATIENCE = 4
FOLDER = "rcached-lab-"
# An address that each host has for itself, as 127.0.0.1 is: a proxy is there
# for another host.  Unlike loopback it is one that hosts may be told of.
EACH_HOSTS = "192.0.2.1"


def wait_for(what, check, seconds=10.0, pause=None):
    """Return check()'s first true value, or raise LabError in time.

    @pause: seconds between two looks; None: a twentieth of the time that it has
    taken so far, as looking costs something, too
    """
    seconds *= PATIENCE
    began = time.monotonic()
    while True:
        value = check()
        if value:
            return value
        took = time.monotonic() - began
        if took > seconds:
            raise LabError(f"timed out after {seconds:g} s: {what}")
        time.sleep(pause or min(max(took / 20, 0.05), 0.5))


def threads_of(pid):
    """What each thread of a process does, for whoever asks why it hangs."""
    text = ""
    for tid in sorted(os.listdir(f"/proc/{pid}/task"), key=int):
        text += f"thread {tid}"
        for name in ("comm", "wchan", "stack"):
            try:
                with open(f"/proc/{pid}/task/{tid}/{name}",
                          errors="replace") as f:
                    text += f" {f.read().strip()}"
            except OSError as e:        # it has ended, or may not be read
                text += f" ({name}: {e.strerror})"
        text += "\n"
    if shutil.which("gdb"):
        done = subprocess.run(
            ["timeout", "60", "gdb", "-p", str(pid), "-batch", "-ex",
             "thread apply all backtrace 24"], stdin=subprocess.DEVNULL,
            capture_output=True, text=True, errors="replace", check=False)
        text += done.stdout
    return text


def files_of(pid):
    """(path, what it leads to) of each descriptor of a process, without those
    that are closed meanwhile."""
    folder = f"/proc/{pid}/fd"
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        try:
            yield path, os.readlink(path)
        except FileNotFoundError:
            pass


class Process:
    """A child with its output in a log file."""

    def __init__(self, name, argv, log, in_child=None, **popen):
        def before_exec():
            die_with_parent()
            if in_child:
                in_child()

        self.name = name
        self.log = log
        with open(log, "ab") as out:
            self.popen = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                preexec_fn=before_exec, **popen)

    @property
    def pid(self):
        return self.popen.pid

    def alive(self):
        return self.popen.poll() is None

    def stop(self, seconds=5.0, tell=False):
        """SIGTERM, then SIGKILL; the exit status.  With @tell its log has
        what it was doing when it had to be killed."""
        if self.alive():
            self.popen.terminate()
            try:
                self.popen.wait(seconds)
            except subprocess.TimeoutExpired:
                if tell:
                    with open(self.log, "a", encoding="utf-8") as log:
                        log.write(f"not ended {seconds:g} s after SIGTERM:\n"
                                  f"{threads_of(self.pid)}")
                self.popen.kill()
        return self.popen.wait()

    def tail(self, lines=15):
        with open(self.log, errors="replace") as f:
            return "".join(f.readlines()[-lines:])


class JsonSocket:
    """A unix socket with one JSON object a line, as QMP and admin sockets.

    @patience: for so many seconds nobody may listen yet
    """

    def __init__(self, path, timeout=10.0, patience=0.0):
        if patience:
            self.sock = wait_for(
                f"somebody to listen at {path}",
                lambda: self.connected(path, timeout), patience)
        else:
            self.sock = self.connection(path, timeout)
        self.rest = b""
        self.events = []

    @staticmethod
    def connection(path, timeout):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(timeout)
        try:
            sock.connect(path)
        except OSError:
            sock.close()
            raise
        return sock

    def connected(self, path, timeout):
        try:
            return self.connection(path, timeout)
        except (FileNotFoundError, ConnectionRefusedError):
            return None

    def close(self):
        self.sock.close()

    def line(self):
        while b"\n" not in self.rest:
            data = self.sock.recv(65536)
            if not data:
                raise LabError("the connection ended")
            self.rest += data
        line, self.rest = self.rest.split(b"\n", 1)
        return json.loads(line)

    def call(self, execute, **arguments):
        """The "return" of a command; LabError with its error."""
        request = {"execute": execute}
        if arguments:
            request["arguments"] = {k.replace("_", "-"): v
                                    for k, v in arguments.items()}
        self.sock.sendall(json.dumps(request).encode() + b"\n")
        while True:
            answer = self.line()
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise LabError(f"{execute}: {answer['error']['desc']}")
            if "event" in answer:
                self.events.append(answer)

    def job_end(self, name, seconds=180, look=None):
        """QMP: a job's end: what query-jobs says of it.  Meanwhile @look is
        called now and then."""
        end = time.monotonic() + seconds
        while True:
            job, = [j for j in self.call("query-jobs") if j["id"] == name]
            if job["status"] == "concluded":
                self.call("job-dismiss", id=name)
                return job
            if time.monotonic() > end:
                raise LabError(f"the job {name} does not end: {job}")
            if look:
                look()
            time.sleep(0.05)

    def job(self, execute, look=None, partly=False, **arguments):
        """QMP: a command of an object that starts a job, to its end; the
        bytes of its progress.  LabError if it fails; with @partly only if
        nothing has come of it."""
        self.call(execute, **arguments)
        job = self.job_end(arguments.get("job_id", arguments["id"]),
                           look=look)
        if "error" in job and not (partly and job["current-progress"]):
            raise LabError(f"{execute}: {job['error']}")
        return job["current-progress"]


class Qmp(JsonSocket):
    def __init__(self, path, timeout=60.0):
        super().__init__(path, timeout, patience=20)
        self.line()
        self.call("qmp_capabilities")


class Authority:
    """Signs certificates for the hosts of a lab, as rcachectl pki does."""

    def __init__(self, lab):
        self.folder = os.path.join(lab.dir, "ca")
        self.program = lab.program("rcachectl")
        self.pki("init")

    def pki(self, *args):
        return run(self.program, "--directory", self.folder, "pki", *args)

    def issue(self, host, role="host", valid="30d", names=()):
        """A new certificate into the host's folder for that role, where its
        daemon finds it; the folder."""
        self.pki("issue", host.name, *names, "--role", role, "--valid", valid)
        to = host.path(f"pki-{role}")
        shutil.copytree(os.path.join(self.folder, "hosts", host.name), to,
                        dirs_exist_ok=True)
        return to

    def revoke(self, name, hosts):
        """And tell it to the folders of these hosts."""
        self.pki("revoke", name)
        for host in hosts:
            for folder in glob.glob(host.path("pki-*")):
                shutil.copy(os.path.join(self.folder, "ca-crl.pem"), folder)


class Host:
    """One host: a namespace, a run folder, its daemons."""

    def __init__(self, lab, name, number):
        self.lab = lab
        self.name = name
        self.netns = f"{lab.prefix}{number}"
        self.address = (f"fd21:3:{lab.net:x}::{number:x}" if lab.ipv6
                        else f"10.213.{lab.net}.{number}")
        # What "ip netns exec" does, but /sys stays what it is.
        self.enter = ["nsenter", f"--net=/run/netns/{self.netns}"]
        self.cgroup = None
        self.run = os.path.join(lab.dir, name)
        os.mkdir(self.run, 0o700)
        self.processes = {}
        self.programs = {}      # paths of those that are not the build's own

    def program(self, name):
        return self.programs.get(name) or self.lab.program(name)

    def at(self, port):
        """That port of this host, as options take it."""
        return (f"[{self.address}]:{port}" if self.lab.ipv6
                else f"{self.address}:{port}")

    def start(self, name, argv, in_child=None, **popen):
        def place():
            if self.cgroup:
                self.cgroup.join()
            if in_child:
                in_child()

        popen["in_child"] = place
        with signals_later():
            process = Process(
                f"{self.name}/{name}", self.enter + argv,
                os.path.join(self.lab.dir, f"{self.name}-{name}.log"),
                **popen)
            self.processes[name] = process
            self.lab.processes.append(process)
        return process

    def path(self, name):
        return os.path.join(self.run, name)

    def admin(self):
        return JsonSocket(self.path("admin.sock"))

    def security(self, role):
        """What a daemon is told about TLS."""
        if not self.lab.tls:
            return ["--tls", "none"]
        folder = self.path(f"pki-{role}")
        if not os.path.exists(folder):
            self.lab.authority().issue(self, role)
        return ["--tls-directory", folder]

    def start_arbiter(self, *options, heartbeat_ms=500):
        process = self.start("arbiter", [
            self.program("arbiter"), "--listen", self.at(9471),
            *(["--name", self.name] if self.lab.tls else []),
            *self.security("arbiter"),
            "--admin-socket", self.path("arbiter.sock"),
            "--heartbeat", str(heartbeat_ms), *options])
        self.lab.wait_socket(process, self.path("arbiter.sock"))
        return process

    def start_rcached(self, *options):
        process = self.start("rcached", [
            self.program("rcached"), "--run-dir", self.run,
            "--host", self.name, "--listen", self.at(9470),
            *self.security("host"), *options])
        self.lab.wait_socket(process, self.path("admin.sock"))
        return process


def end_by_signal(number, frame):
    """As with Ctrl-C: what has been made is taken away on the way out."""
    raise KeyboardInterrupt


def sweep():
    """Take away what labs have left that were killed: each name has the pid
    of its owner."""
    there = os.path.isdir("/run/netns")
    for name in os.listdir("/run/netns") if there else ():
        owner = re.fullmatch(r"rc(\d+)n(br|\d+)", name)
        if owner and not os.path.exists(f"/proc/{owner[1]}"):
            try:
                Lab.end_netns(name)
            except LabError:
                pass            # another lab was faster
    for name in os.listdir(tempfile.gettempdir()):
        owner = re.fullmatch(FOLDER + r"(\d+)-\w+", name)
        if owner and not os.path.exists(f"/proc/{owner[1]}"):
            shutil.rmtree(os.path.join(tempfile.gettempdir(), name),
                          ignore_errors=True)


class Lab:
    """See the head of the file."""

    def __init__(self, build, keep=False, ipv6=False, tls=None):
        """@tls: whether the hosts speak it; None: as RCACHED_TEST_TLS says"""
        self.build = os.path.abspath(build)
        self.ipv6 = ipv6
        self.keep = keep
        self.tls = bool(os.environ.get("RCACHED_TEST_TLS")) if tls is None \
            else tls
        self.signer = None
        self.hosts = {}
        self.processes = []
        self.net = os.getpid() % 200 + 20
        self.prefix = f"rc{os.getpid()}n"
        self.bridge = f"{self.prefix}br"
        self.dir = None
        self.handlers = {}

    def __enter__(self):
        sweep()
        self.handlers = {n: signal.getsignal(n) for n in SIGNALS}
        try:
            for number in SIGNALS:
                signal.signal(number, end_by_signal)
            # What is kept is not for other labs to sweep away.
            kept = "kept-" if self.keep else ""
            with signals_later():
                self.dir = tempfile.mkdtemp(
                    prefix=f"{FOLDER}{kept}{os.getpid()}-")
            run("ip", "netns", "add", self.bridge)
            ip_batch(self.bridge, "link add br0 type bridge",
                     "link set br0 up")
        except BaseException:
            self.clean()
            raise
        return self

    def __exit__(self, kind, value, trace):
        self.clean()

    def program(self, name):
        folder = {"arbiter": "arbiter", "rcache-exporter": "arbiter",
                  "rcachectl": "arbiter", "rcached": "rcached"}[name]
        return os.path.join(self.build, folder, name)

    def authority(self):
        if not self.signer:
            self.signer = Authority(self)
        return self.signer

    def add_host(self, name):
        number = len(self.hosts) + 1
        host = Host(self, name, number)
        self.hosts[name] = host     # before it is there: so it goes as well
        run("ip", "netns", "add", host.netns)
        ip_batch(self.bridge,
                 f"link add h{number} type veth peer name eth0 netns "
                 f"{host.netns}", f"link set h{number} master br0 up")
        ip_batch(host.netns,
                 f"addr add {host.address}"
                 f"{'/64 dev eth0 nodad' if self.ipv6 else '/24 dev eth0'}",
                 "link set eth0 up", "link set lo up",
                 f"addr add {EACH_HOSTS}/32 dev lo")
        return host

    def wait_socket(self, process, path):
        """Until somebody listens there; the log's end if the process ends."""
        def there():
            if not process.alive():
                raise LabError(f"{process.name} ended:\n{process.tail()}")
            try:
                JsonSocket(path).close()
                return True
            except OSError:
                return False
        wait_for(f"{process.name} to listen on {path}", there)

    def break_off(self):
        """End all daemons as they are: what they owe each other nobody looks
        at any more, and each would take seconds over it."""
        for process in self.processes:
            if process.alive():
                process.popen.kill()

    def clean(self):
        # A second signal must not stop this.
        for number in self.handlers:
            signal.signal(number, signal.SIG_IGN)
        try:
            self.take_away()
        finally:
            for number, handler in self.handlers.items():
                signal.signal(number, handler)

    def take_away(self):
        for process in reversed(self.processes):
            process.stop()
        for host in self.hosts.values():
            self.end_netns(host.netns)
        self.end_netns(self.bridge)
        if self.dir and not self.keep:
            shutil.rmtree(self.dir, ignore_errors=True)

    @staticmethod
    def end_netns(name):
        """What still runs in a namespace of ours is a pager: end it too."""
        if not os.path.exists(f"/run/netns/{name}"):
            return
        for _ in range(20):
            pids = run("ip", "netns", "pids", name).split()
            if not pids:
                break
            for pid in pids:
                try:
                    os.kill(int(pid), signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.1)
        subprocess.run(["ip", "netns", "del", name], check=False)


# What costs a kernel a quarter of its boot under TCG, and is of no use there.
QUICK = "mitigations=off nokaslr init_on_alloc=0 cryptomgr.notests"


class Guest:
    """A patched QEMU with the guest that verifies its memory."""

    def __init__(self, host, qemu, kernel, initrd, memory, remote_cache,
                 append="", extra=()):
        self.host = host
        self.status = {}
        self.longest_us = 0     # of its visits, since somebody made it 0
        self.mismatch_lines = []
        self.rest = b""
        self.console = host.path("console.sock")
        self.process = host.start("qemu", [
            qemu, "-name", "demo", "-L", "/usr/share/seabios", "-L",
            "/usr/share/qemu", "-accel", "tcg", "-m", memory, "-nodefaults",
            "-display", "none", "-no-reboot", "-kernel", kernel,
            "-initrd", initrd, "-append",
            f"console=ttyS0 quiet panic=-1 {QUICK} {append}",
            "-chardev", f"socket,id=con,path={self.console},server=on,"
            "wait=off", "-serial", "chardev:con",
            "-device", "virtio-balloon-pci,id=balloon0",
            "-qmp", f"unix:{host.path('qmp.sock')},server=on,wait=off",
            *(("-object", remote_cache) if remote_cache else ()), *extra])
        self.connect()

    def connect(self):
        def there():
            if not self.process.alive():
                raise LabError(f"QEMU ended:\n{self.process.tail()}")
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                sock.connect(self.console)
                return sock
            except OSError:
                sock.close()
                return None
        self.sock = wait_for("QEMU's console", there, 20)
        self.sock.setblocking(False)

    def qmp(self):
        return Qmp(self.host.path("qmp.sock"))

    def poll(self):
        """Read the console; self.status has the guest's last line."""
        while select.select([self.sock], [], [], 0)[0]:
            data = self.sock.recv(65536)
            if not data:
                break
            self.rest += data
        *lines, self.rest = self.rest.split(b"\n")
        for line in lines:
            text = line.decode(errors="replace").strip()
            if text.startswith("RCACHE state="):
                words = dict(w.split("=", 1) for w in text.split()[1:])
                self.status = {k: int(v) if v.isdigit() else v
                               for k, v in words.items()}
                self.longest_us = max(self.longest_us,
                                      self.status.get("recent_us", 0))
            elif text.startswith("RCACHE mismatch"):
                self.mismatch_lines.append(text)
        return self.status
