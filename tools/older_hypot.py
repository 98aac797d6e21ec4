#!/usr/bin/env python3
"""Lets a library that was linked with glibc 2.35 and newer run with older ones, where nothing but hypot is in the way:

    tools/older_hypot.py LIBRARY OUT

glibc 2.35 has a second version of hypot and hypotf, which gives the same numbers and sets errno otherwise. Debian's libjxl asks
for it, and that alone would keep the Python package from systems with glibc 2.34. OUT is a copy that asks for the first
version. A library that needs no 2.35 is copied as it is; one that needs something else of it is refused."""
import shutil
import struct
import sys
from pathlib import Path

NEW, ALLOWED = "GLIBC_2.35", {"hypot", "hypotf"}
SHT_DYNSYM, SHT_VERNEED, SHT_VERSYM = 11, 0x6FFFFFFE, 0x6FFFFFFF


def string_at(data, offset):
    return bytes(data[offset:data.index(0, offset)]).decode()


def sections(data):
    """type -> (offset, size, offset of the strings that it speaks of), of a little-endian ELF64 file."""
    if data[:6] != b"\x7fELF\x02\x01":
        raise SystemExit("older_hypot.py: no little-endian 64-bit ELF file")
    (table,), (size, n) = struct.unpack_from("<Q", data, 40), struct.unpack_from("<HH", data, 58)
    heads = [struct.unpack_from("<IIQQQQIIQQ", data, table + i * size) for i in range(n)]
    return {head[1]: (head[4], head[5], heads[head[6]][4]) for head in heads}


def needs(data, where):
    """(library, version, its number, place of its entry) for each version that the file asks for."""
    offset, _, strings = where
    while True:
        _, n, name, first, step = struct.unpack_from("<HHIII", data, offset)
        place = offset + first
        for _ in range(n):
            _, _, number, version, next_one = struct.unpack_from("<IHHII", data, place)
            yield string_at(data, strings + name), string_at(data, strings + version), number & 0x7FFF, place
            place += next_one
        if not step:
            return
        offset += step


def users(data, found, numbers):
    """Names of the symbols that are asked for in these versions."""
    (symbols, size, strings), (versions, _, _) = found[SHT_DYNSYM], found[SHT_VERSYM]
    return {string_at(data, strings + struct.unpack_from("<I", data, symbols + 24 * i)[0]) for i in range(size // 24)
            if struct.unpack_from("<H", data, versions + 2 * i)[0] & 0x7FFF in numbers}


def main(library, out):
    data = bytearray(Path(library).read_bytes())
    found = sections(data)
    needed = list(needs(data, found[SHT_VERNEED])) if SHT_VERNEED in found else []
    new = [entry for entry in needed if entry[1] == NEW]
    others = users(data, found, {number for _, _, number, _ in new}) - ALLOWED
    if others:
        raise SystemExit(f"older_hypot.py: {library} needs more of {NEW} than hypot: {', '.join(sorted(others))}")
    for file, _, _, place in new:
        old = min((entry for entry in needed if entry[0] == file and entry[1].startswith("GLIBC_")),
                  key=lambda entry: [int(word) for word in entry[1][6:].split(".")])
        data[place:place + 4] = data[old[3]:old[3] + 4]  # the hash of the version's name
        data[place + 8:place + 12] = data[old[3] + 8:old[3] + 12]  # and the name
    shutil.copy(library, out)
    Path(out).write_bytes(data)


if __name__ == "__main__":
    main(*sys.argv[1:3])
