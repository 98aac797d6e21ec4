#!/usr/bin/env python3
"""Writes families/NAME: small models of random weights as Hugging Face keeps them, and what the originals make of
them in double precision, from the stored weights.

    python3 make_families.py           (in tests/model/data; torch 2.13, transformers 5.24, safetensors)

Tokenizers are those of tests/text/data. Pictures are noise of our own.
"""
import json
import pathlib
import shutil

import numpy
import torch
from safetensors.torch import load_file, save_file
from transformers import ChineseCLIPConfig, ChineseCLIPModel, SiglipConfig, SiglipModel

HERE = pathlib.Path(__file__).resolve().parent
TOKENS = HERE.parent.parent / "text/data"
TEXTS = ["a photo of a cat.", "a dog", "Two Birds, one stone", "café", "", "jack-o'-lantern", "a photo of a house",
         "grün & blau", "你好", "one", "a very long sentence of many words that goes on and on until nothing is left of "
         "the place that a text has in such a small context as this one is", "the end"]
BLOCKS = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}


def write(name, model, config, tokenizer, context, pad, mask, preprocess, sigmoid):
    folder = HERE / "families" / name
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(len(name))
    for key, value in model.state_dict().items():
        if value.is_floating_point() and value.dim() > 1:
            torch.nn.init.normal_(value, std=0.5 / value.shape[-1] ** 0.5 if "embedding" not in key else 0.4)
        elif value.is_floating_point() and value.dim() == 1 and value.numel() > 1:
            value.add_(torch.randn_like(value) * 0.1)
    with torch.no_grad():
        model.logit_scale.fill_(3.9)
        if sigmoid:
            model.logit_bias.fill_(-8.5)
    save_file({k: v.half().contiguous() for k, v in model.state_dict().items() if "position_ids" not in k},
              folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocess))
    for file in tokenizer:
        shutil.copy(TOKENS / file, folder)
    rows = {json.loads(line)["text"]: json.loads(line)["ids"] for line in open(TOKENS / tokenizer[0].split("/")[0] / "tokens.jsonl")}
    texts = [t for t in rows if t.isprintable()][5:17]
    ids = torch.tensor([(rows[t][:context - 1] + [rows[t][-1]] if len(rows[t]) > context else rows[t] +
                         [pad] * (context - len(rows[t]))) for t in texts])
    model.load_state_dict({k: v.float() for k, v in load_file(folder / "model.safetensors").items()}, strict=False)
    model = model.double().eval()
    side = config["vision_config"]["image_size"]
    pixels = numpy.random.default_rng(5).integers(0, 256, (6, side, side, 3), dtype=numpy.uint8)
    mean, std = numpy.float32(preprocess["image_mean"]), numpy.float32(preprocess["image_std"])
    values = torch.from_numpy((pixels.astype(numpy.float32) / numpy.float32(255) - mean) / std).permute(0, 3, 1, 2).double()
    more = {"attention_mask": (ids != pad).long()} if mask else {}
    with torch.no_grad():
        out = model(input_ids=ids, pixel_values=values, **more)
    unit = lambda x: (x / x.norm(dim=-1, keepdim=True)).float().contiguous()
    save_file({"image_embeds_norm": unit(out.image_embeds), "text_embeds_norm": unit(out.text_embeds),
               "logits_per_image": out.logits_per_image.float().contiguous()}, folder / "expected.safetensors")
    save_file({"pixels_u8": torch.from_numpy(pixels), "input_ids": ids.int()}, folder / "inputs.safetensors")
    (folder / "expected.json").write_text(json.dumps({"texts": texts}))


def preprocess(side, mean, std, **more):
    return {"do_resize": True, "do_rescale": True, "do_normalize": True, "rescale_factor": 1 / 255, "image_mean": mean,
            "image_std": std, "size": {"height": side, "width": side}, "resample": 2, **more}


def siglip(name, tokenizer, vocabulary, pad):
    config = {"model_type": "siglip", "text_config": {**BLOCKS, "vocab_size": vocabulary, "max_position_embeddings": 24},
              "vision_config": {**BLOCKS, "image_size": 36, "patch_size": 8}}
    write(name, SiglipModel(SiglipConfig(**config)), config, tokenizer, 24, pad, False,
          preprocess(36, [0.5] * 3, [0.5] * 3), True)


def chinese():
    vocabulary = len((TOKENS / "wordpiece/vocab.txt").read_text().split("\n")) - 1
    config = {"model_type": "chinese_clip", "projection_dim": 24,
              "text_config": {**BLOCKS, "vocab_size": vocabulary, "max_position_embeddings": 60, "hidden_act": "gelu"},
              "vision_config": {**BLOCKS, "image_size": 36, "patch_size": 12, "hidden_act": "quick_gelu"}}
    mean, std = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
    write("chinese_clip", ChineseCLIPModel(ChineseCLIPConfig(**config)), config, ["wordpiece/vocab.txt"], 52, 0, True,
          preprocess(36, mean, std, do_center_crop=False), False)


siglip("siglip1", ["unigram/spiece.model"], 700, 1)
siglip("siglip2", ["pairs/tokenizer.json"], 1000, 0)
chinese()
