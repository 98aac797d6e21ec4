"""The cached features with what they are called: what the training reads.

A near-duplicate of a picture that must not be trained on: the 16 x 16 grey thumbnails, of the whole picture or of its
centre square, correlate above 0.93, or above 0.86 when both bear the same name.
"""
import json
import re
from pathlib import Path

import numpy as np
import torch

from labels import Shards, about, captions, table
from sources import SOURCES, blob, git_dir

SIDES = re.compile(r"\b(left|right)\b", re.I)
REPOSITORY = Path(__file__).resolve().parent.parent


def held(which=("none", "text")):
    """Names held out of training."""
    rows = [line.rstrip("\n").split("\t") for line in open(Path(__file__).parent / "heldout.txt", encoding="utf-8") if "\t" in line]
    return {r[0] for r in rows if r[2] in which}


def joined(folder, name):
    """[n, 1280 + what the pooling heads see]"""
    return np.concatenate([np.load(folder / f"{name}.npz")["features"], np.load(folder / f"{name}.seen.npy")], 1)


def load(folder, name):
    """(paths, vectors [n,...], thumbnails)"""
    d = np.load(folder / f"{name}.npz")
    return d["paths"].tolist(), joined(folder, name), d["thumbs"].astype(np.float32)


def further(folder, name, paths):
    """The vectors of a source's further views, a list of [n,...]"""
    out = []
    while (folder / f"{name}-again{len(out) + 1}.seen.npy").exists():
        again = f"{name}-again{len(out) + 1}"
        assert np.load(folder / f"{again}.npz")["paths"].tolist() == paths, again
        out.append(joined(folder, again))
    return out


def near_duplicates(folder, name, apart, found):
    """bool [n] for the labels found of a source's pictures. Kept: comparing takes minutes for the large sources."""
    kept = folder / f"near-{name}.npy"
    if not kept.exists():
        names = [{n.lower() for n in f.names} if f else set() for f in found]
        np.save(kept, apart.near(np.load(folder / f"{name}.npz")["thumbs"].astype(np.float32), names))
    return np.load(kept)


class Apart:
    """The pictures that training must not see, and their names."""

    def __init__(self, folder, testset):
        labels = {str(testset / r["file"]): r["label"].lower() for r in table(testset / "labels.tsv")}
        d = np.load(folder / "apart.npz")
        paths, thumbs = d["paths"].tolist(), d["thumbs"].astype(np.float32)
        names = [labels.get(p, Path(p).stem.replace("-", " ")) for p in paths]
        for s in SOURCES:
            if s.measured and (folder / f"{s.name}.npz").exists():
                t = np.load(folder / f"{s.name}.npz")["thumbs"].astype(np.float32)
                names += [""] * len(t)
                thumbs = np.concatenate([thumbs, t])
        # A picture without any structure resembles everything that has none: it is not compared with.
        self.names, self.thumbs = names, thumbs
        self.plain = np.array(["objects_0207" in p for p in paths] + [False] * (len(names) - len(paths)))

    def near(self, thumbs, names):
        """thumbs [n,2,256], for each a set of names -> bool [n]"""
        out = np.zeros(len(thumbs), bool)
        for a in range(0, len(thumbs), 2048):
            t = thumbs[a:a + 2048]
            best = np.maximum(t[:, 0] @ self.thumbs[:, 0].T, t[:, 1] @ self.thumbs[:, 1].T)
            best[:, self.plain] = 0
            out[a:a + 2048] = (best > 0.93).any(1)
            for i, j in zip(*np.nonzero((best > 0.86) & (best <= 0.93))):
                out[a + i] |= self.names[j] in names[a + i]
        return out


class Pictures:
    """features [n,...]; cls [n], -1 with captions only; captions: list of texts per picture; val [n]; source [n]
    more [m,...]: further views, views [n,V]: which there are of a picture, as rows of features and more one after the other
    classes: list of (names, broader, captions); held: pictures of names held out, by name: {name: features}"""

    def __init__(self, cache, clones, shards, testset, only=None):
        apart, never = Apart(cache, testset), held()
        shards = Shards(shards)
        blocks, more, views, self.cls, self.captions, self.val, self.source = [], [], [], [], [], [], []
        index, self.classes, self.held, self.dropped = {}, [], {}, {}
        n = m = 0
        for k, s in enumerate(SOURCES):
            if s.measured or not (cache / f"{s.name}.seen.npy").exists() or (only and s.name not in only):
                continue
            paths, features, _ = load(cache, s.name)
            again = further(cache, s.name, paths)
            label = about(s, clones, shards, paths)
            found = [label(p) for p in paths]
            near = near_duplicates(cache, s.name, apart, found)
            use = []
            for i, f in enumerate(found):
                if f is None:
                    continue
                if f.names and f.names[0].lower() in never:
                    self.held.setdefault(f.names[0].lower(), []).append(features[i])
                    continue
                if near[i]:
                    self.dropped[s.name] = self.dropped.get(s.name, 0) + 1
                    continue
                # Further views may be mirrored.
                turned = [] if any(SIDES.search(c) for c in f.captions) else [m + v * len(paths) + i for v in range(len(again))]
                views.append([n + len(use), *(-1 - t for t in turned)])
                use.append(i)
                key = (f.names, f.broader, f.captions) if f.names else None
                if key and key not in index:
                    index[key] = len(self.classes)
                    self.classes.append(key)
                self.cls.append(index[key] if key else -1)
                self.captions.append(() if key else f.captions)
                self.val.append(f.val)
                self.source.append(k)
            blocks.append(features[use])
            more += again
            n, m = n + len(use), m + len(paths) * len(again)
        self.features = np.concatenate(blocks)
        self.more = np.concatenate(more) if more else self.features[:0]
        most = max(map(len, views))
        self.views = np.array([[v if v >= 0 else n - 1 - v for v in (row * most)[:most]] for row in views])
        self.cls, self.val, self.source = np.array(self.cls), np.array(self.val), np.array(self.source)

    def drawn(self, rows, rng):
        """vectors [r,...] of pictures, each in one of its views"""
        k = self.views[rows, rng.integers(self.views.shape[1], size=len(rows))]
        out, own = np.empty((len(k), self.features.shape[1]), np.float32), k < len(self.features)
        out[own], out[~own] = self.features[k[own]], self.more[k[~own] - len(self.features)]
        return torch.from_numpy(out)

    def of(self, name):
        return self.source == [s.name for s in SOURCES].index(name)


def imagenet_names():
    names = []
    for line in open(REPOSITORY / "heads/imagenet.txt", encoding="utf-8"):
        if line.strip() and not line.startswith("#"):
            names.append(line.split("\t")[0].split("|")[0].strip())
    assert len(names) == 1000
    return names


class Tests:
    """What is measured, and never trained on nor chosen by: set -> (features [n,...], truth [n], names)."""

    def __init__(self, cache, clones, testset):
        paths, features, _ = load(cache, "apart")
        where = {p: i for i, p in enumerate(paths)}
        sets = {}
        for r in table(testset / "labels.tsv"):
            if "xray" not in r["dataset"] and "pneumonia" not in r["dataset"]:
                sets.setdefault(r["dataset"], []).append((where[str(testset / r["file"])], r["label"]))
        self.sets = {}
        for name, rows in sorted(sets.items()):
            labels = sorted({x for _, x in rows})
            self.sets[name] = (features[[i for i, _ in rows]], np.array([labels.index(x) for _, x in rows]), labels)
        thousand = imagenet_names()
        lower = [n.lower() for n in thousand]
        f, _, labels = self.sets["objects"]
        self.unknown = [x for x in labels if x.lower() not in lower]
        rows = [(i, x) for i, x in sets["objects"] if x.lower() in lower]
        self.sets["objects among 1000"] = (features[[i for i, _ in rows]], np.array([lower.index(x.lower()) for _, x in rows]), thousand)
        if (cache / "compatible.seen.npy").exists():
            paths, features, _ = load(cache, "compatible")
            import csv
            text = blob(git_dir(clones, "ZhengyuZhao/Targeted-Tansfer"), "dataset/images.csv").decode()
            truth = {r["ImageId"]: int(r["TrueLabel"]) - 1 for r in csv.DictReader(text.splitlines())}
            self.sets["compatible"] = (features, np.array([truth[Path(p).stem] for p in paths]), thousand)
        self.samples = {Path(p).stem: features for p, features in zip(load(cache, "apart")[0], load(cache, "apart")[1])
                        if "/main/samples/" in p}
        source = next(s for s in SOURCES if s.name == "val2017")
        paths, features, _ = load(cache, "val2017")
        texts = captions(clones, source, git_dir(clones, source.repo))
        order = sorted((p for p in paths if p in texts), key=lambda p: int(re.sub(r"\D", "", p)))
        at = {p: i for i, p in enumerate(paths)}
        self.retrieval = (features[[at[p] for p in order]], [texts[p] for p in order])
