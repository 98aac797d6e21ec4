"""Draws a run's log as a small picture: python curves.py RUN OUT.png"""
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt


def table(path):
    return [line.split("\t") for line in path.read_text().strip().split("\n")]


CHECKED = [("tiny", "tab:red", "o"), ("caltech101", "tab:green", "s"), ("shapes", "tab:orange", "^"),
           ("flowers102", "tab:purple", "v"), ("clothing", "tab:brown", "D")]


def checked(row):
    """The shares of one evaluation: name=share after the first three columns (or one share alone)."""
    return {k: float(v) for k, v in (x.split("=") if "=" in x else ("tiny", x) for x in row[3:]) if float(v) <= 1}


def main():
    run, out = Path(sys.argv[1]), sys.argv[2]
    steps, log = table(run / "steps.tsv"), table(run / "log.tsv")
    fig, left = plt.subplots(figsize=(6, 3.2), dpi=100)
    left.plot([float(r[2]) / 1e6 for r in steps], [float(r[4]) for r in steps],
              color="tab:blue", lw=0.8, label="training loss")
    left.set_xlabel("million pictures seen")
    left.set_ylabel("training loss", color="tab:blue")
    right = left.twinx()
    for name, colour, mark in CHECKED:
        points = [(float(r[2]) / 1e6, 100 * v) for r in log if (v := checked(r).get(name)) is not None]
        right.plot(*zip(*points), color=colour, marker=mark, ms=3, lw=1, label=name)
    right.set_ylabel("validation, zero-shot top-1, %")
    right.legend(fontsize=7, loc="lower right")
    right.set_ylim(0)
    last = None
    for r in steps:
        if r[3] != last:
            left.axvline(float(r[2]) / 1e6, color="grey", lw=0.5, ls=":")
            left.text(float(r[2]) / 1e6, left.get_ylim()[1], f" {r[3]} px", fontsize=7, va="top")
            last = r[3]
    fig.tight_layout()
    fig.savefig(out)


if __name__ == "__main__":
    main()
