"""Packs the training pictures: each is decoded once and kept as raw 8-bit RGB in one file.

    python data.py --shards DIR --clones DIR --tiny DIR --cifar100 DIR --skip-attribution FILE
                   --apart DIR... --out DIR

--shards  folder of <dataset>.tsv[.gz] tables and <dataset>-<split>-NNN.tar[.xz] archives
--tiny    full Tiny ImageNet (train/<wnid>/images, val/), replaces the shards' part of it
--clones  git clones of the repositories in sources.py (none needs a work tree)
--apart   folders of pictures from which nothing may be trained: near-duplicates are left out
--cifar100 full CIFAR-100 as train/<class>/*.png, replaces the shards' training part of it

A near-duplicate: the 16 x 16 grey thumbnails, of the whole picture or of its centre square, correlate
above 0.93, or above 0.86 when both bear the same name.

Written: images.bin, index.npz (offset, height, width, cls, val per picture), classes.json.
"""
import argparse
import csv
import gzip
import io
import json
import os
import re
import tarfile
import zlib
from multiprocessing import Pool
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from sources import SOURCES, blobs, breeds, git_dir, listing

SHORT_SIDE = 96     # larger pictures are reduced to this shorter side
LONG_SIDE = 168     # longer ones are cut to their middle

# Chest X-rays stay one concept: a 96-pixel toy must not tell the healthy from the sick.
RENAMED = {"xray": "chest x-ray", "pneumoniamnist": "chest x-ray"}

# Of the emoji keywords only plain categories are kept; many others are slang.
EMOJI_KINDS = {"emoji", "animal", "food", "fruit", "plant", "flower", "person", "country", "sport",
               "weather", "building", "clothing", "emotion", "vehicle", "tool", "bird", "vegetable"}


def open_table(path):
    raw = gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else open(path, encoding="utf-8")
    with raw as f:
        yield from csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE)


def split_bar(s):
    return [x.strip() for x in (s or "").split("|") if x.strip()]


def describe(dataset, row):
    if dataset in RENAMED:
        return (dataset, RENAMED[dataset], (), ("radiograph", "medical image"), ())
    kinds = split_bar(row["hypernyms"])
    if dataset == "emoji":
        kinds = [k for k in kinds if k in EMOJI_KINDS]
    return (dataset, row["name"], tuple(split_bar(row["synonyms"])), tuple(kinds),
            tuple(split_bar(row["captions"])))


def decode(data, box=None):
    im = Image.open(io.BytesIO(data))
    if not box:
        im.draft("RGB", (3 * SHORT_SIDE, 3 * SHORT_SIDE))   # JPEG: decode no more than is needed
    im = ImageOps.exif_transpose(im)
    if box:
        w, h = im.size
        im = im.crop(tuple(round(v * n) for v, n in zip(box, (w, h, w, h))))
    if im.mode in ("RGBA", "LA", "P"):
        im = Image.alpha_composite(Image.new("RGBA", im.size, "white"), im.convert("RGBA"))
    im = im.convert("RGB")
    w, h = im.size
    if min(w, h) > SHORT_SIDE:
        s = SHORT_SIDE / min(w, h)
        im = im.resize((max(1, round(w * s)), max(1, round(h * s))), Image.Resampling.LANCZOS)
        w, h = im.size
    if max(w, h) > LONG_SIDE:
        left, top = max(0, (w - LONG_SIDE) // 2), max(0, (h - LONG_SIDE) // 2)
        im = im.crop((left, top, min(w, left + LONG_SIDE), min(h, top + LONG_SIDE)))
    return np.asarray(im)


def decode_job(job):
    """(path or bytes, class, val[, box]) -> pixels, thumbnails, class, val"""
    data, cls, val, *box = job
    try:
        pixels = decode(data if isinstance(data, bytes) else Path(data).read_bytes(), *box)
    except OSError:
        return None
    return pixels, thumbnails(pixels), cls, val


def thumbnails(pixels):
    """[2,256] grey 16 x 16 thumbnails of the whole and of the centre square, zero mean, unit length."""
    im = Image.fromarray(pixels).convert("L")
    w, h = im.size
    s = min(w, h)
    box = ((w - s) / 2, (h - s) / 2, (w + s) / 2, (h + s) / 2)
    both = [im.resize((16, 16), Image.Resampling.BOX),
            im.resize((16, 16), Image.Resampling.BOX, box=box)]
    t = np.stack([np.asarray(b, dtype=np.float32).ravel() for b in both])
    t -= t.mean(1, keepdims=True)
    return t / np.maximum(np.linalg.norm(t, axis=1, keepdims=True), 1e-6)


class Apart:
    """The pictures that training must not see."""

    def __init__(self, folders):
        self.thumbs, self.names = [], []
        for folder in folders:
            labels = {}
            if (folder / "labels.tsv").exists():
                labels = {r["file"]: r["label"] for r in open_table(folder / "labels.tsv")}
            for p in sorted(folder.rglob("*.jpg")):
                name = labels.get(str(p.relative_to(folder)), p.stem.replace("-", " "))
                self.thumbs.append(thumbnails(decode(p.read_bytes())))
                self.names.append(name.lower())
        self.thumbs = np.stack(self.thumbs) if self.thumbs else np.zeros((0, 2, 256), np.float32)

    def near(self, thumbs, names):
        """thumbs [n,2,256], n lists of names -> bool [n]"""
        if not len(self.names):
            return np.zeros(len(thumbs), bool)
        best = np.maximum(thumbs[:, 0] @ self.thumbs[:, 0].T, thumbs[:, 1] @ self.thumbs[:, 1].T)
        out = (best > 0.93).any(1)
        for i in np.nonzero((best > 0.86).any(1) & ~out)[0]:
            out[i] = any(self.names[j] in names[i] for j in np.nonzero(best[i] > 0.86)[0])
        return out


class Packer:
    def __init__(self, out, apart):
        self.out, self.apart, self.waiting, self.dropped = out, apart, [], 0
        out.mkdir(parents=True, exist_ok=True)
        self.file = open(out / "images.bin.part", "wb")
        self.rows, self.classes, self.end = [], {}, 0

    def cls(self, key):
        return self.classes.setdefault(key, len(self.classes))

    def add(self, pixels, thumbs, cls, val):
        """Training pictures wait in hundreds for the comparison with those kept apart."""
        if val:
            return self.write(pixels, cls, val)
        self.waiting.append((pixels, thumbs, cls))
        if len(self.waiting) >= 512:
            self.flush()

    def flush(self):
        keys = list(self.classes)
        names = [{keys[cls][1].lower(), *(s.lower() for s in keys[cls][2])} for _, _, cls in self.waiting]
        if self.waiting:
            near = self.apart.near(np.stack([t for _, t, _ in self.waiting]), names)
            self.dropped += int(near.sum())
            for (pixels, _, cls), bad in zip(self.waiting, near):
                if not bad:
                    self.write(pixels, cls, 0)
        self.waiting = []

    def write(self, pixels, cls, val):
        h, w, _ = pixels.shape
        self.rows.append((self.end, h, w, cls, val))
        self.file.write(np.ascontiguousarray(pixels).tobytes())
        self.end += pixels.size

    def close(self):
        self.flush()
        self.file.close()
        cols = np.array(self.rows, dtype=np.int64)
        np.savez(self.out / "index.npz", offset=cols[:, 0], height=cols[:, 1].astype(np.int32),
                 width=cols[:, 2].astype(np.int32), cls=cols[:, 3].astype(np.int32),
                 val=cols[:, 4].astype(np.int8))
        keys = ("dataset", "name", "synonyms", "hypernyms", "captions")
        classes = [dict(zip(keys, k)) for k in self.classes]
        (self.out / "classes.json").write_text(json.dumps(classes, indent=0, ensure_ascii=False))
        os.replace(self.out / "images.bin.part", self.out / "images.bin")


def shard_rows(shards):
    """dataset -> {id: row} of every table"""
    return {p.name.split(".")[0]: {r["id"]: r for r in open_table(p)} for p in sorted(shards.glob("*.tsv*"))}


def pack_shards(packer, shards, tables, skip_ids, replaced, done):
    """done: ids already packed from a clone"""
    for dataset, rows in tables.items():
        n = 0
        for tar in sorted(shards.glob(f"{dataset}-*.tar*")):
            val = "-val-" in tar.name
            if dataset in replaced and (not val or replaced[dataset] == "all"):
                continue
            with tarfile.open(tar) as t:
                for member in t:
                    name = Path(member.name).stem
                    if not member.isfile() or name in skip_ids or name in done:
                        continue
                    pixels, thumbs, cls, v = decode_job((t.extractfile(member).read(),
                                                         packer.cls(describe(dataset, rows[name])), val))
                    packer.add(pixels, thumbs, cls, v)
                    n += 1
        print(dataset, n, flush=True)


def found_in(source, clone):
    """(id, key, object, box or None) of a source's training pictures"""
    of_breed = breeds(clone) if source.dataset == "petbreeds" else {}
    parts = source.parts(clone) if source.parts else {}
    for path, sha in listing(clone, source.commit):
        m = source.pattern.fullmatch(path)
        if m and source.parts:
            for n, (key, box) in enumerate(parts.get(path, ())):
                yield f"{source.ident(m)}_{n}", key, sha, box
        elif m:
            yield source.ident(m), source.key(m) if source.key else of_breed.get(m[2]), sha, None


def clone_jobs(packer, source, clone, rows, skip_ids, done):
    """(data, class, val, box) of a source's training pictures; `done` takes their ids."""
    found = list(found_in(source, clone))
    known = {key: rows[i] for i, key, _, _ in found if i in rows}
    jobs = []
    for i, key, sha, box in found:
        if i in skip_ids or i in done or (i in rows and rows[i]["split"] == "val"):
            continue
        if key in known:
            about = describe(source.dataset, known[key])
        elif source.names and source.names(key):
            name, synonyms, kinds, *captions = source.names(key)
            about = (source.dataset, name, tuple(synonyms), tuple(kinds), captions[0] if captions else ())
        else:
            continue
        val = int(zlib.crc32(i.encode()) % 1000 < 1000 * source.hold)
        jobs.append((sha, packer.cls(about), val, box))
        done.add(i)
    data = blobs(clone, [sha for sha, *_ in jobs])
    return ((d, *job[1:]) for d, job in zip(data, jobs) if d)


def pack_files(packer, pool, jobs, label):
    n = 0
    for result in pool.imap(decode_job, jobs, chunksize=64):
        if result:
            packer.add(*result)
            n += 1
    print(label, n, flush=True)


def tiny_jobs(packer, tiny, shards, excluded):
    keys = {}
    for r in open_table(next(shards.glob("tinyimagenet.tsv*"))):
        m = re.match(r"tin_(n\d+)_", r["id"])
        if m:
            keys[m[1]] = packer.cls(describe("tinyimagenet", r))
    jobs = []
    for wnid, cls in sorted(keys.items()):
        for p in sorted((tiny / "train" / wnid).rglob("*.JPEG")):
            if p.stem not in excluded:
                jobs.append((str(p), cls, 0))
    for line in open(tiny / "val" / "val_annotations.txt"):
        name, wnid = line.split("\t")[:2]
        jobs.append((str(tiny / "val" / "images" / name), keys[wnid], 1))
    return jobs


def cifar_jobs(packer, cifar, shards):
    keys = {}
    for r in open_table(next(shards.glob("cifar100.tsv*"))):
        keys[r["name"]] = packer.cls(describe("cifar100", r))
    jobs, names = [], {}
    for r in open_table(next(shards.glob("cifar100.tsv*"))):
        for folder in sorted(os.listdir(cifar / "train")):
            if r["id"].startswith(f"c100_{folder}_"):
                names.setdefault(folder, set()).add(r["name"])
    for folder, found in sorted(names.items()):
        # "apple" must not take "apple_tree": the longest matching name wins
        name = min(found, key=lambda n: n.replace(" ", "_") != folder)
        for p in sorted((cifar / "train" / folder).glob("*.png")):
            jobs.append((str(p), keys[name], 0))
    return jobs


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--shards", type=Path, required=True)
    ap.add_argument("--clones", type=Path)
    ap.add_argument("--apart", type=Path, nargs="*", default=[])
    ap.add_argument("--tiny", type=Path)
    ap.add_argument("--cifar100", type=Path)
    ap.add_argument("--skip-attribution", type=Path, help="table whose training_id column is left out")
    ap.add_argument("--out", type=Path, required=True)
    a = ap.parse_args()

    skip = {r["training_id"] for r in open_table(a.skip_attribution)} if a.skip_attribution else set()
    exclude = a.shards / "tinyimagenet-exclude.txt"
    excluded = set(exclude.read_text().split("\n")) if exclude.exists() else set()
    replaced = {}
    if a.tiny:
        replaced["tinyimagenet"] = "all"
    if a.cifar100:
        replaced["cifar100"] = "train"

    packer, tables, done = Packer(a.out, Apart(a.apart)), shard_rows(a.shards), set()
    with Pool(2) as pool:
        for source in SOURCES if a.clones else []:
            clone = git_dir(a.clones, source.repo)
            if clone:
                jobs = clone_jobs(packer, source, clone, tables.get(source.dataset, {}), skip, done)
                pack_files(packer, pool, jobs, source.dataset + " from " + source.repo)
        if a.tiny:
            pack_files(packer, pool, tiny_jobs(packer, a.tiny, a.shards, excluded), "tinyimagenet")
        if a.cifar100:
            pack_files(packer, pool, cifar_jobs(packer, a.cifar100, a.shards), "cifar100 train")
    pack_shards(packer, a.shards, tables, skip, replaced, done)
    packer.close()
    print(len(packer.rows), "pictures", packer.dropped, "left out as near-duplicates", len(packer.classes), "classes", packer.end >> 20, "MiB")


if __name__ == "__main__":
    main()
