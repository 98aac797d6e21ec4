#!/usr/bin/env python3
"""Makes the TIFF, JPEG XL and DNG files of this folder, and the *_tif.png that they show, from lossless.webp in
../data, which make.py there computes.

Needs Pillow and cjxl (libjxl-tools 0.7). Licence: Apache-2.0, as the repository. Usage: make.py
(writes beside itself).
"""
import os, struct, subprocess, tempfile, zlib
from io import BytesIO

from PIL import Image

HERE = os.path.dirname(os.path.abspath(__file__))
PHOTO = Image.open(os.path.join(HERE, "..", "data", "lossless.webp")).convert("RGB")
W, H = PHOTO.size
SHORT, LONG, RATIONAL, BYTE, ASCII, LONG8 = 3, 4, 5, 1, 2, 16
SIZE = {BYTE: 1, ASCII: 1, SHORT: 2, LONG: 4, RATIONAL: 8, LONG8: 8}
CODE = {BYTE: "B", SHORT: "H", LONG: "I", LONG8: "Q"}


class Tiff:
    """Pages are lists of (tag, type, values); pixel data stand where their offsets say."""

    def __init__(self, order="<", big=False):
        self.order, self.big, self.out = order, big, bytearray()
        mark = b"II" if order == "<" else b"MM"
        self.out += mark + (struct.pack(order + "HHHQ", 43, 8, 0, 0) if big else struct.pack(order + "HI", 42, 0))
        self.link = 8 if big else 4

    def put(self, data):
        self.out += b"\0" * (len(self.out) % 2)
        at = len(self.out)
        self.out += data
        return at

    def value(self, kind, values):
        if kind == ASCII:
            return values
        if kind == RATIONAL:
            return b"".join(struct.pack(self.order + "II", *v) for v in values)
        return struct.pack(self.order + "%d%s" % (len(values), CODE[kind]), *values)

    def directory(self, entries):
        count, number, room = ("Q", "Q", 8) if self.big else ("H", "I", 4)
        body = struct.pack(self.order + count, len(entries))
        for tag, kind, values in sorted(entries):
            data = self.value(kind, values)
            n = len(data) // SIZE[kind]
            if len(data) > room:
                data = struct.pack(self.order + number, self.put(data))
            body += struct.pack(self.order + "HH" + number, tag, kind, n) + data.ljust(room, b"\0")
        return body + b"\0" * room

    def page(self, entries, linked=True):
        body = self.directory(entries)
        at = self.put(body)
        if linked:
            room = "Q" if self.big else "I"
            struct.pack_into(self.order + room, self.out, self.link, at)
            self.link = at + len(body) - (8 if self.big else 4)
        return at


def pixels(tiff, image, bits=8, photometric=2, rows=5, tile=0, planar=False, pack=None, more=(), raw=None):
    """Entries of a page that holds image (or raw, a list of rows' bytes)."""
    bands = len(image.getbands())
    data = image.tobytes()
    w, h = image.size
    if bits == 16:
        data = struct.pack(tiff.order + "%dH" % len(data), *(v * 257 for v in data))
    stride = w * bands * bits // 8
    lines = raw or [data[y * stride:(y + 1) * stride] for y in range(h)]
    parts, layout = [], [(278, LONG, [rows])]
    if tile:
        for y in range(0, h, tile):
            for x in range(0, w, tile):
                block = [line[x * bands:(x + tile) * bands].ljust(tile * bands, b"\0") for line in lines[y:y + tile]]
                parts.append(b"".join(block).ljust(tile * tile * bands, b"\0"))
        layout = [(322, LONG, [tile]), (323, LONG, [tile])]
    elif planar:
        for band in image.split():
            plane = band.tobytes()
            parts += [plane[y * w:(y + rows) * w] for y in range(0, h, rows)]
    else:
        parts = [b"".join(lines[y:y + rows]) for y in range(0, h, rows)]
    if pack:
        parts = [pack(p) for p in parts]
    at = [tiff.put(p) for p in parts]
    offsets, counts = (324, 325) if tile else (273, 279)
    kind = LONG8 if tiff.big else LONG
    return layout + [
        (256, LONG, [w]), (257, LONG, [h]), (258, SHORT, [bits] * bands), (259, SHORT, [8 if pack else 1]),
        (262, SHORT, [photometric]), (277, SHORT, [bands]), (284, SHORT, [2 if planar else 1]),
        (offsets, kind, at), (counts, LONG, [len(p) for p in parts])] + list(more)


def write(name, data):
    with open(os.path.join(HERE, name), "wb") as file:
        file.write(data)


def tiff_file(name, image=PHOTO, order="<", big=False, **how):
    tiff = Tiff(order, big)
    tiff.page(pixels(tiff, image, **how))
    write(name, bytes(tiff.out))
    return bytes(tiff.out)


def see_through():
    alpha = PHOTO.convert("RGBA")
    alpha.putalpha(Image.linear_gradient("L").resize((W, H)).point(lambda v: 128 + v // 2))
    return alpha


def make_tiffs():
    tiff_file("rgb.tif")
    tiff_file("turned6.tif", order=">", more=[(274, SHORT, [6])], pack=zlib.compress)
    tiff_file("tiled.tif", tile=16)
    tiff_file("rgb16.tif", bits=16, order=">")
    tiff_file("planar.tif", planar=True)
    tiff_file("big.tif", big=True, rows=H)
    tiff_file("grey.tif", PHOTO.convert("L"), photometric=1)
    tiff_file("ink.tif", PHOTO.convert("CMYK"), photometric=5)
    alpha = see_through()
    alpha.save(os.path.join(HERE, "alpha_tif.png"))
    PHOTO.convert("L").save(os.path.join(HERE, "grey_tif.png"))
    tiff_file("alpha.tif", alpha, more=[(338, SHORT, [2])])
    palette = PHOTO.quantize(256)
    colors = palette.getpalette() + [0] * (768 - len(palette.getpalette()))
    tiff_file("palette.tif", palette, photometric=3,
              more=[(320, SHORT, [colors[3 * i + c] * 257 for c in range(3) for i in range(256)])])
    palette.convert("RGB").save(os.path.join(HERE, "palette_tif.png"))
    bits = PHOTO.convert("1", dither=Image.Dither.NONE)
    bits.save(os.path.join(HERE, "lines_tif.png"))
    line = (W + 7) // 8
    tiff_file("lines.tif", bits, bits=1, photometric=1,
              raw=[bits.tobytes()[y * line:(y + 1) * line] for y in range(H)])
    floats = [struct.pack("<%df" % W, *[x / W for x in range(W)])] * H
    tiff_file("floats.tif", PHOTO.convert("L"), bits=32, photometric=1, raw=floats, more=[(339, SHORT, [3])])
    two = Tiff()
    two.page(pixels(two, PHOTO.resize((4, 2)), more=[(254, LONG, [1])]))
    two.page(pixels(two, PHOTO))
    write("thumbnail_first.tif", bytes(two.out))
    # The directory first, so that what a cut takes are rows.
    cut = Tiff()
    entries = pixels(cut, PHOTO, rows=1)
    size = len(cut.out)
    first = Tiff()
    first.page([e if e[0] != 273 else (273, LONG, [0] * H) for e in entries])
    shift = len(first.out) - 8
    offsets = [o + shift for o in dict((e[0], e[2]) for e in entries)[273]]
    first = Tiff()
    first.page([e if e[0] != 273 else (273, LONG, offsets) for e in entries])
    whole = bytes(first.out) + bytes(cut.out[8:size])
    write("cut.tif", whole[:len(whole) - W * 3 * H // 4])
    rows = (len(whole) - W * 3 * H // 4 - len(first.out)) // (W * 3)
    left = PHOTO.copy()
    for y in range(rows, H):
        left.paste(PHOTO.crop((0, rows - 1, W, rows)), (0, y))
    left.save(os.path.join(HERE, "cut_tif.png"))
    write("cut_short.tif", whole[:len(whole) - W * 3 * H * 3 // 4])


def dng(name, preview, orientation=1, bitmap=False):
    """A sensor of 64 x 48 with nothing on it, and a preview in the first directory, as cameras do it."""
    tiff = Tiff()
    sensor = Image.new("L", (64, 48), 40)
    strips = pixels(tiff, sensor, bits=16, photometric=32803, rows=48, more=[
        (254, LONG, [0]), (33421, SHORT, [2, 2]), (33422, BYTE, [0, 1, 1, 2])])
    below = tiff.page(strips, linked=False)
    more = [(254, LONG, [1]), (271, ASCII, b"whatsit\0"), (272, ASCII, b"test camera\0"), (274, SHORT, [orientation]),
            (330, LONG, [below]), (50706, BYTE, [1, 4, 0, 0]), (50707, BYTE, [1, 1, 0, 0]),
            (50708, ASCII, b"whatsit test camera\0"), (50778, SHORT, [21]),
            (50721, RATIONAL, [(1, 1), (0, 1), (0, 1), (0, 1), (1, 1), (0, 1), (0, 1), (0, 1), (1, 1)])]
    if preview is None:
        tiff.page([(256, LONG, [64]), (257, LONG, [48])] + more)
    elif bitmap:
        tiff.page(pixels(tiff, preview, rows=preview.height, more=more))
    else:
        jpeg = BytesIO()
        preview.save(jpeg, "JPEG", quality=95, subsampling=0)
        at = tiff.put(jpeg.getvalue())
        tiff.page([(256, LONG, [preview.width]), (257, LONG, [preview.height]), (258, SHORT, [8, 8, 8]),
                   (259, SHORT, [7]), (262, SHORT, [6]), (277, SHORT, [3]), (273, LONG, [at]),
                   (278, LONG, [preview.height]), (279, LONG, [len(jpeg.getvalue())])] + more)
    write(name, bytes(tiff.out))


def make_jxls():
    with tempfile.TemporaryDirectory() as folder:
        def jxl(name, image, distance, **how):
            source = os.path.join(folder, "in.png")
            image.save(source, **how)
            subprocess.run(["cjxl", "--quiet", "-d", distance, source, os.path.join(HERE, name)], check=True)
        jxl("lossless.jxl", PHOTO, "0")
        jxl("lossy.jxl", PHOTO, "0.5")
        jxl("grey.jxl", PHOTO.convert("L"), "0")
        jxl("alpha.jxl", see_through(), "0")
        turned = Image.Exif()
        turned[274] = 6
        jxl("turned6.jxl", PHOTO, "0", exif=turned)
    with open(os.path.join(HERE, "lossless.jxl"), "rb") as file:
        data = file.read()
    write("cut.jxl", data[:len(data) // 2])


make_tiffs()
make_jxls()
dng("preview.dng", PHOTO)
dng("turned6.dng", PHOTO, 6)
dng("bitmap.dng", PHOTO, bitmap=True)
dng("no_preview.dng", None)
