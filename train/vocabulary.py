"""The text tower's tokenizer learns words of other languages: CLIP's merges that no English text needs make room for theirs.

    python vocabulary.py --lists FOLDER --vocabulary FILE.gz --out MERGES.txt [--more N]

Every merge that a text of the lists (WordNet's nouns are among them) or one of the 30,000 most frequent English words goes through
stays, in its order. A quarter of CLIP's are none of these (names of users, hashtags, emoji). A foreign word gets the merges
that make one token of its parts, at the end of the list; the most important words of each language first. Nothing else changes: a
word that is no token falls into parts as it always did.
"""
import argparse
from pathlib import Path

from wordfreq import top_n_list

from data import REPOSITORY, imagenet_names
from everyday import read_list
from foreign import HAN, OWN, SEEN, plural, tables
from texts import lists as shipped
from tokenizer import PIECES, Tokenizer, merged

ENGLISH_WORDS, HAN_WITHIN = 30000, 1200      # so many Chinese words are tokens within a sentence, too
# To so many foreign words parts of English ones give way: always; where these are no everyday names; where they are rare.
GIVES_WAY = 40, 400, 3000


def english_pieces(lists, foreign):
    """How firmly English pieces must be read as before: 2, where an everyday name or ImageNet's has them, or captions often; 1, where a
    shipped list, a caption or a frequent English word (that is no foreign one) has them; 0, where only the other texts do."""
    firm = {}
    for path in sorted(lists.glob("[0-9]-*.txt")):
        if path.stem != "1-tokens":
            count = {}
            for line in open(path, encoding="utf-8"):
                for p in PIECES.findall(line.lower()):
                    count[p] = count.get(p, 0) + 1
            for p, n in count.items():
                firm[p] = max(firm.get(p, 0), 0 if path.stem != "0-coco" else 2 if n >= SEEN else int(n > 1))
    for w in top_n_list("en", ENGLISH_WORDS):
        for p in PIECES.findall(w):
            if p not in foreign:
                firm[p] = max(firm.get(p, 0), 1)
    for names, least in (([n for _, own in shipped() for n in own], 1), (imagenet_names(), 2),
                         ([n for _, own in read_list(REPOSITORY / "models/nano-concepts.txt") for n in own], 2)):
        for p in {p for n in names for p in PIECES.findall(n.lower())}:
            firm[p] = max(firm.get(p, 0), least)
    return firm


def wanted(lists):
    """(key, language, word, whether within a Chinese sentence), the most important first"""
    rows = [line.rstrip("\n").split("\t") for line in open(lists / "foreign.tsv", encoding="utf-8")]
    said = {}
    for line in open(lists / "foreign-captions.tsv", encoding="utf-8"):
        language, text = line.split("\t")[:2]
        for p in PIECES.findall(text.lower()):
            said.setdefault(language, {}).setdefault(p, 0)
            said[language][p] += 1
    out = []
    for language, templates in OWN.items():
        key, table = {}, tables(language)
        add = lambda text, k: [key.__setitem__(p, min(k, key.get(p, k))) for p in PIECES.findall(text.lower()) if p[0].isalpha()]
        for t in templates:
            for part in t.split("{}"):
                add(part, 0)
        own = [r for r in rows if r[0] == language and r[4] != "own" and r[1].lower() != r[2].lower()]
        for i, r in enumerate(sorted(own, key=lambda r: -float(r[3]))):
            add(r[1], i)
            add(plural(language, r[1], table), 1.5 * i + 200)
        for i, p in enumerate(sorted(said.get(language, {}), key=lambda p: -said[language][p])):
            add(p, 2.5 * i)
        out += [(k, language, p, False) for p, k in key.items()]
        if language == "zh":
            out += [(k + 1, language, p, True) for p, k in key.items() if HAN.search(p) and k < HAN_WITHIN]
    return sorted(out)


class Merges:
    """Byte-pair merges that grow."""

    def __init__(self, vocabulary):
        t = Tokenizer(vocabulary)
        self.bytes, self.rank = t.bytes, t.rank
        self.keep(self.rank)

    def parts(self, word, within=False, used=None):
        """What a word falls into; the merges on the way are counted in `used`."""
        parts = [self.bytes[b] for b in word.encode("utf-8")]
        if not within:
            parts[-1] += "</w>"
        return merged(parts, self.rank, used)

    def keep(self, used):
        kept = [m for m in sorted(self.rank, key=self.rank.get) if m in used]
        self.rank = {m: i for i, m in enumerate(kept)}
        single = list(self.bytes.values())
        self.made = {"".join(m) for m in kept} | set(single) | {c + "</w>" for c in single}

    def chain(self, word, never, within=False):
        """The merges that would make one token of the word, from its beginning or else from its end; None where one of them would
        change other English words that must stay (`never`: neighbours in words, and which) or make what is there already."""
        parts = self.parts(word, within)
        for order in (1, -1):
            whole, out = parts[::order][0], []
            for p in parts[::order][1:]:
                out.append((whole, p) if order == 1 else (p, whole))
                whole = "".join(out[-1])
            if not any(never.get(m, set()) - {word} or "".join(m) in self.made for m in out):
                return out
        return None

    def add(self, merges):
        for m in merges:
            self.rank[m] = len(self.rank)
            self.made.add("".join(m))


def main():
    ap = argparse.ArgumentParser()
    for o in ("lists", "vocabulary", "out"):
        ap.add_argument("--" + o, type=Path, required=True)
    ap.add_argument("--more", type=int, default=3800, help="so many tokens more than CLIP has")
    a = ap.parse_args()
    merges, used = Merges(a.vocabulary), set()
    words = wanted(a.lists)
    rows = [line.lower().split("\t") for line in open(a.lists / "foreign.tsv", encoding="utf-8")]
    other = {r[1] for r in rows if r[1] != r[2]}
    pieces = english_pieces(a.lists, {w[2] for w in words if w[0] < GIVES_WAY[2]})
    before = {p: merges.parts(p, used=used) for p in pieces}
    size = len(merges.rank) + a.more
    merges.keep(used)
    print(f"{len(pieces)} English words need {len(merges.rank)} merges", flush=True)
    least = lambda key: 2 - sum(key >= x for x in GIVES_WAY)       # English words that are no firmer may give way
    never = [{} for _ in range(4)]                      # by what gives way: pairs within words that do not
    for p, parts in before.items():
        for pair in zip(parts, parts[1:]):
            for k in range(4):
                if pieces[p] > k - 1:
                    never[k].setdefault(pair, set()).add(p)
                elif 0 < k < 3:                         # two words are no reason, more are
                    never[k].setdefault(("", *pair), set()).add(p)
    for table in never:
        for pair in [x for x in table if x[0] == "" and len(table[x]) > 2]:
            table.setdefault(pair[1:], set()).update(table[pair])
    found = {}
    for key, language, word, within in words:
        if not within and word in pieces and (word not in other or pieces[word] > min(least(key), 1)):
            continue
        chain = merges.chain(word, never[least(key) + 1], within)
        if chain and len(merges.rank) + len(chain) <= size:
            merges.add(chain)
            found[language] = found.get(language, 0) + 1
        if len(merges.rank) >= size - 1:
            break
    print("words that became tokens:", found, "merges:", len(merges.rank), flush=True)
    for k, what in enumerate(("rare", "of lists, frequent", "everyday")):
        changed = [p for p in pieces if pieces[p] == k and merges.parts(p) != before[p]]
        print(f"English words that are read otherwise, {what}: {len(changed)} of {sum(x == k for x in pieces.values())}", *changed[:40])
    a.out.write_text("#version: 0.2\n" + "".join(" ".join(m) + "\n" for m in sorted(merges.rank, key=merges.rank.get)), encoding="utf-8")


if __name__ == "__main__":
    main()
