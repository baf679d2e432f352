"""Ask the question of a recorded step again, with another prompt, policy or temperature.

The answers become a note beside the run; its record stays as it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from starec_sim.answers import Form, expected_answer, label, read_decision, schema_of
from starec_sim.build import build_policy
from starec_sim.errors import ConfigError, PausedError, RunError, did_you_mean
from starec_sim.executors.event_loop import run_coroutine
from starec_sim.executors.pool import run_pool
from starec_sim.experiment import recorded_experiment
from starec_sim.policies.gateway import Gateway, GatewayResources
from starec_sim.policies.gateway.policy import name_of
from starec_sim.policies.gateway.turn_store import NoStore
from starec_sim.policies.settings import Budget, GatewaySettings
from starec_sim.rng import Streams
from starec_sim.runs.code import CodeRules, code_of
from starec_sim.runs.folder import unchanged, where_it_started
from starec_sim.runs.manifest import read_manifest
from starec_sim.runs.reader import reading
from starec_sim.tasks import FEED, LEAVE, STAY, Task
from starec_sim.traces.notes import Address, Author, NewNote, add_note
from starec_sim.traces.step_page import StepPage, TurnPage, read_step
from starec_sim.traces.values import as_json
from starec_sim.types import (
    CallKey,
    Decision,
    ExpectedAnswer,
    Node,
    Observation,
    Turn,
    acts_by_item,
)
from starec_sim.visible_text import visible_line

MAX_SAMPLES = 20
_IN_FLIGHT = 4
_SHIPPED = ("nano", "lexical")
"""Policies that ask no endpoint and read no file that a run names."""
_HINT = "the run was not made here; starec view --allow-asking offers its own policies as well"
_JSON = "JSON object"
"""What the system message of a question says that is to be answered in JSON."""
_SHOWN = 80
"""Characters of an answer that is no decision, in the distribution."""


class Question(BaseModel):
    """What is asked, as a browser sends it."""

    model_config = ConfigDict(extra="forbid")

    at: Address
    node: Node
    attempt: int = Field(ge=0, le=1000)
    messages: list[
        tuple[
            Annotated[str, Field(pattern="^(system|user|assistant)$")],
            Annotated[str, Field(max_length=200_000)],
        ]
    ] = Field(min_length=1, max_length=50)
    policy: str
    temperature: float | None = Field(ge=0, le=2, allow_inf_nan=False)
    samples: int = Field(ge=1, le=MAX_SAMPLES)
    author: Author


@dataclass(frozen=True, slots=True)
class AskOptions:
    """What can be asked."""

    policies: tuple[str, ...]
    max_samples: int
    hint: str
    """How more policies can be asked; empty where all of them can."""


@dataclass(frozen=True, slots=True)
class SampledAnswer:
    """One answer."""

    completion: str
    decision: str
    """The decision in one line."""
    flaws: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class DecisionCount:
    """How often a decision was made."""

    decision: str
    count: int
    original: bool
    """Whether it is the decision on record."""


@dataclass(frozen=True, slots=True)
class AskAnswer:
    """The answers to a question that was asked again."""

    asked: int
    failed: int
    cost_usd: float | None
    answers: tuple[SampledAnswer, ...]
    distribution: tuple[DecisionCount, ...]
    """Most frequent first; the decision on record is always in it."""


def ask_options(folder: Path, allowed: bool) -> AskOptions:
    """Return which policies can be asked.

    Args:
        folder: The run.
        allowed: Whether the policies that the configuration names may be built though the run was
            not made here: they can run code, read files and send an API key to an address.

    Raises:
        RunError: The configuration of the run cannot be read.
    """
    with _code(folder, allowed) as trusted:
        policies = tuple(_policies(folder, trusted))
    return AskOptions(policies, MAX_SAMPLES, "" if trusted else _HINT)


def ask_again(folder: Path, question: Question, allowed: bool) -> AskAnswer:
    """Ask a question several times, save the answers as a note beside the run, and return them.

    Args:
        folder: The run.
        question: What is asked.
        allowed: As for `ask_options`.

    Raises:
        StarecError: There is no such step or policy, or the policy cannot be asked.
    """
    with reading(folder) as reader:
        reader.require("everything", "asking again")
        at = question.at.checked(reader)
        page = read_step(reader, reader.trial(at.arm, at.seed), at.user, at.round, at.step)
    with _code(folder, allowed) as trusted:
        specs = _policies(folder, trusted)
        if question.policy not in specs:
            raise RunError(
                f'the policy "{question.policy}" cannot be asked here; '
                f"{did_you_mean(question.policy, specs)}",
                hint="choose one of those" if trusted else _HINT,
            )
        spec = dict(specs[question.policy])
        if question.temperature is not None:
            spec["temperature"] = question.temperature
        # Relative paths of a run's configuration begin where the run was started.
        there = where_it_started(folder, read_manifest(folder)) if trusted else nullcontext()
        with there:
            turns = run_coroutine(_ask(spec, question, at.seed, _expected(page, question)))
    answer = _answer(page, question, turns)
    warm = question.temperature
    how = "its own temperature" if warm is None else f"temperature {warm:g}"
    summary = f"asked {question.policy} {_times(answer.asked)} with {how}"
    if answer.distribution:
        most = answer.distribution[0]
        summary += f"; {_times(most.count)}: {most.decision}"
    asked = {"question": question.model_dump(exclude={"author", "at"}), "answer": as_json(answer)}
    add_note(folder, NewNote(at, question.author, summary[:500], "ask", asked))
    return answer


@contextmanager
def _code(folder: Path, allowed: bool) -> Iterator[bool]:
    """Let only code be loaded that the run began with; yield whether its policies may be built."""
    manifest = read_manifest(folder)
    made_here = manifest.is_made_here
    if made_here and not allowed:
        unchanged(folder, manifest, hint="put config.yaml back as it was")
    with code_of(folder, manifest, CodeRules(trust=allowed)):
        yield allowed or made_here


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _policies(folder: Path, trusted: bool) -> dict[str, Mapping[str, Any]]:
    """Return the specs of the policies that can be asked, by name."""
    found: dict[str, Mapping[str, Any]] = {}
    if trusted:
        for arm in recorded_experiment(folder).resolve().values():
            for spec in (arm.experiment.policies.fast, arm.experiment.policies.slow):
                found.setdefault(name_of(spec), spec)
    for name in _SHIPPED:
        found.setdefault(name, {"use": name})
    return found


def _recorded(page: StepPage, question: Question) -> TurnPage | None:
    """Return the recorded turn of the question."""
    asked = (question.node, question.attempt)
    return next((turn for turn in page.turns if (turn.node, turn.attempt) == asked), None)


def _expected(page: StepPage, question: Question) -> ExpectedAnswer | None:
    """Return the answer that the question expects: its own tags say which parts it has."""
    task = page.offered if question.node == "fast" else None
    return expected_answer(tuple(question.messages), _form(page, question), task)


def _form(page: StepPage, question: Question) -> Form:
    """Return the form that the question asks for: its first message, or the answer on record."""
    recorded = _recorded(page, question)
    if _JSON in question.messages[0][1]:
        return "json"
    return _own_form(recorded.completion if recorded else "")


def _own_form(completion: str) -> Form:
    return "json" if completion.lstrip().startswith(("{", "```")) else "tags"


async def _ask(
    spec: Mapping[str, Any], question: Question, seed: int, expected: ExpectedAnswer | None
) -> list[Turn]:
    try:
        policy = build_policy(spec, "policy")
    except ConfigError as error:
        if not error.message.startswith("policy.temperature"):
            raise
        raise RunError(
            f'the policy "{question.policy}" takes no temperature', hint="leave it empty"
        ) from None
    resources = GatewayResources(GatewaySettings(), Budget(calls=question.samples))
    gateway = Gateway({question.node: policy}, Streams(seed), NoStore(), "ask again", resources)
    messages = tuple((role, text) for role, text in question.messages)
    schema = None
    if expected is not None and expected.form == "json" and gateway.structured(question.node):
        schema = schema_of(expected)
    turns: list[Turn] = []

    async def ask(number: int) -> None:
        # Each question has its own key, hence its own seed.
        key = CallKey(0, number, 0, question.node)
        turns.append(await gateway.ask(key, messages, schema, expected))

    await policy.open()
    try:
        await run_pool(ask, list(range(question.samples)), _IN_FLIGHT)
    except PausedError:
        if not turns:  # otherwise the answers so far are shown
            raise
    finally:
        await policy.close()
        resources.close()
    return turns


def _answer(page: StepPage, question: Question, turns: Sequence[Turn]) -> AskAnswer:
    recorded = _recorded(page, question)
    answered = [turn for turn in turns if not turn.failure]
    sampled = tuple(_sampled(page, question.node, turn.completion) for turn in answered)
    original = _sampled(page, question.node, recorded.completion).decision if recorded else None
    counts = Counter(each.decision for each in sampled)
    if original is not None:
        counts.setdefault(original, 0)
    prices = [turn.cost_usd for turn in turns if turn.cost_usd is not None]
    return AskAnswer(
        asked=question.samples,
        failed=question.samples - len(answered),
        cost_usd=sum(prices) if prices else None,
        answers=sampled,
        distribution=tuple(
            DecisionCount(decision, count, decision == original)
            for decision, count in counts.most_common()
        ),
    )


def _sampled(page: StepPage, node: Node, completion: str) -> SampledAnswer:
    if node != "fast":
        short = visible_line(" ".join(completion.split()))
        return SampledAnswer(completion, short[:_SHOWN], {})
    places = tuple(range(len(page.slate)))
    shown = Observation(page.offered, places, tuple(place.item.title for place in page.slate))
    decision, findings = read_decision(completion, shown, _own_form(completion))
    return SampledAnswer(completion, _in_words(decision, page.offered), dict(findings.counts))


def _in_words(decision: Decision, task: Task) -> str:
    if task.ranks:
        return f"ranks {label(decision.ranking[0])} first" if decision.read else "no ranking"
    then = task.said(*decision.move) if decision.move else LEAVE if decision.leave else STAY
    if task != FEED:
        acts = acts_by_item(task, decision.actions)
        done = ", ".join(f"{label(item)} {act.said}" for item, act in acts.items() if act.done)
        return f"{done or 'skip all'}; {then}"
    watched = ", ".join(label(item) for item in decision.chosen)
    return f"{f'watch {watched}' if watched else 'skip all'}; {then}"
