"""Gathers the names that no training picture bore, each with a photo, to measure what the texts alone teach.

    python unseen.py --clone GITDIR --data DIR --wordnet DIR --out FOLDER

--clone  git directory of EliSchwartz/imagenet-sample-images: one photo for each of 1000 WordNet synsets

Kept are the synsets of which no lemma is a term of the packed training classes or stands in a caption of theirs.
Written to FOLDER: the photos, labels.tsv (file, label, dataset, synset, dictionary) and synsets.txt, which refine.py reads:
it keeps the lemmas of about half of them (dictionary = no) out of its dictionary.
"""
import argparse
import re
from pathlib import Path

from dictionary import WordNet, withheld
from prompts import Vocabulary
from sources import blobs, listing
from train import Pictures


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--clone", type=Path, required=True)
    ap.add_argument("--data", type=Path, required=True)
    ap.add_argument("--wordnet", type=Path, default=Path("/usr/share/wordnet"))
    ap.add_argument("--out", type=Path, required=True)
    a = ap.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    net, vocabulary = WordNet(a.wordnet), Vocabulary(Pictures(a.data).classes)
    terms = set(vocabulary.terms)
    captions = [f" {t} " for t, caption in zip(vocabulary.terms, vocabulary.is_caption) if caption]

    def pictured(lemma):
        return lemma in terms or any(f" {lemma} " in c for c in captions)

    kept = []
    for path, sha in listing(a.clone):
        m = re.fullmatch(r"n(\d+)_.*\.JPEG", path)
        s = int(m[1]) if m else -1
        if s in net.lemmas and not any(pictured(x.lower()) for x in net.lemmas[s]):
            kept.append((path, sha, s))
    with open(a.out / "labels.tsv", "w", encoding="utf-8") as f:
        f.write("file\tlabel\tdataset\tsynset\tdictionary\n")
        for (path, _, s), data in zip(kept, blobs(a.clone, [sha for _, sha, _ in kept])):
            (a.out / path).write_bytes(data)
            f.write(f"{path}\t{net.lemmas[s][0]}\tunseen\t{s}\t{'no' if withheld(s) else 'yes'}\n")
    (a.out / "synsets.txt").write_text("".join(f"{s}\n" for _, _, s in kept))
    print(len(kept), "names,", sum(withheld(s) for _, _, s in kept), "of them kept out of the dictionary")


if __name__ == "__main__":
    main()
