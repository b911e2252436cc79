# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads a word of QEMU's memory as another process: it waits for a page that is
missing, and no thread of QEMU does.
"""
import ctypes
import threading

libc = ctypes.CDLL(None, use_errno=True)


class Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]


def read_of(pid, address):
    """A word of another process; None: it cannot be read."""
    word = ctypes.c_uint64()
    here = Iovec(ctypes.addressof(word), 8)
    there = Iovec(address, 8)
    got = libc.process_vm_readv(pid, ctypes.byref(here), ctypes.c_ulong(1),
                                ctypes.byref(there), ctypes.c_ulong(1),
                                ctypes.c_ulong(0))
    return word.value if got == 8 else None


class Reader(threading.Thread):
    """.value is the word when it has come; the thread may wait for ever."""

    def __init__(self, pid, address):
        super().__init__(daemon=True)
        self.args = (pid, address)
        self.value = "nothing"
        self.start()

    def run(self):
        self.value = read_of(*self.args)
