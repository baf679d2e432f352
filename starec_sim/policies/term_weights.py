"""What terms are worth to a user, in stars, from what the items with them got."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

PRIOR_STARS, PRIOR_MET = 3.5, 5.0
"""What users give on average, and how many experiences that is worth."""
_DAMPING = 5.0
"""Meetings at which a term is trusted half."""

Rated = Sequence[tuple[float, Sequence[str]]]
"""The stars of each experience, and the terms on the card of its item."""


def term_weights(
    rated: Rated, before: Iterable[tuple[str, float, float]] = ()
) -> tuple[Mapping[str, float], float]:
    """Return what each term is worth, in stars, and the stars that the user usually gives.

    Args:
        rated: What she experienced.
        before: What is known besides, by term: stars above what is usual, and meetings.

    >>> term_weights([(5.0, ["Crime"])])
    ({'Crime': 0.20833333333333334}, 3.75)
    """
    given = sum(stars for stars, _ in rated)
    usual = (PRIOR_STARS * PRIOR_MET + given) / (PRIOR_MET + len(rated))
    evidence = {term: [stars, met] for term, stars, met in before}
    for stars, terms in rated:
        for term in terms:
            seen = evidence.setdefault(term, [0.0, 0.0])
            seen[0] += stars - usual
            seen[1] += 1.0
    return {term: stars / (met + _DAMPING) for term, (stars, met) in evidence.items()}, usual
