#!/usr/bin/env python3
"""A library of photos at size: indexing against the encoder alone, the second run, a cold search, recall by captions,
the cut-off, duplicates (with Pillow), and searches among 1,000,000 and 10,000,000 vectors. To be run on a machine that does nothing else.

    bench/photos.py BUILD PHOTOS SCRATCH [--captions CAPTIONS.json --val FOLDER] [--rows 1000000,10000000] [--threads 2]

BUILD is the build folder (whatsit, bench_search, whatsit_faiss.so), PHOTOS a folder of photos, FOLDER the one below it
that holds COCO val2017 (bench/search_recall.py says how). SCRATCH takes some GB: 0.8 a million rows; it is kept.
"""
import argparse
import importlib.util
import json
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
WORDS = ["a dog on a beach", "a red bus", "two people at a table", "a train in the snow", "food on a plate"]


def cool(folder):
    """The files of a folder leave the machine's cache."""
    for where, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(where, name), "rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def timed(words, env):
    start = time.time()
    out = subprocess.run(words, env=env, stdout=subprocess.PIPE, check=True).stdout
    return time.time() - start, out.decode()


def library(given, env):
    program, data = os.path.join(given.build, "whatsit"), os.path.join(given.scratch, "data")
    vectors = os.path.join(given.scratch, "seeds.npy")
    encode, _ = timed([program, "embed", given.photos, "-o", vectors, "--fresh", "--force", "--quiet"], env)
    index, out = timed([program, "index", given.photos, "--json", "--quiet"], env)
    n = json.loads(out.splitlines()[-1])["new"]
    print(f"{n} photos: index {index:.1f} s, {n / index:.1f} a second; embed alone {encode:.1f} s, {n / encode:.1f} a second; "
          f"ratio {encode / index:.3f}")
    print(f"second run, nothing changed: {timed([program, 'index', '--quiet'], env)[0]:.2f} s")
    times = []
    for word in WORDS:
        cool(data)
        times.append(timed([program, "search", word, "--quiet"], env)[0])
    warm = [timed([program, "search", word, "--quiet"], env)[0] for word in WORDS]
    print("search, library not in memory: " + ", ".join(f"{t:.3f}" for t in times) + " s; warm: "
          + ", ".join(f"{t:.3f}" for t in warm) + " s", flush=True)
    if given.captions:
        subprocess.run([sys.executable, os.path.join(HERE, "search_recall.py"), program, given.val or given.photos,
                        given.captions], env=env, check=True)
    return vectors


def millions(given, env, vectors):
    texts, queries = os.path.join(given.scratch, "texts.txt"), os.path.join(given.scratch, "texts.npy")
    with open(texts, "w") as file:
        if given.captions:
            with open(given.captions) as coco:
                lines = [" ".join(a["caption"].split()) for a in json.load(coco)["annotations"][:20000:20]]
        else:
            lines = WORDS
        file.write("\n".join(lines) + "\n")
    timed([os.path.join(given.build, "whatsit"), "embed", "--texts", texts, "-o", queries, "--force", "--quiet"], env)
    for rows in given.rows.split(","):
        subprocess.run([os.path.join(given.build, "bench_search"), vectors, queries, given.scratch, rows, "approximate"],
                       env={**env, "THREADS": given.threads}, check=True)


def main():
    parser = argparse.ArgumentParser()
    for name in ("build", "photos", "scratch"):
        parser.add_argument(name)
    parser.add_argument("--captions")
    parser.add_argument("--val")
    parser.add_argument("--rows", default="1000000,10000000")
    parser.add_argument("--threads", default="2")
    given = parser.parse_args()
    if given.val and not importlib.util.find_spec("PIL"):
        parser.error("--val compares with made copies, which needs Pillow")
    os.makedirs(given.scratch, exist_ok=True)
    env = {**os.environ, "XDG_DATA_HOME": os.path.join(given.scratch, "data"),
           "XDG_CACHE_HOME": os.path.join(given.scratch, "cache")}
    vectors = library(given, env)
    program = os.path.join(given.build, "whatsit")
    if given.val:
        subprocess.run([sys.executable, os.path.join(HERE, "search_cut.py"), program, "--folder", given.val], env=env,
                       check=True)
        subprocess.run([sys.executable, os.path.join(HERE, "duplicates.py"), program, given.val], env=env, check=True)
    millions(given, env, vectors)


if __name__ == "__main__":
    main()
