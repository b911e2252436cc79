# SPDX-License-Identifier: GPL-2.0-or-later
"""givebackload: how soon a host has the memory back that it lent.

A host with a memory hog: from less than its reserve being free, or foreseen
to be, until 1 GiB of what it had lent is its own again, while a guest goes on
and verifies all it reads.  The floor is the bytes through one connection.
"""
import mmap
import os
import socket
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))
from giveback import press  # noqa: E402

PAGE = 4096


def through_loopback(size):
    """Seconds that @size bytes take from one thread to another by TCP."""
    server = socket.create_server(("127.0.0.1", 0))
    piece = bytes(1 << 20)

    def send():
        with socket.create_connection(server.getsockname()) as conn:
            for _ in range(size // len(piece)):
                conn.sendall(piece)

    sender = threading.Thread(target=send)
    began = time.monotonic()
    sender.start()
    conn, _ = server.accept()
    buf = bytearray(len(piece))
    while conn.recv_into(buf):
        pass
    took = time.monotonic() - began
    sender.join()
    conn.close()
    server.close()
    return took


def run(bench):
    back = (64 if bench.args.short else 1024) << 20
    bench.say(f"giveback: {back >> 20} MiB")
    # In a virtual machine memory is slow the first time it is used.
    with mmap.mmap(-1, back * 10) as memory:
        for at in range(0, len(memory), PAGE):
            memory[at] = 1
    took, visits = press(bench.args.build, back,
                         "4M" if bench.args.short else "64M")
    bench.add("giveback", "time", "s", took, through_loopback(back),
              {"bytes": back, "guest_visits": visits})
