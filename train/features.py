"""Caches the frozen trunk's features of every source's pictures: one .npz per source, so that it resumes.

    python features.py --trunk trunk-lite0.onnx --clones DIR --apart DIR... --out DIR [NAME...]

Of a picture are kept the pooled features of two views: the centre square, as at use, and the whole picture squeezed
into a square and mirrored. Kept are also 16 x 16 grey thumbnails, by which near-duplicates of pictures that must not
be trained on are found (data.py). --apart names folders of such pictures; they are cached in single precision.
With OpenVINO installed the trunk runs in bfloat16, which is three times as fast; else ONNX Runtime in single precision.
"""
import argparse
import io
import os
from multiprocessing import Pool
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from sources import SOURCES, blobs, git_dir, listing

BATCH, CHUNK = 8, 4096
_worker = {}


def opened(data, side):
    """RGB picture, upright, reduced while decoding when it is a large JPEG."""
    im = Image.open(io.BytesIO(data))
    im.draft("RGB", (2 * side, 2 * side))
    im = ImageOps.exif_transpose(im)
    if im.mode in ("RGBA", "LA", "P"):
        im = Image.alpha_composite(Image.new("RGBA", im.size, "white"), im.convert("RGBA"))
    return im.convert("RGB")


def square(im, side):
    """Shortest side to `side` (bicubic), centre crop: what the shipped model does."""
    w, h = im.size
    s = side / min(w, h)
    w, h = max(side, round(w * s)), max(side, round(h * s))
    left, top = round((w - side) / 2), round((h - side) / 2)
    return im.resize((w, h), Image.Resampling.BICUBIC).crop((left, top, left + side, top + side))


def squeezed(im, side):
    return ImageOps.mirror(im.resize((side, side), Image.Resampling.BICUBIC))


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
    """pictures [n,3,S,S] -> features [n,1280]"""

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
            self.run = lambda x: session.run(None, {"x": x})[0]
        else:
            model = openvino.Core().read_model(str(path))
            model.reshape([-1, 3, *model.input(0).partial_shape[2:]])
            compiled = openvino.Core().compile_model(model, "CPU", {
                "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "ENABLE_CPU_PINNING": False,
                "INFERENCE_PRECISION_HINT": "bf16"})
            self.run = lambda x: compiled([x])[0]

    def __call__(self, x):
        return self.run(np.ascontiguousarray(x))


def start(trunk, side, views, exact):
    _worker.update(net=Network(trunk, exact), side=side, views=views)


def work(batch):
    """Contents of some pictures -> for each its views' features and thumbnails, or None."""
    side, views, kept = _worker["side"], _worker["views"], []
    pixels = []
    for k, data in enumerate(batch):
        try:
            im = opened(data, side)
            views_of = [tensor(v(im, side)) for v in views]
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            continue
        kept.append((k, thumbnails(im)))
        pixels += views_of
    out = [None] * len(batch)
    if kept:
        f = _worker["net"](np.stack(pixels)).reshape(len(kept), len(views), -1).astype(np.float16)
        for (k, t), features in zip(kept, f):
            out[k] = (features, t.astype(np.float16))
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
    """(name, object) of pictures -> out (.npz); a piece of CHUNK at a time, so that little is lost when it is stopped"""
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
              thumbs=np.stack([results[i][1] for i in kept]))
    loaded = [np.load(p) for p in pieces]
    views = max(p["features"].shape[1] for p in loaded)
    features = [p["features"] if p["features"].shape[1] == views else np.repeat(p["features"], views, 1) for p in loaded]
    saved(out, features=np.concatenate(features), **{k: np.concatenate([p[k] for p in loaded]) for k in ("paths", "thumbs")})
    for p in pieces:
        p.unlink()
    return len(np.load(out)["paths"])


def apart_files(folders):
    return sorted(p for f in folders for p in f.rglob("*") if p.suffix.lower() in (".jpg", ".png", ".jpeg"))


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--trunk", type=Path, required=True)
    ap.add_argument("--side", type=int, default=224)
    ap.add_argument("--clones", type=Path, required=True)
    ap.add_argument("--apart", type=Path, nargs="*", default=[], help="folders of pictures never trained on")
    ap.add_argument("--out", type=Path, required=True)
    ap.add_argument("--jobs", type=int, default=2)
    ap.add_argument("--views", type=int, default=2, help="1: the centre square only")
    ap.add_argument("names", nargs="*", help="only these sources")
    a = ap.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    views = (square, squeezed)[:a.views]
    if a.apart and not (a.out / "apart.npz").exists():
        files = apart_files(a.apart)
        with Pool(a.jobs, start, (a.trunk, a.side, views, True)) as pool:
            n = cache(pool, [(str(p), p) for p in files], lambda part: (p.read_bytes() for _, p in part), a.out / "apart.npz")
        print("apart", n, flush=True)
    with Pool(a.jobs, start, (a.trunk, a.side, views, False)) as pool:
        run(pool, [s for s in SOURCES if not a.names or s.name in a.names], a)


def run(pool, sources, a):
    for s in sources:
        out = a.out / f"{s.name}.npz"
        clone = git_dir(a.clones, s.repo)
        if out.exists():
            continue
        if not clone:
            print(s.name, "not here:", s.repo, flush=True)
            continue
        found = s.found(listing(clone))
        n = cache(pool, found, lambda part: blobs(clone, [sha for _, sha in part]), out)
        print(s.name, n, "of", len(found), flush=True)


if __name__ == "__main__":
    main()
