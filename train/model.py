"""The two-tower network in OpenAI's CLIP layout.

Image tower: ModifiedResNet (three-convolution stem, average pools instead of strided convolutions,
attention pooling). Text tower: causal transformer, read at the end token. Parameter names are
OpenAI's, so that `state_dict()` is what an open_clip folder holds.

Two things differ in training only and vanish in the shipped file:
* pools use ceil_mode and the attention pool stretches its positions, so that the first epochs can
  run on smaller pictures of any size (at multiples of 32 ceil_mode changes nothing);
* the token table holds only the tokens that occur in the training texts (`token_rows`).
"""
import math
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import nn


@dataclass
class Config:
    embed_dim: int = 256
    image_size: int = 96
    vision_layers: tuple = (2, 3, 5, 2)
    vision_width: int = 32
    context_length: int = 77
    vocab_size: int = 49408
    text_width: int = 128
    text_layers: int = 4

    @property
    def text_heads(self):
        return max(1, self.text_width // 64)

    def open_clip(self):
        """The `model_cfg` object of an open_clip_config.json."""
        return {
            "embed_dim": self.embed_dim,
            "quick_gelu": True,
            "vision_cfg": {"image_size": self.image_size, "layers": list(self.vision_layers),
                           "width": self.vision_width, "patch_size": None},
            "text_cfg": {"context_length": self.context_length, "vocab_size": self.vocab_size,
                         "width": self.text_width, "heads": self.text_heads,
                         "layers": self.text_layers},
        }

    @staticmethod
    def from_open_clip(cfg):
        v, t = cfg["vision_cfg"], cfg["text_cfg"]
        return Config(cfg["embed_dim"], v["image_size"], tuple(v["layers"]), v["width"],
                      t["context_length"], t["vocab_size"], t["width"], t["layers"])

    as_dict = asdict


class Bottleneck(nn.Module):
    def __init__(self, c_in, planes, stride):
        super().__init__()
        c_out = planes * 4
        self.conv1 = nn.Conv2d(c_in, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.avgpool = nn.AvgPool2d(stride, ceil_mode=True) if stride > 1 else nn.Identity()
        self.conv3 = nn.Conv2d(planes, c_out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(c_out)
        self.downsample = None
        if stride > 1 or c_in != c_out:
            # "-1" is OpenAI's name for the pool; it has no parameters.
            self.downsample = nn.Sequential()
            self.downsample.add_module("-1", nn.AvgPool2d(stride, ceil_mode=True))
            self.downsample.add_module("0", nn.Conv2d(c_in, c_out, 1, bias=False))
            self.downsample.add_module("1", nn.BatchNorm2d(c_out))

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = F.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(self.avgpool(out)))
        identity = x if self.downsample is None else self.downsample(x)
        return F.relu(out + identity)


class AttentionPool2d(nn.Module):
    """Attention with one query, the mean of the final map; returns [n, embed_dim]."""

    def __init__(self, side, width, heads, embed_dim):
        super().__init__()
        self.heads, self.side = heads, side
        self.positional_embedding = nn.Parameter(torch.randn(side * side + 1, width) / width**0.5)
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.c_proj = nn.Linear(width, embed_dim)

    def position(self, side):
        """The table, stretched when a training picture is smaller than the shipped size."""
        if side == self.side:
            return self.positional_embedding
        grid = self.positional_embedding[1:].T.reshape(1, -1, self.side, self.side)
        grid = F.interpolate(grid, (side, side), mode="bilinear", align_corners=False)
        return torch.cat([self.positional_embedding[:1], grid.flatten(2)[0].T])

    def forward(self, x):
        position = self.position(x.shape[-1])
        x = x.flatten(2).transpose(1, 2)                       # [n, hw, c]
        x = torch.cat([x.mean(1, keepdim=True), x], 1) + position
        n, t, c = x.shape
        split = lambda y: y.view(n, -1, self.heads, c // self.heads).transpose(1, 2)
        q, k, v = split(self.q_proj(x[:, :1])), split(self.k_proj(x)), split(self.v_proj(x))
        weights = (q @ k.transpose(-1, -2) / math.sqrt(c // self.heads)).softmax(-1)
        return self.c_proj((weights @ v).transpose(1, 2).reshape(n, c))


class ModifiedResNet(nn.Module):
    def __init__(self, layers, width, image_size, embed_dim):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width // 2, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width // 2)
        self.conv2 = nn.Conv2d(width // 2, width // 2, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width // 2)
        self.conv3 = nn.Conv2d(width // 2, width, 3, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(width)
        self.avgpool = nn.AvgPool2d(2, ceil_mode=True)
        c_in = width
        for i, blocks in enumerate(layers):
            planes, stage = width * 2**i, []
            for b in range(blocks):
                stage.append(Bottleneck(c_in, planes, 2 if b == 0 and i > 0 else 1))
                c_in = planes * 4
            setattr(self, f"layer{i + 1}", nn.Sequential(*stage))
        self.attnpool = AttentionPool2d(image_size // 32, c_in, width * 32 // 64, embed_dim)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        x = F.relu(self.bn3(self.conv3(x)))
        x = self.avgpool(x)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.attnpool(x)


class QuickGELU(nn.Module):
    def forward(self, x):
        return x * torch.sigmoid(1.702 * x)


class Attention(nn.Module):
    """Causal self-attention with the packed projection of nn.MultiheadAttention."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)

    def forward(self, x):
        n, t, c = x.shape
        qkv = F.linear(x, self.in_proj_weight, self.in_proj_bias)
        q, k, v = qkv.view(n, t, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        out = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out_proj(out.transpose(1, 2).reshape(n, t, c))


class ResidualBlock(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.ln_1 = nn.LayerNorm(width)
        self.attn = Attention(width, heads)
        self.ln_2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential()
        self.mlp.add_module("c_fc", nn.Linear(width, 4 * width))
        self.mlp.add_module("gelu", QuickGELU())
        self.mlp.add_module("c_proj", nn.Linear(4 * width, width))

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class Transformer(nn.Module):
    def __init__(self, width, layers, heads):
        super().__init__()
        self.resblocks = nn.Sequential(*[ResidualBlock(width, heads) for _ in range(layers)])

    def forward(self, x):
        return self.resblocks(x)


class CLIP(nn.Module):
    def __init__(self, cfg, token_rows=None):
        super().__init__()
        self.cfg = cfg
        w = cfg.text_width
        self.visual = ModifiedResNet(cfg.vision_layers, cfg.vision_width, cfg.image_size,
                                     cfg.embed_dim)
        self.token_embedding = nn.Embedding(token_rows or cfg.vocab_size, w)
        self.positional_embedding = nn.Parameter(torch.empty(cfg.context_length, w))
        self.transformer = Transformer(w, cfg.text_layers, cfg.text_heads)
        self.ln_final = nn.LayerNorm(w)
        self.text_projection = nn.Parameter(torch.empty(w, cfg.embed_dim))
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
        self.initialise()

    def initialise(self):
        w, n = self.cfg.text_width, self.cfg.text_layers
        nn.init.normal_(self.token_embedding.weight, std=0.02)
        nn.init.normal_(self.positional_embedding, std=0.01)
        for block in self.transformer.resblocks:
            nn.init.normal_(block.attn.in_proj_weight, std=w**-0.5)
            nn.init.normal_(block.attn.out_proj.weight, std=w**-0.5 * (2 * n) ** -0.5)
            nn.init.normal_(block.mlp.c_fc.weight, std=(2 * w) ** -0.5)
            nn.init.normal_(block.mlp.c_proj.weight, std=w**-0.5 * (2 * n) ** -0.5)
        nn.init.normal_(self.text_projection, std=w**-0.5)
        for m in self.visual.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
            if isinstance(m, Bottleneck):
                nn.init.constant_(m.bn3.weight, 0.25)   # blocks start near the identity
        pool = self.visual.attnpool
        for m in (pool.q_proj, pool.k_proj, pool.v_proj, pool.c_proj):
            nn.init.normal_(m.weight, std=m.in_features**-0.5)
            nn.init.zeros_(m.bias)

    def encode_image(self, pixels):
        """pixels [n,3,s,s], normalised -> [n,embed_dim], not normalised."""
        return self.visual(pixels)

    def encode_text(self, ids, end):
        """ids [n,t] padded on the right with anything, end [n] position of the end token."""
        x = self.token_embedding(ids) + self.positional_embedding[: ids.shape[1]]
        x = self.transformer(x)
        x = self.ln_final(x[torch.arange(len(x)), end])
        return x @ self.text_projection
