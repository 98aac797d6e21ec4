#!/usr/bin/env python3
"""Small models of every cause, with what the originals make of them, for test_originals.c.

    pip install open_clip_torch==3.3.0 transformers==5.24.0 timm==1.0.31 efficientnet_lite_pytorch==0.1.0   # and torch, safetensors
    tests/model/data/make_originals.py [NAME...]

Each folder of originals/ holds a checkpoint as people have it, with seeded random weights, and
expected.safetensors: pixels u8 [n,px,px,3], input_ids i32 [n,context] with padding, image_embeds and
text_embeds f32, before normalisation, regions f32 [n,places,dim] of some (each place's own embedding), computed in float64 by the original from the stored weights.
"""
import copy
import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

HERE = Path(__file__).resolve().parent / "originals"
VISION = {"image_size": 12, "layers": 2, "width": 16, "head_width": 8, "patch_size": 4, "mlp_ratio": 2.0}
TEXT = {"context_length": 10, "vocab_size": 48, "width": 16, "heads": 2, "layers": 2, "mlp_ratio": 2.0}
CUSTOM = {"block_type": "custom", "qk_norm": True, "scale_heads": True, "scale_attn_inner": True,
          "scale_attn": True, "scale_fc": True}

# name: (options of vision, of text, of the model, of preprocessing, prefix "text.")
OPEN_CLIP = {
    "open_clip_gelu": ({}, {}, {}, {"interpolation": "bilinear"}),
    "open_clip_quickgelu": ({}, {}, {"quick_gelu": True}, {"resize_mode": "longest", "fill_color": 255}),
    "open_clip_layer_scale": ({"ls_init_value": 0.5}, {"ls_init_value": 0.5}, {}, {}),
    "open_clip_custom_blocks": (CUSTOM, {"block_type": "custom", "qk_norm": True, "scale_fc": True}, {}, {}),
    "open_clip_clipa": ({"no_ln_pre": True, "pool_type": "avg", "final_ln_after_pool": True},
                        {"no_causal_mask": True, "pool_type": "last"}, {"custom_text": True},
                        {"resize_mode": "squash"}),
    "open_clip_remainder": ({"image_size": 15, "pool_type": "avg", "norm_kwargs": {"eps": 1e-6}},
                            {"pool_type": "first"}, {}, {}),
    "open_clip_sees_all": ({"act_kwargs": {"approximate": "tanh"}},
                           {"no_causal_mask": True, "proj_bias": True}, {"custom_text": True}, {}),
    "open_clip_eos": ({"pos_embed_type": "sin_cos_2d", "head_width": 4, "width": 20},
                      {"pool_type": "eos", "eos_id": 5, "proj_type": "none", "width": 24}, {}, {}),
    "open_clip_causal_last": ({}, {"pool_type": "last"}, {"init_logit_bias": -10}, {}),
    "open_clip_resnet": ({"image_size": 64, "layers": [1, 2, 1, 1], "width": 2, "head_width": 16}, {},
                         {"quick_gelu": True}, {}),
}


def randomise(model, seed):
    """Every weight, also those that start at 0 or 1, so that none can be forgotten unnoticed."""
    generator = torch.Generator().manual_seed(seed)
    fixed = {"logit_scale", "logit_bias"}
    for name, tensor in list(model.named_parameters()) + list(model.named_buffers()):
        if name.split(".")[-1] in fixed or not tensor.is_floating_point() or "attn_mask" in name or "rope." in name:
            continue
        noise = torch.randn(tensor.shape, generator=generator)
        with torch.no_grad():
            if "running_var" in name:
                tensor.copy_(1 + 0.2 * noise.abs())
            elif tensor.dim() >= 2 and "positional" not in name and "head_scale" not in name:
                tensor.copy_(noise / tensor[0].numel() ** 0.5)
            elif "weight" in name or "gamma" in name or "head_scale" in name:
                tensor.copy_(1 + 0.3 * noise)
            else:
                tensor.copy_(0.3 * noise)
            tensor.copy_(tensor.half().to(tensor.dtype))


def token_ids(context, vocabulary, end):
    generator = torch.Generator().manual_seed(3)
    ids = torch.zeros(4, context, dtype=torch.int64)
    for row, n in enumerate([1, 3, 3, context - 2]):
        ids[row, 0] = vocabulary - 2
        ids[row, 1 : n + 1] = torch.randint(6, vocabulary - 2, (n,), generator=generator)
        ids[row, n + 1] = end
    ids[2, :3] = ids[1, :3]  # a shared beginning
    return ids


def pixel_values(pixels, mean, std):
    x = pixels.to(torch.float32) / 255
    x = (x - torch.tensor(mean, dtype=torch.float32)) / torch.tensor(std, dtype=torch.float32)
    return x.permute(0, 3, 1, 2).double()


def write(folder, weights_name, state, config_name, config, expected):
    folder.mkdir(parents=True, exist_ok=True)
    state = {k: (v if v.dim() == 0 or not v.is_floating_point() else v.half()).contiguous() for k, v in state.items()}
    save_file(state, folder / weights_name)
    (folder / config_name).write_text(json.dumps(config, indent=1) + "\n")
    save_file({k: v.contiguous() for k, v in expected.items()}, folder / "expected.safetensors")
    print(folder.name, sum(p.stat().st_size for p in folder.iterdir()))


def make_open_clip(name, seed):
    import open_clip

    vision, text, model_options, preprocess = OPEN_CLIP[name]
    config = {"embed_dim": 24, "vision_cfg": {**VISION, **vision}, "text_cfg": {**TEXT, **text}, **model_options}
    if text.get("proj_type") != "none":
        config["embed_dim"] = 16
    options = copy.deepcopy(config)
    custom = options.pop("custom_text", False)
    model = (open_clip.CustomTextCLIP if custom else open_clip.CLIP)(**options, output_dict=False)
    model.eval()
    randomise(model, seed)
    model = model.double()
    mean, std = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
    px = config["vision_cfg"]["image_size"]
    pixels = torch.randint(0, 256, (2, px, px, 3), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    end = text.get("eos_id", TEXT["vocab_size"] - 1)
    ids = token_ids(TEXT["context_length"], TEXT["vocab_size"], end)
    with torch.no_grad():
        image = model.encode_image(pixel_values(pixels, mean, std))
        texts = model.encode_text(ids)
    write(HERE / name, "open_clip_model.safetensors", {k: v.float() if v.is_floating_point() else v for k, v in model.state_dict().items()},
          "open_clip_config.json", {"model_cfg": config, "preprocess_cfg": {"mean": mean, "std": std, **preprocess}},
          {"pixels": pixels, "input_ids": ids.int(), "image_embeds": image.float(), "text_embeds": texts.float()})


def make_low_rank(name, seed):
    """open_clip_quickgelu's text tower, its token table of rank 6 and stored as two factors, which is ours:
    computed here as CLIP's model.py defines it."""
    from safetensors.torch import load_file

    of = HERE / "open_clip_quickgelu"
    w = {k: v.double() for k, v in load_file(of / "open_clip_model.safetensors").items()}
    inputs = load_file(of / "expected.safetensors")
    generator = torch.Generator().manual_seed(seed)
    width, heads = TEXT["width"], TEXT["heads"]
    rows = torch.randn(TEXT["vocab_size"], 6, generator=generator).half()
    widen = (torch.randn(width, 6, generator=generator) / 6 ** 0.5).half()
    norm = lambda x, p: torch.nn.functional.layer_norm(x, (width,), w[p + ".weight"], w[p + ".bias"])
    ids = inputs["input_ids"].long()
    x = (rows.double() @ widen.double().T)[ids] + w["positional_embedding"]
    for i in range(TEXT["layers"]):
        p = f"transformer.resblocks.{i}."
        q, k, v = (norm(x, p + "ln_1") @ w[p + "attn.in_proj_weight"].T + w[p + "attn.in_proj_bias"]).view(
            *ids.shape, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
        s = q @ k.transpose(-1, -2) / (width // heads) ** 0.5
        s = s.masked_fill(torch.ones(s.shape[-2:], dtype=torch.bool).triu(1), float("-inf"))
        a = (torch.softmax(s, -1) @ v).transpose(1, 2).flatten(2)
        x = x + a @ w[p + "attn.out_proj.weight"].T + w[p + "attn.out_proj.bias"]
        h = norm(x, p + "ln_2") @ w[p + "mlp.c_fc.weight"].T + w[p + "mlp.c_fc.bias"]
        x = x + (h * torch.sigmoid(1.702 * h)) @ w[p + "mlp.c_proj.weight"].T + w[p + "mlp.c_proj.bias"]
    ends = norm(x, "ln_final")[torch.arange(len(ids)), ids.argmax(1)]
    state = {**w, "token_embedding.weight": rows, "token_projection.weight": widen}
    state = {k: v.float() for k, v in state.items() if not k.startswith("visual.")}
    config = json.loads((of / "open_clip_config.json").read_text())
    write(HERE / name, "open_clip_model.safetensors", state, "open_clip_config.json", config,
          {"input_ids": inputs["input_ids"], "text_embeds": (ends @ w["text_projection"]).float()})


def make_hf(name, seed):
    from transformers import CLIPConfig, CLIPModel

    tower = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = CLIPConfig(
        projection_dim=16,
        text_config={**tower, "vocab_size": 48, "max_position_embeddings": 10, "hidden_act": "gelu",
                     "eos_token_id": 5, "bos_token_id": 46, "pad_token_id": 0},
        vision_config={**tower, "image_size": 12, "patch_size": 4, "hidden_act": "quick_gelu"})
    model = CLIPModel(config).eval()
    randomise(model, seed)
    model = model.double()
    pixels = torch.randint(0, 256, (2, 12, 12, 3), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    ids = token_ids(10, 48, 5)
    mean, std = [0.5, 0.5, 0.5], [0.25, 0.25, 0.25]
    with torch.no_grad():
        image = model.visual_projection(model.vision_model(pixel_values=pixel_values(pixels, mean, std)).pooler_output)
        texts = model.text_projection(model.text_model(input_ids=ids).pooler_output)
    folder = HERE / name
    write(folder, "model.safetensors", {k: v.float() if v.is_floating_point() else v for k, v in model.state_dict().items()}, "config.json",
          json.loads(config.to_json_string()),
          {"pixels": pixels, "input_ids": ids.int(), "image_embeds": image.float(), "text_embeds": texts.float()})
    (folder / "preprocessor_config.json").write_text(json.dumps(
        {"size": {"shortest_edge": 14}, "crop_size": {"height": 12, "width": 12}, "resample": 3,
         "image_mean": mean, "image_std": std}, indent=1) + "\n")


# name: (timm's name, what makes it small, side, timm_pool, timm_proj, mean and std of pixels)
HALF, OPENAI = ((0.5,) * 3,) * 2, ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
TIMM = {
    "open_clip_pe_core": ("vit_pe_core_small_patch16_384", dict(img_size=15, patch_size=4, embed_dim=64, num_heads=1, depth=2,
                          mlp_ratio=0.5, attn_pool_mlp_ratio=0.5), 15, "map", None, HALF),
    "open_clip_eva02": ("eva02_base_patch16_clip_224", dict(img_size=15, patch_size=4, embed_dim=64, num_heads=2, depth=2,
                        mlp_ratio=0.6), 15, "token", None, OPENAI),
    "open_clip_convnext": ("convnext_base", dict(depths=(1, 2, 1, 1), dims=(8, 16, 24, 40)), 64, "", "linear", OPENAI),
    "open_clip_fastvit": ("fastvit_mci0", dict(layers=(1, 2, 1, 1), embed_dims=(8, 16, 32, 64)), 64, "avg", None,
                          ((0.0,) * 3, (1.0,) * 3)),
}


def regions_of(trunk, head, values):
    """Each place's own embedding: what follows the last mixing of places, of that place alone."""
    if hasattr(trunk, "final_conv"):  # FastViT: only a mean and a matrix stand behind
        x = trunk.forward_features(values).flatten(2).transpose(1, 2)
        return trunk.head.fc(x)
    if hasattr(trunk, "stages"):  # ConvNeXt
        x = trunk.forward_features(values)
        places = x.flatten(2).transpose(1, 2).flatten(0, 1)[:, :, None, None]
        return head(trunk.forward_head(places)).unflatten(0, (len(x), -1))
    x, rope = trunk._pos_embed(trunk.patch_embed(values))
    x = trunk.norm_pre(x)
    for block in trunk.blocks[:-1]:
        x = block(x, rope=rope)
    last = trunk.blocks[-1]
    y = last.norm1(x)
    v = last.attn.qkv(y).chunk(3, -1)[2] if last.attn.qkv is not None else last.attn.v_proj(y)
    x = x + last.attn.proj(last.attn.norm(v))
    x = trunk.norm(x + last.mlp(last.norm2(x)))[:, trunk.num_prefix_tokens:]
    if trunk.attn_pool is not None:
        x = trunk.attn_pool(x.flatten(0, 1)[:, None]).unflatten(0, x.shape[:2])
    return trunk.head(trunk.fc_norm(x))


def make_timm(name, seed):
    """An image tower of timm's beside open_clip's text tower."""
    import timm
    from open_clip.model import CLIPTextCfg, _build_text_tower

    timm_name, small, px, pool, proj, (mean, std) = TIMM[name]
    embed = 24
    trunk = timm.create_model(timm_name, num_classes=0 if proj else embed, **({"global_pool": pool} if pool else {}), **small)
    parts = {"trunk": trunk}
    if proj:
        parts["head"] = torch.nn.ModuleDict({"proj": torch.nn.Linear(trunk.num_features, embed, bias=False)})
    text = _build_text_tower(embed, CLIPTextCfg(**TEXT), quick_gelu=False)
    model = torch.nn.ModuleDict({"visual": torch.nn.ModuleDict(parts), "text": text}).eval()
    randomise(model, seed)
    model = model.double()
    config = {"embed_dim": embed, "custom_text": True, "text_cfg": TEXT,
              "vision_cfg": {"image_size": px, "timm_model_name": timm_name, "timm_model_pretrained": False,
                             "timm_pool": pool, "timm_proj": proj}}
    pixels = torch.randint(0, 256, (2, px, px, 3), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    ids = token_ids(TEXT["context_length"], TEXT["vocab_size"], TEXT["vocab_size"] - 1)
    with torch.no_grad():
        values = pixel_values(pixels, mean, std)
        image, texts = trunk(values), text(ids)
        image = parts["head"]["proj"](image) if proj else image
        regions = regions_of(trunk, parts["head"]["proj"] if proj else None, values)
    state = {k: v.float() if v.is_floating_point() else v for k, v in model.state_dict().items() if "attn_mask" not in k}
    write(HERE / name, "open_clip_model.safetensors", state, "open_clip_config.json", config,
          {"pixels": pixels, "input_ids": ids.int(), "image_embeds": image.float(), "text_embeds": texts.float(),
           "regions": regions.float()})


# name: (options of vision, of text, of the decoder, seed, whether sentences are asked for)
COCA = {
    "open_clip_coca": ({"width": 24}, {"context_length": 32, "vocab_size": 520}, {"heads": 4}, 0, True),
    "open_clip_coca_equal": ({"attn_pooler_heads": 2}, {}, {}, 1, False),  # widths, so that the pooler's matrices are one
}


def coca_sentences(model, values, start, end):
    """What open_clip itself generates, step by step the largest logit, and by its beams, of each picture alone."""
    out = {}
    for p in range(len(values)):
        ask = dict(sot_token_id=start, eos_token_id=end, pad_token_id=0)
        out[f"greedy.{p}"] = model.generate(values[p:p + 1], generation_type="top_k", top_k=1, **ask)[0]
        out[f"beam.{p}"] = model.generate(values[p:p + 1], **ask)[0]
        out[f"beam4.{p}"] = model.generate(values[p:p + 1], num_beams=4, num_beam_groups=1, **ask)[0]
    return {k: v.int() for k, v in out.items()}


def make_coca(name, seed):
    """CoCa. Its search needs a transformers that still has BeamSearchScorer: 4.48. The tokenizer is vit/'s, of six merges."""
    import open_clip
    from open_clip.coca_model import CoCa

    vision, text, decoder, seed, sentences = COCA[name]
    text = {**TEXT, **text, "embed_cls": True, "output_tokens": True}
    config = {"embed_dim": 16, "custom_text": True, "text_cfg": text,
              "vision_cfg": {**VISION, "attentional_pool": True, "attn_pooler_queries": 6, "attn_pooler_heads": 4, "output_tokens": True,
                             **vision},
              "multimodal_cfg": {"context_length": text["context_length"], "vocab_size": text["vocab_size"], "width": 16, "heads": 2,
                                 "layers": 2, **decoder}}
    options = {k: v for k, v in copy.deepcopy(config).items() if k != "custom_text"}
    model = CoCa(**options).eval()
    randomise(model, 200 + seed)
    start, end = text["vocab_size"] - 2, text["vocab_size"] - 1
    with torch.no_grad():
        model.text.positional_embedding.mul_(4)  # else every token is followed by itself, and hardly a sentence ends
        model.text_decoder.text_projection[:, end].mul_(3.2).copy_(model.text_decoder.text_projection[:, end].half().float())
        model.text.positional_embedding.copy_(model.text.positional_embedding.half().float())
    model = model.double()
    mean, std = OPENAI
    px = config["vision_cfg"]["image_size"]
    pixels = torch.randint(0, 256, (4, px, px, 3), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    values = pixel_values(pixels, mean, std)
    ids = torch.cat([token_ids(text["context_length"], text["vocab_size"], end), torch.zeros(2, text["context_length"], dtype=torch.int64)])
    ids[4, :6] = torch.tensor([start, 7, 0, 9, 11, end])  # "!" is what pads, too
    ids[5] = torch.arange(8, 8 + text["context_length"])  # no room for padding
    ids[5, 0], ids[5, -1] = start, end
    tokens = torch.tensor([start, 7, 0, 9, 11, 12, 7, 0, 0])
    with torch.no_grad():
        image, shown = model._encode_image(values, normalize=False)
        texts = model.encode_text(ids, normalize=False)
        logits = model(values, tokens.expand(len(values), -1), output_labels=False)["logits"]
        expected = {"pixels": pixels, "input_ids": ids.int(), "image_embeds": image.float(), "text_embeds": texts.float(),
                    "shown": shown.float(), "tokens": tokens.int(), "step_logits": logits.float()}
        if sentences:
            expected.update(coca_sentences(copy.deepcopy(model).float(), values.float(), start, end))  # whose scores are float
            print({k: v.tolist() for k, v in expected.items() if k.startswith(("greedy", "beam"))})
    state = {k: v.float() for k, v in model.state_dict().items() if "attn_mask" not in k}
    write(HERE / name, "open_clip_model.safetensors", state, "open_clip_config.json",
          {"model_cfg": config, "preprocess_cfg": {"mean": mean, "std": std}}, expected)
    if sentences:
        (HERE / name / "merges.txt").write_bytes((HERE.parent / "vit" / "merges.txt").read_bytes())


def make_longclip(name, seed):
    """LongCLIP's own file: OpenAI's names without a configuration, and two tables of positions."""
    import open_clip

    context = 26
    model = open_clip.CLIP(16, {**VISION, "head_width": 16}, {**TEXT, "heads": 1, "context_length": context}, quick_gelu=True).eval()
    randomise(model, seed)
    first = model.positional_embedding.detach().clone()
    rest = torch.randn(first.shape, generator=torch.Generator().manual_seed(seed)).mul(0.3).half().float()
    # model_longclip.py: x + positional_embedding * mask1 + positional_embedding_res * mask2
    mask = torch.zeros(context, 1)
    mask[:20] = 1
    with torch.no_grad():
        model.positional_embedding.copy_(first * mask + rest * (1 - mask))
    model = model.double()
    mean, std = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
    pixels = torch.randint(0, 256, (2, 12, 12, 3), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    ids = token_ids(context, TEXT["vocab_size"], TEXT["vocab_size"] - 1)
    with torch.no_grad():
        image, texts = model.encode_image(pixel_values(pixels, mean, std)), model.encode_text(ids)
    state = {k: v.float() for k, v in model.state_dict().items() if "attn_mask" not in k}
    state["positional_embedding"], state["positional_embedding_res"] = first, rest
    folder = HERE / name
    write(folder, "model.safetensors", state, "about.json", {"by": "make_originals.py"},
          {"pixels": pixels, "input_ids": ids.int(), "image_embeds": image.float(), "text_embeds": texts.float()})
    (folder / "about.json").unlink()


def make_efficientnet(name, seed):
    """EfficientNet-Lite's own blocks, few and narrow: every stride and kernel, an odd side, residuals, a block without
    expansion. Its embedding is the mean of the head's channels."""
    from efficientnet_lite_pytorch import EfficientNet
    from efficientnet_lite_pytorch.utils import BlockDecoder, GlobalParams

    px, mean = 45, [127 / 255] * 3
    blocks = BlockDecoder.decode(["r1_k3_s11_e1_i32_o16", "r2_k3_s22_e6_i16_o24", "r2_k5_s22_e6_i24_o40",
                                  "r1_k5_s11_e6_i40_o56", "r2_k3_s22_e6_i56_o80"])
    model = EfficientNet(blocks, GlobalParams(
        width_coefficient=0.25, depth_coefficient=1.0, image_size=px, num_classes=3, dropout_rate=0.2, batch_norm_momentum=0.99,
        batch_norm_epsilon=1e-3, depth_divisor=2,
        relu_fn="relu6", fix_head_stem=False, use_se=False)).eval()
    randomise(model, seed)
    model = model.double()
    pixels = torch.randint(0, 256, (2, px, px, 3), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    with torch.no_grad():
        places = model.extract_features(pixel_values(pixels, mean, [128 / 255] * 3)).flatten(2).transpose(1, 2)
    strides = [block._depthwise_conv.stride[0] for block in model._blocks]
    state = {k: v.float() if v.is_floating_point() else v for k, v in model.state_dict().items()}
    write(HERE / name, "model.safetensors", state, "config.json",
          {"architecture": "efficientnet_lite", "image_size": px, "strides": strides, "batch_norm_epsilon": 1e-3},
          {"pixels": pixels, "image_embeds": places.mean(1).float(), "regions": places.float()})


def write_tokenizer(folder):
    """48 pieces in the form of our own small SentencePiece vocabulary."""
    tokenizer = json.loads((HERE.parents[2] / "text/data/unigram/tokenizer.json").read_text())
    letters = [[chr(97 + i), -3 - i * 0.1] for i in range(26)]
    starts = [["\u2581" + chr(97 + i), -2.5 - i * 0.1] for i in range(18)]
    tokenizer["model"]["vocab"] = [["<pad>", 0.0], ["</s>", 0.0], ["<unk>", 0.0], ["\u2581", -2.0]] + letters + starts
    tokenizer["added_tokens"] = [t for t in tokenizer["added_tokens"] if t["id"] < 3]
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False) + "\n")


def make_siglip(name, seed):
    from transformers import SiglipConfig, SiglipModel

    tower = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = SiglipConfig(
        text_config={**tower, "vocab_size": 48, "max_position_embeddings": 10, "projection_size": 16},
        vision_config={**tower, "image_size": 12, "patch_size": 4})
    model = SiglipModel(config).eval()
    randomise(model, seed)
    model = model.double()
    pixels = torch.randint(0, 256, (2, 12, 12, 3), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    ids = token_ids(10, 48, 1)
    ids[ids == 0] = 1
    mean = std = [0.5, 0.5, 0.5]
    with torch.no_grad():
        image = model.vision_model(pixel_values=pixel_values(pixels, mean, std)).pooler_output
        texts = model.text_model(input_ids=ids).pooler_output
    folder = HERE / name
    write(folder, "model.safetensors", {k: v.float() if v.is_floating_point() else v for k, v in model.state_dict().items()}, "config.json",
          json.loads(config.to_json_string()),
          {"pixels": pixels, "input_ids": ids.int(), "image_embeds": image.float(), "text_embeds": texts.float()})
    (folder / "preprocessor_config.json").write_text(json.dumps(
        {"size": {"height": 12, "width": 12}, "resample": 3, "image_mean": mean, "image_std": std,
         "image_processor_type": "SiglipImageProcessor"}, indent=1) + "\n")
    write_tokenizer(folder)


def main():
    makers = {**dict.fromkeys(OPEN_CLIP, make_open_clip), "hf_clip": make_hf, "hf_siglip": make_siglip,
              "open_clip_pe_core": make_timm, "longclip": make_longclip, "low_rank_table": make_low_rank,
              **dict.fromkeys(TIMM, make_timm), "efficientnet_lite": make_efficientnet, **dict.fromkeys(COCA, make_coca)}
    wanted = sys.argv[1:] or list(makers)
    for i, (name, make) in enumerate(makers.items()):
        if name in wanted:
            make(name, 100 + i)


if __name__ == "__main__":
    main()
