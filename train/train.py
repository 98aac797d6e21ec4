"""Trains whatsit-nano on packed pictures (data.py), on a CPU, resumably.

    python train.py --data DIR --vocabulary FILE.gz --out DIR --images 2e6 [--resume]

The plan is counted in pictures seen. Raising --images on a resume stretches the plan: the learning
rate follows the new length. One line per evaluation goes to OUT/log.tsv, one per 20 steps to
OUT/steps.tsv; OUT/checkpoint.pt is replaced atomically every few minutes.
"""
import argparse
import json
import math
import os
import queue
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from model import CLIP, Config
from prompts import ENSEMBLE, Vocabulary, fill
from tokenizer import Tokenizer

MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(1, 3, 1, 1)
STD = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(1, 3, 1, 1)

# How often a training picture of a data set is drawn per epoch (others: once).
REPEATS = {"cifar100": 0.12, "flowers102": 2, "petbreeds": 2, "clothing": 2, "professions": 2,
           "pacs": 1.5, "shapes": 1.5, "emoji": 0.5, "xray": 0.3, "pneumoniamnist": 0.3}

# Where the processor multiplies bf16 itself; elsewhere it is many times slower than f32.
FAST_BF16 = "avx512_bf16" in Path("/proc/cpuinfo").read_text()

# Share of the plan at which each picture size begins.
SIZES = [(0.0, 48), (0.40, 64), (0.85, 80)]


class Pictures:
    def __init__(self, folder):
        z = np.load(folder / "index.npz")
        self.offset, self.height, self.width = z["offset"], z["height"], z["width"]
        self.cls, self.val = z["cls"], z["val"].astype(bool)
        self.pixels = np.memmap(folder / "images.bin", dtype=np.uint8, mode="r")
        self.classes = json.loads((folder / "classes.json").read_text())

    def image(self, i):
        h, w, o = int(self.height[i]), int(self.width[i]), int(self.offset[i])
        return Image.fromarray(np.asarray(self.pixels[o:o + h * w * 3]).reshape(h, w, 3))

    def where(self, dataset, val):
        of = np.array([c["dataset"] == dataset for c in self.classes])
        return np.nonzero(of[self.cls] & (self.val == val))[0]


def epoch_order(pics, seed, epoch):
    """A shuffled epoch; fractional repeats keep a different random part each time."""
    rng = np.random.default_rng((seed, epoch))
    train = np.nonzero(~pics.val)[0]
    rate = np.array([REPEATS.get(c["dataset"], 1) for c in pics.classes])[pics.cls[train]]
    times = np.floor(rate + rng.random(len(train))).astype(int)
    return rng.permutation(np.repeat(train, times))


def augmented(im, size, rng):
    """Random resized crop and flip."""
    w, h = im.size
    area = w * h * rng.uniform(0.5, 1)
    ratio = math.exp(rng.uniform(math.log(3 / 4), math.log(4 / 3)))
    cw, ch = min(w, math.sqrt(area * ratio)), min(h, math.sqrt(area / ratio))
    x, y = rng.uniform(0, w - cw), rng.uniform(0, h - ch)
    im = im.resize((size, size), Image.Resampling.BICUBIC, box=(x, y, x + cw, y + ch))
    a = np.asarray(im)
    return a[:, ::-1] if rng.random() < 0.5 else a


def centred(im, size):
    """The shipped preprocessing: shortest side, bicubic, centre crop."""
    w, h = im.size
    nw, nh = (size, int(size * h / w)) if w <= h else (int(size * w / h), size)
    im = im.resize((nw, nh), Image.Resampling.BICUBIC) if (nw, nh) != (w, h) else im
    left, top = round((nw - size) / 2), round((nh - size) / 2)
    return np.asarray(im.crop((left, top, left + size, top + size)))


def to_input(batch):
    """uint8 [n,s,s,3] -> normalised float [n,3,s,s], channels last in memory."""
    x = torch.from_numpy(batch).permute(0, 3, 1, 2).float().div_(255)
    return x.sub_(MEAN).div_(STD)


def size_at(progress):
    return [s for start, s in SIZES if progress >= start][-1]


def rate_at(progress):
    """Warm-up, plateau, linear descent."""
    return min(1, progress / 0.02 + 0.02, max(0.0, (1 - progress) / 0.6))


class Loader(threading.Thread):
    """Makes batches ahead; batch k depends on (seed, k) alone, so a resume repeats nothing."""

    def __init__(self, pics, a, seen):
        super().__init__(daemon=True)
        self.pics, self.a, self.seen = pics, a, seen
        self.queue = queue.Queue(3)

    def run(self):
        a, lengths, epoch, start = self.a, [], 0, 0
        order = epoch_order(self.pics, a.seed, 0)
        seen = self.seen
        while True:
            picked = []
            for k in range(seen, seen + a.batch):
                while k >= start + len(order):
                    start, epoch = start + len(order), epoch + 1
                    order = epoch_order(self.pics, a.seed, epoch)
                picked.append(order[k - start])
            rng = np.random.default_rng((a.seed, 1, seen))
            size = size_at(seen / a.images)
            batch = np.stack([augmented(self.pics.image(i), size, rng) for i in picked])
            seen += a.batch
            self.queue.put((batch, self.pics.cls[picked], rng))


def colour(x, rng):
    """A little brightness, contrast and tint; a few pictures turn grey."""
    n = len(x)
    gain = torch.from_numpy(rng.uniform(0.75, 1.25, (n, 1, 1, 1)) * rng.uniform(0.93, 1.07, (n, 3, 1, 1)))
    shift = torch.from_numpy(rng.uniform(-0.3, 0.3, (n, 1, 1, 1)))
    x = x * gain.float() + shift.float()
    grey = torch.from_numpy(np.nonzero(rng.random(n) < 0.05)[0])
    x[grey] = x[grey].mean(1, keepdim=True).expand(-1, 3, -1, -1)
    return x


class Texts:
    """Tokenised prompts; ids are rows of the reduced token table (last row: any other token)."""

    def __init__(self, vocabulary, tokenizer, more=(), tokens=None):
        """more: further texts whose tokens training may meet; tokens: a checkpoint's, as they are"""
        self.vocabulary, self.tokenizer = vocabulary, tokenizer
        used = tokens or {t for s in (*vocabulary.all_texts(), *more) for t in tokenizer(s)}
        self.tokens = sorted(used)
        self.row = {t: i for i, t in enumerate(self.tokens)}
        self.unknown = len(self.tokens)

    def rows(self, text):
        return [self.row.get(t, self.unknown) for t in self.tokenizer(text)]

    def groups(self, texts, rng=None):
        """(padded ids, end positions, which texts) for two groups by length: little is padding."""
        ids = [self.rows(t) for t in texts]
        if rng is not None:           # now and then a word it has never seen
            for r in ids:
                if len(r) > 4 and rng.random() < 0.03:
                    r[rng.integers(1, len(r) - 1)] = self.unknown
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        half = (len(order) * 3 + 3) // 5
        for group in filter(None, (order[:half], order[half:])):
            padded = torch.zeros(len(group), max(len(ids[i]) for i in group), dtype=torch.long)
            for k, i in enumerate(group):
                padded[k, :len(ids[i])] = torch.tensor(ids[i])
            yield padded, torch.tensor([len(ids[i]) - 1 for i in group]), torch.tensor(group)

    def encode(self, model, texts):
        """Normalised embeddings of the texts, in their order."""
        parts = list(self.groups(texts))
        e = torch.cat([model.encode_text(ids, end).float() for ids, end, _ in parts])
        return F.normalize(e, dim=-1)[torch.argsort(torch.cat([which for _, _, which in parts]))]


class Workers:
    """Runs independent pieces of a step side by side, each on one core.

    One operation on two threads must wait for the slower core each time, which on a shared machine
    is most of the time; pieces of a batch wait for each other only twice a step. Gradients meet in
    the shared parameters (accumulation is locked); BatchNorm sees one piece at a time.
    """

    def __init__(self, n):
        self.pool = ThreadPoolExecutor(n)

    def __call__(self, f, pieces):
        return list(self.pool.map(f, pieces))


def encode_pieces(model, workers, jobs):
    """jobs: ("image", pixels) or ("text", ids, end) -> outputs with their graphs."""
    def forward(job):
        with torch.enable_grad(), torch.autocast("cpu", torch.bfloat16, enabled=FAST_BF16):
            kind, *args = job
            return (model.encode_image if kind == "image" else model.encode_text)(*args)
    return workers(forward, jobs)


def backward_pieces(workers, outputs, gradient):
    """Second half of a step: the gradient of the joined outputs goes back through each piece."""
    parts = gradient.split([len(o) for o in outputs])
    workers(lambda pair: pair[0].backward(pair[1].to(pair[0].dtype)), list(zip(outputs, parts)))


def columns_of(vocabulary, cls, always, rng):
    """Terms against which a batch is scored, and each picture's two right answers among them."""
    chosen = {}
    for k in np.unique(cls):
        others = vocabulary.others[k]
        chosen[k] = others[rng.integers(len(others))] if others else vocabulary.name[k]
    kinds = {vocabulary.name[k]: vocabulary.kinds[k] for k in chosen}
    terms = sorted({*always, *kinds, *chosen.values()})
    column = {t: i for i, t in enumerate(terms)}
    texts = [vocabulary.prompt(t, rng, kinds.get(t, ())) for t in terms]
    first = torch.tensor([column[vocabulary.name[k]] for k in cls])
    second = torch.tensor([column[chosen[k]] for k in cls])
    fits = torch.from_numpy(vocabulary.fits[np.ix_(cls, terms)])
    return texts, first, second, fits


def answer_loss(logits, target, fits, smoothing):
    """Cross-entropy over the right answer and the columns that are certainly wrong."""
    wrong = (~fits).scatter(1, target[:, None], True)
    logp = logits.masked_fill(~wrong, -1e4).log_softmax(-1)
    right = logp.gather(1, target[:, None]).squeeze(1)
    spread = (logp * wrong).sum(1) / wrong.sum(1)
    return -((1 - smoothing) * right + smoothing * spread).mean()


def spread_texts(model, texts, workers, a):
    """Before any picture: tells terms apart whatever their template.

    A fresh text tower maps all prompts to nearly one point, which leaves the image tower without a
    gradient for its first epoch; a minute of text against text cures that.
    """
    params = [p for n, p in model.named_parameters() if not n.startswith(("visual", "logit"))]
    opt = torch.optim.AdamW(params, lr=2e-3, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
    v, rng = texts.vocabulary, np.random.default_rng((a.seed, 2))
    for step in range(a.text_steps):
        for g in opt.param_groups:
            g["lr"] = 2e-3 * min(1, (step + 1) / 20, 1.5 * (1 - step / a.text_steps))
        terms = rng.permutation(len(v.terms))[:384]
        prompts = [v.prompt(t, rng) for t in terms] + [v.prompt(t, rng) for t in terms]
        groups = list(texts.groups(prompts))
        outputs = encode_pieces(model, workers, [("text", ids, end) for ids, end, _ in groups])
        joined = torch.cat(outputs).detach().float().requires_grad_()
        e = F.normalize(joined, dim=-1)[torch.argsort(torch.cat([g[2] for g in groups]))]
        logits = 20 * e[:384] @ e[384:].T
        fits = torch.from_numpy(v.related[np.ix_(terms, terms)])
        loss = answer_loss(logits, torch.arange(384), fits, 0.0)
        opt.zero_grad(set_to_none=True)
        loss.backward()
        backward_pieces(workers, outputs, joined.grad)
        opt.step()
        if step % 20 == 0 or step + 1 == a.text_steps:
            print(f"text {step} {loss.item():.4f}", flush=True)


def orthogonal(g):
    """Nearest semi-orthogonal matrix, by five Newton-Schulz steps."""
    x = g.bfloat16() if FAST_BF16 else g
    flip = x.shape[0] > x.shape[1]
    x = x.T if flip else x
    x = x / (x.norm() + 1e-7)
    for _ in range(5):
        s = x @ x.T
        x = 3.4445 * x + (-4.7750 * s + 2.0315 * s @ s) @ x
    return (x.T if flip else x).to(g.dtype)


class Muon(torch.optim.Optimizer):
    """Momentum whose step is made orthogonal, for convolution and projection matrices."""

    def __init__(self, params, workers, lr, momentum=0.95, weight_decay=0.0):
        super().__init__(params, dict(lr=lr, momentum=momentum, weight_decay=weight_decay))
        self.workers = workers
        for p in params:
            self.state[p]["m"] = torch.zeros_like(p)

    def update(self, job):
        group, p = job
        with torch.no_grad():
            m = self.state[p]["m"].lerp_(p.grad, 1 - group["momentum"])
            g = p.grad.lerp(m, group["momentum"]).reshape(len(p), -1)
            g = orthogonal(g) * max(1, g.shape[0] / g.shape[1]) ** 0.5
            p.mul_(1 - group["lr"] * group["weight_decay"])
            p.add_(g.view_as(p), alpha=-group["lr"])

    def step(self):
        jobs = [(g, p) for g in self.param_groups for p in g["params"] if p.grad is not None]
        self.workers(self.update, sorted(jobs, key=lambda j: -j[1].numel()))


def optimisers(model, workers, a):
    muon, decay, norms, plain = [], [], [], []
    for name, p in model.named_parameters():
        if p.ndim == 4 or (a.muon_text and p.ndim == 2 and name.startswith("transformer.")):
            (muon if a.muon_lr else decay).append(p)
        elif p.ndim == 2 and "embedding" not in name:
            decay.append(p)
        elif name.startswith("visual.") and p.ndim == 1 and "attnpool" not in name:
            norms.append(p)
        else:
            plain.append(p)
    opts = [torch.optim.AdamW([{"params": decay, "weight_decay": 0.05},
                               {"params": norms, "weight_decay": 0.0, "lr": 3 * a.lr},
                               {"params": plain, "weight_decay": 0.0}],
                              lr=a.lr, betas=(0.9, 0.98), eps=1e-8, fused=True)]
    if muon:
        opts.append(Muon(muon, workers, a.muon_lr, weight_decay=0.01))
    for o in opts:
        for g in o.param_groups:
            g["peak"] = g["lr"]
    return opts


@torch.no_grad()
def recalibrate(model, pics, size, seed, n=1536):
    """BatchNorm statistics from training pictures prepared as at use."""
    norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    saved = [m.momentum for m in norms]
    for m in norms:
        m.reset_running_stats()
        m.momentum = None
    model.train()
    some = epoch_order(pics, seed, 10**6)[:n]
    for i in range(0, n, 256):
        x = to_input(np.stack([centred(pics.image(k), size) for k in some[i:i + 256]]))
        with torch.autocast("cpu", torch.bfloat16, enabled=FAST_BF16):
            model.encode_image(x.contiguous(memory_format=torch.channels_last))
    model.eval()
    for m, momentum in zip(norms, saved):
        m.momentum = momentum


@torch.no_grad()
def zero_shot(model, texts, pics, which, names, size, same=None):
    """Share of pictures whose class name scores highest among `names` (class indices).

    same: class index -> the one among `names` that bears its name, where several classes share one
    """
    vocabulary, heads = texts.vocabulary, []
    for k in names:
        term = pics.classes[k]["name"]
        e = texts.encode(model, [fill(t, term) for t in ENSEMBLE])
        heads.append(F.normalize(e.mean(0), dim=-1))
    heads, right = torch.stack(heads), 0
    column = {int(k): i for i, k in enumerate(names)}
    for i in range(0, len(which), 256):
        part = which[i:i + 256]
        x = to_input(np.stack([centred(pics.image(k), size) for k in part]))
        with torch.autocast("cpu", torch.bfloat16, enabled=FAST_BF16):
            e = model.encode_image(x.contiguous(memory_format=torch.channels_last))
        best = (e.float() @ heads.T).argmax(1)
        truth = [int(pics.cls[k]) for k in part]
        right += sum(int(b) == column[int(same[k] if same else k)] for b, k in zip(best, truth))
    return right / len(which)


def tiny_validation(pics, per_class):
    """Validation pictures of the 200 classes proper (the source adds two more)."""
    extra = {"gorilla", "bridegroom"}
    which = pics.where("tinyimagenet", True)
    which = np.array([i for i in which if pics.classes[pics.cls[i]]["name"] not in extra])
    names, keep = np.unique(pics.cls[which]), []
    for k in names:
        keep += list(which[pics.cls[which] == k][:per_class])
    return np.array(keep), names


def planned(a):
    """The length of the plan; a number in OUT/plan replaces --images while the run goes on."""
    plan = a.out / "plan"
    return float(plan.read_text()) if plan.exists() else a.images


def save(path, state):
    part = path.with_suffix(".part")
    torch.save(state, part)
    os.replace(part, path)


def common_options(ap):
    """What both stages ask for; each sets its own defaults."""
    ap.add_argument("--data", type=Path, required=True)
    ap.add_argument("--vocabulary", required=True, help="bpe_simple_vocab_16e6.txt.gz")
    ap.add_argument("--out", type=Path, required=True)
    ap.add_argument("--images", type=float, help="length of the plan in pictures")
    ap.add_argument("--batch", type=int)
    ap.add_argument("--piece", type=int, help="pictures a core takes at a time")
    ap.add_argument("--lr", type=float)
    ap.add_argument("--muon-lr", type=float)
    ap.add_argument("--muon-text", type=int, default=0)
    ap.add_argument("--text-steps", type=int)
    ap.add_argument("--smoothing", type=float, default=0.1)
    ap.add_argument("--second", type=float, default=0.3, help="weight of the second right answer")
    ap.add_argument("--ema", type=float)
    ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--eval-every", type=int)
    ap.add_argument("--save-every", type=float, default=180, help="seconds")
    ap.add_argument("--resume", action="store_true")


def restore(opts, states):
    """Optimisers as a checkpoint has them, but with the peak rates of this run."""
    for o, s in zip(opts, states):
        peaks = [g["peak"] for g in o.param_groups]
        o.load_state_dict(s)
        for g, peak in zip(o.param_groups, peaks):
            g["peak"] = peak


def arguments():
    ap = argparse.ArgumentParser()
    common_options(ap)
    ap.add_argument("--negatives", type=int, default=60, help="Tiny ImageNet names always among the columns")
    ap.add_argument("--layers", type=int, nargs=4, default=(2, 3, 5, 2))
    ap.add_argument("--stop-at", type=float, default=0, help="stop at this many pictures")
    ap.set_defaults(images=1.7e6, batch=512, piece=128, lr=1e-3, muon_lr=0.025, text_steps=60, ema=0.998, eval_every=400)
    return ap.parse_args()


def main():
    a = arguments()
    a.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    workers = Workers(a.threads)
    torch.manual_seed(a.seed)
    a.images = planned(a)
    pics = Pictures(a.data)
    vocabulary = Vocabulary(pics.classes)
    texts = Texts(vocabulary, Tokenizer(a.vocabulary))
    cfg = Config(vision_layers=tuple(a.layers))
    model = CLIP(cfg, token_rows=len(texts.tokens) + 1)
    with torch.no_grad():
        model.logit_scale.fill_(math.log(20))
    if not a.resume:
        spread_texts(model, texts, workers, a)
    ema = CLIP(cfg, token_rows=len(texts.tokens) + 1)
    ema.load_state_dict(model.state_dict())
    for m in (model, ema):
        m.visual.to(memory_format=torch.channels_last)
    opts = optimisers(model, workers, a)
    step = seen = 0
    if a.resume and (a.out / "checkpoint.pt").exists():
        c = torch.load(a.out / "checkpoint.pt", weights_only=False)
        assert c["tokens"] == texts.tokens, "other data or templates than the checkpoint's"
        model.load_state_dict(c["model"])
        ema.load_state_dict(c["ema"])
        restore(opts, c["opts"])
        step, seen = c["step"], c["seen"]
        torch.set_rng_state(c["rng"])
    print(f"{sum(p.numel() for p in model.parameters())/1e6:.2f} M parameters in training, "
          f"{len(texts.tokens)} tokens, {len(vocabulary.terms)} terms, start at {seen:.0f}", flush=True)

    tiny = sorted({vocabulary.name[k] for k, c in enumerate(pics.classes)
                   if c["dataset"] == "tinyimagenet"})
    which, names = tiny_validation(pics, 10)
    loader = Loader(pics, a, seen)
    loader.start()
    pairs = list(zip(ema.parameters(), model.parameters()))
    log, steps = open(a.out / "log.tsv", "a"), open(a.out / "steps.tsv", "a")

    def checkpoint():
        save(a.out / "checkpoint.pt", {
            "model": model.state_dict(), "ema": ema.state_dict(),
            "opts": [o.state_dict() for o in opts], "step": step, "seen": seen,
            "tokens": texts.tokens, "rng": torch.get_rng_state(), "config": cfg.as_dict(),
            "arguments": {k: str(v) for k, v in vars(a).items()}})

    def evaluate():
        recalibrate(ema, pics, cfg.image_size, a.seed)
        top1 = zero_shot(ema, texts, pics, which, names, cfg.image_size)
        line = f"{time.strftime('%H:%M:%S')}\t{step}\t{seen:.0f}\t{size_at(seen/a.images)}\t{top1:.4f}"
        print("val", line, flush=True)
        log.write(line + "\n")
        log.flush()

    last_save, clock, clock_seen, sums = time.time(), time.time(), seen, np.zeros(5)
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    while seen < min(a.images, a.stop_at or a.images) and not stop:
        batch, cls, rng = loader.queue.get()
        model.train()
        for o in opts:
            for g in o.param_groups:
                g["lr"] = g["peak"] * rate_at(seen / a.images)
        x = colour(to_input(batch), rng).contiguous(memory_format=torch.channels_last)
        prompts, first, second, fits = columns_of(vocabulary, cls, rng.permutation(tiny)[:a.negatives], rng)
        groups = list(texts.groups(prompts, rng))
        jobs = [("image", piece) for piece in x.split(a.piece)]
        outputs = encode_pieces(model, workers,
                                jobs + [("text", ids, end) for ids, end, _ in groups])
        joined = torch.cat(outputs).detach().float().requires_grad_()
        e = F.normalize(joined, dim=-1)
        head = e[len(x):][torch.argsort(torch.cat([g[2] for g in groups]))]
        logits = model.logit_scale.exp() * e[:len(x)] @ head.T
        loss1 = answer_loss(logits, first, fits, a.smoothing)
        loss2 = answer_loss(logits, second, fits, a.smoothing)
        for o in opts:
            o.zero_grad(set_to_none=True)
        (loss1 + a.second * loss2).backward()
        backward_pieces(workers, outputs, joined.grad)
        t2 = time.time()
        for o in opts:
            o.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, math.log(100))
            keep = min(a.ema, (1 + step) / (10 + step))
            torch._foreach_lerp_([p for p, _ in pairs], [q for _, q in pairs], 1 - keep)
        step, seen = step + 1, seen + a.batch
        hit = (logits.masked_fill(fits.scatter(1, first[:, None], False), -1e4)
               .argmax(1) == first).float().mean()
        sums += (loss1.item(), loss2.item(), hit.item(), time.time() - t2, 1)
        if step % 20 == 0:
            now = time.time()
            l1, l2, acc, topt = sums[:4] / sums[4]
            line = (f"{time.strftime('%H:%M:%S')}\t{step}\t{seen:.0f}\t{x.shape[-1]}\t{l1:.4f}\t{l2:.4f}"
                    f"\t{acc:.4f}\t{model.logit_scale.exp().item():.2f}"
                    f"\t{(seen-clock_seen)/(now-clock):.0f}\t{len(prompts)}\t{topt:.3f}")
            steps.write(line + "\n")
            steps.flush()
            print(line, flush=True)
            clock, clock_seen, sums = now, seen, np.zeros(5)
            a.images = planned(a)
        if time.time() - last_save > a.save_every:
            checkpoint()
            last_save = time.time()
        if step % a.eval_every == 0:
            evaluate()
            clock, clock_seen = time.time(), seen
    checkpoint()
    if not stop:
        evaluate()


if __name__ == "__main__":
    main()
