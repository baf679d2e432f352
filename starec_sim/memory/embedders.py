"""Embedders: models that turn texts into vectors, for memory retrieval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from starec_sim.errors import ConfigError, import_problem

MAX_DIMENSIONS = 1_024
"""Greatest dimension of a vector. Each number takes a byte: twenty memories take at most 20 KiB."""
_HASHED = 256
"""Dimension of the vectors of `HashingEmbedder`."""


class Embedder(Protocol):
    """Turns texts into vectors; similar texts have vectors with a small angle between them."""

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return vectors of shape (texts, d), d at most `MAX_DIMENSIONS`, of any length."""
        ...


class HashingEmbedder:
    """Counts the words of a text, each hashed to one of 256 dimensions. It needs no model.

    Raises:
        ConfigError: scikit-learn is not installed.

    >>> one, other, third = HashingEmbedder().embed(["Heat, crime", "Crime, Heat", "Up"])
    >>> bool((one == other).all()), bool((one == third).all())
    (True, False)
    """

    def __init__(self) -> None:
        try:
            from sklearn.feature_extraction.text import HashingVectorizer
        except ImportError as error:
            problem, hint = import_problem(error, "pip install 'starec-sim[embeddings]'")
            raise ConfigError(
                f"recall by hashing needs scikit-learn: {problem}", hint=hint
            ) from error
        vectorizer: Any = HashingVectorizer
        self._vectorizer = vectorizer(n_features=_HASHED, norm=None, dtype=np.float32)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the vectors of texts, shape (texts, d)."""
        vectors: NDArray[np.float32] = self._vectorizer.transform(texts).toarray()
        return vectors


class SentenceEmbedder:
    """A sentence-transformers model, by id or path.

    Args:
        model: The id or path.
        dimensions: Cut the vectors to this length, if the model is trained for it; None for all.

    Raises:
        ConfigError: sentence-transformers is not installed, there is no such model, or its vectors
            are too long.
    """

    def __init__(self, model: str, dimensions: int | None = None) -> None:
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            problem, hint = import_problem(error, "pip install 'starec-sim[embeddings]'")
            raise ConfigError(
                f"recall by a model needs sentence-transformers: {problem}",
                hint=f"{hint}; or recall with `use: hashing`",
            ) from error
        try:
            self._model: Any = SentenceTransformer(model, truncate_dim=dimensions)
        except (OSError, ValueError) as error:
            raise ConfigError(
                f'the embedding model "{model}" cannot be read: {_first_line(error)}',
                hint="give the id of a sentence-transformers model, or the folder of a saved one",
            ) from error
        width = len(self.embed(["memory"])[0])
        if width > MAX_DIMENSIONS:
            raise ConfigError(
                f'the vectors of "{model}" have {width:,} numbers; a memory keeps at most '
                f"{MAX_DIMENSIONS:,}",
                hint=f"set dimensions: {MAX_DIMENSIONS}, or take a smaller model",
            )

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the vectors of texts, shape (texts, d)."""
        vectors: NDArray[np.float32] = self._model.encode(
            list(texts), convert_to_numpy=True, show_progress_bar=False
        )
        return vectors.astype(np.float32, copy=False)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
