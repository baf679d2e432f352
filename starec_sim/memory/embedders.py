"""Embedders: texts in, vectors out. Whatever does that can serve as the ear of a memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from starec_sim.errors import ConfigError

MAX_DIMENSIONS = 1_024
"""Numbers of a vector; each takes a byte, so that twenty memories take at most 20 KiB."""
_HASHED = 256


class Embedder(Protocol):
    """Turns texts into vectors, near to each other where the texts are."""

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one row a text, of at most `MAX_DIMENSIONS` numbers; lengths do not matter."""
        ...


class HashingEmbedder:
    """Counts words, each hashed to one of 256 places. No model, no download, the same everywhere.

    >>> one, other, third = HashingEmbedder().embed(["Heat, crime", "Crime, Heat", "Up"])
    >>> bool((one == other).all()), bool((one == third).all())
    (True, False)
    """

    def __init__(self) -> None:
        try:
            from sklearn.feature_extraction.text import HashingVectorizer
        except ImportError as error:
            raise ConfigError(
                "recall by hashing needs scikit-learn, which is not installed",
                hint="pip install 'starec-sim[embeddings]'",
            ) from error
        vectorizer: Any = HashingVectorizer
        self._vectorizer = vectorizer(n_features=_HASHED, norm=None, dtype=np.float32)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the vectors of some texts."""
        vectors: NDArray[np.float32] = self._vectorizer.transform(texts).toarray()
        return vectors


class SentenceEmbedder:
    """A sentence-transformers model, by id or path.

    Args:
        model: The id or path.
        dimensions: Of the vectors, where the model was trained to be cut; None is all it has.

    Raises:
        ConfigError: The library is not installed, there is no such model, or its vectors are too
            long.
    """

    def __init__(self, model: str, dimensions: int | None = None) -> None:
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise ConfigError(
                "recall by a model needs sentence-transformers, which is not installed",
                hint="pip install 'starec-sim[embeddings]', or recall with `use: hashing`",
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
        """Return the vectors of some texts."""
        vectors: NDArray[np.float32] = self._model.encode(
            list(texts), convert_to_numpy=True, show_progress_bar=False
        )
        return vectors.astype(np.float32, copy=False)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
