"""Second stage: goes on from a finished model with sharp pictures, styles and a dictionary.

    python refine.py --start FOLDER --data DIR --vocabulary FILE.gz --wordnet DIR --out DIR --images 4e5 [--resume]

The first stage saw mostly pictures of 64 pixels and only the words of its classes. Here sharp pictures are
drawn more often and pictures are blurred, sharpened and compressed at random, so that answers do not depend
on that; what a picture is (photo, sketch, painting, ...) is told apart; and WordNet's concrete nouns that no
picture showed learn to lie next to their nearest pictured relatives. Plan, checkpoints and signals: as train.py.
"""
import argparse
import io
import json
import math
import queue
import signal
import threading
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageFilter
from safetensors.torch import load_file

import colours
from dictionary import Dictionary
from model import CLIP, Config
from prompts import ENSEMBLE, Vocabulary, fill
from tokenizer import Tokenizer
from train import (MEAN, STD, Pictures, Texts, Workers, answer_loss, backward_pieces, centred, colour, columns_of,
                   common_options, encode_pieces, optimisers, planned, recalibrate, restore, save, tiny_validation,
                   to_input, zero_shot)

# How often a training picture is drawn per pass (sets not named: once).
REPEATS = {"tinyimagenet": 0.5, "cifar100": 0.25, "caltech101": 1.5, "imagenette": 0.5, "pacs": 0.7,
           "petbreeds": 2, "professions": 0.6, "clothing": 1.5, "imagen": 4, "imagenetcompat": 4, "scenes": 0.15,
           "natural": 0.4, "shapes": 2, "emoji": 0.5, "xray": 0.2, "pneumoniamnist": 0.2, "birds": 1.2,
           "instruments": 1, "oxfordpets": 3, "flying": 0.7, "market": 3, "boats": 4}

# Sets whose classes differ much in size.
EVENED = ("caltech101", "instruments", "oxfordpets", "shapes", "boats")

# Classes of fewer sharp pictures than USUAL are drawn more often, at most MOST times as often.
USUAL, MOST = 100, 2.5

# Share of the plan that a smaller picture size takes (--first-size).
FIRST_SHARE = 0.4

# What a picture may be besides a plain photo; the first template of each is the usual one.
STYLES = {
    "photo": ("a photo of a {}", "a colour photo of a {}", "a photograph of a {}"),
    "black and white photo": ("a black and white photo of a {}", "a grey photo of a {}", "a monochrome photo of a {}"),
    "blurry photo": ("a blurry photo of a {}", "a low resolution photo of a {}", "a blurred picture of a {}"),
    "close-up": ("a close-up of a {}", "a close-up photo of a {}", "a macro photo of a {}"),
    "several": ("several pictures of a {}", "a photo of several {}", "a collage of a {}"),
    "painting": ("a painting of a {}", "an oil painting of a {}", "art of a {}"),
    "cartoon": ("a cartoon of a {}", "a comic drawing of a {}", "an illustration of a {}"),
    "sketch": ("a sketch of a {}", "a pencil drawing of a {}", "a drawing of a {}"),
    "silhouette": ("a silhouette of a {}", "the black outline of a {}"),
    "emoji": ("an emoji of a {}", "an icon of a {}", "a symbol of a {}"),
}
NAMES = list(STYLES)
SAID = {"line drawing": "sketch", "stylized picture": "painting"}


def style_of(c):
    """Index of the style that a class's own description states."""
    for kind in (c["dataset"], *c["hypernyms"], *" ".join(c["captions"]).lower().split()):
        kind = SAID.get(kind, kind)
        if kind in STYLES and kind != "photo":
            return NAMES.index(kind)
    return 0


def epoch_order(pics, seed, epoch):
    rng = np.random.default_rng((seed, epoch))
    train = np.nonzero(~pics.val)[0]
    count = np.maximum(1, np.bincount(pics.cls[train], minlength=len(pics.classes)))
    rare = np.clip(np.sqrt(USUAL / count), 1, MOST)
    rate = np.array([REPEATS.get(c["dataset"], 1) * (r if c["dataset"] in EVENED else 1)
                     for c, r in zip(pics.classes, rare)])[pics.cls[train]]
    return rng.permutation(np.repeat(train, np.floor(rate + rng.random(len(train))).astype(int)))


# Share of the sharp photos that are put small before another scene, and the sets that are no photos of one thing.
INSET, NO_THING = 0.12, ("scenes", "xray", "pneumoniamnist", "professions", "birds")

FILTERS = [Image.Resampling.BICUBIC, Image.Resampling.BICUBIC, Image.Resampling.BILINEAR,
           Image.Resampling.LANCZOS, Image.Resampling.HAMMING]


def cropped(im, size, rng, low):
    w, h = im.size
    area = w * h * rng.uniform(low, 1)
    ratio = math.exp(rng.uniform(math.log(3 / 4), math.log(4 / 3)))
    cw, ch = min(w, math.sqrt(area * ratio)), min(h, math.sqrt(area / ratio))
    x, y = rng.uniform(0, w - cw), rng.uniform(0, h - ch)
    im = im.resize((size, size), FILTERS[rng.integers(len(FILTERS))], box=(x, y, x + cw, y + ch))
    return im.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.random() < 0.5 else im


def inset(im, scene, size, rng):
    """The photo at a third to two thirds of the size before another scene, its edges faded."""
    side = round(size * rng.uniform(0.35, 0.7))
    small, back = cropped(im, side, rng, 0.6), cropped(scene, size, rng, 0.6)
    edge = np.minimum(np.arange(side), np.arange(side)[::-1])
    mask = np.minimum(1, (np.minimum.outer(edge, edge) + 1) / (rng.uniform(0.05, 0.25) * side))
    x, y = rng.integers(size - side + 1, size=2)
    back.paste(small, (int(x), int(y)), Image.fromarray((255 * mask).astype(np.uint8)))
    return back


def augmented(im, size, rng, style, scene=None):
    """u8 [size,size,3] and the style that the change made of it. scene: a picture before which it may stand."""
    sharp, photo, draw = min(im.size) > 72, style == 0, rng.random()
    if photo and sharp and draw < 0.03:
        style, low = NAMES.index("close-up"), None
        w, h = im.size
        side = min(w, h) * rng.uniform(0.35, 0.5)
        x, y = (w - side) * rng.uniform(0.3, 0.7), (h - side) * rng.uniform(0.3, 0.7)
        im = im.resize((size, size), Image.Resampling.BICUBIC, box=(x, y, x + side, y + side))
    elif photo and draw < 0.05:
        style, half = NAMES.index("several"), size // 2
        tiles = np.stack([np.asarray(cropped(im, half, rng, 0.6)) for _ in range(4)])
        im = Image.fromarray(tiles.reshape(2, 2, half, half, 3).transpose(0, 2, 1, 3, 4).reshape(size, size, 3))
    elif scene and photo and sharp and draw < 0.05 + INSET:
        im = inset(im, scene, size, rng)
    else:
        im = cropped(im, size, rng, 0.35 if sharp else 0.5)
    if photo and rng.random() < 0.1:
        im = colours.turned(im, rng)
    draw = rng.random()
    if draw < 0.12:                                     # a smaller picture, enlarged
        small = round(size * rng.uniform(0.35, 0.8))
        if photo and style == 0 and small < size / 2:
            style = NAMES.index("blurry photo")
        im = im.resize((small, small), Image.Resampling.BOX).resize((size, size), Image.Resampling.BILINEAR)
    elif draw < (0.2 if sharp else 0.4):                # the other way round: small ones made crisp
        im = im.filter(ImageFilter.UnsharpMask(rng.uniform(0.6, 1.4), int(rng.uniform(60, 220)), 0))
    if rng.random() < 0.12:
        f = io.BytesIO()
        im.save(f, "JPEG", quality=int(rng.uniform(30, 85)))
        im = Image.open(f)
    return np.asarray(im), style


def greyed_and_erased(x, styles, rng):
    """Some turn grey, some lose a rectangle; x normalised [n,3,s,s], changed in place."""
    n, s = len(x), x.shape[-1]
    grey = np.nonzero((rng.random(n) < 0.08) & (styles == 0))[0]
    x[grey] = x[grey].mean(1, keepdim=True).expand(-1, 3, -1, -1)
    styles[grey] = NAMES.index("black and white photo")
    for i in np.nonzero(rng.random(n) < 0.2)[0]:
        h, w = (int(s * v) for v in rng.uniform(0.15, 0.45, 2))
        y, z = rng.integers(s - h), rng.integers(s - w)
        x[i, :, y:y + h, z:z + w] = float(rng.normal() * 0.5)
    return x


class Loader(threading.Thread):
    """Batches made ahead; batch k depends on (seed, pictures before it) alone."""

    def __init__(self, pics, styles, a, seen):
        super().__init__(daemon=True)
        self.pics, self.styles, self.a, self.seen = pics, styles, a, seen
        self.queue = queue.Queue(4)
        self.scenes = pics.where("scenes", False)
        self.thing = np.array([c["dataset"] not in NO_THING for c in pics.classes])

    def made(self, i, size, rng):
        c = self.pics.cls[i]
        scene = len(self.scenes) and self.thing[c] and self.pics.image(self.scenes[rng.integers(len(self.scenes))])
        return augmented(self.pics.image(i), size, rng, self.styles[c], scene or None)

    def run(self):
        a, epoch, start, seen = self.a, 0, 0, self.seen
        order = epoch_order(self.pics, a.seed, 0)
        while True:
            picked = []
            for k in range(seen, seen + a.batch):
                while k >= start + len(order):
                    start, epoch = start + len(order), epoch + 1
                    order = epoch_order(self.pics, a.seed, epoch)
                picked.append(order[k - start])
            rng = np.random.default_rng((a.seed, 1, seen))
            size = a.first_size if a.first_size and seen / a.images < FIRST_SHARE else a.size
            cls = self.pics.cls[picked]
            made = [self.made(i, size, rng) for i in picked]
            seen += a.batch
            self.queue.put((np.stack([m[0] for m in made]), cls, np.array([m[1] for m in made]), rng))


def style_question(vocabulary, cls, styles, rng, most=20):
    """Some pictures, mostly no plain photos, and three texts each that differ in style; the first is right."""
    which = np.concatenate([rng.permutation(np.nonzero(styles != 0)[0])[:most],
                            rng.permutation(np.nonzero(styles == 0)[0])[:most // 2]])
    texts = []
    for i in which:
        others = [s for s in rng.permutation(len(NAMES)) if s != styles[i]][:2]
        name = vocabulary.terms[vocabulary.name[cls[i]]]
        for s in (styles[i], *others):
            forms = STYLES[NAMES[s]]
            texts.append(fill(forms[rng.integers(len(forms))], name))
    return which, texts


def coloured(vocabulary, cls, clear, prompts, first, second, rng):
    """Some names get the colour of the one picture of the batch that they are for."""
    column, count = first.numpy(), np.bincount(np.concatenate([first.numpy(), second.numpy()]), minlength=len(prompts))
    own = (first == second).numpy().astype(int) + 1     # how often the picture itself counts for that column
    for i in np.nonzero((clear[0] >= 0) & (count[column] == own) & (rng.random(len(cls)) < 0.2))[0]:
        form = colours.FORMS[rng.integers(len(colours.FORMS))]
        name = vocabulary.terms[vocabulary.name[cls[i]]]
        prompts[column[i]] = fill(form, f"{colours.said(clear[0][i], clear[1][i], rng)} {name}")


def colour_question(vocabulary, cls, clear, rng):
    """colours.question about things called by name, by a broader word or not at all."""
    def called(i):
        draw = rng.random()
        if draw < 0.1:
            return None
        others = [t for t in vocabulary.others[cls[i]] if not vocabulary.is_caption[t]]
        term = others[rng.integers(len(others))] if others and draw < 0.35 else vocabulary.name[cls[i]]
        return vocabulary.terms[term]
    return colours.question(called, clear, rng)


@torch.no_grad()
def term_embeddings(model, texts, terms):
    """[n,d] normalised, each the mean over three templates."""
    e = [texts.encode(model, [fill(t, w) for w in terms]) for t in (ENSEMBLE[0], ENSEMBLE[2], "{}")]
    return F.normalize(sum(e), dim=-1)


class Reader:
    """Teaches the dictionary: a word's place is the weighted mean of its nearest pictured words."""

    def __init__(self, dictionary, texts):
        self.d, self.texts = dictionary, texts
        self.column = {t: i for i, t in enumerate(dictionary.anchors)}
        self.broad = sorted({b for row in dictionary.broader for b in row})
        self.row = {b: i for i, b in enumerate(self.broad)}

    def refresh(self, model):
        terms = self.texts.vocabulary.terms
        self.anchors = term_embeddings(model, self.texts, self.d.anchors)
        self.kinds = term_embeddings(model, self.texts, [terms[b] for b in self.broad])

    def places(self, which):
        near = (torch.from_numpy(self.d.weight[which])[:, :, None] * self.anchors[self.d.nearest[which]]).sum(1)
        near = F.normalize(near, dim=-1)
        kind = torch.stack([self.kinds[[self.row[b] for b in self.d.broader[i]]].mean(0)
                            if self.d.broader[i] else near[k] for k, i in enumerate(which)])
        return F.normalize(near + 0.4 * F.normalize(kind, dim=-1), dim=-1)

    def question(self, rng, n):
        which = rng.integers(len(self.d.words), size=n)
        forms = ("a photo of a {}.", "a photo of a {}", "{}", "a {}", "a photo of the {}.", "a close-up photo of a {}.",
                 "a good photo of the {}.", "a photo of a small {}.", "itap of a {}.")
        texts = [fill(forms[rng.integers(len(forms))], self.d.words[i]) for i in which]
        return texts, self.places(which), which


def place_loss(e, places):
    """Cosine to the right place, and told apart from the places of the other words of the batch."""
    logits = 15 * e @ places.T
    alike = places @ places.T
    soft = (15 * alike).softmax(-1)
    return (1 - (e * places).sum(-1)).mean() + 0.2 * -(soft * logits.log_softmax(-1)).sum(-1).mean()


def first_of_three(scale, pictures, texts):
    """Cross-entropy of pictures [n,d] that each have three texts [3n,d], the first of which is right."""
    if not len(pictures):
        return texts.sum()
    logits = scale * (pictures[:, None] * texts.view(len(pictures), 3, -1)).sum(-1)
    return F.cross_entropy(logits, torch.zeros(len(pictures), dtype=torch.long))


def ordered(groups):
    return torch.argsort(torch.cat([g[2] for g in groups]))


def read_first(model, texts, reader, trained, workers, a):
    """Before any picture: the dictionary, while the terms known already stay where they are."""
    params = [p for n, p in model.named_parameters() if not n.startswith(("visual", "logit"))]
    opt = torch.optim.AdamW(params, lr=1e-3, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
    rng, v = np.random.default_rng((a.seed, 2)), texts.vocabulary
    reader.refresh(model)
    plain = [v.terms[t] for t in trained]
    home = term_embeddings(model, texts, plain)
    for step in range(a.text_steps):
        for g in opt.param_groups:
            g["lr"] = 1e-3 * min(1, (step + 1) / 20, 1.3 * (1 - step / a.text_steps))
        prompts, places, _ = reader.question(rng, 320)
        stay = rng.integers(len(trained), size=192)
        prompts += [v.prompt(trained[t], rng) for t in stay]
        groups = list(texts.groups(prompts))
        outputs = encode_pieces(model, workers, [("text", ids, end) for ids, end, _ in groups])
        joined = torch.cat(outputs).detach().float().requires_grad_()
        e = F.normalize(joined, dim=-1)[ordered(groups)]
        read, kept = place_loss(e[:320], places), (1 - (e[320:] * home[stay]).sum(-1)).mean()
        opt.zero_grad(set_to_none=True)
        (read + 4 * kept).backward()
        backward_pieces(workers, outputs, joined.grad)
        opt.step()
        if step % 20 == 0 or step + 1 == a.text_steps:
            print(f"text {step} {read.item():.4f} {kept.item():.4f}", flush=True)


def warm_model(folder, texts, size):
    """The finished model with the reduced token table of this stage, at another picture size.

    Also returned: its configuration, and which rows of the table are new (bool; the last row is not).
    """
    settings = json.loads((folder / "open_clip_config.json").read_text())["model_cfg"]
    cfg = Config.from_open_clip(settings)
    state = {k: v.float() if v.is_floating_point() else v
             for k, v in load_file(folder / "open_clip_model.safetensors").items()}
    table = state["token_embedding.weight"]
    unique, counts = torch.unique(table, dim=0, return_counts=True)
    blank = unique[counts.argmax()]                    # the row of all tokens never met
    rows = torch.cat([table[torch.tensor(texts.tokens)], blank[None]])
    new = (rows[:-1] == blank).all(1)
    rows[:-1][new] += torch.randn(int(new.sum()), rows.shape[1]) * 0.5 * table[table.ne(blank).any(1)].std()
    state["token_embedding.weight"] = rows
    model = CLIP(cfg, token_rows=len(rows))
    model.load_state_dict(state)
    pool = model.visual.attnpool
    pool.positional_embedding = torch.nn.Parameter(pool.position(size // 32).detach().clone())
    cfg.image_size, pool.side = size, size // 32
    print(f"{int(new.sum())} tokens are new of {len(texts.tokens)}", flush=True)
    return model, cfg, torch.cat([new, torch.tensor([False])])


def blended(start, new, state, share):
    """Weights `share` of the way from the first stage to `state`; new token rows are the second's alone."""
    mixed = {}
    for name, value in state.items():
        other = start[name]
        mixed[name] = other.lerp(value, share) if value.is_floating_point() else value
    mixed["token_embedding.weight"][new] = state["token_embedding.weight"][new]
    return mixed


def rate_at(progress):
    return min(1.0, progress / 0.03 + 0.05, max(0.0, 1 - progress) / 0.85)


CHECKED = ("caltech101", "imagen", "imagenette", "shapes", "clothing", "flowers102", "professions", "groceries",
           "birds", "instruments", "oxfordpets", "flying")


def validate(model, texts, pics, size, per_class):
    """Shares of right answers: Tiny ImageNet, then each of the sharper sets."""
    recalibrate(model, pics, size, 1, n=1024)
    which, names = tiny_validation(pics, per_class)
    out = {"tiny": zero_shot(model, texts, pics, which, names, size)}
    for dataset in CHECKED:
        which = pics.where(dataset, True)
        names = [k for k, c in enumerate(pics.classes) if c["dataset"] == dataset]
        first = {}
        for k in names:                               # one column per name
            first.setdefault(pics.classes[k]["name"], k)
        if len(which):
            out[dataset] = zero_shot(model, texts, pics, which, list(first.values()), size,
                                     {k: first[pics.classes[k]["name"]] for k in names})
    for name, turn in (("colour", False), ("colour turned", True)):
        chosen = colours.pictures_to_ask(pics, colours.asked(pics), size, centred, turn)
        out[name] = colours.right(lambda images: embedded(model, images), lambda t: texts.encode(model, t), pics, chosen)[0]
    return out


@torch.no_grad()
def embedded(model, images):
    """Unit vectors [n,d] of prepared pictures."""
    parts = [model.encode_image(to_input(np.stack(images[i:i + 256]))) for i in range(0, len(images), 256)]
    return F.normalize(torch.cat(parts).float(), dim=-1)


def arguments():
    ap = argparse.ArgumentParser()
    common_options(ap)
    ap.add_argument("--start", type=Path, required=True, help="open_clip folder of the first stage")
    ap.add_argument("--wordnet", type=Path, default=Path("/usr/share/wordnet"))
    ap.add_argument("--measured", type=Path, help="synset offsets of names measured unseen, one a line")
    ap.add_argument("--size", type=int, default=64, help="shipped picture size")
    ap.add_argument("--first-size", type=int, default=0, help=f"picture size in the first {FIRST_SHARE} of the plan")
    ap.add_argument("--style", type=float, default=0.1, help="weight of the question about style")
    ap.add_argument("--colour", type=float, default=0.3, help="weight of the question about colour")
    ap.add_argument("--read", type=float, default=0.5, help="weight of the dictionary")
    ap.add_argument("--words", type=int, default=96, help="dictionary words per step")
    ap.add_argument("--negatives", type=int, default=80, help="further names among the columns")
    ap.set_defaults(images=4e5, batch=256, piece=64, lr=4e-4, muon_lr=0.008, text_steps=400, ema=0.997, eval_every=250)
    return ap.parse_args()


class Stage:
    """What a step needs."""

    def __init__(self, a):
        self.a, self.workers = a, Workers(a.threads)
        self.pics = pics = Pictures(a.data)
        self.vocabulary = Vocabulary(pics.classes)
        tokenizer = Tokenizer(a.vocabulary)
        self.trained = np.unique(pics.cls[~pics.val])
        photos = [k for k in self.trained if pics.classes[k]["dataset"] not in ("emoji", "xray", "pneumoniamnist")]
        measured = [int(x) for x in a.measured.read_text().split()] if a.measured else ()
        self.dictionary = Dictionary(a.wordnet, self.vocabulary, pics.classes, photos, tokenizer, measured)
        forms = [t for forms in STYLES.values() for t in forms] + [*colours.FORMS, *colours.NAMELESS, *colours.COLOURS,
                                                                          "red and blue"]
        self.texts = Texts(self.vocabulary, tokenizer, [*self.dictionary.words, *forms])
        self.reader = Reader(self.dictionary, self.texts)
        self.names = sorted({self.vocabulary.name[k] for k in photos})
        self.styles = [style_of(c) for c in pics.classes]
        # Column of each class in the dictionary's table of kin; the last column is kin to everything.
        column = {t: i for i, t in enumerate(self.dictionary.anchors)}
        self.anchor = np.array([column.get(self.vocabulary.terms[n], -1) for n in self.vocabulary.name])
        self.told = np.array([colours.told(c) for c in pics.classes])
        print(f"{len(self.dictionary.words)} dictionary words, {len(self.dictionary.anchors)} anchors, "
              f"{len(self.vocabulary.terms)} terms, {len(self.trained)} classes", flush=True)

    def terms(self):
        v = self.vocabulary
        return sorted({t for k in self.trained for t in (v.name[k], *v.others[k]) if not v.is_caption[t]})

    def losses(self, model, batch, cls, styles, rng):
        a, v, texts = self.a, self.vocabulary, self.texts
        x = colour(to_input(batch), rng)
        clear = colours.measured(x * STD + MEAN)
        x = greyed_and_erased(x, styles, rng).contiguous(memory_format=torch.channels_last)
        clear[0][(styles != 0) | ~self.told[cls]] = -1
        prompts, first, second, fits = columns_of(v, cls, rng.permutation(self.names)[:a.negatives], rng)
        coloured(v, cls, clear, prompts, first, second, rng)
        which, styled = style_question(v, cls, styles, rng)
        seen, hues = colour_question(v, cls, clear, rng)
        words, places, which_words = self.reader.question(rng, a.words)
        n, m, k = len(prompts), len(prompts) + len(styled), len(prompts) + len(styled) + len(hues)
        groups = list(texts.groups(prompts + styled + hues + words, rng))
        jobs = [("image", piece) for piece in x.split(a.piece)]
        outputs = encode_pieces(model, self.workers, jobs + [("text", ids, end) for ids, end, _ in groups])
        joined = torch.cat(outputs).detach().float().requires_grad_()
        e = F.normalize(joined, dim=-1)
        pictures, said = e[:len(x)], e[len(x):][ordered(groups)]
        scale = model.logit_scale.exp()
        logits = scale * pictures @ said[:n].T
        others = torch.from_numpy(self.dictionary.kin[which_words][:, self.anchor[cls]].T)
        loss1 = answer_loss(torch.cat([logits, scale * pictures @ said[k:].T], 1), first, torch.cat([fits, others], 1),
                            a.smoothing)
        loss2 = answer_loss(logits, second, fits, a.smoothing)
        loss3 = first_of_three(scale, pictures[which], said[n:m])
        loss4 = first_of_three(scale, pictures[seen], said[m:k])
        loss5 = place_loss(said[k:], places)
        (loss1 + a.second * loss2 + a.style * loss3 + a.colour * loss4 + a.read * loss5).backward()
        backward_pieces(self.workers, outputs, joined.grad)
        hit = (logits.masked_fill(fits.scatter(1, first[:, None], False), -1e4).argmax(1) == first).float().mean()
        return [loss1.item(), loss2.item(), loss3.item(), loss4.item(), loss5.item(), hit.item()]


def start(stage, a):
    model, cfg, _ = warm_model(a.start, stage.texts, a.size)
    with torch.no_grad():
        model.logit_scale.clamp_(max=math.log(25))
    saved = a.out / "checkpoint.pt"
    saved = torch.load(saved, weights_only=False) if a.resume and saved.exists() else None
    if not saved:
        read_first(model, stage.texts, stage.reader, stage.terms(), stage.workers, a)
    ema = CLIP(cfg, token_rows=len(stage.texts.tokens) + 1)
    ema.load_state_dict(model.state_dict())
    for m in (model, ema):
        m.visual.to(memory_format=torch.channels_last)
    return model, ema, cfg, saved


class Run:
    """The two models, their optimisers and the count of steps and pictures; written and read as one checkpoint."""

    def __init__(self, stage, a):
        self.stage, self.a, self.step, self.seen = stage, a, 0, 0
        self.model, self.ema, self.cfg, saved = start(stage, a)
        self.opts = optimisers(self.model, stage.workers, a)
        self.fresh = saved is None
        if saved:
            assert saved["tokens"] == stage.texts.tokens, "other data or templates than the checkpoint's"
            self.model.load_state_dict(saved["model"])
            self.ema.load_state_dict(saved["ema"])
            restore(self.opts, saved["opts"])
            self.step, self.seen = saved["step"], saved["seen"]
        self.pairs = list(zip(self.ema.parameters(), self.model.parameters()))
        self.log, self.steps = open(a.out / "log.tsv", "a"), open(a.out / "steps.tsv", "a")

    def checkpoint(self):
        save(self.a.out / "checkpoint.pt", {
            "model": self.model.state_dict(), "ema": self.ema.state_dict(),
            "opts": [o.state_dict() for o in self.opts], "step": self.step, "seen": self.seen,
            "tokens": self.stage.texts.tokens, "config": self.cfg.as_dict(),
            "arguments": {k: str(v) for k, v in vars(self.a).items()}})

    def tell(self, file, line):
        file.write(line + "\n")
        file.flush()
        print(line, flush=True)

    def evaluate(self):
        found = validate(self.ema, self.stage.texts, self.stage.pics, self.a.size, 5)
        self.tell(self.log, f"{time.strftime('%H:%M:%S')}\t{self.step}\t{self.seen}\t"
                  + "\t".join(f"{k}={v:.4f}" for k, v in found.items()))

    def advance(self, batch, cls, styles, rng):
        """One step; returns its losses."""
        a = self.a
        if self.step % 25 == 0 or not hasattr(self.stage.reader, "anchors"):
            self.stage.reader.refresh(self.model)
        self.model.train()
        for o in self.opts:
            o.zero_grad(set_to_none=True)
            for g in o.param_groups:
                g["lr"] = g["peak"] * rate_at(self.seen / a.images)
        losses = self.stage.losses(self.model, batch, cls, styles, rng)
        for o in self.opts:
            o.step()
        with torch.no_grad():
            self.model.logit_scale.clamp_(0, math.log(100))
            keep = min(a.ema, (10 + self.step) / (20 + self.step))
            torch._foreach_lerp_([p for p, _ in self.pairs], [q for _, q in self.pairs], 1 - keep)
        self.step, self.seen = self.step + 1, self.seen + a.batch
        return losses


def main():
    a = arguments()
    a.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    torch.manual_seed(a.seed)
    a.images = planned(a)
    stage = Stage(a)
    run = Run(stage, a)
    loader = Loader(stage.pics, stage.styles, a, run.seen)
    loader.start()
    if run.fresh:
        run.evaluate()
    last_save, clock, clock_seen, sums = time.time(), time.time(), run.seen, []
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    while run.seen < a.images and not stop:
        batch, cls, styles, rng = loader.queue.get()
        sums.append(run.advance(batch, cls, styles, rng))
        if run.step % 20 == 0:
            now, mean = time.time(), np.mean(sums, 0)
            run.tell(run.steps, f"{time.strftime('%H:%M:%S')}\t{run.step}\t{run.seen}\t{batch.shape[1]}\t"
                     + "\t".join(f"{m:.4f}" for m in mean)
                     + f"\t{run.model.logit_scale.exp().item():.2f}\t{(run.seen-clock_seen)/(now-clock):.0f}")
            clock, clock_seen, sums = now, run.seen, []
            a.images = planned(a)
        if time.time() - last_save > a.save_every:
            run.checkpoint()
            last_save = time.time()
        if run.step % a.eval_every == 0:
            run.evaluate()
            clock, clock_seen = time.time(), run.seen
    run.checkpoint()
    if not stop:
        run.evaluate()


if __name__ == "__main__":
    main()
