"""Second stage: the text tower learns the joint space, then picture head and tower together.

    python tower.py read  ... --vocabulary FILE.gz --out READ.pt    texts alone, from the encoder's space
    python tower.py align ... --start SPACE.pt --read READ.pt --vocabulary FILE.gz --out ALIGNED.pt  pictures and texts
    python tower.py settle ... --start ALIGNED.pt --vocabulary FILE.gz --out SETTLED.pt   the picture head alone
    python tower.py settle --polish ... --start SETTLED.pt --vocabulary FILE.gz --out FILE.pt   and the names once more

The token table begins as the encoder's embeddings of the tokens' own strings, so that a word that no training text has is
no blank. Neutral templates ("a photo of a ...") do not move a name: their target is the name's own place.
"""
import json
import os
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from data import held, imagenet_names
from model import FEATURES, PictureHead, TextTower, cosine, tower_of, unit
from space import Bank, Corpus, Frame, TextMap, arguments, measure, validate
from terms import DRESSED, PLAIN, fill
from tokenizer import Tokenizer


class Reader:
    """texts -> ids and end places, padded to the longest"""

    def __init__(self, vocabulary):
        self.tokenizer, self.known = Tokenizer(vocabulary), {}

    def ids(self, text):
        if text not in self.known:
            self.known[text] = np.array(self.tokenizer(text), np.int64)
        return self.known[text]

    def __call__(self, texts, most=48):
        rows = [self.ids(t) for t in texts]
        rows = [r if len(r) <= most else np.concatenate([r[:most - 1], r[-1:]]) for r in rows]
        ids = np.full((len(rows), max(map(len, rows))), rows[0][-1], np.int64)
        for i, r in enumerate(rows):
            ids[i, :len(r)] = r
        return torch.from_numpy(ids), torch.tensor([len(r) - 1 for r in rows])


def encoded(tower, reader, texts, batch=512):
    """All texts' embeddings, without gradients, in batches of like length."""
    order = np.argsort([len(reader.ids(t)) for t in texts], kind="stable")
    out = None
    with torch.no_grad():
        for a in range(0, len(texts), batch):
            z = tower(*reader([texts[i] for i in order[a:a + batch]])).float()
            out = torch.empty(len(texts), z.shape[1]) if out is None else out
            out[torch.from_numpy(order[a:a + batch])] = z
    return out


def near(t, y, s=20.0):
    """How far embeddings are from their targets, by themselves and by what they lie close to."""
    own = 1 - (t * y).sum(-1).mean()
    with torch.no_grad():
        p = torch.softmax(s * y @ y.T, -1)
    return own * 5 + F.kl_div(torch.log_softmax(s * t @ y.T, -1), p, reduction="batchmean")


class Texts:
    """Everything to read, with its place: names come in templates."""

    def __init__(self, a, text):
        self.texts, self.part, blocks = [], [], []
        for k, path in enumerate(sorted(a.lists.glob("*.txt"))):
            if path.stem == "1-tokens" or not (a.minilm / (path.stem + ".npy")).exists() or path.stem == "0-val":
                continue
            lines = path.read_text(encoding="utf-8").split("\n")[:-1]
            self.texts += lines
            self.part += [int(path.stem[0])] * len(lines)
            blocks.append(np.load(a.minilm / (path.stem + ".npy")))
        self.part = np.array(self.part)
        with torch.no_grad():
            u = torch.from_numpy(np.concatenate(blocks).astype(np.float32))
            kept = a.out.parent / "frame.pt"
            if not kept.exists():
                torch.save(Frame(a.width).fit(u[torch.from_numpy(self.part < 3)][::3]).state_dict(), kept)
            if isinstance(text, Frame):
                text.load_state_dict(torch.load(kept))
            self.place = unit(torch.cat([text(x) for x in u.split(4096)]))
        self.named = np.isin(self.part, (1, 2))

    def draw(self, n, rng, share=None):
        p = None
        if share is not None:
            p = share / share.sum()
        return rng.choice(len(self.texts), n, replace=False, p=p)

    def prompt(self, i, rng):
        t = self.texts[i]
        if self.named[i] and len(t.split()) < 5 and rng.random() < 0.6:
            pool = PLAIN if rng.random() < 0.6 else DRESSED
            return fill(pool[rng.integers(len(pool))], t)
        return t


def parameter_groups(tower, lr):
    table = [tower.token_embedding.weight]
    flat = [p for n, p in tower.named_parameters() if p.ndim < 2 or "positional" in n]
    rest = [p for n, p in tower.named_parameters() if p.ndim >= 2 and "positional" not in n and p is not table[0]]
    return [{"params": table, "lr": lr, "weight_decay": 0.0}, {"params": flat, "lr": lr, "weight_decay": 0.0},
            {"params": rest, "lr": lr, "weight_decay": 0.05}]


def saved(path, state):
    torch.save(state, str(path) + ".part")
    os.replace(str(path) + ".part", path)


def read(a):
    rng = np.random.default_rng(2)
    frame = Frame(a.width)
    texts, reader = Texts(a, frame), Reader(a.vocabulary)
    print(len(texts.texts), "texts", flush=True)
    tower = TextTower(a.width)
    with torch.no_grad():
        u = torch.from_numpy(np.load(a.minilm / "1-tokens.npy").astype(np.float32))
        mean = u.mean(0)
        _, _, v = torch.linalg.svd((u - mean)[::4], full_matrices=False)
        x = (u - mean) @ v[:tower.token_embedding.weight.shape[1]].T
        tower.token_embedding.weight.copy_(x / x.std() * 0.03)
    step0 = 0
    opt = torch.optim.AdamW(parameter_groups(tower, a.lr), betas=(0.9, 0.98), fused=True)
    running = Path(str(a.out) + ".running")
    if running.exists():
        state = torch.load(running)
        tower.load_state_dict(state["tower"])
        opt.load_state_dict(state["opt"])
        step0 = state["step"]
    share = np.select([texts.part == 0, texts.part == 1, texts.part == 2], [1.0, 3.0, 1.5], 0.8)
    t0, total, last = time.time(), np.zeros(2), time.time()
    step = step0
    while step < a.steps:
        pool = texts.draw(a.batch * 8, rng, share)
        prompts = [texts.prompt(i, rng) for i in pool]
        order = np.argsort([len(reader.ids(p)) for p in prompts], kind="stable")
        for b in rng.permutation(8):
            rows = order[b * a.batch:(b + 1) * a.batch]
            for g in opt.param_groups:
                g["lr"] = a.lr * cosine(step, a.steps)
            with torch.autocast("cpu", torch.bfloat16):
                t = tower(*reader([prompts[r] for r in rows]))
            t, y = unit(t.float()), texts.place[torch.from_numpy(pool[rows])]
            loss = near(t, y)
            opt.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(tower.parameters(), 1.0)
            opt.step()
            total += [loss.item(), (t * y).sum(-1).mean().item()]
            step += 1
            if step % 50 == 0:
                print(step, np.round(total / 50, 3), f"{(time.time() - t0) / (step - step0):.2f} s/step", flush=True)
                total[:] = 0
        if time.time() - last > 120:
            saved(running, {"tower": tower.state_dict(), "opt": opt.state_dict(), "step": step})
            last = time.time()
    saved(a.out, {"tower": tower.state_dict()})
    running.unlink(missing_ok=True)


def align(a):
    rng = np.random.default_rng(3)
    corpus = Corpus(a)
    p = corpus.pictures
    start = torch.load(a.start)
    head = PictureHead(start["width"], torch.from_numpy(corpus.fc_w), torch.from_numpy(corpus.fc_b), start["more"])
    head.load_state_dict(start["head"])
    text = TextMap(Frame(start["width"]))
    text.load_state_dict(start["text"])
    texts, reader = Texts(a, text), Reader(a.vocabulary)
    tower = tower_of(torch.load(a.read)["tower"], start["width"])
    with torch.no_grad():
        tower.text_projection.copy_(tower.text_projection @ text.linear.weight.T)
    scale = nn.Parameter(start["scale"].clone())
    slow = [head.keys.weight, head.keys.bias]
    groups = parameter_groups(tower, a.lr) + [
        {"params": [q for q in head.parameters() if all(q is not s for s in slow)], "lr": 3 * a.lr, "weight_decay": 0.2},
        {"params": slow, "lr": a.lr * 0.2, "weight_decay": 0.0}, {"params": [scale], "lr": 3 * a.lr, "weight_decay": 0.0}]
    opt = torch.optim.AdamW(groups, betas=(0.9, 0.98), fused=True)
    base = [g["lr"] for g in opt.param_groups]
    step = 0
    running = Path(str(a.out) + ".running")
    if running.exists():
        state = torch.load(running)
        tower.load_state_dict(state["tower"])
        head.load_state_dict(state["head"])
        opt.load_state_dict(state["opt"])
        scale.data.copy_(state["scale"])
        step = state["step"]
    terms, fits = corpus.terms, torch.from_numpy(corpus.terms.fits)
    fc_w, fc_b = torch.from_numpy(corpus.fc_w), torch.from_numpy(corpus.fc_b)
    described = json.loads((a.lists / "described.json").read_text())
    unseen = sorted(n for n in described if n not in terms.index and n not in held(("none",)))
    show = lambda: print(step, json.dumps(measure(corpus, head.eval(), lambda x: encoded(tower, reader, list(x)))), flush=True)
    places = unit(encoded(tower, reader, terms.terms))          # where all terms lie; those of a step are fresh
    names = torch.tensor([terms.index[n.lower()] for n in imagenet_names()])
    show() if step else None
    head.train()
    sketch = None
    share = np.select([texts.part == 0, texts.part == 1, texts.part == 2], [0.3, 3.0, 1.5], 0.8)
    t0, total, last, first = time.time(), np.zeros(5), time.time(), step
    n, m = a.batch, a.batch // 2
    while step < a.steps:
        for g, lr in zip(opt.param_groups, base):
            g["lr"] = lr * cosine(step, a.steps, 50)
        i = rng.choice(corpus.captioned, n, replace=False)
        j = rng.choice(corpus.labelled, m, p=corpus.weight)
        k = rng.choice(1000, m // 3, replace=False)
        f = p.drawn(np.concatenate([i, j]), rng)
        s = corpus.steered[torch.from_numpy(k), torch.from_numpy(rng.integers(8, size=len(k)))].float()
        f = torch.cat([f, s])
        cls = np.concatenate([p.cls[j], corpus.first + k])
        chosen = np.array([terms.pick(c, rng) for c in cls])
        z = unit(head(f, a.drop))
        caps = [p.captions[x][rng.integers(len(p.captions[x]))] for x in i]
        prompts = [terms.prompt(t, c, rng, described) for t, c in zip(chosen, cls)]
        more = rng.choice(len(terms.terms), 96, replace=False)         # other terms, refreshed and moving too
        keep = texts.draw(128, rng, share)
        if sketch is None or step % 150 == 0:       # where what names without pictures look like lies, as the tower reads it now
            e = unit(encoded(tower, reader, [d for x in unseen for d in described[x][:2]]))
            at = np.cumsum([0] + [len(described[x][:2]) for x in unseen])
            sketch = unit(torch.stack([e[i0:i1].mean(0) for i0, i1 in zip(at, at[1:])]))
        new = rng.choice(len(unseen), 64, replace=False)
        short = prompts + [terms.terms[t] for t in more] + [texts.prompt(x, rng) for x in keep] + [unseen[x] for x in new]
        with torch.autocast("cpu", torch.bfloat16):
            order = np.argsort([len(reader.ids(x)) for x in short], kind="stable")
            parts = [tower(*reader([short[o] for o in order[c:c + 256]])) for c in range(0, len(short), 256)]
            t_cap = tower(*reader(caps))
        t_short = torch.empty(len(short), z.shape[1])
        t_short = unit(torch.cat(parts).float())[torch.from_numpy(np.argsort(order))]
        t_cap = unit(t_cap.float())
        ex = scale.exp().clamp(max=100)
        logits = ex[0] * z[:n] @ t_cap.T
        y = torch.arange(n)
        contrast = (F.cross_entropy(logits, y) + F.cross_entropy(logits.T, y)) / 2
        c = len(cls)
        fresh = torch.from_numpy(np.concatenate([chosen, more]))
        table = places.clone()
        table[fresh] = t_short[:c + len(more)]
        with torch.no_grad():
            places[fresh] = unit(0.5 * places[fresh] + 0.5 * t_short[:c + len(more)])
        own = (z[n:] * t_short[:c]).sum(-1, keepdim=True)
        wrong = fits[torch.from_numpy(cls)].clone()
        wrong[torch.arange(c), torch.from_numpy(chosen)] = True
        logits = ex[1] * torch.cat([own, (z[n:] @ table.T).masked_fill(wrong, -4.0)], 1)
        naming = F.cross_entropy(logits, torch.zeros(c, dtype=torch.long))
        with torch.no_grad():
            target = torch.softmax(f[:, :FEATURES] @ fc_w.T + fc_b, -1)
        sure = target.max(-1)[0]                # what the classifier has no name for teaches little
        distil = -((target * torch.log_softmax(ex[2] * z @ table[names].T, -1)).sum(-1) * sure).sum() / sure.sum()
        keeping = near(t_short[c + len(more):-len(new)], texts.place[torch.from_numpy(keep)])
        keeping = keeping + 2 * (1 - (t_short[-len(new):] * sketch[torch.from_numpy(new)]).sum(-1)).mean()
        loss = contrast + a.classes * naming + a.distil * distil + a.keep * keeping
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(list(tower.parameters()) + list(head.parameters()), 2.0)
        opt.step()
        total += [loss.item(), contrast.item(), naming.item(), distil.item(), keeping.item()]
        step += 1
        if step % 20 == 0:
            print(step, np.round(total / 20, 3), f"{(time.time() - t0) / (step - first):.2f} s/step", ex.tolist(), flush=True)
            total[:] = 0
        if step % a.show == 0 or step == a.steps:
            show()
            head.train()
        if time.time() - last > 120:
            saved(running, {"tower": tower.state_dict(), "head": head.state_dict(), "opt": opt.state_dict(), "scale": scale.data, "step": step})
            last = time.time()
    saved(a.out, {**start, "tower": tower.state_dict(), "head": head.state_dict(), "scale": scale.detach()})
    running.unlink(missing_ok=True)


def settle(a):
    """The tower stays as it is but for a turn of its projection, so that every text is read once and a step is cheap: many
    captions and all names at a time, a part of the captions each other's nearest.
    With --polish the tower learns too, from names, while its captions are held where they are."""
    rng = np.random.default_rng(4 + a.seed)
    corpus = Corpus(a)
    p, terms = corpus.pictures, corpus.terms
    start = torch.load(a.start)
    head = PictureHead(start["width"], torch.from_numpy(corpus.fc_w), torch.from_numpy(corpus.fc_b), start["more"])
    tower, reader = tower_of(start["tower"], start["width"]), Reader(a.vocabulary)
    if a.fresh:
        head = PictureHead(start["width"], torch.from_numpy(corpus.fc_w), torch.from_numpy(corpus.fc_b), start["more"], corpus.mean, corpus.std)
        with torch.no_grad():
            head.values.weight[:, :1000] = unit(encoded(tower, reader, imagenet_names())).T * 3
            head.proj.weight.normal_(std=0.01)
    else:
        head.load_state_dict(start["head"])
    read = lambda texts: encoded(tower, reader, list(texts))
    table = sum(unit(read([fill(t, x) for x in terms.terms])) for t in ("{}", "a photo of a {}.", "a close-up photo of a {}."))
    table = unit(table)
    flat = [c for i in corpus.captioned for c in p.captions[i][:5]]
    first = dict(zip(corpus.captioned.tolist(), np.cumsum([0] + [len(p.captions[i][:5]) for i in corpus.captioned])[:-1]))
    with torch.autocast("cpu", torch.bfloat16):
        caption = unit(read(flat))
    sense = F.normalize(Bank(a.lists, a.minilm)(flat), dim=-1) if a.soft else None
    if a.own:
        corpus.boosted(a.sketches)
    sets, place_of = own_sets(corpus, read) if a.own else ({}, {})
    mean = {k: v.clone() for k, v in head.state_dict().items()}
    print(len(table), "terms,", len(caption), "captions read", flush=True)
    at = torch.tensor([first[x] for x in corpus.captioned])
    names = torch.tensor([terms.index[n.lower()] for n in imagenet_names()])
    scale = nn.Parameter(start["scale"].clone())
    turn = nn.Parameter(torch.eye(start["width"]), requires_grad=not (a.polish or a.still))
    slow, quick = [head.keys.weight, head.keys.bias], [head.values.weight]
    opt = torch.optim.AdamW([
        {"params": [q for q in head.parameters() if all(q is not s for s in slow + quick)], "lr": a.lr, "weight_decay": 0.2},
        {"params": quick, "lr": 4 * a.lr, "weight_decay": 0.0},
        {"params": slow, "lr": a.lr * 0.1, "weight_decay": 0.0}, {"params": [scale], "lr": a.lr, "weight_decay": 0.0},
        {"params": [turn], "lr": 0.2 * a.lr, "weight_decay": 0.0}],
        betas=(0.9, 0.98), fused=True)
    if a.polish:
        for group in parameter_groups(tower, 0.2 * a.lr):
            opt.add_param_group(group)
    base = [g["lr"] for g in opt.param_groups]
    fits = torch.from_numpy(terms.fits)
    fc_w, fc_b = torch.from_numpy(corpus.fc_w), torch.from_numpy(corpus.fc_b)
    show = lambda: print(step, json.dumps(measure(corpus, head.eval(), lambda texts: read(texts) @ turn.T)), flush=True)
    t0, total, n, m = time.time(), np.zeros(4), a.batch, a.batch // 2
    for step in range(1, a.steps + 1):
        for g, lr in zip(opt.param_groups, base):
            g["lr"] = lr * cosine(step - 1, a.steps, 20)
        i = rng.choice(corpus.captioned, n, replace=False)
        if a.hard:
            like = caption[at[torch.from_numpy(rng.choice(len(at), a.hard // 16, replace=False))]] @ caption[at].T
            near_by = corpus.captioned[like.topk(16).indices.flatten().numpy()]
            i = np.unique(np.concatenate([near_by, i]))
            i = rng.permutation(np.concatenate([np.unique(near_by), np.setdiff1d(i, near_by)])[:n])
            n = len(i)
        j = rng.choice(corpus.labelled, m, p=corpus.weight)
        k = rng.choice(1000, min(m, 1000), replace=False)
        f = p.drawn(np.concatenate([i, j]), rng)
        f = torch.cat([f, corpus.steered[torch.from_numpy(k), torch.from_numpy(rng.integers(8, size=len(k)))].float()])
        cls = np.concatenate([p.cls[j], corpus.first + k])
        chosen = torch.tensor([terms.pick(c, rng) for c in cls])
        z = unit(head(f, a.drop))
        said = torch.tensor([first[x] + rng.integers(len(p.captions[x][:5])) for x in i])
        t = caption[said]
        t = unit((t + 0.3 * t.shape[1] ** -0.5 * torch.randn_like(t)) @ turn.T)
        held_back = torch.zeros(())
        if a.polish:
            more = rng.choice(len(table), 256, replace=False)
            back = rng.choice(len(flat), 96, replace=False)
            texts = [terms.prompt(c, k, rng) for c, k in zip(chosen.tolist(), cls)] + [terms.terms[x] for x in more]
            order = np.argsort([len(reader.ids(x)) for x in texts], kind="stable")
            with torch.autocast("cpu", torch.bfloat16):
                fresh = [tower(*reader([texts[o] for o in order[c:c + 256]])) for c in range(0, len(texts), 256)]
                again = tower(*reader([flat[x] for x in back]))
            fresh = unit(torch.cat(fresh).float())[torch.from_numpy(np.argsort(order))]
            held_back = 5 * (1 - (unit(again.float()) * caption[torch.from_numpy(back)]).sum(-1)).mean()
            where = torch.cat([chosen, torch.from_numpy(more)])
            kept = table
            table = kept.clone()
            table[where] = fresh
            kept[where] = unit(0.5 * kept[where] + 0.5 * fresh.detach())
        ex, y = scale.exp().clamp(max=100), torch.arange(n)
        logits = ex[0] * z[:n] @ t.T
        contrast = (F.cross_entropy(logits, y) + F.cross_entropy(logits.T, y)) / 2
        if a.soft:
            alike = torch.softmax((sense[said] @ sense[said].T - 1) / 0.06, 1)
            shared = -(alike * (torch.log_softmax(logits, 1) + torch.log_softmax(logits.T, 1))).sum(1).mean() / 2
            contrast = (1 - a.soft) * contrast + a.soft * shared
        among = among_own(z[n:n + m], p.cls[j], sets, place_of, turn, ex[1]) if a.own else torch.zeros(())
        wrong = fits[torch.from_numpy(cls)].clone()
        wrong[torch.arange(len(cls)), chosen] = False
        turned = unit(table @ turn.T)
        naming = F.cross_entropy((ex[1] * z[n:] @ turned.T).masked_fill(wrong, -1e4), chosen)
        with torch.no_grad():
            target = torch.softmax(f[:, :FEATURES] @ fc_w.T + fc_b, -1)
        sure = target.max(-1)[0]
        distil = -((target * torch.log_softmax(ex[2] * z @ turned[names].T, -1)).sum(-1) * sure).sum() / sure.sum()
        loss = a.captions * contrast + a.classes * naming + a.distil * distil + held_back + a.own * among
        opt.zero_grad()
        loss.backward()
        opt.step()
        with torch.no_grad():
            for key, v in head.state_dict().items():
                mean[key].lerp_(v, 1 - min(0.98, step / (step + 10)))
        table = kept if a.polish else table
        total += [loss.item(), contrast.item(), naming.item(), distil.item()]
        if step % 50 == 0:
            print(step, np.round(total / 50, 3), f"{(time.time() - t0) / step:.2f} s/step", ex.tolist(), flush=True)
            total[:] = 0
        if step % a.show == 0 or step == a.steps:
            own = tower.state_dict()
            own["text_projection"] = own["text_projection"] @ turn.detach().T
            saved(a.out, {**start, "tower": own, "head": mean, "scale": scale.detach()})
            shown = PictureHead(start["width"], torch.from_numpy(corpus.fc_w), torch.from_numpy(corpus.fc_b), start["more"])
            shown.load_state_dict(mean)
            print(step, json.dumps(validate(corpus, shown.eval(), lambda texts: read(texts) @ turn.T)), flush=True)


def own_sets(corpus, read):
    """Of every labelled source, and of its sketches: the names' places; of a class, its place among them."""
    p, sets, place_of = corpus.pictures, {}, {}
    for k in sorted(set(p.source.tolist())):
        for sketch in (False, True):
            classes = [c for c in sorted(set(p.cls[(p.source == k) & (p.cls >= 0)].tolist())) if ("sketch" in p.classes[c][1]) == sketch]
            names = sorted({p.classes[c][0][0] for c in classes})
            if len(names) > 1:
                prompts = ("a sketch of a {}.", "a drawing of a {}.") if sketch else ("{}", "a photo of a {}.", "a photo of the {}.")
                sets[k, sketch] = unit(sum(unit(read([fill(x, n) for n in names])) for x in prompts))
                place_of.update({c: (k, sketch, names.index(p.classes[c][0][0])) for c in classes})
    return sets, place_of


def among_own(z, cls, sets, place_of, turn, heat):
    """How well labelled pictures are told among the names of their own sources."""
    rows = {}
    for r, c in enumerate(cls):
        if c in place_of:
            rows.setdefault(place_of[c][:2], []).append((r, place_of[c][2]))
    losses = [F.cross_entropy(heat * z[[r for r, _ in of]] @ unit(sets[key] @ turn.T).T, torch.tensor([y for _, y in of]), reduction="sum")
              for key, of in rows.items()]
    return sum(losses) / max(sum(map(len, rows.values())), 1)


def weigh(a):
    """What W and O add, and what the branch adds, weighed: a sure picture needs more of the branch than training gives it."""
    start = torch.load(a.start)
    for key, by in zip(("proj.weight", "values.weight"), a.weigh):
        start["head"][key] = by * start["head"][key]
    saved(a.out, start)


def mean(a):
    """The mean of several heads of one space: of runs with --still that differ by their seeds."""
    start, others = torch.load(a.start), [torch.load(x) for x in a.others]
    if any(not torch.equal(start["tower"]["text_projection"], o["tower"]["text_projection"]) for o in others):
        raise SystemExit("mean: these heads have different towers (settle them with --still)")
    start["head"] = {k: sum(s["head"][k] for s in (start, *others)) / (1 + len(others)) for k in start["head"]}
    saved(a.out, start)


def factor(a):
    """The token table as two factors, the nearest to it where a token counts as often as the texts have it."""
    start, reader = torch.load(a.start), Reader(a.vocabulary)
    seen = np.ones(len(start["tower"]["token_embedding.weight"]))
    for path in sorted(a.lists.glob("[0-9]-*.txt")):
        if path.stem not in ("1-tokens", "0-val"):
            for line in path.read_text(encoding="utf-8").split("\n")[:-1]:
                np.add.at(seen, reader.tokenizer(line)[1:-1], 1)
    table = start["tower"]["token_embedding.weight"]
    weight = torch.from_numpy(np.minimum(seen, 2000)).float().sqrt()
    weight[-2:] = 200.0                                # the marks of beginning and end stand in every text
    x = table * weight[:, None]
    basis = torch.linalg.eigh(x.T @ x)[1].flip(1)[:, :a.row]
    rows = table @ basis
    size = rows.std() / 0.03
    start["tower"] |= {"token_embedding.weight": rows / size, "token_projection.weight": basis * size}
    print("kept: %.4f of what is read" % (1 - (((table - rows @ basis.T) * weight[:, None]) ** 2).sum() / (x ** 2).sum()))
    saved(a.out, start)


def main():
    ap = arguments()
    ap.add_argument("task", choices=("read", "align", "settle", "mean", "factor", "weigh"))
    ap.add_argument("--start", type=Path, help="of align: what `space` wrote; of settle and factor: what `align` or `settle` wrote")
    ap.add_argument("--read", type=Path, help="of align: what `read` wrote")
    ap.add_argument("--vocabulary", type=Path, required=True)
    ap.add_argument("--others", type=Path, nargs="+", help="of mean: the other heads")
    ap.add_argument("--weigh", type=float, nargs=2, default=(1.0, 1.4), help="of weigh: of the projection, of the branch")
    ap.add_argument("--row", type=int, default=208, help="of factor: numbers of a token")
    ap.add_argument("--polish", action="store_true")
    ap.add_argument("--hard", type=int, default=0, help="of settle: so many of a batch are captions near each other")
    ap.add_argument("--fresh", action="store_true", help="of settle: a new picture head")
    ap.add_argument("--still", action="store_true", help="of settle: the tower's projection does not turn: heads of several runs have one space")
    ap.add_argument("--keep", type=float, default=0.3)
    ap.add_argument("--soft", type=float, default=0.0, 
                    help="of settle: so much of the target is shared with captions that the encoder takes for nearly the same")
    ap.add_argument("--own", type=float, default=0.0, 
                    help="of settle: weight of telling a picture among its own source's names; some sources are drawn more often then")
    ap.add_argument("--sketches", type=float, default=3.0, help="of settle with --own: so much more often sketches are drawn")
    ap.add_argument("--captions", type=float, default=1.0, help="of settle: weight of captions")
    ap.add_argument("--seed", type=int, default=0)
    ap.add_argument("--show", type=int, default=200)
    a = ap.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    {"read": read, "align": align, "settle": settle, "mean": mean, "factor": factor, "weigh": weigh}[a.task](a)


if __name__ == "__main__":
    main()
