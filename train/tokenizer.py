"""CLIP's byte-pair tokenizer, lower-casing and whitespace clean-up only.

Enough for training texts, which are plain English; the engine's tokenizer does the full clean-up.
"""
import gzip
import re

import regex

START, END = 49406, 49407
PIECES = regex.compile(
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+",
    regex.IGNORECASE)


def byte_symbols():
    """A printable character for each byte, in CLIP's order."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printable]
    chars = [chr(b) for b in printable] + [chr(256 + i) for i in range(len(others))]
    return dict(zip(printable + others, chars))


class Tokenizer:
    def __init__(self, vocabulary_gz, context_length=77):
        lines = gzip.open(vocabulary_gz, "rt", encoding="utf-8").read().split("\n")[1:48895]
        merges = [tuple(line.split()) for line in lines]
        self.bytes = byte_symbols()
        single = list(self.bytes.values())
        words = single + [c + "</w>" for c in single] + ["".join(m) for m in merges]
        words += ["<|startoftext|>", "<|endoftext|>"]
        self.ids = {w: i for i, w in enumerate(words)}
        self.rank = {m: i for i, m in enumerate(merges)}
        self.cache = {w: [w] for w in words[-2:]}
        self.context_length = context_length

    def _merge(self, piece):
        parts = list(piece[:-1]) + [piece[-1] + "</w>"]
        while len(parts) > 1:
            pairs = list(zip(parts, parts[1:]))
            best = min(pairs, key=lambda p: self.rank.get(p, 1 << 30))
            if best not in self.rank:
                break
            merged, i = [], 0
            while i < len(parts):
                if tuple(parts[i:i + 2]) == best:
                    merged.append(parts[i] + parts[i + 1])
                    i += 2
                else:
                    merged.append(parts[i])
                    i += 1
            parts = merged
        return parts

    def __call__(self, text):
        """Token ids with both markers, cut to the context length (the end marker stays)."""
        text = re.sub(r"\s+", " ", text).strip().lower()
        ids = [START]
        for piece in PIECES.findall(text):
            if piece not in self.cache:
                symbols = "".join(self.bytes[b] for b in piece.encode("utf-8"))
                self.cache[piece] = self._merge(symbols)
            ids += [self.ids[p] for p in self.cache[piece]]
        return ids[: self.context_length - 1] + [END]
