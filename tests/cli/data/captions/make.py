#!/usr/bin/env python3
"""Sentences of our own about pictures that do not exist, and what COCO's own program makes of them.

    python make.py          (needs pycocoevalcap and Java)

Writes references.tsv, sentences.jsonl and expected.json.
"""
import json
import os

HERE = os.path.dirname(os.path.abspath(__file__))
PICTURES = {
    "a.jpg": (["A grey cat sleeps on a wooden chair.", "A cat, fast asleep, on a chair", "There's a cat on the chair by the window."],
              "a cat sleeping on a chair"),
    "b.jpg": (["Two men carry a ladder across the street.", "Men with a ladder at the corner of Mill St. and Main St.",
               "A couple of workers move a 12-foot ladder"], "two men carrying a ladder down a street"),
    "c.jpg": (["A bowl of soup and/or stew, with bread", "The bowl of soup isn't full.", "A white bowl (half full) of soup"],
              "a bowl of soup with bread on a table"),
    "d.jpg": (["A red kite high above the beach", "A person flies a red kite at the beach; it's windy!"], "a man flying a kite on a beach"),
    "e.jpg": (["An old t.v. stands on a shelf", "A television on a shelf beside 3,000 books"], "an old television on a shelf"),
    "f.jpg": (["A dog runs through shallow water", "the dog splashes in the sea", "A wet dog -- running -- in the waves"],
              "a dog running in the water"),
    "g.jpg": (["Bananas and apples lie in a basket.", "A basket full of fruit"], "a table"),
    "h.jpg": (["The clock says 5:54pm.", "A clock tower at dusk", "A tall tower with a clock's face lit up"], "a tall clock tower with a clock on it"),
}


def main():
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer
    tokenize = PTBTokenizer().tokenize
    references = tokenize({k: [{"caption": t} for t in r] for k, (r, _) in PICTURES.items()})
    told = tokenize({k: [{"caption": s}] for k, (_, s) in PICTURES.items()})
    scores = {"bleu": Bleu(4).compute_score(references, told, verbose=0)[0], "rouge_l": float(Rouge().compute_score(references, told)[0]),
              "cider_d": float(Cider().compute_score(references, told)[0])}
    with open(os.path.join(HERE, "references.tsv"), "w") as file:
        file.writelines(f"{name}\t{text}\n" for name, (texts, _) in PICTURES.items() for text in texts)
    with open(os.path.join(HERE, "sentences.jsonl"), "w") as file:
        for k, (name, (_, text)) in enumerate(PICTURES.items()):
            file.write(json.dumps({"image": name, "captions": [{"text": text, "logprob": -1.0, "mean_prob": 0.5}], "sure": k % 4 != 0}) + "\n")
    with open(os.path.join(HERE, "expected.json"), "w") as file:
        json.dump(scores, file, indent=1)
    print(scores)


if __name__ == "__main__":
    main()
