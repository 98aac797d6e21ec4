#!/usr/bin/env python3
"""Writes src/text/unicode_tables.c and src/text/entity_tables.c.

    tools/gen_unicode.py [--data /usr/share/unicode] [--out src/text]

The Unicode data files are those of Debian's package unicode-data; the entity names are those of the HTML
standard (https://html.spec.whatwg.org/entities.json) as Python's html.entities has them. The output is
committed, so that a build needs neither.
"""
import argparse
import html
import html.entities
import pathlib

FLAGS = {name: 1 << i for i, name in enumerate(
    ["LETTER", "NUMBER", "DIGIT", "SPACE", "CASED", "IGNORABLE", "DECOMPOSES", "NFC_UNSURE", "NONSPACING",
     "PUNCTUATION", "CONTROL"])}
N_CHARS = 0x110000
BLOCK = 128
SPACES = [*range(0x09, 0x0E), *range(0x1C, 0x21), 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B),
          0x2028, 0x2029, 0x202F, 0x205F, 0x3000]  # str.isspace()
LIGATURES = {0x132: "IJ", 0x133: "ij", 0x149: "ʼn", 0x1F1: "DZ", 0x1F2: "Dz", 0x1F3: "dz",
             0x1C4: "DŽ", 0x1C5: "Dž", 0x1C6: "dž", 0x1C7: "LJ", 0x1C8: "Lj", 0x1C9: "lj",
             0x1CA: "NJ", 0x1CB: "Nj", 0x1CC: "nj", 0xFB00: "ff", 0xFB01: "fi", 0xFB02: "fl",
             0xFB03: "ffi", 0xFB04: "ffl", 0xFB05: "ſt", 0xFB06: "st"}


def read_properties(path, wanted):
    """{property: set of code points} of a `first..last ; Property` file."""
    found = {name: set() for name in wanted}
    for line in path.read_text(encoding="utf-8").splitlines():
        fields = [f.strip() for f in line.split("#")[0].split(";")]
        name = "=".join(fields[1:])
        if len(fields) > 1 and name in found:
            first, _, last = fields[0].partition("..")
            found[name].update(range(int(first, 16), int(last or first, 16) + 1))
    return found


class Unicode:
    def __init__(self, data):
        self.category, self.ccc, self.lower = {}, {}, {}
        self.canonical, self.compatible = {}, {}
        self._read_characters(data / "UnicodeData.txt")
        core = read_properties(data / "DerivedCoreProperties.txt", ["Cased", "Case_Ignorable"])
        self.cased, self.ignorable = core["Cased"], core["Case_Ignorable"]
        norm = read_properties(data / "DerivedNormalizationProps.txt",
                               ["Full_Composition_Exclusion", "NFC_QC=N", "NFC_QC=M"])
        self.excluded = norm["Full_Composition_Exclusion"]
        self.nfc_unsure = norm["NFC_QC=N"] | norm["NFC_QC=M"] | set(self.ccc)

    def _read_characters(self, path):
        first = None
        for line in path.read_text(encoding="utf-8").splitlines():
            fields = line.split(";")
            code = int(fields[0], 16)
            if fields[1].endswith("First>"):
                first = code
                continue
            for c in range(first if fields[1].endswith("Last>") else code, code + 1):
                self.category[c] = fields[2]
                if int(fields[3]):
                    self.ccc[c] = int(fields[3])
                if fields[13]:
                    self.lower[c] = int(fields[13], 16)
            parts = fields[5].split()
            if parts:
                tagged = parts[0].startswith("<")
                mapping = [int(p, 16) for p in parts[tagged:]]
                self.compatible[code] = mapping
                if not tagged:
                    self.canonical[code] = mapping

    def decompose(self, c, table):
        return [d for part in table[c] for d in self.decompose(part, table)] if c in table else [c]

    def record(self, c):
        category = self.category.get(c, "Cn")
        flags = 0
        for name, on in (("LETTER", category[0] == "L"), ("NUMBER", category[0] == "N"),
                         ("DIGIT", category == "Nd"), ("SPACE", c in SPACES),
                         ("CASED", c in self.cased), ("IGNORABLE", c in self.ignorable),
                         ("DECOMPOSES", c in self.canonical), ("NFC_UNSURE", c in self.nfc_unsure),
                         ("NONSPACING", category == "Mn"), ("PUNCTUATION", category[0] == "P"),
                         ("CONTROL", category in ("Cc", "Cf", "Co"))):
            flags |= FLAGS[name] if on else 0
        return flags, self.ccc.get(c, 0), self.lower.get(c, c) - c

    def compositions(self):
        pairs = [(m[0], m[1], c) for c, m in self.canonical.items()
                 if len(m) == 2 and c not in self.excluded]
        return sorted(pairs)

    def replacements(self):
        """What the cleaner replaces one character by: C1 controls read as Windows-1252, ligatures, widths,
        curly quotes, line breaks, in that order."""
        table = {}
        for c in [*range(0x80, 0xA0), *LIGATURES, 0x3000, *range(0xFF01, 0xFFF0), 0x2BC,
                  *range(0x2018, 0x2020), 0x0D, 0x2028, 0x2029]:
            text = c1_as_windows(c)
            text = "".join(LIGATURES.get(ord(t), t) for t in text)
            text = "".join(self.width(t) for t in text)
            text = "".join('"' if "\u201c" <= t <= "\u201f" else
                           "'" if "\u2018" <= t <= "\u201b" or t == "\u02bc" else t for t in text)
            text = "".join("\n" if t in "\r\u2028\u2029" else t for t in text)
            if text != chr(c):
                table[c] = text
        return dict(sorted(table.items()))

    def width(self, char):
        c = ord(char)
        if c == 0x3000:
            return " "
        if not 0xFF01 <= c < 0xFFF0:
            return char
        return "".join(map(chr, self.decompose(c, self.compatible)))


def c1_as_windows(c):
    if not 0x80 <= c < 0xA0:
        return chr(c)
    try:
        return bytes([c]).decode("windows-1252")
    except UnicodeDecodeError:
        return chr(c)


def rows(items, per_line):
    items = list(items)
    return "\n".join("    " + " ".join(f"{i}," for i in items[k:k + per_line])
                     for k in range(0, len(items), per_line))


def array(declaration, items, per_line):
    return f"const {declaration} = {{\n{rows(items, per_line)}\n}};\n"


def unicode_source(u, version):
    records, index = {}, []
    for c in range(N_CHARS):
        index.append(records.setdefault(u.record(c), len(records)))
    blocks, stage1 = {}, []
    for k in range(0, N_CHARS, BLOCK):
        stage1.append(blocks.setdefault(tuple(index[k:k + BLOCK]), len(blocks)))
    assert len(records) <= 256 and len(blocks) <= 65536
    pool, entries = [], []
    for c in sorted(u.canonical):
        full = u.decompose(c, u.canonical)
        entries.append(f"{{0x{c:x}, {len(pool)}, {len(full)}}}")
        pool += full
    replacements = [f"{{0x{c:x}, {{{', '.join(hex(ord(t)) for t in text)}}}, {len(text)}}}"
                    for c, text in u.replacements().items()]
    assert all(len(t) <= 3 for t in u.replacements().values())
    compositions = [f"{{0x{a:x}, 0x{b:x}, 0x{c:x}}}" for a, b, c in u.compositions()]
    width = 100
    return "\n".join([
        f"""/* clang-format off */
/* Generated by tools/gen_unicode.py from the Unicode Character Database {version}; do not edit.
 *
 * The tables are a modified form of the Data Files, which are under the
 *
 * UNICODE, INC. LICENSE AGREEMENT - DATA FILES AND SOFTWARE
 *
 * Copyright (C) 1991-2022 Unicode, Inc. All rights reserved. Distributed under the Terms of Use in
 * https://www.unicode.org/copyright.html.
 *
 * Permission is hereby granted, free of charge, to any person obtaining a copy of the Unicode data files and any
 * associated documentation (the "Data Files") or Unicode software and any associated documentation (the
 * "Software") to deal in the Data Files or Software without restriction, including without limitation the rights
 * to use, copy, modify, merge, publish, distribute, and/or sell copies of the Data Files or Software, and to
 * permit persons to whom the Data Files or Software are furnished to do so, provided that either (a) this
 * copyright and permission notice appear with all copies of the Data Files or Software, or (b) this copyright
 * and permission notice appear in associated Documentation.
 *
 * THE DATA FILES AND SOFTWARE ARE PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING
 * BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT OF
 * THIRD PARTY RIGHTS. IN NO EVENT SHALL THE COPYRIGHT HOLDER OR HOLDERS INCLUDED IN THIS NOTICE BE LIABLE FOR
 * ANY CLAIM, OR ANY SPECIAL INDIRECT OR CONSEQUENTIAL DAMAGES, OR ANY DAMAGES WHATSOEVER RESULTING FROM LOSS OF
 * USE, DATA OR PROFITS, WHETHER IN AN ACTION OF CONTRACT, NEGLIGENCE OR OTHER TORTIOUS ACTION, ARISING OUT OF OR
 * IN CONNECTION WITH THE USE OR PERFORMANCE OF THE DATA FILES OR SOFTWARE.
 *
 * Except as contained in this notice, the name of a copyright holder shall not be used in advertising or
 * otherwise to promote the sale, use or other dealings in these Data Files or Software without prior written
 * authorization of the copyright holder. */
#include "text/unicode_tables.h"
""",
        array("wi_unicode_record wi_unicode_records[]",
              (f"{{{f}, {ccc}, {delta}}}" for f, ccc, delta in records), 6),
        array("uint16_t wi_unicode_blocks[]", stage1, width // 5),
        array("uint8_t wi_unicode_index[]", (i for b in blocks for i in b), width // 4),
        array("wi_unicode_decomposition wi_unicode_decompositions[]", entries, 5),
        f"const size_t wi_unicode_n_decompositions = {len(entries)};\n",
        array("uint32_t wi_unicode_decomposed[]", (hex(c) for c in pool), 12),
        array("uint32_t wi_unicode_compositions[][3]", compositions, 4),
        f"const size_t wi_unicode_n_compositions = {len(compositions)};\n",
        array("wi_unicode_replacement wi_unicode_replacements[]", replacements, 3),
        f"const size_t wi_unicode_n_replacements = {len(replacements)};",
        ""])


def upper_case_names():
    """Names that ftfy also accepts when they were upper-cased: the lower-case ones whose upper-case spelling
    means nothing to HTML."""
    table = {}
    for name, value in html.entities.html5.items():
        upper = "&" + name.upper()
        if name.endswith(";") and name == name.lower() and html.unescape(upper) == upper:
            table[name.upper()] = value.upper()
    return table


def quoted(text):
    """A C string literal; an octal escape has three digits, so that a digit after it stays a digit."""
    return "".join(c if 32 <= ord(c) < 127 and c not in '"\\' else
                   "".join(f"\\{b:03o}" for b in c.encode("utf-8")) for c in text)


def entity_source():
    pool, where, used = [], {}, 0
    tables = []
    for table in (html.entities.html5, upper_case_names()):
        entries = []
        for name in sorted(table):
            for text in (name, table[name]):
                if text not in where:
                    where[text] = used
                    pool.append(text)
                    used += len(text.encode("utf-8")) + 1
            entries.append(f"{{{where[name]}, {where[table[name]]}}}")
        tables.append(entries)
    assert used < 65536
    lines, line = [], ""
    for text in pool:
        piece = quoted(text) + "\\000"
        if len(line) + len(piece) > 96:
            lines.append(f'    "{line}"')
            line = ""
        line += piece
    lines.append(f'    "{line}"')
    return "\n".join([
        """/* clang-format off */
/* Generated by tools/gen_unicode.py; do not edit. The names are those of the HTML standard
 * (https://html.spec.whatwg.org/entities.json), taken from Python's html.entities; the second table has the
 * upper-cased names that ftfy accepts too. Both are sorted by name; numbers are offsets into the pool. */
#include "text/entity_tables.h"

const char wi_entity_pool[] =""",
        "\n".join(lines) + ";\n",
        array("wi_entity wi_entities[]", tables[0], 7),
        f"const size_t wi_n_entities = {len(tables[0])};\n",
        array("wi_entity wi_upper_entities[]", tables[1], 7),
        f"const size_t wi_n_upper_entities = {len(tables[1])};",
        ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=pathlib.Path, default="/usr/share/unicode")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent.parent / "src/text")
    args = parser.parse_args()
    version = (args.data / "PropList.txt").read_text().splitlines()[0].split("-")[1].removesuffix(".txt")
    (args.out / "unicode_tables.c").write_text(unicode_source(Unicode(args.data), version))
    (args.out / "entity_tables.c").write_text(entity_source())


if __name__ == "__main__":
    main()
