"""Which of the shipped lists the model can answer: models/whatsit-nano-lists.json.

    python lists.py --aligned FILE.pt ... --write ../models/whatsit-nano-lists.json

Per list: "mark" (well, some, poor: needs a larger model), "share" of its labels told apart, "photos": of how many labels there
were pictures, "labels".

Of every list is told which share of its labels the model tells apart. A label of which there are pictures (validation pictures,
photos of names held out, or features steered towards one of ImageNet's classes) counts with the share of them that it gets
among the whole list. A label without pictures counts 1/2 when its words stand in captions that were trained on and no other
label's embedding is nearer than a cosine of 0.95, else nothing: such words are understood, but nobody saw them tried.
"""
import json
from pathlib import Path

import numpy as np
import torch

import everyday
from data import REPOSITORY
from eval import f32
from export import restore
from model import unit
from space import Corpus, arguments
from terms import common_words, normal
from tower import Reader, encoded

WELL, SOME = 0.55, 0.2


def pictures(corpus, each=12):
    """name -> features of pictures of it"""
    p, out = corpus.pictures, {}
    for k, (names, _, _) in enumerate(corpus.classes):
        if k < corpus.first:
            rows = np.nonzero(p.cls == k)[0]
            rows = np.concatenate([rows[p.val[rows]], rows[~p.val[rows]]])[:each] if p.val[rows].any() else rows[:0]
            f = p.features[rows]
        else:
            f = corpus.steered[k - corpus.first].numpy()
        for n in names:
            if len(f):
                out.setdefault(normal(n), []).append(f[:each])
    for n, f in p.held.items():
        out.setdefault(n, []).append(np.stack(f[:each]))
    return {n: np.concatenate(f)[:2 * each] for n, f in out.items()}


def share_of(labels, seen, words, look, read):
    """(share told apart, labels with pictures)"""
    h = everyday.Head(labels, read)
    close = h.between()
    close.fill_diagonal_(-1)
    score, tried = [], 0
    for j, (_, names) in enumerate(labels):
        own = [seen[normal(n)] for n in names if normal(n) in seen]
        if own:
            f = torch.from_numpy(np.concatenate(own).astype(np.float32))
            score.append((h.cosines(unit(look(f))).argmax(1) == j).float().mean().item())
            tried += 1
        else:
            known = all(w in words for w in normal(names[0]).replace("-", " ").split())
            score.append(0.5 if known and close[j].max() < 0.95 else 0.0)
    return float(np.mean(score)), tried


def main():
    ap = arguments()
    ap.add_argument("--aligned", type=Path, required=True)
    ap.add_argument("--vocabulary", type=Path, required=True)
    ap.add_argument("--write", type=Path, required=True)
    a = ap.parse_args()
    torch.set_num_threads(a.threads)
    corpus = Corpus(a)
    head, tower = restore(torch.load(a.aligned))
    reader = Reader(a.vocabulary)
    words, seen = common_words(a.lists), pictures(corpus)
    found = {}
    with torch.no_grad():
        for path in sorted((REPOSITORY / "heads").glob("*.txt")):
            labels = everyday.read_list(path)
            share, tried = share_of(labels, seen, words, head, lambda t: encoded(tower, reader, list(t)))
            mark = "well" if share >= WELL else "some" if share >= SOME else "poor"
            found[path.stem] = {"mark": mark, "share": round(share, 2), "photos": tried, "labels": len(labels)}
            print(path.stem, found[path.stem], flush=True)
    rows = ",\n".join(f"  {json.dumps(name)}: {json.dumps(of)}" for name, of in found.items())
    a.write.write_text('{"lists": {\n' + rows + "\n}}\n")


if __name__ == "__main__":
    main()
