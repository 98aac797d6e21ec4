"""Where to look: a few heads over the grid of the last block, learnt from captions, and what they see of every picture.

    python look.py --features DIR --minilm DIR --lists DIR --clones DIR --shards DIR --testset DIR --wordnet DIR --fc FILE --out LOOK.pt

Head h weighs the places of a picture by softmax of q_h x + p_h and sees the mean of x under these weights. The queries q and the
places' own weights p are learnt with a throw-away projection and map of the sentence encoder's space, then stay; what the heads see
is kept beside the pooled features (NAME.seen.npy [n, heads * channels] in half precision), so that all further training reads
short vectors instead of grids. A source that is there already is left alone.
"""
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from data import Apart, near_duplicates
from labels import Shards, about
from model import unit
from sources import SOURCES
from space import Bank, arguments

HEADS = 8


class Looker(nn.Module):
    """grid bytes [n,T,C] -> what is seen [n, heads * C]"""

    def __init__(self, scale, places=81, heads=HEADS):
        super().__init__()
        self.register_buffer("scale", scale)
        self.query = nn.Parameter(0.02 * torch.randn(heads, len(scale)))
        self.place = nn.Parameter(torch.zeros(heads, places))

    def forward(self, grid, drop=0.0):
        # A byte is exact in bfloat16; the channels' scales are taken into the queries and out of the means.
        x = grid.to(torch.bfloat16)
        s = (x @ (self.query * self.scale).to(torch.bfloat16).T).float() + self.place.T
        if drop:
            s = s.masked_fill(torch.rand(s.shape[:2])[:, :, None] < drop, -1e4)
        a = torch.softmax(s, 1).to(torch.bfloat16)
        return ((a.transpose(1, 2) @ x).float() * self.scale).flatten(1)


    @torch.no_grad()
    def floats(self, grid):
        """of a grid that is no bytes yet, as numpy"""
        return self(torch.from_numpy(np.rint(grid / self.scale.numpy()).clip(-127, 127).astype(np.int8))).numpy()


def restored(path):
    state = torch.load(path)
    look = Looker(state["scale"], state["place"].shape[1], len(state["query"]))
    look.load_state_dict(state)
    return look.eval()


def captioned(a):
    """(grids by source, rows (source, row) [n,2], texts) of training pictures with captions"""
    apart, shards, grids, rows, texts = Apart(a.features, a.testset), Shards(a.shards), {}, [], []
    for k, s in enumerate(SOURCES):
        if s.name not in ("coco", "sarthak", "flickr8k", "sysu") or not (a.features / f"{s.name}.npz").exists():
            continue
        paths = np.load(a.features / f"{s.name}.npz")["paths"].tolist()
        label = about(s, a.clones, shards, paths)
        found = [label(p) for p in paths]
        near = near_duplicates(a.features, s.name, apart, found)
        grids[k] = np.load(a.features / f"{s.name}.grid.npy", mmap_mode="r")
        use = [i for i, f in enumerate(found) if f and not f.val and not near[i]]
        rows += [(k, i) for i in use]
        texts += [found[i].captions[0] for i in use]
    return grids, np.array(rows), texts


def train(a):
    torch.manual_seed(0)
    rng = np.random.default_rng(5)
    grids, rows, texts = captioned(a)
    bank = Bank(a.lists, a.minilm)
    u = bank(texts)
    features = {k: np.load(a.features / f"{SOURCES[k].name}.npz")["features"] for k in grids}
    scale = torch.from_numpy(np.load(a.features / "grid-scale.npy"))
    take = lambda of, b: torch.from_numpy(np.concatenate([of[k][np.sort(rows[b][rows[b][:, 0] == k, 1])] for k in grids]))
    sample = take(features, np.sort(rng.choice(len(rows), min(5000, len(rows)), replace=False))).float()
    mean, std = sample.mean(0), sample.std(0).clamp(min=0.02)
    look = Looker(scale)
    width = len(scale) * HEADS
    base, out, text = nn.Linear(1280, a.width), nn.Linear(width, a.width), nn.Linear(384, a.width)
    heat = nn.Parameter(torch.tensor(np.log(20.0), dtype=torch.float32))
    channel = torch.from_numpy(grids[min(grids)][:500].astype(np.float32) * np.load(a.features / "grid-scale.npy")).std((0, 1)).repeat(HEADS)
    opt = torch.optim.AdamW([{"params": [q for m in (base, out, text) for q in m.parameters()], "weight_decay": 0.2},
                             {"params": [*look.parameters(), heat], "weight_decay": 0.0}], lr=1e-3, betas=(0.9, 0.98), fused=True)
    t0, total = time.process_time(), 0.0
    for step in range(a.steps):
        for g in opt.param_groups:
            g["lr"] = a.lr * min(1, (step + 1) / 20) * 0.5 * (1 + np.cos(np.pi * step / a.steps))
        b = rng.choice(len(rows), a.batch, replace=False)
        b = b[np.lexsort((rows[b, 1], rows[b, 0]))]         # in the order in which `take` reads
        seen = F.dropout(look(take(grids, b), 0.2) / channel, a.drop)
        f = F.dropout((take(features, b).float() - mean) / std, a.drop)
        z, t = unit(base(f) + out(seen)), unit(text(u[torch.from_numpy(b)]))
        logits, y = heat.exp().clamp(max=100) * z @ t.T, torch.arange(len(b))
        loss = (F.cross_entropy(logits, y) + F.cross_entropy(logits.T, y)) / 2
        opt.zero_grad()
        loss.backward()
        opt.step()
        total += loss.item()
        if (step + 1) % 20 == 0:
            print(step + 1, round(total / 20, 3), f"{(time.process_time() - t0) / (step + 1):.2f} s of processor a step", flush=True)
            total = 0.0
    torch.save(look.state_dict(), a.out)


@torch.no_grad()
def pool(a):
    """What the heads see of every picture that is cached."""
    look = restored(a.out)
    for path in sorted(a.features.glob("*.grid.npy")):
        out = path.with_name(path.name.replace(".grid.npy", ".seen.npy"))
        if out.exists():
            continue
        grid = np.load(path, mmap_mode="r")
        seen = [look(torch.from_numpy(grid[i:i + 512].copy())).half().numpy() for i in range(0, len(grid), 512)]
        part = out.with_suffix(".part.npy")
        np.save(part, np.concatenate(seen))
        part.replace(out)
        print(out.name, len(grid), flush=True)


def main():
    a = arguments().parse_args()
    torch.set_num_threads(a.threads)
    if not a.out.exists():
        train(a)
    pool(a)


if __name__ == "__main__":
    main()
