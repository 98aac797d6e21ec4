"""Writes a small CLIP with random weights as a Hugging Face folder, and pictures to show it, with nothing
but the standard library. The tokenizer is the original's, which models bring along by default."""
import io
import json
import os
import random
import struct
import zipfile
import zlib

EMBEDDING, WIDTH, LAYERS, HEADS, MLP, IMAGE, PATCH, VOCABULARY, CONTEXT = 16, 32, 2, 2, 64, 32, 16, 49408, 77


def halves(source, n, base=0.0):
    """n half-precision numbers: random ones of size about 1/16, or all equal to base."""
    if base:
        return struct.pack("<e", base) * n
    high = bytes(0x2C | (b & 0x83) for b in range(256))  # sign and 2 bits of the mantissa
    out = bytearray(2 * n)
    out[0::2] = source.randbytes(n)
    out[1::2] = source.randbytes(n).translate(high)
    return bytes(out)


def layer_shapes(prefix):
    shapes = {}
    for i in range(LAYERS):
        layer = f"{prefix}.encoder.layers.{i}."
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            shapes[f"{layer}self_attn.{name}.weight"] = [WIDTH, WIDTH]
            shapes[f"{layer}self_attn.{name}.bias"] = [WIDTH]
        for name in ("layer_norm1", "layer_norm2"):
            shapes[f"{layer}{name}.weight"] = shapes[f"{layer}{name}.bias"] = [WIDTH]
        shapes[layer + "mlp.fc1.weight"], shapes[layer + "mlp.fc1.bias"] = [MLP, WIDTH], [MLP]
        shapes[layer + "mlp.fc2.weight"], shapes[layer + "mlp.fc2.bias"] = [WIDTH, MLP], [WIDTH]
    return shapes


def shapes(embedding=EMBEDDING):
    n_tokens = (IMAGE // PATCH) ** 2 + 1
    out = {
        "logit_scale": [],
        "text_projection.weight": [embedding, WIDTH],
        "visual_projection.weight": [embedding, WIDTH],
        "text_model.embeddings.token_embedding.weight": [VOCABULARY, WIDTH],
        "text_model.embeddings.position_embedding.weight": [CONTEXT, WIDTH],
        "text_model.final_layer_norm.weight": [WIDTH],
        "text_model.final_layer_norm.bias": [WIDTH],
        "vision_model.embeddings.class_embedding": [WIDTH],
        "vision_model.embeddings.patch_embedding.weight": [WIDTH, 3, PATCH, PATCH],
        "vision_model.embeddings.position_embedding.weight": [n_tokens, WIDTH],
        "vision_model.pre_layrnorm.weight": [WIDTH],
        "vision_model.pre_layrnorm.bias": [WIDTH],
        "vision_model.post_layernorm.weight": [WIDTH],
        "vision_model.post_layernorm.bias": [WIDTH],
    }
    out.update(layer_shapes("text_model"))
    out.update(layer_shapes("vision_model"))
    return out


def safetensors(tensors, metadata=None):
    """tensors: name -> (dtype, shape, bytes)."""
    header, at = {}, 0
    if metadata:
        header["__metadata__"] = metadata
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(data for _, _, data in tensors.values())


def weights(seed=1, embedding=EMBEDDING):
    source = random.Random(seed)
    tensors = {}
    for name, shape in shapes(embedding).items():
        n = 1
        for side in shape:
            n *= side
        is_gain = name.endswith("weight") and ("norm" in name)
        base = 4.6 if name == "logit_scale" else 1.0 if is_gain else 0.0
        tensors[name] = ("F16", shape, halves(source, n, base))
    return safetensors(tensors)


CONFIG = {
    "model_type": "clip",
    "projection_dim": EMBEDDING,
    "text_config": {
        "hidden_size": WIDTH, "intermediate_size": MLP, "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS, "max_position_embeddings": CONTEXT, "vocab_size": VOCABULARY,
        "hidden_act": "quick_gelu",
    },
    "vision_config": {
        "hidden_size": WIDTH, "intermediate_size": MLP, "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS, "image_size": IMAGE, "patch_size": PATCH, "hidden_act": "quick_gelu",
    },
}

PREPROCESSOR = {
    "crop_size": {"height": IMAGE, "width": IMAGE}, "size": {"shortest_edge": IMAGE}, "resample": 3,
    "do_center_crop": True, "do_resize": True, "do_normalize": True,
    "image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711],
}


def write_model(folder, seed=1, embedding=EMBEDDING):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "config.json"), "w") as file:
        json.dump({**CONFIG, "projection_dim": embedding}, file)
    with open(os.path.join(folder, "preprocessor_config.json"), "w") as file:
        json.dump(PREPROCESSOR, file)
    with open(os.path.join(folder, "model.safetensors"), "wb") as file:
        file.write(weights(seed, embedding))
    return folder


def png(width, height, seed=0):
    """A picture of coloured noise over a gradient."""
    source = random.Random(seed)

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes((x * 255 // width + source.randrange(40)) & 255 for x in range(3 * width))
                    for _ in range(height))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def read_safetensors(path):
    """name -> (dtype, shape, bytes), and the metadata."""
    with open(path, "rb") as file:
        data = file.read()
    n = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + n])
    metadata = header.pop("__metadata__", {})
    body = data[8 + n:]
    return {name: (entry["dtype"], entry["shape"], body[slice(*entry["data_offsets"])])
            for name, entry in header.items()}, metadata


def pickled(data):
    """The same weights as PyTorch's torch.save writes a state dict: safetensors bytes -> archive bytes."""
    n = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + n])
    header.pop("__metadata__", None)
    storages = {"F32": ("FloatStorage", 4), "F16": ("HalfStorage", 2), "BF16": ("BFloat16Storage", 2), "I64": ("LongStorage", 8)}

    def text(value):
        return b"X" + struct.pack("<I", len(value)) + value.encode()

    def numbers(values):
        return b"(" + b"".join(b"J" + struct.pack("<i", v) for v in values) + b"t"

    archive, program = io.BytesIO(), b"\x80\x02}("
    with zipfile.ZipFile(archive, "w") as zip_file:
        for i, (name, entry) in enumerate(header.items()):
            kind, size = storages[entry["dtype"]]
            begin, end = entry["data_offsets"]
            strides = [1]
            for side in reversed(entry["shape"][1:]):
                strides.insert(0, strides[0] * side)
            program += (text(name) + b"ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage") + f"ctorch\n{kind}\n".encode() +
                        text(str(i)) + text("cpu") + b"J" + struct.pack("<i", (end - begin) // size) + b"tQK\0" +
                        numbers(entry["shape"]) + numbers(strides if entry["shape"] else []) +
                        b"\x89ccollections\nOrderedDict\n)RtR")
            zip_file.writestr(f"w/data/{i}", data[8 + n + begin:8 + n + end])
        zip_file.writestr("w/data.pkl", program + b"u.")
    return archive.getvalue()
