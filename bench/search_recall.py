#!/usr/bin/env python3
"""Text to photo retrieval through `whatsit search`: how often the photo that a caption was written for is first, among
five, among ten.

    bench/search_recall.py PROGRAM FOLDER CAPTIONS.json [--captions 2000] [--library NAME] [--model MODEL]

FOLDER, which a library holds, has the photos of COCO val2017 under their own names (000000000139.jpg) or numbered from 0
in the order of these (0.jpg); CAPTIONS.json is captions_val2017.json. Only photos of FOLDER are searched.
"""
import argparse
import json
import os
import random
import subprocess
import tempfile
import time


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("folder")
    parser.add_argument("captions")
    parser.add_argument("--captions", dest="n", type=int, default=2000)
    parser.add_argument("--library")
    parser.add_argument("--model")
    given = parser.parse_args()
    options = [w for name in ("library", "model") if getattr(given, name) for w in (f"--{name}", getattr(given, name))]
    with open(given.captions) as file:
        coco = json.load(file)
    names = {image["id"]: image["file_name"] for image in coco["images"]}
    if not os.path.exists(os.path.join(given.folder, min(names.values()))):
        names = {image: f"{i}.jpg" for i, image in enumerate(sorted(names, key=names.get))}
    wanted = {}
    for caption in random.Random(1).sample(coco["annotations"], min(given.n, len(coco["annotations"]))):
        wanted.setdefault(" ".join(caption["caption"].split()), names[caption["image_id"]])
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as queries:
        queries.write("\n".join(wanted) + "\n")
        queries.flush()
        start = time.time()
        out = subprocess.run([given.program, "search", "--queries", queries.name, "--min", "0", "--top", "10", "--folder",
                              given.folder, *options], stdout=subprocess.PIPE, check=True).stdout
        seconds = time.time() - start
    places = {}
    for line in map(json.loads, out.splitlines()):
        places.setdefault(line["query"], []).append(os.path.basename(line["path"]))
    found = [sum(photo in places.get(text, [])[:k] for text, photo in wanted.items()) / len(wanted) for k in (1, 5, 10)]
    print(f"{len(wanted)} captions, {1000 * seconds / len(wanted):.1f} ms each: first {100 * found[0]:.1f} %, among five "
          f"{100 * found[1]:.1f} %, among ten {100 * found[2]:.1f} %")


if __name__ == "__main__":
    main()
