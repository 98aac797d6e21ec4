"""Further views of captioned pictures for next to nothing: windows of the places of the grids that are cached.

    python windows.py --features DIR --look LOOK.pt [--sources coco flickr8k]

From the grid of the main view and from that of each further view that features.py made come two windows of 5 to 9 by 5 to 9
places: the head convolution's mean over the window, and what the looking heads see in it. They are numbered on (NAME-againK.npz,
.seen.npy), without a grid of their own.
"""
import argparse
import warnings
from pathlib import Path

import numpy as np
import torch

import trunk
from features import saved
from look import restored

EACH, SIDE, LEAST = 2, 9, 40


def head_convolution(look):
    """(weights for grid bytes [1280,C], bias [1280]) of the trunk, batch normalisation folded in"""
    warnings.filterwarnings("ignore")
    net = trunk.load("lite2")
    by = (net._bn1.weight / torch.sqrt(net._bn1.running_var + net._bn1.eps)).detach()
    w = net._conv_head.weight.detach()[:, :, 0, 0] * by[:, None]
    return (w * look.scale).to(torch.bfloat16), (net._bn1.bias - net._bn1.running_mean * by).detach().to(torch.bfloat16)


def drawn(n, rng):
    """bool [n,places]: a window of at least LEAST places each"""
    keep = np.zeros((n, SIDE, SIDE), bool)
    for row in keep:
        h = w = 0
        while h * w < LEAST:
            h, w = rng.integers(5, SIDE + 1, size=2)
        y, x = rng.integers(SIDE + 1 - h), rng.integers(SIDE + 1 - w)
        row[y:y + h, x:x + w] = True
    return torch.from_numpy(keep.reshape(n, -1))


@torch.no_grad()
def views(grid, look, w, b, rng):
    """grid bytes [n,T,C] -> EACH times (features [n,1280], seen), of a window each"""
    out = [([], []) for _ in range(EACH)]
    for a in range(0, len(grid), 256):
        x = torch.from_numpy(grid[a:a + 256].copy()).to(torch.bfloat16)
        h = (x @ w.T + b).clamp(0, 6)
        s = (x @ (look.query * look.scale).to(torch.bfloat16).T).float() + look.place.T
        for features, seen in out:
            keep = drawn(len(x), rng)
            share = (keep.float() / keep.sum(1, keepdim=True)).to(torch.bfloat16)
            features.append((share[:, None] @ h)[:, 0].half().numpy())
            at = torch.softmax(s.masked_fill(~keep[:, :, None], -1e4), 1).to(torch.bfloat16)
            seen.append(((at.transpose(1, 2) @ x).float() * look.scale).flatten(1).half().numpy())
    return [tuple(map(np.concatenate, pair)) for pair in out]


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--features", type=Path, required=True)
    ap.add_argument("--look", type=Path, required=True)
    ap.add_argument("--sources", nargs="+", default=["coco", "flickr8k", "sarthak", "sysu"])
    a = ap.parse_args()
    torch.set_num_threads(1)
    look = restored(a.look)
    w, b = head_convolution(look)
    for name in a.sources:
        grids = [p for p in (a.features / f"{name}.grid.npy", *(a.features / f"{name}-again{k}.grid.npy" for k in range(1, 10))) if p.exists()]
        number, rng = len(grids), np.random.default_rng(6)
        for path in grids:
            d = np.load(path.with_name(path.name.replace(".grid.npy", ".npz")))
            for features, seen in views(np.load(path, mmap_mode="r"), look, w, b, rng):
                out = a.features / f"{name}-again{number}.npz"
                saved(out, paths=d["paths"], features=features, thumbs=d["thumbs"])
                np.save(out.with_suffix(".seen.npy"), seen)
                number += 1
        print(name, len(grids), "grids,", number - 1, "further views", flush=True)


if __name__ == "__main__":
    main()
