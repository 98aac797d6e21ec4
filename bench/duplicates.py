#!/usr/bin/env python3
"""How many made copies `whatsit duplicates` finds, and how many of its pairs are wrong.

    bench/duplicates.py PROGRAM PHOTOS [--photos 5000] [--variants 2000] [--model MODEL]

Takes photos from the folder PHOTOS, makes copies of some (eight kinds of edit, three strengths each), indexes all
of them in a library of their own and compares the groups with the truth. Needs Pillow. PHOTOS should hold no
duplicates of its own; those that it has count as wrong, and are listed.
"""
import argparse
import collections
import itertools
import json
import os
import random
import shutil
import subprocess
import tempfile
import time

from PIL import Image, ImageDraw, ImageEnhance, ImageFilter


def crop(image, share):
    w, h = image.size
    cut = share / 2
    return image.crop((round(w * cut), round(h * cut), round(w * (1 - cut)), round(h * (1 - cut))))


def caption(image, share):
    image = image.copy()
    w, h = image.size
    ImageDraw.Draw(image).rectangle((0, round(h * (1 - share)), w, h), fill=(20, 20, 20))
    return image


# kind -> three edits, each image -> (image, ending, save options)
JPEG = {"quality": 90}
EDITS = {
    "resize": [lambda i, s=s: (i.resize((max(1, int(i.width * s)), max(1, int(i.height * s))), Image.Resampling.LANCZOS),
                               ".jpg", JPEG) for s in (0.75, 0.5, 0.25)],
    "recompress": [lambda i, q=q: (i, ".jpg", {"quality": q}) for q in (70, 40, 15)],
    "format": [lambda i, e=e: (i, e, {}) for e in (".png", ".webp", ".bmp")],
    "crop": [lambda i, s=s: (crop(i, s), ".jpg", JPEG) for s in (0.03, 0.06, 0.10)],
    "brightness": [lambda i, s=s: (ImageEnhance.Brightness(i).enhance(s), ".jpg", JPEG) for s in (0.85, 1.2, 1.4)],
    "colour": [lambda i, s=s: (ImageEnhance.Color(i).enhance(s), ".jpg", JPEG) for s in (1.5, 0.5, 0.0)],
    "blur": [lambda i, s=s: (i.filter(ImageFilter.GaussianBlur(s)), ".jpg", JPEG) for s in (0.7, 1.5, 2.5)],
    "caption": [lambda i, s=s: (caption(i, s), ".jpg", JPEG) for s in (0.03, 0.06, 0.10)],
}


def make(photos, n_variants, folder):
    """-> {path: (index of the photo, kind, strength)}; originals have kind ''."""
    truth, dice = {}, random.Random(1)
    for i, photo in enumerate(photos):
        path = os.path.join(folder, f"{i:05}.jpg")
        shutil.copy(photo, path)
        truth[path] = (i, "", 0)
    edits = [(kind, strength) for kind in EDITS for strength in range(3)]
    for j, i in enumerate(dice.sample(range(len(photos)), n_variants)):
        kind, strength = edits[j % len(edits)]
        image = Image.open(photos[i]).convert("RGB")
        edited, ending, options = EDITS[kind][strength](image)
        path = os.path.join(folder, f"{i:05}-{kind}-{strength}{ending}")
        edited.save(path, **options)
        truth[path] = (i, kind, strength)
    return truth


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("photos")
    parser.add_argument("--photos", dest="n_photos", type=int, default=5000)
    parser.add_argument("--variants", type=int, default=2000)
    parser.add_argument("--model")
    given = parser.parse_args()
    names = sorted(n for n in os.listdir(given.photos) if n.lower().endswith((".jpg", ".jpeg")))[: given.n_photos]
    photos = [os.path.join(given.photos, n) for n in names]
    model = ["--model", given.model] if given.model else []
    with tempfile.TemporaryDirectory() as scratch:
        folder = os.path.join(scratch, "photos")
        os.makedirs(folder)
        truth = make(photos, min(given.variants, len(photos)), folder)
        env = {**os.environ, "XDG_DATA_HOME": os.path.join(scratch, "data")}
        start = time.time()
        subprocess.run([given.program, "index", folder, "--quiet", *model], env=env, check=True)
        indexed = time.time() - start
        start = time.time()
        out = subprocess.run([given.program, "duplicates", "--json", "--quiet", *model], env=env, check=True,
                             stdout=subprocess.PIPE).stdout
        seconds = time.time() - start
    said = set()
    for line in out.splitlines():
        for a, b in itertools.combinations(sorted(json.loads(line)["paths"]), 2):
            said.add((a, b))
    right = {pair for pair in said if truth[pair[0]][0] == truth[pair[1]][0]}
    by_edit = collections.defaultdict(lambda: [0, 0])
    by_photo = {t[0]: path for path, t in truth.items() if not t[1]}
    for path, (photo, kind, strength) in truth.items():
        if kind:
            count = by_edit[kind, strength]
            count[1] += 1
            count[0] += tuple(sorted((path, by_photo[photo]))) in said
    print(f"{len(truth)} photos, indexed in {indexed:.1f} s, duplicates in {seconds:.2f} s")
    print(f"pairs said {len(said)}, precision {len(right) / max(1, len(said)):.4f}")
    for kind in EDITS:
        cells = [by_edit[kind, s] for s in range(3)]
        shares = "  ".join(f"{a / max(1, b):6.3f}" for a, b in cells)
        print(f"{kind:11} recall {sum(c[0] for c in cells) / max(1, sum(c[1] for c in cells)):.3f}   by strength {shares}")
    for a, b in sorted(said - right)[:40]:
        print("  wrong, or twice in PHOTOS:", os.path.basename(a), os.path.basename(b))


if __name__ == "__main__":
    main()
