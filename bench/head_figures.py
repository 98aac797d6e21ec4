#!/usr/bin/env python3
"""The figures of docs/HEADS.md: heads from photos, measured with the program itself.

    bench/head_figures.py PROGRAM TESTSET [--model M] [--sklearn] [--only PART] [--sets SET...] [--draws N]

TESTSET holds labels.tsv (file, label, dataset) and the pictures. Sets of four photos a label are tested photo by photo,
by heads made from the others; of larger ones the parts are given as DATASET-train and DATASET-test, or a few photos are
drawn from all and the rest is tested (linear heads: one half is learnt from and the other tested). Sets that are not
there are left out. --sklearn compares linear heads with scikit-learn's LogisticRegression on the same embeddings and
split. Heads go to a folder of their own."""
import argparse
import atexit
import collections
import csv
import json
import os
import random
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile

arguments = argparse.ArgumentParser()
arguments.add_argument("program")
arguments.add_argument("testset")
arguments.add_argument("--model")
arguments.add_argument("--sklearn", action="store_true")
arguments.add_argument("--draws", type=int, default=20)
arguments.add_argument("--sets", nargs="+", help="of what is in TESTSET, only these")
arguments.add_argument("--only", choices=("linear", "few-shot", "none"))
options = arguments.parse_args()
folder = tempfile.mkdtemp(prefix="whatsit-figures-")
atexit.register(shutil.rmtree, folder, True)
environment = {**os.environ, "XDG_DATA_HOME": folder}
if options.model:
    environment["WHATSIT_MODEL"] = options.model


def run(*words):
    done = subprocess.run([options.program, *words, "--quiet"], env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{words}: {done.stderr}")
    return done.stdout


rows = collections.defaultdict(list)
with open(os.path.join(options.testset, "labels.tsv"), encoding="utf-8") as file:
    for row in csv.DictReader(file, delimiter="\t"):
        rows[row["dataset"]].append((os.path.abspath(os.path.join(options.testset, row["file"])), row["label"]))


def table(name, photos):
    path = os.path.join(folder, name + ".tsv")
    with open(path, "w", encoding="utf-8") as out:
        out.writelines(f"{path}\t{label}\n" for path, label in photos)
    return path


def measure(head, data, *more):
    return json.loads(run("eval", "--head", head, "--data", data, "--json", *more))


def embeddings(photos):
    path = os.path.join(folder, "e.safetensors")
    run("embed", *[path for path, _ in photos], "-o", path)
    with open(path, "rb") as file:
        n = struct.unpack("<Q", file.read(8))[0]
        header = json.loads(file.read(n))["image"]
        numbers = file.read()
    import numpy
    first, last = header["data_offsets"]
    return numpy.frombuffer(numbers[first:last], "<f4").reshape(header["shape"])


def sklearn_accuracy(train, test, strength):
    import numpy
    from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
    x, y = embeddings(train), [label for _, label in train]
    tx, ty = embeddings(test), numpy.array([label for _, label in test])
    same = LogisticRegression(C=strength, max_iter=10000, tol=1e-6).fit(x, y)
    folds = min(5, min(collections.Counter(y).values()))
    chosen = LogisticRegressionCV(Cs=[10 ** (i / 2) for i in range(-4, 9)], cv=folds, max_iter=10000, tol=1e-6,
                                  scoring="neg_log_loss").fit(x, y)
    return (same.predict(tx) == ty).mean(), (chosen.predict(tx) == ty).mean()


def split(photos, n_of):
    """The first n_of[label] photos of each label, and the rest."""
    seen, first, rest = collections.Counter(), [], []
    for photo in photos:
        (first if seen[photo[1]] < n_of[photo[1]] else rest).append(photo)
        seen[photo[1]] += 1
    return first, rest


def count(photos):
    return collections.Counter(label for _, label in photos)


def turns(name):
    """(what to learn from, what to test on): the given parts, or each photo of a label tested once. Of a larger set
    without parts all is learnt from, and tested by draws: None."""
    if name not in rows:
        yield rows[name + "-train"], rows[name + "-test"]
        return
    of_label = collections.defaultdict(list)
    for photo in rows[name]:
        of_label[photo[1]].append(photo)
    if max(map(len, of_label.values())) > 4:
        yield rows[name], None
        return
    for turn in range(4):
        test = [photos[turn] for photos in of_label.values() if turn < len(photos)]
        yield [photo for photo in rows[name] if photo not in test], test


def present(*names):
    return [name for name in names if (name in rows or name + "-train" in rows) and name in (options.sets or names)]


TEMPLATES = {"pets": "a photo of a {}, a type of pet.", "flowers": "a photo of a {}, a type of flower.",
             "professions": "a photo of a {} at work.", "clothing": "a photo of a {}.", "groceries": "a photo of a {} in a shop.",
             "scenes": "a photo of a {}.", "sketches": "a sketch of a {}.",
             "xray": "a chest X-ray, {}.", "pneumoniamnist": "a chest X-ray, {}."}


def linear():
    print("| photos | labels | learnt from | tested on | whatsit | scikit-learn, same strength | "
          "scikit-learn, its own choice |\n|---|---:|---:|---:|---:|---:|---:|")
    for name in present("xray", "pneumoniamnist", "pets", "flowers", "professions"):
        right, n = [0.0] * 3, 0
        for learn, test in turns(name):
            if test is None:
                learn, test = split(learn, {label: n // 2 for label, n in count(learn).items()})
            report = json.loads(run("head", "train", "lin", "--data", table("train", learn), "--json", "--force"))
            strength = float(report["how"].split()[1].rstrip(";"))
            found = [measure("lin", table("test", test))["top1"]]
            found += sklearn_accuracy(learn, test, strength) if options.sklearn else [0, 0]
            right = [sum_ + x * len(test) for sum_, x in zip(right, found)]
            n += len(test)
        print(f"| {name} | {len({l for _, l in test})} | {len(learn)} | {n} | " +
              " | ".join(f"{100 * x / n:.1f} %" for x in right) + " |", flush=True)


def few_shot():
    counts, draws = (1, 2, 3, 4, 16), options.draws
    print(f"\n(mean over labels of how many of their photos are answered rightly; mean of {draws} draws of the photos, and how "
          "far one draw lies from it)\n\n"
          "| photos | labels | tested on | zero-shot | " + " | ".join(f"{n} a label" for n in counts) +
          " |\n|---|---:|---:|---:|" + "---:|" * len(counts))
    for name in present(*TEMPLATES):
        zero, n, right = 0.0, 0, collections.defaultdict(lambda: [0.0] * draws)
        for turn, (learn, test) in enumerate(turns(name)):
            tested = test or learn
            labels = sorted(count(tested))
            words = ["--labels", table_of_labels(labels), "--template", TEMPLATES[name]]
            run("head", "new", "z", *words, "--force")
            zero += measure("z", table("test", tested))["balanced"] * len(tested)
            n += len(tested)
            for shots in counts:
                if min(count(learn).values()) < shots + (test is None):
                    continue
                for draw in range(draws):
                    mixed = list(learn)
                    random.Random(draws * turn + draw).shuffle(mixed)
                    some, others = split(mixed, dict.fromkeys(labels, shots))
                    examples = [f"--examples={label}=" + ",".join(p for p, l in some if l == label) for label in labels]
                    run("head", "new", "f", *words, *examples, "--force")
                    right[shots][draw] += measure("f", table("test", test or others))["balanced"] * len(tested)
        cells = [f"{100 * statistics.mean(right[k]) / n:.1f} ± {100 * statistics.stdev(right[k]) / n:.1f} %" if k in right
                 else "-" for k in counts]
        print(f"| {name} | {len(labels)} | {n} | {100 * zero / n:.1f} % | " + " | ".join(cells) + " |", flush=True)


def table_of_labels(labels):
    path = os.path.join(folder, "labels.txt")
    with open(path, "w", encoding="utf-8") as out:
        out.writelines(label + "\n" for label in labels)
    return path


def none_of_these():
    """Every head against the pictures of the other data sets: half of them set the threshold, half are held out. In the
    last column the threshold is set by all but one data set, and that one is held out: unknown photos of another kind."""
    draws, rate = options.draws, 0.1
    print(f"\n(thresholds: mean of {draws} draws of the half, and how far one draw lies from it)\n\n"
          "| head | known | unknown | AUROC, words | AUROC, background words | AUROC, 3 photos a label too | "
          "stated rate | held-out unknown photos that pass | known photos kept | unknown of another kind that pass |\n"
          "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    names = present("pets", "flowers", "professions", "groceries", "clothing")
    for name in names:
        kinds = [kind for kind in [*names, "objects"] if kind != name]
        if name == "pets":  # the objects are full of dogs and cats
            kinds.remove("objects")
        others = [path for kind in kinds for path, _ in rows[kind]]
        shots, test = split(rows[name], dict.fromkeys(count(rows[name]), 3))
        labels = sorted(count(test))
        words = ["--labels", table_of_labels(labels), "--force"]
        examples = [f"--examples={label}=" + ",".join(p for p, l in shots if l == label) for label in labels]
        data, cells = table("test", test), []

        def try_threshold(setting, held_out):
            run("head", "calibrate", "n", "--rate", str(rate), *[f"--unknown={path}" for path in setting])
            return measure("n", data, *[f"--unknown={path}" for path in held_out])

        for kind in ([], ["--none"], ["--none", *examples]):
            run("head", "new", "n", *words, *kind)
            cells.append(f"{measure('n', data, *[f'--unknown={path}' for path in others])['known_auc']:.3f}")
        passed, kept = [], []
        for draw in range(draws):
            random.Random(draw).shuffle(others)
            half = len(others) // 2
            found = try_threshold(others[:half], others[half:])
            passed.append(100 * found["false_accepts"])
            kept.append(100 * (1 - found["none"]))
        apart = []
        for kind in kinds:
            held_out = [path for path, _ in rows[kind]]
            found = try_threshold(sorted(set(others) - set(held_out)), held_out)
            apart.append((100 * found["false_accepts"], kind))
        print(f"| {name} | {len(test)} | {len(others)} | {' | '.join(cells)} | {100 * rate:.0f} % | "
              f"{statistics.mean(passed):.1f} ± {statistics.stdev(passed):.1f} % | {statistics.mean(kept):.1f} % | "
              f"{min(apart)[0]:.1f} % ({min(apart)[1]}) to {max(apart)[0]:.1f} % ({max(apart)[1]}) |", flush=True)


for name, part in (("linear", linear), ("few-shot", few_shot), ("none", none_of_these)):
    if options.only in (None, name):
        part()
