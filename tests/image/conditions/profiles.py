"""Colour profiles written from formulas: matrix profiles, a grey one, a small press profile."""
import struct

D50 = (0.9642, 1.0, 0.8249)
BRADFORD = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))


def times(a, b):
    return tuple(tuple(sum(a[i][k] * b[k][j] for k in range(3)) for j in range(len(b[0]))) for i in range(3))


def inverse(m):
    (a, b, c), (d, e, f), (g, h, i) = m
    det = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    return tuple(tuple(x / det for x in row) for row in (
        (e * i - f * h, c * h - b * i, b * f - c * e), (f * g - d * i, a * i - c * g, c * d - a * f),
        (d * h - e * g, b * g - a * h, a * e - b * d)))


def matrix_of(primaries, white):
    """RGB -> XYZ under the space's own white."""
    columns = [(x / y, 1, (1 - x - y) / y) for x, y in primaries]
    m = tuple(tuple(c[i] for c in columns) for i in range(3))
    w = (white[0] / white[1], 1, (1 - white[0] - white[1]) / white[1])
    s = times(inverse(m), tuple((v,) for v in w))
    return tuple(tuple(m[i][j] * s[j][0] for j in range(3)) for i in range(3)), w


def to_d50(w):
    cone = [r[0] for r in times(BRADFORD, tuple((v,) for v in w))]
    wanted = [r[0] for r in times(BRADFORD, tuple((v,) for v in D50))]
    scale = tuple(tuple(wanted[i] / cone[i] if i == j else 0 for j in range(3)) for i in range(3))
    return times(times(inverse(BRADFORD), scale), BRADFORD)


def s15(*values):
    return b"".join(struct.pack(">i", round(v * 65536)) for v in values)


def text(value):
    data = value.encode("utf-16-be")
    return b"mluc" + struct.pack(">IIIHHII", 0, 1, 12, 0x656E, 0x5553, len(data), 28) + data


def para(curve):
    """g, or (g, a, b, c, d) of the piecewise curve."""
    if isinstance(curve, tuple):
        return b"para" + struct.pack(">IHH", 0, 3, 0) + s15(*curve)
    return b"para" + struct.pack(">IHH", 0, 0, 0) + s15(curve)


SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


def profile(kind, space, connection, tags):
    own = {b"desc": text("a profile of the tests"), b"cprt": text("none"), b"wtpt": b"XYZ \0\0\0\0" + s15(*D50)}
    tags = {**own, **tags}
    at, table, data = 128 + 4 + 12 * len(tags), b"", b""
    for name, body in tags.items():
        body += b"\0" * (-len(body) % 4)
        table += struct.pack(">4sII", name, at, len(body))
        at, data = at + len(body), data + body
    head = struct.pack(">I4sI4s4s4s12s4s4sI4s4sQI12s4s", at, b"\0\0\0\0", 0x04200000, kind, space, connection, bytes(12),
                       b"acsp", b"\0\0\0\0", 0, bytes(4), bytes(4), 0, 0, s15(*D50), bytes(4))
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + data


def rgb(primaries, white, curve, n_more=0, more=None):
    """n_more: bytes of a private tag that makes the profile large. more: tags."""
    m, w = matrix_of(primaries, white)
    m = times(to_d50(w), m)
    tags = {b"rXYZ": [r[0] for r in m], b"gXYZ": [r[1] for r in m], b"bXYZ": [r[2] for r in m]}
    tags = {k: b"XYZ \0\0\0\0" + s15(*v) for k, v in tags.items()}
    tags.update({k: para(curve) for k in (b"rTRC", b"gTRC", b"bTRC")})
    if n_more:
        tags[b"more"] = b"data" + bytes(n_more)
    tags.update(more or {})
    return profile(b"mntr", b"RGB ", b"XYZ ", tags)


D65, D50_XY = (0.3127, 0.3290), (0.3457, 0.3585)
P709 = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
P2020 = ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046))
srgb = rgb(P709, D65, SRGB_CURVE)
display_p3 = rgb(P3, D65, SRGB_CURVE)
adobe = rgb(((0.64, 0.33), (0.21, 0.71), (0.15, 0.06)), D65, 563 / 256)
PROPHOTO = (((0.7347, 0.2653), (0.1596, 0.8404), (0.0366, 0.0001)), D50_XY, 1.8)
prophoto = rgb(*PROPHOTO)
large_prophoto = rgb(*PROPHOTO, n_more=70000)


def bt2100(transfer, gamma):
    """Says by numbers that it is PQ or HLG; its curve is for programs that do not know of that."""
    return rgb(P2020, D65, gamma, more={b"cicp": b"cicp\0\0\0\0" + bytes([9, transfer, 0, 1])})


def grey(gamma):
    return profile(b"mntr", b"GRAY", b"XYZ ", {b"kTRC": para(gamma)})


def press(grid=5):
    """CMYK -> Lab by a table: inks multiply, with some gain and a warm white."""
    def lab(c, m, y, k):
        ink = [1 - v ** 0.8 for v in (c, m, y)]
        linear = [(0.02 + 0.98 * (i * (1 - k ** 0.8)) ** 2.0) for i in ink]
        mx, w = matrix_of(P709, D65)
        xyz = times(times(to_d50(w), mx), tuple((v,) for v in linear))
        f = [(v[0] / n) ** (1 / 3) if v[0] / n > 0.008856 else 7.787 * v[0] / n + 16 / 116 for v, n in zip(xyz, D50)]
        return 116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])

    def put(value):
        return struct.pack(">H", max(0, min(65535, round(value))))

    table, steps = b"", [i / (grid - 1) for i in range(grid)]
    for c in steps:
        for m in steps:
            for y in steps:
                for k in steps:
                    L, a, b = lab(c, m, y, k)
                    table += put(L * 652.8) + put((a + 128) * 256) + put((b + 128) * 256)
    ramp = struct.pack(">HH", 0, 65535)
    lut = (b"mft2\0\0\0\0" + bytes([4, 3, grid, 0]) + s15(1, 0, 0, 0, 1, 0, 0, 0, 1) + struct.pack(">HH", 2, 2)
           + ramp * 4 + table + ramp * 3)
    return profile(b"prtr", b"CMYK", b"Lab ", {b"A2B0": lut})
