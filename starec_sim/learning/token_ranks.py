"""Which rank of a ranking each token of a row writes, for credit by position."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from starec_sim import answers
from starec_sim.learning.rows import TokenRow


def ranks_by_token(tokenizer: Any) -> Callable[[TokenRow], Sequence[int | None]]:
    """Return a function from a row to the rank that each token of its completion writes.

    Ranks are counted from 0, see `starec_sim.answers.token_ranks`.
    """

    def ranks_of(row: TokenRow) -> list[int | None]:
        # Decoded token by token: the lengths of the texts say where in the answer each token is.
        return answers.token_ranks([tokenizer.decode([token]) for token in row.completion])

    return ranks_of
