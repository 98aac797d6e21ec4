#!/usr/bin/env python3
"""Writes a CLIP of a given shape with random weights as a Hugging Face folder, for benches.

Speed does not depend on what weights say. Seeded: the same shape always gives the same bytes.
    bench/random_clip.py b32 OUT_FOLDER [--dtype f32|f16]
"""
import argparse
import json
import os
import struct

import numpy as np

SHAPES = {  # image px, patch, vision (width, layers, heads), text (width, layers, heads), embedding
    "b32": (224, 32, (768, 12, 12), (512, 12, 8), 512),
    "b16": (224, 16, (768, 12, 12), (512, 12, 8), 512),
    "l14": (224, 14, (1024, 24, 16), (768, 12, 12), 768),
    "tiny": (64, 16, (128, 2, 2), (64, 2, 1), 64),
}
MEAN = [0.48145466, 0.4578275, 0.40821073]
STD = [0.26862954, 0.26130258, 0.27577711]


def tensors(shape):
    px, patch, (vw, vl, _), (tw, tl, _), embedding = SHAPES[shape]
    yield "vision_model.embeddings.class_embedding", (vw,), vw**-0.5
    yield "vision_model.embeddings.patch_embedding.weight", (vw, 3, patch, patch), 0.02
    yield "vision_model.embeddings.position_embedding.weight", ((px // patch) ** 2 + 1, vw), 0.02
    yield "text_model.embeddings.token_embedding.weight", (49408, tw), 0.02
    yield "text_model.embeddings.position_embedding.weight", (77, tw), 0.01
    for norm, width in (("vision_model.pre_layrnorm", vw), ("vision_model.post_layernorm", vw),
                        ("text_model.final_layer_norm", tw)):
        yield norm + ".weight", (width,), None
        yield norm + ".bias", (width,), 0.02
    for tower, width, layers in (("vision_model", vw, vl), ("text_model", tw, tl)):
        for i in range(layers):
            p = f"{tower}.encoder.layers.{i}."
            for n in ("layer_norm1", "layer_norm2"):
                yield p + n + ".weight", (width,), None
                yield p + n + ".bias", (width,), 0.02
            for n in "qkv":
                yield p + f"self_attn.{n}_proj.weight", (width, width), width**-0.5
                yield p + f"self_attn.{n}_proj.bias", (width,), 0.02
            out = (width**-0.5) * (2 * layers) ** -0.5
            yield p + "self_attn.out_proj.weight", (width, width), out
            yield p + "self_attn.out_proj.bias", (width,), 0.02
            yield p + "mlp.fc1.weight", (4 * width, width), (2 * width) ** -0.5
            yield p + "mlp.fc1.bias", (4 * width,), 0.02
            yield p + "mlp.fc2.weight", (width, 4 * width), out
            yield p + "mlp.fc2.bias", (width,), 0.02
    yield "visual_projection.weight", (embedding, vw), vw**-0.5
    yield "text_projection.weight", (embedding, tw), tw**-0.5


def write(shape, folder, dtype):
    px, patch, (vw, vl, vh), (tw, tl, th), embedding = SHAPES[shape]
    os.makedirs(folder, exist_ok=True)
    rng = np.random.default_rng(20210105)
    np_type, st_type = {"f32": (np.float32, "F32"), "f16": (np.float16, "F16")}[dtype]
    header, at, todo = {"__metadata__": {"format": "pt"}}, 0, []
    for name, dims, std in list(tensors(shape)) + [("logit_scale", (), None)]:
        n = int(np.prod(dims, dtype=np.int64)) * np.dtype(np_type).itemsize
        header[name] = {"dtype": st_type, "shape": list(dims), "data_offsets": [at, at + n]}
        todo.append((name, dims, std))
        at += n
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    with open(os.path.join(folder, "model.safetensors"), "wb") as f:
        f.write(struct.pack("<Q", len(head)) + head)
        for name, dims, std in todo:
            if name == "logit_scale":
                x = np.array(4.6052)
            elif std is None:  # a norm's weight
                x = 1.0 + 0.1 * rng.standard_normal(dims, dtype=np.float32)
            else:
                x = std * rng.standard_normal(dims, dtype=np.float32)
            f.write(np.asarray(x, dtype=np_type).tobytes())
    config = {
        "architectures": ["CLIPModel"], "model_type": "clip", "projection_dim": embedding,
        "text_config": {"hidden_size": tw, "intermediate_size": 4 * tw, "num_hidden_layers": tl,
                        "num_attention_heads": th, "projection_dim": embedding},
        "vision_config": {"hidden_size": vw, "intermediate_size": 4 * vw, "num_hidden_layers": vl,
                          "num_attention_heads": vh, "image_size": px, "patch_size": patch,
                          "projection_dim": embedding},
    }
    pre = {"crop_size": px, "do_center_crop": True, "do_normalize": True, "do_resize": True,
           "image_mean": MEAN, "image_std": STD, "resample": 3, "size": px}
    for name, value in (("config.json", config), ("preprocessor_config.json", pre)):
        with open(os.path.join(folder, name), "w") as f:
            json.dump(value, f, indent=1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("folder")
    parser.add_argument("--dtype", choices=("f32", "f16"), default="f32")
    args = parser.parse_args()
    write(args.shape, args.folder, args.dtype)
