"""Find what a card or a slate tells of ratings and choices that its reader must not know."""

from __future__ import annotations

import re
from collections.abc import Sequence

from starec_sim.boundary.values import BrokenContract
from starec_sim.types import Step

_FEWEST = 10
"""Observations or ratings from which a pattern is no chance."""
_WORD = re.compile(r"[^\s,;:()]+")


def leaked(cards: Sequence[str], steps: Sequence[Step]) -> BrokenContract | None:
    """Return what tells the truth; None if nothing is found.

    Args:
        cards: The card of each item without signals.
        steps: Steps of several users.
    """
    return _ratings(cards, steps) or _place_of_target(steps) or _mark_of_target(cards, steps)


def _added(card: str, plain: str) -> set[str]:
    """Return the words and signs of a card that the plain card of its item has not."""
    signs = {sign for sign in card if not sign.isalnum() and not sign.isspace()}
    return (set(_WORD.findall(card)) - set(_WORD.findall(plain))) | (signs - set(plain))


def _ratings(cards: Sequence[str], steps: Sequence[Step]) -> BrokenContract | None:
    """Find cards that show the rating which the user is about to give."""
    told, example, values = [], "", set()
    for step in steps:
        shown = dict(zip(step.observation.slate, step.observation.cards, strict=True))
        for experience in step.feedback.experiences:
            rating = experience.rating
            if experience.item not in shown or rating is None:
                continue
            words = _added(shown[experience.item], cards[experience.item])
            written = {f"{rating:g}", f"{rating:.1f}", f"{rating:.2f}", str(rating)}
            hit = bool(words & written)
            told.append(hit)
            if hit:
                values.add(rating)
                example = example or (
                    f'the card "{shown[experience.item]}", before the user gave {rating:g}'
                )
    if len(told) < _FEWEST or sum(told) < 0.9 * len(told) or len(values) < 2:
        return None
    return BrokenContract(
        f"the cards hold the rating that the user then gives ({sum(told)} of {len(told)} ratings): "
        f"{example}",
        "show what a user could know: averages over others, counts, attributes",
        "cards",
    )


def _place_of_target(steps: Sequence[Step]) -> BrokenContract | None:
    """Find slates on which the item that the user chose stands at one place."""
    places = [
        step.observation.slate.index(step.feedback.target)
        for step in steps
        if step.feedback.target is not None and len(step.observation.slate) > 2
    ]
    if len(places) < _FEWEST or len(set(places)) > 1:
        return None
    return BrokenContract(
        f"the item that the user chose stands at place {places[0] + 1} of all {len(places)} slates",
        "shuffle the slate: self.streams.stream('order', user=user, round=round).shuffle(slate)",
    )


def _mark_of_target(cards: Sequence[str], steps: Sequence[Step]) -> BrokenContract | None:
    """Find words that the card of the chosen item always has, and no other card."""
    marks: set[str] | None = None
    others: set[str] = set()
    count = 0
    for step in steps:
        target = step.feedback.target
        if target is None or len(step.observation.slate) < 2:
            continue
        count += 1
        for item, card in zip(step.observation.slate, step.observation.cards, strict=True):
            words = _added(card, cards[item])
            if item == target:
                marks = words if marks is None else marks & words
            else:
                others |= words
    if count < _FEWEST or not marks or not marks - others:
        return None
    mark = min(marks - others)
    return BrokenContract(
        f'the card of the item that the user chose has "{mark}" on all {count} slates, and no '
        "other card has it",
        "write all cards in the same way",
        "cards",
    )
