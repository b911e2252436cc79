# SPDX-License-Identifier: GPL-2.0-or-later
"""ownnet: a network for one bench alone.

A congestion control that paces (BBR, where it is the host's default) may take
loopback for a slow network and then sends each 64 KiB from a timer.  Whether it
does changes from one minute to the next, and with it the CPU that an eviction
costs, by a fourth.  So the product and its floors are both measured in a
network namespace whose connections are not paced.
"""
import ctypes
import fcntl
import socket
import struct

CLONE_NEWNET = 0x40000000
SIOCSIFFLAGS = 0x8914
IFF_UP = 1


def enter():
    """Raises OSError where there may be no namespace of one's own."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "no network namespace of its own")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP))
    # Each kernel has it; it is not paced, and on loopback nothing is lost.
    path = "/proc/sys/net/ipv4/tcp_congestion_control"
    with open(path, "w", encoding="ascii") as f:
        f.write("reno")
