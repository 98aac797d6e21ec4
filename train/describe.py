"""Trains the describer on cached grids (features.py) and captions (captions.py). Goes on from its own checkpoint.

    python describe.py --cache CACHE --captions captions.json --out all.pt --minutes 55
    python describe.py --cache CACHE --captions captions.json --out describe.pt --minutes 8 --begin all.pt --sources coco sarthak \
        --lr 3e-4 --rise 20 --keep 0.985

The second run is for the style: SYSU-Scene's captions are so short and alike that a search for the most probable sentence finds
little else ("a car is on the road").

--warm FEATURES: before grids are there, on pooled features alone (a folder of NAME.npz), which teaches it the language.
"""
import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from describer import Describer
from tokenizer import START, END, Tokenizer


class Grids:
    """Rows of all sources that have captions: grid and pooled features by row, captions as local ids."""

    def __init__(self, cache, described, vocabulary, warm):
        self.scale = None if warm else torch.from_numpy(np.load(cache / "grid-scale.npy"))
        ids = described["vocabulary"] + [START, END]
        local = {c: i for i, c in enumerate(ids)}
        self.n_ids, tokenizer = len(ids), Tokenizer(vocabulary)
        self.blocks, self.rows, self.texts, self.views = [], [], [], []
        for source, found in described["captions"].items():
            for name in (source, source + "-again1"):
                parts = sorted(cache.glob(f"{name}.[0-9]*.npz"), key=lambda p: int(p.name.split(".")[1]))
                whole = cache / f"{name}.npz"
                for part in [whole] if whole.exists() else parts:
                    try:
                        d = np.load(part)
                        features = d["features"]
                        features = features[:, 0] if features.ndim == 3 else features
                        grid = None if warm else np.load(cache / f"{name}.grid.npy", mmap_mode="r") if part == whole else d["grid"]
                        paths = d["paths"].tolist()
                    except Exception as e:                  # a piece that is being written, or joined just now
                        print("left aside", part.name, e, flush=True)
                        continue
                    near = set()
                    mask = cache / f"near-{source}.npy"
                    if whole.exists() and mask.exists():
                        near = set(np.nonzero(np.load(mask))[0].tolist()) if len(np.load(mask)) == len(paths) else near
                    self.blocks.append((grid, features))
                    for k, path in enumerate(paths):
                        for t in found.get(path, ()) if k not in near else ():
                            if name != source and ("left" in t or "right" in t):
                                continue
                            self.rows.append((len(self.blocks) - 1, k))
                            self.texts.append([local[c] for c in tokenizer(t)[1:-1]])
        self.order = np.arange(len(self.rows))

    def batch(self, which):
        g = [self.blocks[self.rows[i][0]] for i in which]
        k = [self.rows[i][1] for i in which]
        pooled = torch.from_numpy(np.stack([b[1][j] for b, j in zip(g, k)]).astype(np.float32))
        grid = None
        if self.scale is not None:
            grid = torch.from_numpy(np.stack([b[0][j] for b, j in zip(g, k)])).float() * self.scale
        texts = [self.texts[i] for i in which]
        n = max(map(len, texts)) + 1
        ids, to = torch.full((len(texts), n), self.n_ids - 1), torch.full((len(texts), n), -100)
        for i, t in enumerate(texts):
            ids[i, :len(t) + 1] = torch.tensor([self.n_ids - 2] + t)
            to[i, :len(t) + 1] = torch.tensor(t + [self.n_ids - 1])
        return grid, pooled, ids, to


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--cache", type=Path, required=True)
    p.add_argument("--captions", type=Path, required=True)
    p.add_argument("--vocabulary", type=Path, required=True)
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--begin", type=Path, help="a checkpoint whose fitting weights are taken")
    p.add_argument("--warm", action="store_true")
    p.add_argument("--sources", nargs="*", help="of the captions; none: all")
    p.add_argument("--minutes", type=float, default=40)
    p.add_argument("--until", help="HH:MM: the last moment")
    p.add_argument("--lr", type=float, default=1e-3)
    p.add_argument("--batch", type=int, default=128)
    p.add_argument("--layers", type=int, default=3)
    p.add_argument("--dropout", type=float, default=0.1)
    p.add_argument("--rise", type=int, default=100, help="steps until the rate is reached")
    p.add_argument("--keep", type=float, default=0.998, help="of the running mean of the weights")
    p.add_argument("--threads", type=int, default=1)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(1)
    rng = np.random.default_rng(1)
    described = json.load(open(a.captions))
    if a.sources:
        described["captions"] = {s: found for s, found in described["captions"].items() if s in a.sources}
    data = Grids(a.cache, described, a.vocabulary, a.warm)
    model = Describer(data.n_ids, layers=a.layers, dropout=a.dropout)
    if a.begin and a.begin.exists():
        old = torch.load(a.begin)["model"]
        mine = model.state_dict()
        model.load_state_dict({k: old[k] if k in old and old[k].shape == v.shape else v for k, v in mine.items()})
    decay = [q for n, q in model.named_parameters() if q.ndim > 1 and "position" not in n and "place" not in n]
    plain = [q for n, q in model.named_parameters() if not (q.ndim > 1 and "position" not in n and "place" not in n)]
    optimiser = torch.optim.AdamW([{"params": decay, "weight_decay": 0.05}, {"params": plain, "weight_decay": 0.0}], lr=a.lr,
                                  betas=(0.9, 0.98))
    began, step, left, spent = time.time(), 0, [], 0.0
    smooth = {k: v.clone() for k, v in model.state_dict().items()}
    seconds = 60 * a.minutes
    if a.until:
        h, m = map(int, a.until.split(":"))
        now = time.localtime()
        seconds = (h * 60 + m) * 60 - (now.tm_hour * 3600 + now.tm_min * 60 + now.tm_sec)
    saved, shown, epoch, counted = time.time(), 0.0, 0, 0
    print(len(data.rows), "captions,", sum(q.numel() for q in model.parameters()), "weights,", int(seconds), "s", flush=True)
    while True:
        if not left:
            epoch += 1
            if epoch > 1 and not a.warm:
                data = Grids(a.cache, described, a.vocabulary, a.warm)
            order = rng.permutation(len(data.rows))
            chunks = [sorted(c, key=lambda i: len(data.texts[i])) for c in np.array_split(order, max(1, len(order) // (16 * a.batch)))]
            left = [c[k:k + a.batch] for c in chunks for k in range(0, len(c), a.batch)]
            left = [left[i] for i in rng.permutation(len(left))]
        done = min(1.0, (time.time() - began) / seconds)
        # warm-up over steps, then cosine over the clock
        lr = a.lr * min(1, (step + 1) / a.rise) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))
        for group in optimiser.param_groups:
            group["lr"] = lr
        grid, pooled, ids, to = data.batch(left.pop())
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = model(ids, model.look(grid, pooled))
        loss = F.cross_entropy(logits.float().flatten(0, 1), to.flatten(), label_smoothing=0.1)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        step += 1
        keep = min(a.keep, 1 - 1 / (step + 1))
        for k, v in model.state_dict().items():
            smooth[k].lerp_(v, 1 - keep)
        shown += loss.item()
        counted += 1
        end = done >= 1
        if step % 25 == 0:
            print(f"{time.strftime('%H:%M:%S')} step {step} epoch {epoch} of {len(data.rows)} lr {lr:.1e} loss {shown / counted:.3f}", flush=True)
            shown, counted = 0.0, 0
        if end or time.time() - saved > 120:
            torch.save({"model": model.state_dict(), "smooth": smooth, "shape": model.shape, "ids": described["vocabulary"] + [START, END],
                        "step": step, "epoch": epoch}, str(a.out) + ".new")
            Path(str(a.out) + ".new").rename(a.out)
            saved = time.time()
        if end:
            break


if __name__ == "__main__":
    main()
