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
    'sums': (PROVIDER, data(41, slots(3), 3)),
    'sums-ack': (REQUESTER, data(42, struct.pack('<QQ', 5, 6), 2)),
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


def pages(how, *steps):
    """A seed of fuzz-pages: 1: two copies, 2: no lies; and its steps."""
    return bytes([how]) + b''.join(bytes(step) for step in steps)


def turns(n):
    return [0, n]


def touch(write, *which):
    return [3 if write else 2, len(which) - 1, *which]


def hold(lender, on):
    return [4, 2 * lender + on]


def answer(lender, how, arg=0, which=0):
    return [5, lender, which, how, arg & 255, arg >> 8]


def close(lender):
    return [7, 2 * lender]


def refuse(lender, on):
    return [8, 2 * lender + on]


def revoke(lease, keep):
    return [10, lease - 1, keep]


def resize(what, away, more=0):
    return [13, what, away, more]


EVENS = list(range(0, 32, 2))
RESTART = [15, 0]
HOWS = 12
WRONG = 7
HOLD_ALL = [s for n in range(3) for s in hold(n, 1)]
PAGES = {
    'faults': pages(3, touch(0, *EVENS), turns(20), touch(1, *EVENS),
                    turns(60), touch(1, *EVENS), turns(40)),
    'one-copy': pages(2, touch(0, *EVENS), turns(20), revoke(1, 1),
                      turns(60), touch(0, 64, 66, 68), turns(30)),
    'moves': pages(3, revoke(1, 2), revoke(3, 0), turns(63), revoke(1, 9),
                   touch(1, *EVENS), turns(60)),
    'away': pages(3, refuse(0, 1), close(0), turns(63), touch(0, *EVENS),
                  turns(63), refuse(0, 0), turns(63)),
    'given-up': pages(3, refuse(0, 1), close(0), *[[15, 1, 255]] * 20,
                      turns(63), touch(1, *EVENS), turns(63),
                      refuse(0, 0), turns(63), turns(63)),
    'restart': pages(3, touch(1, *EVENS), RESTART, turns(30),
                     touch(1, *EVENS), hold(1, 1), turns(20), RESTART,
                     turns(63)),
    'held-moves': pages(3, hold(0, 1), hold(1, 1), revoke(1, 1), turns(5),
                        *[s for how in range(6) for s in (
                            answer(0, how), answer(1, how), turns(3))],
                        turns(63)),
    'held-puts': pages(3, hold(0, 1), hold(1, 1), touch(1, *EVENS), turns(20),
                       touch(1, *EVENS), turns(40), answer(0, 0), turns(3),
                       answer(1, 0), turns(20), touch(0, *EVENS), turns(9)),
    # One of two copies is acked.
    'first-ack': bytes.fromhex('0304010e0028001404000014'),
    'resizes': pages(3, resize(1, 32), turns(63), resize(4, 1), turns(63),
                     resize(1, 0), turns(63), resize(5, 97), turns(63)),
    'evict': pages(3, [14, 0, 8], turns(30), [14, 1, 3], turns(63)),
    'discards': pages(3, *[[15, 2, n] for n in range(0, 64, 2)],
                      turns(40), touch(1, *EVENS), turns(40)),
    'lies': pages(1, *[s for how in range(HOWS) for s in (
        hold(how % 3, 1), touch(0, 2 * how, 2 * how + 32), turns(3),
        answer(how % 3, how, 99 * how), turns(9),
        answer(how % 3, how, 7 * how, 1), hold(how % 3, 0), turns(9))]),
    'lies-of-moves': pages(1, *[s for how in range(HOWS) for s in (
        hold(0, 1), revoke(1, how % 3), turns(2), answer(0, how, 5 * how),
        turns(2), answer(0, 0), turns(4), hold(0, 0), revoke(1, 9),
        turns(9))]),
    'lost': pages(1, [11, 0, 0, 0, 0], close(0), turns(63),
                  touch(0, *EVENS), turns(63), [11, 2, 0, 0, 0], close(1),
                  turns(63)),
    # Slabs are written while a place of theirs is given up, and then the other
    # one is gone: that one counts again.
    'given-up-counts': pages(1, refuse(2, 1), close(2), refuse(1, 1), close(1),
                             *[[15, 1, 255]] * 20, turns(63), [14, 1, 60],
                             turns(63), turns(63), refuse(2, 0),
                             [11, 0, 0, 0, 0], [11, 1, 0, 0, 0], close(0),
                             close(0), turns(63), turns(63)),
    # A CLAIM_ACK names a slab that is far from all others.
    'slab-numbers': pages(1, [14, 1, 60], turns(63), turns(63), hold(1, 1),
                          close(1), turns(63), turns(40),
                          answer(1, WRONG, 88, 1), hold(1, 0),
                          *[answer(1, 0)] * 4, turns(63), turns(63)),
    'spoiled': pages(1, *[[11, n % 3, n, n * 3 + 1, n] for n in range(30)],
                     touch(0, *EVENS), turns(63)),
    'wrong-acks': pages(0, HOLD_ALL, [14, 0, 30], turns(20),
                        *[answer(n, WRONG, 5) for n in range(3)], turns(20)),
    'wrong-confirms': pages(0, HOLD_ALL, revoke(5, 0), turns(5),
                            *[answer(n % 3, 0) for n in range(9)], turns(5),
                            *[answer(2, 0) for n in range(9)], turns(5),
                            *[answer(n % 3, WRONG, 5) for n in range(9)],
                            turns(20)),
    'old': pages(0, [11, 0, 1, 2, 0], close(0), turns(40),
                 touch(1, *EVENS), turns(40)),
    'says': pages(1, *[[12, n % 3, 1, type_, n % 9, n % 4, 8] + 8 * [n]
                       for n, type_ in enumerate(range(1, 41))
                       for _ in (0, 1)], turns(60)),
}

def requests():
    """Steps of fuzz-requests.c: name -> bytes."""
    def hello(conn, how):
        return [11, conn, how]

    def claim(conn, lease):
        return [12, conn, lease - 1, 1]

    def pages(what, conn, lease, slab, page, n):
        return [what, conn, lease - 1, n - 1, slab, page]

    def token(what, conn, lease, token, slab, to=0):
        return [3 + what, conn, lease - 1, token, slab, to]

    def bare(what, conn, lease, slab=0, page=0):
        return [8 + what, conn, lease - 1, slab, page]

    def daemon(what, how):
        return [13, what, how]

    def other(how, tag=0):
        return [14, how, tag]

    def put(*args):
        return pages(0, *args)

    def get(*args):
        return pages(1, *args)

    begin = hello(0, 17) + claim(0, 1) + claim(0, 3)
    eight = put(0, 1, 0, 0, 8)
    pushed = [x for how in range(4) for x in other(how)]
    return {
        'put-get': begin + eight + get(0, 1, 0, 0, 8) + put(0, 1, 0, 3, 2) +
        get(0, 1, 0, 0, 8),
        'free': begin + eight + pages(2, 0, 1, 0, 2, 3) +
        get(0, 1, 0, 2, 1) + get(0, 1, 0, 0, 2),
        'spill': begin + eight + put(0, 1, 1, 0, 8) + daemon(2, 0) +
        8 * get(0, 1, 0, 0, 8) + put(0, 1, 0, 4, 3) + get(0, 1, 0, 0, 8) +
        daemon(3, 8) + 4 * get(0, 1, 0, 0, 8),
        'push-self': begin + eight + token(0, 0, 3, 2, 4) +
        token(1, 0, 1, 2, 0, 4) + 6 * bare(0, 0, 1) + token(4, 0, 3, 2, 4) +
        get(0, 3, 4, 0, 4),
        'push-other': begin + put(0, 1, 1, 0, 8) + token(1, 0, 1, 2, 1) +
        pushed + bare(0, 0, 1),
        'push-spilled': begin + put(0, 1, 1, 0, 8) + daemon(2, 0) +
        4 * get(0, 1, 1, 0, 8) + token(1, 0, 1, 2, 1) + other(0) + other(1) +
        other(2, 1) + other(2, 2) + other(3) + bare(0, 0, 1),
        'push-hasty': begin +
        [x for page in range(0, 16, 2) for x in put(0, 1, 1, page, 1)] +
        daemon(2, 0) + 4 * get(0, 1, 1, 0, 1) + token(1, 0, 1, 2, 1) +
        other(0) + other(1 + 64) + 2 * other(2 + 64) + bare(0, 0, 1),
        'fenced': begin + hello(1, 145) + put(0, 1, 0, 0, 2) + hello(2, 1) +
        claim(1, 1) + get(1, 1, 0, 0, 2),
        'cut': begin + [0, 0, 0, 135, 0, 0] + hello(1, 17) + claim(1, 1) +
        get(1, 1, 0, 0, 2) + [15, 0],
        'others-lease': hello(0, 16) + claim(0, 1) + claim(0, 2) +
        put(0, 2, 2, 0, 4) + get(0, 2, 2, 0, 4) + get(0, 1, 0, 0, 2),
        'drop': begin + bare(1, 0, 1, 1) + bare(1, 0, 1, 0) + bare(2, 0, 1) +
        daemon(0, 0) + claim(0, 1),
        'push-in': begin + token(0, 0, 1, 2, 0) + hello(1, 29) +
        token(2, 1, 1, 2, 0) + put(1, 1, 0, 0, 3) + token(3, 1, 1, 3, 5) +
        token(4, 0, 1, 2, 0),
        'ends': begin + eight + daemon(129, 0) + get(0, 1, 0, 0, 8) +
        daemon(0, 0) + claim(0, 1) + get(0, 1, 0, 0, 8),
    }


def agent():
    """Steps of fuzz-agent.c: name -> bytes."""
    def good(arbiter, what, *more):
        return [8 * arbiter, what, *more]

    def pause(n):
        return [7 + 8 * n]

    hello = [good(n, 0, 3) for n in range(2)]
    request, answer, gone = [4, 1], [5], [6 + 64]
    return {
        'greet': hello[0] + hello[1] + pause(20),
        'lease': hello[0] + request + good(0, 18) + good(0, 1, 1) + request +
        good(0, 2),
        'asked': hello[0] + good(0, 11) + good(0, 4) + good(0, 7) +
        good(0, 13) + good(0, 6) + 3 * answer,
        'refused': good(0, 128, 0) + hello[1] + request + [6 + 64 + 8] +
        pause(20) + good(1, 2),
        'any': hello[0] + [3, 50, 0, 2, 255, 1] + 200 * [1] +
        [3, 57, 0, 0, 0, 0],
        'gone': hello[0] + request + good(0, 3) + gone + 4 * pause(31) +
        answer + hello[0] + [6 + 128] + pause(30),
        'late': hello[0] + hello[1] + request + 4 * pause(31) +
        good(0, 10) + good(1, 10),
    }


def record(type_, content, version=b'\3\3'):
    return bytes([type_]) + version + struct.pack('>H', len(content)) + content


def client_hello():
    """Of TLS 1.3, with one group, and a share that is none."""
    def extension(type_, content):
        return struct.pack('>HH', type_, len(content)) + content

    extensions = extension(43, b'\2\3\4') + \
        extension(10, b'\0\2\0\x1d') + \
        extension(13, b'\0\4\4\3\x08\4') + \
        extension(51, struct.pack('>HHH', 36, 29, 32) + bytes(range(1, 33)))
    hello = b'\3\3' + bytes(range(32)) + b'\0' + b'\0\2\x13\1' + \
        b'\1\0' + struct.pack('>H', len(extensions)) + extensions
    return b'\1' + struct.pack('>I', len(hello))[1:] + hello


# The first byte: a client is tried 1, keys 2, pieces 4 and 8, and what 16, 32.
TLS = {
    'hello': b'\x0c' + record(22, client_hello(), b'\3\1'),
    'hello-pieces': b'\0' + record(22, client_hello(), b'\3\1'),
    'hello-keys': b'\x0e' + record(22, client_hello(), b'\3\1'),
    'hello-long': b'\x0c' + record(22, b'\1\1\xd4\xc0\3\3' + bytes(4000)),
    'to-a-client': b'\x0d' + record(22, b'\2\0\0\x26\3\3' + bytes(36)),
    'frame': b'\x0c' + HELLO,
    'changed': b'\x1c' + struct.pack('<HBHB', 0, 0, 40, 1),
    'changed-server': b'\x1d' + struct.pack('<HB', 200, 128),
    'changed-keys': b'\x16' + struct.pack('<HB', 90, 1),
    'behind': b'\x2c' + record(23, bytes(40)),
    'behind-client': b'\x29' + record(23, bytes(40)),
    'behind-change': b'\x2e' + record(20, b'\1') + record(21, b'\1\0'),
}


TEXTS = {
    'config': b'\0[one]\ntext = a text\nchoice=b\n# no\nnumber = -3\n'
              b'yes=off\n[two]\nsize=10%\nleast = 512M\ntime=10min\n'
              b'list = a, b,c\n',
    'config-wrong': b'\0[two]\ntime=1e9d\n',
    'address': b'\1192.0.2.1:9470',
    'address-6': b'\1[2001:db8::1]:80',
    'address-any': b'\1*',
    'uuid': b'\2f81d4fae-7dec-11d0-a765-00a0c91e6bf6',
    'meminfo': b'\3MemTotal:  16384 kB\nMemAvailable:   8192 kB\n',
    'pressure': b'\3some avg10=1.25 avg60=0.00 total=7\n'
                b'full avg10=100.00 avg60=0.00 total=5\n',
    'memory-stat': b'\3anon 12\nfile 18446744073709551615\n',
}

HOST_JSON = ('{"host": "a", "state": "alive", "offered": 1073741824, '
             '"leased": 4096, "terms": [{"name": "growth", "bytes": -5}], '
             '"vms": [{"vm": "v", "uuid": "%s"}], "psi_some": 1.5, '
             '"label": null, "draining": true}' %
             'f81d4fae-7dec-11d0-a765-00a0c91e6bf6')
VM_JSON = ('{"vm": "v", "uuid": "u", "host": "a", "guest": 1, "resident": 2, '
           '"remote": 3, "faults": 4, "evicted_pages": 5, "why": "no room", '
           '"local_max": 6, "fault_p50_ns": 700}')
STATUS_JSON = ('{"verdict": "warning", "problems": ["one", "two"], '
               '"notes": [], "hosts": 3, "leased": 5, "arbiter": "b"}')
ANSWERS = {
    'status': STATUS_JSON,
    'hosts': '{"hosts": [%s]}' % HOST_JSON,
    'all': '{"status": %s, "hosts": [%s, 5, null], "vms": [%s, "x"]}' % (
        STATUS_JSON, HOST_JSON, VM_JSON),
    'vms': '{"vms": [%s, %s]}' % (VM_JSON, VM_JSON),
    'stop': '{"ok": false, "reasons": ["it has the only copy of 4096"]}',
    'evict': '{"evicted": 4096, "text": "size is reached"}',
    'whatif': '{"host": "a", "ok": false, "vms": [%s]}' % VM_JSON,
    'terms': '{"terms": [{"name": "used", "bytes": -9223372036854775808}, '
             '{"name": 5, "bytes": 1e300}, {"bytes": "x"}]}',
    'nonsense': '{"vms": {"a": [[[]]]}, "hosts": 1e308, "ok": "\\u0007"}',
}


def local():
    """Seeds of fuzz-local: steps of peers 0 to 7."""
    vmm, link, say, end, read, send, other = 0, 1, 2, 4, 5, 6, 7

    def do(what, peer, *more):
        return [what | peer << 3, *more]

    def said(peer, type_, *changes, grown=0):
        return do(say, peer, type_, len(changes), *[
            byte for at, n, value in changes
            for byte in (at & 255, at >> 8, n - 1, value)], grown)

    def pager(peer, *types):
        return do(link, peer) + said(peer, 1) + sum(
            (said(peer, type_) for type_ in types), [])

    return {
        'vmms': do(vmm, 0) + said(0, 0) + do(vmm, 1) + said(1, 0, (24, 1, 9)) +
        do(vmm, 2) + said(2, 0, (0, 1, 9)) + do(read, 2) + do(vmm, 3) +
        do(end, 3) + do(vmm, 4) + said(4, 0, grown=3),
        'pagers': pager(0, 2, 3, 4, 7, 8, 2) + pager(1, 5) + do(end, 0),
        'old-pager': do(link, 0) + said(0, 9) + said(0, 2) + do(read, 0),
        'foreign': do(link, 0) + said(0, 1, (24, 1, 9)) + said(0, 2),
        'again': pager(0, 2) + pager(1, 2) + said(0, 2) + said(1, 1),
        'refused': do(link, 0) + said(0, 1, (48, 1, 13)),
        'texts': do(vmm, 0) + said(0, 0, (96, 64, 255)) + do(link, 1) +
        said(1, 1, (64, 64, 255)) +
        said(1, 2, *[(n, 72, 255) for n in (288, 800, 1984, 2120)]) +
        said(1, 7, (0x28, 256, 255)),
        'too-many': pager(0) + said(0, 2, (1916, 1, 3)) + pager(1) +
        said(1, 2, (1916, 4, 255)),
        'stranger': [0xc9] + said(1, 1),
        'full': pager(0) + do(send, 0, 255) + do(send, 0, 255),
        'ends': pager(0, 2) + do(vmm, 1) + do(other, 0) + pager(0, 2) +
        do(other, 1) + do(other, 2),
        'grown': pager(0) + said(0, 2, grown=1) + pager(0) +
        said(0, 2, grown=7) + said(0, 7, grown=11),
    }


def kept():
    """Changes of what is kept: see fuzz-kept.c."""
    record = 8 + 4 + 4 + 3 * 8 + 16 + 16 + 64 + 64 + 4 + 4

    def table(at, content):
        return bytes([0]) + struct.pack('<HB', at, len(content) - 1) + content

    def in_record(n, at, content):
        return table(16 + n * record + at, content)

    def slab(n, at, content):
        return bytes([2, n]) + struct.pack('<HB', at, len(content) - 1) + \
            content

    def fd(n, how, other=0, size=b''):
        return bytes([4, n, other, how]) + size

    def key(at, content):
        return bytes([5, at, len(content) - 1]) + content

    number, lease, leaving, away, bits, far = 12, 16, 24, 32, 64, 4096
    changes = {
        'nothing': b'',
        'table-head': table(0, b'xxxx'),
        'slab-pages': table(8, struct.pack('<I', 64)),
        'no-id': in_record(0, 0, bytes(8)),
        'id-far': in_record(0, 7, b'\x80') + slab(0, lease + 7, b'\x80') +
        slab(1, lease + 7, b'\x80'),
        'id-twice': in_record(1, 0, struct.pack('<Q', 1)),
        'state': in_record(0, 12, struct.pack('<I', 9)),
        'name': b''.join(in_record(0, 72 + i, b'x' * 8)
                         for i in range(0, 64, 8)),
        'too-many-slabs': in_record(0, record - 8, struct.pack('<I', 65536)),
        'one-slab-more': in_record(0, record - 8, struct.pack('<I', 3)),
        'one-slab-less': in_record(0, record - 8, struct.pack('<I', 1)),
        'own': in_record(0, record - 4, struct.pack('<I', 1)),
        'not-own': in_record(3, record - 4, struct.pack('<I', 0)),
        'missing': fd(0, 0),
        'twice': fd(7, 1, 0),
        'in-place-of': fd(1, 1, 0),
        'a-table': fd(1, 2),
        'other': fd(1, 3, size=struct.pack('<I', 1 << 20)),
        'number-twice': slab(0, number, struct.pack('<I', 1)),
        'number-far': slab(0, number, struct.pack('<I', 0xffffffff)),
        'of-another': slab(0, lease, struct.pack('<Q', 2)),
        'of-nobody': slab(0, lease, struct.pack('<Q', 77)),
        'leaving': slab(0, leaving, struct.pack('<Q', 1)),
        'leaving-twice': slab(0, leaving, struct.pack('<Q', 1)) +
        fd(7, 1, 0),
        'away': slab(0, 4, struct.pack('<I', 2)) +
        slab(0, away, struct.pack('<Q', 4)),
        'not-away': slab(2, away, bytes(8)),
        'area': slab(2, away, struct.pack('<Q', (1 << 64) - 1)),
        'bits': slab(0, bits, b'\xff' * 8) + slab(2, bits, b'\xff' * 8),
        'away-bits': slab(2, far, b'\xff' * 8) + slab(5, far, b'\xff' * 8),
        'key-magic': key(0, b'xxxx'),
        'key-count': key(8, b'\xff' * 8),
    }
    for name, content in changes.items():
        yield name, b'\0' + content
        if 'away' in name or name in ('nothing', 'area'):
            yield name + '-had', b'\1' + content


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
    for name, content in agent().items():
        write('agent', name, bytes(content))
    for name, content in requests().items():
        write('requests', name, bytes(content))
    for name, content in kept():
        write('kept', name, content)
    for name, content in local().items():
        write('local', name, bytes(content))
    for name, content in TLS.items():
        write('tls', name, content)
    for name, content in TEXTS.items():
        write('text', name, content)
    for name, content in ANSWERS.items():
        write('answers', name, content.encode())
    for name, content in PAGES.items():
        write('pages', name, content)
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
