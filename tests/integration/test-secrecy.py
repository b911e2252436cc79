#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Nobody reads a daemon's or a pager's memory: no core dump, and no
/proc/PID/mem.

usage: test-secrecy.py ARBITER RCACHED

The kernel gives the files of an undumpable process to root, so the daemons
run as another user, from copies which that user may run.
"""
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time

NOBODY = 65534
VMM_MAGIC, HELLO, HELLO_ACK = 0x766d6372, 1, 2
F_SEAL = 1 << 4            # a key comes with STATE
# The log line that says the daemon is past its set-up.
READY = {"arbiter": "listening on", "rcached": "runs as host"}


def options(name, folder):
    if name == "arbiter":
        return ["--listen=127.0.0.1:0", f"--admin-socket={folder}/a.sock"]
    return [f"--run-dir={folder}", "--host=here", "--listen=127.0.0.1:0",
            "--lend=8M", "--slab-size=1M"]


def wait_for(popen, log, word):
    end = time.monotonic() + 60
    while word not in os.pread(log.fileno(), 1 << 20, 0).decode():
        said = os.pread(log.fileno(), 1 << 20, 0).decode()
        assert popen.poll() is None, said
        assert time.monotonic() < end, said
        time.sleep(0.02)


def check(name, pid):
    wrong = []
    with open(f"/proc/{pid}/limits", encoding="ascii") as limits:
        core = next(line for line in limits
                    if line.startswith("Max core file size"))
    if core.split()[4:6] != ["0", "0"]:
        wrong.append(f"{name} may dump core: {core.strip()}")
    owner = os.stat(f"/proc/{pid}/mem").st_uid
    if owner != 0:
        wrong.append(f"{name}: user {owner} may read its memory")
    return wrong


def check_pager(folder):
    """One that has answered HELLO; root may connect to any vmm.sock."""
    vmm = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    vmm.settimeout(60)
    vmm.connect(os.path.join(folder, "vmm.sock"))
    body = struct.pack("=IIQ16sQQQQII64s", 1, 4096, F_SEAL, b"v" * 16, 77,
                       64 << 20, 32 << 20, 32 << 20, 1, 0, b"vm")
    head = struct.pack("=IHHIIQ", VMM_MAGIC, HELLO, 0, 24 + len(body), 0, 0)
    vmm.send(head + body)
    data, fds, _, _ = socket.recv_fds(vmm, 16384, 4)
    assert struct.unpack_from("=IH", data) == (VMM_MAGIC, HELLO_ACK)
    assert struct.unpack_from("=i", data, 28) == (0,), data
    with open(f"/proc/self/fdinfo/{fds[0]}", encoding="ascii") as info:
        pid = next(int(line.split()[1]) for line in info
                   if line.startswith("Pid:"))
    wrong = check("a pager", pid)
    vmm.close()                 # which ends it
    os.close(fds[0])
    return wrong


def run(name, program, folder):
    copy = os.path.join(folder, name)
    shutil.copy(program, copy)
    os.chmod(copy, 0o755)
    os.chown(folder, NOBODY, NOBODY)
    with tempfile.TemporaryFile() as log:
        popen = subprocess.Popen(
            [copy, "--config=/dev/null", *options(name, folder)],
            user=NOBODY, group=NOBODY, extra_groups=[], cwd="/", stderr=log)
        try:
            wait_for(popen, log, READY[name])
            wrong = check(name, popen.pid)
            if name == "rcached":
                wrong += check_pager(folder)
            return wrong
        finally:
            popen.terminate()
            popen.wait(60)


def main():
    if os.getuid():
        print("skipped: needs root to run daemons as another user")
        return 77
    wrong = []
    for name, program in zip(READY, sys.argv[1:3]):
        with open(program, "rb") as binary:
            if b"__asan_init" in binary.read():
                print("skipped: AddressSanitizer's leak check has to trace")
                return 77
        with tempfile.TemporaryDirectory() as folder:
            wrong += run(name, program, folder)
    print("\n".join(wrong))
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
