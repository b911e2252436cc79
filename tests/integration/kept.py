# SPDX-License-Identifier: GPL-2.0-or-later
"""kept: pages that come back keep their slots (keep-clean=yes).

The guests here mostly read, and verify each page whenever they do: a page that
left without being sent though it had been written is wrong when it comes back.
docs/design.md, "Clean pages", has the rules.
"""
import os
import signal
import subprocess

from cluster import (Cluster, MIB, Vm, expect_clean, expect_within, goes_on,
                     wait_for)
from copies import daemon, kill, two_everywhere
from giveback import drain, wait_empty

SCENARIOS = {}
PAGE = 4096
LEFT = 4000                     # pages that leave without being sent


def scenario(function):
    SCENARIOS[function.__name__] = function
    return function


def kept_told(c, vm):
    for told in c.call(c.requester.path("admin.sock"), "vms"):
        if told["name"] == vm.name and told["left_clean_pages"] is not None:
            return told["kept_bytes"], told["left_clean_pages"]
    return None


class Keeping(Cluster):
    """The pagers of its requester keep slots, or not."""

    says = "yes"

    def start_requester(self):
        conf = os.path.join(self.dir, "keeping.conf")
        with open(conf, "w", encoding="ascii") as f:
            f.write(f"[pager]\nkeep-clean = {self.says}\n")
        self.requester_options = ("--config", conf)
        return super().start_requester()

    def restart_requester(self, keep):
        """The next pagers are of a daemon that says @keep."""
        self.says = keep
        self.requester.processes["rcached"].stop(20)
        self.start_requester()

    def kept(self, vm):
        """What the pager has told of it, a second ago at most: bytes that are
        kept, and pages that have left without being sent.  A pager that has
        just begun has told nothing yet."""
        return wait_for("the pager to tell what it keeps",
                        lambda: kept_told(self, vm), 30)


def reading(c, **options):
    """A guest that reads more than it writes; most of it does not fit here."""
    settings = dict(mem=96, local_max=32, seconds=600, threads=4,
                    write_percent=10)
    settings.update(options)
    return Vm(c.requester, **settings)


def leaves_clean(c, vm, pages=LEFT, seconds=90):
    """Wait until so many more pages have left without being sent."""
    before = c.kept(vm)[1]
    wait_for("pages to leave without being sent",
             lambda: c.kept(vm)[1] > before + pages, seconds)


def adds_up(c, vm, copies=1, seconds=30):
    """Of a guest that stands still: what providers store is what is away and
    what is kept."""
    def same():
        return c.stored() == copies * (vm.stats()["remote"] + c.kept(vm)[0])
    wait_for("what is stored to be what is away and what is kept", same,
             seconds)


def ends_well(c, vm):
    result = vm.quit()
    expect_clean(result)
    expect_within(result, 32 * MIB)
    c.wait_pagers()
    wait_for("nothing to be stored any more", lambda: not c.stored(), 30)
    c.shut_down()


@scenario
def clean_pages_leave_unsent(build):
    """Most pages that leave were only read, and are not sent; the figures add
    up; and all comes home."""
    with Keeping(build) as c:
        vm = reading(c)
        leaves_clean(c, vm)
        before = vm.stats()["evicted_pages"], c.kept(vm)[1]
        leaves_clean(c, vm)
        left = c.kept(vm)[1] - before[1]
        evicted = vm.stats()["evicted_pages"] - before[0]
        assert left > evicted / 2, (left, evicted)
        vm.call("hold")
        adds_up(c, vm)
        assert c.kept(vm)[0] > 0, c.kept(vm)
        vm.call("go")
        result = vm.call("resize 0")
        assert result["status"] == 0, result
        wait_for("all slots to be free", lambda: c.stored() == 0, 60)
        wait_for("none to be kept", lambda: c.kept(vm)[0] == 0, 10)
        expect_clean(vm.quit())
        c.shut_down()


@scenario
def nothing_is_kept_unless_asked_for(build):
    """Without the key, and where QEMU does not have writes tracked."""
    with Cluster(build) as c:
        vm = reading(c)
        goes_on(vm, 8000, 90)
        vm.call("hold")
        wait_for("no slot to be kept",
                 lambda: c.stored() == vm.stats()["remote"], 30)
        assert Keeping.kept(c, vm) == (0, 0), Keeping.kept(c, vm)
        ends_well(c, vm)
    with Keeping(build) as c:
        vm = reading(c, old=True)
        goes_on(vm, 8000, 90)
        assert c.kept(vm) == (0, 0), c.kept(vm)
        assert "keep-clean has no effect" in c.log(c.requester)
        ends_well(c, vm)


@scenario
def pagers_die_with_kept_slots(build):
    """The next pager believes nothing of it, and begins anew (K7)."""
    with Keeping(build) as c:
        vm = reading(c, write_percent=30)
        leaves_clean(c, vm, LEFT // 4)
        c.kill_pagers(vm, 15, 1500)
        leaves_clean(c, vm, LEFT // 4)
        vm.call("hold")
        adds_up(c, vm)
        vm.call("go")
        ends_well(c, vm)


@scenario
def pagers_with_and_without(build):
    """One pager keeps slots and the next does not, again and again."""
    with Keeping(build) as c:
        vm = reading(c, write_percent=30)
        leaves_clean(c, vm, LEFT // 4)
        for keep in ("no", "yes", "no", "yes"):
            c.restart_requester(keep)
            c.kill_pagers(vm, 1, 300)
            goes_on(vm, 5000, 60)
            vm.call("hold")
            adds_up(c, vm)
            assert keep == "yes" or c.kept(vm) == (0, 0), c.kept(vm)
            vm.call("go")
        leaves_clean(c, vm, LEFT // 4)
        ends_well(c, vm)


@scenario
def providers_die_with_kept_slots(build):
    """With two copies: a page leaves for nothing only while both are there."""
    with Keeping(build, providers=3) as c:
        vm = reading(c, copies=2)
        leaves_clean(c, vm, LEFT // 4)
        for host in c.providers[:2]:
            two_everywhere(c, vm)
            kill(host)
            goes_on(vm, 5000, 60)
            assert vm.stats()["lost"] == 0, vm.stats()
            c.start_provider(host)
            two_everywhere(c, vm)
            leaves_clean(c, vm, LEFT // 4)
        vm.call("hold")
        adds_up(c, vm, copies=2)
        vm.call("go")
        ends_well(c, vm)


@scenario
def none_leaves_to_who_is_gone(build):
    """With one copy: the providers are dead when pages are to leave, and nobody
    has noticed.  What was here is here."""
    with Keeping(build) as c:
        vm = reading(c)
        leaves_clean(c, vm, LEFT // 4)
        vm.call("hold")
        adds_up(c, vm)
        away, (kept, left) = vm.stats()["remote"], c.kept(vm)
        assert kept > 0, kept
        for host in c.providers:
            os.kill(daemon(host).popen.pid, signal.SIGSTOP)
        evict = subprocess.Popen(
            [os.path.join(build, "arbiter", "rcachectl"), "--socket",
             c.requester.path("admin.sock"), "evict", vm.name, "16M"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            # They have been asked about, and nobody has answered.
            wait_for("slots not to be believed in",
                     lambda: c.kept(vm)[0] < kept, 30)
            for host in c.providers:
                kill(host)
            assert vm.stats()["remote"] == away, (vm.stats(), away)
            assert c.kept(vm)[1] == left, (c.kept(vm), left)
        finally:
            evict.kill()
            evict.wait()
        for host in c.providers:
            c.start_provider(host)
        wait_for("the loss to be known", lambda: vm.stats()["lost"], 30)
        assert vm.stats()["lost"] <= away, (vm.stats(), away)


@scenario
def slots_are_short(build):
    """Hardly more is lent than has to be away, though more might be: kept slots
    make room, and no dirty page waits until the guest stretches."""
    with Keeping(build, provider=("--lend", "36M")) as c:
        vm = reading(c, size=96, write_percent=50)
        leaves_clean(c, vm, LEFT // 20)
        before = c.log(c.requester).count("local-max is stretched")
        goes_on(vm, 10000, 120)
        leaves_clean(c, vm, LEFT // 20)
        assert c.log(c.requester).count("local-max is stretched") == before
        vm.call("hold")
        adds_up(c, vm)
        vm.call("go")
        ends_well(c, vm)


@scenario
def a_provider_is_drained_of_kept_slots(build):
    """What is only kept there does not move: it is freed."""
    with Keeping(build) as c:
        vm = reading(c)
        leaves_clean(c, vm, LEFT // 4)
        for host in c.providers:
            drain(c, host)
            goes_on(vm, 2000, 60)
            wait_empty(c, host)
            drain(c, host, undo=True)
            leaves_clean(c, vm, LEFT // 10)
        ends_well(c, vm)


@scenario
def kept_slots_go_with_their_pages(build):
    """Pages are discarded wherever they are (K8)."""
    with Keeping(build) as c:
        vm = reading(c, discard_permille=20, zero_percent=10)
        leaves_clean(c, vm, LEFT // 2)
        vm.call("discard-half")
        vm.call("go")
        leaves_clean(c, vm, LEFT // 4)
        vm.call("hold")
        adds_up(c, vm)
        vm.call("discard-all")
        wait_for("all slots to be free", lambda: c.stored() == 0, 30)
        vm.call("go")
        ends_well(c, vm)


@scenario
def kept_slots_and_dma(build):
    """A page that a device writes, behind the page table, is dirty (K2)."""
    with Keeping(build) as c:
        vm = reading(c, dma=True)
        leaves_clean(c, vm, LEFT // 4)
        ends_well(c, vm)
