# SPDX-License-Identifier: GPL-2.0-or-later
"""scenarios: what happens to guests when things go well, and when not.

usage: scenarios.py BUILD NAME...   (NAME "list" prints all)

Some take words, as crash_points_pages:punched,copied does.

Each scenario is a function; it starts its cluster, and ends it cleanly.
Those of accounts.py and the other modules imported here are among them.
RCACHED_TEST_SCALE makes the big one smaller (a divisor), as scripts/test does.
"""
import os
import random
import select
import socket
import struct
import sys
import time
import traceback

import accounts
import ahead
import alerts
import attacks
import attaches
import auto
import bounds
import busy
import checks
import commands
import contract
import copies
import crash_arbiters
import crash_commands
import crash_points
import crash_providers
import delays
import ends
import failover
import farewells
import giveback
import guarded
import floods
import intruders
import network
import owndisk
import pagers
import secured
import spill
import stops
import told
import upgrades
from cluster import (Cluster, LabError, MIB, Vm, expect_clean, expect_within,
                     wait_for)

SCENARIOS = {**accounts.SCENARIOS, **ahead.SCENARIOS,
             **alerts.SCENARIOS,
             **attacks.SCENARIOS,
             **attaches.SCENARIOS, **auto.SCENARIOS,
             **bounds.SCENARIOS, **busy.SCENARIOS, **checks.SCENARIOS,
             **commands.SCENARIOS, **contract.SCENARIOS,
             **copies.SCENARIOS, **crash_arbiters.SCENARIOS,
             **farewells.SCENARIOS,
             **crash_commands.SCENARIOS, **crash_points.SCENARIOS,
             **crash_providers.SCENARIOS, **delays.SCENARIOS,
             **ends.SCENARIOS,
             **failover.SCENARIOS, **giveback.SCENARIOS, **guarded.SCENARIOS,
             **floods.SCENARIOS, **intruders.SCENARIOS,
             **network.SCENARIOS, **owndisk.SCENARIOS, **pagers.SCENARIOS,
             **secured.SCENARIOS, **spill.SCENARIOS, **stops.SCENARIOS,
             **told.SCENARIOS, **upgrades.SCENARIOS}


def scenario(function):
    SCENARIOS[function.__name__] = function
    return function


# ------------------------------------------------------------ things go well

@scenario
def smoke(build):
    with Cluster(build) as c:
        vm = Vm(c.requester, mem=96, local_max=32, seconds=4, threads=2)
        result = vm.result()
        expect_clean(result)
        expect_within(result, 32 * MIB)
        assert result["resident_max"] > 0, "nothing was evicted"
        c.shut_down()


@scenario
def evict_and_fetch(build):
    """8 threads, half of the visits write, every page away at least once."""
    with Cluster(build) as c:
        vm = Vm(c.requester, mem=256, local_max=64, seconds=5, threads=8,
                pattern="sweep", until_evicted=1, most_seconds=300)
        result = vm.result(150)
        expect_clean(result)
        expect_within(result, 64 * MIB)
        assert result["least_evicted"] >= 1, result
        c.shut_down()


@scenario
def both_providers_store(build):
    with Cluster(build) as c:
        vm = Vm(c.requester, mem=192, local_max=48, seconds=60, threads=2,
                pattern="sweep")
        wait_for("64M away", lambda: c.stored() > 64 * MIB, 40)
        each = [c.status(h)["stored_bytes"] for h in c.providers]
        assert min(each) >= 0.3 * sum(each), each
        vms = c.call(c.requester.path("arbiter.sock"), "vms")
        assert vms and vms[0]["guest_bytes"] == 192 * MIB, vms
        leases = c.call(c.requester.path("arbiter.sock"), "leases")
        assert len(leases) >= 2, leases
        expect_clean(vm.quit())
        c.wait_pagers()
        wait_for("leases to be given back",
                 lambda: sum(c.status(h)["leased_bytes"]
                             for h in c.providers) == 0, 10)
        c.shut_down()


@scenario
def zero_pages_stay_here(build):
    """Pages of zeros are not sent, whatever else goes."""
    with Cluster(build) as c:
        vm = Vm(c.requester, mem=128, local_max=32, seconds=60, threads=4,
                zero_percent=60, pattern="sweep")
        wait_for("zero pages evicted",
                 lambda: vm.stats()["zero_evicted_pages"] > 5000, 40)
        assert c.stored() <= 0.45 * 128 * MIB, c.stored()
        expect_clean(vm.quit())
        c.shut_down()


@scenario
def evict_command(build):
    """What EVICT reports is what the providers confirm."""
    with Cluster(build) as c:
        vm = Vm(c.requester, mem=128, local_max=96, seconds=600, threads=0)
        writer = Vm(c.requester, number=2, mem=96, local_max=64, seconds=4,
                    threads=4)
        expect_clean(writer.result())
        before = c.stored_settled()
        answer = vm.call(f"evict {16 * MIB}")
        # Nothing was ever touched there: nothing can go.
        assert answer["status"] != 0 and answer["value"] == 0, answer
        assert c.stored_settled() == before
        vm.quit()
        c.shut_down()


@scenario
def evict_command_counts(build):
    with Cluster(build) as c:
        vm = Vm(c.requester, mem=128, local_max=96, seconds=600, threads=2,
                hot=1, write_percent=100)
        wait_for("64M touched", lambda: vm.stats()["memfd"] > 64 * MIB, 60)
        for _ in range(3):
            answer = vm.call(f"evict {8 * MIB}")
            assert answer["status"] == 0, answer
            assert answer["value"] >= 8 * MIB, answer
        wait_for("the figures to agree",
                 lambda: vm.stats()["evicted_pages"] * 4096 >= 24 * MIB, 5)
        expect_clean(vm.quit())
        c.shut_down()


@scenario
def resize(build):
    """Down, up, home: each is reached, or refused and nothing changes."""
    with Cluster(build) as c:
        vm = Vm(c.requester, mem=128, local_max=96, seconds=600, threads=4,
                pattern="sweep")
        wait_for("evictions", lambda: vm.stats()["evicted_pages"] > 1000, 40)
        answer = vm.call(f"resize {96 * MIB} {32 * MIB}")
        assert answer["status"] == 0, answer
        assert vm.stats()["memfd"] <= (32 + 16) * MIB, vm.stats()
        wait_for("the figures to agree",
                 lambda: vm.stats()["local_max"] == 32 * MIB, 5)
        answer = vm.call(f"resize {16 * MIB} {16 * MIB}")
        assert answer["status"] < 0 and "below" in answer["text"], answer
        assert vm.stats()["local_max"] == 32 * MIB
        answer = vm.call("resize 0")
        assert answer["status"] == 0, answer
        wait_for("nothing to be away", lambda: vm.stats()["remote"] == 0, 5)
        assert vm.stats()["local_max"] == 128 * MIB, vm.stats()
        wait_for("leases to be given back",
                 lambda: sum(c.status(h)["leased_bytes"]
                             for h in c.providers) == 0, 15)
        expect_clean(vm.quit())
        c.shut_down()


@scenario
def discards(build):
    """Discarded pages read zeros; their slots are freed."""
    with Cluster(build) as c:
        vm = Vm(c.requester, mem=128, local_max=32, seconds=12, threads=6,
                discard_permille=100)
        result = vm.result()
        expect_clean(result)
        assert result["discards"] > 1000, result
        c.shut_down()


@scenario
def dma(build):
    """A page under DMA is not evicted (rule 4)."""
    with Cluster(build) as c:
        vm = Vm(c.requester, mem=64, local_max=24, seconds=15, threads=2,
                dma=True)
        result = vm.result()
        expect_clean(result)
        assert result["dmas"] > 50, result
        c.shut_down()


@scenario
def two_vms(build):
    with Cluster(build) as c:
        vms = [Vm(c.requester, number=n, mem=96, local_max=32, seconds=8,
                  threads=2) for n in (1, 2)]
        for vm in vms:
            expect_clean(vm.result())
        c.shut_down()


# ------------------------------------------------------------- things break

@scenario
def pager_kills(build):
    """Pagers die at any point; nothing is lost (rules 2 and 3)."""
    with Cluster(build) as c:
        vm = Vm(c.requester, mem=128, local_max=32, seconds=600, threads=6)
        wait_for("evictions", lambda: vm.stats()["evicted_pages"] > 1000)
        c.kill_pagers(vm, 20, 0.5)
        expect_clean(vm.quit())
        assert "stretched" not in vm.said(), vm.said()
        c.shut_down()


@scenario
def pager_kills_with_discards(build):
    with Cluster(build) as c:
        vm = Vm(c.requester, mem=96, local_max=32, seconds=600, threads=6,
                discard_permille=50)
        wait_for("evictions", lambda: vm.stats()["evicted_pages"] > 1000)
        c.kill_pagers(vm, 15, 0.5)
        expect_clean(vm.quit())
        c.shut_down()


@scenario
def intruder(build):
    """Another mapping fills holes with zeros: never shown to the guest."""
    with Cluster(build) as c:
        vm = Vm(c.requester, mem=96, local_max=32, seconds=10, threads=4,
                intruder=True)
        result = vm.result()
        expect_clean(result)
        assert result["intrusions"] > 100, result
        c.shut_down()


@scenario
def slow_zaps(build):
    """Zaps answered late count for nothing but their own pages (rule 14)."""
    with Cluster(build) as c:
        # The hot set is written all the time: whoever evicts a page of it
        # without an interlock loses a write.
        vm = Vm(c.requester, mem=64, local_max=24, seconds=10, threads=6,
                zap_delay_us=4000, hot=4, write_percent=90)
        expect_clean(vm.result())
        c.shut_down()


@scenario
def rcached_restarts(build):
    """The requester's daemon goes and comes: its pagers stay."""
    with Cluster(build) as c:
        vm = Vm(c.requester, mem=96, local_max=32, seconds=600, threads=4)
        wait_for("evictions", lambda: vm.stats()["evicted_pages"] > 1000, 20)
        for _ in range(2):
            process = c.requester.processes["rcached"]
            process.popen.kill()
            process.popen.wait()
            time.sleep(0.5)
            c.start_requester()
            wait_for("the pager to be known again",
                     lambda: [v for v in c.call(
                         c.requester.path("admin.sock"), "vms")
                         if v["remote_bytes"]], 10)
        away = vm.stats()["evicted_pages"]
        wait_for("evictions to go on",
                 lambda: vm.stats()["evicted_pages"] > away + 5000, 20)
        result = vm.quit()
        expect_clean(result)
        assert result["attaches"] == 1, result
        c.shut_down()


@scenario
def arbiter_dies(build):
    """Guests go on; new leases wait."""
    with Cluster(build) as c:
        vm = Vm(c.requester, mem=96, local_max=32, seconds=600, threads=4)
        wait_for("evictions", lambda: vm.stats()["evicted_pages"] > 1000, 20)
        process = c.requester.processes["arbiter"]
        process.popen.kill()
        process.popen.wait()
        before = vm.stats()["evicted_pages"]
        wait_for("evictions to go on",
                 lambda: vm.stats()["evicted_pages"] > before + 2000, 20)
        expect_clean(vm.quit())
        os.unlink(c.requester.path("arbiter.sock"))
        c.shut_down()


@scenario
def provider_hangs(build):
    """A provider stops answering: the guest waits, then goes on."""
    with Cluster(build) as c:
        vm = Vm(c.requester, mem=96, local_max=32, seconds=600, threads=4)
        wait_for("both to store, and pages to come back",
                 lambda: min(c.status(h)["stored_bytes"]
                             for h in c.providers) > 4 * MIB and
                 vm.stats()["faults_remote"] > 1000, 30)
        process = c.providers[0].processes["rcached"]
        process.popen.send_signal(19)

        def waits():
            stats = vm.stats()
            return (stats["waiting_pages"] and stats["oldest_wait_ns"] > 3e9
                    and stats["waiting_for"] == "provider0")

        wait_for("a page to wait for it", waits, 20)
        process.popen.send_signal(18)
        wait_for("no page to wait",
                 lambda: vm.stats()["oldest_wait_ns"] < 1e9, 20)
        result = vm.quit()
        expect_clean(result)
        assert result["longest_ms"] > 2000, result
        c.shut_down()


@scenario
def provider_cut_off(build):
    """The network to a provider goes and comes back."""
    from lab import run
    with Cluster(build) as c:
        vm = Vm(c.requester, mem=96, local_max=32, seconds=600, threads=4)
        wait_for("both to store",
                 lambda: min(c.status(h)["stored_bytes"]
                             for h in c.providers) > 4 * MIB, 20)
        netns = c.providers[1].netns
        run("ip", "-n", netns, "link", "set", "eth0", "down")
        # Longer than a session lives without a word.
        wait_for("a page to wait",
                 lambda: vm.stats()["oldest_wait_ns"] > 11e9, 20)
        run("ip", "-n", netns, "link", "set", "eth0", "up")
        wait_for("no page to wait",
                 lambda: vm.stats()["oldest_wait_ns"] < 1e9, 20)
        expect_clean(vm.quit())
        c.shut_down()


@scenario
def corruption(build):
    """Flipped bits are caught by the checksum, never by the guest."""
    with Cluster(build) as c:
        vm = Vm(c.requester, mem=64, local_max=24, seconds=600, threads=4,
                pattern="sweep", write_percent=0)
        writer_done = wait_for(
            "evictions", lambda: vm.stats()["zero_evicted_pages"] > 1000, 30)
        assert writer_done
        vm.quit()
        vm = Vm(c.requester, number=2, mem=64, local_max=24, seconds=600,
                threads=4)
        wait_for("storing", lambda: c.stored() > 16 * MIB, 30)
        for turn in range(20):
            c.call(c.providers[turn % 2].path("admin.sock"), "debug-corrupt")
        wait_for("a checksum to fail",
                 lambda: vm.stats()["checksum_errors"] > 0, 30)
        # The guest waits for that page for ever: it has no other copy.
        assert "MISMATCH" not in vm.said()
        vm.popen.kill()
        vm.popen.wait()
        c.shut_down()


# --------------------------------------------------------------- no, thanks

def stretched(c, vm, word, here):
    """local-max gives way, says why, and the guest goes on."""
    wait_for("the guest to have the rest here",
             lambda: vm.stats()["memfd"] > here, 40)
    wait_for("the reason to be said", lambda: "stretched" in vm.said() and
             word in vm.said(), 20)
    expect_clean(vm.quit())
    c.shut_down()


@scenario
def no_arbiter(build):
    with Cluster(build, arbiter=False, providers=0) as c:
        vm = Vm(c.requester, mem=64, local_max=24, seconds=600, threads=4)
        stretched(c, vm, "arbiter", 60 * MIB)


@scenario
def no_provider(build):
    with Cluster(build, providers=0) as c:
        vm = Vm(c.requester, mem=64, local_max=24, seconds=600, threads=4)
        stretched(c, vm, "stretched (", 60 * MIB)


@scenario
def little_room(build):
    """Less than asked for is leased: used in full, the rest stays here."""
    with Cluster(build, provider=("--lend", "8M")) as c:
        vm = Vm(c.requester, mem=64, local_max=24, seconds=600, threads=4)
        wait_for("all of it to be used", lambda: c.stored() > 12 * MIB, 40)
        stretched(c, vm, "stretched (", 40 * MIB)


@scenario
def bad_set_up(build):
    """Each is refused with a reason, and rcached goes on."""
    answered = {"version": "version", "copies": "copies",
                "limits": "local-max", "truncated": "", "oversized": "",
                "keyless": "makes no key", "layout": "", "unsealed": "",
                "key": ""}
    logged = ["layout version 2", "bring its memory home",
              "not in a page of memory that stays",
              "not a memfd sealed",
              "state that does not exist", "in pages of "]
    with Cluster(build, providers=1) as c:
        log = c.requester.processes["rcached"].log
        for bad, word in answered.items():
            vm = Vm(c.requester, mem=64, local_max=24, seconds=3, bad=bad)
            result = vm.result(30)
            assert result["exit"] == 3, (bad, result)
            assert result["refused"] and word in result["refused"], (bad,
                                                                     result)
            # The VMM hears why, too, though it has been accepted before.
            if bad == "layout":
                assert "layout version 2" in vm.last_words(), vm.last_words()
        # That page is lost, and no other.
        vm = Vm(c.requester, mem=64, local_max=24, seconds=600, threads=0,
                bad="words")
        wait_for("the page to be called lost",
                 lambda: vm.stats()["lost"] == 4096)
        vm.popen.kill()
        vm.popen.wait()
        vm = Vm(c.requester, mem=64, local_max=24, seconds=3, bad="hugetlb")
        assert vm.popen.wait(60) == 3, vm.last_words()
        text = open(log, errors="replace").read()
        for reason in logged:
            assert reason in text, (reason, text)
        # Tables that move once they have been checked: nobody looks again.
        vm = Vm(c.requester, mem=64, local_max=24, seconds=600, threads=2,
                bad="moved")
        wait_for("evictions", lambda: vm.stats()["evicted_pages"] > 1000)
        result = vm.quit()
        expect_clean(result)
        assert result["attaches"] == 1, result
        vm = Vm(c.requester, mem=48, local_max=24, seconds=3, threads=2)
        expect_clean(vm.result())
        c.shut_down()


@scenario
def same_uuid(build):
    """A second VM with the uuid of a running one is refused by name."""
    with Cluster(build, providers=1) as c:
        first = Vm(c.requester, mem=48, local_max=24, seconds=600, threads=1)
        wait_for("the first", lambda: first.stats()["attached"], 10)
        second = Vm(c.requester, mem=48, local_max=24, seconds=3)
        second.log = first.log
        result = second.result(30)
        assert result["exit"] == 3 and result["refused"], result
        expect_clean(first.quit())
        c.shut_down()


def frames():
    """Bytes that no peer should send, for the TCP ports."""
    magic = 0x31414352
    yield b"\0" * 40
    yield b"GET / HTTP/1.0\r\n\r\n" + b"x" * 40
    yield struct.pack("<IBBHIHHQQII", magic, 1, 1, 0, 0xffffffff, 0, 0, 0, 0,
                      0, 0)
    yield struct.pack("<IBBHIHHQQII", magic, 9, 1, 0, 224, 0, 0, 0, 0, 0, 0)
    yield struct.pack("<IBBHIHHQQII", magic, 1, 16, 0, 8, 0, 1, 0, 0, 0, 0)
    yield struct.pack("<IBBHIHHQQII", magic, 1, 1, 0, 224, 0, 0, 0, 0, 0,
                      0)[:17]
    rng = random.Random(7)
    for _ in range(20):
        yield bytes(rng.randrange(256) for _ in range(rng.randrange(1, 400)))


SEND = """
import socket, sys
data = bytes.fromhex(sys.argv[3])
s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)
s.settimeout(3)
try:
    s.sendall(data)
    s.shutdown(1)
    while s.recv(65536):
        pass
except OSError:
    pass
"""


@scenario
def hostile_frames(build):
    """No frame stops a daemon; each ends its own connection."""
    import subprocess
    with Cluster(build) as c:
        vm = Vm(c.requester, mem=64, local_max=24, seconds=600, threads=2)
        for data in frames():
            for host, port in ((c.providers[0], 9470), (c.requester, 9471)):
                subprocess.run(
                    ["ip", "netns", "exec", c.requester.netns,
                     sys.executable, "-c", SEND, host.address, str(port),
                     data.hex()], check=True, timeout=30)
        for name in ("vmm.sock", "pager.sock"):
            for data in list(frames())[:8]:
                s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                s.settimeout(5)
                s.connect(c.requester.path(name))
                s.sendall(data)
                s.close()
        wait_for("evictions", lambda: vm.stats()["evicted_pages"] > 2000, 20)
        expect_clean(vm.quit())
        c.shut_down()


def messages(rng):
    """What a VMM should not say once it is set up; (bytes, ends it)."""
    body = bytes(rng.randrange(256) for _ in range(200))
    magic, hello, state, block_del, start = 0x766d6372, 1, 3, 5, 7
    managed, zap_done, resize, evict, stats = 10, 12, 13, 14, 16

    def message(kind, length, say=None, what=magic):
        return struct.pack("<IHHIIQ", what, kind, 0, say or length, 0,
                           rng.randrange(1 << 64)) + body[:length - 24]

    yield body[:10], True
    yield message(evict, 40, what=magic + 1), True
    yield message(evict, 40, say=48), True
    yield message(evict, 32), True
    for kind in (0, stats, 99, 0xffff):
        yield message(kind, 200), True
    for kind in (hello, state, start, block_del):
        yield message(kind, 200), True
    # Of more pages than are in it.
    yield message(zap_done, 24) + struct.pack("<QiI", 1, 0, 0xffffffff), True
    yield message(zap_done, 60), True
    # These are well-formed, and of things that there are not.
    yield message(zap_done, 40)[:24] + struct.pack("<QiI", 1 << 63, 0, 0), \
        False
    for _ in range(20):
        yield message(managed, 56), False
        yield message(evict, 40)[:24] + struct.pack(
            "<IIQ", rng.randrange(3, 1 << 32), 0, rng.randrange(1 << 64)), \
            False
        yield message(resize, 48)[:24] + struct.pack(
            "<IIQQ", rng.randrange(1 << 30) << 2, 0, 0, 0), False


@scenario
def hostile_vmm(build):
    """What a VMM says wrong ends the conversation, and no page is lost."""
    with Cluster(build, providers=1) as c:
        vm = Vm(c.requester, mem=64, local_max=24, seconds=600, threads=2)
        wait_for("evictions", lambda: vm.stats()["evicted_pages"] > 1000, 30)
        rcached = c.requester.processes["rcached"].popen
        for data, is_fatal in messages(random.Random(3)):
            attaches = vm.stats()["attaches"]
            vm.call("say " + data.hex())
            if is_fatal:
                wait_for(f"the next pager after {data[:24].hex()}",
                         lambda n=attaches: vm.stats()["attaches"] > n, 20)
        assert rcached.poll() is None
        log = open(c.requester.processes["rcached"].log).read()
        assert "has died" not in log and "signal" not in log, log[-2000:]
        expect_clean(vm.quit())
        c.shut_down()


def died(c):
    """Has a pager of the requester ended by a signal or a sanitizer?"""
    log = open(c.requester.processes["rcached"].log, errors="replace").read()
    return any(word in log for word in ("has died", "signal", "Sanitizer",
                                        "assertion"))


@scenario
def scribbling_vmm(build):
    """A VMM writes at random to what it shares: only its own guest loses."""
    with Cluster(build) as c:
        good = Vm(c.requester, number=9, mem=64, local_max=24, seconds=600,
                  threads=2)
        for seed in range(1, 5):
            vm = Vm(c.requester, number=seed, mem=48, blocks=3, local_max=16,
                    seconds=600, threads=3, discard_permille=20)
            wait_for("evictions", lambda v=vm: v.stats()["evicted_pages"] >
                     1000 or v.stats()["zero_evicted_pages"] > 4000, 60)
            assert "hot" in vm.call(f"scribble 1500 {seed}")
            # A block goes, with all that is under way in it.
            vm.call("say " + struct.pack("<IHHIIQII", 0x766d6372, 5, 0, 32, 0,
                                         0, seed % 3, 1).hex())
            vm.call(f"scribble 1000 {seed + 100}")
            assert not died(c), f"with seed {seed}"
            vm.popen.kill()
            vm.popen.wait()
        c.wait_pagers_but(good)
        assert not died(c)
        expect_clean(good.quit())
        arbiter = open(c.requester.processes["arbiter"].log).read()
        assert "bad HEARTBEAT" not in arbiter, arbiter[-2000:]
        c.shut_down(hostile=True)


# ------------------------------------------------- rules that are taken out

def kill_working_pager(c, vm, seen):
    """Kill a pager once pages are away and the guest goes on; seen are the
    figures from when it was first seen attached.  One that is killed before,
    as on a busy machine, leaves nothing behind that could be noticed."""
    try:
        now = vm.call("stats", 5)
    except (LabError, OSError):
        return seen             # it stands still or has ended: see its log
    if not seen or now["attaches"] > seen["attaches"]:
        return now
    if (now["attached"] and now["evicted_pages"] > 1000 and
            now["visits"] - seen["visits"] > 1000):
        c.kill_pager()
    return seen


def noticed(build, broken, kills=0, **options):
    """A VMM that breaks a rule: the oracle, or the pager, must notice."""
    with Cluster(build) as c:
        vm = Vm(c.requester, **{"break": broken}, **options)
        end = time.monotonic() + 180
        seen = None
        while time.monotonic() < end and vm.popen.poll() is None:
            time.sleep(0.2)
            if kills:
                seen = kill_working_pager(c, vm, seen)
            text = vm.said()
            if "MISMATCH" in text or "memory is gone" in text:
                c.break_off()
                return
        raise AssertionError(f"nobody noticed {broken}")


@scenario
def without_rule_4(build):
    noticed(build, "no-pin-check", mem=64, local_max=24, seconds=200,
            threads=2, dma=True)


@scenario
def without_rule_6(build):
    noticed(build, "discard-without-cas", mem=96, local_max=32, seconds=200,
            threads=6, discard_permille=100, kills=1)


@scenario
def without_rule_11(build):
    noticed(build, "fallback-ignores-table", mem=96, local_max=32,
            seconds=200, threads=6, kills=1)


@scenario
def without_a_kept_uffd(build):
    noticed(build, "uffd-not-kept", mem=96, local_max=32, seconds=200,
            threads=6, kills=1)


# ------------------------------------------------------------------ the big

def kill_until_done(c, vm, pages):
    """Kill the pager again and again, each time when so many pages or so have
    gone, until the VM has what it wants.  By the clock, pagers of a busy
    machine would not live for long enough to get anything done."""
    kills = due = 0
    while not select.select([vm.popen.stdout], [], [], 0.2)[0]:
        vms = c.call(c.requester.path("admin.sock"), "vms")
        gone = vms[0]["evicted_pages"] if vms else None
        if gone is not None and gone >= due:
            kills += c.kill_pager()
            due = gone + pages * random.uniform(0.5, 1.5)
    result = vm.result()
    assert result["attaches"] >= min(kills, 2), (kills, result)
    return result


@scenario
def big(build):
    """2 GiB, 256 MiB here, 8 threads, pager kills, every page away twice."""
    scale = int(os.environ.get("RCACHED_TEST_SCALE", "1"))
    mem, local = 2048 // scale, 256 // scale
    with Cluster(build, slab="64M") as c:
        vm = Vm(c.requester, mem=mem, local_max=local, seconds=10, threads=8,
                write_percent=50, pattern="sweep", until_evicted=2,
                most_seconds=1200)
        result = kill_until_done(c, vm, local * MIB // 4096)
        expect_clean(result)
        expect_within(result, local * MIB)
        assert result["least_evicted"] >= 2, result
        assert result["attaches"] >= 3, result
        c.shut_down()


def main():
    build, names = sys.argv[1], sys.argv[2:]
    if names == ["list"]:
        print("\n".join(SCENARIOS))
        return 0
    if os.geteuid():
        print("skip: network namespaces need root")
        return 77
    for name in names:
        start = time.monotonic()
        function, _, arguments = name.partition(":")
        try:
            SCENARIOS[function](build, *filter(None, arguments.split(",")))
        except (AssertionError, LabError, OSError) as error:
            traceback.print_exc(file=sys.stdout)
            print(f"{name}: FAILED: {error}")
            return 1
        print(f"{name}: ok, {time.monotonic() - start:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
