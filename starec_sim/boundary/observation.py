"""Checks of what a user is shown, decides and gets as feedback."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, get_args

from starec_sim.boundary.values import (
    BrokenContract,
    experiences,
    finite_number,
    instance,
    mapping,
    rows,
    sequence,
    shown,
    stars,
    text,
    unique,
    whole_number,
)
from starec_sim.types import Action, Decision, Feedback, Observation, Task

_TASKS: tuple[str, ...] = get_args(Task)


def checked_observation(value: Any, items: int) -> Observation:
    """Return an observation with plain values.

    Args:
        value: What `observe` returned.
        items: How many items the catalogue has.
    """
    observation = instance(value, Observation)
    if observation.task not in _TASKS:
        raise BrokenContract(
            f"the task is {shown(observation.task)}; it must be {' or '.join(_TASKS)}"
        )
    slate = rows(observation.slate, items, "the slate", "item")
    if not slate:
        raise BrokenContract(
            "the slate is empty; it must show at least one item",
            "end the visit before, by Feedback.ending, or leave the user out of begin_round",
        )
    unique(slate, "the slate", "item")
    cards = tuple(sequence(observation.cards, "cards"))
    if len(cards) != len(slate):
        raise BrokenContract(f"there are {len(cards)} cards for {len(slate)} items on the slate")
    if not set(map(type, cards)) <= {str}:
        cards = tuple(text(card, "a card") for card in cards)
    page = whole_number(observation.page, "the page")
    if page < 1:
        raise BrokenContract(f"the page is {page}; pages count from 1")
    if slate is observation.slate and cards is observation.cards and page is observation.page:
        return observation
    return replace(observation, slate=slate, cards=cards, page=page)


def checked_feedback(value: Any, observation: Observation, items: int) -> Feedback:
    """Return feedback with plain values.

    In a feed, what is revealed is about items that were shown. In a ranking, the feedback may tell
    what the user did since her last choice.

    Args:
        value: What `respond` returned.
        observation: What the user was shown.
        items: How many items the catalogue has.
    """
    feedback = instance(value, Feedback)
    revealed = experiences(feedback.experiences, items, "the experiences")
    slate = set(observation.slate)
    if observation.task == "feed":
        for experience in revealed:
            if experience.item not in slate:
                raise BrokenContract(
                    f"the experiences hold item {experience.item}, which was not shown",
                    "reveal only items of observation.slate",
                )
    target = feedback.target
    if target is not None:
        target = whole_number(target, "the target")
        if target not in slate:
            raise BrokenContract(f"the target is item {target}, which was not shown")
    reward = mapping(feedback.reward, "the reward", finite_number)
    if not isinstance(feedback.ending, str):
        raise BrokenContract(
            f"the ending is {shown(feedback.ending)}; it must be text",
            'write "" where the visit goes on',
        )
    if (
        revealed is feedback.experiences
        and target is feedback.target
        and all(type(part) is float for part in feedback.reward.values())
    ):
        return feedback
    return replace(feedback, experiences=revealed, target=target, reward=reward)


def checked_decision(value: Any, observation: Observation) -> Decision:
    """Return a decision of an agent with plain values: it names only items that were shown.

    Args:
        value: The decision.
        observation: What the user was shown.
    """
    if not isinstance(value, Decision):
        raise BrokenContract(f"the decision is {shown(value)}; it must be a Decision")
    slate = set(observation.slate)
    ranking = value.ranking
    if ranking:
        ranking = _shown_items(ranking, slate, "the ranking")
        unique(ranking, "the ranking", "item")
    read = whole_number(value.read, "Decision.read")
    if not 0 <= read <= len(ranking):
        raise BrokenContract(
            f"Decision.read is {read} for a ranking of {len(ranking)} items",
            "it is the number of items of the ranking that stand in the answer",
        )
    actions = value.actions
    if actions:
        actions = _checked_actions(actions)
        acted = _shown_items([action.item for action in actions], slate, "the actions")
        unique(acted, "the actions", "item")
    flaws = value.flaws and mapping(value.flaws, "the flaws", whole_number)
    if ranking is value.ranking and read is value.read and actions is value.actions:
        return value
    return replace(value, ranking=ranking, read=read, actions=actions, flaws=flaws)


def _shown_items(items: Any, slate: set[int], what: str) -> tuple[int, ...]:
    given = items if type(items) is tuple else tuple(sequence(items, what))
    if set(map(type, given)) <= {int}:
        plain = given
    else:
        plain = tuple(whole_number(item, f"{what} holds what is no item: a row") for item in given)
    if not slate.issuperset(plain):
        other = next(item for item in plain if item not in slate)
        raise BrokenContract(f"{what}: item {other} was not shown")
    return plain


def _checked_actions(actions: Any) -> tuple[Action, ...]:
    given: Sequence[Any] = actions if type(actions) is tuple else sequence(actions, "the actions")
    for action in given:
        if (
            type(action) is not Action
            or type(action.item) is not int
            or type(action.watched) is not bool
            or not (
                action.rating is None
                or (type(action.rating) is float and 1.0 <= action.rating <= 5.0)
            )
        ):
            return tuple(_checked_action(each) for each in given)
    return given if type(given) is tuple else tuple(given)


def _checked_action(action: Any) -> Action:
    if not isinstance(action, Action):
        raise BrokenContract(f"the actions hold {shown(action)}; each must be an Action")
    item = whole_number(action.item, "the item of an action")
    rating = action.rating
    if rating is not None:
        rating = stars(rating, f"the rating expected of item {item}")
    return Action(item, bool(action.watched), rating)
