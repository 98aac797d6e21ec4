"""Measures the shipped folder, zero-shot through its text tower, and prints a Markdown table.

    python eval.py --model FOLDER --vocabulary FILE.gz --templates FILE [--data DIR] [--unseen DIR]
                   [--testset DIR]

--data     packed pictures (data.py): their validation part, set by set
--unseen   photos of names that no training picture bore (unseen.py)
--testset  photos at natural resolution with labels.tsv (file, label, dataset): never trained on
"""
import argparse
import csv
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

import colours
from shipped import Shipped
from tokenizer import Tokenizer
from train import Pictures, centred, tiny_validation

VALIDATION = ["tinyimagenet", "cifar100", "caltech101", "imagenette", "imagen", "pacs", "shapes",
              "flowers102", "petbreeds", "clothing", "professions", "trash", "groceries", "scenes", "natural",
              "birds", "instruments", "oxfordpets", "flying"]
# Diagnoses are not taught, see the model card.
NOT_MEASURED = {"xray-test", "xray-train", "pneumoniamnist-test", "pneumoniamnist-train"}


def ranks(model, images, truth, labels, templates):
    """Place of the right label for each picture, 0 the first."""
    head = model.head(labels, templates)
    cos = F.normalize(model.embed_images(images), dim=-1) @ head.T
    right = cos[torch.arange(len(truth)), torch.tensor([labels.index(t) for t in truth])]
    return (cos > right[:, None]).sum(1)


def shares(places):
    return (places < 1).float().mean().item(), (places < 5).float().mean().item()


def score(model, images, truth, labels, templates):
    return shares(ranks(model, images, truth, labels, templates))


def row(name, n, labels, top1, top5):
    chance1, chance5 = 1 / labels, min(5, labels) / labels
    print(f"| {name} | {n} | {labels} | {100*top1:.1f} | {100*top5:.1f} | {100*chance1:.1f} | "
          f"{100*chance5:.1f} | {top1/chance1:.1f}x |", flush=True)


def validation(model, templates, folder, tiny_per_class):
    pics = Pictures(folder)
    for dataset in VALIDATION:
        if dataset == "tinyimagenet":
            which, _ = tiny_validation(pics, tiny_per_class)
        else:
            which = pics.where(dataset, True)
        truth = [pics.classes[k]["name"] for k in pics.cls[which]]
        labels = {c["name"] for c in pics.classes if c["dataset"] == dataset}
        if dataset == "tinyimagenet":
            labels &= set(truth)     # the 200 classes proper
        labels = sorted(labels)
        top1, top5 = score(model, [pics.image(i) for i in which], truth, labels, templates)
        row("validation: " + dataset, len(which), len(labels), top1, top5)


def colours_told(model, folder):
    """Which of eleven colours a validation picture has, its name given; then with all hues turned at random."""
    pics = Pictures(folder)
    for name, turn in (("colours: as photographed", False), ("colours: hues turned", True)):
        chosen = colours.pictures_to_ask(pics, colours.asked(pics), model.cfg.image_size, centred, turn)
        top = colours.right(lambda u8: F.normalize(model.embed_images([Image.fromarray(x) for x in u8]), dim=-1),
                            lambda texts: F.normalize(model.embed_texts(texts), dim=-1), pics, chosen)
        row(name, len(chosen), len(colours.COLOURS), *top)


def labelled(folder):
    with open(folder / "labels.tsv", encoding="utf-8") as f:
        return list(csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE))


def unseen(model, templates, folder):
    """All names are candidates for every picture; the two halves are also counted apart."""
    rows = labelled(folder)
    labels = sorted({r["label"] for r in rows})
    places = ranks(model, [Image.open(folder / r["file"]) for r in rows], [r["label"] for r in rows],
                   labels, templates)
    for name, wanted in (("all", "yes no"), ("in the dictionary", "yes"), ("in no text", "no")):
        part = places[torch.tensor([r["dictionary"] in wanted.split() for r in rows])]
        row("names never pictured: " + name, len(part), len(labels), *shares(part))


def testset(model, templates, folder):
    sets = {}
    for r in labelled(folder):
        if r["dataset"] not in NOT_MEASURED:
            sets.setdefault(r["dataset"], []).append(r)
    for name, rows in sorted(sets.items()):
        labels = sorted({r["label"] for r in rows})
        images = [Image.open(folder / r["file"]) for r in rows]
        top1, top5 = score(model, images, [r["label"] for r in rows], labels, templates)
        row("test: " + name, len(rows), len(labels), top1, top5)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--model", required=True)
    ap.add_argument("--vocabulary", required=True)
    ap.add_argument("--templates", type=Path, required=True)
    ap.add_argument("--data", type=Path)
    ap.add_argument("--unseen", type=Path)
    ap.add_argument("--testset", type=Path)
    ap.add_argument("--tiny-per-class", type=int, default=50)
    ap.add_argument("--threads", type=int, default=2)
    a = ap.parse_args()
    torch.set_num_threads(a.threads)
    model = Shipped(a.model, Tokenizer(a.vocabulary))
    templates = [t for t in a.templates.read_text().split("\n") if t and not t.startswith("#")]
    print("| set | pictures | labels | top-1 % | top-5 % | chance top-1 % | chance top-5 % | top-1 / chance |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    if a.data:
        validation(model, templates, a.data, a.tiny_per_class)
        colours_told(model, a.data)
    if a.unseen:
        unseen(model, templates, a.unseen)
    if a.testset:
        testset(model, templates, a.testset)


if __name__ == "__main__":
    main()
