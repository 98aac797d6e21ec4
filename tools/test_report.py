#!/usr/bin/env python3
"""What a CTest run did and, check by check, what it could not check. Fails when nothing ran.

    tools/test_report.py BUILD_FOLDER [--no-skips]

A cmocka program with a skipped test exits with 0, so CTest's own summary does not show it.
--no-skips: a skipped check is a failure too.
"""
import re
import sys
import xml.etree.ElementTree as xml
from pathlib import Path

SKIPPED = re.compile(r"^\[  SKIPPED \] (\w+)$|^(test_\w+ .*) \.\.\. skipped .*$|^skipped: .*$", re.M)
N_CHECKS = re.compile(r"^\[==========\] (\d+) test\(s\) run\.$|^Ran (\d+) tests? in ", re.M)


def outputs(log):
    """Each test's own output, by name."""
    for block in re.split(r"^\d+/\d+ Testing: ", log, flags=re.M)[1:]:
        name, rest = block.split("\n", 1)
        yield name, rest


def main():
    build = Path(sys.argv[1])
    cases = list(xml.parse(build / "ctest.xml").getroot().iter("testcase"))
    # "notrun" with a skip message is SKIP_RETURN_CODE; without one, a program that is missing.
    failed = [c.get("name") for c in cases if c.get("status") == "fail"]
    skipped = {c.get("name") for c in cases if c.get("status") in ("notrun", "disabled")}
    skips, n_checks = [], 0
    for name, output in outputs((build / "Testing/Temporary/LastTest.log").read_text(errors="replace")):
        n_checks += sum(int(a or b) for a, b in N_CHECKS.findall(output))
        # cmocka lists a skipped check again after its count: the set has it once.
        found = sorted({m.group(0).strip() for m in SKIPPED.finditer(output)})
        found += [f"{n} checks" for n in re.findall(r"^OK \(skipped=(\d+)\)", output, flags=re.M)]
        if name in skipped and not found:
            found = ["all of it"]
        skips += [f"{name}: {what}" for what in found]
    n_run = len(cases) - len(skipped)
    print(f"{n_run} of {len(cases)} test programs ran, {n_checks} checks are counted in them, "
          f"{len(failed)} programs failed, {len(skips)} skips")
    for skip in skips:
        print(f"  not checked: {skip}")
    for name in failed:
        print(f"  failed: {name}")
    return 1 if failed or n_run == 0 or (skips and "--no-skips" in sys.argv) else 0


if __name__ == "__main__":
    sys.exit(main())
