"""Writes a training checkpoint as an open_clip folder in half precision.

    python export.py --data DIR --vocabulary FILE.gz --checkpoint FILE --out FOLDER [--blend FIRST --share S]

Takes the averaged weights, or the mean of them and the first stage's (--blend), re-measures the BatchNorm statistics on pictures prepared as at use,
fits the logit scale on validation pictures, and spreads the reduced token table over the whole
vocabulary: tokens that never occurred in training get the "any other token" row.
"""
import argparse
import json
import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from model import CLIP, Config
from prompts import ENSEMBLE, Vocabulary
from tokenizer import Tokenizer
from refine import blended, warm_model
from train import Pictures, Texts, centred, recalibrate, tiny_validation, to_input, zero_shot

SOURCE = ("Tiny ImageNet, CIFAR-100, Caltech-101, ImageNet-compatible photos (CC BY 2.0), PACS, "
          "Oxford flowers, WordNet 3.0 and others: see the model card")


@torch.no_grad()
def fit_scale(model, texts, pics, which, names, size):
    """The logit scale with the least cross-entropy on validation pictures."""
    heads = [F.normalize(texts.encode(model, [t.replace("{}", pics.classes[k]["name"])
                                              for t in ENSEMBLE]).mean(0), dim=-1) for k in names]
    heads, cos = torch.stack(heads), []
    for i in range(0, len(which), 256):
        x = to_input(np.stack([centred(pics.image(k), size) for k in which[i:i + 256]]))
        cos.append(F.normalize(model.encode_image(x), dim=-1) @ heads.T)
    cos = torch.cat(cos)
    column = {int(k): i for i, k in enumerate(names)}
    target = torch.tensor([column[int(k)] for k in pics.cls[which]])
    scales = [s for s in np.arange(5, 100, 0.5)]
    losses = [F.cross_entropy(s * cos, target).item() for s in scales]
    return float(scales[int(np.argmin(losses))]), min(losses)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--data", type=Path, required=True)
    ap.add_argument("--vocabulary", required=True)
    ap.add_argument("--checkpoint", type=Path, required=True)
    ap.add_argument("--out", type=Path, required=True)
    ap.add_argument("--size", type=int, default=64, help="shipped picture size, a multiple of 32")
    ap.add_argument("--weights", choices=("ema", "model"), default="ema")
    ap.add_argument("--blend", type=Path, help="folder of the first stage")
    ap.add_argument("--share", type=float, default=0.7, help="of the second stage in the blend")
    a = ap.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)

    c = torch.load(a.checkpoint, weights_only=False)
    pics = Pictures(a.data)
    texts = Texts(Vocabulary(pics.classes), Tokenizer(a.vocabulary), tokens=c["tokens"])
    cfg = Config(**c["config"])
    small = CLIP(cfg, token_rows=len(texts.tokens) + 1)
    if a.blend:
        start, _, new = warm_model(a.blend, texts, cfg.image_size)
        c[a.weights] = blended(start.state_dict(), new, c[a.weights], a.share)
    small.load_state_dict(c[a.weights])
    if a.size != cfg.image_size:
        pool = small.visual.attnpool
        pool.positional_embedding = torch.nn.Parameter(pool.position(a.size // 32).detach())
        cfg.image_size, pool.side = a.size, a.size // 32
    small.visual.to(memory_format=torch.channels_last)
    recalibrate(small, pics, a.size, seed=0, n=3072)

    which, names = tiny_validation(pics, 10)
    scale, loss = fit_scale(small, texts, pics, which, names, a.size)
    print(f"logit scale {small.logit_scale.exp().item():.1f} -> {scale:.1f} (validation loss {loss:.3f})")
    small.logit_scale.data.fill_(math.log(scale))

    state = small.state_dict()
    rows = state["token_embedding.weight"]
    table = rows[-1].repeat(cfg.vocab_size, 1)
    table[torch.tensor(texts.tokens)] = rows[:-1]
    state["token_embedding.weight"] = table
    # A contiguous() alone would keep the channels-last order of the convolution weights.
    weights = {k: (v.half() if v.is_floating_point() else v).contiguous(memory_format=torch.contiguous_format)
               for k, v in state.items()}

    a.out.mkdir(parents=True, exist_ok=True)
    save_file(weights, a.out / "open_clip_model.safetensors",
              metadata={"format": "pt", "name": "whatsit-nano", "licence": "Apache-2.0 (weights)",
                        "source": SOURCE, "pictures_seen": f"{c['seen']:.0f}"})
    settings = {"model_cfg": cfg.open_clip(),
                "preprocess_cfg": {"size": a.size, "mean": [0.48145466, 0.4578275, 0.40821073],
                                   "std": [0.26862954, 0.26130258, 0.27577711],
                                   "interpolation": "bicubic", "resize_mode": "shortest"}}
    (a.out / "open_clip_config.json").write_text(json.dumps(settings, indent=2) + "\n")
    n = sum(v.numel() for v in weights.values())
    print(f"{n/1e6:.2f} M values, {(a.out/'open_clip_model.safetensors').stat().st_size/1e6:.1f} MB, "
          f"after {c['seen']:.0f} pictures")


if __name__ == "__main__":
    main()
