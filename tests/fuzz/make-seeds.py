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
    'put-ack-digest': (REQUESTER, data(17, struct.pack('<Q', 5), 1)),
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


def arbiter_seeds():
    """Rows of steps of hosts, see fuzz-arbiter.c: name -> bytes."""
    def hello(host, boot=UUID, name=None):
        return bytes([host]) + frame(1, struct.pack('<HHIQ', 1, 1, 3, 0) +
                                     boot + bytes(32) +
                                     text(name or f'host{host}', 64) +
                                     text('[::]:9470', 64))

    def beat(host, seq, offered, leases=(), boot=UUID, flags=1, label='rack'):
        own = section(1, struct.pack('<Q', seq) + boot + struct.pack(
            '<QQQQQQ', 1 << 36, 1 << 35, offered,
            sum(size for _, size, _ in leases), 0, 0) +
            struct.pack('<IIII', 100, 0, flags, 16384) + text(label, 64))
        given = b''.join(section(3, struct.pack('<QII', lease, 1, 2) + UUID +
                                 text('vm', 64) + text(to, 64) +
                                 struct.pack('<QQQ', size, 0, 1000))
                         for lease, size, to in leases)
        return bytes([host]) + frame(48, own + BEAT_GUEST + given + BEAT_TERM)

    def request(host, size):
        return bytes([host]) + frame(49, UUID + text('vm', 64) +
                                     struct.pack('<QII', size, 1, 0))

    def ack(host, lease, size, status=0):
        return bytes([host]) + frame(52, struct.pack(
            '<QQII', lease, 0 if status else size,
            0 if status else 30000, 0) + text('', 128), status=status)

    def gone(host):
        return bytes([0x80 + host])

    def after(which):
        return bytes([0xc0 + which])

    gib, slab = 1 << 30, 1 << 26
    three = b''.join(hello(h) + beat(h, 1, h * gib) for h in range(3))
    many = b''.join(hello(h) + beat(h, 1, gib, label=f'rack{h % 2}')
                    for h in range(6))
    yes = ack(1, 1, slab) + ack(2, 1, slab) + ack(1, 2, slab) + \
        ack(2, 2, slab)
    other = bytes([9]) * 16
    return {
        'beats': three + beat(1, 2, gib, [(7, slab, 'host0')]) +
        beat(1, 3, gib, [(7, slab, 'host0'), (8, slab, 'host2')]) +
        beat(1, 4, gib) + beat(1, 2, 0),
        'ask': three + request(0, 2 * slab) + yes,
        'listed': three + request(0, 2 * slab) + yes +
        beat(1, 2, gib, [(1, slab, 'host0')]) + after(5) + after(5),
        'refused': three + request(0, 2 * slab) + ack(1, 1, 0, 7) +
        ack(2, 2, 0, 7) + ack(1, 2, 0, 7) + ack(2, 1, 0, 7),
        'late': three + request(0, 2 * slab) + after(4) + yes + after(5),
        'leaves': three + request(0, 2 * slab) + gone(1) + gone(0) + gone(2),
        'reboots': three + after(3) + after(3) + hello(3, other, 'host1') +
        beat(3, 1, gib, boot=other),
        'drains': three + beat(1, 2, gib, [(7, slab, 'host0')], flags=3) +
        15 * request(0, 2 * slab) + yes,
        'many': many + hello(6) + hello(7) + request(0, 20 * slab) +
        request(1, 200 * slab) + yes + after(7) + after(6),
        'labels': many + beat(0, 2, 0, label='') +
        beat(1, 2, 0, label='rack9') + gone(2) + after(5) + after(5) +
        after(4),
        'endless': three + beat(2, 2, gib, [(9, slab, 'host0')]) +
        beat(1, 2, (1 << 64) - 1, [(7, (1 << 64) - 1 >> n, 'host0')
                                   for n in range(1, 4)]) +
        request(0, (1 << 64) - 1) + beat(1, 3, gib, [(7, slab, 'host0')]),
    }


def vmm_turns(n):
    """Steps of fuzz-vmm: a byte says which, those behind it how."""
    return bytes([11, n])


def vmm_faults(*pages):
    return bytes([5, len(pages)]) + b''.join(
        struct.pack('<H', page) for page in pages)


def vmm_message(type_, fds=0, which=0):
    return bytes([9, type_, fds, which])


def vmm_word(page, state):
    return struct.pack('<BHB', 2, page, state)


def vmm_slot(page, other):
    return struct.pack('<BHBH', 2, page, 150, other)


# The first byte: 1 after a set-up that is good.
VMM = {
    'set-up': b'\1',
    'not-set-up': b'\0' + vmm_message(1) + b'\x0a\5',
    'faults': b'\1' + vmm_faults(0, 2, 4, 600, 1001) + vmm_turns(60) +
              vmm_faults(0, 2, 5) + vmm_turns(63),
    'gone': b'\1\7\4' + vmm_turns(60) + b'\7\3' + vmm_turns(63) +
            vmm_faults(0, 2, 4, 6, 8) + vmm_turns(63) + b'\4\0\0' +
            vmm_turns(9),
    'busy': b'\1\7\2' + vmm_faults(0, 2, 4) + vmm_turns(40) + b'\6\2\7\0' +
            vmm_turns(40) + b'\6\0' + vmm_turns(20),
    'block-goes': b'\1' + vmm_word(3, 14) + vmm_word(900, 15) +
                  vmm_faults(3, 4) + vmm_message(5) + vmm_turns(20) +
                  vmm_faults(3, 4) + vmm_turns(20),
    'words': b'\1' + vmm_slot(2, 4) + vmm_word(8, 6) + vmm_word(9, 7) +
             vmm_faults(2, 4, 8, 9) + vmm_turns(50) + b'\4\2\0\4\4\0' +
             vmm_turns(50),
    'commands': b'\1' + vmm_message(13) + vmm_turns(30) + vmm_message(14) +
                vmm_turns(30) + vmm_message(20) + vmm_message(19) +
                vmm_turns(30),
    'descriptors': b'\0' + vmm_message(1) + vmm_message(2, 3, 0) +
                   vmm_turns(3),
    'messages': b'\0\0\x84' + struct.pack('<H', 64) + bytes(64) + b'\1' +
                bytes(3),
    'changed': b'\1\1' + bytes([3, 1, 2, 6, 255, 255, 255, 255, 10, 1, 0, 0,
                                0, 0]) + vmm_turns(9),
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
    for name, content in arbiter_seeds().items():
        write('arbiter', name, content)
    for name, content in VMM.items():
        write('vmm', name, content)
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
