"""One step of one person: what she remembered, saw, thought, did, and what came of it."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from starec_sim.answers import label, read_prompt, thought
from starec_sim.errors import RunError
from starec_sim.runs.attempts import own_turns
from starec_sim.runs.chunk_views import COMPACTED, NOT_RECORDED
from starec_sim.runs.facts import StepFacts
from starec_sim.runs.reader import Reader, RecordedStep, RecordedTrial
from starec_sim.runs.record_errors import damaged
from starec_sim.tasks import Task
from starec_sim.traces.edited_memory import edited_summary, sets_slate
from starec_sim.traces.values import ExperienceRef, GroupPlace, ItemRef, Items, StepAddress
from starec_sim.types import Experience, Node, Source, Tokens, Turn, acts_by_item


@dataclass(frozen=True, slots=True)
class ShownMemory:
    """What a person remembers before a step."""

    steps: int
    """Steps that she has played before this one."""
    summary: str
    """The preference summary; empty before the first one is written."""
    shown: tuple[str, ...]
    """The experiences that the prompt shows, oldest first, one line each."""
    gained: tuple[ExperienceRef, ...]
    """Everything that she experienced in this run before this step, oldest first."""
    edited: bool = False
    """Whether the schedule wrote the summary, and not her step before."""


@dataclass(frozen=True, slots=True)
class SlatePlace:
    """One item of a slate."""

    position: int
    """From 1."""
    label: str
    item: ItemRef
    rating: float | None
    """Her true rating, where the step revealed it."""
    target: bool
    """Whether she chose it in the data."""
    rank: int | None
    """Her rank for it, from 1; None in a feed, and for what her answer leaves out."""
    watched: bool | None
    """None in a ranking."""
    expected: float | None
    """The stars that she expected of it."""
    action: str | None
    """What she did with it, as an answer writes it: `watch 4`, `look at, buy 2`."""
    score: float | None
    """The recommender's own score; None if it is not on record."""
    truth: float | None
    """Her true stars, as the environment knows them and she does not; None if not on record."""


@dataclass(frozen=True, slots=True)
class RecalledRef:
    """An older experience that the prompt shows because it is similar to the slate."""

    item: ItemRef
    score: float
    """The greatest similarity to an item of the slate."""


@dataclass(frozen=True, slots=True)
class TokenPage:
    """The sampled tokens of an answer."""

    ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    version: str
    """The name of the weights."""
    sampling: Mapping[str, float]
    group: str
    """The group of answers that GRPO compares; empty outside a training."""
    texts: tuple[str | None, ...] | None = None
    """Set by `token_texts.step_with_texts`, where a tokenizer is at hand."""


@dataclass(frozen=True, slots=True)
class TurnPage:
    """One call of a policy."""

    node: Node
    attempt: int
    """0 for the question, 1 for the repair."""
    policy: str
    messages: tuple[tuple[str, str], ...]
    """Pairs of role and text."""
    completion: str
    reasoning: str
    """The part of the answer before the decision; empty where there is none."""
    tokens_in: int | None
    tokens_out: int | None
    latency_s: float
    cost_usd: float | None
    source: Source
    tries: int
    failure: str
    error: str
    tokens: TokenPage | None
    recorded: bool
    """Whether prompt and answer are on record."""


@dataclass(frozen=True, slots=True)
class Change:
    """One line of a difference between two summaries."""

    op: Literal["added", "removed", "kept"]
    text: str


@dataclass(frozen=True, slots=True)
class StepPage:
    """Everything on record about one step."""

    at: StepAddress
    previous: StepAddress | None
    """The step of this person before this one, in this visit or an earlier one."""
    next: StepAddress | None
    profile: Mapping[str, str]
    task: str
    offered: Task
    """What could be done with the slate."""
    page: int
    memory_before: ShownMemory
    recalled: tuple[RecalledRef, ...] | None
    """Oldest first; None if nothing was recalled, or it is not on record."""
    slate: tuple[SlatePlace, ...]
    slate_set: bool
    """Whether the schedule set the slate, and not the environment."""
    turns: tuple[TurnPage, ...]
    leave: bool
    flaws: Mapping[str, int]
    repaired: bool
    experiences: tuple[ExperienceRef, ...]
    """What the environment revealed, in the order of her actions."""
    ending: str
    """Why the visit ends here; empty while it goes on."""
    reward: Mapping[str, float]
    """The components that the environment reports, unweighted."""
    reward_weights: Mapping[str, float] | None
    """The weights of the components in a training; None elsewhere."""
    slow: bool
    """Whether the gate asks the slow node."""
    reason: str
    """The gate's reason."""
    summary_after: str
    changes: tuple[Change, ...]
    """The lines of the summary before and after this step."""
    group: GroupPlace | None
    """In a training: the group of answers that holds this step's decision."""
    summary_group: GroupPlace | None
    """In a training: the group that holds the summary written after it."""


def read_step(
    reader: Reader, trial: RecordedTrial, user_id: str, round: int, step: int = 1
) -> StepPage:
    """Return the page of one step.

    Args:
        reader: The record.
        trial: The arm and seed.
        user_id: The user's id in the dataset.
        round: From 1.
        step: From 1, within the visit.

    Raises:
        RunError: There is no such user or step; the message names those that exist.
    """
    reader.require("decisions", "`starec why`")
    row, user = reader.user(trial, user_id)
    keys = reader.step_keys(trial, row)
    wanted = (round - 1, step - 1)
    if not keys:
        raise _no_visit(reader, trial, user_id)
    if wanted not in keys:
        raise _no_step(user_id, keys, round, step)
    place = keys.index(wanted)
    found, facts = reader.step(trial, row, *wanted), reader.facts(trial, row, *wanted)
    written = reader.summary(trial, row, *keys[place - 1]) if place else ""
    edited = edited_summary(reader, trial, user_id, keys[place - 1][0] if place else -1, wanted[0])
    summary = written if edited is None else edited
    gained = _gained(reader, trial, row, wanted)
    items = Items(reader, trial)
    items.load([*found.observation.slate, *(e.item for e in gained)])
    at = StepAddress(trial.arm, trial.seed, user_id, round, step)
    weights, group, summary_group = _learning(reader, trial, row, found)
    return StepPage(
        at=at,
        previous=_address(at, keys, place - 1),
        next=_address(at, keys, place + 1),
        profile=user.profile,
        task=found.observation.task.name,
        offered=found.observation.task,
        page=found.observation.page,
        memory_before=_memory(place, summary, gained, found, items, edited is not None),
        recalled=tuple(RecalledRef(items[item], near) for item, near in facts.recalled) or None,
        slate=_slate(found, facts, items, reader.path),
        slate_set=step == 1 and sets_slate(reader, trial, user_id, round - 1),
        turns=tuple(map(_turn, own_turns(found.turns))),
        leave=found.decision.leave,
        flaws=found.decision.flaws,
        repaired=found.decision.repaired,
        experiences=tuple(map(items.experience, found.feedback.experiences)),
        ending=found.feedback.ending,
        reward=found.feedback.reward,
        reward_weights=weights,
        slow=found.verdict.slow,
        reason=found.verdict.reason,
        summary_after=found.summary,
        changes=changes(summary, found.summary),
        group=group,
        summary_group=summary_group,
    )


def _gained(
    reader: Reader, trial: RecordedTrial, row: int, before: tuple[int, int]
) -> list[Experience]:
    """Return what a user experienced in the steps before one, given by round and step from 0."""
    return [
        experience
        for each in reader.outlines(trial, row)
        if (each.round, each.step) < before
        for experience in each.feedback.experiences
    ]


def _learning(
    reader: Reader, trial: RecordedTrial, row: int, found: RecordedStep
) -> tuple[Mapping[str, float] | None, GroupPlace | None, GroupPlace | None]:
    """Return reward weights, the decision's group and the summary's; None outside a training."""
    if not (reader.path.parent / "rollouts").is_dir():
        return None, None, None
    from starec_sim.traces import training_view  # takes a tenth of a second to import

    groups = training_view.groups_of(
        reader, trial, row, found.round, found.step, slow=found.verdict.slow
    )
    return training_view.reward_weights(reader.path.parent), *groups


def _address(at: StepAddress, keys: Sequence[tuple[int, int]], place: int) -> StepAddress | None:
    """Return the address of another step of the same user; None if there is no such step."""
    if not 0 <= place < len(keys):
        return None
    round, step = keys[place]
    return replace(at, round=round + 1, step=step + 1)


def changes(before: str, after: str) -> tuple[Change, ...]:
    r"""Return the lines of two summaries, as added, removed or kept.

    >>> [(change.op, change.text) for change in changes("likes war", "likes war\nlikes drama")]
    [('kept', 'likes war'), ('added', 'likes drama')]
    """
    names: dict[str, Literal["added", "removed", "kept"]] = {
        "+": "added",
        "-": "removed",
        " ": "kept",
    }
    lines = difflib.ndiff(_lines(before), _lines(after))
    return tuple(Change(names[line[0]], line[2:]) for line in lines if line[0] in names)


def _lines(summary: str) -> list[str]:
    return [line.strip() for line in summary.splitlines() if line.strip()]


def _memory(
    steps: int,
    summary: str,
    gained: Sequence[Experience],
    found: RecordedStep,
    items: Items,
    edited: bool,
) -> ShownMemory:
    asked = next((turn for turn in found.turns if turn.node == "fast" and turn.messages), None)
    shown = read_prompt(asked.messages).history if asked else ()
    return ShownMemory(
        steps=steps,
        summary=summary,
        shown=tuple(f"{line.outcome} | {line.card}" for line in shown),
        gained=tuple(map(items.experience, gained)),
        edited=edited,
    )


def _slate(
    step: RecordedStep, facts: StepFacts, items: Items, path: Path
) -> tuple[SlatePlace, ...]:
    decision, feedback = step.decision, step.feedback
    ratings = {experience.item: experience.rating for experience in feedback.experiences}
    acts, ranks = acts_by_item(step.observation.task, decision.actions), step.observation.task.ranks
    missing = (None,) * len(step.observation.slate)
    scores, truths = facts.score or missing, facts.truth or missing
    if not len(scores) == len(truths) == len(missing):
        raise damaged(path, f"step_facts has {len(scores)} scores for a slate of {len(missing)}")
    places = []
    for place, item in enumerate(step.observation.slate):
        act = acts.get(item)
        places.append(
            SlatePlace(
                position=place + 1,
                label=label(place),
                item=items[item],
                rating=ratings.get(item),
                target=item == feedback.target,
                rank=decision.rank_of(item) if ranks else None,
                watched=None if ranks else bool(act and act.done),
                expected=act.stars if act else None,
                action=act.said if act else None,
                score=scores[place],
                truth=truths[place],
            )
        )
    return tuple(places)


def _turn(turn: Turn) -> TurnPage:
    return TurnPage(
        node=turn.node,
        attempt=turn.attempt,
        policy=turn.policy,
        messages=turn.messages,
        completion=turn.completion,
        reasoning=thought(turn.completion),
        tokens_in=turn.tokens_in,
        tokens_out=turn.tokens_out,
        latency_s=turn.latency_s,
        cost_usd=turn.cost_usd,
        source=turn.source,
        tries=turn.tries,
        failure=turn.failure,
        error=turn.error,
        tokens=None if turn.tokens is None else _tokens(turn.tokens),
        recorded=turn.completion not in (NOT_RECORDED, COMPACTED),
    )


def _tokens(tokens: Tokens) -> TokenPage:
    return TokenPage(
        tokens.completion, tokens.logprobs, tokens.version, tokens.sampling, tokens.group
    )


def _no_visit(reader: Reader, trial: RecordedTrial, user_id: str) -> RunError:
    rows = reader.rows_of_user(user_id)
    others = [t for t in reader.trials() if t.number in rows]
    visited = [t for t in others if reader.step_keys(t, rows[t.number])]
    if not visited:
        return RunError(
            f"{user_id} has not visited in any round so far",
            hint="wait if the run goes on; users who have: "
            f"starec show {shlex.quote(str(reader.path.parent))}",
        )
    arms = list(dict.fromkeys(t.arm for t in visited))
    listed = ", ".join(f'"{arm}"' for arm in arms[:5]) + (", ..." if len(arms) > 5 else "")
    first = visited[0]
    return RunError(
        f'{user_id} has no visit in "{trial.arm}" with seed {trial.seed}; she has in: {listed}',
        hint=f"add --arm {shlex.quote(first.arm)} --seed {first.seed}",
    )


def _no_step(user_id: str, keys: Sequence[tuple[int, int]], round: int, step: int) -> RunError:
    rounds = sorted({at_round + 1 for at_round, _ in keys})
    if round not in rounds:
        known = ", ".join(map(str, rounds))
        return RunError(
            f"{user_id} did not visit in round {round}; the rounds of her visits: {known}",
            hint="name one of those rounds",
        )
    last = max(at_step + 1 for at_round, at_step in keys if at_round == round - 1)
    return RunError(
        f"the visit of {user_id} in round {round} has no step {step}; its steps are 1 to {last}",
        hint="pass one of those to --step",
    )
