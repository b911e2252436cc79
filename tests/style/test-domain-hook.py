#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""rcache-domain makes of a domain what the guide has an operator make of it.

usage: test-domain-hook.py TOP
"""
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as ET

TOP = sys.argv.pop(1)
HOOK = os.path.join(TOP, "dist", "hooks", "rcache-domain")
PLAIN = """<domain type='kvm'><name>web</name><memory unit='GiB'>8</memory>
<devices><emulator>/usr/bin/kvm</emulator></devices></domain>"""
OBJECT = "local-max=2G"


def hook(*args, text=PLAIN, **env):
    return subprocess.run([HOOK, *args], input=text, text=True,
                          capture_output=True, timeout=60, check=False,
                          env={"PATH": os.environ["PATH"], **env})


def shape(text):
    """The domain, without what white space and order leave open."""
    def of(element):
        return (element.tag, sorted(element.attrib.items()),
                (element.text or "").strip(), sorted(map(of, element)))
    return of(ET.fromstring(text))


def guide():
    with open(os.path.join(TOP, "docs", "guide.md"), encoding="utf-8") as f:
        return re.search(r"<domain.*?</domain>", f.read(), re.DOTALL)[0]


class Test(unittest.TestCase):
    def refused(self, done, *words):
        self.assertEqual(done.returncode, 1, done)
        self.assertEqual(done.stdout, "")
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        for word in ("rcache-domain: ", *words):
            self.assertIn(word, done.stderr)

    def test_as_in_the_guide(self):
        done = hook("--object", OBJECT)
        self.assertEqual(done.stderr, "")
        self.assertEqual(shape(done.stdout), shape(guide()))
        again = hook("--object", OBJECT, text=done.stdout)
        self.assertEqual(shape(again.stdout), shape(guide()))

    def test_what_is_there_stays(self):
        text = PLAIN.replace("</domain>", """<memoryBacking>
            <source type='memfd'/></memoryBacking>
            <qemu:commandline xmlns:qemu="http://libvirt.org/schemas/domain/\
qemu/1.0"><qemu:arg value='-foo'/></qemu:commandline></domain>""")
        done = hook("--object", "id=x,copies=1", "--emulator", "", text=text)
        self.assertEqual(done.stderr, "")
        values = [arg.get("value") for arg in ET.fromstring(done.stdout).iter()
                  if arg.tag.endswith("}arg")]
        self.assertEqual(values, ["-foo", "-object",
                                  "remote-cache,id=x,copies=1"])
        self.assertIn("<emulator>/usr/bin/kvm</emulator>", done.stdout)

    def test_what_cannot_be(self):
        for part, word in (
                ("<memoryBacking><hugepages/></memoryBacking>", "huge pages"),
                ("<memoryBacking><locked/></memoryBacking>", "<locked>"),
                ("<memoryBacking><access mode='private'/></memoryBacking>",
                 "access mode='private'"),
                ("<memoryBacking><source type='file'/></memoryBacking>",
                 "memfd"),
                ("<devices><hostdev mode='subsystem'/></devices>",
                 "<hostdev>"),
                ("<devices><interface type='vhostuser'/></devices>",
                 "vhost-user")):
            text = f"<domain type='kvm'>{part}</domain>"
            self.refused(hook("--object", OBJECT, text=text), word)
        self.refused(hook("--object", OBJECT, text="<network/>"), "<network>")
        self.refused(hook("--object", OBJECT, text="hello"), "no XML")
        self.refused(hook(), "--object")

    def test_vdsm(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "domain")

            def run(**env):
                with open(path, "w", encoding="utf-8") as f:
                    f.write(PLAIN)
                done = hook(text="", _hook_domxml=path, **env)
                with open(path, encoding="utf-8") as f:
                    text = f.read()
                self.assertEqual(os.listdir(folder), ["domain"])
                return done, text

            done, text = run()
            self.assertEqual((done.returncode, text), (0, PLAIN))
            done, text = run(rcached=OBJECT)
            self.assertEqual(done.returncode, 0, done)
            self.assertEqual(shape(text), shape(guide()))
            os.unlink(path)
            self.refused(hook(_hook_domxml=path, rcached=OBJECT), path)

    def test_kubevirt(self):
        def run(annotations):
            vmi = json.dumps({"metadata": {"annotations": annotations}})
            return hook("--vmi", vmi, "--domain", PLAIN, text="")

        done = run({"rcached/object": OBJECT})
        self.assertEqual(shape(done.stdout), shape(guide()))
        done = run({"rcached/object": OBJECT, "rcached/emulator": "/q"})
        self.assertIn("<emulator>/q</emulator>", done.stdout)
        for none in ({}, None):
            self.assertEqual(run(none).stdout.strip(), PLAIN)
        self.refused(hook("--vmi", "{", "--domain", PLAIN), "--vmi")
        self.refused(hook("--vmi", "[]", "--domain", PLAIN), "--vmi")


if __name__ == "__main__":
    unittest.main()
