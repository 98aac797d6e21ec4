#!/usr/bin/env python3
"""Makes the pictures of this folder and what Pillow makes of them (Pillow 9.4.0 with libjpeg-turbo, libwebp).

Everything here is computed from formulas below; no foreign picture is used. Licence: Apache-2.0, as the
repository. Usage: make.py (writes beside itself). The HEIC and AVIF files come from make_heif.c,
those of photographers (TIFF, JPEG XL, DNG) are in ../photographers.
"""
import hashlib, io, json, math, os, struct, zlib

from PIL import Image, ImageOps

HERE = os.path.dirname(os.path.abspath(__file__))
W, H = 37, 23
BICUBIC, BILINEAR = Image.Resampling.BICUBIC, Image.Resampling.BILINEAR


def noise(i):
    i = (i * 0x9E3779B97F4A7C15 + 0x1234567) & (2**64 - 1)
    i ^= i >> 29
    i = i * 0xBF58476D1CE4E5B9 & (2**64 - 1)
    return (i >> 32) & 255


def sample(x, y, c, w=W, h=H):
    """Gradients, a hard-edged box and a corner of noise: overshoot, rounding and clipping all happen."""
    if c == 3:
        return 0 if x < 4 else 255 if x > w - 6 else (x * 9 + y * 5) % 256
    if 8 <= x < 20 and 6 <= y < 14:
        return 255 if (x // 3 + y // 2 + c) % 2 else 0
    if x > w - 12 and y < 9:
        return noise((y * w + x) * 4 + c)
    return (255 * x // w, 255 * y // h, 255 * (x + y) // (w + h))[c % 3]


def raster(channels, w=W, h=H):
    return bytes(sample(x, y, c if channels != 2 else (0, 3)[c], w, h)
                 for y in range(h) for x in range(w) for c in range(channels))


def picture(mode, w=W, h=H):
    return Image.frombytes(mode, (w, h), raster({"L": 1, "LA": 2, "RGB": 3, "RGBA": 4, "CMYK": 4}[mode], w, h))


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def png(color_type, depth, interlaced=False, extra=b"", late=b"", w=W, h=H):
    """A PNG with unfiltered rows; samples are cut or stretched to the depth."""
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[color_type]
    data = raster(channels, w, h)

    def row(y, xs):
        bits = ""
        for x in xs:
            for c in range(channels):
                v = data[(y * w + x) * channels + c]
                v = v * 257 ^ noise(x + y) if depth == 16 else v >> (8 - depth)
                bits += format(v, "0%db" % depth)
        bits += "0" * (-len(bits) % 8)
        return b"\0" + bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits), 8))

    rows = b""
    for x0, y0, dx, dy in ADAM7 if interlaced else [(0, 0, 1, 1)]:
        if x0 < w:
            for y in range(y0, h, dy):
                rows += row(y, range(x0, w, dx))
    plte = b""
    if color_type == 3:
        n = 1 << depth
        plte = chunk(b"PLTE", bytes(noise(900 + i) for i in range(3 * (n if n < 256 else 200))))
    head = struct.pack(">IIBBBBB", w, h, depth, color_type, 0, 0, int(interlaced))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + plte + extra + chunk(b"IDAT", zlib.compress(rows, 9))
            + late + chunk(b"IEND", b""))


def exif(orientation, order="<"):
    mark = b"II" if order == "<" else b"MM"
    return mark + struct.pack(order + "HIHHHIHHI", 42, 8, 1, 0x112, 3, 1, orientation, 0, 0)


def bmp(bits, header=40, top_down=False, masks=None, grey=False):
    w, h = W, H
    stride = (w * bits + 31) // 32 * 4
    rows = []
    for y in range(h):
        row = bytearray(stride)
        for x in range(w):
            r, g, b = (sample(x, y, c) for c in range(3))
            if bits <= 8:
                v = r >> (8 - bits)
                row[x * bits // 8] |= v << (8 - bits - x * bits % 8)
            elif bits == 16:
                v = (r >> 3) << 11 | (g >> 2) << 5 | b >> 3 if masks else (r >> 3) << 10 | (g >> 3) << 5 | b >> 3
                row[2 * x:2 * x + 2] = struct.pack("<H", v)
            else:
                row[x * bits // 8:x * bits // 8 + bits // 8] = bytes([b, g, r, sample(x, y, 3)])[:bits // 8]
        rows.append(bytes(row))
    data = b"".join(rows if top_down else rows[::-1])
    palette = b""
    if bits <= 8:
        for i in range(1 << bits):
            rgb = [i * 255 // ((1 << bits) - 1)] * 3 if grey else [noise(700 + 3 * i + c) for c in range(3)]
            palette += bytes(rgb) + (b"\0" if header > 12 else b"")
    if header == 12:
        info = struct.pack("<IHHHH", 12, w, h, 1, bits)
    else:
        info = struct.pack("<IiiHHIIiiII", header, w, -h if top_down else h, 1, bits, 3 if masks else 0, len(data),
                           2835, 2835, 0, 0)
        tail = struct.pack("<%dI" % len(masks), *masks) if masks else b""
        if header > 40:
            info = (info + tail).ljust(header, b"\0")
            tail = b""
        info += tail
    offset = 14 + len(info) + len(palette)
    return b"BM" + struct.pack("<IHHI", offset + len(data), 0, 0, offset) + info + palette + data


def saved(image, **options):
    out = io.BytesIO()
    image.save(out, **options)
    return out.getvalue()


def gif(frame_at=(0, 0), grey=False, transparent=None, interlaced=False):
    """One small frame on a W x H screen, from Pillow's encoder, its position and extension patched in."""
    p = Image.frombytes("P", (W, H), raster(1))
    p.putpalette(bytes(i // 3 if grey else noise(300 + i) for i in range(768)))
    options = {} if transparent is None else {"transparency": transparent}
    data = bytearray(saved(p, format="GIF", optimize=False, interlace=int(interlaced), **options))
    if frame_at != (0, 0):
        at = data.index(b",\0\0\0\0" + struct.pack("<HH", W, H)) + 1
        data[at:at + 4] = struct.pack("<HH", *frame_at)
    return bytes(data)


def files():
    rgb = picture("RGB")
    jpeg_sizes = {"rgb444": {"subsampling": 0}, "rgb420": {"subsampling": 2}, "progressive": {"progressive": True}}
    for name, options in jpeg_sizes.items():
        yield name + ".jpg", saved(rgb, format="JPEG", quality=80, **options)
    yield "grey.jpg", saved(picture("L"), format="JPEG", quality=80)
    yield "cmyk.jpg", saved(picture("CMYK"), format="JPEG", quality=80)
    for o in range(2, 9):
        yield "exif%d.jpg" % o, saved(rgb, format="JPEG", quality=70, exif=b"Exif\0\0" + exif(o, "<>"[o % 2]))
    for color_type, depths in {0: (1, 2, 4, 8), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}.items():
        for depth in depths:
            for interlaced in (False, True):
                yield ("png_c%d_d%d%s.png" % (color_type, depth, "_adam7" if interlaced else ""),
                       png(color_type, depth, interlaced))
    yield "exif6.png", png(2, 8, extra=chunk(b"eXIf", exif(6, ">")))
    yield "exif_late8.png", png(2, 8, late=chunk(b"eXIf", exif(8)))
    yield "trns_palette.png", png(3, 4, extra=chunk(b"tRNS", bytes(range(0, 160, 10))))
    yield "trns_rgb.png", png(2, 8, extra=chunk(b"tRNS", bytes(6)))
    for w, h in ((1, 1), (1, 29), (31, 2), (16, 16), (16, 17)):
        yield "size_%dx%d.png" % (w, h), png(2, 8, w=w, h=h)
    yield "lossy.webp", saved(rgb, format="WEBP", quality=70)
    yield "lossless.webp", saved(rgb, format="WEBP", lossless=True)
    yield "alpha.webp", saved(picture("RGBA"), format="WEBP", lossless=True, exact=True)
    yield "alpha_lossy.webp", saved(picture("RGBA"), format="WEBP", quality=70)
    yield "exif5.webp", saved(rgb, format="WEBP", lossless=True, exif=exif(5))
    second = picture("RGB").transpose(Image.Transpose.ROTATE_180)
    yield "animated.webp", saved(rgb, format="WEBP", lossless=True, save_all=True, append_images=[second])
    yield "plain.gif", gif()
    yield "interlaced.gif", gif(interlaced=True)
    yield "grey.gif", gif(grey=True)
    yield "offset.gif", gif(frame_at=(5, 3))
    yield "offset_transparent.gif", gif(frame_at=(5, 3), transparent=7)
    for bits in (1, 4, 8):
        yield "bits%d.bmp" % bits, bmp(bits)
    yield "black_white.bmp", bmp(1, grey=True)
    yield "grey8.bmp", bmp(8, grey=True)
    yield "old_header.bmp", bmp(24, header=12)
    yield "bits16.bmp", bmp(16)
    yield "bits16_565.bmp", bmp(16, masks=(0xF800, 0x7E0, 0x1F))
    yield "bits24_top_down.bmp", bmp(24, top_down=True)
    yield "bits32.bmp", bmp(32)
    yield "bits32_alpha.bmp", bmp(32, header=108, masks=(0xFF0000, 0xFF00, 0xFF, 0xFF000000))


def center_crop(image, n, floor):
    w, h = image.size
    if w < n or h < n:
        left, top = max(0, (n - w) // 2), max(0, (n - h) // 2)
        image = pad(image, (left, top, max(0, (n - w + 1) // 2), max(0, (n - h + 1) // 2)), 0)
        w, h = image.size
    left, top = ((w - n) // 2, (h - n) // 2) if floor else (int(round((w - n) / 2)), int(round((h - n) / 2)))
    return image.crop((left, top, left + n, top + n))


def pad(image, border, fill):
    """torchvision's pad for Pillow images."""
    bands = len(image.getbands())
    color = fill if bands == 1 else (fill,) * bands
    if image.mode == "P":
        palette = image.getpalette()
        image = ImageOps.expand(image, border=border, fill=color)
        image.putpalette(palette)
        return image
    return ImageOps.expand(image, border=border, fill=color)


def prepare(image, variant, n, filter, resize, fill):
    if variant == "rgb_first":
        image = image.convert("RGB")
    w, h = image.size
    if variant == "squash":
        image = image.resize((n, n), filter)
    elif variant == "halfway":
        size = tuple(n if side == min(w, h) else int(math.sqrt(n * n * side / min(w, h))) for side in (w, h))
        image = center_crop(image.resize(size, filter), n, False)
    elif variant == "longest":
        ratio = max(w / n, h / n)
        image = image.resize((max(1, round(w / ratio)), max(1, round(h / ratio))), filter)
        w, h = image.size
        left, top = (n - w) // 2, (n - h) // 2
        image = pad(image, (left, top, n - w - left, n - h - top), fill)
    else:
        short = resize or n
        size = (short, int(short * h / w)) if w <= h else (int(short * w / h), short)
        image = center_crop(image.resize(size, filter), n, variant == "crop_floor")
    return image.convert("RGB")


def variants(name, mode, orientation):
    yield "openai", 16, BICUBIC, 0, 0
    if orientation:
        yield "exif", 16, BICUBIC, 0, 0
        return
    yield "openai", 29, BILINEAR, 0, 0
    yield "openai", 16, BICUBIC, 19, 0
    if "adam7" in name:
        return
    yield "longest", 24, BICUBIC, 0, 3
    if mode != "RGB":
        yield "rgb_first", 16, BICUBIC, 0, 0
    if name.startswith("size_") or name == "png_c2_d8.png":
        yield "openai", 16, BICUBIC, 13, 0
        yield "crop_floor", 15, BICUBIC, 0, 0
        yield "squash", 20, BICUBIC, 0, 0
        yield "squash", 5, BILINEAR, 0, 0
        yield "halfway", 18, BICUBIC, 0, 0
        yield "halfway", 7, BILINEAR, 0, 0


def main():
    tensors, names, cases = [], {}, []
    for name, data in files():
        with open(os.path.join(HERE, name), "wb") as out:
            out.write(data)
        image = Image.open(io.BytesIO(data))
        orientation = "exif" in name
        image.load()
        # Ours differ in two modes: bilevel pixels are bytes 0 and 255, 16-bit grey + alpha stays LA.
        as_ours = {"1": "L"}.get(image.mode, "LA" if name.startswith("png_c4_") else image.mode)
        raw = image.convert(as_ours).tobytes()
        for variant, n, filter, resize, fill in variants(name, image.mode, orientation):
            source = ImageOps.exif_transpose(image) if variant == "exif" else image
            pixels = prepare(source, variant, n, filter, resize, fill).tobytes()
            digest = hashlib.sha256(pixels).hexdigest()
            if digest not in names:
                names[digest] = "t%d" % len(tensors)
                tensors.append((names[digest], n, pixels))
            cases.append({"case": "%s/%s/%d/%d" % (name, variant, n, len(cases)), "file": name, "mode": image.mode,
                          "variant": variant, "n_px": n, "resize_px": resize, "fill": fill,
                          "interpolation": "bilinear" if filter == BILINEAR else "bicubic",
                          "tensor": names[digest], "decoded_sha256": hashlib.sha256(raw).hexdigest()})
    header, at = {}, 0
    for name, n, pixels in tensors:
        header[name] = {"dtype": "U8", "shape": [n, n, 3], "data_offsets": [at, at + len(pixels)]}
        at += len(pixels)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(os.path.join(HERE, "expected.safetensors"), "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text + b"".join(p for _, _, p in tensors))
    with open(os.path.join(HERE, "cases.jsonl"), "w") as out:
        out.writelines(json.dumps(case) + "\n" for case in cases)
    print(len(cases), "cases,", len(tensors), "tensors,", at, "bytes")


main()
