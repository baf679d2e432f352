"""Ask users of a run questions, as they were after a recorded round.

A user answers from her profile, her preference summary and her experiences of that time. Memory and
record stay untouched, and each question is asked on its own, so no answer depends on another one.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from starec_sim.build import build_policy
from starec_sim.errors import ConfigError, PausedError, RunError
from starec_sim.executors.drain import drained_in_time, drains_at_sigterm
from starec_sim.executors.event_loop import run_coroutine
from starec_sim.executors.pool import run_pool
from starec_sim.experiment import recorded_experiment
from starec_sim.interviews.asking import AskedUser, ReadAnswer, ask_person
from starec_sim.interviews.people import EVERYBODY, UserSelection, choose
from starec_sim.interviews.questions import InterviewQuestion, checked_questions, read_survey
from starec_sim.interviews.saved import Interview, InterviewAnswer, save_interview
from starec_sim.policies.abilities import costs_nothing
from starec_sim.policies.gateway import Gateway, GatewayResources, Policy
from starec_sim.policies.gateway.turn_store import NoStore
from starec_sim.policies.settings import Budget, GatewaySettings
from starec_sim.reopen import ReopenedRound, reopen
from starec_sim.rng import Streams
from starec_sim.runs.code import CodeRules, reopened
from starec_sim.runs.manifest import Manifest, read_manifest
from starec_sim.runs.reader import Reader, RecordedTrial, reading
from starec_sim.settings import validate
from starec_sim.types import CallKey, User

_IN_FLIGHT = 32
"""Questions in progress at once; the limits of a policy hold as well."""
_MAX_QUESTIONS = 1_000_000
_EVERY_ARM = "all"


@dataclass(frozen=True, slots=True)
class InterviewOptions:
    """How an interview is held."""

    users: UserSelection = EVERYBODY
    at_round: int | None = None
    """Asks users as they were after this round; 0 is the beginning, None the last round."""
    arms: Sequence[str] = ()
    """The arms whose users are asked; the first one when empty, every arm if it is `all`."""
    seed: int | None = None
    """The seed; the first one when None."""
    policy: Mapping[str, Any] | None = None
    """The policy that answers; that of the node `fast` of the run when None."""
    budget: Mapping[str, float | None] = field(default_factory=dict)
    """What the interview may spend, by key: calls, tokens, usd, hours."""
    cache: Path | None = None
    """A file of answers, from which questions that were asked before are answered."""
    trust: bool = False
    """Whether to run code, and use servers and keys, that a folder names which was not made
    here."""


class _Job(NamedTuple):
    """One question to one user."""

    trial: RecordedTrial
    person: AskedUser
    question: InterviewQuestion


def interview(
    run: Path | str,
    questions: Path | str | Sequence[InterviewQuestion | Mapping[str, Any]],
    options: InterviewOptions = InterviewOptions(),
) -> Interview:
    """Ask users of a run questions, and keep the answers beside its record.

    Args:
        run: The folder of the run.
        questions: The questions, or the YAML file of a survey.
        options: Who is asked, when, and by which policy.

    Returns:
        The answers. If the budget was spent or the endpoint failed on the way, `stopped` says so.

    Raises:
        ConfigError: A question, the survey or a setting is wrong.
        RunError: The folder holds no run, or no such user, arm or round.
        PausedError: Nothing could be asked.
    """
    folder = Path(run)
    asked = _checked(questions)
    budget = validate(Budget, {k: v for k, v in options.budget.items() if v is not None}, "budget")
    manifest = read_manifest(folder)
    _check_kind(folder, manifest)
    with reading(folder) as reader:
        reader.require("everything", "`starec interview`")
        trials = _trials(reader, options)
        round = _round(trials, options.at_round)
        chosen = [choose(reader, trial, options.users) for trial in trials]
    calls = sum(map(len, chosen)) * len(asked)
    if calls > _MAX_QUESTIONS:
        raise RunError(
            f"{calls:,} questions are more than {_MAX_QUESTIONS:,}", hint="name fewer: --users N"
        )
    opened = {
        trial.arm: reopen(folder, round, trial.arm, trial.seed, CodeRules(trust=options.trust))
        for trial in trials
    }
    jobs = _jobs(trials, chosen, opened, asked)
    found = Interview(
        run=folder.resolve().name,
        created=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        round=round,
        questions=asked,
        profiles={user.id: user.profile for users in chosen for _, user in users},
        answers=(),
        not_asked=len(jobs),
        stopped="it was interrupted",
    )
    answers: dict[int, InterviewAnswer] = {}
    try:
        with _policies(folder, manifest, list(opened), options) as policies:
            _check_policies(policies, budget)
            stopped = _Asking(opened, policies, budget, options.cache, answers).ask_all(jobs)
    except BaseException:
        _kept(folder, found, answers)  # what was answered is paid for
        raise
    return _kept(folder, replace(found, stopped=stopped), answers)


def _checked(
    questions: Path | str | Sequence[InterviewQuestion | Mapping[str, Any]],
) -> tuple[InterviewQuestion, ...]:
    if isinstance(questions, Path | str):
        return read_survey(questions)
    return checked_questions(list(questions), "questions")


def _jobs(
    trials: Sequence[RecordedTrial],
    chosen: Sequence[Sequence[tuple[int, User]]],
    opened: Mapping[str, ReopenedRound],
    questions: Sequence[InterviewQuestion],
) -> list[_Job]:
    """Return every question to every user, arm by arm."""
    return [
        # Not the recorded profile, to which the kind of the user may have been added.
        _Job(trial, AskedUser(row, there.environment.users[row], there.memory(row)), question)
        for trial, users in zip(trials, chosen, strict=True)
        for there in [opened[trial.arm]]
        for row, _ in users
        for question in questions
    ]


def _kept(folder: Path, found: Interview, by_job: Mapping[int, InterviewAnswer]) -> Interview:
    """Keep the answers of an interview, if there are any."""
    answers = tuple(answer for _, answer in sorted(by_job.items()))
    found = replace(found, answers=answers, not_asked=found.not_asked - len(answers))
    file = save_interview(folder, found) if answers else None
    return replace(found, file=None if file is None else str(file))


class _Asking:
    """Asks the questions of an interview.

    Args:
        opened: Each arm as it stood after the round.
        policies: The policy that answers in each arm.
        budget: What may be spent.
        cache: A file of answers, if there is one.
        answers: Takes the answers, by the number of the job.
    """

    def __init__(
        self,
        opened: Mapping[str, ReopenedRound],
        policies: Mapping[str, Policy],
        budget: Budget,
        cache: Path | None,
        answers: dict[int, InterviewAnswer],
    ) -> None:
        self._opened, self._policies, self._answers = opened, policies, answers
        settings = GatewaySettings(cache=cache)
        self._resources = GatewayResources(settings, budget)

    def ask_all(self, jobs: Sequence[_Job]) -> str:
        """Ask all questions, and return why that stopped; empty if it did not.

        Raises:
            PausedError: Nothing could be asked.
        """
        try:
            with drains_at_sigterm():
                run_coroutine(self._ask_all(jobs))
        except PausedError as error:
            if not self._answers:
                raise
            return error.message
        return ""

    async def _ask_all(self, jobs: Sequence[_Job]) -> None:
        """Ask many questions at once.

        Raises:
            PausedError: The budget is spent, the endpoint answers no call at all, or SIGTERM came.
            PolicyError: A policy cannot be opened.
        """
        different = list({id(policy): policy for policy in self._policies.values()}.values())
        try:
            for policy in different:
                await policy.open()
            await drained_in_time(run_pool(self._ask, list(enumerate(jobs)), _IN_FLIGHT))
        finally:
            for policy in different:
                await policy.close()
            self._resources.close()

    async def _ask(self, numbered: tuple[int, _Job]) -> None:
        number, (trial, person, question) = numbered
        policy = self._policies[trial.arm]
        # The seed of a call depends on the question itself, so that a survey can gain or lose
        # questions and the other answers stay as they are.
        seed = Streams(trial.seed).integer(f"interview: {question.ask}: {question.form}")
        gateway = Gateway({"fast": policy}, Streams(seed), NoStore(), trial.arm, self._resources)
        key = CallKey(self._opened[trial.arm].round, person.row, 0, "fast")
        cards = self._opened[trial.arm].environment.cards
        read = await ask_person(gateway, key, person, cards, question)
        self._answers[number] = _answer(trial, person, question, read, policy)


def _answer(
    trial: RecordedTrial,
    person: AskedUser,
    question: InterviewQuestion,
    read: ReadAnswer,
    policy: Policy,
) -> InterviewAnswer:
    turns = read.turns
    prices = [turn.cost_usd for turn in turns if turn.cost_usd is not None]
    return InterviewAnswer(
        arm=trial.arm,
        seed=trial.seed,
        user=person.user.id,
        question=question.label,
        type=question.type,
        value=read.value,
        problem=read.problem,
        repaired=len(turns) > 1,
        policy=policy.name,
        version=policy.abilities.version_if_open,
        messages=turns[-1].messages,
        completions=tuple(turn.completion for turn in turns),
        tokens=sum((turn.tokens_in or 0) + (turn.tokens_out or 0) for turn in turns),
        cost_usd=sum(prices) if prices else None,
    )


def _check_kind(folder: Path, manifest: Manifest) -> None:
    if manifest.kind == "training":
        raise RunError(
            f"{folder} is a training and cannot be asked: its users begin anew in every episode, "
            "and the weights change between rounds",
            hint="ask users of a run with the trained policy: set policies.fast.model, or "
            f"policies.fast.adapter after a LoRA, to {manifest.version or 'its last version'}",
        )
    if manifest.kind != "run":
        raise RunError(
            f"{folder} is an {manifest.kind} and cannot be asked: its users live through no rounds",
            hint="`starec runs` lists the runs with their kinds; name one of the kind run",
        )


def _trials(reader: Reader, options: InterviewOptions) -> list[RecordedTrial]:
    """Return the trials whose users are asked, one of each arm."""
    arms: Sequence[str | None] = list(dict.fromkeys(options.arms)) or [None]
    if _EVERY_ARM in arms and _EVERY_ARM not in {trial.arm for trial in reader.trials()}:
        arms = list(dict.fromkeys(trial.arm for trial in reader.trials())) or [None]
    return [reader.trial(arm, options.seed) for arm in arms]


def _round(trials: Sequence[RecordedTrial], at_round: int | None) -> int:
    last = min(trial.rounds for trial in trials)
    if at_round is None:
        return last
    if not 0 <= at_round <= last:
        fewest = next(trial for trial in trials if trial.rounds == last)
        raise RunError(
            f"there is no round {at_round}: the arm {fewest.arm} has {last} recorded rounds",
            hint=f"name a round from 1 to {last}, or 0 for the beginning",
        )
    return at_round


@contextmanager
def _policies(
    folder: Path, manifest: Manifest, arms: Sequence[str], options: InterviewOptions
) -> Iterator[dict[str, Policy]]:
    """Build the policy of each arm; those of a run in the directory where it was started."""
    if options.policy is not None:
        yield dict.fromkeys(arms, build_policy(options.policy, "policy"))
        return
    rules = CodeRules(trust=options.trust)
    with reopened(folder, manifest, rules, noted=False) as here:
        arms_of = recorded_experiment(here).resolve()
        if kinds := [kind for arm in arms_of.values() for kind in arm.kinds]:
            raise ConfigError(
                f"population: the users are of several kinds ({', '.join(dict.fromkeys(kinds))}), "
                "and an interview asks one policy",
                hint="name it: --policy openai,model=qwen3:8b",
            )
        specs = {name: arm.experiment.policies.fast for name, arm in arms_of.items()}
        yield {arm: build_policy(specs[arm], "policies.fast") for arm in arms}


def _check_policies(policies: Mapping[str, Policy], budget: Budget) -> None:
    for policy in policies.values():
        if not policy.abilities.reads_questions:
            raise ConfigError(
                f'the policy "{policy.name}" cannot be interviewed: it reads only what agents ask, '
                "and no questions in free words",
                hint="name a chat model: --policy openai,model=qwen3:8b",
            )
        if budget.usd is not None and policy.price is None:
            if costs_nothing(policy.spec, "policy"):
                continue
            raise ConfigError(
                f'the policy "{policy.name}" has no price, so budget.usd cannot be kept',
                hint="add price.tokens_in, price.tokens_out and price.as_of to the policy, or "
                "limit calls: --budget calls=100",
            )
