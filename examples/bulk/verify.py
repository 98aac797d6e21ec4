#!/usr/bin/env python3
"""Are all parts there, and do they add up?  verify.py LIST OUT  -> counts; exit status 1 when something is missing."""
import json
import sys
from pathlib import Path


def main():
    listed, out = Path(sys.argv[1]), Path(sys.argv[2])
    wanted = sum(1 for line in listed.open("rb") if line.strip())
    manifests = [json.loads(p.read_text()) for p in sorted((out / "manifest").glob("*.json"))]
    total = {key: sum(m[key] for m in manifests) for key in ("n_in", "n_out", "n_bad")}
    good = total["n_in"] == wanted and all(m["n_in"] == m["n_out"] + m["n_bad"] for m in manifests)
    good = good and len({m["fingerprint"] for m in manifests}) == 1
    print(json.dumps({"wanted": wanted, "parts": len(manifests), **total, "complete": good}))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
