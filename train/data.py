"""Packs the training pictures: each is decoded once and kept as raw 8-bit RGB in one file.

    python data.py --shards DIR --tiny DIR --cifar100 DIR --skip-attribution FILE --out DIR

--shards  folder of <dataset>.tsv[.gz] tables and <dataset>-<split>-NNN.tar[.xz] archives
--tiny    full Tiny ImageNet (train/<wnid>/images, val/), replaces the shards' part of it
--cifar100 full CIFAR-100 as train/<class>/*.png, replaces the shards' training part of it

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
from multiprocessing import Pool
from pathlib import Path

import numpy as np
from PIL import Image

SHORT_SIDE = 72     # larger pictures are reduced to this shorter side
LONG_SIDE = 144     # longer ones are cut to their middle

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


def decode(data):
    im = Image.open(io.BytesIO(data))
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


def decode_file(job):
    path, cls, val = job
    return decode(Path(path).read_bytes()), cls, val


class Packer:
    def __init__(self, out):
        self.out = out
        out.mkdir(parents=True, exist_ok=True)
        self.file = open(out / "images.bin.part", "wb")
        self.rows, self.classes, self.end = [], {}, 0

    def cls(self, key):
        return self.classes.setdefault(key, len(self.classes))

    def add(self, pixels, cls, val):
        h, w, _ = pixels.shape
        self.rows.append((self.end, h, w, cls, val))
        self.file.write(np.ascontiguousarray(pixels).tobytes())
        self.end += pixels.size

    def close(self):
        self.file.close()
        cols = np.array(self.rows, dtype=np.int64)
        np.savez(self.out / "index.npz", offset=cols[:, 0], height=cols[:, 1].astype(np.int32),
                 width=cols[:, 2].astype(np.int32), cls=cols[:, 3].astype(np.int32),
                 val=cols[:, 4].astype(np.int8))
        keys = ("dataset", "name", "synonyms", "hypernyms", "captions")
        classes = [dict(zip(keys, k)) for k in self.classes]
        (self.out / "classes.json").write_text(json.dumps(classes, indent=0, ensure_ascii=False))
        os.replace(self.out / "images.bin.part", self.out / "images.bin")


def pack_shards(packer, shards, skip_ids, replaced):
    for table in sorted(shards.glob("*.tsv*")):
        dataset = table.name.split(".")[0]
        if dataset not in {p.name.rsplit("-", 2)[0] for p in shards.glob("*.tar*")}:
            continue
        rows = {r["id"]: r for r in open_table(table)}
        n = 0
        for tar in sorted(shards.glob(f"{dataset}-*.tar*")):
            val = "-val-" in tar.name
            if dataset in replaced and (not val or replaced[dataset] == "all"):
                continue
            with tarfile.open(tar) as t:
                for member in t:
                    name = Path(member.name).stem
                    if not member.isfile() or name in skip_ids:
                        continue
                    packer.add(decode(t.extractfile(member).read()),
                               packer.cls(describe(dataset, rows[name])), val)
                    n += 1
        print(dataset, n, flush=True)


def pack_files(packer, pool, jobs, label):
    for pixels, cls, val in pool.imap(decode_file, jobs, chunksize=256):
        packer.add(pixels, cls, val)
    print(label, len(jobs), flush=True)


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

    packer = Packer(a.out)
    with Pool(2) as pool:
        if a.tiny:
            pack_files(packer, pool, tiny_jobs(packer, a.tiny, a.shards, excluded), "tinyimagenet")
        if a.cifar100:
            pack_files(packer, pool, cifar_jobs(packer, a.cifar100, a.shards), "cifar100 train")
    pack_shards(packer, a.shards, skip, replaced)
    packer.close()
    print(len(packer.rows), "pictures", len(packer.classes), "classes", packer.end >> 20, "MiB")


if __name__ == "__main__":
    main()
