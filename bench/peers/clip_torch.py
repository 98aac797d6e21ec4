"""CLIP in plain PyTorch over a Hugging Face folder's tensors: the network that every peer runs.

Small on purpose: only what inference needs, written so that exporters see ordinary operators.
"""
import json
import os

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    def __init__(self, t, p, heads):
        super().__init__()
        w = t[p + "layer_norm1.weight"].shape[0]
        self.heads, self.head_dim = heads, w // heads
        self.ln1, self.ln2 = nn.LayerNorm(w), nn.LayerNorm(w)
        self.qkv, self.out = nn.Linear(w, 3 * w), nn.Linear(w, w)
        hidden = t[p + "mlp.fc1.weight"].shape[0]
        self.fc1, self.fc2 = nn.Linear(w, hidden), nn.Linear(hidden, w)
        with torch.no_grad():
            for kind in ("weight", "bias"):
                getattr(self.ln1, kind).copy_(t[p + f"layer_norm1.{kind}"])
                getattr(self.ln2, kind).copy_(t[p + f"layer_norm2.{kind}"])
                getattr(self.qkv, kind).copy_(torch.cat([t[p + f"self_attn.{n}_proj.{kind}"] for n in "qkv"]))
                getattr(self.out, kind).copy_(t[p + f"self_attn.out_proj.{kind}"])
                getattr(self.fc1, kind).copy_(t[p + f"mlp.fc1.{kind}"])
                getattr(self.fc2, kind).copy_(t[p + f"mlp.fc2.{kind}"])

    def forward(self, x, mask=None):
        b, n, w = x.shape
        q, k, v = self.qkv(self.ln1(x)).split(w, dim=2)
        q, k, v = (y.reshape(b, n, self.heads, self.head_dim).transpose(1, 2) for y in (q, k, v))
        scores = q @ k.transpose(2, 3) * self.head_dim**-0.5
        if mask is not None:
            scores = scores + mask
        y = (scores.softmax(dim=3) @ v).transpose(1, 2).reshape(b, n, w)
        x = x + self.out(y)
        h = self.fc1(self.ln2(x))
        return x + self.fc2(h * torch.sigmoid(1.702 * h))


def blocks(t, tower, heads):
    n = 0
    while f"{tower}.encoder.layers.{n}.layer_norm1.weight" in t:
        n += 1
    return nn.ModuleList(Block(t, f"{tower}.encoder.layers.{i}.", heads) for i in range(n))


class ImageTower(nn.Module):
    def __init__(self, t, config):
        super().__init__()
        self.t = nn.ParameterDict({k.replace(".", "_"): nn.Parameter(v) for k, v in {
            "patch": t["vision_model.embeddings.patch_embedding.weight"],
            "class_token": t["vision_model.embeddings.class_embedding"],
            "pos": t["vision_model.embeddings.position_embedding.weight"],
            "pre_w": t["vision_model.pre_layrnorm.weight"], "pre_b": t["vision_model.pre_layrnorm.bias"],
            "post_w": t["vision_model.post_layernorm.weight"], "post_b": t["vision_model.post_layernorm.bias"],
            "proj": t["visual_projection.weight"]}.items()})
        self.patch = config["vision_config"]["patch_size"]
        self.blocks = blocks(t, "vision_model", config["vision_config"]["num_attention_heads"])

    def forward(self, pixels):
        x = F.conv2d(pixels, self.t["patch"], stride=self.patch).flatten(2).transpose(1, 2)
        w = x.shape[2]
        x = torch.cat([self.t["class_token"].expand(x.shape[0], 1, w), x], dim=1) + self.t["pos"]
        x = F.layer_norm(x, (w,), self.t["pre_w"], self.t["pre_b"])
        for block in self.blocks:
            x = block(x)
        return F.linear(F.layer_norm(x[:, 0], (w,), self.t["post_w"], self.t["post_b"]), self.t["proj"])


class TextTower(nn.Module):
    def __init__(self, t, config):
        super().__init__()
        self.tok = nn.Parameter(t["text_model.embeddings.token_embedding.weight"])
        self.pos = nn.Parameter(t["text_model.embeddings.position_embedding.weight"])
        self.ln_w = nn.Parameter(t["text_model.final_layer_norm.weight"])
        self.ln_b = nn.Parameter(t["text_model.final_layer_norm.bias"])
        self.proj = nn.Parameter(t["text_projection.weight"])
        self.blocks = blocks(t, "text_model", config["text_config"]["num_attention_heads"])
        self.register_buffer("mask", torch.full((77, 77), float("-inf")).triu(1))

    def forward(self, ids):
        x = F.embedding(ids, self.tok) + self.pos
        for block in self.blocks:
            x = block(x, self.mask)
        x = F.layer_norm(x, (x.shape[2],), self.ln_w, self.ln_b)
        return F.linear(x[torch.arange(x.shape[0]), ids.argmax(dim=1)], self.proj)


def load(folder):
    with open(os.path.join(folder, "config.json")) as f:
        config = json.load(f)
    t = {k: v.float() for k, v in load_file(os.path.join(folder, "model.safetensors")).items()}
    return ImageTower(t, config).eval(), TextTower(t, config).eval(), config
