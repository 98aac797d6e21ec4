"""What a caller writes, for mypy --strict: the types that come out."""
from pathlib import Path
from typing import List, Tuple

import numpy as np
import numpy.typing as npt

import whatsit
from whatsit.bulk import embed_shards
from whatsit.sklearn import HeadClassifier, WhatsitEmbedder

model: whatsit.Model = whatsit.Model("nano", threads=2)
rows: npt.NDArray[np.float32] = model.embed_images(["a.jpg", b"bytes", Path("b.jpg"), np.zeros((2, 2, 3), np.uint8)], errors="nan")
one: npt.NDArray[np.float32] = model.embed_images("a.jpg")
texts: npt.NDArray[np.float32] = model.embed_texts(name for name in ("a", "b"))
head: whatsit.Head = whatsit.Head.from_labels(model, ("cat", "dog"), templates=["a photo of a {}."])
answers: List[List[whatsit.Answer]] = head(Path("a.jpg"), top=2)
label: str = answers[0][0].label
score: float = answers[0][0].score
trained: whatsit.Head = whatsit.Head.from_embeddings(model, rows, np.array([1, 2]), strength=1.0)
said: List[List[whatsit.Caption]] = whatsit.Describer(model)("a.jpg", n=2)
found: Tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]] = whatsit.Index("index", model).search(rows[0], 3)
names: List[str] = whatsit.shipped_lists()
n_bad: int = embed_shards(["a.jpg"], Path("out"), model=model)["n_bad"]
guesses: npt.NDArray[np.float64] = HeadClassifier().fit(rows, [1, 2]).predict_proba(WhatsitEmbedder().fit([]).transform(["a.jpg"]))
