#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""arbiter's and rcachectl's command lines: options, texts, exit codes.

usage: test-cli.py ARBITER RCACHECTL TOP
"""

import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
import unittest

ARBITER, RCACHECTL, TOP = sys.argv[1:4]


def run(*args, **kwargs):
    return subprocess.run(args, capture_output=True, text=True, timeout=60,
                          check=False, **kwargs)


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix='cli-')
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.socket = os.path.join(self.folder, 's')

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'w', encoding='utf-8') as f:
            f.write(text)
        return path

    def start(self, *options):
        process = subprocess.Popen(
            [ARBITER, '--listen', '127.0.0.1:0', '--admin-socket',
             self.socket, *options], stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        until = time.monotonic() + 60
        while self.ctl('status').returncode:
            self.assertLess(time.monotonic(), until, 'it does not start')
            time.sleep(0.01)
        return process

    def ctl(self, *args):
        return run(RCACHECTL, '--socket', self.socket, *args)


class Arbiter(Case):
    def test_says_what_it_is(self):
        for program, name in ((ARBITER, 'arbiter'),
                              (RCACHECTL, 'rcachectl')):
            done = run(program, '--version')
            self.assertEqual(done.returncode, 0)
            self.assertRegex(done.stdout, rf'^{name} \d+\.\d+\.\d+$')
            self.assertEqual(run(program, '--help').returncode, 0)
        self.assertIn('instead of /etc/rcached/arbiter.conf',
                      run(ARBITER, '--help').stdout)

    def test_wrong_command_lines(self):
        for args, text in (
                (['--no-such'], '--no-such'),
                (['one'], "unexpected argument 'one'"),
                (['--listen', 'nowhere'], 'is not an address'),
                (['--listen', '0.0.0.0:0'], 'tls=none'),
                (['--listen', '[::]:0'], 'tls=none'),
                (['--tls', 'tls'], 'not one of: required, psk, none'),
                (['--heartbeat', '1'], "'1ms' is not from 50 to 60000 ms"),
                (['--config', '/nowhere'], '/nowhere')):
            done = run(ARBITER, *args)
            self.assertEqual(done.returncode, 2, args)
            self.assertIn(text, done.stderr)

    def test_configuration(self):
        good = self.write('a.conf', '[arbiter]\nheartbeat = 200ms\n')
        done = run(ARBITER, '--config', good, '--check-config')
        self.assertEqual(done.returncode, 0, done.stderr)
        self.write('a.conf.d/1.conf', '[arbiter]\nheartbeat = 300ms\n')
        done = run(ARBITER, '--config', good, '--print-config',
                   '--admin-socket', '/x')
        self.assertIn(f'# ({good}.d/1.conf:2)\nheartbeat = 300ms\n',
                      done.stdout)
        self.assertIn('# (--admin-socket)\nsocket = /x\n', done.stdout)
        self.assertIn('# (default)\nspread = 2\n', done.stdout)
        again = self.write('b.conf', done.stdout)
        done = run(ARBITER, '--config', again, '--check-config')
        self.assertEqual(done.returncode, 0, done.stderr)

        for text, error in (
                ('[arbiter]\nlistne = x\n', ":2: unknown key 'listne'"),
                ('[placement]\nspread = 17\n', ':2: [placement] spread'),
                ('[arbiter]\nsuspect-beats = 9\ndead-beats = 9\n',
                 'dead-beats (9) must be more')):
            bad = self.write('bad.conf', text)
            done = run(ARBITER, '--config', bad, '--check-config')
            self.assertEqual(done.returncode, 2)
            self.assertIn(error, done.stderr)

    def test_example_is_what_is_shipped(self):
        with open(os.path.join(TOP, 'dist/arbiter.conf'),
                  encoding='utf-8') as f:
            self.assertEqual(f.read(),
                             run(ARBITER, '--example-config').stdout)

    def test_beyond_loopback_is_warned_of(self):
        process = self.start('--listen', '0.0.0.0:0', '--tls', 'none')
        process.terminate()
        self.assertIn('tls=none', process.stderr.read())
        process = self.start()
        process.terminate()
        self.assertNotIn('tls=none', process.stderr.read())

    def test_socket_comes_and_goes(self):
        first = self.start()
        mode = os.stat(self.socket).st_mode
        self.assertTrue(stat.S_ISSOCK(mode))
        self.assertEqual(stat.S_IMODE(mode), 0o600)
        second = run(ARBITER, '--listen', '127.0.0.1:0', '--admin-socket',
                     self.socket)
        self.assertEqual(second.returncode, 1)
        self.assertIn('another daemon is listening on it', second.stderr)
        self.assertEqual(self.ctl('status').returncode, 0)
        for sig in (signal.SIGTERM, signal.SIGINT):
            first.send_signal(sig)
            self.assertEqual(first.wait(10), 0)
            self.assertFalse(os.path.exists(self.socket))
            first = self.start()
        first.kill()
        first.wait()
        self.assertTrue(os.path.exists(self.socket))
        self.start()

    def test_port_in_use(self):
        with socket.create_server(('127.0.0.1', 0)) as taken:
            port = taken.getsockname()[1]
            done = run(ARBITER, '--listen', f'127.0.0.1:{port}',
                       '--admin-socket', self.socket)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f'cannot listen on 127.0.0.1:{port}', done.stderr)
        self.assertFalse(os.path.exists(self.socket))


def as_member(group, *args):
    """Run it as nobody, with one supplementary group."""
    return run('setpriv', '--reuid=65534', '--regid=65534',
               f'--groups={group}', *args)


@unittest.skipIf(os.geteuid(), 'only root can be somebody else')
class Rights(Case):
    def test_two_groups(self):
        os.chmod(self.folder, 0o755)
        config = self.write('r.conf', '[admin]\ngroup = games\n'
                                      'read-group = users\n')
        self.start('--config', config)
        self.assertEqual(stat.S_IMODE(os.stat(self.socket).st_mode), 0o666)
        # Where the program was built, nobody else may be able to read.
        ctl = (shutil.copy(RCACHECTL, self.folder), '--socket', self.socket)
        for group, args, status, text in (
                ('users', ['status'], 0, ''), ('users', ['hosts'], 0, ''),
                ('users', ['leases'], 0, ''), ('users', ['vms'], 0, ''),
                ('users', ['drain', 'h'], 4, 'drain is for root'),
                ('users', ['undrain', 'h'], 4, 'members of the group games'),
                ('games', ['status'], 0, ''),
                ('games', ['drain', 'h'], 1, 'there is no host h'),
                ('nogroup', ['status'], 4, 'members of the group users')):
            done = as_member(group, *ctl, *args)
            self.assertEqual(done.returncode, status, (group, args, done))
            self.assertIn(text, done.stderr)

    def test_no_such_group(self):
        config = self.write('r.conf', '[admin]\nread-group = no-such\n')
        done = run(ARBITER, '--config', config, '--listen', '127.0.0.1:0',
                   '--admin-socket', self.socket)
        self.assertEqual(done.returncode, 1)
        self.assertIn("no group 'no-such'", done.stderr)


class Rcachectl(Case):
    def test_exit_codes(self):
        self.assertEqual(self.ctl('status').returncode, 3)
        self.start()
        for args, status, text in (
                (['status'], 0, ''), (['hosts'], 0, ''),
                (['leases'], 0, ''), (['vms'], 0, ''),
                ([], 2, 'a command is missing'),
                (['nonsense'], 2, "'nonsense'"),
                (['status', 'x'], 2, 'usage: '), (['evict', 'vm'], 2,
                                                  'evict VM BYTES'),
                (['evict', 'vm', '1Q'], 2, "'1Q' is not a size"),
                (['--timeout', '5', 'status'], 2, "'5' is not a time"),
                (['--no-such', 'status'], 2, '--no-such'),
                (['--explain', 'h', 'vms'], 2, '--explain goes with hosts'),
                (['hosts', '--explain', 'h'], 1, "no host 'h'"),
                (['evict', 'vm', '1M'], 1, "no host reports a VM 'vm'"),
                (['set', 'vm'], 2, 'set VM KEY=VALUE'),
                (['set', 'vm', 'hold'], 2, "'hold' is nothing that can be"),
                (['set', 'vm', 'hold=1'], 2, 'it is hold=on or hold=off'),
                (['set', 'vm', 'hold=on'], 4, "rcached of the VM's host"),
                (['drain'], 2, 'drain HOST'),
                (['drain', 'h'], 1, 'there is no host h'),
                (['undrain', 'h'], 1, 'there is no host h'),
                (['whatif', 'h'], 1, 'there is no host h'),
                (['whatif'], 2, 'whatif HOST'),
                (['ok-to-stop', 'h'], 1, 'there is no host h'),
                (['ok-to-stop'], 2, 'ok-to-stop HOST'),
                (['drain', '--wait', 'h'], 1, 'there is no host h'),
                (['--wait', 'status'], 2, '--wait goes with drain'),
                (['metrics'], 0, ''),
                (['top'], 1, 'top needs a terminal'),
                (['--interval=1ms', 'top'], 2, 'less than 100 ms'),
                (['--interval=1s', 'vms'], 2, '--interval goes with top'),
                (['--root=/x', 'vms'], 2, '--root goes with check')):
            done = self.ctl(*args)
            self.assertEqual(done.returncode, status, args)
            self.assertIn(text, done.stderr)
            self.assertEqual(done.stderr == '', status == 0)

    def check(self, status, *args):
        done = self.ctl('--json', 'check', *args)
        self.assertEqual(done.returncode, status, done)
        return {f['id']: f for f in json.loads(done.stdout)['findings']}

    def test_check(self):
        self.assertEqual(self.ctl('check').returncode, 3)
        self.start()
        found = self.check(4, 'nowhere')
        self.assertIn('nowhere', found['address-wrong']['found'])
        self.assertIn('no host has reported', found['arbiter-degraded']['what'])
        # Another host's tree, and nothing of this one's kernel.
        self.write('sys/kernel/mm/transparent_hugepage/shmem_enabled',
                   '[always] within_size advise never deny force')
        self.write('dev/userfaultfd', '')
        found = self.check(4, '--root', self.folder)
        self.assertEqual(found['shmem-huge']['found'], 'always')
        self.assertIn('echo advise >', found['shmem-huge']['remedy'])
        self.write('sys/kernel/mm/transparent_hugepage/shmem_enabled',
                   'always within_size [advise] never deny force')
        found = self.check(5, '--root', self.folder)
        self.assertNotIn('shmem-huge', found)
        text = self.ctl('check', '--root', self.folder).stdout
        self.assertRegex(text, r'^0 errors, \d+ warnings?, \d+ notes\n')
        self.assertRegex(text, r'(?m)^ok       shmem_enabled: ')

    def test_output(self):
        self.start()
        first = self.ctl('status').stdout.splitlines()
        self.assertEqual(first[0], 'degraded: no host has reported yet')
        self.assertIn('  0 of 0 hosts alive, 0 VMs', first[2])
        self.assertEqual(self.ctl('vms').stdout, 'no VMs\n')
        self.assertEqual(json.loads(self.ctl('--json', 'hosts').stdout), [])
        status = json.loads(self.ctl('status', '--json').stdout)
        self.assertEqual(status['daemon'], 'arbiter')
        self.assertIs(status['ok'], False)
        self.assertEqual(status['hosts'],
                         {'alive': 0, 'suspect': 0, 'dead': 0})

    def answer(self, *parts, delay=0.0, command=('vms',)):
        """What rcachectl makes of a daemon that sends these bytes."""
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(self.socket)
            server.listen()

            def serve():
                peer = server.accept()[0]
                with peer:
                    peer.recv(4096)
                    for part in parts:
                        peer.sendall(part)
                        time.sleep(delay)

            thread = threading.Thread(target=serve)
            thread.start()
            done = self.ctl('--timeout', '500ms', *command)
            thread.join()
        os.unlink(self.socket)
        return done

    def test_odd_daemons(self):
        row = b'{"name": "a\\u001b[2J", "guest_bytes": 1536, "more": {}}'
        done = self.answer(b'{"return": [', row + b', 7]}\n')
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('a?[2J', done.stdout)
        self.assertIn('1.5K', done.stdout)
        self.assertNotIn('\x1b', done.stdout)
        for sent, status, text in (
                (b'', 1, 'closed without an answer'),
                (b'nonsense\n', 1, 'the answer is malformed'),
                (b'{"return"\n', 1, 'the answer is malformed'),
                (b'{"error": {"class": "Refused", "desc": "no"}}\n', 4, 'no'),
                (b'{"error": {"class": "Odd", "desc": "x"}}\n', 1, 'x'),
                (b'{"error": {"class": 4, "desc": "x"}}\n', 1, 'x'),
                (b'{"error": {"class": "Refused", "desc": {}}}\n', 4,
                 'an error without a text'),
                (b'{"error": {"desc": "\\u001b[2J"}}\n', 1, ': ?[2J')):
            done = self.answer(sent)
            self.assertEqual((done.returncode, text in done.stderr),
                             (status, True), (sent, done.stderr))
        done = self.answer(b'{"return": ', delay=1)
        self.assertEqual(done.returncode, 3)
        self.assertIn('no answer in time', done.stderr)

    def test_vms_that_are_not_sealed(self):
        rows = [{'name': name, 'seal': seal} for name, seal in
                (('web', 'on'), ('db', 'off'), ('old', None))]
        done = self.answer(json.dumps({'return': rows}).encode() + b'\n')
        head, *lines = [line.split() for line in done.stdout.splitlines()]
        at = head.index('SEAL')
        self.assertEqual({line[0]: line[at] for line in lines},
                         {'web': 'on', 'db': 'off', 'old': '-'})

    def serve(self, answers):
        """A daemon; @answers: a function of command and how many before."""
        server = socket.socket(socket.AF_UNIX)
        server.bind(self.socket)
        server.listen()
        seen = []

        def loop():
            while True:
                try:
                    peer = server.accept()[0]
                except OSError:
                    return
                with peer, peer.makefile('rw') as lines:
                    call = json.loads(lines.readline())
                    seen.append(call)
                    answer = answers(call['execute'], sum(
                        c['execute'] == call['execute'] for c in seen))
                    lines.write(json.dumps(answer) + '\n')

        thread = threading.Thread(target=loop)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.close)
        self.addCleanup(server.shutdown, socket.SHUT_RDWR)
        return seen

    def drain(self, look, *options):
        def answers(command, n):
            if command == 'whatif':
                return {'return': {'vms': [{'name': 'web', 'why': 'full'}]}}
            if command == 'drain':
                return {'return': {'host': 'h', 'draining': True,
                                   'leased_bytes': 8 << 20,
                                   'asked_back_bytes': 8 << 20}}
            left, draining, *state = look(n)
            return {'return': [{'name': 'h', 'leased_bytes': left,
                                'draining': draining,
                                **dict(zip(('state', 'age_seconds'),
                                           state))}]}

        self.serve(answers)
        done = self.ctl('drain', '--wait', 'h', *options)
        return done.returncode, done.stdout + done.stderr

    def test_ok_to_stop(self):
        def answers(command, n):
            ok = n <= 2
            return {'return': {
                'host': 'h', 'ok': ok,
                'reasons': [] if ok else ['vm web on a: 3 MiB']}}

        self.serve(answers)
        for ok, status, words in (
                (True, 0, 'h may stop: '),
                (False, 4, 'h may not stop:\n  vm web on a: 3 MiB\n')):
            done = self.ctl('ok-to-stop', 'h')
            self.assertEqual(done.returncode, status)
            self.assertTrue(done.stdout.startswith(words), done.stdout)
            done = self.ctl('--json', 'ok-to-stop', 'h')
            self.assertEqual(done.returncode, status)
            self.assertEqual(json.loads(done.stdout)['ok'], ok)

    def test_drain_waits(self):
        # A heartbeat later it drains; then there is less and less.
        status, text = self.drain(
            lambda n: (max(8 - n, 0) << 20, n > 2))
        self.assertEqual(status, 0, text)
        self.assertIn('h is draining: 8.0M are leased', text)
        self.assertIn('h: 5.0M of 5.0M left\n', text)
        self.assertTrue(text.endswith('h is empty\n'), text)

    def test_drain_waits_in_json(self):
        status, text = self.drain(lambda n: (0, True), '--json')
        self.assertEqual(status, 0)
        self.assertEqual(json.loads(text), {'name': 'h', 'leased_bytes': 0,
                                            'draining': True})

    def test_drain_is_called_off(self):
        status, text = self.drain(lambda n: (1 << 20, n == 1))
        self.assertEqual(status, 1)
        self.assertIn('not being drained any more', text)

    def test_drain_without_room(self):
        status, text = self.drain(lambda n: (1 << 20, True), '--timeout=7s')
        self.assertEqual(status, 1)
        self.assertIn('vm web cannot move: full\n', text)
        self.assertIn('not empty in time: 1.0M are left', text)

    def test_drain_of_a_dead_host(self):
        # What it said last is that nothing is left.
        status, text = self.drain(lambda n: (0, True, 'dead', 17.0),
                                  '--timeout=1s')
        self.assertEqual(status, 1, text)
        self.assertIn('host h is dead, last heard 17', text)
        self.assertNotIn('is empty', text)

    def test_drain_of_an_unknown_size(self):
        # No number is not "nothing is left".
        status, text = self.drain(lambda n: ('none', True), '--timeout=1s')
        self.assertEqual(status, 1, text)
        self.assertIn('does not say how much is left on host h', text)
        self.assertNotIn('is empty', text)

    def test_evict_without_a_text(self):
        answer = {'return': {'vm': 'web', 'evicted_bytes': 1536, 'text': 2}}
        done = self.answer(json.dumps(answer).encode() + b'\n',
                           command=('evict', 'web', '1M'))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout, 'web: evicted 1.5K (- pages)\n')

    def test_set(self):
        held = {'vm': 'web', 'host': 'a', 'held': True,
                'remote_bytes': 3 << 20, 'no_room_bytes': 0}
        for change, word in (
                ({}, 'web is held: 3.0M are away, and come home'),
                ({'no_room_bytes': 1 << 20},
                 'host a has no room for 1.0M of that'),
                ({'no_room_bytes': 'much'}, 'and come home'),
                ({'held': False}, 'web is not held: its limits')):
            answer = {'return': dict(held, **change)}
            done = self.answer(json.dumps(answer).encode() + b'\n',
                               command=('set', 'web', 'hold=on'))
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(word, done.stdout)

    def test_explain(self):
        terms = [('leased', 1 << 30), ('available', 4 << 30),
                 ('growth-host', -(3 << 29)), ('new\x1b[2J', -(1 << 20))]
        host = {'name': 'h', 'offered_bytes': 7 << 29,
                'terms': [{'name': n, 'bytes': b} for n, b in terms]}
        line = json.dumps({'return': [{'name': 'g'}, 7, host]}) + '\n'
        explain = ('hosts', '--explain', 'h')
        done = self.answer(line.encode(), command=explain)
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = done.stdout.splitlines()
        self.assertEqual([line.split()[:4] for line in lines], [
            ['+', '1.0', 'GiB', 'leased'], ['+', '4.0', 'GiB', 'available'],
            ['-', '1.5', 'GiB', 'growth-host'],
            ['-', '1.0', 'MiB', 'new?[2J'], ['=', '3.5', 'GiB', 'offered']])
        host['offered_bytes'] = 1 << 30     # by the arbiter's max-offer
        cut = json.dumps({'return': [host]}) + '\n'
        self.assertEqual(
            [line.split()[:4] for line in self.answer(
                cut.encode(), command=explain).stdout.splitlines()][-2:],
            [['-', '2.5', 'GiB', 'arbiter'], ['=', '1.0', 'GiB', 'offered']])
        host['offered_bytes'] = 7 << 29
        done = self.answer(line.encode(), command=('--json',) + explain)
        self.assertEqual(json.loads(done.stdout), host)
        done = self.answer(line.encode(), command=('hosts', '--explain=g'))
        self.assertIn('has not reported', done.stdout)


class Completion(Case):
    def complete(self, *words):
        script = ('source "$0"; COMP_WORDS=("$@"); '
                  'COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); '
                  'compopt() { :; }; _rcachectl; echo "${COMPREPLY[*]}"')
        path = os.path.dirname(RCACHECTL) + ':' + os.environ['PATH']
        done = run('bash', '-c', script,
                   os.path.join(TOP, 'dist/rcachectl.bash'), 'rcachectl',
                   *words, env=dict(os.environ, PATH=path))
        self.assertEqual(done.stderr, '')
        return done.stdout.split()

    def test_knows_all(self):
        text = run(RCACHECTL, '--help').stdout
        commands = re.findall(
            r'^  ([a-z][a-z-]*)(?: \[?[A-Z.=]+\]?)* {2,}', text, re.MULTILINE)
        options = re.findall(r'^  (?:-h, )?(--[a-z]+=?)', text, re.MULTILINE)
        self.assertIn('evict', commands)
        self.assertIn('--socket=', options)
        self.assertEqual(sorted(self.complete('')), sorted(commands))
        self.assertEqual(sorted(self.complete('--')), sorted(options))
        self.assertEqual(self.complete('--json', 'st'), ['status'])
        self.assertEqual(self.complete('status', ''), [])
        with open(os.path.join(TOP, 'docs/man/rcachectl.1.rst'),
                  encoding='utf-8') as f:
            manual = f.read()
        for command in commands:
            self.assertRegex(manual, rf'(?m)^{command}\b')
        for option in options:
            self.assertRegex(manual, rf'(?m)^{option}')

    def names(self, command, *words):
        """Completion with a daemon that answers @command with two names."""
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(self.socket)
            server.listen()

            def serve():
                peer = server.accept()[0]
                with peer:
                    asked = json.loads(peer.recv(4096))['execute']
                    text = '[{"name": "web1"}, {"name": "db1"}]'
                    if asked != command:
                        text = '[]'
                    peer.sendall(b'{"return": ' + text.encode() + b'}\n')

            thread = threading.Thread(target=serve)
            thread.start()
            found = self.complete('--socket', '=', self.socket, *words)
            thread.join()
        os.unlink(self.socket)
        return found

    def test_names_vms_and_hosts(self):
        self.assertEqual(self.names('vms', 'evict', 'w'), ['web1'])
        self.assertEqual(self.names('vms', 'set', 'w'), ['web1'])
        self.assertEqual(self.complete('set', 'web1', ''), ['hold='])
        self.assertEqual(self.complete('set', 'web1', 'hold', '=', 'of'),
                         ['off'])
        for command in ('drain', 'undrain', 'whatif', 'ok-to-stop'):
            self.assertEqual(self.names('hosts', command, 'd'), ['db1'])
        self.assertEqual(self.names('hosts', 'drain', '--wait', ''),
                         ['web1', 'db1'])
        self.assertEqual(self.names('hosts', 'hosts', '--explain', '=', 'w'),
                         ['web1'])
        self.assertEqual(self.complete('evict', 'web1', ''), [])


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1])
