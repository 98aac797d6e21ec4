"""The describer: a small decoder that reads the trunk's grid. Names of the modules are those of the exported file."""
import torch
from torch import nn
from torch.nn import functional as F


def attend(q, k, v, causal=False):
    """softmax(q k / sqrt d) v, written out: on a CPU its gradient takes a quarter of the fused one's time"""
    scores = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
    if causal:
        scores = scores + torch.full(scores.shape[-2:], -1e4, dtype=scores.dtype).triu(1)
    return scores.softmax(-1) @ v


class Block(nn.Module):
    """x += self-attention; x += attention to the picture; x += mlp, each of the norm before it"""

    def __init__(self, width, heads, mlp, dropout):
        super().__init__()
        self.heads, self.drop = heads, nn.Dropout(dropout)
        self.ln1, self.ln2, self.ln3 = nn.LayerNorm(width), nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.o = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.cross_q, self.cross_kv, self.cross_o = nn.Linear(width, width), nn.Linear(width, 2 * width), nn.Linear(width, width)
        self.fc1, self.fc2 = nn.Linear(width, mlp), nn.Linear(mlp, width)

    def split(self, x):
        b, n, w = x.shape
        return x.view(b, n, self.heads, w // self.heads).transpose(1, 2)

    def join(self, x):
        b, h, n, d = x.shape
        return x.transpose(1, 2).reshape(b, n, h * d)

    def forward(self, x, memory, past=None):
        q, k, v = map(self.split, self.qkv(self.ln1(x)).chunk(3, -1))
        if past is not None:
            k, v = torch.cat([past[0], k], 2), torch.cat([past[1], v], 2)
        x = x + self.drop(self.o(self.join(attend(q, k, v, past is None))))
        mk, mv = map(self.split, self.cross_kv(memory).chunk(2, -1))
        x = x + self.drop(self.cross_o(self.join(attend(self.split(self.cross_q(self.ln2(x))), mk, mv))))
        x = x + self.drop(self.fc2(F.gelu(self.fc1(self.ln3(x)))))
        return x, (k, v)


class Describer(nn.Module):
    """ids: CLIP's ids that are known, ascending; the last two are the start and the end marker."""

    def __init__(self, n_ids, width=256, layers=3, heads=8, mlp=1024, context=28, places=81, channels=352, pooled=1280, pooled_tokens=4,
                 dropout=0.1):
        super().__init__()
        self.shape = dict(n_ids=n_ids, width=width, layers=layers, heads=heads, mlp=mlp, context=context, places=places, channels=channels,
                          pooled=pooled, pooled_tokens=pooled_tokens)
        self.token = nn.Embedding(n_ids, width)
        self.bias = nn.Parameter(torch.zeros(n_ids))
        self.position = nn.Parameter(torch.randn(context, width) * 0.02)
        self.grid = nn.Linear(channels, width)
        self.place = nn.Parameter(torch.randn(places, width) * 0.02)
        self.pooled = nn.Linear(pooled, pooled_tokens * width)
        self.memory_norm, self.norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.blocks = nn.ModuleList(Block(width, heads, mlp, dropout) for _ in range(layers))
        self.drop = nn.Dropout(dropout)
        nn.init.normal_(self.token.weight, std=width ** -0.5)

    def look(self, grid, pooled):
        """grid [n, places, channels] or None; pooled [n, pooled] -> memory [n, places + pooled tokens, width]"""
        w = self.shape["width"]
        rows = self.pooled(pooled).view(len(pooled), -1, w)
        if grid is not None:
            rows = torch.cat([self.grid(grid) + self.place, rows], 1)
        return self.memory_norm(rows)

    def forward(self, ids, memory):
        """Logits [n, tokens, n_ids]"""
        x = self.drop(self.token(ids) + self.position[:ids.shape[1]])
        memory = self.drop(memory)
        for block in self.blocks:
            x, _ = block(x, memory)
        return F.linear(self.norm(x), self.token.weight, self.bias)

    def step(self, ids, at, memory, past):
        """One token for each row: ids [n]; past: (k, v) of each block, or None -> logits [n, n_ids], past"""
        x = self.token(ids)[:, None] + self.position[at]
        new = []
        for i, block in enumerate(self.blocks):
            empty = torch.zeros(len(ids), block.heads, 0, self.shape["width"] // block.heads, dtype=x.dtype)
            x, kv = block(x, memory, past[i] if past else (empty, empty))
            new.append(kv)
        return F.linear(self.norm(x[:, 0]), self.token.weight, self.bias), new


@torch.no_grad()
def beam(model, memory, width=3, most=22, alpha=0.7, start=None, end=None, keep=lambda x: x):
    """Beam search as the program does it: the sum of log-probabilities over (tokens + the end) ** alpha. One picture's memory
    [1, m, w] -> ids of the best, its log-probability"""
    n_ids = model.shape["n_ids"]
    start, end = n_ids - 2 if start is None else start, n_ids - 1 if end is None else end
    rows, scores, past, done = [[]], torch.zeros(1), None, []
    last = torch.tensor([start])
    for t in range(most):
        logits, past = model.step(last, t, memory.expand(len(last), -1, -1), past)
        logits = keep(logits.float())
        logits[:, start] = -1e9
        all_scores = (scores[:, None] + logits.log_softmax(-1)).flatten()
        best = all_scores.topk(2 * width)
        rows2, parents, scores2 = [], [], []
        for s, i in zip(best.values.tolist(), best.indices.tolist()):
            r, token = divmod(i, n_ids)
            if token == end:
                done.append((s / (t + 1) ** alpha, rows[r], s))
            elif len(rows2) < width:
                rows2.append(rows[r] + [token])
                parents.append(r)
                scores2.append(s)
        done = sorted(done, key=lambda d: -d[0])[:width]
        if len(done) == width and done[-1][0] >= max(scores2) / (t + 2) ** alpha:
            break
        rows, scores = rows2, torch.tensor(scores2)
        past = [(k[parents], v[parents]) for k, v in past]
        last = torch.tensor([r[-1] for r in rows])
    if not done:
        done = [(scores[0].item() / most ** alpha, rows[0], scores[0].item())]
    return done[0][1], done[0][2]
