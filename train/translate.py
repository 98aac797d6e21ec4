"""The text tower learns words of other languages, and keeps its English to the last bit: only the rows of its new tokens learn
(vocabulary.py), all else is frozen.

    python translate.py --start FINAL.pt --lists FOLDER --features DIR --vocabulary FILE.gz --merges MERGES.txt --minutes 25 --out FILE.pt

The teacher is the tower as it was. A foreign word goes to the place of what it means, in the English prompts of heads, bare, and in
sentences of its own language; a foreign caption to its English one's. A new row begins as that of its meaning ("Hund" is read as
"dog" before anything is learnt). Beside the places themselves two relations count: which texts of a batch lie near each other, and
what pictures say of them.
"""
import argparse
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from data import REPOSITORY, imagenet_names, joined
from everyday import read_list, templates
from export import restore
from foreign import OWN, plain, plural, tables
from model import cosine, tower_of, unit
from sources import SOURCES
from terms import fill
from texts import lists as shipped
from tokenizer import Tokenizer
from tower import Reader, encoded, saved

ENGLISH = ["{}", *[t for t in templates() if t != "{}"]]         # of a meaning: its places in these are kept
PHOTO = 1                                                        # "a photo of a {}."
RARE = (60, 200), (25, 600), (5, 1 << 30)    # a token that English texts have no more often may take the meaning of a so important word


class Foreign:
    """Words with their meanings' places."""

    def __init__(self, lists, read):
        rows = [line.rstrip("\n").split("\t") for line in open(lists / "foreign.tsv", encoding="utf-8")]
        self.rows = [(r[0], r[1], r[2], float(r[3]), r[4]) for r in rows]
        self.meanings = sorted({r[2] for r in self.rows})
        self.place = torch.stack([read([fill(t, m) for m in self.meanings]) for t in ENGLISH], 1).half()
        at = {m: i for i, m in enumerate(self.meanings)}
        self.meaning = np.array([at[r[2]] for r in self.rows])
        clash = [i for i, r in enumerate(self.rows) if r[4] == "own"]
        like = (read([self.rows[i][1] for i in clash]) * self.place[self.meaning[clash], 0].float()).sum(-1)
        self.own = np.zeros(len(self.rows), bool)
        self.own[clash] = like.numpy() < 0.8            # "Hotel" is none

    def weigh(self, power, reader, learns):
        """A language is drawn as often as the other, a word by its weight, where one of its tokens learns."""
        weight = np.array([r[3] for r in self.rows]) ** power
        weight *= [learns[reader.ids(r[1])].any() for r in self.rows]
        for x in OWN:
            of = np.array([r[0] == x for r in self.rows])
            weight[of] /= weight[of].sum()
        self.share = weight / weight.sum()
        self.tables = {x: tables(x) for x in OWN}

    def draw(self, n, rng):
        """(texts, places)"""
        texts, place, kind = [], [], []
        for i in rng.choice(len(self.rows), n, p=self.share):
            language, word = self.rows[i][:2]
            if rng.random() < 0.12:
                word = plural(language, word, self.tables[language])
            if rng.random() < 0.06:
                word = plain(language, word)
            if self.own[i] or rng.random() < 0.35:
                pool = OWN[language]
                k = rng.integers(len(pool))
                texts.append(pool[k].replace("{}", word))
                kind.append(0 if pool[k].strip("{}").count(" ") == 1 and len(pool[k]) < 9 else PHOTO)
            else:
                k = rng.integers(len(ENGLISH))
                texts.append(ENGLISH[k].replace("{}", word))
                kind.append(k)
            place.append(self.meaning[i])
        return texts, self.place[torch.tensor(place), torch.tensor(kind)].float()


def probes(head, features, most=3000):
    """Embeddings of some pictures that are trained on: what the texts are told apart by."""
    rng, rows = np.random.default_rng(2), []
    for s in SOURCES:
        near_kept = features / f"near-{s.name}.npy"
        if s.measured or s.name == "imagen" or not (features / f"{s.name}.seen.npy").exists() or not near_kept.exists():
            continue
        free = np.nonzero(~np.load(near_kept))[0]
        x = joined(features, s.name)
        rows.append(x[rng.permutation(free)[:1200 if s.name == "coco" else 90]].astype(np.float32))
    with torch.no_grad():
        return unit(head(torch.from_numpy(np.concatenate(rows))[:most]))


def transplanted(old, reader, new, foreign, lists, read):
    """(table, which rows learn): the old rows by their tokens' spelling, the new ones begun from what they mean."""
    table = torch.zeros(len(new.tokenizer.ids), old.shape[1])
    learns, blur = np.zeros(len(table), bool), 0.2 * old.std()
    known = reader.tokenizer.ids
    for token, i in new.tokenizer.ids.items():
        if token in known:
            table[i] = old[known[token]]
    for m in sorted(new.tokenizer.rank, key=new.tokenizer.rank.get):
        token = "".join(m)
        if token not in known:                          # a part of a word: as its own parts
            i = new.tokenizer.ids[token]
            table[i] = (table[new.tokenizer.ids[m[0]]] + table[new.tokenizer.ids[m[1]]]) / 2 + blur * torch.randn(old.shape[1])
            learns[i] = True
    seen = np.zeros(len(table), int)
    for path in lists.glob("[0-9]-*.txt"):
        if path.stem not in ("1-tokens", "0-val"):
            for line in open(path, encoding="utf-8"):
                np.add.at(seen, new.ids(line)[1:-1], 1)
    for _, names in shipped():
        for n in names:
            seen[new.ids(n)] += 5
    for text in imagenet_names() + [n for _, own in read_list(REPOSITORY / "models/nano-concepts.txt") for n in own]:
        seen[new.ids(text)] += 1000
    rows = [(i, r, new.ids(r[1])[1]) for i, r in enumerate(foreign.rows) if len(new.ids(r[1])) == 3]
    rank, counted = {}, dict.fromkeys(OWN, 0)
    for r in sorted(foreign.rows, key=lambda r: -r[3]):
        rank[r[:3]] = counted[r[0]]
        counted[r[0]] += 1
    rare = lambda r: next(n for n, top in RARE if rank[r[:3]] < top)
    clash = [(i, r, k) for i, r, k in rows if not learns[k] and r[4] != "own" and seen[k] <= rare(r)]
    like = (read([r[1] for _, r, _ in clash]) * foreign.place[foreign.meaning[[i for i, _, _ in clash]], 0].float()).sum(-1)
    other = {k: r[1] for (_, r, k), x in zip(clash, like) if x < 0.75}
    learns[list(other)] = True
    print(len(other), "of CLIP's tokens take a foreign meaning:", *sorted(other.values(), key=str.lower)[::40], flush=True)
    letters = new.tokenizer.bytes
    for _, r, k in sorted(rows, key=lambda x: x[1][3]):                 # the most important meaning last
        if learns[k]:
            own = reader.ids(r[2].split(",")[0])[1:-1]
            at = [k]
            within = new.tokenizer.ids.get("".join(letters[b] for b in r[1].lower().encode("utf-8")))
            if r[0] == "zh" and within is not None and learns[within]:
                at.append(within)
            table[at] = old[torch.from_numpy(own)].mean(0)
    return table, learns


def main():
    ap = argparse.ArgumentParser()
    for o in ("start", "lists", "features", "vocabulary", "merges", "out"):
        ap.add_argument("--" + o, type=Path, required=True)
    ap.add_argument("--begin", type=Path, help="what an earlier run wrote, perhaps with other merges: rows of the same tokens begin as there")
    ap.add_argument("--minutes", type=float, default=25)
    ap.add_argument("--batch", type=int, default=512)
    ap.add_argument("--captions", type=float, default=0.12, help="share of a batch")
    ap.add_argument("--lr", type=float, default=1.5e-3)
    ap.add_argument("--power", type=float, default=1.0, help="of the words' weights: less draws rare words more often")
    ap.add_argument("--threads", type=int, default=1)
    a = ap.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    start = torch.load(a.start)
    head, teacher = restore(start)
    reader, new, rng = Reader(a.vocabulary), Reader(a.merges), np.random.default_rng(5)
    read = lambda texts: unit(encoded(teacher, reader, texts))
    kept = a.out.with_suffix(".places.pt")
    if not kept.exists():
        foreign = Foreign(a.lists, read)
        rows = [line.rstrip("\n").split("\t") for line in open(a.lists / "foreign-captions.tsv", encoding="utf-8")]
        pick = rng.permutation(len(rows))[:30000]
        saved(kept, (foreign, [rows[i][1] for i in pick], read([rows[i][2] for i in pick]).half(), probes(head, a.features)))
    foreign, captions, caption_place, pictures = torch.load(kept, weights_only=False)
    state = start["tower"]
    table, learns = transplanted(state["token_embedding.weight"], reader, new, foreign, a.lists, read)
    if a.begin:
        before = torch.load(a.begin)
        known = Tokenizer(before["merges"]).ids
        for token, i in new.tokenizer.ids.items():
            if learns[i] and token in known:
                table[i] = before["tower"]["token_embedding.weight"][known[token]]
    foreign.weigh(a.power, new, learns)
    print(learns.sum(), "of", len(table), "rows learn;", (foreign.share > 0).sum(), "words", flush=True)
    fresh = lambda table: tower_of({**state, "token_embedding.weight": table}, start["width"])
    tower = fresh(table)
    for p in tower.parameters():
        p.requires_grad_(False)
    rows = tower.token_embedding.weight.requires_grad_(True)
    still = torch.from_numpy(~learns)
    opt = torch.optim.AdamW([rows], lr=a.lr, betas=(0.9, 0.98), weight_decay=0.0, fused=True)
    running, spent, step, mean = Path(str(a.out) + ".running"), 0.0, 0, table.clone()
    if running.exists():
        kept = torch.load(running)
        rows.data.copy_(kept["rows"])
        opt.load_state_dict(kept["opt"])
        mean, spent, step = kept["mean"], kept["spent"], kept["step"]
    total, last = np.zeros(4), time.time()
    m = int(a.batch * a.captions)
    n = a.batch - m
    while spent < a.minutes * 60:
        begun = time.time()
        words, y = foreign.draw(n, rng)
        c = rng.choice(len(captions), m, replace=False)
        said, y = words + [captions[i] for i in c], torch.cat([y, caption_place[torch.from_numpy(c)].float()])
        for g in opt.param_groups:
            g["lr"] = a.lr * min(1, (step + 1) / 30) * max(0.02, cosine(spent, a.minutes * 60, 1))
        order = np.argsort([len(new.ids(t)) for t in said], kind="stable")
        with torch.autocast("cpu", torch.bfloat16):
            t = [tower(*new([said[i] for i in part])) for part in np.array_split(order, [int(x * len(order)) for x in (0.35, 0.7, 0.88)])]
        t = unit(torch.cat(t).float())[torch.from_numpy(np.argsort(order))]
        own = (t * y).sum(-1)
        probe = pictures[torch.from_numpy(rng.choice(len(pictures), 640, replace=False))]
        s, st = 38 * probe @ y.T, 38 * probe @ t.T
        seen = F.kl_div(torch.log_softmax(st, -1), torch.softmax(s, -1), reduction="batchmean")
        found = F.kl_div(torch.log_softmax(st.T, -1), torch.softmax(s.T, -1), reduction="batchmean")
        alike = F.kl_div(torch.log_softmax(20 * t @ y.T, -1), torch.softmax(20 * y @ y.T, -1), reduction="batchmean")
        loss = 5 * (1 - own.mean()) + found + 0.5 * alike + seen
        opt.zero_grad()
        loss.backward()
        rows.grad[still] = 0
        opt.step()
        step += 1
        with torch.no_grad():
            mean.lerp_(rows, 1 - min(0.98, step / (step + 20)))
        total += [loss.item(), own[:n].mean().item(), own[n:].mean().item(), seen.item()]
        spent += time.time() - begun
        if step % 50 == 0:
            print(step, f"{spent / 60:.1f} min, loss, words, captions, pictures:", np.round(total / 50, 4), flush=True)
            total[:] = 0
        if time.time() - last > 120:
            saved(running, {"rows": rows.detach(), "opt": opt.state_dict(), "mean": mean, "spent": spent, "step": step})
            last = time.time()
    mean[still] = table[still]
    saved(a.out, {**start, "tower": {**state, "token_embedding.weight": mean}, "merges": a.merges.read_text(encoding="utf-8")})
    running.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
