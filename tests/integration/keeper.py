# SPDX-License-Identifier: GPL-2.0-or-later
"""keeper: a service manager for providers that are killed and started again.

It keeps the descriptors that a daemon sends it (FDSTORE=1) and hands them to
the next one (LISTEN_FDS), as systemd does with FileDescriptorStoreMax.
"""
import fcntl
import os
import socket
import threading

HIGH = 600      # above all descriptors that are handed on


class Keeper:
    def __init__(self, host):
        self.host = host
        self.path = os.path.join(host.lab.dir, f"{host.name}-notify")
        self.kept = {}
        self.lock = threading.Lock()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.thread = threading.Thread(target=self.loop, daemon=True)
        self.thread.start()

    def loop(self):
        while True:
            try:
                data, fds, _, _ = socket.recv_fds(self.socket, 4096, 4)
            except OSError:
                return
            lines = data.decode().split("\n")
            names = [x[7:] for x in lines if x.startswith("FDNAME=")]
            with self.lock:
                if "FDSTORE=1" in lines and fds:
                    self.kept[names[0]] = fds.pop()
                elif "FDSTOREREMOVE=1" in lines and names[0] in self.kept:
                    os.close(self.kept.pop(names[0]))
            for fd in fds:      # of a barrier: closing it is the answer
                os.close(fd)

    def forget(self):
        """What was lent is gone, as when the host has crashed."""
        with self.lock:
            for fd in self.kept.values():
                os.close(fd)
            self.kept.clear()

    def start(self, *options):
        """Start rcached with what is kept; returns when it listens."""
        process = self.spawn(*options)
        self.host.lab.wait_socket(process, self.host.path("admin.sock"))
        return process

    def spawn(self, *options):
        with self.lock:
            names = sorted(self.kept)
            fds = [self.kept[n] for n in names]
        env = dict(os.environ, NOTIFY_SOCKET=self.path,
                   LISTEN_FDS=str(len(fds)), LISTEN_FDNAMES=":".join(names))

        def place():
            high = [fcntl.fcntl(fd, fcntl.F_DUPFD, HIGH) for fd in fds]
            for i, fd in enumerate(high):
                os.dup2(fd, 3 + i)
                os.close(fd)

        host = self.host
        admin = host.path("admin.sock")
        if os.path.exists(admin):
            os.unlink(admin)
        return host.start("rcached", [
            "/bin/sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh",
            host.program("rcached"), "--run-dir", host.run,
            "--host", host.name, "--listen", host.at(9470),
            *host.security("host"), *options],
            env=env, close_fds=False, in_child=place)
