"""WordNet's nouns: senses, what is broader, and how much a synset tells (Seco, Veale and Hayes, 2004: from the number of
synsets below it). Files: data.noun and index.noun of WordNet 3.0."""
import re
from pathlib import Path

import numpy as np

# Lexicographer files: animal, artifact, body, food, object, person, plant.
CONCRETE = {5, 6, 8, 13, 17, 18, 20}


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
