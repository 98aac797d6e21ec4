"""One small model of every kind of network through the wheel: the command line's numbers, and a head of words."""
from pathlib import Path

import numpy as np
import pytest

import whatsit
from test_whatsit import ROOT, SAMPLES, by_command_line

DATA = ROOT / "tests" / "model" / "data"
WITH_WORDS = ["siglip1", "siglip2", "chinese_clip", "metaclip2", "clipa"]


@pytest.mark.parametrize("name", WITH_WORDS)
def test_embeddings_and_answers(name):
    path = str(DATA / "families" / name)
    model = whatsit.Model(path)
    pictures, texts = SAMPLES[:3], ["a cat", "a dog on a beach"]
    said = by_command_line("embed", "--model", path, *(w for p in pictures for w in ("--image", p)),
                           *(w for t in texts for w in ("--text", t)))
    rows = np.concatenate([model.embed_images(pictures), model.embed_texts(texts)])
    for row, line in zip(rows, said):
        assert np.array_equal(row, np.array(line["embedding"], np.float32))
    head = whatsit.Head.from_labels(model, ["cat", "dog"])
    answers = by_command_line(pictures[0], "--labels", "cat,dog", "--model", path, "--json")[0]["heads"][0]["answers"]
    for mine, theirs in zip(head(pictures[0])[0], answers):
        assert mine.label == theirs["label"] and abs(mine.score - theirs["score"]) < 1e-5


@pytest.mark.parametrize("name", sorted(p.name for p in (DATA / "originals").iterdir() if p.name.startswith("open_clip_")))
def test_image_towers(name):
    """Those without a tokenizer embed pictures, too."""
    path = str(DATA / "originals" / name)
    rows = whatsit.Model(path).embed_images(SAMPLES[:2])
    said = by_command_line("embed", "--model", path, *(w for p in SAMPLES[:2] for w in ("--image", p)))
    for row, line in zip(rows, said):
        assert np.array_equal(row, np.array(line["embedding"], np.float32))
