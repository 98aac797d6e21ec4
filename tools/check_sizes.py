#!/usr/bin/env python3
"""No source file of 1,000 lines or more; functions over 60 lines are listed, over 120 are refused.

Tables that a script in tools/ writes are exempt.  tools/check_sizes.py [--all]
"""
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILE_LIMIT, FUNCTION_HABIT, FUNCTION_LIMIT = 1000, 60, 120
GENERATED = re.compile(r"src/text/(\w+_tables|clip_merges)\.c$")


def functions(lines):
    """(name, first line, number of lines): from a line that begins a definition to its `}`."""
    start, name = None, ""
    for number, line in enumerate(lines, 1):
        if line == "{" and number > 1:
            start, head = number, number - 1
            while head > 1 and lines[head - 2] and lines[head - 2][0] not in "}#/ *":
                head -= 1
            match = re.search(r"(\w+)\(", " ".join(lines[head - 1 : number - 1]))
            name = match.group(1) if match else "?"
        elif line == "}" and start:
            yield name, start, number - start - 1
            start = None


def main():
    files = subprocess.run(
        ["git", "ls-files", "*.c", "*.h", "*.py", "*.js", "*.sh"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split()
    problems, long = [], []
    for path in files:
        if GENERATED.search(path) or not (ROOT / path).exists():
            continue
        lines = (ROOT / path).read_text().splitlines()
        if len(lines) >= FILE_LIMIT:
            problems.append(f"{path}: {len(lines)} lines")
        if path.endswith((".c", ".h")):
            for name, at, n in functions(lines):
                if n > FUNCTION_HABIT:
                    long.append(f"{path}:{at}: {name} has {n} lines")
                if n > FUNCTION_LIMIT:
                    problems.append(f"{path}:{at}: {name} has {n} lines")
    if "--all" in sys.argv or problems:
        print("\n".join(problems or long))
    print(f"{len(files)} files, {len(long)} functions over {FUNCTION_HABIT} lines")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
