#!/usr/bin/env python3
"""Photos to vectors from Python: whatsit's package against the command line, and against open_clip on PyTorch.

    bench/peers/python.py PHOTOS [--program build/whatsit] [--photos 1000] [--rounds 5] [--threads 2]
    bench/peers/python.py PHOTOS --open-clip WORK [--photos 200] ...

The first: the built-in model, the same files; `whatsit embed` from an empty folder of results, and Model.embed_images in a process
that has the model open. The second: a ViT-B/32 of open_clip's with random weights, made in the folder WORK and opened by
both; open_clip reads with its own preprocessing (Pillow) in a data loader of as many workers as threads, in batches of 32. Both decode
the files. Rows are compared first (cosine over 0.99, since whatsit's own reading of a JPEG is within some 255ths of Pillow's).

Contestants take turns; what counts is the median of the ratios within a round, of seconds and of seconds of cores. On a
machine that others use only the latter says something. Needs the whatsit package (PYTHONPATH or installed), and for the second open_clip.
"""
import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import whatsit


def used():
    """Seconds of cores of this process and of its children that have ended."""
    mine, theirs = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return mine.ru_utime + mine.ru_stime + theirs.ru_utime + theirs.ru_stime


def measure(call):
    begin, before = time.perf_counter(), used()
    call()
    return time.perf_counter() - begin, used() - before


def command_line(program, paths, threads, folder):
    listed = Path(folder) / "list"
    listed.write_text("".join(f"{path}\n" for path in paths))
    out = Path(folder) / "out"

    def run():
        shutil.rmtree(out, ignore_errors=True)
        subprocess.run([program, "embed", "--into", out, "--files-from", listed, "--threads", str(threads), "--quiet"],
                       check=True)
        return np.load(out / "img_emb" / "img_emb_0000.npy")

    return run


def make_checkpoint(work):
    """WORK/checkpoint, as open_clip saves it, and open_clip's model of the same weights."""
    import open_clip
    import torch
    from safetensors.torch import load_file, save_file

    name, folder = "ViT-B-32-quickgelu", Path(work) / "checkpoint"
    torch.manual_seed(1)
    model, _, preprocess = open_clip.create_model_and_transforms(name, pretrained=None)
    weights = folder / "open_clip_model.safetensors"
    if not weights.exists():
        folder.mkdir(parents=True, exist_ok=True)
        mean, std = open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD
        (folder / "open_clip_config.json").write_text(json.dumps(
            {"model_cfg": open_clip.get_model_config(name), "preprocess_cfg": {"mean": list(mean), "std": list(std)}}))
        save_file({k: v.contiguous() for k, v in model.state_dict().items() if "attn_mask" not in k}, weights)
    model.load_state_dict(load_file(weights), strict=False)
    return folder, model.eval(), preprocess


def open_clip_run(model, preprocess, paths, threads):
    import torch
    from PIL import Image

    class Photos(torch.utils.data.Dataset):
        def __len__(self):
            return len(paths)

        def __getitem__(self, i):
            with Image.open(paths[i]) as image:
                return preprocess(image)

    torch.set_num_threads(threads)

    def run():
        loader = torch.utils.data.DataLoader(Photos(), batch_size=32, num_workers=threads)
        with torch.inference_mode():
            return torch.cat([model.encode_image(batch, normalize=True) for batch in loader]).numpy()

    return run


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", metavar="PHOTOS")
    parser.add_argument("--program", default=str(Path(__file__).resolve().parents[2] / "build" / "whatsit"))
    parser.add_argument("--open-clip", metavar="WORK")
    parser.add_argument("--types", default="f32,int8", help="of whatsit's file of the ViT-B/32")
    parser.add_argument("--photos", type=int)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    args = parser.parse_args()
    n = args.photos or (200 if args.open_clip else 1000)
    paths = [str(path) for path in sorted(Path(args.folder).rglob("*.jpg"))[:n]]
    with tempfile.TemporaryDirectory(prefix="whatsit-bench-") as room:
        if args.open_clip:
            folder, theirs, preprocess = make_checkpoint(args.open_clip)
            files = {}
            for kind in args.types.split(","):
                files[kind] = os.path.join(args.open_clip, f"b32-{kind}.gguf")
                if not os.path.exists(files[kind]):
                    subprocess.run([args.program, "model", "convert", folder, "-o", files[kind], "--type", kind], check=True)
            models = {kind: whatsit.Model(path, threads=args.threads) for kind, path in files.items()}
            runs = {f"whatsit {kind}": lambda m=model: m.embed_images(paths) for kind, model in models.items()}
            runs["open_clip f32"] = open_clip_run(theirs, preprocess, paths, args.threads)
            base, least = "open_clip f32", 0.99
        else:
            model = whatsit.Model(threads=args.threads)
            runs = {"python": lambda: model.embed_images(paths),
                    "command line": command_line(args.program, paths, args.threads, room)}
            base, least = "command line", 1 - 1e-6
        rows = {name: run() for name, run in runs.items()}  # warms up, too
        for name in runs:
            cosine = float(np.min(np.sum(rows[name] * rows[base], axis=1)))
            if cosine < (least if "int8" not in name else 0.95):
                sys.exit(f"{name} and {base} differ: least cosine {cosine:.5f}")
        times = {name: [] for name in runs}
        for _ in range(args.rounds):
            for name, run in runs.items():
                times[name].append(measure(run))
    for name, measured in times.items():
        seconds, cores = (statistics.median(m[i] for m in measured) for i in (0, 1))
        ratios = [statistics.median(theirs[i] / ours[i] for ours, theirs in zip(measured, times[base])) for i in (0, 1)]
        print(json.dumps({"who": name, "photos": len(paths), "threads": args.threads, "photos/s": round(len(paths) / seconds, 1),
                          "core ms/photo": round(1e3 * cores / len(paths), 2),
                          f"throughput vs {base}": round(ratios[0], 3), f"by core seconds vs {base}": round(ratios[1], 3)}))


if __name__ == "__main__":
    main()
