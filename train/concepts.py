"""How well a head of broad words does on validation pictures, word by word, to choose its words by.

    python concepts.py --model FOLDER --vocabulary FILE.gz --data DIR --templates FILE --head FILE

A word is right for a picture when it is the name, a synonym or a broader word of the picture's class.
Printed per word: pictures, first answer right, among the first five, and how often it was a wrong first answer.
"""
import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from prompts import Vocabulary
from shipped import Shipped
from tokenizer import Tokenizer
from train import Pictures


def lines_of(path):
    return [line for line in path.read_text().split("\n") if line and not line.startswith("#")]


def main():
    ap = argparse.ArgumentParser()
    for name in ("--model", "--vocabulary", "--data", "--templates", "--head"):
        ap.add_argument(name, type=Path, required=True)
    ap.add_argument("--per-class", type=int, default=10)
    a = ap.parse_args()
    torch.set_num_threads(2)
    model = Shipped(a.model, Tokenizer(a.vocabulary))
    pics, templates = Pictures(a.data), lines_of(a.templates)
    vocabulary = Vocabulary(pics.classes)
    labels = [line.split("|") for line in lines_of(a.head)]
    head = torch.stack([model.head(words, templates).mean(0) for words in labels])
    head = F.normalize(head, dim=-1)

    fits = np.zeros((len(pics.classes), len(labels)), bool)
    for k in range(len(pics.classes)):
        own = {vocabulary.terms[t] for t in (vocabulary.name[k], *vocabulary.others[k])}
        fits[k] = [bool(own & set(words)) for words in labels]
    which = []
    for k in np.unique(pics.cls[pics.val]):
        if fits[k].any() and pics.classes[k]["dataset"] not in ("emoji", "cifar100"):
            which += list(np.nonzero(pics.val & (pics.cls == k))[0][:a.per_class])
    cos = F.normalize(model.embed_images([pics.image(i) for i in which]), dim=-1) @ head.T
    order = cos.topk(5, dim=1).indices.numpy()
    right = fits[pics.cls[which]]
    first = right[np.arange(len(which)), order[:, 0]]
    five = np.take_along_axis(right, order, 1).any(1)
    print(f"{len(which)} pictures: {100 * first.mean():.1f} % first, {100 * five.mean():.1f} % among five")
    for j, words in enumerate(labels):
        own = right[:, j]
        wrong = ((order[:, 0] == j) & ~own).sum()
        among = (order == j).any(1)[own].mean() if own.any() else float("nan")
        top = (order[:, 0] == j)[own].mean() if own.any() else float("nan")
        print(f"{own.sum():5d}  {100 * top:5.1f}  {100 * among:5.1f}  {wrong:4d}  {'|'.join(words)}")


if __name__ == "__main__":
    main()
