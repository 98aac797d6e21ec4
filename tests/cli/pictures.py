"""Small PNG pictures of one colour with noise, and folders of them, with the standard library alone."""
import os
import random
import struct
import zlib

COLOURS = {"red": (200, 30, 30), "green": (30, 180, 40), "blue": (30, 40, 210), "grey": (128, 128, 128)}


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def plain(colour, seed=0, side=40, spread=25):
    source = random.Random(f"{colour} {seed}")
    rows = b"".join(b"\0" + bytes(max(0, min(255, c + source.randrange(-spread, spread + 1)))
                                  for _ in range(side) for c in COLOURS[colour]) for _ in range(side))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def write_folders(case, name, counts, first=0):
    """A folder per colour with counts[colour] pictures."""
    for colour, n in counts.items():
        for i in range(first, first + n):
            case.write(os.path.join(name, colour, f"{i}.png"), plain(colour, i))
    return case.path(name)


def read_png(data):
    """width, height, and rows of RGB bytes, of a PNG with 8-bit RGB."""
    at, packed, size = 8, b"", None
    while at < len(data):
        n, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + n]
        if kind == b"IHDR":
            size = struct.unpack(">IIBB", body[:10])
        elif kind == b"IDAT":
            packed += body
        at += 12 + n
    assert size[2:] == (8, 2), size
    return size[0], size[1], zlib.decompress(packed)
