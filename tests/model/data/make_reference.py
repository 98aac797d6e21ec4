#!/usr/bin/env python3
"""Writes vit/: a small CLIP with random f16 weights and what it must answer, computed in float64 with NumPy from
the papers' equations, so that the towers are tested against something that shares no code with them.

    python3 make_reference.py        (seeded; the committed files are its output)
"""
import json
import math
import struct

import numpy as np

PX, PATCH, VW, VL, VH, VM = 32, 8, 48, 3, 2, 100
TW, TL, TH, TM, CONTEXT = 32, 3, 2, 90, 16
DIM = 40
MERGES = ["c a", "ca t</w>", "d o", "do g</w>", "o f</w>", "a n</w>"]
VOCABULARY = 512 + len(MERGES) + 2
START, END = VOCABULARY - 2, VOCABULARY - 1
MEAN, STD = [0.5, 0.4, 0.3], [0.2, 0.25, 0.3]
TEXTS = ["cat", "a cat of dog", "an x!", "", "dog dog dog dog dog dog dog dog dog dog dog dog dog dog dog dog dog"]
rng = np.random.default_rng(2021)
tensors = {}


def tensor(name, *shape, std=0.2, mean=0.0):
    tensors[name] = (mean + std * rng.standard_normal(shape)).astype(np.float16)


def tower(prefix, width, layers, hidden):
    for i in range(layers):
        p = f"{prefix}.encoder.layers.{i}."
        for n in ("layer_norm1", "layer_norm2"):
            tensor(p + n + ".weight", width, mean=1.0)
            tensor(p + n + ".bias", width)
        for n in ("q_proj", "k_proj", "v_proj", "out_proj"):
            tensor(p + f"self_attn.{n}.weight", width, width, std=1.3 * width**-0.5)
            tensor(p + f"self_attn.{n}.bias", width)
        tensor(p + "mlp.fc1.weight", hidden, width, std=width**-0.5)
        tensor(p + "mlp.fc1.bias", hidden)
        tensor(p + "mlp.fc2.weight", width, hidden, std=hidden**-0.5)
        tensor(p + "mlp.fc2.bias", width)


def make_weights():
    tensor("vision_model.embeddings.class_embedding", VW)
    tensor("vision_model.embeddings.patch_embedding.weight", VW, 3, PATCH, PATCH, std=0.07)
    tensor("vision_model.embeddings.position_embedding.weight", (PX // PATCH) ** 2 + 1, VW)
    tensor("text_model.embeddings.token_embedding.weight", VOCABULARY, TW)
    tensor("text_model.embeddings.position_embedding.weight", CONTEXT, TW)
    for n, w in (("vision_model.pre_layrnorm", VW), ("vision_model.post_layernorm", VW),
                 ("text_model.final_layer_norm", TW)):
        tensor(n + ".weight", w, mean=1.0)
        tensor(n + ".bias", w)
    tower("vision_model", VW, VL, VM)
    tower("text_model", TW, TL, TM)
    tensor("visual_projection.weight", DIM, VW)
    tensor("text_projection.weight", DIM, TW)
    tensors["logit_scale"] = np.array(3.0, np.float16)


def t(name):
    return tensors[name].astype(np.float64)


def norm(x, name):
    x = x - x.mean(-1, keepdims=True)
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5) * t(name + ".weight") + t(name + ".bias")


def linear(x, name):
    return x @ t(name + ".weight").T + t(name + ".bias")


def block(x, p, heads, causal, act):
    n, w = x.shape
    h = norm(x, p + "layer_norm1")
    q, k, v = (linear(h, p + f"self_attn.{c}_proj").reshape(n, heads, -1).transpose(1, 0, 2) for c in "qkv")
    s = q @ k.transpose(0, 2, 1) / math.sqrt(w / heads)
    if causal:
        s = np.where(np.triu(np.ones((n, n)), 1) > 0, -np.inf, s)
    s = np.exp(s - s.max(-1, keepdims=True))
    y = (s / s.sum(-1, keepdims=True)) @ v
    x = x + linear(y.transpose(1, 0, 2).reshape(n, w), p + "self_attn.out_proj")
    return x + linear(act(linear(norm(x, p + "layer_norm2"), p + "mlp.fc1")), p + "mlp.fc2")


def quick_gelu(x):
    return x / (1 + np.exp(-1.702 * x))


gelu = np.vectorize(lambda x: 0.5 * x * (1 + math.erf(x / math.sqrt(2))))


def image_embedding(pixels):
    x = (pixels.astype(np.float32) / np.float32(255) - np.float32(MEAN)) / np.float32(STD)
    x = x.astype(np.float64).transpose(2, 0, 1)
    g = PX // PATCH
    w = t("vision_model.embeddings.patch_embedding.weight").reshape(VW, -1)
    rows = [t("vision_model.embeddings.class_embedding")]
    for gy in range(g):
        for gx in range(g):
            rows.append(w @ x[:, gy * PATCH:(gy + 1) * PATCH, gx * PATCH:(gx + 1) * PATCH].reshape(-1))
    x = np.array(rows) + t("vision_model.embeddings.position_embedding.weight")
    x = norm(x, "vision_model.pre_layrnorm")
    for i in range(VL):
        x = block(x, f"vision_model.encoder.layers.{i}.", VH, False, gelu)
    return norm(x[0], "vision_model.post_layernorm") @ t("visual_projection.weight").T


def tokens(text):
    """Byte-pair encoding of lower-case ASCII, one merge at a time in the order of the list."""
    ranks = {tuple(m.split()): i for i, m in enumerate(MERGES)}
    names = [chr(c) for c in range(33, 127)]
    ids = {n: i for i, n in enumerate(names)} | {n + "</w>": 256 + i for i, n in enumerate(names)}
    ids |= {m.replace(" ", ""): 512 + i for i, m in enumerate(MERGES)}
    out = [START]
    for word in text.replace("!", " !").split():
        parts = list(word[:-1]) + [word[-1] + "</w>"]
        while len(parts) > 1:
            pair = min(zip(parts, parts[1:]), key=lambda p: ranks.get(p, 99))
            if pair not in ranks:
                break
            i = list(zip(parts, parts[1:])).index(pair)
            parts[i:i + 2] = ["".join(pair)]
        out += [ids[p] for p in parts]
    out.append(END)
    return out if len(out) <= CONTEXT else out[:CONTEXT - 1] + [END]


def text_embedding(text):
    ids = tokens(text)
    x = t("text_model.embeddings.token_embedding.weight")[ids]
    x = x + t("text_model.embeddings.position_embedding.weight")[:len(ids)]
    for i in range(TL):
        x = block(x, f"text_model.encoder.layers.{i}.", TH, True, quick_gelu)
    return norm(x[-1], "text_model.final_layer_norm") @ t("text_projection.weight").T


def save(path, arrays, metadata=None):
    types = {"float16": "F16", "float32": "F32", "uint8": "U8"}
    header, at = {"__metadata__": metadata} if metadata else {}, 0
    for name, a in arrays.items():
        header[name] = {"dtype": types[a.dtype.name], "shape": list(a.shape), "data_offsets": [at, at + a.nbytes]}
        at += a.nbytes
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(head)) + head + b"".join(a.tobytes() for a in arrays.values()))


def main():
    make_weights()
    save("vit/model.safetensors", tensors, {"format": "pt"})
    config = {"model_type": "clip", "projection_dim": DIM,
              "text_config": {"hidden_size": TW, "intermediate_size": TM, "num_hidden_layers": TL,
                              "num_attention_heads": TH, "max_position_embeddings": CONTEXT,
                              "vocab_size": VOCABULARY, "eos_token_id": END, "hidden_act": "quick_gelu"},
              "vision_config": {"hidden_size": VW, "intermediate_size": VM, "num_hidden_layers": VL,
                                "num_attention_heads": VH, "image_size": PX, "patch_size": PATCH,
                                "hidden_act": "gelu"}}
    pre = {"size": {"shortest_edge": PX}, "crop_size": {"height": PX, "width": PX}, "do_center_crop": True,
           "image_mean": MEAN, "image_std": STD, "resample": 3}
    for name, value in (("config.json", config), ("preprocessor_config.json", pre)):
        with open("vit/" + name, "w") as f:
            json.dump(value, f, indent=1)
            f.write("\n")
    with open("vit/merges.txt", "w") as f:
        f.write("\n".join(MERGES) + "\n")
    pixels = rng.integers(0, 256, (2, PX, PX, 3), dtype=np.uint8)
    save("vit_expected.safetensors", {
        "pixels": pixels,
        "image": np.array([image_embedding(p) for p in pixels], np.float32),
        "text": np.array([text_embedding(x) for x in TEXTS], np.float32)})


main()
