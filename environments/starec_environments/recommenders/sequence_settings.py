"""The settings of the recommenders that read sequences of likes."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from starec_sim.settings import Settings


class SequenceSettings(Settings):
    """What both networks have in common. The defaults suit data of MovieLens 100K's size."""

    dimensions: int = Field(64, ge=1)
    """Length of the vectors of users and items."""
    length: int = Field(50, ge=1)
    """The last likes that are read of a user. A fit cuts longer logs into pieces of this length."""
    dropout: float = Field(0.2, ge=0, lt=1)
    """Share of activations that are set to zero in training."""
    learning_rate: float = Field(0.005, gt=0)
    """The highest rate. It rises over the first updates, and falls to zero along a cosine."""
    epochs: int = Field(20, ge=1)
    """Passes over the likes. More passes fit the log better and predict the next item worse."""
    updates: int = Field(100, ge=1)
    """Updates, at least: a small log is passed over more often until there were so many."""
    batch: int = Field(128, ge=1)
    """Pieces of logs in one update."""
    negatives: int = Field(2_048, ge=1)
    """Items with which each like is compared: the whole catalogue if it has no more, else a new
    uniform sample in each update."""


class GRU4RecSettings(SequenceSettings):
    """The defaults suit data of MovieLens 100K's size."""

    layers: int = Field(1, ge=1)
    """Recurrent layers."""


class SASRecSettings(SequenceSettings):
    """The defaults suit data of MovieLens 100K's size."""

    layers: int = Field(2, ge=1)
    """Attention layers."""
    heads: int = Field(1, ge=1)
    """Attention heads of a layer."""

    @model_validator(mode="after")
    def _heads_share(self) -> Self:
        if self.dimensions % self.heads:
            raise ValueError(
                f"dimensions ({self.dimensions}) must be a multiple of heads ({self.heads})"
            )
        return self
