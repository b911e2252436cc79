# SPDX-License-Identifier: GPL-2.0-or-later
"""lifecycle: packages on a host that lends and has a VM: installed, upgraded,
refused to be removed, removed and purged.

usage: lifecycle.py BUILD PACKAGES NEXT-PACKAGES

For a machine on which they are not installed and of which nothing is needed any
more (tests/packages/fresh-steps); the host itself is one with a systemd of its
own on top of that.  BUILD has programs for the other host and the fake VMM.
"""
import contextlib
import glob
import os
import sys
import time

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
sys.path.insert(0, os.path.join(TOP, "tests", "integration"))
from cluster import (Cluster, LabError, MIB, Vm, expect_clean,  # noqa: E402
                     goes_on, wait_for)
import machine  # noqa: E402

FAKE_VMM = machine.SBIN + "/fake-vmm"
QEMU_USER = 64055
ADMIN = "/run/rcached/admin.sock"
EXPORTER = "rcache-exporter@rcached"
DROP_IN = "/etc/rcached/rcached.conf.d"
PACKAGES = ("rcached", "rcache-arbiter", "rcache-exporter", "rcachectl")
# Of the system, whatever packages do; and copies that those who add users make.
NOT_OURS = ("/run/systemd", "/run/log", "/run/dbus", "/run/user", "/run/mount",
            "/var/log", "/var/tmp", "/var/lib/dpkg", "/var/lib/systemd/catalog",
            "/var/cache/debconf", "/var/cache/ldconfig", "/etc/passwd-",
            "/etc/group-", "/etc/shadow-", "/etc/gshadow-", "/etc/.pwd.lock",
            machine.LOG)


class PackagedMachine(machine.Machine):
    """Nothing of rcached is there but a configuration for later."""

    def put_files(self, conf):
        self.put(DROP_IN + "/lab.conf", conf)
        self.put("/etc/systemd/system/rcached.service.d/lab.conf",
                 f"[Service]\nStandardError=append:{machine.LOG}\n")
        # As udev makes it.
        with open("/etc/group", encoding="utf-8") as f:
            groups = f.read()
        if "\nkvm:" not in groups:
            self.put("/etc/group", groups + f"kvm:x:{self.kvm}:\n")
        self.put_program(os.path.join(self.host.lab.build, "tests", "fakes",
                                      "fake-vmm"), "fake-vmm")

    def policy(self, status):
        """What policy-rc.d says of all services; the machine below may forbid
        that any is started."""
        self.run("sh", "-c", f"printf '#!/bin/sh\\nexit {status}\\n' "
                 ">/usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d")

    def dpkg(self, *argv):
        """What it has said, after "ok" or "failed"."""
        return self.run("sh", "-c", 'if DEBIAN_FRONTEND=noninteractive '
                        'PATH=$PATH:/usr/sbin:/sbin dpkg "$@" </dev/null '
                        '2>&1; then echo ok; else echo failed; fi', "sh",
                        *argv, seconds=300)

    def install(self, folder):
        said = self.dpkg("-i", *sorted(glob.glob(folder + "/*.deb")))
        assert said.endswith("ok\n"), said
        return said

    def files(self):
        """All that could be left over: paths."""
        found = self.run("find", "/etc", "/etc/systemd/system", "/run", "/var",
                         "/usr/libexec", "/usr/sbin", "-xdev")
        return {path for path in found.splitlines()
                if not path.startswith(NOT_OURS)}

    def accounts(self):
        return {(kind, line.split(":")[0]) for kind in ("passwd", "group")
                for line in self.run("getent", kind).splitlines()}

    def unit(self, what, name="rcached"):
        return self.systemctl(what, name + ".service", check=False).strip()


class MachineVm(Vm):
    """As libvirt starts QEMU: of a user in kvm."""

    def command(self):
        m = self.host.lab.machine
        kvm = m.run("getent", "group", "kvm").split(":")[2]
        return [*m.enter(), "setpriv", f"--reuid={QEMU_USER}",
                f"--regid={kvm}", "--clear-groups", FAKE_VMM,
                "--socket=/run/rcached/vmm.sock"]


class PackagedCluster(Cluster):
    """The requester is a host with packages, and lends as well."""

    machine = None
    packages = None

    def start_requester(self):
        host = self.requester
        m = self.machine = PackagedMachine(host, f"""
[host]
name = {host.name}
tls = none
[provider]
listen = {host.at(9470)}
reserve = 512M
slab-size = {self.slab}
[agent]
arbiters = {self.arbiter[1]}
""")
        m.policy(0)
        self.before = m.files(), m.accounts()
        m.install(self.packages)
        return m.process

    def here(self):
        return self.call(self.machine.path(ADMIN), "status")

    def clean(self):
        if self.machine:
            self.machine.kill()
        super().clean()


@contextlib.contextmanager
def step(text):
    start = time.monotonic()
    print(f"packages: {text}", flush=True)
    yield
    print(f"packages: {text}: {time.monotonic() - start:.1f} s", flush=True)


def run_of(m):
    return m.show("InvocationID"), m.show("MainPID")


def run_of_exporter(m):
    return m.systemctl("show", "--property=InvocationID", EXPORTER)


def pagers(m):
    """The pids of the machine's pagers."""
    path = os.path.join(m.cgroup, "system.slice", "rcached.service",
                        "cgroup.procs")
    found = set()
    with open(path, encoding="ascii") as f:
        for pid in f.read().split():
            with contextlib.suppress(FileNotFoundError), \
                    open(f"/proc/{pid}/comm", encoding="utf-8") as comm:
                if comm.read().strip() == "rcached-pager":
                    found.add(pid)
    return found


def check_installed(c):
    m = c.machine
    for name in ("rcached", "arbiter"):
        assert m.unit("is-enabled", name) == "enabled", name
        assert m.unit("is-active", name) == "active", (name, m.said())
    assert "kvm" in m.run("id", "--groups", "--name", "rcached").split()
    assert m.run("stat", "-c", "%G %a", "/run/rcached/vmm.sock") == \
        "kvm 660\n"
    # Off until somebody wants it.
    assert m.unit("is-active", EXPORTER) == "inactive", m.said()
    m.systemctl("enable", "--now", EXPORTER)
    # As an operator asks.
    assert c.requester.name in m.run("rcachectl", "--socket=" + ADMIN, "hosts")


def protocol(c):
    """The highest version that the packaged daemon speaks: its release."""
    one, = c.call(c.requester.path("arbiter.sock"), "hosts",
                  host=c.requester.name)
    return one["protocol_version"]


def wait_protocol(c, version):
    wait_for("the arbiter to hear of the other release",
             lambda: protocol(c) == version, 30)


def check_upgraded(c, vms, release, before, old_pagers):
    """Another daemon and another pager, and nothing was lost or moved."""
    m = c.machine
    assert run_of(m) != before, m.said()
    wait_protocol(c, release)
    status = c.here()
    assert status["stored_bytes"] > 0, (status, m.said())
    assert not pagers(m) & old_pagers, m.said()
    assert "has to leave first" not in m.said(), m.said()
    for vm in vms:
        goes_on(vm)


def upgrade(c, vms, following):
    m = c.machine
    before, old = run_of(m), pagers(m)
    with step("an upgrade that the machine's policy forbids to restart"):
        m.policy(101)
        m.install(following)
        assert run_of(m) == before and pagers(m) == old, m.said()
        m.policy(0)
    with step("an upgrade of a host that lends and has a VM"):
        exporter = run_of_exporter(m)
        m.install(following)
        check_upgraded(c, vms, 2, before, old)
        assert m.unit("is-active", EXPORTER) == "active", m.said()
        assert run_of_exporter(m) != exporter, m.said()


def downgrade(c, vms, packages):
    """The new files do not accept what is configured; then they do."""
    m = c.machine
    before, old = run_of(m), pagers(m)
    with step("a configuration that the installed program does not accept"):
        bad = m.path(DROP_IN + "/bad.conf")
        with open(bad, "w", encoding="ascii") as f:
            f.write("[host]\nnmae = x\n")
        said = m.install(packages)
        assert "unknown key 'nmae'" in said, said
        assert "the former daemon goes on" in said, said
        assert run_of(m) == before and pagers(m) == old, m.said()
        os.remove(bad)
        m.run("rcachectl", "--socket=" + ADMIN, "upgrade", c.requester.name)
        check_upgraded(c, vms, 1, before, old)


def refused(c, words):
    m = c.machine
    before, old = run_of(m), pagers(m)
    said = m.dpkg("--remove", "rcached")
    assert said.endswith("failed\n") and words in said, said
    assert run_of(m) == before and pagers(m) == old, m.said()
    assert m.unit("is-active") == "active", m.said()


def remove(c, own, other):
    m = c.machine
    with step("no removal while there are VMs or lent memory"):
        refused(c, "the pagers of these VMs again: vm1")
        expect_clean(own.quit())
        wait_for("the VM's pager to end", lambda: not pagers(m), 60)
        refused(c, "bytes of other hosts' VMs are stored here")
        expect_clean(other.quit())
        wait_for("what was lent to be free",
                 lambda: not c.here()["stored_bytes"], 60)
    with step("a removal"):
        said = m.dpkg("--remove", *PACKAGES)
        assert said.endswith("ok\n"), said
        # Systemd forgets a unit whose file is gone.
        assert m.unit("is-active") == "inactive", m.said()
        assert "are lost" not in m.said(), m.said()
        left = m.files()
        for conf in ("rcached.conf", "arbiter.conf", "exporter.conf"):
            assert f"/etc/rcached/{conf}" in left, left
        assert "/usr/sbin/rcached" not in left, left


def purge(c):
    m = c.machine
    files, accounts = c.before
    with step("a purge"):
        said = m.dpkg("--purge", *PACKAGES)
        assert said.endswith("ok\n"), said
        left = m.files() - files
        assert not left, sorted(left)
        gone = files - m.files()
        assert not gone, sorted(gone)
        # debian/rcached.postrm says why.
        assert m.accounts() - accounts == {
            (kind, name) for kind in ("passwd", "group")
            for name in ("rcached", "rcache-exporter")}
        running = m.run("sh", "-c", "cat /proc/[0-9]*/comm").split()
        assert not {p for p in running if p.startswith(("rcache", "arbiter"))}


def main():
    build, packages, following = map(os.path.abspath, sys.argv[1:4])
    why = machine.why_not()
    if why:
        print(f"skipped: {why}")
        return 77
    PackagedCluster.packages = packages
    with PackagedCluster(build, providers=1) as c:
        lender, = c.providers
        with step("installed"):
            check_installed(c)
            own = MachineVm(c.requester, number=1, mem=64, local_max=16,
                            seconds=900, threads=2)
            other = Vm(lender, number=2, mem=64, local_max=16, seconds=900,
                       threads=2)
            wait_for("pages to go", lambda: c.stored() > 8 * MIB, 60)
            wait_for("pages to come",
                     lambda: c.here()["stored_bytes"] > 8 * MIB, 60)
        upgrade(c, (own, other), following)
        downgrade(c, (own, other), packages)
        remove(c, own, other)
        purge(c)
        assert "CRITICAL" not in c.machine.said(), c.machine.said()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LabError as error:
        sys.exit(f"FAILED: {error}")
