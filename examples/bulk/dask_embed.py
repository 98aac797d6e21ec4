#!/usr/bin/env python3
"""Dask: each part of the contract in docs/BULK.md is a task.

    dask_embed.py FOLDER OUT [WORKERS] [SCHEDULER]

A worker that dies is started anew by its nanny, and its tasks are given out again; parts that are there are
skipped, so the whole may be started again, too."""
import sys
from pathlib import Path

from dask.distributed import Client, LocalCluster

PART_SIZE = 250


def embed_part(number, paths, out):
    from whatsit import Model
    from whatsit.bulk import embed_shards

    n_parts = -(-len(paths) // PART_SIZE)  # a thread a task: there are as many workers as cores
    return embed_shards(paths, out, model=Model(threads=1), part_size=PART_SIZE, shard=number, n_shards=n_parts)


def main(folder, out, workers=2, scheduler=None):
    paths = sorted(str(path) for path in Path(folder).rglob("*") if path.is_file())
    cluster = scheduler or LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None)
    with Client(cluster) as client:
        [listed] = client.scatter([paths], broadcast=True)  # one thing, not as many as there are pictures
        tasks = client.map(embed_part, range(-(-len(paths) // PART_SIZE)), paths=listed, out=out, retries=3, pure=False)
        counts = client.gather(tasks)
    print({key: sum(part[key] for part in counts) for key in ("n_in", "n_out", "n_bad", "skipped")})


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:4]), *sys.argv[4:5])
