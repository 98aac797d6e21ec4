#!/usr/bin/env python3
"""Pictures as phones, cameras, editors, browsers and broken downloads leave them, and what is right for each.

Needs Pillow 13 and pillow-heif 1.8 (libheif 1.23.6), as generators only: what is right is computed here from the
picture that a file was made from (samples/lighthouse.jpg, drawings by formula), never from what a program reads.
Licence: Apache-2.0, as the repository. Usage: make.py [FOLDER] (default: beside itself).

cases.jsonl has a line a case: kind, file, options, status, the size, the picture at 12 x 12 px as hex ("want") with the
mean difference allowed ("tolerance", of 255) and the rows of it that count, words of the warning and of the message.
"""
import hashlib
import io
import json
import os
import struct
import sys
import zlib

import numpy
from PIL import Image, ImageCms, ImageDraw, PngImagePlugin
import pillow_heif

import profiles
from boxes import box, coded, full, ispe, nclx, sequence, still

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = sys.argv[1] if len(sys.argv) > 1 else HERE
ROOT = os.path.join(HERE, "..", "..", "..")
W, H, N = 96, 72, 12
PHOTO = Image.open(os.path.join(ROOT, "samples/lighthouse.jpg")).convert("RGB").resize((W, H), Image.BICUBIC)
CASES = []


class Managed(Image.Image):
    """A picture that only a program with colour management shows."""



def case(kind, name, data, right=PHOTO, tolerance=4.0, status="ok", rows=N, warning="", message="", size=None,
         **options):
    """options: of reading, as the command line has them."""
    with open(os.path.join(OUT, name), "wb") as out:
        out.write(data)
    item = {"kind": kind, "file": name, "status": status, "options": options, "warning": warning, "message": message}
    if status == "ok":
        size = size or right.size
        item.update(width=size[0], height=size[1], tolerance=tolerance, rows=rows,
                    want=right.convert("RGB").resize((N, N), Image.BICUBIC).tobytes().hex())
    if isinstance(right, Managed):
        item["profile"] = True
    CASES.append(item)


def saved(image, fmt, **how):
    out = io.BytesIO()
    image.save(out, fmt, **how)
    return out.getvalue()


def jpeg(image=PHOTO, **how):
    return saved(image, "JPEG", **dict(dict(quality=85), **how))


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_with(data, *chunks):
    """Chunks put behind IHDR."""
    return data[:33] + b"".join(chunks) + data[33:]


def segment(marker, data):
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(data) + 2) + data


def jpeg_with(*segments, image=PHOTO):
    data = jpeg(image)
    return data[:2] + b"".join(segments) + data[2:]


TURNS = {2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
         5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
         8: Image.Transpose.ROTATE_90}


def turned(orientation, image=PHOTO):
    return image.transpose(TURNS[orientation]) if orientation in TURNS else image


def tiff(orientation, order="<", kind=3, magic=42, before=()):
    """An EXIF block; before: entries (tag, kind, count, value) that come first."""
    mark = b"II" if order == "<" else b"MM"
    entries = list(before) + [(0x112, kind, 1, orientation)]
    body = struct.pack(order + "H", len(entries))
    for tag, k, count, value in entries:
        packed = {1: "B3x", 3: "H2x", 4: "I", 8: "h2x", 9: "i"}[k]
        body += struct.pack(order + "HHI" + packed, tag, k, count, value)
    return mark + struct.pack(order + "HI", magic, 8) + body + bytes(4)


def xmp(text):
    return ('<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
            'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
            'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" %s</rdf:RDF></x:xmpmeta>' % text).encode()


XMP_ATTRIBUTE = xmp('tiff:Orientation="6"/>')
XMP_ELEMENT = xmp("><tiff:Orientation>6</tiff:Orientation></rdf:Description>")
XMP_SPACED = xmp("tiff:Orientation = '8' />")
XAP = b"http://ns.adobe.com/xap/1.0/\0"


# ---- 1: phones' HEIC and AVIF ----

HEIC = (b"heic", b"mif1", b"heic")
AVIF = (b"avif", b"mif1", b"avif", b"miaf")
ALPHA = full(b"auxC", 0, b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0")


def phone(kind, references, items=(), primary_properties=(), brands=HEIC):
    fmt = "HEIC" if kind == b"hvc1" else "AVIF"
    config = b"hvcC" if kind == b"hvc1" else b"av1C"
    payload, p = coded(PHOTO, fmt, quality=85)
    small, q = coded(PHOTO.resize((48, 36)).convert("L").convert("RGB"), fmt, quality=60)
    known = {1: (1, kind, payload, [ispe(W, H), p[config], p[b"colr"], *primary_properties]),
             2: (2, kind, small, [ispe(48, 36), q[config], box(b"auxC", bytes(4) + b"urn:com:apple:photo:2020:aux:hdrgainmap\0")]),
             3: (3, b"tmap", bytes(62), [ispe(W, H)]),
             4: (4, b"Exif", bytes(4) + b"MM" + tiff(1, ">")[2:], []),
             5: (5, kind, small, [ispe(48, 36), q[config]]),
             6: (6, b"mime", XMP_ATTRIBUTE.replace(b'"6"', b'"1"'), [])}
    return still(brands, [known[i] for i in (1, *items)], references)


def phones():
    tmap = [(b"dimg", 3, [1, 2])]
    case(1, "gain_map.heic", phone(b"hvc1", tmap + [(b"auxl", 2, [1, 3]), (b"cdsc", 4, [1])], (2, 3, 4)))
    case(1, "gain_map_exif.heic", phone(b"hvc1", tmap + [(b"auxl", 2, [1]), (b"cdsc", 4, [1, 3])], (2, 3, 4)))
    case(1, "thumbnail_of_two.heic", phone(b"hvc1", tmap + [(b"thmb", 5, [1, 3])], (2, 3, 5)))
    case(1, "xmp_of_three.heic", phone(b"hvc1", tmap + [(b"cdsc", 6, [1, 2, 3]), (b"auxl", 2, [1, 3])], (2, 3, 6)))
    case(1, "gain_map.avif", phone(b"av01", tmap + [(b"auxl", 2, [1, 3])], (2, 3), brands=AVIF))
    case(1, "turned_gain_map.heic", phone(b"hvc1", tmap + [(b"auxl", 2, [1, 3])], (2, 3), [box(b"irot", b"\x03")]),
         turned(6))
    case(1, "tmap_brand.heic", phone(b"hvc1", tmap + [(b"auxl", 2, [1])], (2, 3),
                                     brands=(b"mif1", b"tmap", b"MiHB", b"mif1", b"heic")))
    payload, p = coded(PHOTO, "AVIF", quality=85)
    second, _ = coded(turned(3), "AVIF", quality=85)
    entry = [p[b"av1C"], p[b"colr"]]
    case(1, "sequence.avif", sequence((b"avis", b"avis", b"msf1", b"iso8"),
                                      [(b"av01", b"pict", [payload, second], entry, 0)], W, H))
    hevc, q = coded(PHOTO, "HEIC", quality=85)
    case(1, "sequence.heic", sequence((b"hevc", b"msf1", b"hevc", b"iso8"),
                                      [(b"hvc1", b"pict", [hevc], [q[b"hvcC"], q[b"colr"]], 0)], W, H))
    wide = PHOTO.resize((17000, 40), Image.BILINEAR)
    payload, p = coded(wide, "AVIF", quality=50, speed=9)
    case(1, "wide.avif", still(AVIF, [(1, b"av01", payload, [ispe(17000, 40), p[b"av1C"], p[b"colr"]])]), wide, 5)
    for matrix, chroma in ((0, 444), (8, 444), (9, 420), (12, 420)):
        primaries = 12 if matrix == 12 else 1
        right = PHOTO if primaries == 1 else from_linear(linear_of(PHOTO, profiles.P3), profiles.P709)
        payload, p = coded(PHOTO, "HEIC", quality=85, chroma=chroma, matrix_coefficients=matrix,
                           color_primaries=primaries)
        case(1, "matrix%d.heic" % matrix, still(HEIC, [(1, b"hvc1", payload, [ispe(W, H), p[b"hvcC"], p[b"colr"]])]), right)
    payload, p = coded(PHOTO, "HEIC", quality=85)
    odd = still(HEIC, [(1, b"hvc1", payload, [ispe(W, H), p[b"hvcC"], nclx(1, 13, 2)])])
    case(1, "matrix_unsaid.heic", odd)
    case(1, "matrix_unknown.heic", odd.replace(nclx(1, 13, 2), nclx(1, 13, 99)))
    for name, data in (("cut.heic", odd[:len(odd) * 6 // 10]), ("cut_in_meta.heic", odd[:200]),
                       ("cut.avif", phone(b"av01", [], brands=AVIF)[:-700])):
        case(1, name, data, status="format", message="truncated")


# ---- 2: orientation ----

def orientations():
    exif = b"Exif\0\0"
    case(2, "long_be.jpg", jpeg_with(segment(0xE1, exif + tiff(6, ">", 4))), turned(6))
    case(2, "byte.jpg", jpeg_with(segment(0xE1, exif + tiff(8, "<", 1))), turned(8))
    case(2, "signed_be.jpg", jpeg_with(segment(0xE1, exif + tiff(3, ">", 8))), turned(3))
    case(2, "behind_others.jpg", jpeg_with(segment(0xE1, exif + tiff(5, ">", 3, before=[(0x100, 4, 1, W), (0x101, 4, 1, H)]))),
         turned(5))
    case(2, "double_prefix_be.jpg", jpeg_with(segment(0xE1, exif + exif + tiff(6, ">"))), turned(6))
    case(2, "stray.jpg", jpeg_with(segment(0xEC, b"Ducky\0"), b"\0\0\0stray", segment(0xE1, exif + tiff(6))), turned(6))
    case(2, "short_segment.jpg", jpeg_with(b"\xff\xe5\x00\x02", b"\xff\xff\xff", segment(0xE1, exif + tiff(7))), turned(7))
    case(2, "xmp.jpg", jpeg_with(segment(0xE1, XAP + XMP_ATTRIBUTE)), turned(6))
    case(2, "xmp_spaced.jpg", jpeg_with(segment(0xE1, XAP + XMP_SPACED)), turned(8))
    case(2, "exif_over_xmp.jpg", jpeg_with(segment(0xE1, XAP + XMP_ATTRIBUTE), segment(0xE1, exif + tiff(3))), turned(3))
    case(2, "exif_without.jpg", jpeg_with(segment(0xE1, exif + tiff(1).replace(b"\x12\x01", b"\x31\x01")),
                                          segment(0xE1, XAP + XMP_ELEMENT)), turned(6))
    case(2, "out_of_range.jpg", jpeg_with(segment(0xE1, exif + tiff(9, "<", 4))))
    plain = saved(PHOTO, "PNG")
    raw = (b"\nexif\n    %d\n" % len(exif + tiff(6)) + (exif + tiff(6)).hex().encode() + b"\n")
    case(2, "raw_profile.png", png_with(plain, chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(raw))), turned(6))
    case(2, "raw_profile_text.png", png_with(plain, chunk(b"tEXt", b"Raw profile type APP1\0" + raw)), turned(6))
    case(2, "exif_prefix_long.png", png_with(plain, chunk(b"eXIf", exif + tiff(8, ">", 4))), turned(8))
    case(2, "xmp.png", png_with(plain, chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP_ATTRIBUTE)), turned(6))
    case(2, "xmp_packed.png", png_with(plain, chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(XMP_ELEMENT))), turned(6))
    case(2, "xmp.webp", saved(PHOTO, "WEBP", quality=85, xmp=XMP_ELEMENT), turned(6))
    case(2, "exif_long.webp", saved(PHOTO, "WEBP", quality=85, exif=tiff(8, ">", 4)), turned(8))
    payload, p = coded(PHOTO, "AVIF", quality=85)
    base = [ispe(W, H), p[b"av1C"], p[b"colr"]]
    for name, more, right in (
            ("irot1.avif", [box(b"irot", b"\1")], turned(8)), ("imir0.avif", [box(b"imir", b"\0")], turned(4)),
            ("imir1.avif", [box(b"imir", b"\1")], turned(2)),
            ("irot3_imir1.avif", [box(b"irot", b"\3"), box(b"imir", b"\1")], turned(2, turned(6)))):
        case(2, name, still(AVIF, [(1, b"av01", payload, base + more)]), right)
    case(2, "exif_not_irot.avif", still(AVIF, [(1, b"av01", payload, base), (2, b"Exif", bytes(4) + tiff(6), [])],
                                        [(b"cdsc", 2, [1])]))


# ---- 3: transparency and palettes ----

def drawing(colour, hidden, mode="RGBA"):
    """A house of lines."""
    image = Image.new("RGBA", (W, H), hidden + (0,))
    draw = ImageDraw.Draw(image)
    for line in ([(20, 64), (20, 30), (48, 8), (76, 30), (76, 64), (20, 64)], [(40, 64), (40, 44), (56, 44), (56, 64)]):
        draw.line(line, fill=colour + (255,), width=3)
    return image.convert(mode)


def over(image, ground):
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, ground + (255,)), image).convert("RGB")


def bmp32(image, header, alpha):
    """Bit fields with an alpha mask; alpha: None keeps the picture's."""
    pixels = numpy.asarray(image.convert("RGBA")).copy()
    if alpha is not None:
        pixels[..., 3] = alpha
    data = pixels[::-1, :, [2, 1, 0, 3]].tobytes()
    info = struct.pack("<IiiHHIIiiII", header, W, H, 1, 32, 3, len(data), 2835, 2835, 0, 0)
    info = (info + struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)).ljust(header, b"\0")
    return b"BM" + struct.pack("<IHHI", 14 + header + len(data), 0, 0, 14 + header) + info + data


def runs(image, bits):
    """A bitmap in runs, with written-out pixels, steps and row ends; image: a palette of at most 1 << bits colours."""
    data, rows = b"", numpy.asarray(image)[::-1]
    for y, row in enumerate(rows):
        x = 0
        while x < W:
            n = 1
            while x + n < W and n < 255 and row[x + n] == row[x]:
                n += 1
            if n >= 3 or W - x < 3:
                v = int(row[x])
                data += bytes([n, v if bits == 8 else v << 4 | v])
                x += n
            else:
                some = [int(v) for v in row[x:x + 5]]
                if bits == 4:
                    packed = bytes((a << 4) | b for a, b in zip(some[::2], some[1::2] + [0]))
                else:
                    packed = bytes(some)
                data += bytes([0, len(some)] if len(some) >= 3 else []) + packed + b"\0" * (len(packed) % 2)
                x += len(some)
        data += b"\0\0"
    data += b"\0\1"
    palette = b"".join(bytes([b, g, r, 0]) for r, g, b in numpy.array(image.getpalette()[:3 << bits]).reshape(-1, 3).tolist())
    palette = palette.ljust(4 << bits, b"\0")
    at = 54 + len(palette)
    return (b"BM" + struct.pack("<IHHI", at + len(data), 0, 0, at)
            + struct.pack("<IiiHHIIiiII", 40, W, H, 1, bits, 1 if bits == 8 else 2, len(data), 0, 0, 0, 0) + palette + data)


def gif(frames, transparency=None, **how):
    more = {} if transparency is None else {"transparency": transparency}
    return saved(frames[0], "GIF", save_all=True, append_images=frames[1:], disposal=2, optimize=False, **more, **how)


def transparent():
    black, white, grey = (0, 0, 0), (255, 255, 255), (90, 90, 90)
    on_white = over(drawing(black, black), white)
    case(3, "drawing.png", saved(drawing(black, black), "PNG"), on_white, 1)
    case(3, "drawing_hidden_white.webp", saved(drawing(black, white), "WEBP", lossless=True, exact=True), on_white, 1)
    case(3, "drawing_la.png", saved(drawing(black, black, "LA"), "PNG"), on_white, 1)
    case(3, "drawing_alpha_original.png", saved(drawing(black, black), "PNG"), Image.new("RGB", (W, H)), 1,
         alpha="original")
    chalk = drawing(white, white)
    case(3, "chalk.png", saved(chalk, "PNG"), over(chalk, black), 40)
    noise = numpy.random.RandomState(7).randint(0, 256, (H, W, 4)).astype(numpy.uint8)
    cut = numpy.asarray(PHOTO.convert("RGBA")).copy()
    mask = ((numpy.arange(W)[None, :] - 48) ** 2 / 1.8 + (numpy.arange(H)[:, None] - 36) ** 2) < 800
    cut[~mask] = noise[~mask]
    cut[..., 3] = mask * 255
    cutout = Image.fromarray(cut, "RGBA")
    case(3, "cutout.png", saved(cutout, "PNG"), over(cutout, white), 1)
    payload, p = coded(cutout.convert("RGB"), "AVIF", quality=90)
    matte, q = coded(cutout.getchannel("A"), "AVIF", quality=90)
    case(3, "cutout.avif", still(AVIF, [(1, b"av01", payload, [ispe(W, H), p[b"av1C"], p[b"colr"]]),
                                        (2, b"av01", matte, [ispe(W, H), q[b"av1C"], ALPHA])], [(b"auxl", 2, [1])]),
         over(cutout, white), 6)
    case(3, "cutout_sequence.avif", sequence(
        (b"avis", b"avis", b"msf1", b"iso8"),
        [(b"av01", b"pict", [payload], [p[b"av1C"], p[b"colr"]], 0), (b"av01", b"auxv", [matte], [q[b"av1C"]], 1)],
        W, H), over(cutout, white), 6)
    glass = PHOTO.convert("RGBA")
    glass.putalpha(Image.linear_gradient("L").resize((W, H)))
    case(3, "glass.png", saved(glass, "PNG"), over(glass, white), 1)
    key = Image.new("RGB", (W, H), (1, 2, 3))
    key.paste(PHOTO.crop((20, 10, 80, 60)), (20, 10))
    keyed = key.convert("RGBA")
    keyed.putdata([(r, g, b, 0 if (r, g, b) == (1, 2, 3) else 255) for r, g, b in key.getdata()])
    case(3, "key_rgb.png", saved(key, "PNG", transparency=(1, 2, 3)), over(keyed, white), 1)
    line = drawing(black, white).convert("LA").getchannel("A").point(lambda a: 40 if a > 127 else 0)
    right = line.point(lambda v: 40 if v else 255)
    case(3, "key_grey.png", saved(line, "PNG", transparency=0), right, 1)
    table = Image.new("P", (W, H), 0)
    table.putpalette(bytes(black + black + grey) + bytes(759))
    table.paste(2, (30, 20, 60, 50))
    house = drawing(black, black).getchannel("A").point(lambda a: 1 if a > 127 else 0)
    table.paste(1, (0, 0), house.point(lambda v: 255 * v))
    shown = table.convert("RGB")
    shown.putdata([white if i == 0 else c for i, c in zip(table.getdata(), shown.getdata())])
    case(3, "table.png", saved(table, "PNG", transparency=bytes([0])), shown, 3)
    case(3, "table.gif", gif([table], 0), shown, 3)
    palette = PHOTO.quantize(64, dither=Image.Dither.NONE)
    case(3, "palette.png", saved(palette, "PNG"), palette.convert("RGB"), 0.5)
    case(3, "palette.gif", saved(palette, "GIF"), palette.convert("RGB"), 0.5)
    bilevel = PHOTO.convert("1")
    case(3, "bilevel.png", saved(bilevel, "PNG"), bilevel.convert("L"), 0.5)
    case(3, "palette_exact.png", saved(palette, "PNG"), palette.resize((N, N), Image.NEAREST), 0.5, size=(W, H), exact=True)
    few = PHOTO.quantize(16, dither=Image.Dither.NONE)
    case(3, "rle8.bmp", runs(palette, 8), palette.convert("RGB"), 0.5)
    case(3, "rle4.bmp", runs(few, 4), few.convert("RGB"), 0.5)
    case(5, "most_rle8.bmp", runs(palette, 8)[:-1500], palette.convert("RGB"), 20, warning="rows")
    case(3, "alpha_zero_v4.bmp", bmp32(PHOTO, 108, 0), PHOTO, 0.5)
    case(3, "alpha_zero_v5.bmp", bmp32(PHOTO, 124, 0), PHOTO, 0.5)
    case(3, "alpha.bmp", bmp32(cutout, 124, None), over(cutout, white), 1)
    shows = [PHOTO.quantize(32, dither=Image.Dither.NONE)]
    empty = Image.new("P", (W, H), 31)
    empty.putpalette(shows[0].getpalette())
    hole = gif([empty, shows[0]], 31, duration=100)
    case(3, "first_empty.gif", hole, over_index(shows[0], 31), 4)
    speck = empty.copy()
    speck.putpixel((3, 3), 5)
    case(3, "first_speck.gif", gif([speck, shows[0]], 31, duration=100), over_index(shows[0], 31), 4)
    nothing = Image.new("RGBA", (W, H))
    case(3, "first_empty.webp", saved(nothing, "WEBP", save_all=True, append_images=[PHOTO.convert("RGBA")],
                                      quality=90, duration=100), PHOTO, 4)
    deep = numpy.asarray(cutout).astype(numpy.uint16) * 257
    rows = b"".join(b"\0" + deep[y].astype(">u2").tobytes() for y in range(H))
    case(3, "deep.png", b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", W, H, 16, 6, 0, 0, 0))
         + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""), over(cutout, white), 1)


def over_index(image, index):
    shown = image.convert("RGB")
    shown.putdata([(255, 255, 255) if i == index else c for i, c in zip(image.getdata(), shown.getdata())])
    return shown


# ---- 4: colour ----

def srgb_to_linear(v):
    return numpy.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(v):
    v = numpy.clip(v, 0, 1)
    return numpy.where(v <= 0.0031308, v * 12.92, 1.055 * v ** (1 / 2.4) - 0.055)


def linear_of(image, primaries, decode=srgb_to_linear):
    """XYZ under D65 of a picture's values taken in a space."""
    m, _ = profiles.matrix_of(primaries, profiles.D65)
    return decode(numpy.asarray(image.convert("RGB")) / 255.0) @ numpy.array(m).T


def values_in(xyz, primaries, encode=linear_to_srgb):
    m, _ = profiles.matrix_of(primaries, profiles.D65)
    return encode(xyz @ numpy.linalg.inv(numpy.array(m)).T)


def from_linear(xyz, primaries, encode=linear_to_srgb):
    return Image.fromarray(numpy.clip(numpy.rint(values_in(xyz, primaries, encode) * 255), 0, 255).astype(numpy.uint8))


def pq(nits):
    y = numpy.clip(nits / 10000, 0, 1) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * y) / (1 + 18.6875 * y)) ** 78.84375


def hlg(e):
    return numpy.where(e <= 1 / 12, numpy.sqrt(3 * e), 0.17883277 * numpy.log(numpy.maximum(12 * e - 0.28466892, 1e-9)) + 0.55991073)


def managed(image, profile):
    """What a colour-managed program shows."""
    to = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    shown = ImageCms.profileToProfile(image, ImageCms.ImageCmsProfile(io.BytesIO(profile)), to, outputMode="RGB",
                                      renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC)
    shown.__class__ = Managed
    return shown


def hdr(values, transfer, fmt="HEIC", **how):
    data = numpy.clip(numpy.rint(values * 65535), 0, 65535).astype(numpy.uint16)
    image = pillow_heif.from_bytes(mode="RGB;16", size=(W, H), data=data.tobytes())
    return coded(image, fmt, quality=90, color_primaries=9, transfer_characteristics=transfer, matrix_coefficients=9, **how)


def colours():
    case(4, "p3.jpg", jpeg(icc_profile=profiles.display_p3), managed(PHOTO, profiles.display_p3), 1.5)
    case(4, "p3.png", saved(PHOTO, "PNG", icc_profile=profiles.display_p3), managed(PHOTO, profiles.display_p3), 1)
    case(4, "adobe.webp", saved(PHOTO, "WEBP", quality=92, icc_profile=profiles.adobe), managed(PHOTO, profiles.adobe), 2)
    case(4, "prophoto.jpg", jpeg(icc_profile=profiles.prophoto), managed(PHOTO, profiles.prophoto), 3)
    case(4, "two_segments.jpg", jpeg(icc_profile=profiles.large_prophoto),
         managed(PHOTO, profiles.prophoto), 3)
    grey = PHOTO.convert("L")
    case(4, "grey_linear.png", saved(grey, "PNG", icc_profile=profiles.grey(1.0)), managed(grey, profiles.grey(1.0)), 5)
    case(4, "grey.jpg", jpeg(grey, icc_profile=profiles.grey(1.4)), managed(grey, profiles.grey(1.4)), 4)
    press = profiles.press()
    inks = PHOTO.convert("CMYK")
    case(4, "press.jpg", jpeg(inks, icc_profile=press, quality=92), managed(inks, press), 4)
    palette = PHOTO.quantize(128, dither=Image.Dither.NONE)
    case(4, "palette_prophoto.png", saved(palette, "PNG", icc_profile=profiles.prophoto),
         managed(palette.convert("RGB"), profiles.prophoto), 3)
    case(4, "prophoto_exact.jpg", jpeg(icc_profile=profiles.prophoto), PHOTO, 2, exact=True)
    case(4, "srgb.jpg", jpeg(icc_profile=profiles.srgb), PHOTO, 2)
    case(4, "broken_profile.jpg", jpeg(icc_profile=profiles.prophoto[:300]), PHOTO, 2)
    case(4, "other_kind.jpg", jpeg(icc_profile=press), PHOTO, 2)
    p3 = from_linear(linear_of(PHOTO, profiles.P3), profiles.P709)
    payload, p = coded(PHOTO, "AVIF", quality=90)
    case(4, "p3_nclx.avif", still(AVIF, [(1, b"av01", payload, [ispe(W, H), p[b"av1C"], nclx(12, 13, 6)])]), p3, 1.8)
    payload, p = coded(PHOTO, "HEIC", quality=90)
    icc = box(b"colr", b"prof", profiles.display_p3)
    case(4, "p3_icc.heic", still(HEIC, [(1, b"hvc1", payload, [ispe(W, H), p[b"hvcC"], icc])]),
         managed(PHOTO, profiles.display_p3))
    case(4, "cicp_p3.png", png_with(saved(PHOTO, "PNG"), chunk(b"cICP", bytes([12, 13, 0, 1]))), p3, 1)
    light = linear_of(PHOTO, profiles.P709) * 203
    payload, p = hdr(values_in(light, profiles.P2020, pq), 16, chroma=422)
    case(4, "pq.heic", still(HEIC, [(1, b"hvc1", payload, [ispe(W, H), p[b"hvcC"], nclx(9, 16, 9)])]), PHOTO, 6)
    case(4, "pq_in_bitstream.heic", still(HEIC, [(1, b"hvc1", payload, [ispe(W, H), p[b"hvcC"]])]), PHOTO, 6)
    scene = linear_of(PHOTO, profiles.P709) * 203 / 1000
    scene = scene * numpy.maximum(scene[..., 1:2], 1e-6) ** (1 / 1.2 - 1)
    values = values_in(scene, profiles.P2020, hlg)
    payload, p = hdr(values, 18)
    case(4, "hlg.heic", still(HEIC, [(1, b"hvc1", payload, [ispe(W, H), p[b"hvcC"], nclx(9, 18, 9)])]), PHOTO, 6)
    flat = Image.fromarray(numpy.rint(values_in(light, profiles.P2020, pq) * 255).astype(numpy.uint8))
    case(4, "cicp_pq.png", png_with(saved(flat, "PNG"), chunk(b"cICP", bytes([9, 16, 0, 1]))), PHOTO, 6)
    case(4, "pq_profile.jpg", jpeg(flat, quality=95, subsampling=0, icc_profile=profiles.bt2100(16, 5.0)), PHOTO, 7)
    flat = Image.fromarray(numpy.clip(numpy.rint(values * 255), 0, 255).astype(numpy.uint8))
    case(4, "hlg_profile.webp", saved(flat, "WEBP", lossless=True, icc_profile=profiles.bt2100(18, 2.4)), PHOTO, 6)
    wide = from_linear(linear_of(PHOTO, profiles.P709), profiles.P2020)
    payload, p = coded(wide, "AVIF", quality=92)
    case(4, "bt2020.avif", still(AVIF, [(1, b"av01", payload, [ispe(W, H), p[b"av1C"], nclx(9, 13, 6)])]), PHOTO, 5)


# ---- 5: ends of files ----

def chunks_of(data):
    at = 8
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        yield kind, data[at + 8:at + 8 + size]
        at += 12 + size


def ends():
    whole = jpeg()
    case(5, "no_end.jpg", whole[:-2], PHOTO, 2, warning="end")
    case(5, "no_end_strict.jpg", whole[:-2], status="format", message="truncated", strict=True)
    case(5, "most.jpg", whole[:len(whole) * 85 // 100], PHOTO, 4, rows=8, warning="rows")
    case(5, "least.jpg", whole[:len(whole) * 35 // 100], status="format", message="truncated")
    layers = jpeg(progressive=True)
    case(5, "layers.jpg", layers[:len(layers) * 80 // 100], PHOTO, 6, warning="truncated")
    tail = jpeg()
    case(5, "zero_tail.jpg", tail[:len(tail) * 85 // 100] + bytes(4096), PHOTO, 4, rows=8, warning="rows")
    marked = jpeg(restart_marker_rows=1)
    case(5, "restarts.jpg", marked[:len(marked) * 9 // 10], PHOTO, 4, rows=9, warning="rows")
    palette = PHOTO.quantize(64, dither=Image.Dither.NONE)
    shown = palette.convert("RGB")
    small = saved(palette, "GIF", interlace=0)
    case(5, "no_trailer.gif", small[:-1], shown, 1, warning="end")
    case(5, "most.gif", small[:len(small) * 85 // 100], shown, 1, rows=8, warning="rows")
    case(5, "least.gif", small[:len(small) * 35 // 100], status="format", message="truncated")
    woven = saved(palette, "GIF", interlace=1)
    case(5, "most_woven.gif", woven[:len(woven) * 85 // 100], shown, 12, warning="rows")
    plain = saved(PHOTO, "PNG")
    parts = list(chunks_of(plain))
    data = b"".join(d for k, d in parts if k == b"IDAT")
    head, half = chunk(b"IHDR", parts[0][1]), len(data) // 2
    bad = bytearray(chunk(b"IDAT", data[:half]))
    bad[-1] ^= 0x55
    signature, end = plain[:8], chunk(b"IEND", b"")
    case(5, "checksum.png", signature + head + bytes(bad) + chunk(b"IDAT", data[half:]) + end, PHOTO, 0.5, warning="checksum")
    case(5, "checksum_strict.png", signature + head + bytes(bad) + chunk(b"IDAT", data[half:]) + end, status="format",
         message="checksum", strict=True)
    case(5, "head_checksum.png", signature + head[:-1] + bytes([head[-1] ^ 1]) + chunk(b"IDAT", data) + end, PHOTO, 0.5,
         warning="checksum")
    case(5, "no_end.png", signature + head + chunk(b"IDAT", data), PHOTO, 0.5, warning="end")
    case(5, "adler.png", signature + head + chunk(b"IDAT", data[:-4] + b"\1\2\3\4") + end, PHOTO, 0.5)
    case(5, "most.png", plain[:len(plain) * 85 // 100], PHOTO, 0.5, rows=8, warning="rows")
    case(5, "least.png", plain[:len(plain) * 30 // 100], status="format", message="truncated")
    case(5, "texts.png", png_with(plain, *(chunk(b"tEXt", b"k%d\0v" % i) for i in range(1100))), PHOTO, 0.5)
    lossy = saved(PHOTO, "WEBP", quality=85)
    case(5, "most.webp", lossy[:len(lossy) * 90 // 100], PHOTO, 4, rows=7, warning="rows")
    lossless = saved(PHOTO, "WEBP", lossless=True)
    case(5, "most_lossless.webp", lossless[:len(lossless) * 90 // 100], PHOTO, 1, rows=8, warning="rows")
    case(5, "least.webp", lossless[:len(lossless) * 30 // 100], status="format", message="truncated")
    bmp = saved(PHOTO, "BMP")
    case(5, "no_end.bmp", bmp[:-1000], PHOTO, 8, warning="rows")
    case(5, "least.bmp", bmp[:len(bmp) * 35 // 100], status="format", message="truncated")


def main():
    os.makedirs(OUT, exist_ok=True)
    phones()
    orientations()
    transparent()
    colours()
    ends()
    with open(os.path.join(OUT, "cases.jsonl"), "w") as out:
        out.writelines(json.dumps(c) + "\n" for c in CASES)
    n = {k: sum(1 for c in CASES if c["kind"] == k) for k in range(1, 6)}
    print(len(CASES), "cases:", n, hashlib.sha256(json.dumps(CASES).encode()).hexdigest()[:12])


main()
