"""Writes a trained describer as the folder that `whatsit model convert` reads.

    python export_describer.py --checkpoint describe.pt --reads SIGHT --out whatsit-describe

SIGHT names the trunk whose grid it reads: "sight" of `whatsit model info --json`.
"""
import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import save_file

# Where the second is as likely as the first, the third is said
HEDGES = [("man", "woman", "person"), ("men", "women", "people"), ("man's", "woman's", "person's"), ("his", "her", "their"), ("he", "she", "they")]


def tensors(model, ids, hedges=()):
    out = {}
    for name, t in model.state_dict().items():
        out[name] = t.float().contiguous().clone()
    out["ids"] = torch.tensor(ids, dtype=torch.float32)
    if hedges:
        out["hedges"] = torch.tensor(hedges, dtype=torch.float32)
    return out


def main():
    from describer import Describer
    from tokenizer import Tokenizer
    p = argparse.ArgumentParser()
    p.add_argument("--checkpoint", type=Path, required=True)
    p.add_argument("--vocabulary", type=Path, required=True)
    p.add_argument("--reads", required=True)
    p.add_argument("--hedge", type=float, default=0.75)
    p.add_argument("--least-mean", type=float, default=0.0, help="set on pictures of what the captions never show: describe_eval.py")
    p.add_argument("--out", type=Path, required=True)
    a = p.parse_args()
    kept = torch.load(a.checkpoint)
    model = Describer(**{k: v for k, v in kept["shape"].items()})
    model.load_state_dict(kept["smooth"])
    tokenizer, local = Tokenizer(a.vocabulary), {c: i for i, c in enumerate(kept["ids"])}
    hedges = []
    for words in HEDGES:
        ids = [tokenizer(w)[1:-1] for w in words]
        if all(len(i) == 1 and i[0] in local for i in ids):
            hedges.append([local[i[0]] for i in ids])
    a.out.mkdir(parents=True, exist_ok=True)
    save_file(tensors(model, kept["ids"], hedges), a.out / "model.safetensors", metadata={"licence": "Apache-2.0"})
    json.dump({"heads": kept["shape"]["heads"], "activation": "gelu", "hedge": a.hedge, "least_mean": a.least_mean, "reads": a.reads},
              open(a.out / "config.json", "w"), indent=1)
    print(len(kept["ids"]), "tokens,", len(hedges), "hedges, step", kept["step"])


if __name__ == "__main__":
    main()
