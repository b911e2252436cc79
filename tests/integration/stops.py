# SPDX-License-Identifier: GPL-2.0-or-later
"""stops: a lender whose service ends: nobody loses what it has lent.

Scenarios for scenarios.py, which runs them.
"""
import os
import subprocess
import time

from cluster import Cluster, MIB, Vm, expect_clean, goes_on, wait_for
from giveback import drain
import machine  # after cluster, which knows where it is

SCENARIOS = {}


def scenario(function):
    SCENARIOS[function.__name__] = function
    return function


def store(c, host, least=8 * MIB):
    wait_for(f"{host.name} to store something",
             lambda: c.status(host)["stored_bytes"] > least, 60)


class MachineCluster(Cluster):
    """The first provider is a machine with systemd."""

    machine = None

    def start_provider(self, host):
        if host is not self.providers[0]:
            return super().start_provider(host)
        machine.skip_without()
        self.machine = machine.Machine(host, f"""
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
        return self.start_service()

    def start_service(self):
        self.machine.systemctl("start", "rcached.service")
        return self.machine.process

    def status(self, host):
        if self.machine and host is self.machine.host:
            return self.call(self.machine.path("/run/rcached/admin.sock"),
                             "status")
        return super().status(host)

    def clean(self):
        if self.machine:
            self.machine.kill()
        super().clean()


def run_of(m):
    """Which run of the service it is."""
    return m.show("InvocationID"), m.show("MainPID")


def wait_taken_over(c, m, lender, before):
    """The next daemon runs and has what the one before had lent."""
    wait_for("the next daemon", lambda: m.show("ActiveState") == "active" and
             run_of(m) != before, 30)
    wait_for("its socket", lambda: answers(c, lender), 30)
    status = c.status(lender)
    assert status["stored_bytes"] > 0, (status, m.said())


def next_program(c):
    """A build that also speaks the next version of the protocol."""
    return os.path.join(c.build, "tests", "integration", "rcached-next")


def protocol_version(c, host):
    host, = c.call(c.requester.path("arbiter.sock"), "hosts", host=host.name)
    return host["protocol_version"]


def upgrade(c, socket, host):
    """By the operator's command: how it ended."""
    return subprocess.run(
        [c.program("rcachectl"), f"--socket={socket}", "upgrade", host.name],
        capture_output=True, text=True, timeout=150, check=False)


def upgraded(c, socket, host):
    done = upgrade(c, socket, host)
    assert done.returncode == 0, done
    assert "of the installed build" in done.stdout, done


def answers(c, host):
    try:
        return c.status(host)
    except OSError:
        return None


def start_guest(m):
    """As Proxmox VE's service, which ends guests; that takes a moment."""
    m.run("systemd-run", "--slice=machine.slice", "--unit=pve-guests",
          "--property=ExecStop=/bin/sh -c 'sleep 1; echo the guest has ended "
          f">>{machine.LOG}'", "sleep", "infinity")


@scenario
def systemd_stops(build):
    """
    systemd restarts, stops and starts a lender, and reboots its host: before
    a restart nothing leaves, before an end all does, and the guest goes on.
    """
    with MachineCluster(build) as c:
        m, lender = c.machine, c.providers[0]
        vm = Vm(c.requester, mem=128, local_max=32, seconds=600, threads=4,
                pattern="sweep")
        store(c, lender)
        # A restart keeps what is lent, and so does a crash; with another
        # program in its place too: an upgrade, and a downgrade.
        before = run_of(m)
        m.put_program(next_program(c))
        m.systemctl("restart", "rcached.service")
        wait_taken_over(c, m, lender, before)
        wait_for("the arbiter to hear of the upgrade",
                 lambda: protocol_version(c, lender) == 2, 30)
        before = run_of(m)
        m.put_program(c.program("rcached"))
        m.systemctl("kill", "--signal=KILL", "--kill-who=main",
                    "rcached.service")
        wait_taken_over(c, m, lender, before)
        wait_for("the arbiter to hear of the downgrade",
                 lambda: protocol_version(c, lender) == 1, 30)
        said = m.said()
        assert said.count("took over") == 2, said
        assert "has to leave first" not in said, said
        goes_on(vm)
        # By an operator at the arbiter, and back at the host itself.
        at_arbiter = c.requester.path("arbiter.sock")
        m.put_program(next_program(c))
        upgraded(c, at_arbiter, lender)
        assert c.status(lender)["stored_bytes"] > 0, m.said()
        assert protocol_version(c, lender) == 2, m.said()
        m.put_program(c.program("rcached"))
        upgraded(c, m.path("/run/rcached/admin.sock"), lender)
        assert c.status(lender)["stored_bytes"] > 0, m.said()
        m.put_program(next_program(c))
        # That one has no service manager; and nobody has the last one.
        done = upgrade(c, at_arbiter, c.providers[1])
        assert done.returncode == 4, done
        assert "provider1: no service manager" in done.stderr, done
        done = upgrade(c, c.providers[1].path("admin.sock"), lender)
        assert done.returncode == 1 and "this is host" in done.stderr, done
        # A stop is the end, and so is a reboot.
        m.systemctl("stop", "rcached.service")
        said = m.said()
        assert m.show("Result") == "success", said
        assert "told to end: what is lent" in said, said
        assert "are lost" not in said, said
        goes_on(vm)
        m.systemctl("start", "rcached.service")
        # Somebody has to bring it something again.
        drain(c, c.providers[1])
        store(c, lender, 64 * MIB)
        drain(c, c.providers[1], undo=True)
        start_guest(m)
        m.said()                # it can be read from now on
        m.systemctl("reboot")
        m.wait_end()
        said = m.said()
        assert "about to shut down: what is lent" in said, said[-4000:]
        assert "are lost" not in said, said
        assert 0 < said.find("the guest has ended") < \
            said.rfind("rcached is stopping"), said[-4000:]
        goes_on(vm, 5000)
        expect_clean(vm.quit())
        c.shut_down()


def stop_timeout(c, text):
    """
    Options of a provider that waits so long, and has a spill file to which all
    that is asked back could go by then.
    """
    conf = os.path.join(c.dir, "provider.conf")
    with open(conf, "w") as f:
        f.write(f"[agent]\ndeadline = 1s\n[provider]\nstop-timeout = {text}\n")
    return ["--config", conf, "--spill-dir", c.build, "--spill-size", "256M"]


@scenario
def told_to_end(build):
    """A lender with no service manager is told to end: all leaves first."""
    with Cluster(build) as c:
        old, new = c.providers
        vm = Vm(c.requester, mem=128, local_max=32, seconds=600, threads=4,
                pattern="sweep")
        store(c, old)
        process = old.processes["rcached"]
        assert process.stop(120) == 0, process.tail()
        assert "has to leave first" in process.tail(40), process.tail(40)
        store(c, new, 64 * MIB)
        goes_on(vm, 5000)
        expect_clean(vm.quit())
        c.shut_down()


@scenario
def told_to_end_in_vain(build):
    """
    Nobody takes what it has lent: who loses what is named before it is lost,
    and the exit status says so; told twice, it ends at once.  The spill file
    would end as well, so that nothing is written to it.
    """
    for timeout, signals in (("3s", 1), ("10min", 2)):
        with Cluster(build, providers=1) as c:
            old, = c.providers
            process = old.processes["rcached"]
            process.stop()
            c.provider_options = stop_timeout(c, timeout)
            process = c.start_provider(old)
            wait_for("the arbiter to know it again", c.all_known, 30)
            vm = Vm(c.requester, mem=128, local_max=32, seconds=600,
                    threads=2, pattern="sweep")
            store(c, old, 64 * MIB)
            process.popen.terminate()
            time.sleep(1.5)     # by when the disk would have been written
            status = c.status(old)
            assert not status["spilled_bytes"], status
            if signals > 1:
                process.popen.terminate()
            assert process.popen.wait(60) == 1, process.tail()
            said = process.tail(20)
            assert "of vm vm1 on host requester are lost" in said, said
            # The VM's pager would wait a minute for it to take leases back.
            c.start_provider(old)
            vm.popen.kill()
            vm.popen.wait()
            c.shut_down()
