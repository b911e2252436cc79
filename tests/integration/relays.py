# SPDX-License-Identifier: GPL-2.0-or-later
"""relays: a cluster with a proxy before each provider.

Each provider listens on its own loopback and says so; what answers at that
address on the requester is a proxy, which connects to the provider inside its
namespace and does to the bytes what a scenario tells it.
"""
from cluster import Cluster
from faulty_proxy import FaultyProxy  # after cluster: it is in lib

FIRST_PORT = 9480


class RelayCluster(Cluster):
    """A Cluster with a proxy before each provider."""

    def __init__(self, build, **options):
        super().__init__(build, **options)
        self.proxies = []

    def start_provider(self, host):
        port = FIRST_PORT + self.providers.index(host)
        process = host.start("rcached", [
            self.program("rcached"), "--run-dir", host.run, "--host",
            host.name, "--listen", f"127.0.0.1:{port}", "--tls", "none",
            "--slab-size", self.slab, "--reserve", "512M",
            "--enable-debug-commands", *self.arbiter])
        self.wait_socket(process, host.path("admin.sock"))
        self.proxies.append(FaultyProxy(
            self.build, port, port, self.requester.enter, host.netns,
            seed=port))
        return process

    def tell(self, command):
        return [proxy.tell(command) for proxy in self.proxies]

    def shut_down(self):
        super().shut_down()
        for proxy in self.proxies:
            proxy.stop()


def troubles(c, host, words):
    """Does the requester say so of @host, for a VM of its own?"""
    vms = c.call(c.requester.path("admin.sock"), "vms")
    return [p for vm in vms for p in vm["providers"]
            if p["host"] == host.name and words in (p["trouble"] or "")]
