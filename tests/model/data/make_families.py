#!/usr/bin/env python3
"""Writes families/NAME: small models of random weights as Hugging Face keeps them, and what the originals make of
them in double precision, from the stored weights.

    python3 make_families.py [NAME...]   (in tests/model/data; torch 2.13, transformers 5.24, open_clip 3.3, safetensors)

Tokenizers are those of tests/text/data. Pictures are noise of our own.
"""
import json
import pathlib
import shutil
import sys

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


def finish(folder, image, texts, scale, pixels, ids, lines):
    unit = lambda x: (x / x.norm(dim=-1, keepdim=True)).float().contiguous()
    logits = scale.double().exp() * (image / image.norm(dim=-1, keepdim=True)) @ (texts / texts.norm(dim=-1, keepdim=True)).T
    save_file({"image_embeds_norm": unit(image), "text_embeds_norm": unit(texts), "logits_per_image": logits.float().contiguous()},
              folder / "expected.safetensors")
    save_file({"pixels_u8": torch.from_numpy(pixels), "input_ids": ids.int()}, folder / "inputs.safetensors")
    (folder / "expected.json").write_text(json.dumps({"texts": lines}))


def randomise(model, seed):
    """Rounded to half, as it will be stored."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for key, value in model.state_dict().items():
            if key == "logit_scale":
                value.fill_(3.9)
            elif value.is_floating_point() and "attn_mask" not in key:
                one = "norm" in key or "ln_" in key
                value.copy_((1 if one and key.endswith("weight") else 0) + torch.randn_like(value) *
                            (0.2 if one or value.dim() < 2 or "embedding" in key else value.shape[-1] ** -0.5))
                value.copy_(value.half().float())


def pixels_of(side, mean, std):
    pixels = numpy.random.default_rng(5).integers(0, 256, (6, side, side, 3), dtype=numpy.uint8)
    values = (pixels.astype(numpy.float32) / numpy.float32(255) - numpy.float32(mean)) / numpy.float32(std)
    return pixels, torch.from_numpy(values).permute(0, 3, 1, 2).double()


def xlm_tokenizer(folder):
    """XLM-R's form of the small vocabulary of unigram/: other markers, and one id more for each piece."""
    from transformers import XLMRobertaTokenizer

    small = json.loads((TOKENS / "unigram/tokenizer.json").read_text())
    charsmap = next(n["precompiled_charsmap"] for n in small["normalizer"]["normalizers"] if n["type"] == "Precompiled")
    vocab = [(n, 0.0) for n in ("<s>", "<pad>", "</s>", "<unk>")] + [tuple(p) for p in small["model"]["vocab"][3:]] + [("<mask>", 0.0)]
    tokenizer = XLMRobertaTokenizer(vocab=vocab, _spm_precompiled_charsmap=__import__("base64").b64decode(charsmap))
    tokenizer.save_pretrained(folder)
    return tokenizer, len(vocab)


def metaclip2():
    from transformers import MetaClip2Config, MetaClip2Model

    folder = HERE / "families/metaclip2"
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer, vocabulary = xlm_tokenizer(folder)
    config = {"model_type": "metaclip_2", "projection_dim": 24,
              "text_config": {**BLOCKS, "vocab_size": vocabulary, "max_position_embeddings": 24, "eos_token_id": 2,
                              "projection_dim": 24, "hidden_act": "quick_gelu"},
              "vision_config": {**BLOCKS, "image_size": 36, "patch_size": 12, "projection_dim": 24, "hidden_act": "quick_gelu"}}
    model = MetaClip2Model(MetaClip2Config(**config)).eval()
    randomise(model, 31)
    save_file({k: v.half().contiguous() if v.dim() else v for k, v in model.state_dict().items() if "position_ids" not in k},
              folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config))
    mean, std = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
    pixels, values = pixels_of(36, mean, std)
    ids = torch.tensor(tokenizer(TEXTS, padding="max_length", truncation=True, max_length=24).input_ids)
    scale = model.logit_scale.detach().clone()
    with torch.no_grad():
        out = model.double()(input_ids=ids, pixel_values=values)
    finish(folder, out.image_embeds, out.text_embeds, scale, pixels, ids, TEXTS)


def clipa():
    """As UCSC-VLAA/ViT-L-14-CLIPA-datacomp1B has them: WordPiece, whose end marker is taken away."""
    import open_clip
    from open_clip.tokenizer import HFTokenizer

    folder = HERE / "families/clipa"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(TOKENS / "wordpiece/tokenizer.json", folder)
    (folder / "tokenizer_config.json").write_text(json.dumps(
        {"tokenizer_class": "PreTrainedTokenizerFast", "sep_token": "[SEP]", "cls_token": "[CLS]", "pad_token": "[PAD]",
         "unk_token": "[UNK]", "mask_token": "[MASK]"}))
    vocabulary = len((TOKENS / "wordpiece/vocab.txt").read_text().split("\n")) - 1
    config = {"embed_dim": 24,
              "vision_cfg": {"image_size": 36, "layers": 2, "width": 32, "head_width": 16, "patch_size": 12, "mlp_ratio": 1.5,
                             "no_ln_pre": True, "pool_type": "avg", "final_ln_after_pool": True},
              "text_cfg": {"context_length": 16, "vocab_size": vocabulary, "hf_tokenizer_name": "bert-base-uncased",
                           "tokenizer_kwargs": {"strip_sep_token": True}, "width": 32, "heads": 2, "layers": 2, "mlp_ratio": 1.5,
                           "pool_type": "last", "no_causal_mask": True}}
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    model = open_clip.CLIP(24, config["vision_cfg"], config["text_cfg"]).eval()
    randomise(model, 33)
    state = {k: v.half().contiguous() if v.dim() else v for k, v in model.state_dict().items() if "attn_mask" not in k}
    save_file(state, folder / "open_clip_model.safetensors")
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg":
        {"size": 36, "mode": "RGB", "mean": mean, "std": std, "interpolation": "bilinear", "resize_mode": "squash"}}))
    pixels, values = pixels_of(36, mean, std)
    ids = HFTokenizer(str(folder), context_length=16, strip_sep_token=True)(TEXTS)
    scale = model.logit_scale.detach().clone()
    with torch.no_grad():
        image, texts = model.double().encode_image(values), model.encode_text(ids)
    finish(folder, image, texts, scale, pixels, ids, TEXTS)


MAKERS = {"siglip1": lambda: siglip("siglip1", ["unigram/spiece.model"], 700, 1),
          "siglip2": lambda: siglip("siglip2", ["pairs/tokenizer.json"], 1000, 0),
          "chinese_clip": chinese, "metaclip2": metaclip2, "clipa": clipa}
for name in sys.argv[1:] or MAKERS:
    MAKERS[name]()
