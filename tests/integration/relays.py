# SPDX-License-Identifier: GPL-2.0-or-later
"""relays: a cluster with a proxy before each provider.

Each provider listens on an address that all hosts have for themselves, and
says so; what answers at that address on the requester is a proxy, which
connects to the provider inside its namespace and does to the bytes what a
scenario tells it. Providers reach one another only where a scenario asks for
it: through proxies of their own, which do nothing to the bytes.
"""
from cluster import Cluster
from faulty_proxy import FaultyProxy  # after cluster: it is in lib
from lab import EACH_HOSTS

FIRST_PORT = 9480


class RelayCluster(Cluster):
    """A Cluster with a proxy before each provider; with @among also one
    between each two of them, so that slabs can be copied and moved."""

    def __init__(self, build, among=False, **options):
        super().__init__(build, **options)
        self.among = among
        self.proxies = []
        self.between = []

    def port_of(self, host):
        return FIRST_PORT + self.providers.index(host)

    def start_provider(self, host):
        port = self.port_of(host)
        process = host.start("rcached", [
            self.program("rcached"), "--run-dir", host.run, "--host",
            host.name, "--listen", f"{EACH_HOSTS}:{port}",
            *host.security("host"), "--slab-size", self.slab,
            "--reserve", "512M", "--enable-debug-commands", *self.arbiter])
        self.wait_socket(process, host.path("admin.sock"))
        self.proxies.append(FaultyProxy(
            self.build, port, port, self.requester.enter, host.netns,
            seed=port, address=EACH_HOSTS))
        return process

    def start_requester(self):
        if self.among:
            self.between = [
                FaultyProxy(self.build, self.port_of(to), self.port_of(to),
                            at.enter, to.netns, address=EACH_HOSTS)
                for at in self.providers for to in self.providers
                if at is not to]
        return super().start_requester()

    def tell(self, command):
        return [proxy.tell(command) for proxy in self.proxies]

    def shut_down(self):
        super().shut_down()
        for proxy in self.proxies + self.between:
            proxy.stop()


def troubles(c, host, words):
    """Does the requester say so of @host, for a VM of its own?"""
    vms = c.call(c.requester.path("admin.sock"), "vms")
    return [p for vm in vms for p in vm["providers"]
            if p["host"] == host.name and words in (p["trouble"] or "")]
