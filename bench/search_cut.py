#!/usr/bin/env python3
"""What `whatsit search` finds of what is there and of what is not.

    bench/search_cut.py PROGRAM [--library NAME] [--model MODEL] [--folder DIR]

The library holds COCO val2017, or DIR in it does: the first list names what is in it many times, the second what is
not. (Among all of COCO's photos many of the second list are there: penguins, a space shuttle, a hummingbird.) Prints the highest confidence of each search, and for some cut-offs how many searches find something.
"""
import argparse
import json
import subprocess

PRESENT = [
    "a dog on a beach", "a man riding a wave on a surfboard", "a red double decker bus", "a pizza on a table", "a giraffe",
    "a zebra", "a cat on a couch", "a train at a station", "a bowl of broccoli", "people playing tennis", "a stop sign",
    "a birthday cake", "a toilet", "a laptop on a desk", "an elephant", "a person skiing", "a teddy bear", "a fire hydrant",
    "a clock tower", "a kitchen", "horses in a field", "a plate of food", "a boat in the water", "an airplane in the sky",
    "a traffic light"]
ABSENT = [
    "a submarine", "a dinosaur skeleton", "an x-ray of a chest", "a penguin", "an atom bomb explosion", "a hummingbird",
    "santa claus", "a violin", "a space shuttle", "a lobster", "an octopus", "a roulette table", "a volcano erupting",
    "a scorpion", "a medieval knight in armour", "a coral reef", "a microscope", "a saxophone", "a kangaroo", "a jellyfish",
    "an igloo", "a chess board", "a chainsaw", "a tank", "a bagpipe player"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--library")
    parser.add_argument("--model")
    parser.add_argument("--folder")
    given = parser.parse_args()
    options = [w for name in ("library", "model", "folder") if getattr(given, name) for w in (f"--{name}", getattr(given, name))]
    for title, queries in (("there", PRESENT), ("not there", ABSENT)):
        best = []
        for query in queries:
            out = subprocess.run([given.program, "search", query, "--min", "0", "--top", "100", "--json", "--quiet",
                                  *options], stdout=subprocess.PIPE, check=True).stdout
            best.append((max((json.loads(line)["confidence"] for line in out.splitlines()), default=0.0), query))
        for confidence, query in sorted(best):
            print(f"{confidence:6.2f}  {query}")
        counts = ", ".join(f"{cut}: {sum(c >= cut for c, _ in best)}" for cut in (0.1, 0.2, 0.3, 0.4, 0.5))
        print(f"{title}: of {len(best)} searches find something at {counts}\n")


if __name__ == "__main__":
    main()
