#!/usr/bin/env python3
"""What a CTest run did and, test by test, what it could not check. Fails when nothing ran.

    tools/test_report.py BUILD_FOLDER [--no-skips]

A cmocka program with a skipped test exits with 0, so CTest's own summary does not show it.
--no-skips: a skipped test is a failure too.
"""
import re
import sys
from pathlib import Path

SKIPPED = re.compile(r"^\[  SKIPPED \] (\w+)$|^(test_\w+ .*) \.\.\. skipped (.*)$")


def main():
    log = Path(sys.argv[1], "Testing/Temporary/LastTest.log").read_text(errors="replace")
    blocks = re.split(r"^\d+/\d+ Testing: ", log, flags=re.M)[1:]
    failed, skips, n_checks = [], [], 0
    for block in blocks:
        name = block.split("\n", 1)[0]
        end = re.search(r"^Test (Passed|Failed|.*)\.$", block, flags=re.M)
        n_checks += len(re.findall(r"^\[       OK \] ", block, flags=re.M))
        n_checks += sum(int(n) for n in re.findall(r"^Ran (\d+) tests? in ", block, flags=re.M))
        if re.search(r"^Test Failed\.$", block, flags=re.M) or not end:
            failed.append(name)
        # cmocka lists each skipped test again after its count: the set counts it once.
        skips += sorted({f"{name}: {m.group(0).strip()}" for m in map(SKIPPED.match, block.splitlines()) if m})
        skips += [f"{name}: {n} skipped" for n in re.findall(r"^OK \(skipped=(\d+)\)", block, flags=re.M)]
    print(f"{len(blocks)} test programs, {n_checks} checks in them passed or ran, "
          f"{len(failed)} programs failed, {len(skips)} checks skipped")
    for skip in skips:
        print(f"  not checked: {skip}")
    for name in failed:
        print(f"  failed: {name}")
    return 1 if failed or not blocks or (skips and "--no-skips" in sys.argv) else 0


if __name__ == "__main__":
    sys.exit(main())
