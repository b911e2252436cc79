#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""rcache-exporter: what it answers, and who can hold up whom.

usage: test-exporter.py EXPORTER ARBITER RCACHED TOP [CASE...]

A daemon that a test plays says what the test wants; the real ones are asked as
well.  What real figures raise as alerts: alerts.py.
"""
import os
import re
import signal
import socket
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'lib'))
import promtext  # noqa: E402
from exporterplay import Case, PATIENCE_S  # noqa: E402

EXPORTER, ARBITER, RCACHED, TOP = sys.argv[1:5]
Case.exporter = EXPORTER
# As http.h has them.
CONNS_MAX, TEXTS_MAX, LIFE_S = 64, 4, 30
# As http.c has it.
IDLE_S = 10


def run(*args, **kwargs):
    return subprocess.run(args, capture_output=True, text=True, timeout=60,
                          check=False, **kwargs)


class Answers(Case):
    def test_metrics(self):
        self.daemon()
        self.start()
        status, headers, text = self.ask()
        self.assertEqual(status, 200)
        self.assertEqual(headers['Content-Type'],
                         'text/plain; version=0.0.4; charset=utf-8')
        self.assertEqual(headers['Connection'], 'close')
        self.assertEqual(promtext.offences(text), [])
        self.assertIn('\nrcache_up{daemon="rcached"} 1\n', text)
        self.assertIn('\nrcache_uptime_seconds 2.5\n', text)
        self.assertIn('\nrcache_build_info{daemon="rcached",version="9.9"} 1',
                      text)
        self.assertIn('rcache_exporter_build_info{version=', text)
        self.assertEqual(self.ask('/metrics?x=y')[0], 200)

    def test_head(self):
        self.daemon()
        self.start()
        self.ask()
        status, headers, text = self.ask(method='HEAD')
        self.assertEqual((status, text), (200, ''))
        self.assertGreater(int(headers['Content-Length']), 100)
        self.assertEqual(self.ask('/', 'HEAD')[0], 200)

    def test_other_paths_and_methods(self):
        """Without a page the daemon is asked only for whoever asks."""
        daemon = self.daemon()
        self.start('--page=no')
        status, headers, text = self.ask('/')
        self.assertEqual((status, headers['Content-Type']),
                         (200, 'text/html; charset=utf-8'))
        self.assertIn('<a href="/metrics">', text)
        for path in ('/metrics/', '/x', '//', '/../etc/passwd', '/api/page',
                     '/page.js'):
            for method in ('GET', 'POST'):
                self.assertEqual(self.ask(path, method)[0], 404, path)
        for method in ('POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'NONSENSE'):
            status, headers, _ = self.ask(method=method, body=b'x' * 9)
            self.assertEqual((status, headers['Allow']), (405, 'GET, HEAD'),
                             method)
        self.assertEqual(daemon.times(), 0)

    def test_nonsense(self):
        self.daemon()
        self.start()
        for data in (b'\r\n\r\n', b'GET\r\n\r\n', bytes(range(256)) * 40,
                     b'GET /metrics HTTP/1.1\r\nA: ' + b'x' * 100000 +
                     b'\r\n\r\n', b'\x16\x03\x01\x02\x00\x01' * 9 + b'\r\n'):
            conn = self.connect()
            try:
                conn.sendall(data)
                conn.shutdown(socket.SHUT_WR)
                while conn.recv(65536):
                    pass
            except OSError:
                pass            # it does not read all of that
        self.assertTrue(self.is_up())


class Daemons(Case):
    def test_down_and_up(self):
        self.start()
        self.assertFalse(self.is_up())
        text = self.ask()[2]
        self.assertIn('rcache_up{daemon="rcached"} 0\n', text)
        self.assertEqual(promtext.offences(text), [])
        self.assertNotIn('rcache_ok', text)
        self.daemon()
        self.wait('it to be seen', self.is_up)
        self.wait('that to be said', lambda: 'figures again' in self.said())
        self.assertEqual(self.said().count('gives no figures'), 1)

    def test_too_many_vms(self):
        """A daemon that does not list its VMs is up, and says how many."""
        self.daemon(vms=None)
        self.start()
        text = self.ask()[2]
        self.assertIn('rcache_up{daemon="rcached"} 1\n', text)
        self.assertIn('\nrcache_vms_left_out 30000\n', text)
        self.assertEqual(promtext.offences(text), [])

    def test_silent(self):
        """Prometheus gives an answer ten seconds, if it is not told."""
        daemon = self.daemon()
        daemon.silent.set()
        self.start()
        began = time.monotonic()
        self.assertIn('rcache_up{daemon="rcached"} 0\n', self.ask()[2])
        self.assertGreater(time.monotonic() - began, 2)
        self.assertIn('no answer in time', self.said())

    def test_arbiter_itself(self):
        self.start_beside(ARBITER)
        self.wait('it to answer', lambda: '\nrcache_up{daemon="arbiter"} 1\n'
                  in self.ask()[2])
        text = self.ask()[2]
        self.assertEqual(promtext.offences(text), [])
        self.assertIn('\nrcache_ok 0\n', text)
        self.assertIn('\nrcache_build_info{daemon="arbiter",version="', text)

    @unittest.skipIf(os.geteuid(), 'only root can be somebody else')
    def test_rights(self):
        """Another user is refused, and told what to do; one of the read-group
        is not."""
        config = os.path.join(self.folder, 'a.conf')
        with open(config, 'w', encoding='utf-8') as file:
            file.write('[admin]\nread-group = games\n')
        os.chmod(self.folder, 0o755)
        process = subprocess.Popen(
            [ARBITER, '--config', config, '--listen', '127.0.0.1:0',
             '--admin-socket', self.socket], stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.wait('its socket', lambda: os.path.exists(self.socket))
        # Where the program was built, nobody else may be able to read.
        program = os.path.join(self.folder, 'exporter')
        run('cp', EXPORTER, program)
        os.chmod(program, 0o755)
        for group, up in (('users', 0), ('games', 1)):
            with open(self.log, 'wb') as log:
                exporter = subprocess.Popen(
                    ['setpriv', '--reuid=65534', '--regid=65534',
                     f'--groups={group}', program, '--of=arbiter',
                     '--listen=127.0.0.1:0', '--socket', self.socket],
                    stderr=log)
            try:
                self.wait('it listens', lambda: '/metrics' in self.said())
                self.port = int(re.search(r'127.0.0.1:(\d+)/metrics',
                                          self.said())[1])
                self.assertIn(f'rcache_up{{daemon="arbiter"}} {up}\n',
                              self.ask()[2])
                self.assertEqual('name a group of this program' in
                                 self.said(), not up)
            finally:
                exporter.kill()
                exporter.wait()


class Clients(Case):
    def test_many_ask_once(self):
        """However many ask, the daemon is asked about once a second."""
        daemon = self.daemon()
        self.start()
        began = time.monotonic()
        for _ in range(200):
            self.assertEqual(self.ask()[0], 200)
        took = time.monotonic() - began
        self.assertLessEqual(daemon.times(), took + 1)

    def test_what_takes_long_is_asked_seldom(self):
        """Three questions of a third of a second: then ten seconds of rest."""
        daemon = self.daemon(takes=1 / 3)
        self.start()
        self.assertTrue(self.is_up())
        began = time.monotonic()
        while time.monotonic() - began < 3:
            self.assertTrue(self.is_up())
            time.sleep(0.1)
        self.assertEqual(daemon.times(), 1)

    def test_silent_clients(self):
        """More of them than there may be: each newcomer has its answer."""
        self.daemon()
        self.start()
        began = time.monotonic()
        silent = [self.connect(b'GET /metr' if i % 2 else b'')
                  for i in range(CONNS_MAX * 2)]
        self.assertTrue(self.is_up())
        self.wait('the oldest to be closed', lambda: is_closed(silent[0]))
        open_still = not is_closed(silent[-1])
        # Long before any is closed for its silence, unless the machine is busy.
        if time.monotonic() - began < IDLE_S - 1:
            self.assertTrue(open_still)

    def test_who_does_not_read(self):
        """Texts that are being sent are few, however long their clients take,
        and others have an answer."""
        row = {'name': 'x' * 4000, 'uuid': 'u', 'host': 'h',
               'state': 'attached', **{
                   key: 1 for key in ('guest_bytes', 'resident_bytes',
                                      'remote_bytes', 'zero_bytes', 'faults',
                                      'copies', 'size_bytes', 'vcpus')}}
        daemon = self.daemon(vms=[dict(row, uuid=f'u{i}')
                                  for i in range(300)])
        process = self.start('--page=no')
        began = time.monotonic()
        clients, old = [], 0

        def is_old():
            for client in clients:      # slowly, but not silent
                client.recv(8192)
            return time.monotonic() > old

        def times(expected):
            """Unless the machine is so busy that the first ones' time is up."""
            asked = daemon.times()
            if time.monotonic() - began < LIFE_S - 1:
                self.assertEqual(asked, expected)

        for number in range(TEXTS_MAX + 2):
            self.wait('the newest text to be old', is_old)
            clients.append(self.connect(b'GET /metrics HTTP/1.1\r\n'
                                        b'Host: x\r\n\r\n', buffer=4096))
            # It is being sent.
            said = b''
            while b'\nrcache_exporter_build_info' not in said:
                more = clients[-1].recv(4096)
                self.assertTrue(more, said)
                said += more
            self.assertTrue(said.startswith(b'HTTP/1.1 200'), said)
            took = float(re.search(rb'duration_seconds{.*} (.*)\n', said)[1])
            old = time.monotonic() + max(1, 10 * took) + 0.05
            times(min(number + 1, TEXTS_MAX))
        status, _, text = self.ask()
        self.assertEqual(status, 200)
        self.assertGreater(len(text), 5 << 20)
        times(TEXTS_MAX)
        for client in clients:
            client.close()
        self.wait('a newer text', lambda: self.ask()[0] == 200 and
                  daemon.times() > TEXTS_MAX)
        self.assertIsNone(process.poll())


class Slow(Case):
    def test_who_sends_a_byte_now_and_then(self):
        """No connection lives for longer than it may, however busy it is."""
        self.daemon()
        self.start()
        conn = self.connect(b'GET /metrics HTTP/1.1\r\n')
        began = time.monotonic()
        try:
            while time.monotonic() - began < PATIENCE_S + LIFE_S:
                conn.sendall(b'X-Slow: 1\r\n')
                self.assertTrue(self.is_up())
                time.sleep(1)
            self.fail('it lives on')
        except OSError:
            pass
        self.assertGreater(time.monotonic() - began, LIFE_S - 2)


def is_closed(conn):
    conn.setblocking(False)
    try:
        return conn.recv(4096) == b''
    except BlockingIOError:
        return False
    except OSError:
        return True


class CommandLine(Case):
    def test_example_is_what_is_shipped(self):
        with open(os.path.join(TOP, 'dist', 'exporter.conf'),
                  encoding='utf-8') as file:
            self.assertEqual(file.read(),
                             run(EXPORTER, '--example-config').stdout)

    def test_wrong(self):
        taken = socket.create_server(('127.0.0.1', 0))
        self.addCleanup(taken.close)
        port = taken.getsockname()[1]
        for args, status, text in (
                (['--of=nobody'], 2, 'nobody'),
                (['--listen=example.org:1'], 2, '[rcached] listen: '),
                (['--of=arbiter', '--listen=x'], 2, '[arbiter] listen: '),
                (['word'], 2, "unexpected argument 'word'"),
                (['--config=/nowhere'], 2, '/nowhere'),
                ([f'--listen=127.0.0.1:{port}'], 1, 'in use')):
            done = run(EXPORTER, *args)
            self.assertEqual(done.returncode, status, args)
            self.assertIn(text, done.stderr)
        self.assertEqual(run(EXPORTER, '--check-config').returncode, 0)
        self.assertRegex(run(EXPORTER, '--version').stdout,
                         r'^rcache-exporter \d+\.\d+\.\d+$')

    def test_ends_and_warns(self):
        process = self.start('--listen=0.0.0.0:0', '--listen=127.0.0.1:0')
        self.assertNotIn('beyond this host', self.said())
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(PATIENCE_S), 0)
        with open(self.log, 'wb') as log:
            process = subprocess.Popen([EXPORTER, '--listen=0.0.0.0:0'],
                                       stderr=log)
        self.wait('a warning', lambda: 'beyond this host' in self.said())
        process.terminate()
        self.assertEqual(process.wait(PATIENCE_S), 0)

    def test_manual(self):
        """All of its options, keys and figures stand there."""
        with open(os.path.join(TOP, 'docs/man/rcache-exporter.8.rst'),
                  encoding='utf-8') as file:
            manual = file.read()
        for option in re.findall(r'--[a-z-]+', run(EXPORTER, '--help').stdout):
            if option not in ('--help', '--help-all'):
                self.assertIn(f'\n{option}', manual)
        source = ''
        for name in ('rcachectl/metrics.c', 'rcachectl/metrics-vms.c',
                     'exporter/scrape.c'):
            with open(os.path.join(TOP, 'arbiter', name),
                      encoding='utf-8') as file:
                source += file.read()
        ours = set(re.findall(r'"(rcache_\w+)"', source))
        told = set(re.findall(r'``(rcache_\w+)``', manual))
        self.assertEqual(ours - told, set())
        self.assertEqual(told - ours, set())


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1] + sys.argv[5:])
