#!/usr/bin/env python3
"""What programs were built against stays as it is: the functions and structs of the public headers, compared by
libabigail with tools/abi.xml.

    tools/check_abi.py [--write]

Of each function a body is made and compiled with debugging information, which takes a second; that the library
exports these functions is what check_symbols.py holds. New functions pass; --write records them. Everything else has
to be looked at: a member that took the place of reserved ones (include/whatsit/status.h) is recorded with --write."""
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import public_api

DESCRIPTION = public_api.ROOT / "tools" / "abi.xml"
CHANGED, FAILED = 4, 3  # bits of abidiff's exit status


def source():
    lines = ["#include <whatsit/whatsit.h>", ""]
    for function in public_api.functions():
        parameters = [re.sub(r"^(.*?)( \[\d+\])?$", rf"\1 {p.name}\2", p.type) if "(*)" not in p.type
                      else p.type.replace("(*)", f"(*{p.name})") for p in function.parameters]
        lines.append(f"{function.returns} {function.name}({', '.join(parameters) or 'void'})\n{{ __builtin_trap(); }}")
    return "\n".join(lines) + "\n"


def describe(folder, target):
    code, library = folder / "api.c", folder / "libwhatsit.so"
    code.write_text(source())
    compiler = os.environ.get("CC", "cc")
    subprocess.run([compiler, "-g", "-w", "-shared", "-fPIC", "-fno-eliminate-unused-debug-types",
                    "-fvisibility=hidden", "-I", public_api.ROOT / "include", "-o", library, code], check=True)
    subprocess.run(["abidw", "--no-corpus-path", "--no-comp-dir-path", "--no-show-locs",
                    "--no-write-default-sizes", "--no-elf-needed", "--out-file", target, library], check=True)


def main():
    with tempfile.TemporaryDirectory() as folder:
        now = Path(folder) / "abi.xml"
        describe(Path(folder), now)
        if "--write" in sys.argv:
            DESCRIPTION.write_text(now.read_text())
        result = subprocess.run(["abidiff", "--no-show-locs", DESCRIPTION, now], capture_output=True, text=True)
    broken = re.search(r"[1-9]\d* (Removed|Changed)", result.stdout)
    if result.returncode & FAILED or broken or (result.returncode and "summary" not in result.stdout):
        print(result.stdout + result.stderr)
        print("programs that were built before may break")
        return 1
    added = ", some not recorded yet: --write" if result.returncode & CHANGED else ""
    print(f"{len(public_api.functions())} functions, as programs know them{added}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
