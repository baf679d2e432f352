"""Checks of what a user is shown, decides and gets as feedback."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import isfinite
from typing import Any, cast

import numpy as np

from starec_sim.boundary.values import (
    LARGEST,
    LONGEST_TEXT,
    MOST_NAMES,
    NAME_CHARACTERS,
    WORD_CHARACTERS,
    BrokenContract,
    bounded,
    count,
    experiences,
    few,
    finite_number,
    flag,
    instance,
    is_plain_text,
    mapping,
    rows,
    sequence,
    shown,
    text,
    unique,
    whole_number,
    word,
)
from starec_sim.tasks import BUILT_IN, FEED, SKIP, Act, Amount, Task
from starec_sim.types import Action, Decision, Experience, Feedback, Observation

_INT, _STR = {int}, {str}


def checked_observation(value: Any, items: int) -> Observation:
    """Return an observation with plain values.

    Args:
        value: What `observe` returned.
        items: How many items the catalogue has.
    """
    if _is_plain_observation(value, items):
        return cast("Observation", value)
    observation = instance(value, Observation)
    task = checked_task(observation.task)
    slate = rows(observation.slate, items, "the slate", "item")
    if not slate:
        raise BrokenContract(
            "the slate is empty; it must show at least one item",
            "end the visit before, by Feedback.ending, or leave the user out of begin_round",
        )
    unique(slate, "the slate", "item")
    try:
        cards = tuple(_card(card) for card in sequence(observation.cards, "cards"))
    except BrokenContract as broken:
        broken.part = "cards"
        raise
    if len(cards) != len(slate):
        raise BrokenContract(f"there are {len(cards)} cards for {len(slate)} items on the slate")
    page = whole_number(observation.page, "the page")
    if page < 1:
        raise BrokenContract(f"the page is {page}; pages count from 1")
    try:
        context = bounded(text(observation.context, "the context"), "the context")
    except BrokenContract as broken:
        broken.part = "context"
        raise
    return replace(observation, task=task, slate=slate, cards=cards, page=page, context=context)


def _card(value: Any) -> str:
    card = bounded(text(value, "a card"), "a card")
    if "\n" in card:
        raise BrokenContract(
            f"a card is {shown(card)}, which has more than one line; a prompt has a line for each",
            'write " ".join(text.split()), or make it with starec_sim.card(item)',
        )
    return card


def checked_task(value: Any) -> Task:
    """Return a task; the name of one that ships stands for it."""
    if isinstance(value, Task):
        return value
    if isinstance(value, str) and value in BUILT_IN:
        return BUILT_IN[value]
    raise BrokenContract(
        f"the task is {shown(value)}; it must be RANKING, FEED or a Task of its own",
        "from starec_sim.tasks import FEED, RANKING, ActionKind, Task",
    )


def checked_feedback(value: Any, observation: Observation, items: int) -> Feedback:
    """Return feedback with plain values.

    In a feed, what is revealed is about items that were shown. In a ranking, the feedback may tell
    what the user did since her last choice.

    Args:
        value: What `respond` returned.
        observation: What the user was shown.
        items: How many items the catalogue has.
    """
    if _is_plain_feedback(value, observation, items):
        return cast("Feedback", value)
    feedback = instance(value, Feedback)
    revealed = experiences(feedback.experiences, items, "the experiences")
    slate = set(observation.slate)
    if not observation.task.ranks:
        for experience in revealed:
            if experience.item not in slate:
                raise BrokenContract(
                    f"the experiences hold item {experience.item}, which was not shown",
                    "reveal only items of observation.slate",
                )
        _check_once(revealed)
    target = feedback.target
    if target is not None:
        target = whole_number(target, "the target")
        if target not in slate:
            raise BrokenContract(f"the target is item {target}, which was not shown")
    reward = mapping(feedback.reward, "the reward", finite_number)
    few(reward, "the parts of the reward")
    if not isinstance(feedback.ending, str):
        raise BrokenContract(
            f"the ending is {shown(feedback.ending)}; it must be text",
            'write "" where the visit goes on',
        )
    ending = word(feedback.ending, "the ending")
    return replace(feedback, experiences=revealed, target=target, reward=reward, ending=ending)


def checked_decision(value: Any, observation: Observation) -> Decision:
    """Return a decision of an agent with plain values: it names only items that were shown.

    Args:
        value: The decision.
        observation: What the user was shown.
    """
    if _is_plain_decision(value, observation):
        return cast("Decision", value)
    if not isinstance(value, Decision):
        raise BrokenContract(f"the decision is {shown(value)}; it must be a Decision")
    slate = set(observation.slate)
    ranking = _shown_items(value.ranking, slate, "the ranking")
    unique(ranking, "the ranking", "item")
    read = whole_number(value.read, "Decision.read")
    if not 0 <= read <= len(ranking):
        raise BrokenContract(
            f"Decision.read is {read} for a ranking of {len(ranking)} items",
            "it is the number of items of the ranking that stand in the answer",
        )
    # In a ranking an agent may say besides what she watches, as in a feed.
    task = FEED if observation.task.ranks else observation.task
    actions = tuple(_checked_action(each, task) for each in sequence(value.actions, "the actions"))
    _shown_items([action.item for action in actions], slate, "the actions")
    _once_an_item(actions, task)
    if value.move is not None:
        _check_move(value.move, task)
    return replace(
        value,
        ranking=ranking,
        read=read,
        actions=actions,
        leave=flag(value.leave, "Decision.leave"),
        flaws=mapping(value.flaws, "the flaws", count),
        repaired=flag(value.repaired, "Decision.repaired"),
    )


def _shown_items(items: Any, slate: set[int], what: str) -> tuple[int, ...]:
    given = items if type(items) is tuple else tuple(sequence(items, what))
    if set(map(type, given)) <= {int}:
        plain = given
    else:
        plain = tuple(whole_number(item, f"{what} holds what is no item: a row") for item in given)
    if not slate.issuperset(plain):
        other = next(item for item in plain if item not in slate)
        raise BrokenContract(f"{what}: item {shown(other)} was not shown")
    return plain


def _once_an_item(actions: tuple[Action, ...], task: Task) -> None:
    """Refuse an action that is done twice with an item, and more than the task allows."""
    by_item: dict[int, list[str]] = {}
    for action in actions:
        by_item.setdefault(action.item, []).append(action.kind)
    for item, kinds in by_item.items():
        if len(set(kinds)) < len(kinds) or len(kinds) > task.per_item:
            raise BrokenContract(
                f"the actions hold item {item} with {', '.join(kinds)}; the task "
                f'"{task.name}" allows {task.per_item} for each item, each kind once'
            )


def _check_move(move: Any, task: Task) -> None:
    if not isinstance(move, Act) or task.read_move(task.said(*move)) != move:
        raise BrokenContract(
            f"what is done after the page is {shown(move)}; it must be an Act, "
            f"such as {' or '.join(task.move_examples)}"
        )


def _checked_action(action: Any, task: Task) -> Action:
    if not isinstance(action, Action):
        raise BrokenContract(f"the actions hold {shown(action)}; each must be an Action")
    item = whole_number(action.item, "the item of an action")
    name: Any = action.kind
    if isinstance(name, bool | np.bool_):  # plug-ins for version 0.2 say whether it was watched
        name = FEED.actions[0].name if name else SKIP
    kind = task.kinds.get(name) if isinstance(name, str) else None
    if kind is None:
        raise BrokenContract(
            f"what is done with item {item} is {shown(action.kind)}; it must be one of "
            + ", ".join(task.kinds)
        )
    value = action.value
    if value is None and (kind.argument is None or kind.optional):
        return Action(item, kind.name)
    if kind.argument is None:
        raise BrokenContract(
            f'"{kind.name}" of item {item} has {shown(value)}; it takes no argument'
        )
    if isinstance(kind.argument, Amount) and not isinstance(value, str):
        value = finite_number(value, f'the amount of "{kind.name}" of item {item}')
    else:
        value = text(value, f'the argument of "{kind.name}" of item {item}')
    if task.read_acts(task.said(kind.name, value)) is None:
        raise BrokenContract(
            f'"{kind.name}" of item {item} has {shown(value)}; it must be {kind.argument.meaning}'
        )
    return Action(item, kind.name, value)


# Nearly every value is right and plain, and is checked for each step of each user. The next three
# functions find that out quickly; what they refuse goes through the checks that say what is wrong.


def _is_plain_observation(value: Any, items: int) -> bool:
    return (
        type(value) is Observation
        and type(value.task) is Task
        and is_plain_text(value.context)
        and type(value.slate) is tuple
        and type(value.cards) is tuple
        and set(map(type, value.slate)) == _INT
        and set(map(type, value.cards)) == _STR
        and is_plain_text(joined := "".join(value.cards))
        and "\n" not in joined
        and len(joined) <= LONGEST_TEXT
        and len(value.context) <= LONGEST_TEXT
        and len(value.cards) == len(value.slate) == len(set(value.slate))
        and min(value.slate) >= 0
        and max(value.slate) < items
        and type(value.page) is int
        and 1 <= value.page <= LARGEST
    )


def _is_plain_decision(value: Any, observation: Observation) -> bool:
    if type(value) is not Decision or type(value.read) is not int:
        return False
    if type(value.leave) is not bool or type(value.repaired) is not bool:
        return False
    if type(value.flaws) is not dict or value.flaws:
        return False
    if type(value.ranking) is not tuple or type(value.actions) is not tuple:
        return False
    if value.ranking and not (
        set(map(type, value.ranking)) == _INT
        and len(set(value.ranking)) == len(value.ranking)
        and set(value.ranking) <= set(observation.slate)
    ):
        return False
    acted: list[int] = []
    if value.actions:
        if set(map(type, value.actions)) != {Action}:
            return False
        acted = [action.item for action in value.actions]
        if set(map(type, acted)) != _INT:
            return False
        task = FEED if observation.task.ranks else observation.task
        for action in value.actions:
            if not _is_plain_action(action, task):
                return False
    return (
        value.move is None
        and len(set(acted)) == len(acted)
        and set(acted) <= set(observation.slate)
        and 0 <= value.read <= len(value.ranking)
    )


def _is_plain_action(action: Action, task: Task) -> bool:
    kind = task.kinds.get(action.kind) if type(action.kind) is str else None
    if kind is None:
        return False
    if action.value is None:
        return kind.argument is None or kind.optional
    return (
        isinstance(kind.argument, Amount)
        and type(action.value) is float
        and kind.argument.low <= action.value <= kind.argument.high
        and (not kind.argument.whole or action.value.is_integer())
    )


def _is_plain_feedback(value: Any, observation: Observation, items: int) -> bool:
    if type(value) is not Feedback or type(value.ending) is not str or not value.ending.isascii():
        return False
    if len(value.ending) > WORD_CHARACTERS or not value.ending.isprintable():
        return False
    if type(value.reward) is not dict or len(value.reward) > MOST_NAMES:
        return False
    for name, part in value.reward.items():
        if type(name) is not str or type(part) is not float or not isfinite(part):
            return False
        if not name.isascii() or not name.isprintable() or len(name) > NAME_CHARACTERS:
            return False
    target = value.target
    if target is not None and (type(target) is not int or target not in observation.slate):
        return False
    if experiences(value.experiences, items, "the experiences") is not value.experiences:
        return False
    if observation.task.ranks:
        return True
    revealed = [experience.item for experience in value.experiences]
    once = set(revealed)
    return len(once) == len(revealed) and once.issubset(observation.slate)


def _check_once(revealed: Sequence[Experience]) -> None:
    """Refuse experiences with the same item, source and action."""
    seen = set()
    for each in revealed:
        same = (each.item, each.source, each.action)
        if same in seen:
            raise BrokenContract(
                f'the experiences hold item {each.item} twice with the action "{each.action}"',
                "reveal each item once in a step, or tell its actions apart by Experience.action",
            )
        seen.add(same)
