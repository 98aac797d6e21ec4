"""Writes the model's own embeddings, to compare an engine with.

    python reference.py --model FOLDER --vocabulary FILE.gz [--image F]... [--text T]... -o F.safetensors

f32 `image [n,d]`, `text [m,d]`, not normalised, computed in float64 from the stored weights, and
u8 `pixels [n,s,s,3]`, the prepared pictures.
"""
import argparse

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

from shipped import Shipped
from tokenizer import Tokenizer


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--model", required=True)
    ap.add_argument("--vocabulary", required=True)
    ap.add_argument("--image", action="append", default=[])
    ap.add_argument("--text", action="append", default=[])
    ap.add_argument("-o", "--out", required=True)
    a = ap.parse_args()
    m = Shipped(a.model, Tokenizer(a.vocabulary))
    m.model.double()
    out = {}
    if a.image:
        u8 = np.stack([m.pixels(Image.open(f)) for f in a.image])
        x = (torch.from_numpy(u8).permute(0, 3, 1, 2).float() / 255 - m.mean) / m.std
        with torch.no_grad():
            out["image"] = m.model.encode_image(x.double()).float()
        out["pixels"] = torch.from_numpy(u8)
    rows = []
    for text in a.text:
        ids = torch.tensor([m.tokenizer(text)])
        with torch.no_grad():
            rows.append(m.model.encode_text(ids, torch.tensor([ids[0].tolist().index(49407)])).float())
    if rows:
        out["text"] = torch.cat(rows)
    out["logit_scale"] = m.model.logit_scale.detach().float()
    save_file({k: v.contiguous() for k, v in out.items()}, a.out)


if __name__ == "__main__":
    main()
