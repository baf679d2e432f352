"""Recall: find the older experiences of a user that are most similar to the slate."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator

from starec_sim.memory.embedders import Embedder, HashingEmbedder, SentenceEmbedder
from starec_sim.memory.index import Codes, MemoryIndex, Neighbour, quantise
from starec_sim.settings import Settings

_MAX_KNOWN_BYTES = 64 * 2**20
"""Greatest size of the cached vectors of cards, which all users share, in bytes."""


class RecallSettings(Settings):
    """The settings of recall: the embedder and the number of experiences."""

    use: Literal["hashing", "sentence-transformers"] = "hashing"
    """`hashing`: by the words of the cards. `sentence-transformers`: by their meaning."""
    top: int = Field(default=5, ge=1)
    """Greatest number of experiences that are recalled."""
    model: str | None = None
    """With `sentence-transformers`: the model's id or path."""
    dimensions: int | None = Field(default=None, ge=1)
    """With `sentence-transformers`: cut the vectors to this length."""

    @model_validator(mode="after")
    def _a_model_where_one_is_used(self) -> Self:
        if self.use == "hashing" and (self.model or self.dimensions):
            raise ValueError("hashing has no model and no dimensions; use: sentence-transformers")
        if self.use == "sentence-transformers" and not self.model:
            raise ValueError("sentence-transformers needs a model, its id or path")
        return self

    def build(self) -> Recall:
        """Return a `Recall` with these settings."""
        if self.use == "hashing":
            return Recall(HashingEmbedder(), self.top)
        assert self.model is not None
        return Recall(SentenceEmbedder(self.model, self.dimensions), self.top)


class Recall:
    """Finds memories by their texts. All users share one, because they see the same cards.

    Args:
        embedder: Turns texts into vectors. The vector of a text is cached.
        top: Greatest number of memories that are recalled.
    """

    def __init__(self, embedder: Embedder, top: int) -> None:
        self._embedder = embedder
        self._top = top
        self._known: dict[str, Codes] = {}
        self._lock = threading.Lock()

    def recall(self, memories: Sequence[str], seen: Sequence[str]) -> Sequence[Neighbour]:
        """Return the memories that are most similar to the items seen, in order of their places.

        Args:
            memories: The cards of the remembered items.
            seen: The cards of the slate.
        """
        known = self._known
        if any(text not in known for text in (*memories, *seen)):
            known = self._learn([*memories, *seen])
        return MemoryIndex(_rows(memories, known)).nearest(_rows(seen, known), self._top)

    def _learn(self, texts: Sequence[str]) -> dict[str, Codes]:
        """Embed the texts that are not cached, and return the cache."""
        with self._lock:
            known = self._known
            new = [text for text in dict.fromkeys(texts) if text not in known]
            if new:
                codes = quantise(self._embedder.embed(new))
                if len(known) * codes.shape[1] > _MAX_KNOWN_BYTES:
                    known = {text: known[text] for text in texts if text in known}
                self._known = known = {**known, **dict(zip(new, codes, strict=True))}
            return known


def _rows(texts: Sequence[str], known: dict[str, Codes]) -> Codes:
    return np.stack([known[text] for text in texts]) if texts else np.zeros((0, 0), np.int8)
