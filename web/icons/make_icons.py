#!/usr/bin/env python3
"""Draws the app's icons: a question mark whose dot is a lens. Writes icon.svg and the PNG sizes beside
itself, with the standard library alone."""
import math
import os
import struct
import zlib

GREEN, LIGHT, DARK = (11, 106, 75), (255, 255, 255), (107, 214, 171)
HERE = os.path.dirname(os.path.abspath(__file__))

# In a square of side 1: the hook is an arc and a stem, the dot a ring.
ARC = (0.5, 0.375, 0.155, math.radians(-205), math.radians(50))  # x, y, radius, from, to
STROKE = 0.052  # half the line's width
STEM = ((0.5, 0.545), (0.5, 0.605))
DOT = (0.5, 0.745, 0.062)


def arc_point(angle):
    x, y, r, _, _ = ARC
    return x + r * math.cos(angle), y + r * math.sin(angle)


def to_segment(px, py, a, b):
    dx, dy = b[0] - a[0], b[1] - a[1]
    t = max(0.0, min(1.0, ((px - a[0]) * dx + (py - a[1]) * dy) / (dx * dx + dy * dy)))
    return math.hypot(px - a[0] - t * dx, py - a[1] - t * dy)


def distance(px, py):
    """To the middle of the mark's lines, in units of the square."""
    x, y, r, start, end = ARC
    angle = math.atan2(py - y, px - x)
    while angle > end:
        angle -= 2 * math.pi
    on_arc = abs(math.hypot(px - x, py - y) - r) if angle >= start else min(
        math.dist((px, py), arc_point(start)), math.dist((px, py), arc_point(end)))
    joint = to_segment(px, py, arc_point(end), STEM[0])
    stem = to_segment(px, py, *STEM)
    return min(on_arc, joint, stem)


def cover(value, soft):
    """1 inside, 0 outside, smooth over one pixel."""
    return max(0.0, min(1.0, 0.5 - value / soft))


def mix(a, b, share):
    return tuple(round(x + (y - x) * share) for x, y in zip(a, b))


def draw(size, corner, scale):
    """RGBA rows; corner: radius of the plate, scale: of the mark (maskable icons keep a margin)."""
    rows, soft = [], 1.0 / size
    for j in range(size):
        row = bytearray([0])
        for i in range(size):
            x, y = (i + 0.5) / size, (j + 0.5) / size
            qx, qy = abs(x - 0.5) - 0.5 + corner, abs(y - 0.5) - 0.5 + corner
            plate = math.hypot(max(qx, 0), max(qy, 0)) + min(max(qx, qy), 0) - corner
            mx, my = 0.5 + (x - 0.5) / scale, 0.5 + (y - 0.5) / scale
            colour = mix(GREEN, LIGHT, cover((distance(mx, my) - STROKE) * scale, soft))
            to_dot = math.hypot(mx - DOT[0], my - DOT[1])
            colour = mix(colour, DARK, cover((to_dot - DOT[2]) * scale, soft))
            row += bytes(colour) + bytes([round(255 * cover(plate, soft))])
        rows.append(bytes(row))
    return b"".join(rows)


def png(path, size, corner, scale=1.0):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", size, size, 8, 6, 0, 0, 0)
    with open(path, "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
                + chunk(b"IDAT", zlib.compress(draw(size, corner, scale), 9)) + chunk(b"IEND", b""))


def svg(path):
    x, y, r, start, end = ARC
    (ax, ay), (bx, by) = arc_point(start), arc_point(end)
    n = lambda *values: " ".join(f"{100 * v:.2f}" for v in values)
    d = f"M{n(ax, ay)}A{n(r, r)} 0 1 1 {n(bx, by)}L{n(*STEM[0])}L{n(*STEM[1])}"
    with open(path, "w", encoding="utf-8") as f:
        f.write(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100"><rect width="100" height="100" rx="22" '
                f'fill="#0b6a4b"/><path d="{d}" fill="none" stroke="#fff" stroke-width="{200 * STROKE:.1f}" '
                f'stroke-linecap="round" stroke-linejoin="round"/><circle cx="{100 * DOT[0]:.1f}" cy="{100 * DOT[1]:.1f}" '
                f'r="{100 * DOT[2]:.1f}" fill="#6bd6ab"/></svg>\n')


if __name__ == "__main__":
    svg(os.path.join(HERE, "icon.svg"))
    for name, size, corner, scale in (("icon-180.png", 180, 0.0, 1.0), ("icon-192.png", 192, 0.22, 1.0),
                                      ("icon-512.png", 512, 0.22, 1.0), ("maskable-512.png", 512, 0.0, 0.8)):
        png(os.path.join(HERE, name), size, corner, scale)
