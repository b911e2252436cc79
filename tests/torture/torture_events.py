# SPDX-License-Identifier: GPL-2.0-or-later
"""torture_events: what each kind of event does, from its start to its undoing.

Every one is a task that ends when what it did is undone: the daemon is back,
the way is well, the host lends again.  What must not go wrong meanwhile raises
a LabError; what may be refused is told.
"""
import os
import signal

from torture_lab import LabError, MIB, listening

from tasks import call, until

STOP = 240          # seconds; a stop waits for all that is lent to leave
BACK = 120


class Counts:
    def __init__(self):
        self.kills = 0
        self.cuts = 0
        self.drains = 0


class Events:
    """@rest: seconds → a task that lasts so long, less when the run is over.
    @tell: a line for people."""

    def __init__(self, cluster, guests, rest, tell):
        self.c = cluster
        self.guests = guests
        self.rest = rest
        self.tell = tell
        self.counts = Counts()
        self.killed = set()     # providers that have lost what they had
        self.told = set()       # processes that were told to end

    def run(self, event):
        """A task: @event."""
        name = "do_" + event.kind.replace("-", "_")
        return getattr(self, name, self.do_way)(event)

    # ------------------------------------------------------------ who it is

    def provider(self, event):
        return self.c.providers[int(event.target[len("provider"):])]

    def site(self, event):
        return self.c.sites[int(event.target[len("arbiter"):])]

    def guest(self, event):
        return self.guests[int(event.target[len("vm"):]) % len(self.guests)]

    # ------------------------------------------------------------- daemons

    def expect_alive(self, process):
        if not process.alive():
            raise LabError(f"{process.name} has ended on its own "
                           f"({process.popen.returncode}):\n{process.tail()}")

    def expect_all_alive(self):
        for process in self.c.processes:
            if process not in self.told:
                self.expect_alive(process)

    def kill(self, process):
        self.expect_alive(process)
        self.told.add(process)
        process.popen.kill()
        process.popen.wait()
        self.counts.kills += 1

    def ended(self, process, seconds, good=(0,)):
        """A task: until it has ended after SIGTERM."""
        self.expect_alive(process)
        self.told.add(process)
        process.popen.terminate()
        yield from until(f"{process.name} to end after SIGTERM",
                         lambda: not process.alive(), seconds)
        if process.popen.returncode not in good:
            raise LabError(f"{process.name} ended with "
                           f"{process.popen.returncode}:\n{process.tail()}")

    def provider_back(self, host):
        process = self.c.spawn_provider(host)
        yield from listening(self.c, process, host.path("admin.sock"))

    def requester_back(self):
        host = self.c.requester
        process = self.c.spawn_requester()
        yield from listening(self.c, process, host.path("admin.sock"))

    def arbiter_back(self, site):
        process = self.c.spawn_arbiter(site)
        yield from listening(self.c, process, site.path("arbiter.sock"))

    def frozen(self, process, seconds):
        self.expect_alive(process)
        process.popen.send_signal(signal.SIGSTOP)
        try:
            yield from self.rest(seconds)
        finally:
            process.popen.send_signal(signal.SIGCONT)

    # ----------------------------------------------------------- lane: host

    def do_kill(self, event):
        """Its host has crashed: what it had lent is gone."""
        host = self.provider(event)
        self.kill(host.processes["rcached"])
        host.keeper.forget()
        self.killed.add(host.name)
        yield from self.rest(event.seconds)
        yield from self.provider_back(host)

    def do_crash(self, event):
        """Only the daemon: the next one has what it had lent."""
        host = self.provider(event)
        self.kill(host.processes["rcached"])
        yield from self.rest(event.seconds)
        yield from self.provider_back(host)

    def do_upgrade(self, event):
        host = self.provider(event)
        self.c.switch_build(host, "rcached")
        yield from self.do_crash(event)

    def do_stop(self, event):
        """All that is lent leaves first."""
        host = self.provider(event)
        self.counts.drains += 1
        yield from self.ended(host.processes["rcached"], STOP)
        host.keeper.forget()
        yield from self.rest(event.seconds)
        yield from self.provider_back(host)

    def do_freeze(self, event):
        host = self.provider(event)
        yield from self.frozen(host.processes["rcached"], event.seconds)

    def do_kill_arbiter(self, event):
        site = self.site(event)
        self.kill(site.processes["arbiter"])
        yield from self.rest(event.seconds)
        yield from self.arbiter_back(site)

    def do_upgrade_arbiter(self, event):
        self.c.switch_build(self.site(event), "arbiter")
        yield from self.do_kill_arbiter(event)

    def do_freeze_arbiter(self, event):
        yield from self.frozen(self.site(event).processes["arbiter"],
                               event.seconds)

    # ---------------------------------------------------- the ways, any lane

    def do_way(self, event):
        self.counts.cuts += 1
        self.c.tell_way(event.target, event.lane, event.detail)
        try:
            yield from self.rest(event.seconds)
        finally:
            self.c.tell_way(event.target, event.lane, None)

    def do_cut_arbiter(self, event):
        event.detail = "cut"
        yield from self.do_way(event)

    def do_silent_heartbeats(self, event):
        """Nothing of its heartbeats gets through; pages do."""
        host = self.provider(event)
        self.counts.cuts += 1
        self.c.set_link(host, "down")
        try:
            yield from self.rest(event.seconds)
        finally:
            self.c.set_link(host, "up")

    # -------------------------------------------------------- lane: cluster

    def ask(self, host, execute, seconds=BACK):
        """A task: the answer to a command of @host's own, as soon as there is
        a daemon to give one."""
        def once():
            try:
                return call(host.path("admin.sock"), execute, seconds,
                            host=host.name)
            except OSError:
                return None
        while True:
            asking = yield from until(f"{host.name} to be there", once,
                                      seconds)
            try:
                return (yield from asking)
            except OSError:
                yield           # it has ended since
            except LabError as error:
                if "ended" not in str(error):
                    raise

    def drained(self, hosts, seconds):
        for host in hosts:
            self.counts.drains += 1
            yield from self.ask(host, "drain")
        yield from self.rest(seconds)
        for host in hosts:
            yield from self.ask(host, "undrain")

    def do_drain(self, event):
        yield from self.drained([self.provider(event)], event.seconds)

    def do_drain_all(self, event):
        """Nobody has room: what is asked back goes to the disks."""
        yield from self.drained(self.c.providers, event.seconds)

    def do_disk_full(self, event):
        if not self.c.disk:
            self.tell("disk-full: skipped, FUSE cannot be mounted here")
            return
        self.c.set_disk_full(True)
        try:
            yield from self.drained(self.c.providers, event.seconds)
        finally:
            self.c.set_disk_full(False)

    def do_memory(self, event):
        """A process takes what the host has free, and some of the reserve:
        no faster than a host can see it come."""
        host = self.provider(event)
        hog = self.c.hog(host)
        self.told.add(hog)
        try:
            yield from self.rest(event.seconds)
        finally:
            hog.popen.kill()
            hog.popen.wait()
            self.c.processes.remove(hog)

    # ------------------------------------------------------ lane: requester

    def pager(self, event):
        pids = self.c.pagers()
        return pids[int(event.target[len("vm"):]) % len(pids)] if pids else 0

    def do_kill_pager(self, event):
        pid = self.pager(event)
        if self.send(pid, signal.SIGKILL):
            self.counts.kills += 1
        yield

    def do_freeze_pager(self, event):
        """For longer than 5 s: it is replaced."""
        pid = self.pager(event)
        self.send(pid, signal.SIGSTOP)
        try:
            yield from self.rest(event.seconds)
        finally:
            if pid in self.c.pagers():
                self.send(pid, signal.SIGCONT)

    @staticmethod
    def send(pid, number):
        try:
            if pid:
                os.kill(pid, number)
            return bool(pid)
        except ProcessLookupError:
            return False

    def do_kill_daemon(self, event):
        self.kill(self.c.requester.processes["rcached"])
        yield from self.rest(event.seconds)
        yield from self.requester_back()

    def do_stop_daemon(self, event):
        yield from self.ended(self.c.requester.processes["rcached"], BACK)
        yield from self.rest(event.seconds)
        yield from self.requester_back()

    def do_upgrade_daemon(self, event):
        self.c.switch_build(self.c.requester, "rcached")
        yield from self.do_stop_daemon(event)

    def report(self, event, why):
        if why:
            self.tell(f"{event.kind} of {self.guest(event).name}: {why}")

    def do_resize(self, event):
        guest = self.guest(event)
        guest.local_max = guest.memory // MIB * int(event.detail) // 100 * MIB
        self.report(event, (yield from guest.resize(guest.local_max)))

    def do_home(self, event):
        """All of it, and then away again."""
        guest = self.guest(event)
        self.report(event, (yield from guest.resize(0, size=0)))
        self.report(event, (yield from guest.resize(guest.local_max)))

    def do_evict(self, event):
        guest = self.guest(event)
        bytes_ = guest.local_max // 100 * int(event.detail)
        self.report(event, (yield from guest.evict(bytes_ // 4096 * 4096)))
