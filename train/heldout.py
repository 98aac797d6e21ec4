"""Chooses the names that are held out of training, before any training: heldout.txt.

    python heldout.py --clones DIR --shards DIR --wordnet DIR --testset DIR > heldout.txt

Candidates are the classes of the many-class sources that no name of ImageNet's 1,000 means (nor a WordNet synonym of
one), that stand in no training caption, and that no test photo bears. A hash chooses a share of each source's. Their
photos measure the model and are left out of training; a second hash says whether the name stays in the dictionary that
the text tower reads ("text") or is in no text at all ("none").
"""
import argparse
import re
import sys
import zlib
from pathlib import Path

from data import REPOSITORY
from dictionary import WordNet
from labels import Shards, about, captions, table
from sources import SOURCES, git_dir, listing

SHARE = {"food101": 0.72, "sports": 0.85, "caltech101": 1.0, "flowers": 0.7, "birds": 0.38, "instruments": 0.85, "textures": 0.6,
         "canteen": 0.5, "monkeys": 0.5}


def imagenet(net):
    """Everything that a name of the 1,000 classes is called."""
    names = set()
    for line in open(REPOSITORY / "heads/imagenet.txt", encoding="utf-8"):
        if line.strip() and not line.startswith("#"):
            names |= {x.strip().lower() for x in line.split("\t")[0].split("|")}
    more = set()
    for n in names:
        s = net.sense(n)
        if s:
            more |= {x.lower() for x in net.lemmas[s]}
    return names | more


def forms(name):
    return {name, name.removesuffix("s"), name + "s", name.removesuffix("es")}


def main():
    ap = argparse.ArgumentParser()
    for o in ("clones", "shards", "wordnet", "testset"):
        ap.add_argument("--" + o, type=Path, required=True)
    a = ap.parse_args()
    net = WordNet(a.wordnet)
    taken = imagenet(net) | {r["label"].lower() for r in table(a.testset / "labels.tsv")}
    text = " "
    for s in SOURCES:
        clone = git_dir(a.clones, s.repo)
        if clone and not s.measured:
            text += " ".join(c for cs in captions(a.clones, s, clone).values() for c in cs) + " "
    text = re.sub(r"[^a-z ]+", " ", text.lower())
    text = re.sub(r"\s+", " ", text)
    print("# Names held out of training, and photos to measure them: name, source, whether the dictionary has it.")
    n, seen = 0, set()
    for s in SOURCES:
        clone = git_dir(a.clones, s.repo)
        if s.name not in SHARE or not clone:
            continue
        paths = [p for p, _ in s.found(listing(clone, s.commit))]
        label = about(s, a.clones, Shards(a.shards), paths)
        names = {}
        for p in paths:
            found = label(p)
            if found:
                names.setdefault(found.names[0], set()).update(found.names)
        for name in sorted(names):
            low = name.lower()
            if any(forms(x.lower()) & taken for x in names[name]) or any(f" {x} " in text for x in forms(low)) or low in seen:
                continue
            if zlib.crc32(b"held " + low.encode()) % 1000 < 1000 * SHARE[s.name]:
                seen.add(low)
                n += 1
                print(f"{low}\t{s.name}\t{'text' if zlib.crc32(low.encode()) % 2 else 'none'}")
    print(n, "names", file=sys.stderr)


if __name__ == "__main__":
    main()
