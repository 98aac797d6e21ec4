"""Writes the texts that the text tower reads, one a line: FOLDER/<part>.txt.

    python texts.py --clones DIR --shards DIR --wordnet DIR --vocabulary FILE.gz --out FOLDER

1-names    what the training pictures are called, the labels of all shipped lists, ImageNet's names and their synonyms
2-nouns    WordNet's concrete nouns, as far as they are English words and not Latin or proper names
3-looks    sentences on what things look like (CuPL)
4-captions of Flickr30k (Multi30k; no pictures of it)
5-glosses  nouns with what WordNet says they are
0-coco, 0-val: the captions of the pictures. 1-tokens: the tokens' own strings, in their order.
described.json: names and what they look like (CuPL), those held out of all texts left out.
Names held out of all texts (heldout.txt) stand in none of them.
"""
import argparse
import gzip
import json
import random
import re
from pathlib import Path

from data import REPOSITORY, held
from dictionary import WordNet
from labels import Shards, about, captions
from sources import SOURCES, blob, git_dir, listing
from tokenizer import Tokenizer

# Lexicographer files: act, animal, artifact, body, communication, event, feeling, food, object, person, phenomenon, plant,
# shape, substance, weather and time are left to their words in lists
FILES = {4: 0.2, 5: 1, 6: 1, 8: 1, 10: 0.3, 11: 0.5, 12: 1, 13: 1, 15: 0.1, 17: 1, 18: 1, 19: 1, 20: 1, 25: 1, 27: 1}


def tokens(vocabulary):
    """The string of every token, "." where it is no text by itself."""
    tokenizer = Tokenizer(vocabulary)
    letter = {v: k for k, v in tokenizer.bytes.items()}
    for word in sorted(tokenizer.ids, key=tokenizer.ids.get):
        try:
            text = bytes(letter[c] for c in word.replace("</w>", "")).decode("utf-8")
        except (KeyError, UnicodeDecodeError):
            text = ""
        yield " ".join(text.split()) or "."


def lists():
    """(list, names of one label) of every shipped list"""
    for path in sorted((REPOSITORY / "heads").glob("*.txt")) + [REPOSITORY / "models/nano-concepts.txt"]:
        for line in open(path, encoding="utf-8"):
            label = line.split("\t")[0].strip()
            if label and not label.startswith(("#", "[")):
                yield path.stem, [x.strip() for x in label.split("|")]


def nouns(net):
    """lemma -> its first concrete synset"""
    found = {}
    for lemma, senses in net.senses.items():
        fitting = [s for s in senses[:4] if net.file[s] in FILES]
        if not fitting or not re.fullmatch(r"[a-z][a-z' -]+", lemma) or len(lemma.split()) > 3:
            continue
        spelt = next(x for x in net.lemmas[fitting[0]] if x.lower() == lemma)
        if spelt == lemma:                              # no capitals: neither Latin nor a proper name
            found[lemma] = fitting[0]
    return found


def main():
    ap = argparse.ArgumentParser()
    for o in ("clones", "shards", "wordnet", "vocabulary", "out"):
        ap.add_argument("--" + o, type=Path, required=True)
    ap.add_argument("--few", type=int, help="so many texts of a part, to try the recipe")
    a = ap.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    net, never = WordNet(a.wordnet), held(("none",))
    pattern = re.compile(r"\b(" + "|".join(sorted(map(re.escape, never), key=len, reverse=True)) + r")s?\b")

    def write(part, texts, keep=False, most=None, words=64):
        kept = texts if keep else [t for t in dict.fromkeys(texts) if t and not pattern.search(t.lower())]
        if most:
            kept = [" ".join(t.split()[:words]) for t in random.Random(0).sample(kept, min(most, len(kept)))]
        if a.few and part != "1-tokens":
            kept = kept[:a.few]
        (a.out / f"{part}.txt").write_text("".join(" ".join(t.split()) + "\n" for t in kept), encoding="utf-8")
        print(part, len(kept), flush=True)

    write("1-tokens", list(tokens(a.vocabulary)), keep=True)
    source = {s.name: s for s in SOURCES}
    for part, name, most in (("0-coco", "coco", None), ("0-val", "val2017", 1)):
        found = captions(a.clones, source[name], git_dir(a.clones, source[name].repo))
        keys = sorted(found, key=lambda k: int(re.sub(r"\D", "", k)))
        write(part, [c for k in keys for c in found[k][:most]], keep=True)
    names = []
    for s in SOURCES:
        clone = git_dir(a.clones, s.repo)
        if clone and not s.measured:
            paths = [p for p, _ in s.found(listing(clone, s.commit))]
            label = about(s, a.clones, Shards(a.shards), paths)
            for p in paths:
                found = label(p)
                if found:
                    names += [*found.names, *found.broader, *(found.captions if s.name != "coco" else ())]
    for _, label in lists():
        names += label
        for n in label:
            s = net.sense(n)
            names += [x for x in net.lemmas[s]] if s else []
    write("1-names", names)
    found = nouns(net)
    write("2-nouns", sorted(found))
    clone = git_dir(a.clones, "sarahpratt/CuPL")
    looks, described = [], {}
    for path, _ in listing(clone):
        if path.startswith("all_prompts/base_prompts/"):
            for name, sentences in json.loads(blob(clone, path)).items():
                looks += [" ".join(t.split()[:24]) for t in sentences[:20]]
                if not pattern.search(name.lower()):
                    described.setdefault(name.lower(), []).extend(" ".join(t.split()[:18]) for t in sentences[:8])
    write("3-looks", looks, most=12000, words=16)
    (a.out / "described.json").write_text(json.dumps(described, indent=0))
    clone = git_dir(a.clones, "multi30k/dataset")
    write("4-captions", gzip.decompress(blob(clone, "data/task1/raw/train.en.gz")).decode().split("\n"), most=12000)
    gloss = {}
    for line in open(a.wordnet / "data.noun", encoding="utf-8"):
        if " | " in line:
            gloss[int(line.split()[0])] = re.sub(r'[;:]? ?".*', "", line.split(" | ")[1]).strip().split(";")[0]
    write("5-glosses", [f"{w}, {gloss[s]}" for w, s in sorted(found.items()) if FILES[net.file[s]] == 1],
          most=14000, words=14)


if __name__ == "__main__":
    main()
