"""What classes are called, which terms are true of which class, and templates."""
import re

import numpy as np

from data import held, imagenet_names
from dictionary import WordNet

PLAIN = ["a photo of a {}.", "a photo of a {}", "a photo of the {}.", "{}", "{}", "a {}", "a picture of a {}.", "a photo of {}."]
DRESSED = ["a bad photo of a {}.", "a photo of many {}.", "a low resolution photo of the {}.", "a cropped photo of the {}.",
           "a bright photo of a {}.", "a photo of a clean {}.", "a dark photo of the {}.", "a photo of my {}.",
           "a close-up photo of a {}.", "a blurry photo of the {}.", "a good photo of the {}.", "a photo of one {}.",
           "a photo of a large {}.", "a photo of a nice {}.", "a photo of the hard to see {}.", "itap of the {}.", "itap of a {}.",
           "a photo of a small {}.", "a photo of a cool {}.", "this is a photo of a {}.", "an image of a {}.",
           "there is a {} here", "an example of a {}", "the {}", "a jpeg corrupted photo of a {}."]
KIND = ["a photo of a {}, a type of {}.", "a photo of a {}, a kind of {}.", "a {}, which is a {}.", "{}, {}"]

# So broad that they say nothing of a picture.
VAGUE = set("""entity thing object whole unit matter part being living thing organism artifact instrumentality structure causal agent
physical entity abstraction group way device means system body substance material article commodity creation covering conveyance
construction chordate vertebrate mammal placental carnivore canine feline eutherian mammal unguiculate implement equipment
consumer goods product work piece item good stuff set one domestic animal domesticated animal mechanism assemblage worker
causal agency soul individual mortal somebody someone cause region location area point place end side line form shape process
instrument contraption gadget appliance solid fare obstruction obstructor impediment barrier surface property attribute""".split())
STYLES = {"emoji", "cartoon", "painting", "sketch", "stylized picture", "silhouette", "line drawing", "country"}


def normal(term):
    return re.sub(r"\s+", " ", term.replace("_", " ")).strip().lower()


def fill(template, term):
    """The term in the template, with "an" where the ear wants it."""
    text = template.replace("{}", term, 1)
    if term[:1] in "aeiou":
        text = re.sub(r"\b([Aa]) (?=" + re.escape(term) + ")", r"\1n ", text, count=1)
    return text


def thousand(net, common):
    """ImageNet's classes: (names, broader) each; broader words are WordNet's that people use (`common`)."""
    out = []
    for name in imagenet_names():
        s = net.sense(name)
        names, broader = [normal(name)], []
        if s:
            if normal(name) in [x.lower() for x in net.lemmas[s]]:
                names += [x.lower() for x in net.lemmas[s] if x.lower() not in names]
            for a in sorted(net.above(s) - {s}, key=lambda a: -net.content[a]):
                broader += [x.lower() for x in net.lemmas[a] if x.lower() in common and x.lower() not in VAGUE]
        out.append((tuple(names), tuple(dict.fromkeys(broader))[:5], ()))
    return out


class Terms:
    """terms: list of strings; own [classes]: (names, broader, captions) as indices; fits [classes, terms] bool: the term is
    true of the class, or may be: never a wrong answer for its pictures."""

    def __init__(self, classes, net, kept=None):
        """kept: a file where `fits` is kept for the next time"""
        self.terms, index = [], {}

        def add(t):
            t = normal(t)
            if t not in index:
                index[t] = len(self.terms)
                self.terms.append(t)
            return index[t]

        never = held()
        self.index = index
        self.own = [tuple([add(x) for x in part if normal(x) not in never] for part in c) for c in classes]
        if kept and kept.exists():
            self.fits = np.load(kept)
            if self.fits.shape == (len(classes), len(self.terms)):
                return
        sense = {}
        for c in classes:
            for n in c[0]:
                sense.setdefault(index.get(normal(n)), net.sense(n, c[1]))
            for n in c[1]:
                sense.setdefault(index.get(normal(n)), net.sense(n))
        above = [net.above(sense[t]) if sense.get(t) else frozenset() for t in range(len(self.terms))]
        wide = [set() for _ in self.terms]              # broader terms as the sources say
        same = [set() for _ in self.terms]
        for names, broader, captions in self.own:
            for n in names:
                wide[n] |= {b for b in broader if self.terms[b] not in STYLES}
                same[n] |= set(names)
        for _ in range(4):
            wide = [set().union(w, *(wide[b] for b in w), *(wide[b] for b in same[i])) for i, w in enumerate(wide)]
        self.fits = np.zeros((len(classes), len(self.terms)), bool)
        for k, (names, broader, captions) in enumerate(self.own):
            own = {*names, *broader, *captions}
            for n in names:
                own |= wide[n] | same[n]
            self.fits[k, list(own)] = True
            if not names:
                continue
            s = sense.get(names[0])
            for t in range(len(self.terms)):
                if s and sense.get(t) and (sense[t] in above[names[0]] or s in above[t]):
                    self.fits[k, t] = True
                if names[0] in wide[t] or names[0] in same[t]:
                    self.fits[k, t] = True
        if kept:
            np.save(kept, self.fits)

    def pick(self, k, rng):
        """One term of class k: mostly its name, else a synonym, a broader word or a caption."""
        names, broader, captions = self.own[k]
        x = rng.random()
        if captions and x < 0.35:
            return captions[rng.integers(len(captions))]
        if broader and (x > 0.75 or not names):
            return broader[rng.integers(len(broader))]
        if len(names) > 1 and x > 0.55:
            return names[rng.integers(len(names))]
        return names[0]

    def prompt(self, t, k, rng, described=None):
        """A training text of term t for class k; now and then what it looks like (`described`)."""
        term, (names, broader, captions) = self.terms[t], self.own[k]
        if t in captions:
            return term
        if described and term in described and rng.random() < 0.25:
            return described[term][rng.integers(len(described[term]))]
        if broader and t in names and rng.random() < 0.12:
            kind = self.terms[broader[rng.integers(len(broader))]]
            return KIND[rng.integers(len(KIND))].replace("{}", term, 1).replace("{}", kind, 1)
        pool = PLAIN if rng.random() < 0.6 else DRESSED
        return fill(pool[rng.integers(len(pool))], term)


def common_words(folder):
    """Words and pairs of words that occur in captions at least three times."""
    counts = {}
    for line in open(folder / "0-coco.txt", encoding="utf-8"):
        w = re.sub(r"[^a-z ]", " ", line.lower()).split()
        for x in [*w, *(" ".join(p) for p in zip(w, w[1:]))]:
            counts[x] = counts.get(x, 0) + 1
    return {x for x, n in counts.items() if n >= 3}
