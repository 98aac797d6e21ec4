#!/usr/bin/env python3
"""Writes vit_explained.safetensors: what explanations of vit/ must say about the first picture of
vit_expected.safetensors, computed in float64 with the equations of make_reference.py.

    python3 make_explained.py        (the committed file is its output)
"""
import os
import sys
import tempfile

import numpy as np

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, here)
sys.dont_write_bytecode = True
os.chdir(tempfile.mkdtemp())
os.mkdir("vit")
import make_reference as m  # noqa: E402  (writes its files where it is run)


def tokens_before(layer, pixels):
    x = (pixels.astype(np.float32) / np.float32(255) - np.float32(m.MEAN)) / np.float32(m.STD)
    x, g = x.astype(np.float64).transpose(2, 0, 1), m.PX // m.PATCH
    w = m.t("vision_model.embeddings.patch_embedding.weight").reshape(m.VW, -1)
    rows = [m.t("vision_model.embeddings.class_embedding")]
    rows += [w @ x[:, y * m.PATCH:(y + 1) * m.PATCH, z * m.PATCH:(z + 1) * m.PATCH].reshape(-1)
             for y in range(g) for z in range(g)]
    x = m.norm(np.array(rows) + m.t("vision_model.embeddings.position_embedding.weight"), "vision_model.pre_layrnorm")
    for i in range(layer):
        x = m.block(x, f"vision_model.encoder.layers.{i}.", m.VH, False, m.gelu)
    return x


def regions(pixels):
    """MaskCLIP: in the last block each token attends to itself alone."""
    x, p = tokens_before(m.VL - 1, pixels), f"vision_model.encoder.layers.{m.VL - 1}."
    x = x + m.linear(m.linear(m.norm(x, p + "layer_norm1"), p + "self_attn.v_proj"), p + "self_attn.out_proj")
    x = x + m.linear(m.gelu(m.linear(m.norm(x, p + "layer_norm2"), p + "mlp.fc1")), p + "mlp.fc2")
    return m.norm(x[1:], "vision_model.post_layernorm") @ m.t("visual_projection.weight").T


def activations(layer, pixels):
    """The class token's MLP units: what enters fc2, from the attention's half of the block."""
    x, p = tokens_before(layer, pixels), f"vision_model.encoder.layers.{layer}."
    kept, m.tensors[p + "mlp.fc2.weight"] = m.tensors[p + "mlp.fc2.weight"], np.zeros((m.VW, m.VM), np.float16)
    half = m.block(x, p, m.VH, False, m.gelu) - m.t(p + "mlp.fc2.bias")
    m.tensors[p + "mlp.fc2.weight"] = kept
    return m.gelu(m.linear(m.norm(half[0], p + "layer_norm2"), p + "mlp.fc1"))


def units(pixels, k):
    """(layer, index, activation, share) of the k units that give most, and their directions."""
    embedding, found = m.image_embedding(pixels), []
    for layer in range(m.VL - 2, m.VL):
        d = m.t(f"vision_model.encoder.layers.{layer}.mlp.fc2.weight").T
        d = (d - d.mean(-1, keepdims=True)) * m.t("vision_model.post_layernorm.weight")
        d = d @ m.t("visual_projection.weight").T
        for u, a in enumerate(activations(layer, pixels)):
            found.append((a * (d[u] @ embedding), layer, u, a, d[u] / np.linalg.norm(d[u]) * np.sign(a)))
    total = sum(f[0] for f in found if f[0] > 0)
    found.sort(key=lambda f: -f[0])
    return ([[f[1], f[2], f[3], f[0] / total] for f in found[:k]], [f[4] for f in found[:k]])


first = np.fromfile(os.path.join(here, "vit_expected.safetensors"), np.uint8)
n = int.from_bytes(first[:8].tobytes(), "little")
first = first[8 + n:8 + n + m.PX * m.PX * 3].reshape(m.PX, m.PX, 3)
table, directions = units(first, 8)
m.save(os.path.join(here, "vit_explained.safetensors"), {
    "regions": np.array(regions(first), np.float32), "units": np.array(table, np.float32),
    "directions": np.array(directions, np.float32)})
