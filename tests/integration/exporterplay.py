# SPDX-License-Identifier: GPL-2.0-or-later
"""A daemon that a test plays at an admin socket, and an rcache-exporter that
asks it: for tests of what the exporter answers."""
import http.client
import json
import os
import re
import socket
import subprocess
import tempfile
import threading
import time
import unittest

# A busy machine gets more; who passes does not wait.
PATIENCE_S = 60
STATUS = {'daemon': 'rcached', 'version': '9.9', 'ok': True, 'level': 'ok',
          'problems': [], 'uptime_seconds': 2.5, 'vms': 30000}


class Daemon:
    """Answers at an admin socket; it counts what it was asked.  An answer may
    be a function that makes it."""

    def __init__(self, path, vms=(), takes=0.0, hosts=(), status=None):
        self.asked = []
        self.vms = vms
        self.hosts = hosts
        self.status = status or STATUS
        self.takes = takes
        self.silent = threading.Event()
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(path)
        self.server.listen(64)
        self.path = path
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        kept = []
        while True:
            try:
                peer = self.server.accept()[0]
            except OSError:
                break
            if self.silent.is_set():
                kept.append(peer)
                continue
            with peer, peer.makefile('rw') as lines:
                line = lines.readline()
                if not line:
                    continue
                command = json.loads(line)['execute']
                self.asked.append(command)
                lines.write(json.dumps(self.answer(command)) + '\n')
        for peer in kept:
            peer.close()

    def answer(self, command):
        time.sleep(self.takes)
        if command == 'vms' and self.vms is None:
            return {'error': {'class': 'Refused', 'desc': 'too many'}}
        value = {'status': self.status, 'hosts': self.hosts,
                 'vms': self.vms}[command]
        return {'return': value() if callable(value) else value}

    def times(self):
        return self.asked.count('status')

    def close(self):
        """It may be done twice."""
        if not self.thread.is_alive():
            return
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
        self.thread.join()
        os.unlink(self.path)


class Case(unittest.TestCase):
    exporter = None             # the program; who uses this says which

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix='exporter-')
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.socket = os.path.join(self.folder, 's')
        self.log = os.path.join(self.folder, 'log')

    def wait(self, what, check):
        until = time.monotonic() + PATIENCE_S
        while not check():
            self.assertLess(time.monotonic(), until, what)
            time.sleep(0.02)

    def said(self):
        with open(self.log, encoding='utf-8') as log:
            return log.read()

    def start_beside(self, arbiter):
        """The exporter, of an arbiter that is not played."""
        process = subprocess.Popen(
            [arbiter, '--listen', '127.0.0.1:0', '--admin-socket',
             self.socket], stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.start(of='arbiter')

    def start(self, *options, of='rcached', before=()):
        """The exporter, at a port of its own."""
        with open(self.log, 'wb') as log:
            process = subprocess.Popen(
                [*before, self.exporter, f'--of={of}', '--listen=127.0.0.1:0',
                 '--socket', self.socket, *options], stderr=log)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.wait('it listens', lambda: '/metrics' in self.said() or
                  process.poll() is not None)
        self.assertIsNone(process.poll(), self.said())
        self.port = int(re.search(r'http://127.0.0.1:(\d+)/metrics',
                                  self.said())[1])
        return process

    def daemon(self, **options):
        daemon = Daemon(self.socket, **options)
        self.addCleanup(daemon.close)
        return daemon

    def ask(self, path='/metrics', method='GET', body=None):
        """(status, headers, text)"""
        conn = http.client.HTTPConnection('127.0.0.1', self.port,
                                          timeout=PATIENCE_S)
        try:
            conn.request(method, path, body)
            answer = conn.getresponse()
            return answer.status, answer.headers, answer.read().decode()
        finally:
            conn.close()

    def connect(self, data=b'', buffer=None):
        conn = socket.socket()
        self.addCleanup(conn.close)
        if buffer:
            conn.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        conn.settimeout(PATIENCE_S)
        conn.connect(('127.0.0.1', self.port))
        conn.sendall(data)
        return conn

    def is_up(self):
        return '\nrcache_up{daemon="rcached"} 1\n' in self.ask()[2]
