#!/usr/bin/env python3
"""Times CoCa of open_clip with random weights in whatsit and in PyTorch, and prints ratios.

    bench/peers/coca.py --whatsit BUILD/whatsit --work FOLDER [--network coca_ViT-B-32] [--type f32] [--photos 1 8] [--rounds 3]
                        [--do prepare|whatsit|torch|report]...

Needs torch, safetensors, open_clip_torch 3.3 and a transformers that still has BeamSearchScorer (4.48). Both describe the same
pictures from the same weights by the original's own search (six beams in three groups, at most 30 tokens); what each says is
compared. PyTorch runs on one thread and is given its pictures ready made; whatsit's time is what a run over all pictures twice
takes beyond one over them once, so that starting and mapping do not count. CPU time of the process alone, which says something
on a machine that others use too. --layers N cuts every tower to N layers, to try the script itself.

Without --do everything is done in alternation. With it each run does one piece and adds what it measured to FOLDER/measured.jsonl,
so that none needs a machine for long; `report` prints the medians of all of them.
"""
import argparse
import copy
import json
import os
import resource
import statistics
import subprocess
import time


def describe_network(network, layers):
    import open_clip
    config = open_clip.get_model_config(network)
    for part in ("vision_cfg", "text_cfg", "multimodal_cfg"):
        config[part]["layers"] = layers or config[part]["layers"]
    return config


def prepare(args):
    """Random weights in the original's layout, and whatsit's file of them."""
    import torch
    from open_clip.coca_model import CoCa
    from safetensors.torch import save_file
    config = describe_network(args.network, args.layers)
    torch.manual_seed(1)
    model = CoCa(**{k: v for k, v in copy.deepcopy(config).items() if k != "custom_text"}).eval()
    with torch.no_grad():
        for name, value in model.named_parameters():
            if value.dim() >= 2:
                value.copy_(torch.randn_like(value) * (0.3 if "embedding" in name else value.shape[-1] ** -0.5))
    os.makedirs(args.folder, exist_ok=True)
    save_file({k: v.contiguous() for k, v in model.state_dict().items() if "attn_mask" not in k},
              os.path.join(args.folder, "open_clip_model.safetensors"))
    with open(os.path.join(args.folder, "open_clip_config.json"), "w") as file:
        json.dump({"model_cfg": config, "preprocess_cfg": {}}, file)
    subprocess.run([args.whatsit, "model", "convert", args.folder, "-o", args.gguf, "--type", args.type, "--force"], check=True)


def open_original(args):
    import torch
    from open_clip.coca_model import CoCa
    from safetensors.torch import load_file
    torch.set_num_threads(1)
    config = describe_network(args.network, args.layers)
    model = CoCa(**{k: v for k, v in config.items() if k != "custom_text"}).eval()
    missing = model.load_state_dict(load_file(os.path.join(args.folder, "open_clip_model.safetensors")), strict=False)
    assert not missing.unexpected_keys and all("attn_mask" in k for k in missing.missing_keys), missing
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
    """CPU seconds, and what it says."""
    import numpy
    import open_clip
    import torch
    mean, std = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
    x = numpy.stack([p for _, _, p in pictures]).astype(numpy.float32) / 255
    x = torch.from_numpy((x - numpy.float32(mean)) / numpy.float32(std)).permute(0, 3, 1, 2).contiguous()
    before = time.process_time()
    with torch.no_grad():
        tokens = model.generate(x)
    spent = time.process_time() - before
    return spent, [open_clip.decode(t).split("<end_of_text>")[0].replace("<start_of_text>", "").replace(" ", "") for t in tokens]


def run_whatsit(args, paths):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    out = subprocess.run([args.whatsit, "describe", "--model", args.gguf, "--json", "--quiet", "--threads", "1", *paths],
                         stdout=subprocess.PIPE, check=True).stdout.decode()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = sum(getattr(after, k) - getattr(before, k) for k in ("ru_utime", "ru_stime"))
    return spent, [json.loads(line)["captions"][0]["text"].replace(" ", "") for line in out.splitlines()]


def by_whatsit(args, pictures):
    paths, twins = [p for p, _, _ in pictures], [t for _, t, _ in pictures]
    once, said = run_whatsit(args, paths)
    twice, _ = run_whatsit(args, [*paths, *twins])
    return twice - once, said


def note(args, by, n, seconds, said):
    with open(os.path.join(args.work, "measured.jsonl"), "a") as file:
        file.write(json.dumps({"network": args.network, "type": args.type if by == "whatsit" else "", "by": by, "photos": n,
                               "seconds": seconds, "said": said}) + "\n")


def report(args):
    with open(os.path.join(args.work, "measured.jsonl")) as file:
        rows = [json.loads(line) for line in file]
    for n in args.photos:
        mine, theirs = ([r for r in rows if r["network"] == args.network and r["photos"] == n and r["by"] == by and
                         r["type"] in ("", args.type)] for by in ("whatsit", "torch"))
        if not mine or not theirs:
            print(f"{n} photos: not measured by both")
            continue
        a, b = (statistics.median(r["seconds"] for r in side) for side in (mine, theirs))
        same = sum(x == y for x, y in zip(mine[-1]["said"], theirs[-1]["said"]))
        print(f"{args.network}, {n} photos: whatsit {args.type} {a:.2f} s, PyTorch f32 {b:.2f} s of one core, ratio {a / b:.3f} "
              f"(medians of {len(mine)} and {len(theirs)}); the same sentence for {same} of {n}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--whatsit", required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--network", default="coca_ViT-B-32")
    parser.add_argument("--type", default="f32")
    parser.add_argument("--photos", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--layers", type=int)
    parser.add_argument("--do", action="append", choices=("prepare", "whatsit", "torch", "report"))
    args = parser.parse_args()
    args.folder = os.path.join(args.work, args.network)
    args.gguf = os.path.join(args.work, f"{args.network}.{args.type}.gguf")
    steps = args.do or ["prepare", *["torch", "whatsit"] * args.rounds, "report"]
    if not args.do and os.path.exists(os.path.join(args.work, "measured.jsonl")):
        os.remove(os.path.join(args.work, "measured.jsonl"))
    original = None
    for step in steps:
        if step == "prepare":
            prepare(args)
        elif step == "report":
            report(args)
        for n in args.photos if step in ("whatsit", "torch") else ():
            pictures = photos(args.work, n)
            if step == "torch":
                original = original or open_original(args)
            note(args, step, n, *(by_torch(original, pictures) if step == "torch" else by_whatsit(args, pictures)))


if __name__ == "__main__":
    main()
