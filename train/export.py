"""Writes the trained network as the folder that `whatsit model convert` reads: model.safetensors and config.json.

    python export.py --aligned ALIGNED.pt --out FOLDER [--scale S]

The trunk's weights are the published ones, unchanged.
"""
import argparse
import json
import math
from pathlib import Path

import torch
from safetensors.torch import save_file

import trunk
from model import FEATURES, HEADS, PictureHead, tower_of

SOURCE = ("EfficientNet-Lite2 (Google, Apache-2.0); aligned on COCO captions, Flickr8k, SYSU-Scene and labelled photos; text "
          "tower distilled from all-MiniLM-L6-v2 (Apache-2.0) on WordNet 3.0 and others: see the model card")


def restore(state):
    """(picture head, text tower) of what tower.py wrote"""
    head = PictureHead(state["width"], torch.zeros(1000, FEATURES), torch.zeros(1000), state["more"],
                       seen=len(state["head"]["mean"]) - FEATURES)
    head.load_state_dict(state["head"])
    return head.eval(), tower_of(state["tower"], state["width"]).eval()


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--aligned", type=Path, required=True)
    ap.add_argument("--look", type=Path, required=True)
    ap.add_argument("--out", type=Path, required=True)
    ap.add_argument("--scale", type=float, help="fitted logit scale (calibrate.py)")
    a = ap.parse_args()
    state = torch.load(a.aligned)
    head, tower = restore(state)
    look = torch.load(a.look)
    weights = {k: v for k, v in tower.state_dict().items()}
    weights |= {"visual." + k: v for k, v in trunk.load("lite2").state_dict().items()
                if not k.startswith("_fc") and "num_batches" not in k}
    weights |= head.folded() | {"visual.look.query.weight": look["query"], "visual.look.place": look["place"]}
    weights["logit_scale"] = torch.tensor(math.log(a.scale or state["scale"].exp()[1].item()))
    weights = {k: v.detach().float().contiguous() for k, v in weights.items()}
    a.out.mkdir(parents=True, exist_ok=True)
    save_file(weights, a.out / "model.safetensors", metadata={"format": "pt", "name": "whatsit-nano", "version": "2",
                                                             "licence": "Apache-2.0 (weights)", "source": SOURCE})
    (a.out / "config.json").write_text(json.dumps({
        "model_type": "efficientnet-lite", "image_size": 260, "branch_activation": "softmax", "interpolation": "bicubic",
        "resize_mode": "halfway",
        "text": {"heads": HEADS, "activation": "quick_gelu", "end_token": len(tower.token_embedding.weight) - 1}}, indent=2) + "\n")
    if "merges" in state:
        (a.out / "merges.txt").write_text(state["merges"], encoding="utf-8")
    print(f"{sum(v.numel() for v in weights.values()) / 1e6:.2f} M values")


if __name__ == "__main__":
    main()
