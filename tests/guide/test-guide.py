#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The operator's guide, as it stands: its blocks run on four hosts, while a VM
verifies each page that it visits.

usage: test-guide.py SOURCE-ROOT BUILD

What an operator does outside of commands, the test does between two blocks
(AFTER, BEFORE): it pulls a lender's plug, lets a host that has ended boot
again, and puts another release in place of the daemon.  A block that cannot be
run here stands in the guide with its reason; where the rest would not work
without what it does, the test does that in another way (INSTEAD).  Both kinds
are named at the end.
"""
import json
import os
import re
import sys
import time

import blocks
from guide_host import ADMIN, ARBITER, TOP, GuideMachine, install
import machine
from lab import Lab, LabError, run, wait_for

ADDRESS = "10.0.0.{}"
MIB = 1 << 20
NAMES = ("node1", "node2", "node3", "node4")
# So much of the VM is away before anything else happens to it.
AWAY = 24 * MIB


class Guest:
    """What the VM's fake VMM says of its guest."""

    def __init__(self, m):
        self.m = m

    def read(self, name):
        with open(self.m.path("/run/" + name), encoding="utf-8") as f:
            return f.read()

    def figures(self):
        if not os.path.exists(self.m.path(f"/proc/{self.read('web.pid')}"
                                          .strip())):
            raise LabError(f"the VM has ended: {self.read('web.err')}")
        # The first line, which may be in the middle of being written.
        whole = wait_for("the guest's figures", lambda: (
            re.match("{.*}\n", self.read("web.json"))), 10)
        return json.loads(whole[0])

    def check(self):
        """It goes on, and each page that it has visited was right."""
        before = self.figures()["visits"]
        wait_for("the guest to go on",
                 lambda: self.figures()["visits"] > before + 500, 60)
        wrong = self.figures()["mismatches"]
        if wrong:
            raise LabError(f"the guest has read {wrong} wrong pages")

    def end(self):
        """It looks at each page once more; what it has found."""
        with open(self.m.path("/run/web.in"), "w", encoding="utf-8") as f:
            f.write("quit\n")

        def result():
            lines = self.read("web.out").splitlines()
            return [r for r in map(json.loads, lines) if "wrong_at_end" in r]
        found, = wait_for("the guest's last look", result, 60)
        return found


class GuideTest:
    def __init__(self, lab):
        self.lab = lab
        self.machines = {}
        self.guest = None
        self.installed = os.path.join(lab.dir, "installed")
        self.gaps = []
        self.used = set()
        self.said = ""          # by the last block
        self.lender = None      # whose plug is pulled
        self.attaches = 0       # of pagers, before the upgrade

    # -- hosts

    def start(self):
        install(self.lab.build, self.installed)
        for number, name in enumerate(NAMES, 1):
            host = self.lab.add_host(name)
            run("ip", "-n", host.netns, "addr", "add",
                ADDRESS.format(number) + "/24", "dev", "eth0")
            self.machines[name] = GuideMachine(host, self.installed, None)

    def end(self):
        for m in self.machines.values():
            m.kill()

    def vm(self):
        """As the arbiter knows it, or {}."""
        vms = self.machines["node1"].ask(ARBITER, "vms")
        return vms[0] if vms else {}

    def hosts(self):
        found = self.machines["node1"].ask(ARBITER, "hosts") or []
        return {h["name"]: h for h in found}

    def all_lend(self):
        hosts = self.hosts()
        return all(name in hosts and hosts[name]["state"] == "alive" and
                   hosts[name]["connected"] and hosts[name]["free_bytes"]
                   for name in NAMES)

    def all_twice(self):
        self.guest.figures()    # it runs
        vm = self.vm()
        return (vm.get("remote_bytes", 0) > AWAY and
                not vm["one_copy_bytes"] and not vm["repairing_bytes"])

    def wait_whole(self):
        wait_for("all hosts to lend", self.all_lend, 30)
        if self.guest:
            wait_for("two copies of all that is away", self.all_twice, 60)

    # -- what the operator does besides

    def all_answer(self, block):
        for name in self.hosts_of(block):
            wait_for(f"{name}'s daemon", lambda name=name:
                     self.machines[name].ask(ADMIN, "status"), 20)
        if block.heading == "Configuration":
            self.wait_whole()

    def vm_runs(self, block):
        self.guest = Guest(self.machines["node1"])
        self.wait_whole()

    def is_empty(self, block):
        m = self.machines["node3"]
        status = m.ask(ADMIN, "status")
        if status["stored_bytes"]:
            raise LabError(f"node3 is drained and stores something: {status}")

    def reboots(self, block):
        """The guide's host has been told to; the others see it go."""
        m = self.machines["node3"]
        m.wait_end()
        self.guest.check()
        self.machines["node3"] = m.boot_again()

    def lends_again(self, block):
        self.wait_whole()

    def figures_are_there(self, block):
        for daemon in ("rcached", "arbiter"):
            if f'rcache_up{{daemon="{daemon}"}} 1\n' not in self.said:
                raise LabError(f"no figures of {daemon}: {self.said}")

    def plug_is_pulled(self, block):
        """Of a host that has a copy."""
        self.wait_whole()
        stored = {p["host"]: p["stored_bytes"] for p in self.vm()["providers"]}
        self.lender = max(stored, key=stored.get)
        print(f"guide: the plug of {self.lender} is pulled", flush=True)
        m = self.machines[self.lender]
        m.disk = m.keep_disk()
        m.kill()
        wait_for("the arbiter to miss it", lambda: (
            self.hosts()[self.lender]["state"] != "alive"), 30)
        self.guest.check()

    def plug_is_back(self, block):
        m = self.machines[self.lender]
        self.machines[self.lender] = m.boot_again()
        self.wait_whole()

    def keep_node3(self, block):
        m = self.machines["node3"]
        m.disk = m.keep_disk()

    def next_is_installed(self, block):
        """As the package's files are there before its script runs."""
        for name in ("node1", "node2"):
            self.machines[name].put_program(os.path.join(
                self.lab.build, "tests", "integration", "rcached-next"))
        self.attaches = self.guest.figures()["attaches"]

    def pager_is_new(self, block):
        now = self.guest.figures()["attaches"]
        if now != self.attaches + 1:
            raise LabError(f"the VM has had {now - self.attaches} new pagers "
                           "by an upgrade")
        self.wait_whole()

    BEFORE = {
        "rcachectl upgrade node2\nrcachectl upgrade node1\n":
            next_is_installed,
        "systemctl reboot\n": keep_node3,
        "rcachectl status\nrcachectl vms\nrcachectl whatif node3\n":
            plug_is_pulled,
        "rcachectl drain --wait --timeout=100s node3\n": vm_runs,
    }
    AFTER = {
        "rcachectl upgrade node2\nrcachectl upgrade node1\n": pager_is_new,
        "qemu-system-x86_64-rcache -name web": vm_runs,
        "rcached --check-config\nsystemctl restart rcached\n": all_answer,
        "systemctl restart rcached\n": all_answer,
        "rcachectl drain --wait --timeout=100s node3\n": is_empty,
        "systemctl reboot\n": reboots,
        "rcachectl undrain node3\n": lends_again,
        "curl -s http://127.0.0.1:9472/metrics": figures_are_there,
        "systemctl restart arbiter\n": lends_again,
        "for daemon in rcached arbiter; do": lends_again,
        "rcachectl status\nrcachectl vms\nrcachectl whatif node3\n":
            plug_is_back,
    }

    def hook(self, table, block):
        for text, call in table.items():
            # All of it, or a first line without its end.
            if block.text == text or (text[-1] != "\n" and
                                      block.text.startswith(text)):
                self.used.add((id(table), text))
                call(self, block)

    # -- what stands in for what cannot be run

    def install_daemons(self, block):
        for m in self.machines.values():
            m.systemctl("enable", "--now", "rcached.service")

    def install_arbiter(self, block):
        self.machines["node1"].systemctl("enable", "--now", "arbiter.service")

    def copy_certificates(self, block):
        for name in NAMES[1:]:
            m = self.machines[name]
            os.makedirs(m.path("/etc/pki/rcached"), exist_ok=True)
            run("cp", "-r", self.machines["node1"].path(
                f"/etc/pki/rcached-ca/hosts/{name}/."),
                m.path("/etc/pki/rcached"))

    INSTEAD = {
        "install": install_daemons, "install-arbiter": install_arbiter,
        "copy-certificates": copy_certificates,
    }

    # -- the guide

    def hosts_of(self, block):
        return NAMES if block.host == "every host" else (block.host,)

    def run_block(self, block):
        for name in self.hosts_of(block):
            start = time.monotonic()
            status, self.said = self.machines[name].shell(block.text)
            print(f"guide: line {block.line}, {name}: "
                  f"{block.text.splitlines()[0]}: "
                  f"{time.monotonic() - start:.1f} s", flush=True)
            if status not in block.statuses:
                raise LabError(f"line {block.line} of the guide, on {name}, "
                               f"ended with {status}:\n{block.text}"
                               f"{self.said}")
        if self.guest:
            self.guest.check()

    def run_all(self, guide):
        for block in guide:
            if not block.reason:
                self.hook(self.BEFORE, block)
                self.run_block(block)
                self.hook(self.AFTER, block)
                continue
            self.gaps.append(f"line {block.line}, "
                             f"{block.text.splitlines()[0]}: {block.reason}")
            if block.instead:
                self.INSTEAD[block.instead](self, block)
                self.used.add(("instead", block.instead))

    def unused(self):
        """What the test has for text that is not in the guide any more."""
        wanted = {(id(t), text) for t in (self.BEFORE, self.AFTER)
                  for text in t}
        wanted |= {("instead", name) for name in self.INSTEAD}
        return sorted(str(text) for _, text in wanted - self.used)


def check_result(result):
    print(f"guide: the guest: {result}")
    bad = [k for k in ("mismatches", "wrong_at_end", "lost_events")
           if result[k]]
    if bad or not result["visits"]:
        raise LabError(f"the guest has found: {result}")


def run_guide(test, guide):
    try:
        test.start()
        test.run_all(guide)
        check_result(test.guest.end())
    except (LabError, OSError, AssertionError):
        for m in test.machines.values():
            if m.process.alive():
                print(f"--- {m.host.name}\n{m.said()[-3000:]}")
        raise
    finally:
        test.end()


def main():
    guide = blocks.read(os.path.join(TOP, "docs", "guide.md"))
    if os.geteuid():
        print("skipped: needs root, for namespaces")
        return 77
    machine.skip_without()
    if not os.path.exists("/dev/userfaultfd"):
        print("skipped: this kernel has no /dev/userfaultfd")
        return 77
    start = time.monotonic()
    with Lab(sys.argv[2], tls=True) as lab:
        test = GuideTest(lab)
        run_guide(test, guide)
    if test.unused():
        raise LabError(f"not in the guide any more: {test.unused()}")
    print(f"guide: {time.monotonic() - start:.0f} s; not run word for word:")
    print("\n".join("guide: " + gap for gap in test.gaps))
    print("guide: QEMU is a stand-in, a fake VMM with a 64th of the memory")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LabError as error:
        sys.exit(f"FAILED: {error}")
