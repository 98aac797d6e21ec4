"""QuickTime films whose frames are PNG pictures, with the standard library alone."""
import struct


def atom(kind, *parts):
    data = b"".join(parts)
    return struct.pack(">I4s", 8 + len(data), kind) + data


def full(kind, *parts, flags=0):
    return atom(kind, struct.pack(">I", flags), *parts)


# a b u c d v x y w of a frame that is to be turned to the right by so many quarters
MATRICES = {0: (1, 0, 0, 1), 1: (0, 1, -1, 0), 2: (-1, 0, 0, -1), 3: (0, -1, 1, 0)}


def matrix(quarters):
    a, b, c, d = (n * 0x10000 for n in MATRICES[quarters])
    return struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 0x40000000)


def said(keys):
    """What Apple's phones say of a film."""
    names = full(b"keys", struct.pack(">I", len(keys)),
                 *(struct.pack(">I4s", 8 + len(k), b"mdta") + k.encode() for k in keys))
    values = atom(b"ilst", *(struct.pack(">II", 24 + len(v), i + 1) +
                             atom(b"data", struct.pack(">II", 1, 0), v.encode()) for i, v in enumerate(keys.values())))
    return atom(b"meta", full(b"hdlr", struct.pack(">I4s12s", 0, b"mdta", b""), b"\0"), names, values)


def mov(pictures, width, height, seconds_each=4, quarters=0, keys=None, made=0):
    """pictures: PNG files of width x height px. made: seconds since 1904, UTC."""
    ticks, n = 600 * seconds_each, len(pictures)
    length = ticks * n
    begin = atom(b"ftyp", b"qt  ", struct.pack(">I", 0), b"qt  ")

    def movie(first):
        sample = atom(b"png ", struct.pack(">6xH", 1), struct.pack(">HH4sIIHHIIIH", 0, 0, b"appl", 0, 512, width, height,
                                                                    72 << 16, 72 << 16, 0, 1), b"\3PNG" + bytes(28),
                      struct.pack(">Hh", 24, -1))
        places, at = [], first
        for picture in pictures:
            places.append(at)
            at += len(picture)
        table = atom(b"stbl",
                     full(b"stsd", struct.pack(">I", 1), sample),
                     full(b"stts", struct.pack(">III", 1, n, ticks)),
                     full(b"stsc", struct.pack(">IIII", 1, 1, 1, 1)),
                     full(b"stsz", struct.pack(">II", 0, n), *(struct.pack(">I", len(p)) for p in pictures)),
                     full(b"stco", struct.pack(">I", n), *(struct.pack(">I", place) for place in places)))
        media = atom(b"mdia", full(b"mdhd", struct.pack(">IIIIHH", made, made, 600, length, 0, 0)),
                     full(b"hdlr", struct.pack(">4s4s12s", b"mhlr", b"vide", b""), b"\0"),
                     atom(b"minf", full(b"vmhd", bytes(8), flags=1),
                          atom(b"dinf", full(b"dref", struct.pack(">I", 1), full(b"url ", flags=1))), table))
        track = atom(b"trak", full(b"tkhd", struct.pack(">IIII", made, made, 1, 0), struct.pack(">I8xHHHH", length, 0, 0, 0, 0),
                                   matrix(quarters), struct.pack(">II", width << 16, height << 16), flags=7), media)
        head = full(b"mvhd", struct.pack(">IIIIIH10x", made, made, 600, length, 0x10000, 0x100), matrix(0), bytes(24),
                    struct.pack(">I", 2))
        return atom(b"moov", head, track, said(keys) if keys else b"")

    first = len(begin) + len(movie(0)) + 8
    return begin + movie(first) + atom(b"mdat", *pictures)
