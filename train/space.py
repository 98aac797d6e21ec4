"""First stage: the picture head, learnt against the sentence encoder's space.

    python space.py --features DIR --minilm DIR --lists DIR --clones DIR --shards DIR --testset DIR --wordnet DIR --out FILE

Pictures are told from their captions (contrast), classes from all terms that are not true of them, and the trunk's own
classifier is kept: its distribution over the 1,000 names is a target on every picture, and features steered towards each
class stand for pictures of it. The text side is a map of the encoder's 384 numbers, which goes to the text tower later.
"""
import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from data import Pictures, Tests, imagenet_names
from dictionary import WordNet
from model import FEATURES, PictureHead, cosine, unit
from sources import SOURCES
from terms import Terms, common_words, fill, normal, thousand


# Sources that are drawn more often where `boosted` is asked for.
BOOST = {"flowers": 3.0, "oxfordpets": 1.5, "professions": 2.0, "clothes": 2.5, "clothes20": 1.2, "pacs": 1.5, "groceries": 1.2}


class Bank:
    """The encoder's embeddings of texts, from the lists and their .npy; others are encoded when asked for."""

    def __init__(self, lists, minilm):
        self.rows, blocks, self.minilm, self.encoder = {}, [], minilm, None
        n = 0
        for path in sorted(lists.glob("*.txt")):
            if (minilm / (path.stem + ".npy")).exists() and path.stem != "1-tokens":
                block = np.load(minilm / (path.stem + ".npy"))
                for i, t in enumerate(path.read_text(encoding="utf-8").split("\n")[:-1]):
                    self.rows.setdefault(t, n + i)
                blocks.append(block)
                n += len(block)
        self.all = np.concatenate(blocks)

    def __call__(self, texts):
        missing = list(dict.fromkeys(t for t in texts if t not in self.rows))
        if missing:
            from sentences import Encoder
            self.encoder = self.encoder or Encoder(self.minilm / "minilm.onnx", 2)
            for i, t in enumerate(missing):
                self.rows[t] = len(self.all) + i
            self.all = np.concatenate([self.all, self.encoder(missing)])
            print(len(missing), "texts encoded", flush=True)
        return torch.from_numpy(self.all[[self.rows[t] for t in texts]].astype(np.float32))


class Frame(nn.Module):
    """The encoder's space cut to its main directions, unit length: the text tower's first aim."""

    def __init__(self, width):
        super().__init__()
        self.register_buffer("mean", torch.zeros(384))
        self.register_buffer("basis", torch.zeros(width, 384))

    def fit(self, u):
        self.mean.copy_(u.mean(0))
        self.basis.copy_(torch.linalg.svd(u - self.mean, full_matrices=False)[2][:len(self.basis)])
        return self

    def forward(self, u):
        return unit((u - self.mean) @ self.basis.T)


class TextMap(nn.Module):
    """Frame -> joint space, a linear map (which is folded into the text tower's projection)."""

    def __init__(self, frame):
        super().__init__()
        self.frame = frame
        self.linear = nn.Linear(len(frame.basis), len(frame.basis), bias=False)
        nn.init.eye_(self.linear.weight)

    def forward(self, u):
        return self.linear(self.frame(u))


def steered(fc_w, fc_b, real, each, rng):
    """Features that the classifier takes for class k: real ones, pushed along its row until it is sure."""
    w = torch.from_numpy(fc_w)
    rows = w - w.mean(0)
    out = []
    for k in range(len(w)):
        f = torch.from_numpy(real[rng.integers(len(real), size=each)].astype(np.float32))
        goal = torch.from_numpy(rng.uniform(0.5, 0.97, size=(each, 1)).astype(np.float32))
        step = torch.full((each, 1), 1.0)
        for _ in range(9):
            g = (0.6 * f + step * rows[k]).clamp(0, 6)
            p = torch.softmax(g @ w.T + torch.from_numpy(fc_b), -1)[:, k:k + 1]
            step = torch.where(p < goal, step * 1.9, step)
        out.append((0.6 * f + step * rows[k]).clamp(0, 6).half())
    return torch.stack(out)


class Corpus:
    """All that a training reads, as tensors."""

    def __init__(self, a):
        self.net = WordNet(a.wordnet)
        self.pictures = p = Pictures(a.features, a.clones, a.shards, a.testset)
        print("pictures", len(p.cls), "classes", len(p.classes), "left out", p.dropped, "held out", sum(map(len, p.held.values())), len(p.held), flush=True)
        self.tests = Tests(a.features, a.clones, a.testset)
        fc = np.load(a.fc)
        self.fc_w, self.fc_b = fc["w"], fc["b"]
        self.classes = p.classes + thousand(self.net, common_words(a.lists))
        self.first = len(p.classes)                     # number of ImageNet's first class
        self.terms = Terms(self.classes, self.net, a.out.parent / "fits.npy")
        names = [n.lower() for n in imagenet_names()]
        rows = [i for i in np.nonzero(p.of("imagen"))[0] if p.classes[p.cls[i]][0][0].lower() in names]
        self.imagen = p.features[rows], np.array([names.index(p.classes[p.cls[i]][0][0].lower()) for i in rows])
        rng = np.random.default_rng(0)
        self.captioned = np.array([i for i in range(len(p.cls)) if p.captions[i] and not p.val[i]])
        self.labelled = np.array([i for i in range(len(p.cls)) if p.cls[i] >= 0 and not p.val[i]])
        self.validation = np.nonzero(p.val & (p.cls < 0) & p.of("coco"))[0]
        kept = a.out.parent / "steered.pt"
        made = torch.load(kept) if kept.exists() else steered(self.fc_w, self.fc_b, p.features[self.captioned, :FEATURES], 8, rng)
        torch.save(made, kept)
        x = torch.from_numpy(p.features[::3].astype(np.float32))
        self.mean, self.std = x.mean(0), x.std(0).clamp(min=0.02)
        # What the looking heads would see of them is not known: the mean tells nothing.
        self.steered = torch.cat([made, self.mean[FEATURES:].half().expand(*made.shape[:2], -1)], -1)
        # A class is drawn in proportion to the square root of how many pictures it has.
        count = np.bincount(p.cls[self.labelled], minlength=self.first)
        self.weight = 1 / np.sqrt(np.maximum(count[p.cls[self.labelled]], 1))
        self.weight /= self.weight.sum()

    def boosted(self, sketches):
        """Draws some sources more often, and sketches so many times."""
        p, w = self.pictures, self.weight
        for name, by in BOOST.items():
            w[p.of(name)[self.labelled]] *= by
        w[np.array(["sketch" in c[1] for c in p.classes])[p.cls[self.labelled]]] *= sketches
        self.weight = w / w.sum()

    def class_validation(self):
        """(source, features [n,...], truth, names): validation pictures of the labelled sets"""
        p, out = self.pictures, []
        for k, s in enumerate(SOURCES):
            rows = np.nonzero((p.source == k) & (p.cls >= 0))[0]
            val = rows[p.val[rows]]
            names = sorted({p.classes[c][0][0] for c in p.cls[rows]})
            if len(val) >= 20 and len(names) > 1:
                out.append((s.name, p.features[val], np.array([names.index(p.classes[p.cls[i]][0][0]) for i in val]), names))
        return out


def recall(text, picture, owner):
    """text [m,d], picture [n,d], owner [m] -> recall at 1, 5, 10 of text to picture"""
    hits = np.zeros(3)
    for a in range(0, len(text), 1000):
        s = text[a:a + 1000] @ picture.T
        own = s[torch.arange(len(s)), owner[a:a + 1000]]
        place = (s > own[:, None]).sum(1)
        hits += [(place < k).sum().item() for k in (1, 5, 10)]
    return 100 * hits / len(text)


@torch.no_grad()
def measure(corpus, look, read, full=False):
    """look: features -> embeddings; read: texts -> embeddings; returns a dict of figures, validation first."""
    f32 = lambda x: torch.from_numpy(x.astype(np.float32))
    out = {}
    p = corpus.pictures
    v = corpus.validation
    if len(v):
        texts = [p.captions[i][0] for i in v]
        z, t = unit(look(f32(p.features[v]))), unit(read(texts))
        out["v:coco"] = tuple(round(x, 1) for x in recall(t, z, torch.arange(len(v))))
    for name, f, y, names in corpus.class_validation():
        s = unit(look(f32(f))) @ unit(read(names)).T
        out["v:" + name] = round(100 * (s.argmax(1).numpy() == y).mean(), 1)
    out["v:mean"] = round(np.mean([x for k, x in out.items() if k not in ("v:coco",)]), 2)
    for name, (f, y, names) in corpus.tests.sets.items():
        s = unit(look(f32(f))) @ unit(read(names)).T
        out[name] = round(100 * (s.argmax(1).numpy() == y).mean(), 1)
    if p.held:
        names = sorted(p.held)
        f = np.concatenate([np.stack(p.held[n][:6]) for n in names])
        y = np.concatenate([[i] * len(p.held[n][:6]) for i, n in enumerate(names)])
        s = unit(look(f32(f))) @ unit(read(names)).T
        out[f"held out {len(names)}"] = round(100 * (s.argmax(1).numpy() == y).mean(), 1)
    f, texts = corpus.tests.retrieval
    z = unit(look(f32(f)))
    most = 5 if full else 1
    flat = [c for t in texts for c in t[:most]]
    owner = torch.tensor([i for i, t in enumerate(texts) for _ in t[:most]])
    out["val2017"] = tuple(round(x, 1) for x in recall(unit(read(flat)), z, owner))
    return out


@torch.no_grad()
def validate(corpus, head, read):
    """Validation pictures alone: a dict of figures."""
    f32 = lambda x: torch.from_numpy(x.astype(np.float32))
    out, p, v = {}, corpus.pictures, corpus.validation
    z, t = unit(head(f32(p.features[v]))), unit(read([p.captions[i][0] for i in v]))
    own = torch.arange(len(v))
    out["coco"] = tuple(round(x, 1) for x in recall(t, z, own))
    s = 40 * t @ z.T
    out["coco loss"] = round((F.cross_entropy(s, own) + F.cross_entropy(s.T, own)).item() / 2, 4)
    plain = ("{}", "a photo of a {}.", "a photo of the {}.")
    mean = lambda names, prompts: unit(sum(unit(read([fill(x, n) for n in names])) for x in prompts))
    for name, f, y, names in corpus.class_validation():
        s = unit(head(f32(f))) @ mean(names, plain).T
        out[name] = round(100 * (s.argmax(1).numpy() == y).mean(), 1)
    rows = np.nonzero(p.of("pacs") & p.val)[0]
    rows = [i for i in rows if "sketch" in p.classes[p.cls[i]][1]]
    if rows:
        own = [p.classes[p.cls[i]][0][0] for i in rows]
        names = sorted(set(own))
        found = (unit(head(f32(p.features[rows]))) @ mean(names, ("a sketch of a {}.", "a drawing of a {}.")).T).argmax(1)
        right = np.array([names[k] == n for k, n in zip(found, own)])
        out["sketches"] = round(100 * right.mean(), 1)
        out["sketches, by name"] = round(100 * np.mean([right[[n == x for n in own]].mean() for x in names]), 1)
    thousand = imagenet_names()
    f, y = corpus.imagen
    s = unit(head(f32(f))) @ mean(thousand, plain).T
    out["imagen of 1000"] = round(100 * (s.argmax(1).numpy() == y).mean(), 1)
    skip = ("coco", "coco loss")
    out["mean"] = round(float(np.mean([x for k, x in out.items() if k not in skip])), 2)
    return out


def arguments():
    ap = argparse.ArgumentParser()
    for o in ("features", "minilm", "lists", "clones", "shards", "testset", "wordnet", "fc", "out"):
        ap.add_argument("--" + o, type=Path, required=True)
    ap.add_argument("--width", type=int, default=256)
    ap.add_argument("--more", type=int, default=0)
    ap.add_argument("--steps", type=int, default=1500)
    ap.add_argument("--batch", type=int, default=512)
    ap.add_argument("--lr", type=float, default=1e-3)
    ap.add_argument("--drop", type=float, default=0.1)
    ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--distil", type=float, default=0.5)
    ap.add_argument("--classes", type=float, default=1.0)
    ap.add_argument("--no-branch", action="store_true")
    ap.add_argument("--plain-text", action="store_true")
    return ap


def main():
    a = arguments().parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    rng = np.random.default_rng(1)
    corpus = Corpus(a)
    bank = Bank(a.lists, a.minilm)
    p = corpus.pictures
    head = PictureHead(a.width, torch.from_numpy(corpus.fc_w), torch.from_numpy(corpus.fc_b), a.more, corpus.mean, corpus.std)
    if a.no_branch:
        nn.init.zeros_(head.values.weight)
        head.values.weight.requires_grad = head.keys.weight.requires_grad = head.keys.bias.requires_grad = False
    frame = Frame(a.width)
    frame.load_state_dict(torch.load(a.out.parent / "frame.pt"))
    text = TextMap(frame)
    names = imagenet_names()
    u_names = bank(names)
    u_terms = bank(corpus.terms.terms)
    # The joint space begins as the encoder's main directions, the values as what the classes are called.
    with torch.no_grad():
        if not a.no_branch:
            head.values.weight[:, :1000] = unit(text(u_names)).T * 3
        head.proj.weight.normal_(std=0.02)
    scale = nn.Parameter(torch.tensor([np.log(20.0), np.log(20.0), np.log(30.0)], dtype=torch.float32))
    slow = [head.keys.weight, head.keys.bias]
    groups = [{"params": [q for q in head.parameters() if all(q is not s for s in slow) and q.requires_grad], "lr": a.lr, "weight_decay": 0.05},
              {"params": [q for q in slow if q.requires_grad], "lr": a.lr * 0.1, "weight_decay": 0.0},
              {"params": list(text.parameters()), "lr": a.lr, "weight_decay": 0.02}, {"params": [scale], "lr": a.lr, "weight_decay": 0.0}]
    opt = torch.optim.AdamW([g for g in groups if g["params"]], betas=(0.9, 0.98), fused=True)
    base = [g["lr"] for g in opt.param_groups]
    fits = torch.from_numpy(corpus.terms.fits)
    fc_w, fc_b = torch.from_numpy(corpus.fc_w), torch.from_numpy(corpus.fc_b)
    t0, sums = time.time(), np.zeros(4)
    for step in range(a.steps):
        for g, lr in zip(opt.param_groups, base):
            g["lr"] = lr * cosine(step, a.steps)
        n = a.batch
        i = rng.choice(corpus.captioned, n, replace=False)
        j = rng.choice(corpus.labelled, n, p=corpus.weight)
        k = rng.choice(1000, n // 4, replace=False)
        f = p.drawn(np.concatenate([i, j]), rng)
        s = corpus.steered[torch.from_numpy(k), torch.from_numpy(rng.integers(8, size=len(k)))].float()
        f = torch.cat([f, s])
        cls = np.concatenate([p.cls[j], corpus.first + k])
        chosen = torch.tensor([corpus.terms.pick(c, rng) for c in cls])
        z = unit(head(f, a.drop))
        u = bank([p.captions[x][rng.integers(len(p.captions[x]))] for x in i])
        t = unit(text(u))
        ex = scale.exp().clamp(max=100)
        logits = ex[0] * z[:n] @ t.T
        y = torch.arange(n)
        contrast = (F.cross_entropy(logits, y) + F.cross_entropy(logits.T, y)) / 2
        tt = unit(text(u_terms))
        logits = ex[1] * z[n:] @ tt.T
        wrong = fits[torch.from_numpy(cls)].clone()
        wrong[torch.arange(len(cls)), chosen] = False
        naming = F.cross_entropy(logits.masked_fill(wrong, -1e4), chosen)
        with torch.no_grad():
            target = torch.softmax(f[:, :FEATURES] @ fc_w.T + fc_b, -1)
        tn = unit(text(u_names))
        distil = -(target * torch.log_softmax(ex[2] * z @ tn.T, -1)).sum(-1).mean()
        loss = contrast + a.classes * naming + a.distil * distil
        opt.zero_grad()
        loss.backward()
        opt.step()
        sums += [loss.item(), contrast.item(), naming.item(), distil.item()]
        if (step + 1) % 250 == 0:
            print(step + 1, np.round(sums / 250, 3), f"{time.time() - t0:.0f} s", "scales", ex.tolist(), flush=True)
            sums[:] = 0
        if (step + 1) % 500 == 0 or step + 1 == a.steps:
            head.eval(), text.eval()
            print(json.dumps(measure(corpus, head, lambda x: text(bank(x)))), flush=True)
            head.train(), text.train()
    torch.save({"head": head.state_dict(), "text": text.state_dict(), "scale": scale.detach(), "width": a.width, "more": a.more}, a.out)


if __name__ == "__main__":
    main()
