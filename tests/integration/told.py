# SPDX-License-Identifier: GPL-2.0-or-later
"""told: what operators are told when a provider fails.

The figures of both admin sockets are looked at: a VM that has lost memory,
wrong bytes, and a provider of no use are never "ok".
"""
from cluster import (Cluster, MIB, Vm, expect_clean, expect_within,
                     wait_for)

SCENARIOS = {}


def scenario(function):
    SCENARIOS[function.__name__] = function
    return function


def problems(c, host, name="admin.sock"):
    status = c.call(host.path(name), "status")
    return status["level"], status["problems"], status["verdict"]


def end_vm(vm):
    vm.popen.kill()
    vm.popen.wait()


@scenario
def provider_comes_back_empty(build):
    """A provider restarts without what it held: both sockets say so."""
    with Cluster(build) as c:
        vm = Vm(c.requester, mem=96, local_max=32, seconds=600, threads=4)
        wait_for("both to store",
                 lambda: min(c.status(h)["stored_bytes"]
                             for h in c.providers) > 4 * MIB, 60)
        gone = c.providers[0]
        process = gone.processes["rcached"]
        process.popen.kill()
        process.popen.wait()
        c.start_provider(gone)

        def told(name):
            level, texts, verdict = problems(c, c.requester, name)
            return (level == "failing" and verdict.startswith("failing") and
                    [t for t in texts
                     if "has lost" in t and "provider provider0" in t])

        for name in ("admin.sock", "arbiter.sock"):
            wait_for(f"{name} to tell of the loss", lambda: told(name), 60)
            vms = c.call(c.requester.path(name), "vms")
            assert vms[0]["lost_bytes"] > MIB, vms
            entry = [p for p in vms[0]["providers"]
                     if p["host"] == "provider0"]
            assert entry and entry[0]["lost_bytes"] > MIB, vms
        whatif = c.call(c.requester.path("arbiter.sock"), "whatif",
                        host="provider0")
        assert "lost" in whatif["if_died"], whatif
        assert whatif["lost_bytes"] > MIB, whatif
        end_vm(vm)
        # And what it had lost goes with the VM.
        wait_for("the loss to be told no more",
                 lambda: not told("arbiter.sock"), 60)
        c.shut_down()


@scenario
def wrong_bytes_are_told(build):
    """Pages that come back wrong are counted for VM and provider."""
    with Cluster(build, providers=1) as c:
        vm = Vm(c.requester, mem=64, local_max=24, seconds=600, threads=4)
        wait_for("storing", lambda: c.stored() > 16 * MIB, 60)
        for _ in range(20):
            c.call(c.providers[0].path("admin.sock"), "debug-corrupt")
        wait_for("a checksum to fail",
                 lambda: vm.stats()["checksum_errors"] > 0, 60)
        for name in ("admin.sock", "arbiter.sock"):
            wait_for(f"{name} to tell of wrong bytes", lambda: [
                t for t in problems(c, c.requester, name)[1]
                if "provider0 returned wrong bytes" in t], 60)
            vms = c.call(c.requester.path(name), "vms")
            assert vms[0]["wrong_pages"] > 0, vms
            assert vms[0]["providers"][0]["wrong_pages"] > 0, vms
        end_vm(vm)
        c.shut_down()


@scenario
def provider_stopped(build):
    """
    A provider is stopped while a new guest takes memory: what it has taken goes
    to the other one, within local-max, and only pages of the first are waited
    for.  Both sockets name it and the cause.
    """
    local_max = 64 * MIB
    with Cluster(build, heartbeat_ms=1000) as c:
        vm = Vm(c.requester, mem=256, local_max=64, seconds=600, threads=2,
                pattern="sweep")
        wait_for("both to store",
                 lambda: min(c.status(h)["stored_bytes"]
                             for h in c.providers) > 4 * MIB, 60)
        process = c.providers[0].processes["rcached"]
        process.popen.send_signal(19)

        def all_taken():
            """The guest waits for it, or has taken all of its memory."""
            stats = vm.stats()
            held_up = stats["waiting_for"] != "provider0"
            assert not held_up or stats["oldest_wait_ns"] < 4e9, stats
            return not stats["untouched"]

        wait_for("the guest to take all of its memory", all_taken, 60)
        for name, cause in (("admin.sock", "does not answer"),
                            ("arbiter.sock", "last heard")):
            wait_for(f"{name} to name it and the cause", lambda: [
                t for t in problems(c, c.requester, name)[1]
                if "provider0" in t and cause in t], 30)
        process.popen.send_signal(18)
        result = vm.quit()
        expect_clean(result)
        expect_within(result, local_max)
        c.shut_down()
