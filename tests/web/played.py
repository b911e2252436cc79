# SPDX-License-Identifier: GPL-2.0-or-later
"""A made-up cluster as an arbiter tells it at its admin socket: eight hosts and
nine VMs that fare as VMs do, at any second.  One host is silent and one is
drained, so that there is something to see.  Members are those that rcachectl's
answers have."""
import math

MIB = 1 << 20
GIB = 1 << 30

# name, memory, what it uses itself, what it is predicted to be able to lend
HOSTS = (
    ("rack1-a", 64, 52, 0), ("rack1-b", 96, 21, 52), ("rack1-c", 64, 38, 16),
    ("rack2-a", 128, 108, 0), ("rack2-b", 128, 44, 66),
    ("rack2-c", 64, 30, 22), ("rack3-a", 64, 40, 12), ("rack3-b", 32, 9, 15),
)
SILENT, DRAINED = "rack3-a", "rack3-b"
# name, host, memory, share of it that is away, faults a second, providers
VMS = (
    ("build-04", "rack1-a", 24, 0.42, 260, ("rack1-b", "rack2-b")),
    ("ci-runner-1", "rack1-a", 16, 0.55, 120, ("rack2-b", "rack2-c")),
    ("db-replica", "rack2-a", 48, 0.25, 18, ("rack1-b", "rack2-b")),
    ("desktop-anna", "rack2-a", 8, 0.61, 35, ("rack1-c", "rack2-c")),
    ("desktop-jonas", "rack2-a", 8, 0.58, 6, ("rack1-c", "rack2-b")),
    ("mail", "rack1-c", 12, 0.30, 2, ("rack1-b", "rack3-a")),
    ("staging-web", "rack2-a", 16, 0.50, 44, ("rack2-b", "rack1-b")),
    ("wiki", "rack3-a", 4, 0.66, 1, ("rack1-b", "rack3-b")),
    ("windows-test", "rack1-a", 8, 0.0, 0, ()),
)


def wave(at, period, shift=0.0):
    """0 to 1."""
    return 0.5 + 0.5 * math.sin(2 * math.pi * (at / period + shift))


def share_away(at, number, share):
    """It grows in the first half hour, and breathes."""
    grown = min(1.0, 0.55 + at / 3000)
    return share * grown * (0.93 + 0.07 * wave(at, 700, number / 5))


def burst(at, number):
    """How busy a VM is."""
    return 0.25 + 0.5 * wave(at, 420, number / 3) ** 2 + (
        2.2 if number == 0 and 2000 < at % 3600 < 2350 else 0.0)


def faults_until(at, number, rate):
    """What it has counted, in steps of ten seconds."""
    return int(sum(10 * rate * burst(10 * step, number)
                   for step in range(int(at // 10)))
               + (at % 10) * rate * burst(at - at % 10, number))


class Cluster:
    """at(seconds): the answers to status, hosts and vms."""

    def vm(self, at, number):
        name, host, memory, share, rate, providers = VMS[number]
        size = memory * GIB
        away = int(size * share_away(at, number, share)) & ~0xfff
        zero = int(size * 0.08) & ~0xfff
        silent = host == SILENT
        unmanaged = not providers
        stalled = min(60.0, rate * burst(at, number) * 0.0011 * 4)
        return {
            "name": name, "uuid": f"00000000-0000-4000-8000-{number:012d}",
            "host": host, "elsewhere": None,
            "state": "unmanaged" if unmanaged else "attached",
            "age_seconds": 23.4 if silent else 0.6, "stale": silent,
            "guest_bytes": size,
            "resident_bytes": size - away - (0 if unmanaged else zero),
            "remote_bytes": away, "zero_bytes": 0 if unmanaged else zero,
            "local_max_bytes": size // 2, "size_bytes": size,
            "faults": faults_until(min(at, 3000) if silent else at, number,
                                   rate),
            "evicted_pages": away // 4096, "copies": 2,
            "fault_p50_seconds": 0.000048, "fault_p99_seconds":
            0.00041 + 0.0003 * wave(at, 300, number / 4),
            "stall_seconds": 0, "figures_age_seconds": 0.4, "vcpus": 4,
            "stalled_percent": stalled, "pager_restarts": 0, "lost_bytes": 0,
            "providers": [
                {"host": provider, "leases": 2, "bytes": int(away * 1.1),
                 "stored_bytes": away, "lost_bytes": 0, "wrong_pages": 0,
                 "trouble": None} for provider in providers],
        }

    def host(self, number, vms):
        name, total, used, offered = HOSTS[number]
        lent = [p for vm in vms for p in vm["providers"] if p["host"] == name]
        leased = sum(p["bytes"] for p in lent)
        draining = name == DRAINED
        silent = name == SILENT
        offered = 0 if draining else offered * GIB
        return {
            "name": name, "state": "suspect" if silent else "alive",
            "connected": not silent, "stale": silent,
            "age_seconds": 23.4 if silent else 0.5,
            "lends": bool(offered), "draining": draining,
            "implausible": None, "trouble": None, "shunned": False,
            "mem_total_bytes": total * GIB,
            "mem_available_bytes": (total - used) * GIB,
            "offered_bytes": offered, "leased_bytes": leased,
            "free_bytes": max(0, offered - leased),
            "stored_bytes": sum(p["stored_bytes"] for p in lent),
            "spilled_bytes": 0, "psi_some_percent":
            1.8 if used / total > 0.8 else 0.0,
            "vms": sum(vm["host"] == name for vm in vms),
        }

    def at(self, at):
        vms = [self.vm(at, number) for number in range(len(VMS))]
        hosts = [self.host(number, vms) for number in range(len(HOSTS))]
        problem = f"host {SILENT} was last heard 23 s ago"
        status = {
            "daemon": "arbiter", "version": "0.1.0", "ok": False,
            "level": "degraded", "verdict": f"degraded: {problem}",
            "problems": [problem],
            "notes": [f"host {DRAINED} is being drained"],
            "summary": "7 of 8 hosts alive, 9 VMs", "vms": len(vms),
            "uptime_seconds": at,
        }
        for name in ("guest_bytes", "resident_bytes", "remote_bytes",
                     "zero_bytes"):
            status[name] = sum(vm[name] for vm in vms)
        for name in ("offered_bytes", "leased_bytes", "free_bytes",
                     "stored_bytes"):
            status[name] = sum(host[name] for host in hosts)
        return {"status": status, "hosts": hosts, "vms": vms}
