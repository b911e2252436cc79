# SPDX-License-Identifier: GPL-2.0-or-later
"""guarded: rcached.service with all that its unit forbids, and a VM.

Scenarios for scenarios.py, which runs them.
"""
import os
import re
import subprocess

from cluster import Cluster, MIB, Vm, expect_clean, goes_on, wait_for
import machine  # after cluster, which knows where it is
from alerts import FETCH

SCENARIOS = {}
KVM, QEMU_USER, OTHER_USER = 992, 64055, 64056
FAKE_VMM = machine.SBIN + "/fake-vmm"
# Of /proc/PID/status, for each process of the unit.
GUARDS = {"Uid": "991\t991\t991\t991", "CapEff": "0" * 16, "CapBnd": "0" * 16,
          "NoNewPrivs": "1", "Seccomp": "2"}


def scenario(function):
    SCENARIOS[function.__name__] = function
    return function


class GuardedVm(Vm):
    """One in the machine, as libvirt starts QEMU: of a user in kvm, and with
    a /dev in which there is no userfaultfd."""

    def command(self):
        m = self.host.lab.machine
        return [*m.enter(), "unshare", "--mount", "sh", "-c",
                "mount -t tmpfs tmpfs /dev && exec setpriv "
                f"--reuid={QEMU_USER} --regid={KVM} --clear-groups "
                f'{FAKE_VMM} "$@"', "sh", "--socket=/run/rcached/vmm.sock"]


class GuardedCluster(Cluster):
    """The requester's daemon is a service of a machine with systemd."""

    kind = machine.Machine
    machine = None
    more = ""                   # for its configuration

    def start_requester(self):
        host = self.requester
        machine.skip_without()
        self.machine = self.kind(host, f"""
[host]
name = {host.name}
tls = none
[provider]
listen = {host.at(9470)}
lend = 0
[agent]
arbiters = {self.arbiter[1]}
{self.more}""", kvm=KVM)
        self.machine.put_program(
            os.path.join(self.build, "tests", "fakes", "fake-vmm"),
            "fake-vmm")
        self.machine.systemctl("start", "rcached.service")
        return self.machine.process

    def clean(self):
        if self.machine:
            self.machine.kill()
        super().clean()


def processes(m, service="rcached.service"):
    """{name: [pid]} of the service, as they are called here."""
    found = {}
    path = os.path.join(m.cgroup, "system.slice", service, "cgroup.procs")
    with open(path) as f:
        for pid in f.read().split():
            with open(f"/proc/{pid}/comm") as comm:
                found.setdefault(comm.read().strip(), []).append(int(pid))
    return found


def check_status(pid, guards):
    with open(f"/proc/{pid}/status") as f:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in f
                      if ":\t" in line)
    for name, value in guards.items():
        assert status[name] == value, (name, status[name])


def check_guards(pid):
    check_status(pid, GUARDS)
    # The kernel gives root what nobody may look at.
    with open(f"/proc/{pid}/exe", "rb") as f:
        if b"__asan_init" not in f.read():
            assert os.stat(f"/proc/{pid}/mem").st_uid == 0
    # Of devices it has what every program wants, and the one.
    devices = set(os.listdir(f"/proc/{pid}/root/dev"))
    assert "userfaultfd" in devices and "tty" in devices, devices
    assert not devices & {"mem", "kmsg", "kvm", "fuse"}, devices


def check_priority(pager):
    """A PID 1 that may not raise limits (in a container) cannot allow it."""
    with open(f"/proc/{pager}/limits") as f:
        soft, = [int(line.split()[3]) for line in f
                 if line.startswith("Max nice priority")]
    nice = os.getpriority(os.PRIO_PROCESS, pager)
    assert nice == (-10 if soft >= 30 else 0), (nice, soft)


def check_socket(m):
    """Whoever is in kvm may connect, and nobody else."""
    st = os.stat(m.path("/run/rcached/vmm.sock"))
    assert st.st_gid == KVM and st.st_mode & 0o7777 == 0o660, st
    for group, word in ((KVM, "connected"), (OTHER_USER, "Permission denied")):
        said = m.run("setpriv", f"--reuid={OTHER_USER}", f"--regid={group}",
                     "--clear-groups", "python3", "-c",
                     "import socket\n"
                     "s = socket.socket(socket.AF_UNIX, "
                     "socket.SOCK_SEQPACKET)\n"
                     "try:\n s.connect('/run/rcached/vmm.sock')\n"
                     " print('connected')\n"
                     "except OSError as e:\n print(e)")
        assert word in said, (group, said)


@scenario
def systemd_guards_its_vms(build):
    """
    Under the unit, which forbids it nearly everything, rcached serves a VM of
    another user: opens the device for it, pages it out and back, outlives a
    restart, and knows whose the VM is.
    """
    with GuardedCluster(build, providers=1) as c:
        m = c.machine
        vm = GuardedVm(c.requester, mem=64, local_max=16, seconds=600,
                       threads=2)
        wait_for("pages to go", lambda: c.stored() > 8 * MIB, 60)
        goes_on(vm)
        found = processes(m)
        pager, = found["rcached-pager"]
        check_guards(found["rcached"][0])
        check_guards(pager)
        check_priority(pager)
        check_socket(m)
        m.systemctl("restart", "rcached.service")
        goes_on(vm)
        admin = m.path("/run/rcached/admin.sock")
        wait_for("the next daemon", lambda: os.path.exists(admin), 30)
        one, = c.call(admin, "vms")
        assert one["vmm_uid"] == QEMU_USER and one["vmm_pid"], one
        assert "CRITICAL" not in m.said(), m.said()
        expect_clean(vm.quit())
        m.kill()
        c.shut_down()


# ------------------------------------------------------------- the exporter

EXPORTER_USER = 990
EXPORTER = "rcache-exporter@rcached.service"
PORT = 9472


class ExportingMachine(machine.Machine):
    """And the unit of rcache-exporter, whose log is the journal."""

    users = {"rcached": 991, "rcache-exporter": EXPORTER_USER}

    def put_files(self, conf):
        super().put_files(conf)
        unit = os.path.join(machine.TOP, "dist", "rcache-exporter@.service")
        with open(unit) as f:
            self.put("/etc/systemd/system/rcache-exporter@.service",
                     f.read().replace("@sbindir@", machine.SBIN))
        self.put("/etc/systemd/system/rcache-exporter@.service.d/lab.conf",
                 "[Service]\nEnvironment=ASAN_OPTIONS=detect_leaks=0\n")
        name = "rcached.catalog"
        with open(os.path.join(machine.TOP, "dist", name)) as f:
            self.put(f"/usr/lib/systemd/catalog/{name}", f.read())
        self.put_program(self.host.lab.program("rcache-exporter"),
                         "rcache-exporter")


class ExportingCluster(GuardedCluster):
    kind = ExportingMachine
    more = "[admin]\nread-group = rcache-exporter\n"


def is_up(c):
    """What the exporter says of rcached; None if it says nothing."""
    done = subprocess.run(
        [*c.requester.enter, "python3", "-c", FETCH], text=True,
        input=f"http://127.0.0.1:{PORT}/metrics\n", capture_output=True,
        timeout=120)
    up = re.search(r'^rcache_up{daemon="rcached"} (\d)$', done.stdout,
                   re.MULTILINE)
    return up and int(up[1])


@scenario
def systemd_exports_figures(build):
    """
    Under its unit rcache-exporter is let in by read-group, and answers; when
    rcached is stopped it says so, in the journal too, with the number and the
    field that the catalogue goes by.
    """
    with ExportingCluster(build, providers=1) as c:
        m = c.machine
        m.systemctl("start", EXPORTER)
        wait_for("figures", lambda: is_up(c) == 1, 30)
        pid, = [pid for pids in processes(
            m, f"system-rcache\\x2dexporter.slice/{EXPORTER}").values()
                for pid in pids]
        check_status(pid, dict(GUARDS, Uid="\t".join(4 * [
            str(EXPORTER_USER)])))
        m.systemctl("stop", "rcached.service")
        wait_for("rcached to be missed", lambda: is_up(c) == 0, 30)
        with open(os.path.join(machine.TOP, "common", "log-event.h")) as f:
            number, = re.findall(r'LOG_NO_FIGURES +"(\w+)"', f.read())
        m.run("journalctl", "--update-catalog")
        said = wait_for("the line in the journal", lambda: m.run(
            "journalctl", "--no-pager", "-x", f"MESSAGE_ID={number}",
            "RCACHED_DAEMON=rcached", check=False), 30)
        assert "rcached gives no figures: " in said, said
        assert "Subject: rcache-exporter has no figures of rcached" in said, \
            said
        m.systemctl("start", "rcached.service")
        wait_for("figures again", lambda: is_up(c) == 1, 30)
        m.kill()
        c.shut_down()
