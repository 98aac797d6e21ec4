"""What things are called in other languages, for the text tower: FOLDER/foreign.tsv with the columns language, word, what it means
(an English text), weight, and "own" where it is spelled as an English word that is seen in pictures, whose meaning it keeps outside its own language's
sentences ("Rock"), or "taken" where it is spelled as another English word, which gives way ("chat"); FOLDER/foreign-captions.tsv: language, caption, English caption.

    python foreign.py --clones DIR --wordnet DIR --lists FOLDER

Words come from the Open Multilingual Wordnet (of Wiktionary; of French, Spanish and Chinese wordnets), from Unicode's names of
emoji and from recognize-anything's tags; captions from Multi30k. A word counts the more, the more often it is used (wordfreq) and
the more what it means is seen in pictures. Names held out of all texts (heldout.txt) have no word here.
"""
import argparse
import gzip
import json
import re
import unicodedata
from pathlib import Path

import numpy as np
from wordfreq import get_frequency_dict

from data import held, imagenet_names
from dictionary import WordNet
from everyday import read_list
from data import REPOSITORY
from sources import blob, git_dir
from terms import VAGUE
from texts import FILES

# language -> its wordnets' files, weighed
WORDNETS = {"de": [("wikt/wn-wikt-deu", 1.0)], "fr": [("wikt/wn-wikt-fra", 1.0), ("fra/wn-data-fra", 0.5)],
            "es": [("wikt/wn-wikt-spa", 1.0)], "zh": [("wikt/wn-wikt-cmn", 0.7), ("cow/wn-data-cmn", 1.0)]}
SEEN = 25                          # so often an English word stands in captions that it gives way to none
HAN, SCRIPT = re.compile(r"[\u4e00-\u9fff]"), re.compile(r"[a-zA-ZÀ-ɏ\u4e00-\u9fff '’.-]+")

OWN = {
    "de": ["ein Foto von {}", "ein Foto von {}.", "ein Foto von einem {}", "ein Foto von einer {}", "ein Foto einer {}", "ein Foto eines {}",
           "ein Bild von {}", "ein Bild von einem {}", "Foto: {}", "das Foto zeigt {}", "ein Foto von einem {}.", "Nahaufnahme von {}",
           "ein {}", "eine {}", "einen {}", "der {}", "die {}", "das {}"],
    "fr": ["une photo de {}", "une photo de {}.", "une photo d'un {}", "une photo d'une {}", "une photo d'un {}.", "une photo d'une {}.", "une image de {}",
           "photo de {}", "la photo d'un {}", "photo : {}", "un gros plan de {}", "un {}", "une {}", "le {}", "la {}", "l'{}", "les {}", "des {}"],
    "es": ["una foto de {}", "una foto de {}.", "una foto de un {}", "una foto de una {}", "una foto de un {}.", "una foto de una {}.", "una imagen de {}",
           "foto de {}", "la foto de un {}", "foto: {}", "un primer plano de {}", "un {}", "una {}", "el {}", "la {}", "los {}", "las {}"],
    "zh": ["一张{}的照片", "一张{}的照片。", "{}的照片", "{}照片", "一张照片，{}", "一幅{}的图片", "{}的图片", "这是{}", "一个{}", "一只{}", "一张{}的特写照片", "这张照片里有{}"]}

def plural(language, word, table):
    """A plural of the word, or the word: by rule where the rule is sure, of German the most frequent form that there is."""
    last = word.split()[-1]
    if " " in word or language == "zh" or last[-1:] in "sxz":
        return word
    if language == "fr":
        return word[:-2] + "aux" if word.endswith("al") else word + ("x" if word.endswith(("eau", "eu")) else "s")
    if language == "es":
        return word + ("s" if word[-1] in "aeiouáéó" else "es")
    turned = re.sub(r"(a|o|u)(?!.*[aou])", lambda m: {"a": "ä", "o": "ö", "u": "ü"}[m[0]], word.replace("au", "äu") if "au" in word else word)
    forms = [w + e for w in dict.fromkeys((word, turned)) for e in ("e", "er", "n", "en", "s", "nen", "")]
    forms = [(table.get(f.lower(), 0), f) for f in forms if f != word]
    return max(forms)[1] if max(forms)[0] > 3e-7 else word


def plain(language, word):
    """Without accents, as people type where their keyboard has none."""
    if language == "de":
        for a, b in zip("äöüßÄÖÜ", ("ae", "oe", "ue", "ss", "Ae", "Oe", "Ue")):
            word = word.replace(a, b)
        return word
    return "".join(c for c in unicodedata.normalize("NFD", word) if not unicodedata.combining(c)) if language != "zh" else word


def tables(language):
    """Frequencies of a language's words"""
    return get_frequency_dict(language, wordlist="best")


def zipf(table, word):
    """Frequency of a word, or of the rarest in a phrase, as the logarithm of its number in a billion."""
    return min(np.log10(max(table.get(w, 0), 1e-9)) + 9 for w in word.lower().replace("-", " ").split() or [""])


def counts(wordnet):
    """(lemma, sense number) -> how often the texts that WordNet was tagged with mean it"""
    out = {}
    for line in open(wordnet / "cntlist.rev", encoding="utf-8"):
        key, sense, n = line.split()
        lemma, kind = key.split("%")
        if kind[0] == "1":
            out[lemma.replace("_", " "), int(sense)] = int(n)
    return out


class Meanings:
    """What a synset is called in English, and how much it is seen."""

    def __init__(self, wordnet, lists):
        self.net, self.count = WordNet(wordnet), counts(wordnet)
        self.seen = {}
        for line in open(lists / "0-coco.txt", encoding="utf-8"):
            for w in re.sub(r"[^a-z ]", " ", line.lower()).split():
                self.seen[w] = self.seen.get(w, 0) + 1
        everyday = [n for _, own in read_list(REPOSITORY / "models/nano-concepts.txt") for n in own]
        rest = [x for x in (lists / "1-names.txt").read_text(encoding="utf-8").split("\n") if len(x.split()) < 4]
        self.label, self.weight, self.named = {}, {}, {x.lower() for x in everyday + imagenet_names()}
        for names, weight in ((everyday, 4), (imagenet_names(), 3), (rest, 1)):
            for name in names:
                plain = name.lower()
                form = next((f for f in (plain, plain.removesuffix("s")) if f in self.net.senses), None)
                s = self.net.sense(form) if form else None
                if s and s not in self.label:
                    self.label[s], self.weight[s] = name, weight
        self.never = re.compile(r"\b(" + "|".join(map(re.escape, sorted(held(("none",)), key=len, reverse=True))) + r")s?\b")

    def rank(self, lemma, s):
        senses = self.net.senses.get(lemma.lower(), [])
        return senses.index(s) + 1 if s in senses else 9

    def __call__(self, s):
        """(English text, weight) or None"""
        net = self.net
        if net.file.get(s) not in FILES or any(self.never.search(x.lower()) for x in net.lemmas[s]):
            return None
        lemmas = [x for x in net.lemmas[s] if len(x.split()) < 4 and (x.islower() or s in self.label)]
        if not lemmas or lemmas[0].lower() in VAGUE:
            return None
        tagged = lambda x: self.count.get((x.lower(), self.rank(x, s)), 0)
        best = max(lemmas, key=lambda x: ((tagged(x) + 0.5 + 0.1 * self.seen.get(x, 0) ** 0.5) / self.rank(x, s), -lemmas.index(x)))
        weight = FILES[net.file[s]] * (1 + self.weight.get(s, 0) + 0.5 * np.log2(1 + self.seen.get(best.lower(), 0) / self.rank(best, s))
                                       + 0.3 * np.log2(1 + tagged(best)))
        if s in self.label:
            return self.label[s], weight
        concrete = [x for x in net.senses.get(best.lower(), []) if net.file[x] in FILES]
        if concrete[:1] != [s] and net.up[s]:
            return f"{best}, {net.lemmas[net.up[s][0]][0].lower()}", weight / self.rank(best, s)
        return best, weight / self.rank(best, s) ** 0.5


def wordnets(clone, language, meanings, table):
    """{word: {meaning: weight}}"""
    agree = {}
    for path, by in WORDNETS[language]:
        for line in blob(clone, f"wns/{path}.tab").decode("utf-8", "replace").split("\n"):
            f = line.split("\t")
            if len(f) > 2 and f[0].endswith("-n") and "lemma" in f[1]:
                word = " ".join(f[2].replace("+", "").replace("_", " ").split())
                if bool(HAN.search(word)) != (language == "zh") or not SCRIPT.fullmatch(word) or len(word) > 28:
                    continue
                key = word, int(f[0][:-2])
                agree[key] = agree.get(key, 0) + by
    out = {}
    for (word, s), by in agree.items():
        found = meanings(s)
        if found:
            often = zipf(table, word) if language != "zh" else max(zipf(table, word), 1.5 if len(word) < 5 else 0)
            if often < 1.2 and s not in meanings.label:
                continue
            weight = by * found[1] * np.clip(10 ** ((often - 2.5) / 2.5), 0.15, 3)
            of = out.setdefault(word, {})
            of[found[0]] = max(of.get(found[0], 0), weight)
    return out


def emoji(clone, language):
    """(word, English) of what Unicode calls the emoji"""
    read = lambda x: json.loads(blob(clone, f"cldr-json/cldr-annotations-full/annotations/{x}/annotations.json"))["annotations"]["annotations"]
    own, english = read(language), read("en")
    for sign, about in own.items():
        a, b = about.get("tts", [""])[0], english.get(sign, {}).get("tts", [""])[0]
        if a and b and not re.search(r"[:“”\"]", a + b) and len(b.split()) < 5:
            yield a, b


def tags(clone):
    lines = [blob(clone, f"ram/data/ram_tag_list{x}.txt").decode().split("\n") for x in ("_chinese", "")]
    return [(a.strip(), b.strip()) for a, b in zip(*lines) if HAN.search(a) and b.strip()]


def main():
    ap = argparse.ArgumentParser()
    for o in ("clones", "wordnet", "lists"):
        ap.add_argument("--" + o, type=Path, required=True)
    a = ap.parse_args()
    meanings = Meanings(a.wordnet, a.lists)
    clone = lambda repo: git_dir(a.clones, repo)
    english = set(meanings.net.senses)
    for part in ("verb", "adj", "adv"):
        english |= {line.split()[0].replace("_", " ") for line in open(a.wordnet / f"index.{part}", encoding="utf-8") if line[0] != " "}
    rows, captions = [], []
    for language in WORDNETS:
        table = tables(language)
        words = wordnets(clone("omwn/omw-data"), language, meanings, table)
        other = list(emoji(clone("unicode-org/cldr-json"), language))
        other += tags(clone("xinyu1205/recognize-anything")) if language == "zh" else []
        for word, meaning in other:
            if not meanings.never.search(meaning.lower()):
                seen = 3 + 0.5 * np.log2(1 + meanings.seen.get(meaning, 0))
                of = words.setdefault(word, {})
                of[meaning] = of.get(meaning, 0) + seen * np.clip(10 ** ((zipf(table, word) - 2.5) / 2.5), 0.3, 3)
        for word, of in sorted(words.items()):
            most = max(of.values())
            kept = sorted((-w, m) for m, w in of.items() if w > 0.3 * most)[:3]
            plain = word.lower()
            own = "" if plain not in english else "own" if plain in meanings.named or meanings.seen.get(plain, 0) >= SEEN else "taken"
            rows += [(language, word, m, f"{-w * most / sum(-x for x, _ in kept):.2f}", own) for w, m in kept]
        print(language, len(words), "words", flush=True)
    never = lambda x: meanings.never.search(x.lower())
    multi = clone("multi30k/dataset")
    lines = {x: gzip.decompress(blob(multi, f"data/task1/raw/train.{x}.gz")).decode().split("\n") for x in ("en", "de", "fr")}
    for language in ("de", "fr"):
        captions += [(language, " ".join(x.split()), " ".join(e.split())) for x, e in zip(lines[language], lines["en"]) if x.strip() and e.strip() and not never(e)]
    for name, of in (("foreign", rows), ("foreign-captions", captions)):
        (a.lists / f"{name}.tsv").write_text("".join("\t".join(r) + "\n" for r in of), encoding="utf-8")
        print(name, len(of), flush=True)


if __name__ == "__main__":
    main()
