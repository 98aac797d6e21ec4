"""What a picture may be called: terms per class, which terms contradict which class, templates."""
import re

import numpy as np

# For training: the plain ones are drawn more often, the rest teaches the tower to ignore dressing.
PLAIN = ["a photo of a {}.", "a photo of a {}", "a photo of the {}.", "{}", "a {}", "a picture of a {}."]
DRESSED = [
    "a bad photo of a {}.", "a photo of many {}.", "a photo of the hard to see {}.",
    "a low resolution photo of the {}.", "a cropped photo of the {}.", "a bright photo of a {}.",
    "a photo of a clean {}.", "a photo of a dirty {}.", "a dark photo of the {}.", "a photo of my {}.",
    "a close-up photo of a {}.", "a black and white photo of the {}.", "a pixelated photo of the {}.",
    "a blurry photo of the {}.", "a good photo of the {}.", "a photo of one {}.",
    "a photo of a large {}.", "a photo of a nice {}.", "a photo of a weird {}.", "itap of the {}.",
    "itap of a {}.", "a photo of a small {}.", "a photo of a cool {}.", "a rendition of a {}.",
    "this is a photo of a {}.", "an image of a {}.", "a snapshot of some {}.", "there is a {} here",
    "an example of a {}", "the {}", "a jpeg corrupted photo of a {}.", "a toy {}.", "art of the {}.",
]
KIND = ["a photo of a {}, a type of {}.", "a photo of a {}, a kind of {}.", "a {}, which is a {}."]

# For use: the ensemble with which the model is measured and shipped.
ENSEMBLE = ["a photo of a {}.", "a photo of the {}.", "a close-up photo of a {}.",
            "a good photo of the {}.", "a photo of a small {}.", "itap of a {}.", "{}"]


# Said of a picture, not of its subject: never inherited from one class by another.
STYLES = {"emoji", "cartoon", "painting", "sketch", "stylized picture", "silhouette",
          "line drawing", "country"}


def normal(term):
    return re.sub(r"\s+", " ", term.replace("_", " ")).strip().lower()


def fill(template, term):
    """The term in the template, with "an" where the ear wants it."""
    text = template.replace("{}", term, 1)
    if term[:1].lower() in "aeiou":
        text = re.sub(r"\b([Aa]) (?=" + re.escape(term) + ")", r"\1n ", text, count=1)
    return text


class Vocabulary:
    """Terms of all classes.

    terms    list of strings; captions are whole sentences and take no template
    name     [classes] term index of the class's own name
    others   [classes] list of term indices: synonyms, hypernyms, captions
    related  [terms, terms] bool: equal, or one broader than the other
    fits     [classes, terms] bool: the term is true, or may be true, of the class's pictures,
             so it is never used as a negative there
    """

    def __init__(self, classes):
        self.classes = classes
        index, self.terms, self.is_caption = {}, [], []

        def add(term, caption=False):
            term = normal(term)
            if term not in index:
                index[term] = len(self.terms)
                self.terms.append(term)
                self.is_caption.append(caption)
            return index[term]

        self.name = np.array([add(c["name"]) for c in classes])
        self.others = []
        self.kinds = []       # terms usable in "a {}, a type of {}"
        for c in classes:
            kinds = [add(h) for h in c["hypernyms"]]
            self.kinds.append(kinds)
            self.others.append([add(s) for s in c["synonyms"]] + kinds
                               + [add(s, True) for s in c["captions"]])
        self.index = index

        n, t = len(classes), len(self.terms)
        same = [set() for _ in range(t)]      # names that mean the same
        above = [set() for _ in range(t)]     # broader terms
        for k, c in enumerate(classes):
            group = {self.name[k]} | {index[normal(s)] for s in c["synonyms"]}
            for g in group:
                same[g] |= group
                above[g] |= {h for h in self.kinds[k] if self.terms[h] not in STYLES}
        up = [same[i] | above[i] for i in range(t)]
        changed = True
        while changed:                        # transitive closure; a handful of rounds
            changed = False
            for i in range(t):
                more = set().union(*(up[j] for j in up[i])) if up[i] else set()
                if not more <= up[i]:
                    up[i] |= more
                    changed = True
        self.related = np.zeros((t, t), bool)
        for i in range(t):
            self.related[i, list(up[i]) + [i]] = True
        self.related |= self.related.T
        self.fits = np.zeros((n, t), bool)
        for k in range(n):
            own = {self.name[k], *self.others[k]}
            for j in list(own):
                own |= up[j]
            self.fits[k, list(own)] = True
        below = [[] for _ in range(t)]
        for i in range(t):
            for j in up[i]:
                below[j].append(i)
        for k in range(n):                    # "dog" pictures may well show a golden retriever
            self.fits[k, below[self.name[k]]] = True
        named = {}
        for k in range(n):
            named.setdefault(self.name[k], []).append(k)
        for i, text in enumerate(self.terms):
            words = text.split() if self.is_caption[i] else []
            for a in range(len(words)):
                for b in range(a + 1, min(a + 5, len(words)) + 1):
                    self.fits[named.get(index.get(" ".join(words[a:b]), -1), []), i] = True

    def prompt(self, term, rng, kinds=()):
        """One training text for a term."""
        text, draw = self.terms[term], rng.random()
        if self.is_caption[term]:
            return text
        if len(kinds) and draw < 0.1:
            kind = self.terms[kinds[rng.integers(len(kinds))]]
            return KIND[rng.integers(len(KIND))].replace("{}", text, 1).replace("{}", kind, 1)
        pool = PLAIN if draw < 0.55 else DRESSED
        template = pool[rng.integers(len(pool))]
        return fill(template, text) if rng.random() < 0.7 else template.replace("{}", text)

    def all_texts(self):
        """Every string whose tokens training may meet."""
        yield from self.terms
        yield from PLAIN + DRESSED + KIND + ENSEMBLE
        yield "an an. a"
