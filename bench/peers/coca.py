#!/usr/bin/env python3
"""Times CoCa of open_clip with random weights in whatsit and in PyTorch, in alternation, and prints ratios.

    bench/peers/coca.py --whatsit BUILD/whatsit --work FOLDER [--rounds 3] [--network coca_ViT-B-32] [--type f32]

Needs torch, safetensors, open_clip_torch 3.3 and a transformers that still has BeamSearchScorer (4.48). Both describe the same
pictures from the same weights by the original's own search (six beams in three groups, at most 30 tokens); what each says is
compared. PyTorch runs on one thread and is given its pictures ready made; whatsit's time is what a run over all pictures twice
takes beyond one over them once, so that starting and mapping do not count. CPU time of the process alone, which says something
on a machine that others use too. --layers N cuts every tower to N layers, to try the script itself.
"""
import argparse
import copy
import json
import os
import resource
import statistics
import subprocess
import time


def prepare(network, folder, layers):
    import open_clip
    import torch
    from open_clip.coca_model import CoCa
    from safetensors.torch import save_file
    config = open_clip.get_model_config(network)
    for part in ("vision_cfg", "text_cfg", "multimodal_cfg"):
        config[part]["layers"] = layers or config[part]["layers"]
    options = {k: v for k, v in copy.deepcopy(config).items() if k != "custom_text"}
    torch.manual_seed(1)
    model = CoCa(**options).eval()
    with torch.no_grad():
        for name, value in model.named_parameters():
            if value.dim() >= 2:
                value.copy_(torch.randn_like(value) * (0.3 if "embedding" in name else value.shape[-1] ** -0.5))
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "open_clip_model.safetensors")
    save_file({k: v.contiguous() for k, v in model.state_dict().items() if "attn_mask" not in k}, path)
    with open(os.path.join(folder, "open_clip_config.json"), "w") as file:
        json.dump({"model_cfg": config, "preprocess_cfg": {}}, file)
    return model


def photos(folder, n):
    """n pictures of noise at the network's side: nothing is resized."""
    import numpy
    out = []
    for i in range(n):
        pixels = numpy.random.default_rng(i).integers(0, 256, (224, 224, 3), dtype=numpy.uint8)
        path, twin = os.path.join(folder, f"{i}.bmp"), os.path.join(folder, f"twin{i}.bmp")
        rows = b"".join(pixels[y, :, ::-1].tobytes() for y in range(223, -1, -1))
        header = b"BM" + (54 + len(rows)).to_bytes(4, "little") + bytes(4) + (54).to_bytes(4, "little") + (40).to_bytes(4, "little")
        header += (224).to_bytes(4, "little") * 2 + (1).to_bytes(2, "little") + (24).to_bytes(2, "little") + bytes(24)
        for name in (path, twin):  # a file that is named twice is described once
            with open(name, "wb") as file:
                file.write(header + rows)
        out.append((path, twin, pixels))
    return out


def by_torch(model, pictures):
    import numpy
    import torch
    mean, std = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
    x = numpy.stack([p for _, _, p in pictures]).astype(numpy.float32) / 255
    x = torch.from_numpy((x - numpy.float32(mean)) / numpy.float32(std)).permute(0, 3, 1, 2).contiguous()
    before = time.process_time()
    with torch.no_grad():
        tokens = model.generate(x)
    return time.process_time() - before, tokens


def by_whatsit(words):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    out = subprocess.run(words, stdout=subprocess.PIPE, check=True).stdout.decode()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = sum(getattr(after, k) - getattr(before, k) for k in ("ru_utime", "ru_stime"))
    return spent, [json.loads(line) for line in out.splitlines()]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--whatsit", required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--network", default="coca_ViT-B-32")
    parser.add_argument("--type", default="f32")
    parser.add_argument("--photos", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--layers", type=int)
    args = parser.parse_args()
    import open_clip
    import torch
    torch.set_num_threads(1)
    folder = os.path.join(args.work, args.network)
    model = prepare(args.network, folder, args.layers)
    gguf = os.path.join(args.work, f"{args.network}.{args.type}.gguf")
    subprocess.run([args.whatsit, "model", "convert", folder, "-o", gguf, "--type", args.type, "--force"], check=True)
    pictures = photos(args.work, max(args.photos))
    describe = [args.whatsit, "describe", "--model", gguf, "--json", "--threads", "1"]
    for n in args.photos:
        ratios, ours_s, theirs_s = [], [], []
        paths, twins = [p for p, _, _ in pictures[:n]], [t for _, t, _ in pictures[:n]]
        for _ in range(args.rounds):
            theirs, tokens = by_torch(model, pictures[:n])
            once, lines = by_whatsit([*describe, *paths])
            twice, _ = by_whatsit([*describe, *paths, *twins])
            ratios.append((twice - once) / theirs)
            ours_s.append(twice - once)
            theirs_s.append(theirs)
        said = [line["captions"][0]["text"].replace(" ", "") for line in lines]
        want = [open_clip.decode(t).split("<end_of_text>")[0].replace("<start_of_text>", "").replace(" ", "") for t in tokens]
        same = sum(a == b for a, b in zip(said, want))
        print(f"{n} photos: whatsit {statistics.median(ours_s):.2f} s, PyTorch {statistics.median(theirs_s):.2f} s, "
              f"ratio {statistics.median(ratios):.3f}; the same sentence for {same} of {n}")


if __name__ == "__main__":
    main()
