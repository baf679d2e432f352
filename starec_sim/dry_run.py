"""Play a few rounds of an experiment with a few users, and scale what they took to all.

A dry run plays each arm once, for a few rounds, with a few of the visitors, and with the policies
of the experiment. The measured calls, tokens, costs and times are scaled to all visitors. The
rounds that are not played are estimated from the last rounds that are.

Where users are of several kinds, each kind is played by itself, as if everybody were of it, and
counts by its share of the users: a kind with a small share would not be among a few users.
"""

from __future__ import annotations

import math
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from starec_sim.build import Builder
from starec_sim.dataset import Dataset
from starec_sim.environment import Environment
from starec_sim.errors import ConfigError
from starec_sim.executors.settings import ExecutorSettings
from starec_sim.experiment import Arm, Experiment
from starec_sim.policies.abilities import costs_nothing
from starec_sim.policies.settings import Budget, split_spec
from starec_sim.population.kinds import kinds_of
from starec_sim.round_watch import InFlight, MeasuredRound, RoundWatch
from starec_sim.runner import play_trials
from starec_sim.runs.lifecycle import create_run, open_run
from starec_sim.runs.manifest import new_manifest
from starec_sim.trials import Trials
from starec_sim.types import FloatArray, User

_LAST_ROUNDS = 2
"""Number of rounds at the end of a dry run from which the other rounds are estimated."""
FEW_VISITS = 20
"""Below so many, the mean of a visit is uncertain: visits differ in steps, and in slow thinking."""


class TrialCosts(NamedTuple):
    """What one trial of an arm takes with all rounds and all visitors of the experiment."""

    calls: float = 0.0
    tokens_in: float = 0.0
    tokens_out: float = 0.0
    usd: float = 0.0
    seconds: float = 0.0
    """Of the rounds in one process, which records visits while it waits for models."""
    visits_s: float = 0.0
    """CPU time of the visits."""
    waiting_s: float = 0.0
    """Wall time in which answers of models are waited for, if nothing else takes time."""
    overhead_s: float = 0.0
    """CPU time of what one process does: environment, metrics and record. With workers, it takes
    the visits from them, too."""
    visits: float = 0.0


class DryRun(NamedTuple):
    """What a dry run measured."""

    trials: Sequence[TrialCosts]
    """One for each arm."""
    users: int
    """Users of the environment; where arms differ, the most."""
    visits: int
    """Visits that were played."""
    played: int
    """Calls that were made."""
    record_bytes: int
    """Added to the record by these visits."""
    slowdown: float
    """Wall time by CPU time where no policy is asked; at least 1."""
    unpriced: tuple[str, ...]
    """Keys of the policies that need a price and have none."""

    def few_visits(self, play: int) -> tuple[str, ...]:
        """Return a warning if few visits were played, and there are more.

        Args:
            play: Users who were to visit in each round.
        """
        if self.visits >= min(FEW_VISITS, sum(round(each.visits) for each in self.trials)):
            return ()
        more = f"play more rounds (--rounds) or more users (--play {max(64, 8 * play)})"
        if play >= self.users:
            more = "play more rounds (--rounds), or take an experiment of more rounds or users"
        return (
            f"this rests on {self.visits} visits, which is few: what a visit takes is uncertain; "
            f"{more}",
        )

    def total(self) -> FloatArray:
        """Return what one trial of each arm takes together, in the order of `TrialCosts`."""
        summed: FloatArray = np.array(self.trials, np.float64).sum(axis=0)
        return summed


def dry_run(experiment: Experiment, users: int, rounds: int, planned: int | None = None) -> DryRun:
    """Play a few rounds of each arm with a few visitors, in this process.

    Args:
        experiment: The experiment.
        users: Visitors that are played in each round.
        rounds: Rounds that are played.
        planned: How many users are planned for, if not as many as there are: the visits that a
            calibration adds do not grow with them.

    Raises:
        StarecError: A part cannot be built, or a policy does not answer.
    """
    rounds = min(rounds, experiment.rounds)
    _check_alike(experiment, rounds)
    arms = experiment.resolve().values()
    if any(arm.kinds for arm in arms):
        builder = Builder()
        return _sum_of_arms(
            [_dry_run_by_kind(arm, users, rounds, planned, builder) for arm in arms]
        )
    return _dry_run(experiment, users, rounds)


def _dry_run(
    experiment: Experiment, users: int, rounds: int, datasets: dict[str, Dataset] | None = None
) -> DryRun:
    """Do a dry run of an experiment whose users are of one kind; `datasets` are read already."""
    changes = {"rounds": rounds, "replicates": 1, "budget": Budget(), "train": None}
    changes["tracing"] = False
    if experiment.executor.has_workers:
        # CPU time is that of this process. Workers play visits in the same way.
        changes["executor"] = ExecutorSettings(
            use=experiment.executor.inside, size=experiment.executor.size
        )
    part = experiment.model_copy(update=changes)
    chosen: list[_FewVisitors] = []

    def choose_few(environment: Environment) -> _FewVisitors:
        chosen.append(_FewVisitors(environment, users))
        return chosen[-1]

    watch = RoundWatch(experiment.executor.has_workers)
    trials = Trials(part, choose_few, datasets, watch.recorder)
    trials.builder.versions()  # loads weights, which is no part of the time of a round
    phrases = trials.builder.phrases()
    with tempfile.TemporaryDirectory() as place:
        manifest = new_manifest("run", part.name, [part.seed])
        folder = create_run(Path(place), manifest, "", part.seed)
        with open_run(folder, phrases=phrases, gateway=part.gateway, level=part.record) as run:
            watch.record_bytes, watch.limiters = run.store.size_bytes, run.resources.limiters
            play_trials(run, trials, watch)
    return DryRun(
        [
            _arm(few, rounds_of_arm, arm.experiment, experiment.rounds)
            for few, rounds_of_arm, arm in zip(
                chosen, watch.rounds, trials.arms.values(), strict=True
            )
        ],
        max(few.users for few in chosen),
        sum(sum(few.played) for few in chosen),
        sum(each.calls.calls for rounds_of_arm in watch.rounds for each in rounds_of_arm),
        watch.added_bytes,
        watch.slowdown(),
        _unpriced([arm.experiment for arm in trials.arms.values()]),
    )


def _dry_run_by_kind(
    arm: Arm, users: int, rounds: int, planned: int | None, builder: Builder
) -> DryRun:
    """Do a dry run of each kind of users of an arm, and add them up by their shares.

    A calibration adds visits of the costly kind, as many of all as it has users. The datasets of
    the builder are not read again.
    """
    if not arm.kinds:
        return _dry_run(arm.experiment, users, rounds, builder.datasets)
    experiment = arm.experiment
    people = builder.environment(arm, experiment.seed).users
    shares = _shares(experiment, people)
    runs, total, record_bytes = [], np.zeros(len(TrialCosts._fields)), 0.0
    for kind, of_kind in arm.kinds.items():
        if not shares[kind]:
            continue
        one_kind: dict[str, Any] = {"population": {}, "calibration": None}
        everybody_alike = of_kind.experiment.model_copy(update=one_kind)
        part = _dry_run(everybody_alike, users, rounds, builder.datasets)
        (costs,) = part.trials
        total += shares[kind] * np.array(costs)
        if (calibration := experiment.calibration) and kind == calibration.between[1]:
            again = min(
                calibration.users / (planned or len(people)), shares[calibration.between[0]]
            )
            visits_only = costs._replace(
                seconds=costs.seconds - costs.overhead_s, overhead_s=0.0, visits=0.0
            )
            total += again * np.array(visits_only)
        if part.visits:
            record_bytes += shares[kind] * part.record_bytes / part.visits
        runs.append(part)
    every = _sum_of_arms(runs)
    return every._replace(
        trials=[TrialCosts(*total.tolist())], record_bytes=round(record_bytes * every.visits)
    )


def _shares(experiment: Experiment, people: Sequence[User]) -> dict[str, float]:
    """Return the share of each kind among all users.

    Conditions are counted; the rest is divided as the shares say, because a kind that gets nobody
    of a few users gets some of many.
    """
    counts = Counter(kinds_of(experiment.population, people, experiment.seed))
    population = experiment.population.items()
    met = {
        kind: counts[kind] / len(people)
        for kind, settings in population
        if settings.when is not None
    }
    rest = 1 - sum(met.values())
    return {
        kind: met[kind] if settings.share is None else settings.share * rest
        for kind, settings in population
    }


def _sum_of_arms(runs: Sequence[DryRun]) -> DryRun:
    """Return several dry runs as one."""
    return DryRun(
        [costs for each in runs for costs in each.trials],
        max(each.users for each in runs),
        sum(each.visits for each in runs),
        sum(each.played for each in runs),
        sum(each.record_bytes for each in runs),
        max(each.slowdown for each in runs),
        tuple(dict.fromkeys(key for each in runs for key in each.unpriced)),
    )


def _check_alike(experiment: Experiment, rounds: int) -> None:
    """Refuse to estimate rounds from those before a change.

    Raises:
        ConfigError: A change comes after the rounds that are played.
    """
    arms = experiment.resolve().values()
    last = max((change.round + 1 for arm in arms for change in arm.changes), default=0)
    if last > rounds:
        raise ConfigError(
            f"schedule: round {last} changes what is played, and the dry run has {rounds} rounds",
            hint=f"play them too: --rounds {min(last + 1, experiment.rounds)}",
        )


class _FewVisitors:
    """Chooses some of the visitors of each round, see `starec_sim.simulation.ChooseVisitors`.

    Args:
        environment: The environment of the trial.
        most: The greatest number of visitors in a round.
    """

    def __init__(self, environment: Environment, most: int) -> None:
        self._environment = environment
        self._most = most
        self._known: list[int] = []
        self.users = len(environment.users)
        self.visitors: list[int] = []
        """Number of visitors by round, before the choice."""
        self.played: list[int] = []
        """Number of chosen visitors by round."""

    def __call__(self, round: int, visitors: Sequence[int]) -> Sequence[int]:
        """Return users who visited before, then others at even distances, up to the limit."""
        present = set(visitors)
        again = [user for user in self._known if user in present][: self._most]
        chosen_again = set(again)
        others = [user for user in visitors if user not in chosen_again]
        places = np.linspace(0, len(others) - 1, min(self._most - len(again), len(others)))
        chosen = sorted({*again, *(others[int(place)] for place in places)})
        self._known = list(dict.fromkeys([*self._known, *chosen]))
        self.visitors.append(len(visitors))
        self.played.append(len(chosen))
        return chosen

    def count(self, round: int) -> int:
        """Return the number of visitors in a round that is not played."""
        return len(self._environment.begin_round(round))


def _arm(
    few: _FewVisitors,
    watched: Sequence[MeasuredRound],
    variant: Experiment,
    rounds: int,
) -> TrialCosts:
    """Return what one trial of an arm takes."""
    each = np.zeros((len(watched), len(TrialCosts._fields)))
    for at, times in enumerate(watched):
        visitors, played = few.visitors[at], few.played[at]
        if not played:
            overhead_s = times.before + times.after
            each[at] = TrialCosts(seconds=overhead_s, overhead_s=overhead_s)
            continue
        calls, tokens_in, tokens_out, usd, latency, asked = times.calls
        scale = visitors / played
        scaled = [scale * number for number in (calls, tokens_in, tokens_out, usd)]
        # Calls of models run at the same time; computation does not. What a cache answered is
        # counted as if a model had.
        by_model = scale * calls / asked if asked else 0.0
        together = max(1, min(variant.concurrency, visitors))
        waiting = max(
            by_model * latency / together,
            by_model * _answering(times.in_flight, together),
            _paced(variant, *scaled[:3]),
        )
        visits_s, recording_s = scale * times.visits, scale * times.recording
        rest_s = times.before + scale * times.after
        seconds = max(visits_s + recording_s, waiting) + rest_s
        # In the order of `TrialCosts`.
        each[at] = (*scaled, seconds, visits_s, waiting, rest_s + recording_s, visitors)
    last = each[-_LAST_ROUNDS:]
    total = each.sum(axis=0)
    base = np.mean(few.visitors[-_LAST_ROUNDS:])
    for at in range(len(watched), rounds):
        total = total + last.mean(axis=0) * (few.count(at) / base if base else 0.0)
    return TrialCosts(*total.tolist())


def _answering(in_flight: Sequence[InFlight], together: int) -> float:
    """Return the least time in seconds for these calls, with no more at once than allowed.

    Args:
        in_flight: The calls to each endpoint.
        together: The most calls at once to all endpoints.
    """
    return max(
        (each.seconds / min(together, each.most or together) for each in in_flight), default=0.0
    )


def _paced(variant: Experiment, calls: float, tokens_in: float, tokens_out: float) -> float:
    """Return the least time in seconds for these calls under the rate limits of the policies."""
    seconds = 0.0
    for node, spec in variant.policies:
        limits = split_spec(spec, f"policies.{node}")[1].limits
        seconds = max(
            seconds,
            60 * calls / (limits.requests_per_minute or math.inf),
            60 * (tokens_in + tokens_out) / (limits.tokens_per_minute or math.inf),
        )
    return seconds


def _unpriced(arms: Sequence[Experiment]) -> tuple[str, ...]:
    """Return the keys of the policies that need a price and have none."""
    return tuple(
        dict.fromkeys(
            f"policies.{node}"
            for variant in arms
            for node, spec in variant.policies
            if split_spec(spec, f"policies.{node}")[1].price is None
            and not costs_nothing(spec, f"policies.{node}")
        )
    )
