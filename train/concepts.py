"""Chooses the labels of the everyday head: the class names that the shipped model has learned.

    python concepts.py --model FOLDER --vocabulary FILE.gz --data DIR --out models/nano-concepts.txt

A name stays when, among all candidate names, the model puts it into the first `--first` for at least
`--keep` of the pictures of its class (validation pictures, filled up with training pictures where
those are few).
"""
import argparse
import re
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from prompts import ENSEMBLE, normal
from shipped import Shipped
from tokenizer import Tokenizer
from train import Pictures

# Names first met win; later ones merge into them. Left out: chest x-rays, emoji, rendered shapes.
SOURCES = {
    "tinyimagenet": "Tiny ImageNet classes (WordNet lemmas, cleaned names)",
    "cifar100": "CIFAR-100 classes",
    "caltech101": "Caltech-101 classes",
    "imagen": "ImageNet detection classes",
    "imagenette": "Imagenette classes",
    "pacs": "PACS classes",
    "clothing": "clothing-dataset-small classes",
    "trash": "TrashNet classes",
    "professions": "IdenProf classes (occupations)",
    "flowers102": "Oxford flowers classes",
    "petbreeds": "pet breed classes",
}


LATIN = re.compile(r"[A-Z][a-z]+ [a-z]+(us|is|a|um|ens|i|os|x|or|er|es|on|ii)$")


def candidates(pics):
    """name -> (data set, class indices, synonyms), duplicates merged by name or synonym."""
    out, owner = {}, {}
    for dataset in SOURCES:
        for k, c in enumerate(pics.classes):
            if c["dataset"] != dataset:
                continue
            name = normal(c["name"])
            key = owner.get(name)
            if key is None:
                key = name
                out[key] = [dataset, [], c["name"], []]
            out[key][1].append(k)
            for s in [c["name"], *c["synonyms"]]:
                if owner.setdefault(normal(s), key) == key and normal(s) != key \
                        and s not in out[key][3] and not LATIN.match(s):
                    out[key][3].append(s)
    return out


def sample(pics, classes, n, rng):
    mine = np.isin(pics.cls, classes)
    val = rng.permutation(np.nonzero(mine & pics.val)[0])[:n]
    train = rng.permutation(np.nonzero(mine & ~pics.val)[0])[:n - len(val)]
    return [*val, *train]


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--model", required=True)
    ap.add_argument("--vocabulary", required=True)
    ap.add_argument("--data", type=Path, required=True)
    ap.add_argument("--out", type=Path, required=True)
    ap.add_argument("--first", type=int, default=3)
    ap.add_argument("--keep", type=float, default=0.5)
    ap.add_argument("--pictures", type=int, default=20, help="per class")
    a = ap.parse_args()
    torch.set_num_threads(1)
    pics, rng = Pictures(a.data), np.random.default_rng(0)
    model = Shipped(a.model, Tokenizer(a.vocabulary))
    found = candidates(pics)
    keys = list(found)
    head = model.head(keys, ENSEMBLE)
    kept, n_out = {}, 0
    for i, key in enumerate(keys):
        dataset, classes, name, synonyms = found[key]
        e = model.embed_images([pics.image(k) for k in sample(pics, classes, a.pictures, rng)])
        first = (F.normalize(e, dim=-1) @ head.T).topk(a.first, dim=1).indices
        if (first == i).any(1).float().mean().item() >= a.keep:
            kept.setdefault(dataset, []).append("|".join([name, *synonyms[:1]]))
        else:
            n_out += 1
    lines = ["# The everyday head of whatsit-nano: the class names of its training data that it has learned.",
             f"# Chosen by train/concepts.py; {n_out} names were left out because it mistakes them too often."]
    for dataset, title in SOURCES.items():
        lines += [f"# source: {title}", *sorted(kept.get(dataset, []), key=str.lower)]
    a.out.write_text("\n".join(lines) + "\n")
    templates = a.out.with_suffix(".templates.txt")
    templates.write_text("\n".join(["# Prompts of the everyday head; {} is the label.", *ENSEMBLE]) + "\n")
    print(sum(map(len, kept.values())), "kept,", n_out, "left out")


if __name__ == "__main__":
    main()
