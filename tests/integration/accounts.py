# SPDX-License-Identifier: GPL-2.0-or-later
"""accounts: what the VM, its pager and the providers count is the same.

The guest touches its memory, then stands still; then what one side says must
be what the other side has.
"""
import concurrent.futures
import json
import os
import re
import signal
import subprocess
import time

from cluster import (Cluster, MIB, Vm, expect_clean, expect_within, wait_for)

PAGE = 4096
PARTS = ("unmanaged", "untouched", "hot", "zapped", "cached", "remote",
         "zero", "lost")
ACCOUNTS = PARTS + ("guest", "resident", "memfd", "evicted_pages")


def filled(c, mem, local_max, **options):
    """A VM that stands still, with all of its memory touched and local_max
    of it here.

    On a busy machine it may have touched everything before its pager has begun
    or has a lease: all of it is here then, and goes while the VM stands still.
    """
    vm = Vm(c.requester, mem=mem, local_max=local_max, seconds=600, threads=4,
            write_percent=100, pattern="sweep", **options)
    wait_for("every page to be touched",
             lambda: vm.stats()["visits"] > 2 * mem * MIB // PAGE, 60)
    vm.call("hold")

    def has_gone():
        stats = vm.stats()      # all zeros before the first report
        return stats["guest"] and not stats["unmanaged"] and \
            stats["resident"] <= local_max * MIB
    wait_for("what is above local-max to go", has_gone, 60)
    return vm


def settled(c, vm):
    """(what providers store, the VM's figures), both standing still.

    They are taken when some looks in a row saw the same and the sides agree;
    or after half a minute as they are, for the caller to find out why not.
    """
    end = time.monotonic() + 30
    last, same = None, 0
    while True:
        stored, stats = c.stored(), vm.stats()
        now = [stored] + [stats[name] for name in ACCOUNTS]
        same = same + 1 if now == last and stats["remote"] == stored else 0
        if same == 4 or time.monotonic() > end:
            return stored, stats
        last = now
        time.sleep(0.2)         # two of the pager's reports


def evict_value(build):
    """EVICT reports what the providers confirm, to the byte."""
    with Cluster(build) as c:
        vm = filled(c, 128, 112, size=100)
        before, _ = settled(c, vm)
        for what in (f"evict {8 * MIB}", f"evict {3 * MIB + 5 * PAGE}",
                     f"evict-to {60 * MIB}"):
            answer = vm.call(what)
            after, stats = settled(c, vm)
            assert answer["status"] == 0, (what, answer)
            assert answer["value"] == after - before, (what, answer, before,
                                                       after)
            assert stats["remote"] == after, (what, stats, after)
            before = after
        assert stats["memfd"] <= 60 * MIB, stats
        # More than may be away: some goes, and the answer says how much.
        answer = vm.call(f"evict {128 * MIB}")
        after, stats = settled(c, vm)
        assert answer["status"] < 0 and answer["text"], answer
        assert "size is reached: 100 MiB" in answer["text"], answer
        assert "remote-cache-resize" in answer["text"], answer
        assert answer["value"] == after - before, (answer, before, after)
        vm.call("go")
        expect_clean(vm.quit())
        c.shut_down()


def rcachectl(c, *args, check=0):
    """What it prints, asked at the arbiter's socket."""
    argv = [os.path.join(c.build, "arbiter", "rcachectl"),
            f"--socket={c.requester.path('arbiter.sock')}", *args]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=150,
                          check=False)
    assert done.returncode == check, (args, done)
    return done.stderr if check else done.stdout


def evict_by_arbiter(build):
    """It passes the command on, and says what the host has said."""
    with Cluster(build) as c:
        vm = filled(c, 64, 56, size=64, name="web")
        before, _ = settled(c, vm)
        wait_for("the arbiter to know of it", lambda: "web" in rcachectl(
            c, "vms"), 30)
        said = json.loads(rcachectl(c, "--json", "evict", "web", "8M"))
        after, _ = settled(c, vm)
        assert said["host"] == "requester" and said["text"] == "", said
        assert said["evicted_bytes"] == after - before >= 8 * MIB, (
            said, before, after)
        assert rcachectl(c, "evict", "web", "64K").startswith("web: ")
        assert "no host reports" in rcachectl(c, "evict", "db", "1M", check=1)
        assert "bytes is 0" in rcachectl(c, "evict", "web", "0", check=1)
        other = Vm(c.requester, number=2, mem=48, local_max=24, size=48,
                   seconds=600, threads=1, name="web")
        wait_for("both to be known", lambda: len(json.loads(rcachectl(
            c, "--json", "vms"))) == 2, 30)
        assert "by its uuid" in rcachectl(c, "evict", "web", "1M", check=4)
        wait_for("what can go", lambda: other.stats()["evicted_pages"], 30)
        uuid = next(v["uuid"] for v in json.loads(rcachectl(
            c, "--json", "vms")) if v["guest_bytes"] == 48 * MIB)
        said = json.loads(rcachectl(c, "--json", "evict", uuid, "64K"))
        assert said["evicted_bytes"] >= 64 << 10, said
        vm.call("go")
        expect_clean(vm.quit())
        expect_clean(other.quit())
        c.shut_down()


def started_elsewhere(c, vm):
    """The VM's host is dead, and it is started on a provider: it is one VM,
    which can be evicted there."""
    arbiter = c.requester.path("arbiter.sock")
    vm.popen.kill()
    vm.popen.wait()
    again = Vm(c.providers[0], number=1, mem=48, local_max=40, size=48,
               seconds=600, threads=1, name="web")

    def found():
        return {(v["host"], v["state"], v["elsewhere"])
                for v in c.call(arbiter, "vms")}
    wait_for("the VM to be where it is", lambda: found() == {
        ("requester", "host dead", "provider0"),
        ("provider0", "attached", None)}, 60)
    status = c.call(arbiter, "status")
    assert status["vms"] == 1, status
    assert status["guest_bytes"] == 48 * MIB, status
    assert sum(h["vms"] for h in c.call(arbiter, "hosts")) == 1
    assert rcachectl(c, "metrics").count("rcache_vm_guest_bytes{") == 1
    uuid = c.call(arbiter, "vms")[0]["uuid"]
    wait_for("what can go", lambda: again.stats()["evicted_pages"], 60)
    for name in ("web", uuid):
        said = json.loads(rcachectl(c, "--json", "evict", name, "64K"))
        assert said["host"] == "provider0", said
    again.popen.kill()
    again.popen.wait()


def evict_unanswered(build):
    """The VM's host goes while it is at it: the operator is told; and finds
    the VM where it is started then."""
    with Cluster(build) as c:
        vm = filled(c, 64, 48, name="web")
        wait_for("the arbiter to know of it", lambda: "web" in rcachectl(
            c, "vms"), 30)
        rcached = c.requester.processes["rcached"].popen
        rcached.send_signal(signal.SIGSTOP)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            said = pool.submit(rcachectl, c, "evict", "web", "8M", check=1)
            time.sleep(0.5)     # either way it must be told
            rcached.kill()
            assert "web" in said.result(60), said.result()
        rcached.wait()
        started_elsewhere(c, vm)
        c.start_requester()
        c.shut_down()


def discards_free_slots(build):
    """What the guest gives up is freed at the providers, all of it."""
    with Cluster(build) as c:
        vm = filled(c, 96, 32)
        stored, stats = settled(c, vm)
        assert stored == stats["remote"] > 48 * MIB, (stored, stats)
        answer = vm.call("discard-all")
        assert answer["pages"] > 96 * MIB // PAGE - 100, answer
        wait_for("the providers to store nothing but a few",
                 lambda: c.stored() < 100 * PAGE, 20)
        stored, stats = settled(c, vm)
        assert stored == stats["remote"], (stored, stats)
        assert stats["zero"] > 95 * MIB, stats
        assert stats["memfd"] < MIB, stats
        vm.call("go")
        expect_clean(vm.quit())
        c.shut_down()


def figures_add_up(build):
    """The parts of guest memory are the whole, and are what is stored."""
    with Cluster(build) as c:
        vm = filled(c, 96, 32, zero_percent=30, blocks=3)
        stored, stats = settled(c, vm)
        parts = sum(stats[name] for name in PARTS)
        assert parts == stats["guest"] == 96 * MIB, stats
        assert stats["remote"] == stored, (stored, stats)
        assert stats["resident"] == stats["hot"] + stats["zapped"], stats
        assert stats["memfd"] == stats["resident"], stats
        assert stats["zero"] > 16 * MIB, stats
        admin = c.requester.path("admin.sock")
        # The agent has it from the pager's next report.
        wait_for("the agent to say what the providers store",
                 lambda: c.call(admin, "vms")[0]["remote_bytes"] == stored, 30)
        counts_go_on(c, vm)
        vm.call("go")
        expect_clean(vm.quit())
        c.shut_down()


def counts_go_on(c, vm):
    """A new pager counts on from where the dead one was."""
    counts = ("evicted_pages", "zero_evicted_pages", "faults_zero",
              "faults_minor", "faults_remote")
    before = vm.stats()
    assert before["evicted_pages"] > 0 and before["zero_evicted_pages"] > 0
    attaches = before["attaches"]
    c.kill_pager()
    wait_for("the next pager", lambda: vm.stats()["attaches"] > attaches, 20)
    settled(c, vm)
    after = vm.stats()
    for name in counts:
        assert after[name] >= before[name], (name, before, after)


def attach_table(build):
    """What a killed pager may have left: each row comes to what it must."""
    with Cluster(build) as c:
        vm = filled(c, 64, 32, size=60)
        answer = vm.call(f"evict-to {24 * MIB}")    # nothing is to go now
        assert answer["status"] == 0, answer
        settled(c, vm)
        answer = vm.call("attach-table", 30)
        assert answer == {"pages": 27 * 3, "wrong": 0}, (answer,
                                                         vm.last_words())
        stored, stats = settled(c, vm)
        assert stats["lost"] == 4 * 3 * PAGE, stats
        assert stats["remote"] == stored, (stored, stats)
        vm.call("go")
        result = vm.quit()
        expect_clean(result, lost=4 * 3)
        c.shut_down()


def blocks(build):
    """RAM in several blocks, side by side; pagers die meanwhile."""
    with Cluster(build) as c:
        vm = Vm(c.requester, mem=97, blocks=5, local_max=32, seconds=600,
                threads=6, discard_permille=20)
        wait_for("evictions", lambda: vm.stats()["evicted_pages"] > 1000)
        c.kill_pagers(vm, 6, 4000)
        result = vm.quit()
        expect_clean(result)
        expect_within(result, 32 * MIB)
        c.shut_down()


def lease_refused(build):
    """Providers that lend nothing: said so, and the guest goes on."""
    with Cluster(build, provider=("--lend", "0")) as c:
        vm = Vm(c.requester, mem=64, local_max=24, seconds=600, threads=4)
        wait_for("the guest to touch everything",
                 lambda: vm.stats()["memfd"] > 60 * MIB, 40)
        wait_for("the reason to be said", lambda: "stretched (" in
                 vm.said() and "lend" in vm.said(), 20)
        expect_clean(vm.quit())
        c.shut_down()


def provider_loses_all(build):
    """Its bytes are gone with it: the guest waits, and is told why."""
    with Cluster(build, providers=1) as c:
        vm = filled(c, 64, 24)
        stored, _ = settled(c, vm)
        assert stored > 32 * MIB
        process = c.providers[0].processes["rcached"]
        process.popen.kill()
        process.popen.wait()
        vm.call("go")
        wait_for("the guest to wait",
                 lambda: vm.stats()["oldest_wait_ns"] > 2e9, 20)
        c.start_provider(c.providers[0])
        wait_for("the loss to be told",
                 lambda: "has lost lease" in vm.said(), 20)
        time.sleep(2)           # and then it still waits
        stats = vm.stats()
        assert stats["waiting_pages"] > 0, stats
        assert stats["waiting_for"] == "a page that is lost", stats
        assert stats["hopeless"] == stats["waiting_pages"], stats
        assert stats["lost"] > 32 * MIB and stats["remote"] < MIB, stats
        # Once for each.
        told = re.findall("has lost lease ([0-9a-f]+)", vm.said())
        assert len(told) == len(set(told)), told
        assert "MISMATCH" not in vm.said()
        vm.popen.kill()
        vm.popen.wait()
        c.shut_down()


def lost_and_given_up(build):
    """What is lost is so in its word: a new pager knows it, the leases are
    gone, and a guest that gives the pages up can use them again."""
    with Cluster(build, providers=1) as c:
        vm = filled(c, 64, 24)
        stored, _ = settled(c, vm)
        assert stored > 32 * MIB
        process = c.providers[0].processes["rcached"]
        process.popen.kill()
        process.popen.wait()
        c.start_provider(c.providers[0])

        def all_lost():
            stats = vm.stats()
            assert sum(stats[name] for name in PARTS) == stats["guest"], stats
            # The bytes of markers were here already: those pages come home.
            # A little more may have gone to what the provider lends now.
            return stored - MIB < stats["lost"] <= stored and \
                stats["remote"] < MIB

        def told():
            return c.call(c.requester.path("admin.sock"),
                          "vms")[0]["providers"]

        wait_for("all of it to be lost", all_lost, 30)
        lost = vm.stats()["lost"]
        wait_for("the provider to be told", lambda: [
            p for p in told() if p["host"] == "provider0" and
            p["lost_bytes"] == lost and p["stored_bytes"] < MIB], 30)
        c.kill_pagers(vm, 1, 0)
        wait_for("the next pager to know it",
                 lambda: all_lost() and vm.stats()["lost"] == lost, 30)
        vms = c.call(c.requester.path("admin.sock"), "vms")
        assert vms[0]["lost_bytes"] == lost, vms
        events = vm.said().count("has lost lease")
        vm.call("discard-all")
        wait_for("nothing to be lost", lambda: vm.stats()["lost"] == 0, 30)
        vm.call("go")
        wait_for("the guest to be away again", lambda: c.stored() > 32 * MIB,
                 60)
        expect_clean(vm.quit(), lost=events)
        c.shut_down()


def held(c):
    return sum(c.status(h)["leased_bytes"] for h in c.providers)


def lease_life(build):
    """How long a lease lasts is known from its claim on."""
    with Cluster(build) as c:
        vm = Vm(c.requester, mem=96, local_max=32, seconds=600, threads=2,
                pattern="sweep")
        while vm.stats()["remote"] < 48 * MIB:
            problems = c.status(c.requester)["problems"]
            assert "not being renewed" not in str(problems), problems
        expect_clean(vm.quit())
        c.shut_down()


def no_more_than_needed(build):
    """Leased in steps, ahead of need; what is not used any more goes back."""
    with Cluster(build, slab="1M") as c:
        conf = os.path.join(c.dir, "requester.conf")
        with open(conf, "w") as f:
            f.write("[pager]\nkeep-unused = 1s\n")
        c.requester.processes["rcached"].stop(20)
        c.requester_options = ["--config", conf]
        c.start_requester()
        wait_for("the arbiter to know it again", c.all_known, 30)
        vm = Vm(c.requester, mem=96, local_max=32, size=512, seconds=600,
                threads=2, pattern="sweep")
        wait_for("most of it to be away",
                 lambda: vm.stats()["remote"] > 48 * MIB, 60)
        # A sixteenth of size is held ready beyond what is away or leaving,
        # and a quarter more is let be: what a burst asked for beyond that
        # goes back.  Never is more than the guest's 96M away or leaving.
        wait_for("no more to be leased than is needed",
                 lambda: held(c) <= (96 + 32) * 5 // 4 * MIB, 60)
        assert held(c) >= c.stored(), (held(c), c.stored())
        before = held(c)
        answer = vm.call(f"resize {512 * MIB} {96 * MIB}")
        assert answer["status"] == 0, answer
        # The guest's own visits bring it all home.
        wait_for("the rest to go back", lambda: held(c) <= 60 * MIB, 60)
        assert 32 * MIB <= held(c) < before, (held(c), before)
        answer = vm.call(f"resize {512 * MIB} {32 * MIB}")
        assert answer["status"] == 0, answer
        wait_for("it to be away again",
                 lambda: vm.stats()["remote"] > 48 * MIB, 60)
        expect_clean(vm.quit())
        c.shut_down()


SCENARIOS = {f.__name__: f for f in (
    attach_table, evict_value, evict_by_arbiter, evict_unanswered,
    discards_free_slots, figures_add_up, blocks,
    lease_life, lease_refused, lost_and_given_up, no_more_than_needed,
    provider_loses_all)}
