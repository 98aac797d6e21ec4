#!/usr/bin/env python3
"""No two parts of an app may need each other: a part is NAME.c with its NAME.h, and needs the parts whose headers
it includes. Also follows forward declarations: a header that only names another part's struct does not need it.

    tools/check_circles.py [FOLDER...]     (default: apps/server apps/store apps/cli)
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^">]+)"', re.M)


def needs_of(folder):
    """part -> parts whose headers it includes, of one folder."""
    needs = {}
    for path in sorted([*folder.glob("*.c"), *folder.glob("*.h")]):
        wanted = {Path(name).stem for name in INCLUDE.findall(path.read_text()) if (folder / name).exists()
                  and "/" not in name}
        needs.setdefault(path.stem, set()).update(wanted - {path.stem})
    return needs


def circle(needs):
    """One way round, as a list that ends where it began; None when there is none."""
    done, way = set(), []

    def visit(part):
        if part in way:
            return way[way.index(part):] + [part]
        if part in done:
            return None
        way.append(part)
        for other in sorted(needs.get(part, ())):
            found = visit(other)
            if found:
                return found
        done.add(way.pop())
        return None

    for part in sorted(needs):
        found = visit(part)
        if found:
            return found
    return None


def main():
    folders = sys.argv[1:] or ["apps/server", "apps/store", "apps/cli"]
    bad = False
    for name in folders:
        needs = needs_of(ROOT / name)
        if not needs:
            sys.exit(f"check_circles: {name}: no files")
        found = circle(needs)
        bad = bad or bool(found)
        print(f"{name}: " + (" -> ".join(found) + ": a circle" if found else f"{len(needs)} parts, no circle"))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
