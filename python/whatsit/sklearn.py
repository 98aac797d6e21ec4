"""scikit-learn estimators: pictures -> embeddings, and the library's linear heads."""
from __future__ import annotations

from typing import Any, Optional

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from ._core import Head, Model


class WhatsitEmbedder(TransformerMixin, BaseEstimator):
    """Turns pictures (paths, bytes, PIL images, arrays) into embeddings float32 [n, dim].

    model: "nano" or a path, as whatsit.Model takes it.
    """

    def __init__(self, model: str = "nano", threads: int = 0) -> None:
        self.model = model
        self.threads = threads

    def fit(self, X: Any, y: Any = None) -> "WhatsitEmbedder":
        """Opens the model; nothing is learnt."""
        self.model_ = Model(self.model, self.threads)
        return self

    def transform(self, X: Any) -> npt.NDArray[np.float32]:
        """Embeddings of pictures, rows of length 1."""
        check_is_fitted(self)
        return self.model_.embed_images(X)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.no_validation = True
        return tags


class HeadClassifier(ClassifierMixin, BaseEstimator):
    """Multinomial logistic regression on embeddings, by the library: the heads that `whatsit head train` makes.

    strength: scikit-learn's C; None: chosen by cross-validation. balanced: classes count the same.
    model: whose embeddings these are ("nano" or a path); X has as many columns as its embeddings, and rows are
    compared by direction alone, so scikit-learn's check_estimator, which feeds other shapes, does not apply.
    `head_` is the fitted Head, which can be saved.
    """

    def __init__(self, strength: "Optional[float]" = 1.0, balanced: bool = False, model: str = "nano") -> None:
        self.strength = strength
        self.balanced = balanced
        self.model = model

    def fit(self, X: Any, y: Any) -> "HeadClassifier":
        """X [n, dim], y [n]."""
        X, y = validate_data(self, X, y, dtype=np.float32)
        check_classification_targets(y)
        self.classes_, numbers = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"a classifier needs two classes, and y holds {len(self.classes_)} class")
        names = [f"{i:06}" for i in numbers]
        self.head_ = Head.from_embeddings(Model(self.model), X, names, strength=self.strength or 0.0,
                                          balanced=self.balanced)
        return self

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """Probabilities [n, n_classes] in the order of classes_."""
        check_is_fitted(self)
        return self.head_.scores(validate_data(self, X, dtype=np.float32, reset=False)).astype(np.float64)

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """The most likely class of each row."""
        return self.classes_[np.argmax(self.predict_proba(X), axis=1)]
