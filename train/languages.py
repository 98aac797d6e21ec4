"""How well the model knows names in other languages: the same photos, asked in each of them. By the program itself (`whatsit embed`).

    python languages.py --whatsit PROGRAM --model FILE.gguf --clones DIR --testset DIR --shards DIR --scratch DIR

* Photos of ImageNet's names ("objects", and the ImageNet-compatible ones), the classes that Babel-ImageNet names in a language:
  its names against English ones of the same classes, with the everyday head's English prompts, and with the language's own. To measure
  only: Babel-ImageNet comes from BabelNet (non-commercial), by way of LAION-AI/CLIP_benchmark.
* 200 everyday words (languages.tsv, by hand): how many have the right one of the 200 English words nearest, and for how many of the
  photos the nearest word is the same as in English.

Printed are Markdown tables; nothing here is trained on or chosen by.
"""
import csv
import json
from pathlib import Path

import numpy as np

from card import Program, options, some, templates, unpacked
from data import imagenet_names
from labels import table
from sources import SOURCES, blob, git_dir, listing

LANGUAGES = {"de": "German", "fr": "French", "es": "Spanish", "zh": "Chinese"}
OWN = {"de": ["ein Foto von {}.", "ein {}", "{}"], "fr": ["une photo de {}.", "un {}", "{}"], "es": ["una foto de {}.", "un {}", "{}"],
       "zh": ["一张{}的照片。", "一个{}", "{}"]}


class Vectors:
    """Unit vectors of texts and pictures, by the program."""

    def __init__(self, a, run):
        self.a, self.run = a, run

    def of(self, option, items):
        parts = []
        for i in range(0, len(items), 500):
            out = self.a.scratch / "vectors.npy"
            self.run("embed", *(x for item in items[i:i + 500] for x in (option, item)), "-o", out, "--force")
            parts.append(np.load(out))
        x = np.concatenate(parts)
        return x / np.linalg.norm(x, axis=1, keepdims=True)

    def pictures(self, paths):
        return self.of("--image", [str(p) for p in paths])

    def texts(self, texts):
        return self.of("--text", list(texts))


def named(read, names, prompts):
    """Unit vectors of names: the mean over the prompts."""
    x = sum(read([t.replace("{}", n, 1) for n in names]) for t in prompts)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def photos(a):
    """set -> (files, class numbers) of photos of ImageNet's 1,000 names"""
    thousand = [n.lower() for n in imagenet_names()]
    rows = [(a.testset / r["file"], thousand.index(r["label"].lower())) for r in table(a.testset / "labels.tsv")
            if r["dataset"] == "objects" and r["label"].lower() in thousand]
    source = next(s for s in SOURCES if s.name == "compatible")
    clone = git_dir(a.clones, source.repo)
    truth = {f"dataset/images/{r['ImageId']}.png": int(r["TrueLabel"]) - 1
             for r in csv.DictReader(blob(clone, "dataset/images.csv").decode().splitlines())}
    files = unpacked(a, source, set(some(a, sorted(truth))))
    return {"objects": some(a, rows), "ImageNet-compatible photos": [(files[p], truth[p]) for p in sorted(files)]}


def classes(a):
    """language -> {class number: name}"""
    clone = git_dir(a.clones, "LAION-AI/CLIP_benchmark")
    babel = json.loads(blob(clone, "clip_benchmark/datasets/babel_imagenet.json"))
    return {x: dict(zip(*babel[x.upper()])) for x in LANGUAGES}


def on_photos(vectors, read, sets, named_classes):
    """[(set, language, photos, names, English, foreign, foreign in own prompts)], in per cent"""
    thousand, out = imagenet_names(), []
    for x, names in named_classes.items():
        known = sorted(names)
        asked = [named(read, [thousand[k] for k in known], templates()), named(read, [names[k] for k in known], templates()),
                 named(read, [names[k] for k in known], OWN[x])]
        for which, rows in sets.items():
            keep = [i for i, (_, k) in enumerate(rows) if k in names]
            y = np.array([known.index(rows[i][1]) for i in keep])
            for among in ("all", "own"):                # among all names of the language, and those that the set has
                at = np.unique(y) if among == "own" else np.arange(len(known))
                if among == "own" and len(at) == len(known):
                    continue
                z = vectors[which][keep]
                out.append((which, x, len(keep), len(at), *(100 * (at[(z @ w[at].T).argmax(1)] == y).mean() for w in asked)))
    return out


def on_words(vectors, read):
    """[(language, words whose English one is nearest, photos with the same nearest word, the same in own prompts)], in per cent"""
    lines = [line for line in (Path(__file__).parent / "languages.tsv").read_text(encoding="utf-8").split("\n") if line and line[0] != "#"]
    rows = list(csv.DictReader(lines, delimiter="\t"))
    english, z = named(read, [r["en"] for r in rows], templates()), np.concatenate(list(vectors.values()))
    said, out = (z @ english.T).argmax(1), []
    for x in LANGUAGES:
        own = [named(read, [r[x] for r in rows], prompts) for prompts in (templates(), OWN[x])]
        found = [100 * ((w @ english.T).argmax(1) == np.arange(len(rows))).mean() for w in own]
        same = [100 * ((z @ w.T).argmax(1) == said).mean() for w in own]
        out.append((x, *found, *same, [(r[x], rows[k]["en"]) for r, k, i in zip(rows, (own[0] @ english.T).argmax(1), range(len(rows))) if k != i]))
    return out


def report(vectors, read, a):
    sets = photos(a)
    print("| photos | language | photos | names | English % | its names % | in its prompts % |\n|---|---|---:|---:|---:|---:|---:|")
    for which, x, n, m, *figures in on_photos(vectors(sets), read, sets, classes(a)):
        print(f"| {which} | {LANGUAGES[x]} | {n} | {m} | " + " | ".join(f"{f:.1f}" for f in figures) + " |", flush=True)
    print("\n| language | words found % | in its prompts % | photos with the same word % | in its prompts % |\n|---|---:|---:|---:|---:|")
    wrong = []
    for x, *figures, missed in on_words(vectors(sets), read):
        print(f"| {LANGUAGES[x]} | " + " | ".join(f"{f:.1f}" for f in figures) + " |", flush=True)
        wrong.append((x, missed))
    for x, missed in wrong:
        print(f"\nnot found, {LANGUAGES[x]}: " + ", ".join(f"{w} ({e})" for w, e in missed))


def main():
    a = options()
    a.scratch.mkdir(parents=True, exist_ok=True)
    by, kept = Vectors(a, Program(a)), {}

    def vectors(sets):
        for name, rows in sets.items():
            if name not in kept:
                kept[name] = by.pictures([p for p, _ in rows])
        return kept

    report(vectors, by.texts, a)


if __name__ == "__main__":
    main()
