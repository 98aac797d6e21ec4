#!/usr/bin/env python3
"""A small describer with seeded random weights and what PyTorch makes of it: the model of train/describer.py itself.

    python tests/model/make_describer.py            (needs torch and safetensors)

Writes tests/model/data/describer/: model.safetensors, config.json, expected.safetensors with
  grid [2, places, channels], pooled [2, pooled]      what two pictures show
  tokens [T], logits [2, T, n_ids]                    the logits behind each of the given tokens
  beam.P.W [n], score.P.W [1]                         the best sentence of picture P by a beam of W, and its log-probability
"""
import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "train"))
from describer import Describer, beam  # noqa: E402
from export_describer import tensors  # noqa: E402

OUT = Path(__file__).parent / "data" / "describer"
# CLIP's ids: single letters, then some words
IDS = [320, 327, 345, 267, 269, 256 + 31, 518, 525, 530, 537, 539, 550, 593, 736, 786, 789, 1125, 1237, 1611, 1746, 1929, 1929 + 37, 2368,
       3801, 4287, 49406, 49407]


def main():
    torch.manual_seed(7)
    ids = sorted(set(IDS))
    model = Describer(len(ids), width=32, layers=2, heads=4, mlp=48, context=12, places=9, channels=20, pooled=24, pooled_tokens=2, dropout=0.0)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.randn_like(p) * (0.4 if p.ndim > 1 else 0.3) + (1.0 if p.ndim == 1 and p.shape[0] == 32 else 0.0))
        model.token.weight *= 0.5        # else every token is followed by itself
        model.position *= 3
        model.bias[-1] += 1.5
    model.eval()
    grid, pooled = torch.randn(2, 9, 20), torch.randn(2, 24).abs()
    n_ids = len(ids)
    tokens = [n_ids - 2, 3, 11, 0, 7, 19, 3]
    out = {"grid": grid, "pooled": pooled, "tokens": torch.tensor(tokens, dtype=torch.int32)}
    with torch.no_grad():
        memory = model.look(grid, pooled)
        out["logits"] = model(torch.tensor([tokens, tokens]), memory)
        for p in range(2):
            for width in (1, 3, 8):
                found, score = beam(model, memory[p:p + 1], width=width, most=12)
                out[f"beam.{p}.{width}"] = torch.tensor(found, dtype=torch.int32)
                out[f"score.{p}.{width}"] = torch.tensor([score])
    OUT.mkdir(exist_ok=True)
    save_file(tensors(model, ids), OUT / "model.safetensors")
    save_file({k: v.contiguous() for k, v in out.items()}, OUT / "expected.safetensors")
    json.dump({"heads": 4, "activation": "gelu"}, open(OUT / "config.json", "w"))
    print({k: v.tolist() for k, v in out.items() if k.startswith(("beam", "score"))})


if __name__ == "__main__":
    main()
