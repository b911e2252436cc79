# SPDX-License-Identifier: GPL-2.0-or-later
"""giveback: providers that want their memory back, and get it.

Scenarios for scenarios.py, which runs them.
"""
import time

from cluster import Cluster, MIB, Vm, expect_clean, wait_for

SCENARIOS = {}


def scenario(function):
    SCENARIOS[function.__name__] = function
    return function


def drain(c, host, undo=False):
    return c.call(host.path("admin.sock"), "undrain" if undo else "drain")


def leased(c, host):
    return c.status(host)["leased_bytes"]


def wait_empty(c, host, seconds=60):
    wait_for(f"{host.name} to be empty", lambda: not leased(c, host), seconds)


def busy_vm(c, **options):
    """A VM that reads and writes all it has, with most of it away."""
    settings = dict(mem=160, local_max=32, seconds=600, threads=4,
                    pattern="sweep")
    settings.update(options)
    vm = Vm(c.requester, **settings)
    wait_for("every provider to store something",
             lambda: min(c.status(h)["stored_bytes"]
                         for h in c.providers[:2]) > 16 * MIB, 60)
    return vm


@scenario
def drained(build):
    """A host that is drained ends empty; its guests go on (rule 9)."""
    with Cluster(build) as c:
        vm = busy_vm(c)
        old, new = c.providers
        before = vm.stats()["visits"]
        drain(c, old)
        wait_empty(c, old)
        status = c.status(old)
        assert status["slabs_moved_away"] > 0, status
        assert status["asked_back_bytes"] == 0, status
        wait_for("visits", lambda: vm.stats()["visits"] > before + 1000, 30)
        # What is lent again is made use of again: and drained the other way.
        drain(c, old, undo=True)
        drain(c, new)
        wait_empty(c, new)
        expect_clean(vm.quit())
        c.shut_down()
