"""HEIC and AVIF files written box by box, so that a condition can be put where it is wanted."""
import io
import struct

from PIL import Image
import pillow_heif

pillow_heif.register_heif_opener()


def box(kind, *parts):
    data = b"".join(parts)
    return struct.pack(">I4s", 8 + len(data), kind) + data


def full(kind, version, *parts, flags=0):
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)


def walk(data, at=0, end=None):
    end = len(data) if end is None else end
    while at + 8 <= end:
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        yield kind, at, data[at + 8:at + size]
        at += size


def child(data, *path):
    for kind in path:
        data = next(body for k, _, body in walk(data) if k == kind)
        data = data[4:] if kind == b"meta" else data
    return data


def coded(image, fmt, **how):
    """The first item of what an encoder makes of a picture: (bytes, its properties by kind)."""
    out = io.BytesIO()
    if isinstance(image, pillow_heif.HeifFile):
        image.save(out, **how)
    elif fmt == "HEIC":
        image.save(out, "HEIF", **how)
    else:
        image.save(out, "AVIF", **how)
    data = out.getvalue()
    meta = child(data, b"meta")
    iloc = child(meta, b"iloc")
    version, sizes, second = iloc[0], iloc[4], iloc[5]
    assert version in (0, 1) and sizes == 0x44, (version, sizes)
    base = second >> 4
    at = 8 + 2 + (2 if version else 0) + 2
    start = int.from_bytes(iloc[at:at + base], "big")
    offset, length = struct.unpack(">II", iloc[at + base + 2:at + base + 10])
    offset += start
    properties = {}
    for kind, _, body in walk(child(meta, b"iprp", b"ipco")):
        properties.setdefault(kind, body)
    return data[offset:offset + length], {k: box(k, v) for k, v in properties.items()}


def nclx(primaries, transfer, matrix, whole=True):
    return box(b"colr", b"nclx", struct.pack(">HHHB", primaries, transfer, matrix, 128 if whole else 0))


def ispe(width, height):
    return full(b"ispe", 0, struct.pack(">II", width, height))


def infe(number, kind, content_type=None):
    tail = b"\0" + (content_type + b"\0" if content_type else b"")
    return full(b"infe", 2, struct.pack(">HH4s", number, 0, kind), tail)


def still(brands, items, references=(), primary=1):
    """items: (number, kind, payload, [property boxes]); references: (kind, from, [to])."""
    boxes, associations, infes = [], b"", b""
    for number, kind, _, properties in items:
        infes += infe(number, kind, b"application/rdf+xml" if kind == b"mime" else None)
        indexes = b""
        for p in properties:
            if p not in boxes:
                boxes.append(p)
            essential = 0x80 if p[4:8] in (b"hvcC", b"av1C", b"irot", b"imir") else 0
            indexes += bytes([essential | boxes.index(p) + 1])
        if properties:
            associations += struct.pack(">HB", number, len(properties)) + indexes
    n_associated = sum(1 for i in items if i[3])
    iref = b"".join(box(k, struct.pack(">HH", a, len(to)), b"".join(struct.pack(">H", t) for t in to))
                    for k, a, to in references)
    head = box(b"ftyp", brands[0], b"\0\0\0\0", *brands)

    def meta(offset):
        places = b""
        for number, _, payload, _ in items:
            places += struct.pack(">HHHII", number, 0, 1, offset, len(payload))
            offset += len(payload)
        return full(b"meta", 0,
                    full(b"hdlr", 0, b"\0\0\0\0pict", bytes(13)),
                    full(b"pitm", 0, struct.pack(">H", primary)),
                    full(b"iloc", 0, bytes([0x44, 0]), struct.pack(">H", len(items)), places),
                    full(b"iinf", 0, struct.pack(">H", len(items)), infes),
                    full(b"iref", 0, iref) if iref else b"",
                    box(b"iprp", box(b"ipco", *boxes),
                        full(b"ipma", 0, struct.pack(">I", n_associated), associations)))

    size = len(head) + len(meta(0)) + 8
    return head + meta(size) + box(b"mdat", *(i[2] for i in items))


def sequence(brands, tracks, width, height):
    """tracks: (sample entry kind, handler, [samples], [boxes of the entry], track referred to or 0)."""
    head = box(b"ftyp", brands[0], b"\0\0\0\0", *brands)
    unity = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)

    def moov(offset):
        traks = []
        for number, (kind, handler, samples, extra, refers) in enumerate(tracks, 1):
            entry = box(kind, bytes(6), b"\0\1", bytes(16), struct.pack(">HH", width, height),
                        struct.pack(">IIIH", 0x480000, 0x480000, 0, 1), bytes(32), struct.pack(">Hh", 24, -1), *extra)
            stbl = box(b"stbl",
                       full(b"stsd", 0, struct.pack(">I", 1), entry),
                       full(b"stts", 0, struct.pack(">III", 1, len(samples), 1)),
                       full(b"stsc", 0, struct.pack(">IIII", 1, 1, len(samples), 1)),
                       full(b"stsz", 0, struct.pack(">II", 0, len(samples)),
                            b"".join(struct.pack(">I", len(s)) for s in samples)),
                       full(b"stco", 0, struct.pack(">II", 1, offset)))
            offset += sum(map(len, samples))
            mdia = box(b"mdia",
                       full(b"mdhd", 0, struct.pack(">IIIIHH", 0, 0, 1, len(samples), 0x55C4, 0)),
                       full(b"hdlr", 0, b"\0\0\0\0" + handler, bytes(13)),
                       box(b"minf", full(b"vmhd", 0, bytes(8), flags=1),
                           box(b"dinf", full(b"dref", 0, struct.pack(">I", 1), full(b"url ", 0, flags=1))), stbl))
            tref = box(b"tref", box(b"auxl", struct.pack(">I", refers))) if refers else b""
            tkhd = full(b"tkhd", 0, struct.pack(">IIIII", 0, 0, number, 0, len(samples)), bytes(16), unity,
                        struct.pack(">II", width << 16, height << 16), flags=1)
            traks.append(box(b"trak", tkhd, tref, mdia))
        mvhd = full(b"mvhd", 0, struct.pack(">IIIIIH", 0, 0, 1, 2, 0x10000, 0x100), bytes(10), unity, bytes(24),
                    struct.pack(">I", len(tracks) + 1))
        return box(b"moov", mvhd, *traks)

    size = len(head) + len(moov(0)) + 8
    return head + moov(size) + box(b"mdat", *(s for t in tracks for s in t[2]))
