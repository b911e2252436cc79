#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Write the seeds of the fuzz targets' corpora: one good frame of each kind,
and a few rows of them.  Run it again when the protocol has changed."""
import os
import struct
import sys

PROVIDER, REQUESTER, ARBITER, HOST, ANY = range(5)


def frame(type_, payload=b'', count=0, status=0, lease=0, epoch=0, tag=7):
    return struct.pack('<4sBBHIHHQQII', b'RCA1', 1, type_, 0, len(payload),
                       status, count, tag, lease, epoch, 0) + payload


def text(value, size):
    return value.encode().ljust(size, b'\0')


def data(type_, payload=b'', count=0, status=0):
    return frame(type_, payload, count, status, lease=1, epoch=1)


def slots(n):
    return b''.join(struct.pack('<II', i * 3 % 64, 0) for i in range(n))


def section(type_, payload):
    return struct.pack('<HHI', type_, 0, len(payload)) + payload


UUID = bytes(range(16))
HELLO = frame(1, struct.pack('<HHIQ', 1, 1, 2, 0) + UUID +
              b'\1' + bytes(15) + struct.pack('<QQ', 1, 3) +
              text('host', 64) + text('[::]:9470', 64))
HELLO_ACK = frame(2, struct.pack('<HHIQ', 1, 0, 1000, 0) + UUID +
                  text('host', 64) + text('fenced', 128), status=6)
BEAT_HOST = section(1, struct.pack('<Q', 1) + UUID + bytes(48) +
                    struct.pack('<IIII', 1, 2, 1, 16384) + text('rack', 64))
BEAT_GUEST = section(2, UUID + text('vm', 64) + bytes(8 + 15 * 8))
BEAT_LEASE = section(3, struct.pack('<QII', 5, 1, 2) + UUID + text('vm', 64) +
                     text('host', 64) + bytes(24))
BEAT_TERM = section(5, text('growth', 32) + struct.pack('<q', -5))
GRANT1 = (struct.pack('<QIIQ', 5, 1, 30000, 4096) + UUID + text('p', 64) +
          text('10.0.0.1:9470', 64))
PAGE = bytes(range(256)) * 16

FRAMES = {
    'hello': (PROVIDER, HELLO),
    'hello-ack': (REQUESTER, HELLO_ACK),
    'ping': (PROVIDER, frame(3)),
    'put': (PROVIDER, data(16, slots(2) + 2 * PAGE, 2)),
    'put-ack': (REQUESTER, data(17)),
    'get': (PROVIDER, data(18, slots(3), 3)),
    'get-reply': (REQUESTER, data(19, PAGE, 1)),
    'get-reply-lease': (REQUESTER, data(19, status=3)),
    'free': (PROVIDER, data(20, slots(5), 5)),
    'claim': (PROVIDER, data(22, bytes(16))),
    'claim-ack': (REQUESTER, data(23, struct.pack('<IIII', 64, 30000, 0, 1),
                                  2)),
    'renew': (PROVIDER, data(24)),
    'renew-ack': (REQUESTER, data(25, struct.pack('<II', 30000, 0))),
    'release': (PROVIDER, data(26)),
    'heartbeat': (ARBITER, frame(48, BEAT_HOST + BEAT_GUEST + BEAT_LEASE +
                                 section(99, b'abc') + BEAT_TERM)),
    'lease-request': (ARBITER, frame(49, UUID + text('vm', 64) +
                                     struct.pack('<QII', 1 << 30, 1, 0))),
    'lease-reply': (HOST, frame(50, struct.pack('<Q', 8192) +
                                text('partial', 192) + GRANT1 + GRANT1, 2)),
    'grant': (HOST, frame(51, struct.pack('<QIIQ', 5, 1, 10000, 4096) + UUID +
                          UUID + text('vm', 64) + text('host', 64))),
    'grant-ack': (ARBITER, frame(52, struct.pack('<QQII', 5, 4096, 30000, 0) +
                                 text('', 128))),
}


def main():
    here = os.path.dirname(os.path.abspath(sys.argv[0]))

    def write(corpus, name, content):
        folder = os.path.join(here, 'corpus', corpus)
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, name), 'wb') as out:
            out.write(content)

    for name, (side, content) in FRAMES.items():
        write('wire', name, bytes([side]) + content)
        if side == PROVIDER and name != 'hello':
            write('provider', name, b'\1' + content)
            write('provider', name + '-pieces', b'\xa7' + content)
    write('wire', 'all', bytes([ANY]) +
          b''.join(content for _, content in FRAMES.values()))
    session = b''.join(content for side, content in FRAMES.values()
                       if side == PROVIDER)
    write('provider', 'hello', b'\0' + HELLO)
    write('provider', 'session', b'\0' + session)
    write('provider', 'session-pieces', b'\x12' + session)
    write('provider', 'two-hellos', b'\1' + HELLO)
    put = FRAMES['put'][1]
    write('provider', 'puts', b'\1' + 3 * put + FRAMES['get'][1] + put)
    write('provider', 'cut', b'\1' + put[:3000])


if __name__ == '__main__':
    main()
