"""WordNet's concrete nouns, and how close each is to the terms that pictures have taught.

A word that no picture showed is taught to lie where the nearest pictured words lie: a cheetah between
leopard, lion and cougar. Distance is Lin's, with each synset's information content taken from the
number of synsets below it (Seco, Veale and Hayes, 2004). Files: data.noun and index.noun of WordNet 3.0.
"""
import re
import zlib
from pathlib import Path

import numpy as np

# Lexicographer files: animal, artifact, body, food, object, person, plant.
CONCRETE = {5, 6, 8, 13, 17, 18, 20}
NEAREST, SHARPNESS = 12, 0.05
SAME = 0.85         # closeness from which two words may be said of one thing


class WordNet:
    """Synsets by offset: lemmas, hypernyms, lexicographer file; senses of a lemma in WordNet's order."""

    def __init__(self, folder):
        self.lemmas, self.up, self.file, self.senses = {}, {}, {}, {}
        for line in open(Path(folder) / "data.noun", encoding="utf-8"):
            if line.startswith(" "):
                continue
            f = line.split(" | ")[0].split()
            offset, n = int(f[0]), int(f[3], 16)
            self.file[offset] = int(f[1])
            self.lemmas[offset] = [f[4 + 2 * i].replace("_", " ") for i in range(n)]
            pointers = f[4 + 2 * n + 1:]
            self.up[offset] = [int(pointers[i + 1]) for i in range(0, len(pointers) - 3, 4)
                               if pointers[i] in ("@", "@i")]
        for line in open(Path(folder) / "index.noun", encoding="utf-8"):
            if not line.startswith(" "):
                f = line.split()
                self.senses[f[0].replace("_", " ")] = [int(x) for x in f[-int(f[2]):]]
        self._above = {}
        below = dict.fromkeys(self.up, 0)
        for s in self.up:
            for a in self.above(s):
                below[a] += 1
        self.content = {s: 1 - np.log(n) / np.log(len(self.up)) for s, n in below.items()}

    def above(self, s):
        """The synset and everything broader."""
        if s not in self._above:
            found = {s}
            for u in self.up[s]:
                found |= self.above(u)
            self._above[s] = found
        return self._above[s]

    def sense(self, name, kinds=()):
        """The concrete synset that a name means; `kinds` (broader words) choose among several."""
        name = re.sub(r"\s*\(.*\)", "", name.lower()).strip()
        for form in (name, name.removesuffix("s"), name.split()[-1]):
            found = [s for s in self.senses.get(form, ()) if self.file[s] in CONCRETE]
            if found:
                wanted = {k.lower() for k in kinds}
                fitting = [s for s in found
                           if any(wanted & {x.lower() for x in self.lemmas[a]} for a in self.above(s) - {s})]
                return (fitting or found)[0]
        return None


def usual(word, tokenizer):
    """Every word of it is one token: the vocabulary was made from picture captions, rare words fall apart."""
    words = word.split()
    return (len(words) <= 3 and re.fullmatch(r"[a-z][a-z' -]+", word) is not None
            and len(tokenizer(word)) - 2 == len(words))


def withheld(synset):
    """Of the never-pictured names that are measured, half are kept out of the dictionary, too."""
    return zlib.crc32(f"n{synset:08d}".encode()) % 2 == 1


class Dictionary:
    """words      list of nouns that are no term of the pictures' vocabulary
    broader    [words] list of indices into `terms` (pictured terms that are broader), nearest first
    nearest    [words, NEAREST] indices into `anchors`; weight [words, NEAREST], rows sum to 1
    anchors    list of pictured names with a synset
    kin        [words, anchors + 1] bool: the word may be true of the anchor's pictures; last column: always"""

    def __init__(self, folder, vocabulary, classes, pictured, tokenizer, measured=()):
        """pictured: class indices with photos; measured: synset offsets, of which half are left out"""
        net = WordNet(folder)
        known = {}
        for k in pictured:
            c = classes[k]
            term = vocabulary.terms[vocabulary.name[k]]
            if term not in known and (s := net.sense(c["name"], c["hypernyms"])):
                known[term] = s
        self.anchors = sorted(known)
        self.words, synsets = [], []
        left_out = {w.lower() for s in measured if withheld(s) for w in net.lemmas[s]}
        for lemma, senses in net.senses.items():
            concrete = [s for s in senses[:3] if net.file[s] in CONCRETE]
            if concrete and lemma not in vocabulary.index and lemma not in left_out and usual(lemma, tokenizer):
                self.words.append(lemma)
                synsets.append(concrete[0])
        self.broader = [self._broader(net, s, vocabulary.index) for s in synsets]
        self._compare(net, synsets, [known[a] for a in self.anchors])
        for i, s in enumerate(synsets):
            for j, a in enumerate(known[x] for x in self.anchors):
                self.kin[i, j] |= s in net.above(a) or a in net.above(s)

    @staticmethod
    def _broader(net, s, index):
        order = sorted(net.above(s) - {s}, key=lambda a: -net.content[a])
        return [index[x.lower()] for a in order for x in net.lemmas[a] if x.lower() in index][:3]

    def _compare(self, net, synsets, anchors):
        """Lin's closeness of every word to every anchor, the nearest few kept."""
        rows, columns = {}, {}
        for i, s in enumerate(synsets):
            for a in net.above(s):
                rows.setdefault(a, []).append(i)
        for j, s in enumerate(anchors):
            for a in net.above(s):
                columns.setdefault(a, []).append(j)
        shared = np.zeros((len(synsets), len(anchors)), np.float32)
        for c in sorted(set(rows) & set(columns), key=net.content.get):
            shared[np.ix_(rows[c], columns[c])] = net.content[c]
        own = np.array([net.content[s] for s in synsets], np.float32)
        other = np.array([net.content[s] for s in anchors], np.float32)
        lin = 2 * shared / (own[:, None] + other)
        self.kin = np.concatenate([lin > SAME, np.ones((len(lin), 1), bool)], 1)
        self.nearest = np.argsort(-lin, axis=1)[:, :NEAREST]
        top = np.take_along_axis(lin, self.nearest, 1)
        weight = np.exp((top - top[:, :1]) / SHARPNESS)
        self.weight = (weight / weight.sum(1, keepdims=True)).astype(np.float32)
        self.closeness = top[:, 0]
