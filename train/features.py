"""Caches the frozen trunk's output of every source's pictures, a piece at a time, so that it resumes.

    python features.py --trunk trunk-lite2.onnx --clones DIR --apart DIR... --out DIR [NAME...]

Of a picture are kept the pooled features (NAME.npz) and the grid before the head convolution, as bytes (NAME.grid.npy [n,T,C]; times
grid-scale.npy [C]): half way from its centre square to the whole, as at use, and with --again K of a random window of the whole, mirrored half the time
(NAME-againK.*, the same rows; K = 1, 2, ...: other windows). Kept are also 16 x 16 grey thumbnails, by which near-duplicates of pictures that must not be
trained on are found (data.py). --apart names folders of such pictures; they are cached in single precision.
With OpenVINO installed the trunk runs in bfloat16, which is three times as fast; else ONNX Runtime in single precision.
"""
import argparse
import functools
import io
import math
import os
import random
import zlib
from multiprocessing import Pool
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

import nothing
from sources import SOURCES, blobs, git_dir, listing

BATCH, CHUNK = 8, 2048
_worker = {}


def opened(data, side):
    """RGB picture, upright, reduced while decoding when it is a large JPEG."""
    im = Image.open(io.BytesIO(data))
    im.draft("RGB", (2 * side, 2 * side))
    im = ImageOps.exif_transpose(im)
    if im.mode in ("RGBA", "LA", "P"):
        im = Image.alpha_composite(Image.new("RGBA", im.size, "white"), im.convert("RGBA"))
    return im.convert("RGB")


def halfway(im, side):
    """Half way from the centre square to the whole picture squeezed: shorter side to `side`, longer side to `side` times the root
    of the picture's ratio (bicubic), centre crop: what the shipped model does."""
    w, h = im.size
    longer = int(math.sqrt(side * side * max(w, h) / min(w, h)))
    w, h = (side if w <= h else longer), (side if h <= w else longer)
    left, top = round((w - side) / 2), round((h - side) / 2)
    return im.resize((w, h), Image.Resampling.BICUBIC).crop((left, top, left + side, top + side))


def window(im, side, again=1):
    """A window of 60 to 100 % of the picture, its shape up to 4:3 off, mirrored half the time; the same one every time for one `again`."""
    rng = random.Random(zlib.crc32(im.resize((8, 8)).tobytes(), again))
    w, h = im.size
    area, ratio = rng.uniform(0.6, 1) * w * h, math.exp(rng.uniform(-1, 1) * math.log(4 / 3)) * (w / h) ** 0.5
    a, b = min(w, round((area * ratio) ** 0.5)), min(h, round((area / ratio) ** 0.5))
    left, top = rng.randint(0, w - a), rng.randint(0, h - b)
    im = im.resize((side, side), Image.Resampling.BICUBIC, box=(left, top, left + a, top + b))
    return ImageOps.mirror(im) if rng.random() < 0.5 else im


def tensor(im):
    return (np.asarray(im, np.float32).transpose(2, 0, 1) - 127) / 128


def thumbnails(im):
    """[2,256] grey 16 x 16 thumbnails of the whole and of the centre square, zero mean, unit length."""
    im = im.convert("L").reduce(max(1, min(im.size) // 96))
    w, h = im.size
    s = min(w, h)
    box = ((w - s) / 2, (h - s) / 2, (w + s) / 2, (h + s) / 2)
    both = [im.resize((16, 16), Image.Resampling.BOX), im.resize((16, 16), Image.Resampling.BOX, box=box)]
    t = np.stack([np.asarray(b, dtype=np.float32).ravel() for b in both])
    t -= t.mean(1, keepdims=True)
    return t / np.maximum(np.linalg.norm(t, axis=1, keepdims=True), 1e-6)


class Network:
    """pictures [n,3,S,S] -> (features [n,1280], grid [n,T,C])"""

    def __init__(self, path, exact=False):
        try:
            import openvino
        except ImportError:
            openvino = None
        if exact or openvino is None:
            import onnxruntime as ort
            options = ort.SessionOptions()
            options.intra_op_num_threads = options.inter_op_num_threads = 1
            session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            self.run = lambda x: session.run(["features", "grid"], {"x": x})
        else:
            model = openvino.Core().read_model(str(path))
            model.reshape([-1, 3, *model.input(0).partial_shape[2:]])
            compiled = openvino.Core().compile_model(model, "CPU", {
                "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "ENABLE_CPU_PINNING": False,
                "INFERENCE_PRECISION_HINT": "bf16"})

            def run(x):
                out = compiled([x])
                return out["features"], out["grid"]
            self.run = run

    def __call__(self, x):
        return self.run(np.ascontiguousarray(x))


def start(trunk, side, view, exact, scale):
    _worker.update(net=Network(trunk, exact), side=side, view=view, scale=scale)


def work(batch):
    """Contents of some pictures -> for each its features, grid and thumbnails, or None."""
    side, kept, pixels = _worker["side"], [], []
    for k, data in enumerate(batch):
        try:
            im = opened(data, side)
            pixels.append(tensor(_worker["view"](im, side)))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            continue
        kept.append((k, thumbnails(im)))
    out = [None] * len(batch)
    if kept:
        f, g = _worker["net"](np.stack(pixels))
        g = np.rint(g / _worker["scale"]).clip(-127, 127).astype(np.int8)
        for i, (k, t) in enumerate(kept):
            out[k] = (f[i].astype(np.float16), t.astype(np.float16), g[i])
    return out


def batches(contents):
    group = []
    for data in contents:
        group.append(data or b"")
        if len(group) == BATCH:
            yield group
            group = []
    if group:
        yield group


def saved(path, **arrays):
    part = path.with_suffix(".part.npz")
    np.savez(part, **arrays)
    os.replace(part, path)


def cache(pool, found, contents, out):
    """(name, object) of pictures -> out (.npz) and the grids; a piece of CHUNK at a time, so that little is lost when it is stopped"""
    pieces = []
    for a in range(0, len(found), CHUNK):
        piece = out.with_suffix(f".{a}.npz")
        pieces.append(piece)
        if piece.exists():
            continue
        part = found[a:a + CHUNK]
        results = [r for group in pool.imap(work, batches(contents(part))) for r in group]
        kept = [i for i, r in enumerate(results) if r is not None]
        saved(piece, paths=np.array([part[i][0] for i in kept]), features=np.stack([results[i][0] for i in kept]),
              thumbs=np.stack([results[i][1] for i in kept]), grid=np.stack([results[i][2] for i in kept]))
    loaded = [np.load(p) for p in pieces]
    n = sum(len(p["paths"]) for p in loaded)
    part = out.with_suffix(".part.npy")
    grid = np.lib.format.open_memmap(part, "w+", np.int8, (n, *loaded[0]["grid"].shape[1:]))
    at = 0
    for p in loaded:
        rows = p["grid"]
        grid[at:at + len(rows)] = rows
        at += len(rows)
    grid.flush()
    os.replace(part, out.with_suffix(".grid.npy"))
    saved(out, **{k: np.concatenate([p[k] for p in loaded]) for k in ("paths", "features", "thumbs")})
    for p in pieces:
        p.unlink()
    return n


def grid_scale(a):
    """What a byte of each channel of the grid is worth: the largest value but one of 10,000 is 127, over some captioned photos."""
    path = a.out / "grid-scale.npy"
    if not path.exists():
        s = next(s for s in SOURCES if s.name == "coco")
        clone, net = git_dir(a.clones, s.repo), Network(a.trunk)
        objects = [sha for _, sha in s.found(listing(clone))][:256]
        g = [net(np.stack([tensor(halfway(opened(d, a.side), a.side))]))[1][0] for d in blobs(clone, objects)]
        np.save(path, np.quantile(np.abs(np.concatenate(g)), 0.9999, axis=0).astype(np.float32) / 127)
    return np.load(path)


def apart_files(folders):
    return sorted(p for f in folders for p in f.rglob("*") if p.suffix.lower() in (".jpg", ".png", ".jpeg"))


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--trunk", type=Path, required=True)
    ap.add_argument("--side", type=int, default=260)
    ap.add_argument("--clones", type=Path, required=True)
    ap.add_argument("--apart", type=Path, nargs="*", default=[], help="folders of pictures never trained on")
    ap.add_argument("--out", type=Path, required=True)
    ap.add_argument("--jobs", type=int, default=2)
    ap.add_argument("--again", type=int, default=0, help="a further view: which")
    ap.add_argument("--few", type=int, help="so many pictures of each source, to try the recipe")
    ap.add_argument("names", nargs="*", help="only these sources")
    a = ap.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    scale = grid_scale(a)
    if a.apart and not a.again and not (a.out / "apart.npz").exists():
        files = apart_files(a.apart)
        with Pool(a.jobs, start, (a.trunk, a.side, halfway, True, scale)) as pool:
            n = cache(pool, [(str(p), p) for p in files], lambda part: (p.read_bytes() for _, p in part), a.out / "apart.npz")
        print("apart", n, flush=True)
    with Pool(a.jobs, start, (a.trunk, a.side, functools.partial(window, again=a.again) if a.again else halfway, False, scale)) as pool:
        run(pool, [s for s in SOURCES if not a.names or s.name in a.names], a)


def run(pool, sources, a):
    for s in sources:
        out = a.out / f"{s.name}{f'-again{a.again}' if a.again else ''}.npz"
        clone = git_dir(a.clones, s.repo)
        if out.exists():
            continue
        if not s.repo:
            n = cache(pool, list(nothing.pictures())[:a.few], lambda part: (d for _, d in part), out)
            print(s.name, n, flush=True)
            continue
        if not clone:
            print(s.name, "not here:", s.repo, flush=True)
            continue
        found = s.found(listing(clone, s.commit))
        if a.few:
            found = sorted(found, key=lambda x: zlib.crc32(x[0].encode()))[:a.few]
        n = cache(pool, found, lambda part: blobs(clone, [sha for _, sha in part]), out)
        print(s.name, n, "of", len(found), flush=True)


if __name__ == "__main__":
    main()
