#!/usr/bin/env python3
"""What embedding many pictures costs here, for docs/BULK.md: the parts of the work, and what one and two workers of each
engine of examples/bulk do in a minute.

    bench/bulk.py PHOTOS [parts] [shard] [dask] [ray] [spark] [--workers 1,2] [--photos N] [--rounds 1]     (default: all)

PHOTOS: a folder of pictures, of which the first N are taken; some thousands, so that the engines' own start (told apart by a run
over the first 64) does not count. Needs the whatsit package, the program (WHATSIT, default: build/whatsit), and the engines' packages; what is missing
is named and left out. Only on a quiet machine do seconds say something; seconds of cores always do."""
import argparse
import json
import os
import resource
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import whatsit

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "examples" / "bulk"))
import kill_test  # noqa: E402 (which knows how each engine is started)

N_START = 64


def used(who=resource.RUSAGE_SELF):
    now = resource.getrusage(who)
    return now.ru_utime + now.ru_stime


def parts(paths, rounds):
    """Milliseconds of a core a picture: reading, decoding with resizing, encoding, all."""
    model = whatsit.Model(threads=1)
    px = model.image_px
    ready = [np.zeros((px, px, 3), np.uint8) + i % 251 for i in range(min(len(paths), 1024))]
    sizes = [os.path.getsize(path) for path in paths]
    rows = {"read": [], "decode": [], "encode": [], "all": []}

    def cost(call, n):
        begin = used()
        call()
        return 1e3 * (used() - begin) / n

    model.embed_images(ready[:32])
    for _ in range(rounds):
        read = cost(lambda: [Path(path).read_bytes() for path in paths], len(paths))
        encode = cost(lambda: model.embed_images(ready), len(ready))
        everything = cost(lambda: model.embed_images(paths), len(paths))
        for name, value in (("read", read), ("encode", encode), ("all", everything), ("decode", everything - read - encode)):
            rows[name].append(value)
    said = {f"{name} ms": round(statistics.median(values), 2) for name, values in rows.items()}
    print(json.dumps({"what": "parts", "pictures": len(paths), "kB": round(sum(sizes) / len(sizes) / 1e3, 1), "px": px, **said}),
          flush=True)


def run(engine, folder, workers, n):
    """Seconds, and seconds of cores of the processes that ended with it, of one run over `folder`."""
    with tempfile.TemporaryDirectory(prefix="whatsit-bulk-") as room:
        out, begin, before = Path(room) / "out", time.perf_counter(), used(resource.RUSAGE_CHILDREN)
        code, _, said = kill_test.run_engine(engine, folder, out, kill_test.environment(), workers)
        took, cores = time.perf_counter() - begin, used(resource.RUSAGE_CHILDREN) - before
        rows = {} if code else kill_test.rows_of_parts(out) if kill_test.ENGINES[engine][3] else kill_test.rows_of_parquet(out)
        if len(rows) != n:
            sys.exit(f"{engine}: {len(rows)} rows of {n} pictures, exit status {code}\n{said[-2000:]}")
        return took, cores


def scaling(engine, folder, paths, few, numbers, rounds):
    rates = {}
    for workers in numbers:
        start = min(run(engine, few, workers, N_START)[0] for _ in range(rounds))
        took, cores = (statistics.median(values) for values in
                       zip(*(run(engine, folder, workers, len(paths)) for _ in range(rounds))))
        rates[workers] = (len(paths) - N_START) / max(took - start, 1e-9)
        print(json.dumps({"what": engine, "workers": workers, "pictures": len(paths), "seconds": round(took, 1),
                          "start s": round(start, 1), "pictures/s": round(rates[workers], 1), "core s": round(cores, 1)}), flush=True)
    for workers in numbers[1:]:
        print(json.dumps({"what": engine, f"scaling {numbers[0]} -> {workers}": round(rates[workers] / rates[numbers[0]], 2)}),
              flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", metavar="PHOTOS")
    parser.add_argument("what", nargs="*", metavar="parts|ENGINE")
    parser.add_argument("--workers", default="1,2")
    parser.add_argument("--photos", type=int, metavar="N")
    parser.add_argument("--rounds", type=int, default=1)
    args = parser.parse_args()
    paths = kill_test.pictures(args.folder)[:args.photos]
    numbers = [int(word) for word in args.workers.split(",")]
    wanted = args.what or ["parts", "shard", "dask", "ray", "spark"]
    unknown = [name for name in wanted if name != "parts" and name not in kill_test.ENGINES]
    if unknown or len(paths) <= N_START:
        parser.error(f"'{unknown[0]}' is no engine" if unknown else f"{args.folder} holds {len(paths)} pictures only")
    with tempfile.TemporaryDirectory(prefix="whatsit-few-") as few, tempfile.TemporaryDirectory(prefix="whatsit-some-") as some:
        for path in paths[:N_START]:
            shutil.copy(path, few)
        for path in paths if args.photos else []:
            shutil.copy(path, some)
        folder = some if args.photos else args.folder
        for name in wanted:
            if name == "parts":
                parts(paths, args.rounds)
            elif kill_test.missing(name):
                print(json.dumps({"what": name, "left out": f"there is no {kill_test.missing(name)[0]}"}), flush=True)
            else:
                scaling(name, folder, paths, few, numbers, args.rounds)


if __name__ == "__main__":
    main()
