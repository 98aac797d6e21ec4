#!/usr/bin/env python3
"""Ray Data: a pool of actors, each with the model open, reads pictures and writes Parquet (path, embedding).

    ray_embed.py FOLDER OUT [WORKERS]

An actor that dies is started anew and its batches are given out again. A picture that cannot be read has NaN.
On a cluster (RAY_ADDRESS is set) FOLDER and OUT are what all its machines see, or s3://..."""
import os
import sys

import ray
import whatsit


class Embedder:
    def __init__(self):
        self.model = whatsit.Model(threads=1)

    def __call__(self, batch):
        rows = self.model.embed_images(list(batch["bytes"]), errors="nan")
        return {"path": batch["path"], "embedding": rows}


def main(folder, out, workers=2):
    if "RAY_ADDRESS" in os.environ:
        ray.init()
    else:  # one CPU more than workers: reading and writing are tasks, too
        ray.init(num_cpus=workers + 1, include_dashboard=False, log_to_driver=False)
    pictures = ray.data.read_binary_files(folder, include_paths=True)
    pictures.map_batches(Embedder, batch_size=64, num_cpus=1,
                         compute=ray.data.ActorPoolStrategy(size=workers)).write_parquet(out)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:4]))
