#!/usr/bin/env python3
"""Writes tokens.jsonl: texts of our own and the ids that the original's algorithm gives them.

    python3 make_tokens.py bpe_simple_vocab_16e6.txt.gz > tokens.jsonl

This is a second implementation, with nothing in common with src/text: Python's str.lower() and unicodedata, the
packages ftfy (6.3.1) and regex (2022.10.31), html.unescape, and merging by strings as CLIP's simple_tokenizer.py
does. ftfy runs with fix_encoding=False, which is what the engine does.
"""
import gzip
import html
import json
import sys

import ftfy
import regex

TEXTS = [
    "", " ", "a photo of a cat.", "a photo of a dog", "A Photo Of A DOG!", "two dogs, one cat & a parrot",
    "it's the baker's bread; they're sure we'll've seen it, I'd say I'm not don't",
    "1234567890 and 3.14159", "room 101, 2nd floor", "e = mc²", "½ cup", "Ⅳ and ⅷ", "٣ ٤ ٥",
    "tabs\tand\nnew\r\nlines\r  and   spaces\u00a0\u2003here\u3000too", "\u2028between\u2029",
    "café, naïve, Zürich, smörgåsbord", "cafe\u0301 = café", "A\u030angstro\u0308m", "ÅNGSTRÖM", "e\u0327\u0301 and e\u0301\u0327",
    "ΟΔΥΣΣΕΥΣ και ΣΙΣΥΦΟΣ", "Σ", "ΑΣ.", "ΑΣΒ", "Α\u00adΣ", "İstanbul ve ISPARTA", "STRASSE straße ẞ", "ǅ ǆ Ǆ",
    "日本語のテキスト", "你好，世界！", "ＦＵＬＬ　ＷＩＤＴＨ　１２３", "ﾊﾝｶｸ ｶﾞ ﾊﾟ", "한국어 텍스트", "\u1112\u1161\u11ab\u1100\u1173\u11af", "ﾡﾢ",
    "Привет, мир", "שלום עולם", "مرحبا بالعالم", "สวัสดีชาวโลก", "नमस्ते दुनिया", "வணக்கம்",
    "😀 smile 👩‍👩‍👧‍👦 family 🏴󠁧󠁢󠁷󠁬󠁳󠁿", "❤️ and ❤", "☃ ☕ ✈",
    "“double” ‘single’ „low‟ ‚low‛", "it’s ʼtis ŉ", "ﬁne ﬂour eﬃcient baﬄe ﬀ ﬆ ﬅ", "ĳs Ĳ ǳ",
    "fish &amp; chips", "&lt;b&gt;bold&lt;/b&gt;", "&eacute;&EACUTE;&nbsp;&NTILDE; &SZLIG;", "&amp;amp;amp;lt;", "&notit; &not it &ampx",
    "&#65;&#x42;&#X43;&#128;&#x92; &#0; &#1; &#xD800; &#x110000; &#999999999999;", "&#59;&semi;&#38;amp;", "&NotEqualTilde; &nGt; &fjlig;",
    "<p>&amp;lt; &eacute; &#233</p>", "line &amp;lt;\nwith < here &amp;amp;lt;\nthen &amp;amp;lt;", "&", "&;", "&#;", "&#x;", "a&b&c",
    "\x1b[31mred\x1b[0m and \x1b[1;4mbold\x1b[m", "\x1b[12 not \x1b]", "zero\u0000byte\u0007bell\u000bvt\u000cff\u001cfs\u007fdel",
    "\ufeffmark \u200bzero \u200dwidth \ufffcobject \u206a", "soft\u00adhyphen", "c1 \u0085 \u0091quoted\u0092 \u0080 \u0081",
    "<|startoftext|> hello <|endoftext|> there", "<|ENDOFTEXT|>", "a<|endoftext|>b", "!<|endoftext|>", "<|ſtartoftext|>", "dog'ſ tail",
    "'s't're've'm'll'd", "''s", "don''t", "rock 'n' roll", "O'REILLY'S", "\u0345 iota \u0345\u0345below α\u0345",
    "Kelvin \u212a, Ångström \u212b, Ohm \u2126", "ẛ̣ ſ", "!!!???...---===", "$5.99 (50% off) #sale @shop", "http://example.org/a?b=c&d=e",
    "supercalifragilisticexpialidocious", "pneumonoultramicroscopicsilicovolcanoconiosis", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "the " * 74 + "end", "the " * 75, "the " * 76, "word " * 200, "🙂" * 60, "x" * 300, "ab" * 400, "1" * 100,
]


def byte_symbols():
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printable]
    return dict(zip(printable + others, [chr(b) for b in printable] + [chr(256 + i) for i in range(len(others))]))


class Tokenizer:
    PIECES = regex.compile(r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+",
                           regex.IGNORECASE)

    def __init__(self, path):
        merges = [tuple(line.split()) for line in gzip.open(path, "rt", encoding="utf-8").read().split("\n")[1:48895]]
        self.symbols = byte_symbols()
        names = [*self.symbols.values(), *(s + "</w>" for s in self.symbols.values()), *map("".join, merges),
                 "<|startoftext|>", "<|endoftext|>"]
        self.ids = {name: i for i, name in enumerate(names)}
        self.ranks = {pair: i for i, pair in enumerate(merges)}

    def merge(self, word):
        parts = [*word[:-1], word[-1] + "</w>"]
        while True:
            pairs = [p for p in zip(parts, parts[1:]) if p in self.ranks]
            if not pairs:
                return parts
            best = min(pairs, key=self.ranks.get)
            merged = []
            while parts:
                taken = 2 if tuple(parts[:2]) == best else 1
                merged.append("".join(parts[:taken]))
                parts = parts[taken:]
            parts = merged

    def encode(self, text):
        text = html.unescape(html.unescape(ftfy.fix_text(text, fix_encoding=False)))
        text = regex.sub(r"\s+", " ", text).strip().lower()
        ids = [self.ids["<|startoftext|>"]]
        for piece in self.PIECES.findall(text):
            if piece in ("<|startoftext|>", "<|endoftext|>"):
                ids.append(self.ids[piece])
            else:
                ids += [self.ids[p] for p in self.merge("".join(self.symbols[b] for b in piece.encode("utf-8")))]
        return ids + [self.ids["<|endoftext|>"]]


def main():
    tokenizer = Tokenizer(sys.argv[1])
    for text in TEXTS:
        ids = tokenizer.encode(text)
        truncated = len(ids) > 77
        if truncated:
            ids = ids[:76] + ids[-1:]
        print(json.dumps({"text": text, "ids": ids, "truncated": truncated}))


if __name__ == "__main__":
    main()
