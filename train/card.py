"""The card's table: the shipped int8 file, measured by the program itself (`whatsit eval`; retrieval by `whatsit embed`).

    python card.py --whatsit PROGRAM --model FILE.gguf --clones DIR --testset DIR --shards DIR --scratch DIR

Pictures of the clones are unpacked below --scratch. Printed is a Markdown table; nothing here is trained on or chosen by.
"""
import argparse
import csv
import json
import os
import subprocess
from pathlib import Path

import numpy as np

from data import REPOSITORY, imagenet_names
from labels import Shards, about, captions, table
from sources import SOURCES, blob, blobs, git_dir, listing

SETS = ["objects", "pets", "flowers", "groceries", "professions", "clothing", "sketches"]
SKETCHES = ["a sketch of a {}.", "a drawing of a {}."]      # they are no photos


class Program:
    def __init__(self, a):
        self.a, self.home = a, a.scratch / "home"
        self.env = {**os.environ, "HOME": str(self.home), "XDG_DATA_HOME": str(self.home / "data"), "XDG_CACHE_HOME": str(self.home / "cache")}

    def __call__(self, *args):
        r = subprocess.run([str(self.a.whatsit), *map(str, args), "--model", str(self.a.model), "--quiet"], env=self.env,
                           capture_output=True, text=True)
        if r.returncode:
            raise SystemExit(f"{args[:4]}: {r.stderr[-500:]}")
        return r.stdout

    def evaluate(self, name, rows, labels):
        """rows: (path, label) -> (pictures, top-1, top-5, calibration error)"""
        folder = self.a.scratch / "eval"
        folder.mkdir(parents=True, exist_ok=True)
        prompts = SKETCHES if name == "sketches" else templates()
        (folder / f"{name}.txt").write_text("".join(f"# template: {t}\n" for t in prompts) + "\n".join(labels) + "\n")
        (folder / f"{name}.tsv").write_text("".join(f"{p}\t{x}\n" for p, x in rows))
        self("head", "new", "card-" + name, "--labels", folder / f"{name}.txt", "--force")
        out = json.loads(self("eval", "--head", "card-" + name, "--data", folder / f"{name}.tsv", "--json").split("\n")[0])
        return out


def templates():
    return [t for t in (REPOSITORY / "models/nano-concepts.templates.txt").read_text().split("\n") if t and not t.startswith("#")]


def unpacked(a, source, paths):
    """path -> file of a source's pictures"""
    clone, out = git_dir(a.clones, source.repo), {}
    wanted = [(p, sha) for p, sha in listing(clone, source.commit) if p in paths]
    missing = []
    for p, sha in wanted:
        out[p] = a.scratch / "pictures" / source.name / p.replace("/", "+")
        if not out[p].exists():
            missing.append((p, sha))
    for (p, _), data in zip(missing, blobs(clone, [sha for _, sha in missing])):
        out[p].parent.mkdir(parents=True, exist_ok=True)
        out[p].write_bytes(data)
    return out


def some(a, rows):
    """The rows, or with --few an even choice of them."""
    return rows[::max(1, len(rows) // a.few)][:a.few] if a.few else rows


def retrieval(a, run):
    source = next(s for s in SOURCES if s.name == "val2017")
    texts = captions(a.clones, source, git_dir(a.clones, source.repo))
    files = unpacked(a, source, set(some(a, sorted(texts))))
    order = sorted(files)
    vectors = {}
    for kind, option, items in (("image", "--image", [str(files[p]) for p in order]),
                                ("text", "--text", [c for p in order for c in texts[p][:5]])):
        parts = []
        for i in range(0, len(items), 500):
            out = a.scratch / "vectors.npy"
            run("embed", *(x for item in items[i:i + 500] for x in (option, item)), "-o", out, "--force")
            parts.append(np.load(out))
        vectors[kind] = np.concatenate(parts)
    owner = np.repeat(np.arange(len(order)), [len(texts[p][:5]) for p in order])
    hits = np.zeros(3)
    for i in range(0, len(owner), 1000):
        s = vectors["text"][i:i + 1000] @ vectors["image"].T
        place = (s > s[np.arange(len(s)), owner[i:i + 1000]][:, None]).sum(1)
        hits += [(place < k).sum() for k in (1, 5, 10)]
    return len(order), len(owner), 100 * hits / len(owner)


def heldout(a):
    """(rows, names): six photos at most of every name held out"""
    wanted = [line.rstrip("\n").split("\t") for line in open(Path(__file__).parent / "heldout.txt", encoding="utf-8") if "\t" in line]
    rows, names = [], [w[0] for w in wanted]
    for s in SOURCES:
        own = {w[0] for w in wanted if w[1] == s.name}
        if not own:
            continue
        paths = [p for p, _ in s.found(listing(git_dir(a.clones, s.repo), s.commit))]
        label, of = about(s, a.clones, Shards(a.shards), paths), {}
        for p in paths:
            found = label(p)
            if found and found.names[0].lower() in own:
                of.setdefault(found.names[0].lower(), []).append(p)
        of = {n: of[n] for n in some(a, sorted(of))}
        files = unpacked(a, s, {p for ps in of.values() for p in ps[:6]})
        rows += [(files[p], n) for n, ps in of.items() for p in ps[:6]]
    return rows, names


def line(name, out, labels):
    n = out.get("n_photos") or out.get("photos") or out.get("n")
    print(f"| {name} | {n} | {labels} | {100 * out['top1']:.1f} | {100 * out['top5']:.1f} | {100 / labels:.1f} |", flush=True)


def options():
    ap = argparse.ArgumentParser()
    for o in ("whatsit", "model", "clones", "testset", "shards", "scratch"):
        ap.add_argument("--" + o, type=Path, required=True)
    ap.add_argument("--few", type=int, help="so many photos of a set, to try the recipe: the figures mean nothing then")
    a = ap.parse_args()
    a.testset = a.testset.resolve()
    return a


def main():
    a = options()
    run, sets = Program(a), {}
    for r in table(a.testset / "labels.tsv"):
        sets.setdefault(r["dataset"], []).append((a.testset / r["file"], r["label"]))
    print("| set | photos | names | top-1 % | top-5 % | chance % |\n|---|---:|---:|---:|---:|---:|")
    for name in SETS:
        labels = sorted({x for _, x in sets[name]})
        line(name, run.evaluate(name, some(a, sets[name]), labels), len(labels))
    thousand = imagenet_names()
    line("objects among 1,000", run.evaluate("thousand", some(a, sets["objects"]), thousand), 1000)
    source = next(s for s in SOURCES if s.name == "compatible")
    clone = git_dir(a.clones, source.repo)
    truth = {f"dataset/images/{r['ImageId']}.png": thousand[int(r["TrueLabel"]) - 1]
             for r in csv.DictReader(blob(clone, "dataset/images.csv").decode().splitlines())}
    truth = {p: truth[p] for p in some(a, sorted(truth))}
    files = unpacked(a, source, set(truth))
    line("ImageNet-compatible photos", run.evaluate("thousand", [(files[p], x) for p, x in truth.items() if p in files], thousand), 1000)
    rows, names = heldout(a)
    line("names held out", run.evaluate("heldout", rows, names), len(names))
    n, m, (r1, r5, r10) = retrieval(a, run)
    print(f"\nCOCO val2017, {m} captions among {n} photos: {r1:.1f} % first, {r5:.1f} % among five, {r10:.1f} % among ten.")


if __name__ == "__main__":
    main()
