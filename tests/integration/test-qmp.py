#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""rcached and the QMP monitors of VMs that have no remote-cache object.

usage: test-qmp.py RCACHED

The monitors are fakes, some of them bad ones; whatever they do, rcached goes
on answering and knows what the good ones say.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

RCACHED = sys.argv[1]
GIB = 1 << 30
BALLOON = '/machine/peripheral-anon/device[1]'


class Monitor:
    """A QMP server; .bad says what it does instead of answering."""

    def __init__(self, path, bad=None, balloon=True):
        self.bad, self.balloon = bad, balloon
        self.interval = 0
        self.free, self.total, self.actual = 3 * GIB, 7 * GIB, 8 * GIB
        self.update = int(time.time())
        self.asked, self.strange = [], []
        self.path = path
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(path)
        self.server.listen(4)
        self.connections = []
        threading.Thread(target=self.serve, daemon=True).start()

    def end(self):
        os.unlink(self.path)
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
        for conn in self.connections:
            try:
                conn.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def serve(self):
        while True:
            try:
                conn, _ = self.server.accept()
            except OSError:
                return
            self.connections.append(conn)
            try:
                self.talk(conn)
            except OSError:
                pass

    def talk(self, conn):
        say = {
            'silent': None,
            'garbage': b'\x00\xff{{{ no QMP at all\n',
            'deep': b'{"QMP": ' + b'[' * 60000 + b'\n',
            'endless': b'{' + b'x' * (1 << 20),
            'other': b'{"hello": 1}\n',
        }.get(self.bad, b'{"QMP": {"version": {}, "capabilities": []}}\r\n')
        if say is None:
            time.sleep(60)
            return
        conn.sendall(say)
        with conn.makefile('rb') as lines:
            for line in lines:
                self.answer(conn, json.loads(line))

    def answer(self, conn, call):
        command, args = call['execute'], call.get('arguments', {})
        self.asked.append(command)
        if self.bad == 'stuck' and command == 'query-uuid':
            time.sleep(60)
        reply = {'return': self.value(command, args), 'id': call['id']}
        if reply['return'] is None:
            reply = {'error': {'class': 'GenericError', 'desc': 'no'},
                     'id': call['id']}
        if self.bad == 'wrong-id':
            reply['id'] += 1000
        event = {'event': 'RTC_CHANGE', 'data': {}, 'timestamp': {}}
        conn.sendall((json.dumps(event) + '\r\n').encode())
        conn.sendall((json.dumps(reply) + '\r\n').encode())

    def value(self, command, args):
        if command == 'qmp_capabilities':
            return {}
        if command == 'query-name':
            return {'name': 'a-vm'}
        if command == 'query-uuid':
            return {'UUID': '12345678-1234-1234-1234-123456789abc'}
        if command == 'query-memory-size-summary':
            return {'base-memory': 8 * GIB, 'plugged-memory': 0}
        if command == 'qom-list':
            there = self.balloon and args['path'] in BALLOON
            return [{'name': 'type', 'type': 'string'}] + (
                [{'name': 'device[1]', 'type': 'child<virtio-balloon-pci>'}]
                if there and args['path'].endswith('anon') else [])
        if command == 'query-balloon':
            return {'actual': self.actual}
        return self.property(command, args)

    def property(self, command, args):
        if args.get('path') != BALLOON:
            self.strange.append((command, args))
            return None
        if args['property'] == 'guest-stats-polling-interval':
            if command == 'qom-set':
                self.interval = args['value']
                return {}
            return self.interval
        if args['property'] == 'guest-stats':
            return {'stats': {'stat-free-memory': self.free,
                              'stat-available-memory': self.free,
                              'stat-total-memory': self.total,
                              'stat-swap-in': (1 << 64) - 1},
                    'last-update': self.update}
        self.strange.append((command, args))
        return None


class Base(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = scratch.name
        self.qmp = os.path.join(self.folder, 'qmp')
        os.mkdir(self.qmp)

    def config(self, directory, more=''):
        path = os.path.join(self.folder, 'conf')
        with open(path, 'w', encoding='utf-8') as f:
            f.write(f'[agent]\nqmp-directory = {directory}\n{more}')
        return path

    def start(self):
        self.log = tempfile.TemporaryFile()
        self.popen = subprocess.Popen(
            [RCACHED, '--config=' + self.config(self.qmp,
                                                'qmp-period = 200ms\n'),
             f'--run-dir={self.folder}/run', '--host=here',
             '--listen=127.0.0.1:0', '--lend=8M', '--slab-size=1M'],
            stderr=self.log)
        self.addCleanup(self.stop)
        self.wait(lambda: 'runs as host' in self.said())

    def stop(self):
        self.popen.terminate()
        self.assertEqual(self.popen.wait(60), 0, self.said())
        self.log.close()

    def said(self):
        # Not with a seek: the daemon writes where the offset is.
        return os.pread(self.log.fileno(), 1 << 20, 0).decode()

    def wait(self, condition):
        end = time.monotonic() + 60
        while not condition():
            self.assertIsNone(self.popen.poll(), self.said())
            self.assertLess(time.monotonic(), end, self.said())
            time.sleep(0.02)

    def others(self):
        admin = socket.socket(socket.AF_UNIX)
        with admin:
            admin.settimeout(60)
            admin.connect(f'{self.folder}/run/admin.sock')
            admin.sendall(b'{"execute": "status"}\n')
            with admin.makefile('r') as answers:
                answer = json.loads(answers.readline())
        return {os.path.basename(o['socket']): o
                for o in answer['return']['other_vms']}

    def monitor(self, name, **more):
        monitor = Monitor(os.path.join(self.qmp, name), **more)
        self.addCleanup(lambda: os.path.exists(monitor.path) and
                        monitor.end())
        return monitor

    def wait_for(self, name, **figures):
        def fits():
            other = self.others().get(name, {})
            return all(other.get(k) == v for k, v in figures.items())
        self.wait(fits)
        return self.others()[name]


class Good(Base):
    def test_its_figures_are_taken(self):
        monitor = self.monitor('a')
        self.start()
        other = self.wait_for('a', balloon_holds=True)
        self.assertEqual(other['name'], 'a-vm')
        self.assertEqual(other['memory_bytes'], 8 * GIB)
        self.assertEqual(other['actual_bytes'], 8 * GIB)
        self.assertEqual(other['balloon_free_bytes'], 3 * GIB)
        self.assertEqual(other['balloon_total_bytes'], 7 * GIB)
        self.assertGreater(other['resident_bytes'], 1 << 20)
        self.assertEqual(other['error'], '')
        self.assertGreater(monitor.interval, 0)
        monitor.free, monitor.actual = GIB, 7 * GIB
        monitor.update += 1
        self.wait_for('a', balloon_free_bytes=GIB, actual_bytes=7 * GIB)
        self.assertEqual(monitor.strange, [])
        self.assertNotIn('qom-set', monitor.asked[-2:])

    def test_figures_that_cannot_be_true_do_not_count(self):
        monitor = self.monitor('a')
        self.start()
        for free, total in ((8 * GIB, 7 * GIB), ((1 << 64) - 1, 7 * GIB),
                            (GIB, (1 << 64) - 1), (GIB, 9 * GIB)):
            self.wait_for('a', balloon_holds=True)
            good = monitor.free, monitor.total
            monitor.free, monitor.total = free, total
            other = self.wait_for('a', balloon_holds=False)
            self.assertTrue(other['connected'])
            monitor.free, monitor.total = good

    def test_old_figures_do_not_count(self):
        monitor = self.monitor('a')
        monitor.update -= 3600
        self.start()
        other = self.wait_for('a', connected=True, actual_bytes=8 * GIB)
        self.assertFalse(other['balloon_holds'])
        monitor.update = int(time.time())
        self.wait_for('a', balloon_holds=True)

    def test_a_vm_without_balloon(self):
        monitor = self.monitor('a', balloon=False)
        self.start()
        other = self.wait_for('a', connected=True)
        self.assertFalse(other['balloon_holds'])
        self.assertEqual(other['memory_bytes'], 8 * GIB)
        self.assertEqual(monitor.strange, [])

    def test_monitors_come_and_go(self):
        self.start()
        self.assertEqual(self.others(), {})
        open(os.path.join(self.qmp, 'no-socket'), 'w').close()
        for _ in range(2):
            monitor = self.monitor('b')
            self.wait_for('b', balloon_holds=True)
            monitor.end()
            self.wait(lambda: self.others() == {})


class Bad(Base):
    def test_each_is_left_and_the_good_one_goes_on(self):
        reasons = {
            'silent': 'no answer', 'garbage': 'not QMP',
            'deep': 'not QMP', 'endless': 'too long',
            'other': 'the greeting', 'stuck': 'no answer',
            'wrong-id': 'was not sent',
        }
        for bad in reasons:
            self.monitor(bad, bad=bad)
        good = self.monitor('good')
        self.start()
        for bad, reason in reasons.items():
            self.wait(lambda: reason in self.others()[bad]['error'])
            self.assertFalse(self.others()[bad]['connected'])
        good.free = 2 * GIB
        self.wait_for('good', balloon_free_bytes=2 * GIB)


class Config(Base):
    def test_folders_that_will_not_do(self):
        for directory, words in (
                ('relative', 'absolute path'),
                ('/nonexistent', '/nonexistent'),
                ('/var/lib/libvirt/qemu', "libvirt's")):
            done = subprocess.run(
                [RCACHED, '--config=' + self.config(directory),
                 f'--run-dir={self.folder}/run', '--lend=0'],
                capture_output=True, text=True, timeout=60)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn('qmp-directory', done.stderr)
            self.assertIn(words, done.stderr)


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1], warnings='ignore')
