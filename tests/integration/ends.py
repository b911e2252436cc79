# SPDX-License-Identifier: GPL-2.0-or-later
"""ends: what daemons have kept when VMs and connections have come and gone.

Every scenario looks at that in its end (Cluster.shut_down()); here there is
more that comes and goes, and nothing may be left of it, at providers as well.
"""
import socket

from cluster import Cluster, MIB, PATIENCE, Vm, expect_clean, wait_for
import leftovers

SCENARIOS = {}
FLOOD = 200


def scenario(function):
    SCENARIOS[function.__name__] = function
    return function


def connect(address):
    """To a path, or to (host, port)."""
    if isinstance(address, tuple):
        return socket.create_connection(address, timeout=10 * PATIENCE)
    kind = (socket.SOCK_SEQPACKET if address.endswith("vmm.sock")
            else socket.SOCK_STREAM)
    sock = socket.socket(socket.AF_UNIX, kind)
    sock.settimeout(10 * PATIENCE)
    try:
        sock.connect(address)
    except OSError:
        sock.close()
        raise
    return sock


def flood(address):
    """Many connections at a time: some say nothing, some say what no peer
    would; some are not taken."""
    socks = []
    for i in range(FLOOD):
        try:
            socks.append(connect(address))
            if i % 2:
                socks[-1].sendall(b"\0nothing that is known here" * 4)
        except OSError:
            pass                # there are enough already
    for sock in socks:
        sock.close()


@scenario
def nothing_is_left_over(build):
    """VMs end, are killed, and lose pagers; every port and socket of every
    daemon is flooded: all have what they had before."""
    with Cluster(build) as c:
        port = c.providers[0].at(9470).rsplit(":", 1)
        arbiter = c.requester.at(9471).rsplit(":", 1)
        for turn in range(3):
            vms = [Vm(c.requester, number=n, mem=48, local_max=16,
                      seconds=600, threads=1, pattern="sweep")
                   for n in (3 * turn + 1, 3 * turn + 2)]
            for vm in vms:
                wait_for("pages to be away",
                         lambda v=vm: v.stats()["remote"] > 8 * MIB, 60)
            c.kill_pagers(vms[0], 1, 300)
            expect_clean(vms[0].quit())
            vms[1].popen.kill()
            vms[1].popen.wait()
            for address in (c.requester.path("admin.sock"),
                            c.requester.path("vmm.sock"),
                            c.requester.path("arbiter.sock"),
                            (port[0], int(port[1])),
                            (arbiter[0], int(arbiter[1]))):
                flood(address)
        c.wait_pagers()
        wait_for("all to be given back", lambda: not any(
            c.status(h)["leased_bytes"] for h in c.providers), 60)

        def grown():
            return {p.name: m for p, before in c.descriptors.items()
                    for m in [dict(leftovers.descriptors(p.pid) - before)]
                    if m}
        wait_for("nothing to be kept", lambda: not grown(), 30)
        c.shut_down()
