"""Which place of a ranking each token of a row writes, for credit by position."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from starec_sim import answers
from starec_sim.learning.rows import TokenRow


def ranking_places(tokenizer: Any) -> Callable[[TokenRow], Sequence[int | None]]:
    """Return a function from a row to the place that each token of its completion writes.

    See `starec_sim.answers.ranking_places`.
    """

    def places(row: TokenRow) -> list[int | None]:
        # Token by token: joined to the whole text, the pieces say where each token lies.
        return answers.ranking_places([tokenizer.decode([token]) for token in row.completion])

    return places
