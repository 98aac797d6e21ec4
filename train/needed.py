"""Says what the training needs and which of it is there."""
import argparse
from pathlib import Path

from sources import SOURCES, TEXTS, git_dir


def main():
    ap = argparse.ArgumentParser()
    for o in ("clones", "shards", "testset", "wordnet", "vocabulary"):
        ap.add_argument("--" + o, type=Path, required=True)
    a = ap.parse_args()
    say = lambda there, what: print(" ", "here   " if there else "MISSING", what)
    print(f"\ngit clones (work trees are not needed), as {a.clones}/OWNER+NAME:")
    for repo in sorted({s.repo for s in SOURCES if s.repo} | set(TEXTS)):
        say(git_dir(a.clones, repo), "https://github.com/" + repo)
    print("files:")
    say(any(a.shards.glob("*.tsv*")), f"{a.shards}: tables of the labelled shards (names, and which pictures are for validation)")
    say((a.testset / "labels.tsv").exists(), f"{a.testset}: photos to measure with, labels.tsv")
    say((a.wordnet / "data.noun").exists(), f"{a.wordnet}: WordNet 3.0 (Debian: wordnet-base)")
    say(a.vocabulary.exists(), f"{a.vocabulary}: OpenAI's bpe_simple_vocab_16e6.txt.gz")


if __name__ == "__main__":
    main()
