#!/usr/bin/env python3
"""The shared library exports what the public headers declare, and tools/symbols.txt says so.

    tools/check_symbols.py LIBRARY [--write]
"""
import re
import subprocess
import sys
from pathlib import Path

import public_api

ROOT = Path(__file__).resolve().parent.parent
LIST = ROOT / "tools" / "symbols.txt"


def exported(library):
    lines = subprocess.run(
        ["nm", "-D", "--defined-only", library], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    # A sanitizer's own symbols are not ours, and the version's name is none.
    return {line.split()[-1].split("@")[0] for line in lines if not re.search(r" __\w*san_| A ", line)}


def declared():
    return {function.name for function in public_api.functions()}


def difference(problem, names):
    return [f"{problem}: {name}" for name in sorted(names)]


def main():
    library = exported(sys.argv[1])
    if "--write" in sys.argv:
        LIST.write_text("\n".join(sorted(library)) + "\n")
    listed, headers = set(LIST.read_text().split()), declared()
    problems = (
        difference("exported without the prefix wi_", {n for n in library if not n.startswith("wi_")})
        + difference("declared in include/ but not exported", headers - library)
        + difference("exported but not declared in include/", library - headers)
        + difference("exported but not in tools/symbols.txt", library - listed)
        + difference("in tools/symbols.txt but not exported", listed - library)
    )
    print("\n".join(problems) if problems else f"{len(library)} symbols, as the headers declare")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
