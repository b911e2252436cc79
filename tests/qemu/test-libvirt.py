#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A domain of Debian's libvirtd, which nobody has changed, with the lines of
XML that the operator's guide names: started, paged out, looked at, reset, shut
down; and what does not go together with it is refused, with the reason.
"""
import json
import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ET

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from scene import Lab, LabError, boot_files, check, skip, wait_for  # noqa: E402
from libvirt_machine import KVM, QEMU_USER, LibvirtMachine  # noqa: E402
import machine  # noqa: E402  (libvirt_machine knows where it is)
from lab import QUICK  # noqa: E402

MIB = 1 << 20
QEMU_NS = "http://libvirt.org/schemas/domain/qemu/1.0"
SIZE, LOCAL_MAX = 192, 64       # MiB
TOP = os.path.join(HERE, "..", "..")
GUIDE = os.path.join(TOP, "docs", "guide.md")
CONSOLE = "/var/log/libvirt/qemu/web-console.log"
BOOT = "/var/lib/libvirt/boot"
RESIZE = json.dumps({"execute": "remote-cache-resize",
                     "arguments": {"id": "rc0", "size": 0}})
ADD = json.dumps({"execute": "object-add", "arguments": {
    "qom-type": "remote-cache", "id": "rc0",
    "local-max": LOCAL_MAX * MIB}})


def guide_xml():
    """The domain of the guide."""
    with open(GUIDE) as f:
        block, = re.findall(r"```xml\n(<domain.*?</domain>)\n```", f.read(),
                            re.DOTALL)
    return block


def domain(kernel, initrd):
    """That of the guide, smaller, with what any domain has besides."""
    xml = guide_xml()
    for old, new in (("type='kvm'", "type='qemu'"),
                     ("<memory unit='GiB'>8<", f"<memory unit='MiB'>{SIZE}<"),
                     ("local-max=2G", f"local-max={LOCAL_MAX}M"),
                     ("<devices>", f"""
  <os>
    <type machine='q35'>hvm</type>
    <kernel>{kernel}</kernel>
    <initrd>{initrd}</initrd>
    <cmdline>console=ttyS0 quiet panic=-1 {QUICK}</cmdline>
  </os>
  <features><acpi/></features>
  <devices>
    <serial type='file'><source path='{CONSOLE}'/></serial>
    <memballoon model='virtio'/>""")):
        check(xml.count(old) == 1, f"the guide's domain has no {old}")
        xml = xml.replace(old, new)
    ET.fromstring(xml)
    return xml


def without_object(xml):
    ET.register_namespace("qemu", QEMU_NS)
    tree = ET.fromstring(xml)
    line = tree.find(f"{{{QEMU_NS}}}commandline")
    for arg in list(line):
        line.remove(arg)
    return ET.tostring(tree, encoding="unicode")


class Console:
    """What a guest says from now on."""

    def __init__(self, path):
        self.path = path
        self.start = os.path.getsize(path) if os.path.exists(path) else 0

    def all(self):
        with open(self.path, errors="replace") as f:
            f.seek(self.start)
            return f.read()

    def said(self, name):
        """Of its last line; 0 if it has said nothing yet."""
        text = self.all()
        check("RCACHE mismatch" not in text, text[-2000:])
        lines = re.findall(r"^RCACHE (state=.*mismatches=\d+ .*us=\d+)\r?$",
                           text, re.MULTILINE)
        if not lines:
            return 0
        words = dict(word.split("=") for word in lines[-1].split())
        check(words["mismatches"] == "0", words)
        return int(words[name]) if words[name].isdigit() else words[name]


class Domain:
    """The host with libvirt, and two that lend."""

    def __init__(self, lab):
        host = lab.add_host("requester")
        host.start_arbiter()
        arbiter = f"{host.address}:9471"
        self.providers = [lab.add_host("provider-a"),
                          lab.add_host("provider-b")]
        for provider in self.providers:
            provider.start_rcached(
                "--arbiter", arbiter, "--slab-size", "16M", "--lend",
                f"{SIZE}M", "--reserve", "256M")
        self.m = LibvirtMachine(host, f"""
[host]
name = {host.name}
tls = none
[provider]
listen = {host.at(9470)}
lend = 0
[agent]
arbiters = {arbiter}
""", kvm=KVM)
        for unit in ("rcached.service", "libvirtd.socket"):
            self.m.systemctl("start", unit)
        for file, name in zip(boot_files("button"), ("vmlinuz", "initrd.img")):
            self.m.run("install", "-D", "-m", "644", file, f"{BOOT}/{name}")
        self.console = None
        with open(self.m.path("/root/web.xml"), "w") as f:
            f.write(domain(f"{BOOT}/vmlinuz", f"{BOOT}/initrd.img"))
        self.m.virsh("define", "/root/web.xml")

    def start(self):
        self.m.virsh("start", "web", seconds=200)
        self.booted()

    def booted(self):
        """From now on only what the guest says after this counts."""
        self.console = Console(self.m.path(CONSOLE))
        wait_for("the guest to have stamped its memory",
                 lambda: self.console.said("state") == "run", 200)
        wait_for("pages to be elsewhere", self.is_away, 60)

    def is_away(self):
        vm = self.vm()
        return (vm["state"] == "attached" and
                vm["remote_bytes"] > SIZE * MIB // 3 and
                vm["resident_bytes"] < (LOCAL_MAX + 16) * MIB)

    def progress(self, share=3):
        """Until one page of @share has been verified."""
        before = self.console.said("verified")
        wait_for("pages to be verified", lambda: self.console.said(
            "verified") >= before + SIZE * MIB // 4096 // share, 120)

    def vm(self):
        vms = json.loads(self.m.run(
            "rcachectl", "--socket=/run/rcached/admin.sock", "--json", "vms"))
        return vms[0] if vms else {"state": "none"}

    def state(self):
        return self.m.virsh("domstate", "web")

    def wait_off(self):
        wait_for("the domain to be off", lambda: self.state() == "shut off",
                 60)
        wait_for("the providers to have nothing",
                 lambda: not any(map(stored, self.providers)), 30)


def stored(host):
    admin = host.admin()
    try:
        return admin.call("status")["stored_bytes"]
    finally:
        admin.close()


def runs(d):
    """QEMU is libvirt's, as a user who may nothing, and its pages leave."""
    d.start()
    vm = d.vm()
    check(vm["name"] == "web" and vm["vmm_uid"] == QEMU_USER, vm)
    check(vm["uuid"] == d.m.virsh("domuuid", "web"), vm)
    info = d.m.virsh("qemu-monitor-command", "web", "--hmp",
                     "info remote-cache")
    check("provider-a" in info, info)
    free = d.m.virsh("dommemstat", "web")
    check("usable" in free, free)       # the balloon's figures
    d.progress()


def stands_still(d):
    """virsh suspend and resume."""
    d.m.virsh("suspend", "web")
    check(d.state() == "paused", d.state())
    d.m.virsh("resume", "web")
    d.progress()


def refuses(d):
    """What writes the guest's memory to a file would miss what is away."""
    for command in (["managedsave", "web"], ["save", "web", "/root/save"]):
        said = d.m.virsh_fails(*command)
        check(said and "remote-cache-resize with size=0" in said,
              f"virsh {command[0]}: {said}")
        check(d.state() == "running", d.state())
    d.progress()


def restarts(d):
    """libvirt's daemon, and ours."""
    d.m.systemctl("restart", "libvirtd.service")
    check(d.state() == "running", d.state())
    d.m.systemctl("restart", "rcached.service")
    wait_for("the pager to be adopted", lambda: d.m.virsh(
        "qemu-monitor-command", "web",
        '{"execute": "query-remote-cache"}').count('"attached":true'), 30)
    d.progress()


def saves(d):
    """Once all is at home, as the guide says; it starts again without the
    object, and gets another one."""
    d.m.virsh("qemu-monitor-command", "web", RESIZE)
    wait_for("all to be at home", lambda: not any(map(stored, d.providers)),
             60)
    d.m.virsh("managedsave", "web", seconds=200)
    said = d.m.virsh_fails("start", "web")
    check(said and "remote-cache cannot be used with -incoming" in said, said)
    with open(d.m.path("/root/plain.xml"), "w") as f:
        f.write(without_object(d.m.virsh("managedsave-dumpxml", "web")))
    d.m.virsh("managedsave-define", "web", "/root/plain.xml")
    d.m.virsh("start", "web", seconds=200)
    d.console = Console(d.m.path(CONSOLE))
    d.progress()
    d.m.virsh("qemu-monitor-command", "web", ADD)
    wait_for("pages to be elsewhere", d.is_away, 60)
    d.progress()


def resets(d):
    d.m.virsh("reset", "web")
    d.booted()
    d.progress()


def shuts_down(d):
    """The guest hears the power button."""
    d.m.virsh("shutdown", "web", "--mode", "acpi")
    d.wait_off()
    check("RCACHE power button" in d.console.all(), "no power button")


def hooked(d):
    """What rcache-domain makes of a domain without the object is one that
    libvirt starts with it."""
    plain = without_object(d.m.virsh("dumpxml", "--inactive", "web"))
    tree = ET.fromstring(plain)
    tree.remove(tree.find("memoryBacking"))
    done = subprocess.run(
        [os.path.join(TOP, "dist", "hooks", "rcache-domain"), "--object",
         f"local-max={LOCAL_MAX}M"], input=ET.tostring(tree, "unicode"),
        stdout=subprocess.PIPE, text=True, timeout=60, check=True)
    with open(d.m.path("/root/hooked.xml"), "w") as f:
        f.write(done.stdout)
    d.m.virsh("define", "/root/hooked.xml")
    argv = d.m.virsh("domxml-to-native", "qemu-argv", "--domain", "web")
    check("memory-backend-memfd" in argv and '"share":true' in argv and
          f"-object remote-cache,id=rc0,local-max={LOCAL_MAX}M" in argv and
          "qemu-system-x86_64-rcache" in argv, argv)


def main():
    if os.geteuid():
        skip("needs root, for network namespaces")
    if not os.environ.get("RCACHED_QEMU"):
        skip("RCACHED_QEMU names no patched QEMU")
    machine.skip_without()
    with Lab(os.environ["RCACHED_BUILD"]) as lab:
        d = Domain(lab)
        try:
            for case in (runs, stands_still, refuses, restarts, saves,
                         resets, shuts_down, hooked):
                begin = time.monotonic()
                case(d)
                print(f"{case.__name__}: ok ({time.monotonic() - begin:.1f} "
                      "s)", flush=True)
        except LabError as error:
            for file in (machine.LOG, "/var/log/libvirt/qemu/web.log",
                         CONSOLE):
                print(f"--- {file}\n" + d.m.run("tail", "-n", "40", file,
                                                check=False))
            print(error)
            sys.exit(1)
        finally:
            d.m.kill()


if __name__ == "__main__":
    main()
