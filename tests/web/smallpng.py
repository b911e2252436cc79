# SPDX-License-Identifier: GPL-2.0-or-later
"""Make a picture of a page small: a PNG of at most 256 colours, which a page of
text does not notice, in place of one of all colours.  The standard library is
enough for that."""
import collections
import struct
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOURS = 256


def chunks(data):
    at = len(SIGNATURE)
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        yield kind, data[at + 8:at + 8 + size]
        at += 12 + size


def chunk(kind, data):
    return (struct.pack(">I", len(data)) + kind + data +
            struct.pack(">I", zlib.crc32(kind + data)))


def paeth(a, b, c):
    p = a + b - c
    pa, pb, pc = abs(p - a), abs(p - b), abs(p - c)
    return a if pa <= pb and pa <= pc else b if pb <= pc else c


def unfilter(raw, width, height, step):
    """The lines of a picture as bytes."""
    stride = width * step
    last = bytearray(stride)
    for y in range(height):
        at = y * (stride + 1)
        kind, line = raw[at], bytearray(raw[at + 1:at + 1 + stride])
        if kind == 1:
            for i in range(step, stride):
                line[i] = (line[i] + line[i - step]) & 255
        elif kind == 2:
            line = bytearray((x + y) & 255 for x, y in zip(line, last))
        elif kind == 3:
            for i in range(stride):
                left = line[i - step] if i >= step else 0
                line[i] = (line[i] + (left + last[i]) // 2) & 255
        elif kind == 4:
            for i in range(stride):
                left = line[i - step] if i >= step else 0
                corner = last[i - step] if i >= step else 0
                line[i] = (line[i] + paeth(left, last[i], corner)) & 255
        yield line
        last = line


def nearest(palette, colour):
    return min(range(len(palette)), key=lambda i: sum(
        (a - b) ** 2 for a, b in zip(palette[i], colour)))


def palette_of(lines, step):
    """(colours, the index of each): the most frequent ones, of which none is
    too near to another."""
    seen = collections.Counter()
    for line in lines:
        seen.update(zip(*(line[i::step] for i in range(3))))
    palette = []
    for colour, _ in seen.most_common():
        if len(palette) < COLOURS and all(
                max(abs(a - b) for a, b in zip(colour, other)) > 4
                for other in palette):
            palette.append(colour)
    return palette, {c: nearest(palette, c) for c in seen}


def shrink(path):
    """The same file with fewer colours, if that is smaller."""
    with open(path, "rb") as file:
        data = file.read()
    parts = list(chunks(data))
    width, height, depth, kind = struct.unpack(">IIBB", parts[0][1][:10])
    if depth != 8 or kind not in (2, 6):
        return
    step = 3 if kind == 2 else 4
    raw = zlib.decompress(b"".join(d for k, d in parts if k == b"IDAT"))
    lines = list(unfilter(raw, width, height, step))
    palette, index = palette_of(lines, step)
    body = b"".join(b"\0" + bytes(
        index[c] for c in zip(*(line[i::step] for i in range(3))))
        for line in lines)
    small = SIGNATURE + chunk(b"IHDR", struct.pack(
        ">IIBBBBB", width, height, 8, 3, 0, 0, 0)) + chunk(
        b"PLTE", b"".join(bytes(c) for c in palette)) + chunk(
        b"IDAT", zlib.compress(body, 9)) + chunk(b"IEND", b"")
    if len(small) < len(data):
        with open(path, "wb") as file:
            file.write(small)
