"""The network on top of the frozen trunk, and the text tower, with the names that the exported file has."""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

FEATURES, WIDTH, HEADS, LAYERS, CONTEXT, TOKENS = 1280, 256, 4, 4, 77, 49408      # tokens: CLIP's, before other languages come


class PictureHead(nn.Module):
    """vectors [f, r] -> embedding: W f + b + W2 softmax(W1 f + b1) + O r.

    f: the pooled features, r: what the looking heads see (look.py). The hidden rows begin as the trunk's classifier, their
    values as what its classes are called; `more` further rows are free. Vectors are standardised while training; `folded`
    gives the plain matrices."""

    def __init__(self, width, classifier, bias, more=0, mean=None, std=None, seen=2816):
        super().__init__()
        size = FEATURES + seen if mean is None else len(mean)
        self.proj = nn.Linear(size, width)
        self.keys = nn.Linear(FEATURES, len(classifier) + more)
        self.values = nn.Linear(len(classifier) + more, width, bias=False)
        self.register_buffer("mean", torch.zeros(size) if mean is None else mean)
        self.register_buffer("std", torch.ones(size) if std is None else std)
        with torch.no_grad():
            self.keys.weight[:len(classifier)] = classifier
            self.keys.bias[:len(classifier)] = bias
            if more:
                self.keys.weight[len(classifier):].normal_(std=classifier.std().item())
                self.keys.bias[len(classifier):] = bias.mean() - 2

    def forward(self, f, drop=0.0):
        x = F.dropout((f - self.mean) / self.std, drop, self.training)
        p = torch.softmax(self.keys(f[:, :FEATURES]), dim=-1)
        return self.proj(x) + self.values(p)

    def folded(self):
        w = self.proj.weight / self.std
        return {"visual.projection.weight": w[:, :FEATURES], "visual.look.out.weight": w[:, FEATURES:], "visual.projection.bias": self.proj.bias - w @ self.mean,
                "visual.branch.fc1.weight": self.keys.weight, "visual.branch.fc1.bias": self.keys.bias,
                "visual.branch.fc2.weight": self.values.weight}


class Block(nn.Module):
    """CLIP's residual attention block, QuickGELU."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.mlp = nn.Sequential()
        self.mlp.add_module("c_fc", nn.Linear(width, 4 * width))
        self.mlp.add_module("c_proj", nn.Linear(4 * width, width))
        self.register_buffer("later", torch.full((CONTEXT, CONTEXT), -1e4).triu(1), persistent=False)

    def forward(self, x):
        n, t, d = x.shape
        q, k, v = F.linear(self.ln_1(x), self.attn.in_proj_weight, self.attn.in_proj_bias).view(
            n, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        # Written out: for a dozen tokens PyTorch's fused attention is slower on CPUs.
        s = (q * (d // self.heads) ** -0.5) @ k.transpose(-1, -2) + self.later[:t, :t]
        a = (torch.softmax(s, -1) @ v).transpose(1, 2).reshape(n, t, d)
        x = x + self.attn.out_proj(a)
        h = self.mlp.c_fc(self.ln_2(x))
        return x + self.mlp.c_proj(h * torch.sigmoid(1.702 * h))


class TextTower(nn.Module):
    """row: numbers of a token in the table, of which the rest is a matrix's; 0: the tower's width"""

    def __init__(self, out, width=WIDTH, heads=HEADS, layers=LAYERS, row=0, tokens=TOKENS):
        super().__init__()
        self.token_embedding = nn.Embedding(tokens, row or width)
        self.token_projection = nn.Linear(row, width, bias=False) if row else None
        self.positional_embedding = nn.Parameter(0.01 * torch.randn(CONTEXT, width))
        self.transformer = nn.Module()
        self.transformer.resblocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.ln_final = nn.LayerNorm(width)
        self.text_projection = nn.Parameter(torch.randn(width, out) * width ** -0.5)
        for b in self.transformer.resblocks:
            nn.init.normal_(b.attn.in_proj_weight, std=width ** -0.5)
            nn.init.normal_(b.attn.out_proj.weight, std=width ** -0.5 * (2 * layers) ** -0.5)
            nn.init.normal_(b.mlp.c_fc.weight, std=(2 * width) ** -0.5)
            nn.init.normal_(b.mlp.c_proj.weight, std=width ** -0.5 * (2 * layers) ** -0.5)
            nn.init.zeros_(b.attn.in_proj_bias)
            nn.init.zeros_(b.attn.out_proj.bias)

    def forward(self, ids, ends):
        """ids [n,t], ends [n]: place of the end marker -> [n,out]"""
        x = self.token_embedding(ids)
        x = (self.token_projection(x) if self.token_projection else x) + self.positional_embedding[:ids.shape[1]]
        for block in self.transformer.resblocks:
            x = block(x)
        return self.ln_final(x[torch.arange(len(x)), ends]) @ self.text_projection


def tower_of(state, out):
    """The text tower whose tensors these are."""
    n, row = state["token_embedding.weight"].shape
    tower = TextTower(out, row=row if "token_projection.weight" in state else 0, tokens=n)
    tower.load_state_dict(state)
    return tower


def unit(x):
    return F.normalize(x, dim=-1)


def cosine(step, steps, warm=100):
    """Learning rate's factor."""
    return min(1, (step + 1) / warm) * 0.5 * (1 + math.cos(math.pi * min(1, step / steps)))
