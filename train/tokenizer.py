"""CLIP's byte-pair tokenizer, lower-casing and whitespace clean-up only.

Enough for training texts, which are plain; the engine's tokenizer does the full clean-up.
"""
import gzip
import re

import regex

START, END = 49406, 49407          # of OpenAI's vocabulary
PIECES = regex.compile(
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+",
    regex.IGNORECASE)


def byte_symbols():
    """A printable character for each byte, in CLIP's order."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printable]
    chars = [chr(b) for b in printable] + [chr(256 + i) for i in range(len(others))]
    return dict(zip(printable + others, chars))


def merged(parts, rank, used=None):
    """Symbols, merged as far as `rank` goes (pair -> its place in the list); the pairs on the way are put into `used`."""
    while len(parts) > 1:
        best = min(zip(parts, parts[1:]), key=lambda p: rank.get(p, 1 << 30))
        if best not in rank:
            break
        if used is not None:
            used.add(best)
        out, i = [], 0
        while i < len(parts):
            if tuple(parts[i:i + 2]) == best:
                out.append(parts[i] + parts[i + 1])
                i += 2
            else:
                out.append(parts[i])
                i += 1
        parts = out
    return parts


class Tokenizer:
    """Of OpenAI's vocabulary, of merges.txt, or of what stands in it."""

    def __init__(self, vocabulary, context_length=77):
        if str(vocabulary).endswith(".gz"):
            lines = gzip.open(vocabulary, "rt", encoding="utf-8").read().split("\n")[1:48895]
        else:
            text = vocabulary if "\n" in str(vocabulary) else open(vocabulary, encoding="utf-8").read()
            lines = text.split("\n")[1:-1]
        merges = [tuple(line.split(" ")) for line in lines]
        self.bytes = byte_symbols()
        single = list(self.bytes.values())
        words = single + [c + "</w>" for c in single] + ["".join(m) for m in merges]
        words += ["<|startoftext|>", "<|endoftext|>"]
        self.ids = {w: i for i, w in enumerate(words)}
        self.start, self.end = len(words) - 2, len(words) - 1
        self.rank = {m: i for i, m in enumerate(merges)}
        self.cache = {w: [w] for w in words[-2:]}
        self.context_length = context_length

    def __call__(self, text):
        """Token ids with both markers, cut to the context length (the end marker stays)."""
        text = re.sub(r"\s+", " ", text).strip().lower()
        ids = [self.start]
        for piece in PIECES.findall(text):
            if piece not in self.cache:
                symbols = [self.bytes[b] for b in piece.encode("utf-8")]
                self.cache[piece] = merged(symbols[:-1] + [symbols[-1] + "</w>"], self.rank)
            ids += [self.ids[p] for p in self.cache[piece]]
        return ids[: self.context_length - 1] + [self.end]
