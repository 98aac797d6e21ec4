"""Measures what tower.py wrote, in single precision: the card's table, and the everyday head.

    python eval.py --aligned FILE.pt --vocabulary FILE.gz ... [--test] [--words]

Without --test only validation pictures are looked at. Fits the logit scale and the threshold of the everyday head, on
validation pictures; --words prints how each word does. The int8 figures of the card are `whatsit eval`'s (card.py).
"""
import json
from pathlib import Path

import numpy as np
import torch

import everyday
from data import load
from export import restore
from features import Network, halfway, tensor
from look import restored
from model import unit
from space import Corpus, arguments, measure
from sources import SOURCES
from terms import normal
from tower import Reader, encoded
from trunk import SIDE


NOUNS = {"imagen", "animals", "caltech101", "breeds", "oxfordpets", "flowers", "groceries", "instruments", "rooms", "houses", "birds"}


def f32(x):
    return torch.from_numpy(x.astype(np.float32))


def known_kinds(corpus, fits, test):
    """(embeddings' features, classes) of pictures some label fits, and features of those that none fits"""
    p, rng = corpus.pictures, np.random.default_rng(0)
    if test:
        f, y, _ = corpus.tests.sets["compatible"]
        f, cls = f, y + corpus.first
    else:
        # Of sports, dishes and the weather the truth is not in WordNet: "gymnastics" is right for uneven bars.
        sure = np.isin(p.source, [k for k, s in enumerate(SOURCES) if s.name in NOUNS])
        rows = np.nonzero(p.val & (p.cls >= 0) & sure)[0]
        f, cls = p.features[rows], p.cls[rows]
    ok = fits[cls].any(1)
    return f[ok], cls[ok]


# Right where somebody is in the photo, whatever it is a photo of.
PEOPLE = {"person", "man", "woman", "child", "hand", "group of people", "musician"}


def unnamed(labels):
    """{kind: first names of labels that are true of it}, of unnamed.tsv; a kind that a label bears by name is left out"""
    first, every = {ns[0] for _, ns in labels}, {normal(n) for _, ns in labels for n in ns}
    rows = [line.rstrip("\n").split("\t") for line in open(Path(__file__).parent / "unnamed.tsv", encoding="utf-8") if not line.startswith("#")]
    true = {kind: set() if words == "-" else set(words.split("|")) for kind, words in rows if kind not in every}
    gone = set().union(*true.values()) - first
    assert not gone, f"unnamed.tsv: no first names of nano-concepts.txt: {gone}"
    return true


def unknown_kinds(corpus, labels, test, cache):
    """(features, kind of each) of photos that WordNet finds no label for: names held out that are no sport, dish, plant, bird or
    instrument, and X-rays. One half of the kinds is to choose by, the other to measure with."""
    names = sorted(corpus.pictures.held)
    fits = everyday.truth(labels, [((n,), (), ()) for n in names], corpus.net)
    group = ("sports", "food101", "canteen", "flowers", "birds", "instruments")
    covered = {line.split("\t")[0] for line in open(Path(__file__).parent / "heldout.txt") if "\t" in line and line.split("\t")[1] in group}
    free = [n for n, x in zip(names, fits) if not x.any() and n not in covered]
    kinds = {n: np.stack(corpus.pictures.held[n][:20]) for n in free}
    paths, features, _ = load(cache, "apart")
    for kind in ("xray-train", "pneumoniamnist-test"):
        rows = [i for i, p in enumerate(paths) if f"/{kind}/" in p][:20]
        if rows:
            kinds[kind] = features[rows]
    return half(kinds, test)


def wordless_kinds(corpus, true, test):
    """The same of kinds that no label is true of, as unnamed.tsv says"""
    return half({n: np.stack(corpus.pictures.held[n][:20]) for n in true if not true[n] and n in corpus.pictures.held}, test)


def half(kinds, test):
    """{kind: features} -> (features, kind of each) of every other kind"""
    chosen = sorted(kinds)[int(test)::2]
    return np.concatenate([kinds[n] for n in chosen]), np.repeat(chosen, [len(kinds[n]) for n in chosen])


def main():
    ap = arguments()
    ap.add_argument("--aligned", type=Path, required=True)
    ap.add_argument("--vocabulary", type=Path, required=True)
    ap.add_argument("--trunk", type=Path, required=True)
    ap.add_argument("--look", type=Path, required=True)
    ap.add_argument("--test", action="store_true")
    ap.add_argument("--scale", type=float, help="this logit scale in place of the one with the least gap")
    ap.add_argument("--words", action="store_true")
    ap.add_argument("--picture", type=Path, help="with --test: where the calibration is drawn")
    a = ap.parse_args()
    torch.set_num_threads(a.threads)
    corpus = Corpus(a)
    head, tower = restore(torch.load(a.aligned))
    reader = Reader(a.vocabulary)
    read = lambda texts: encoded(tower, reader, list(texts))
    if a.test:
        print(json.dumps(measure(corpus, head, read, full=True)))
        heldout_parts(corpus, head, read)
    labels = everyday.read_list(everyday.REPOSITORY / "models/nano-concepts.txt")
    h = everyday.Head(labels, read)
    groups = sorted({g for g, _ in labels})
    group = np.array([groups.index(g) for g, _ in labels])
    fits = everyday.truth(labels, corpus.classes, corpus.net)
    with torch.no_grad():
        f, cls = known_kinds(corpus, fits, False)
        cos = h.cosines(unit(head(f32(f)))).numpy()
        right = fits[cls]
        rows = []
        for scale in np.arange(14, 72, 2.0):
            p = np.exp(scale * (cos - cos.max(1, keepdims=True)))
            p /= p.sum(1, keepdims=True)
            loss = -np.log(np.maximum((p * right).sum(1), 1e-9)).mean()
            hit = right[np.arange(len(p)), p.argmax(1)]
            rows.append((everyday.gap(p.max(1), hit), scale, loss, hit.mean()))
        print("scale: gap, loss", [(int(r[1]), round(100 * r[0], 1), round(r[2], 2)) for r in rows])
        best = min(rows) if not a.scale else next(r for r in rows if r[1] == a.scale)
        print("everyday, validation: scale %.0f, first right %.1f %%, gap %.1f points" % (best[1], 100 * best[3], 100 * best[0]))
        scale = best[1]
        report(head, h, scale, corpus, fits, labels, a)
        if a.words:
            words(cos, right, labels)
        for name, f in sorted(corpus.tests.samples.items()):
            c = scale * h.cosines(unit(head(f32(f[None]))))[0]
            p = torch.softmax(c, -1).numpy()
            share = np.bincount(group, p, len(groups))
            top = p.argsort()[::-1][:4]
            print(f"{name:22s} {groups[share.argmax()]} {share.max():.2f}: " + ", ".join(f"{labels[i][1][0]} {p[i]:.2f}" for i in top)
                  + f"  cos {c.max() / scale:.2f}")


def report(head, h, scale, corpus, fits, labels, a):
    """Known and unknown pictures: reliability, and where the threshold on the best cosine lies."""
    probe = lambda f: h.cosines(unit(head(f32(f)))).numpy()
    prob = lambda cos: np.exp(scale * (cos - cos.max(1, keepdims=True))) / np.exp(scale * (cos - cos.max(1, keepdims=True))).sum(1, keepdims=True)
    net = Network(a.trunk)
    rng = np.random.default_rng(5)
    pictures = everyday.nothing(rng)
    f, grid = net(np.stack([tensor(halfway(im, SIDE["lite2"])) for im in pictures]))
    blank = np.concatenate([f, restored(a.look).floats(grid)], 1)
    true = unnamed(labels)
    for test in ((False, True) if a.test else (False,)):
        f, cls = known_kinds(corpus, fits, test)
        cos = probe(f)
        p = prob(cos)
        hit = fits[cls][np.arange(len(p)), p.argmax(1)]
        if test and a.picture:
            everyday.picture(p.max(1), hit, a.picture)
        u, kinds = unknown_kinds(corpus, labels, test, a.features)
        names = sorted(set(kinds))
        cu = probe(u)
        cb = probe(blank)
        print(", ".join(names))
        print("test" if test else "validation", f"known {len(f)}: right {100 * hit.mean():.1f} %, gap {100 * everyday.gap(p.max(1), hit):.1f} points; "
              f"unknown {len(u)} of {len(names)} kinds above 50 %: {100 * (prob(cu).max(1) > 0.5).mean():.1f} %")
        said, unsaid = p.max(1) > 0.5, prob(cu).max(1) > 0.5
        print(f"  known above 50 %: {100 * said.mean():.1f} %, right of these {100 * hit[said].mean():.1f} %")
        correct = lambda c, kinds: np.array([labels[j][1][0] in true.get(k, set()) | PEOPLE for j, k in zip(c.argmax(1), kinds)])
        print(f"  wrong ones of these, by unnamed.tsv: {100 * (unsaid & ~correct(cu, kinds)).mean():.1f} % of all")
        w, kinds = wordless_kinds(corpus, true, test)
        cw = probe(w)
        loud = prob(cw).max(1) > 0.5
        print(f"  {len(w)} of {len(set(kinds))} kinds without a word, by unnamed.tsv: above 50 % {100 * loud.mean():.1f} %, wrong ones "
              f"{100 * (loud & ~correct(cw, kinds)).mean():.1f} %: " +
              ", ".join(f"{k} {100 * loud[kinds == k].mean():.0f}" for k in sorted(set(kinds))))
        for share in (0.5, 0.4, 0.3, 0.2, 0.15):       # what refusing by the best cosine would cost
            t = next((t for t in np.sort(cu.max(1)) if (unsaid & (cu.max(1) > t)).mean() <= share))
            print(f"  threshold {t:.3f}: unknown above 50 % {100 * (unsaid & (cu.max(1) > t)).mean():.1f} %, known {100 * (said & (cos.max(1) > t)).mean():.1f} %; "
                  f"nothing passes {100 * (cb.max(1) > t).mean():.0f} %")
    print("nothing:", ", ".join(f"{labels[i][1][0]} {prob(cb).max(1)[k]:.2f} ({cb.max(1)[k]:.2f})" for k, i in enumerate(cb.argmax(1))))


def heldout_parts(corpus, head, read):
    """Names held out, by where they come from and by whether the dictionary has them."""
    rows = [line.rstrip("\n").split("\t") for line in open(Path(__file__).parent / "heldout.txt", encoding="utf-8") if "\t" in line]
    about = {r[0]: r[1:] for r in rows}
    names = sorted(corpus.pictures.held)
    f = np.concatenate([np.stack(corpus.pictures.held[n][:6]) for n in names])
    y = np.concatenate([[i] * len(corpus.pictures.held[n][:6]) for i, n in enumerate(names)])
    with torch.no_grad():
        right = (unit(head(f32(f))) @ unit(read(names)).T).argmax(1).numpy() == y
    for part in (1, 0):
        kinds = np.array([about[names[i]][part] for i in y])
        print("held out:", ", ".join(f"{k} {100 * right[kinds == k].mean():.1f} % of {(kinds == k).sum()}" for k in sorted(set(kinds))))


def words(cos, right, labels):
    top = cos.argmax(1)
    for j, (g, names) in enumerate(labels):
        own = right[:, j]
        wrong = ((top == j) & ~own).sum()
        if own.any() or wrong:
            print(f"{own.sum():5d} {100 * (top == j)[own].mean() if own.any() else -1:6.1f} wrong {wrong:4d}  {g}: {'|'.join(names)}")


if __name__ == "__main__":
    main()
