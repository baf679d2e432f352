"""Compare two runs, two arms, or two versions of a training."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starec_sim.common_rounds import name_rounds
from starec_sim.glossary import metric_info, place, verdict_word
from starec_sim.plugin_code import PluginCode
from starec_sim.population.calibration import SECOND
from starec_sim.report import (
    ArmDifference,
    MetricSamples,
    Verdict,
    difference_of,
    none_for_nan,
    report_window,
)
from starec_sim.runs import queries
from starec_sim.runs.reader import Reader, RecordedTrial, reading
from starec_sim.runs.run_tables import read_run
from starec_sim.traces.first_difference import ComparedStep, Difference, TrialPair
from starec_sim.traces.sides import Choice, Side, read_sides

_SHORT = 12
"""Digits of a hash that are shown."""
_MOST_TESTED = 300
"""Of more users than these no p is computed: it takes seconds for each metric of 10,000 users, and
the interval decides the verdict alone (decision 23)."""
_SURE_P = 0.05
"""The greatest p beside which a difference is not "unsure" (decision 150)."""


@dataclass(frozen=True, slots=True)
class SideInfo:
    """One side, for people."""

    folder: str
    name: str
    kind: str
    arm: str
    seeds: tuple[int, ...]
    rounds: int
    users: int
    items: int
    other_arms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ChangedKey:
    """A key that differs; None where a side lacks it."""

    key: str
    a: str | None
    b: str | None


@dataclass(frozen=True, slots=True)
class MetricDifference:
    """A metric of the second side minus that of the first, over the same users and seeds."""

    metric: str
    label: str
    """As people call it."""
    by_user: bool
    """Whether users are paired; else seeds, for a metric of whole rounds."""
    a: float
    b: float
    difference: float
    low: float | None
    high: float | None
    """The 95 % interval of the difference; None without one."""
    p: float | None
    users: int
    """Users, or seeds for a metric of whole rounds, that both sides have."""
    verdict: Verdict
    word: str
    """The verdict as it is printed: `better` or `worse` where one direction is better."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything in which two sides differ."""

    a: SideInfo
    b: SideInfo
    configuration: tuple[ChangedKey, ...]
    versions: tuple[ChangedKey, ...]
    """Packages, plug-ins, platform, commit, and hashes of prompt templates."""
    same_world: bool
    world: str
    """In which way the worlds are the same, or differ."""
    common_users: int
    """Users of a pair of seeds who are in both worlds, over all pairs (decision 132)."""
    seeds: tuple[tuple[int, int], ...]
    """Seeds that are compared with each other."""
    rounds: int
    """Rounds that all compared trials have."""
    first_difference: Difference | None
    last_rounds: int
    """Last of these rounds over which the means of metrics are taken."""
    window: str
    """Which rounds these are, and why only these."""
    metrics: tuple[MetricDifference, ...]
    steps: tuple[ComparedStep, ...]
    """The steps of one user, if one is named."""


def compare(
    folder_a: Path,
    folder_b: Path,
    chosen_a: Choice = Choice(),  # noqa: B008 (frozen)
    chosen_b: Choice = Choice(),  # noqa: B008
    user: str | None = None,
    after: int = 0,
) -> Comparison:
    """Return how two sides differ.

    Args:
        folder_a: The run of the first side.
        folder_b: The run of the second side; it can be the same.
        chosen_a: Arm or version of the first side.
        chosen_b: Arm or version of the second side.
        user: Whose steps are compared one by one; nobody's when None.
        after: If it is not 0, metrics are means over all rounds after so many first ones.

    Raises:
        RunError: A record cannot be read, or there is no such arm, version or user.
    """
    same_run = folder_a.resolve() == folder_b.resolve()
    with reading(folder_a) as a, nullcontext(a) if same_run else reading(folder_b) as b:
        for reader in (a, b):
            reader.require("decisions", "`starec diff`")
        side_a, side_b = read_sides(a, b, chosen_a, chosen_b, same_run)
        trials = _paired_trials(side_a, side_b)
        pairs = [TrialPair(a, trial_a, b, trial_b) for trial_a, trial_b in trials]
        rounds = min(trial.rounds for pair in trials for trial in pair)
        window = report_window(read_run(folder_a).configuration, rounds)
        if after:
            window = range(min(after, rounds), rounds)
        same_world, world, common_users = _world(pairs)
        samples = [
            _samples(reader, [pair[n] for pair in trials], window, by_user=common_users > 0)
            for n, reader in enumerate((a, b))
        ]
        first = min(
            filter(None, (pair.first() for pair in _with_common_users(pairs))),
            key=lambda found: found.at.round,
            default=None,
        )
        return Comparison(
            a=_info(side_a, pairs[0].worlds[0].users, pairs[0].worlds[0].items),
            b=_info(side_b, pairs[0].worlds[1].users, pairs[0].worlds[1].items),
            configuration=_changed(_configuration(side_a), _configuration(side_b)),
            versions=_changed(_versions(side_a), _versions(side_b)),
            same_world=same_world,
            world=world,
            common_users=common_users,
            seeds=tuple((trial_a.seed, trial_b.seed) for trial_a, trial_b in trials),
            rounds=rounds,
            first_difference=first,
            last_rounds=len(window),
            window=_named(rounds, len(window), side_a, side_b),
            metrics=_metrics(*samples),
            steps=() if user is None else tuple(s for pair in pairs for s in pair.of_user(user)),
        )


def _named(rounds: int, last: int, *sides: Side) -> str:
    """Name the rounds over which means are taken; say what each side has where that is more."""
    played = [min(trial.rounds for trial in side.trials) for side in sides]
    named = name_rounds(rounds, last)
    if len(set(played)) == 1:
        return named
    return f"{named}, which both sides have; A has {played[0]}, B {played[1]}"


def _paired_trials(a: Side, b: Side) -> list[tuple[RecordedTrial, RecordedTrial]]:
    """Return the trials with the same seed; if there are none, in the order of the seeds."""
    by_seed = {trial.seed: trial for trial in b.trials}
    same = [(trial, by_seed[trial.seed]) for trial in a.trials if trial.seed in by_seed]
    return same or list(zip(a.trials, b.trials, strict=False))


def _info(side: Side, users: list[str], items: list[str]) -> SideInfo:
    return SideInfo(
        folder=str(side.folder),
        name=side.folder.name,
        kind=side.manifest.kind,
        arm=side.arm,
        seeds=tuple(trial.seed for trial in side.trials),
        rounds=min(trial.rounds for trial in side.trials),
        users=len(users),
        items=len(items),
        other_arms=side.other_arms,
    )


def _with_common_users(pairs: Sequence[TrialPair]) -> Sequence[TrialPair]:
    """Return the pairs whose worlds share a user; all pairs where none does."""
    return [pair for pair in pairs if pair.common] or pairs


def _world(pairs: Sequence[TrialPair]) -> tuple[bool, str, int]:
    """Return whether the worlds are the same, what is different about them, and common users."""
    worlds = [pair.worlds for pair in pairs]
    users = [(a.users, b.users) for a, b in worlds]
    common = sum(len(pair.common) for pair in pairs)
    if all(a.digest == b.digest for a, b in worlds):
        return True, "the same users, histories and items", common
    parts = []
    items = [(a.items, b.items) for a, b in worlds]
    for what, ids in (("users", users), ("items", items)):
        if all(a == b for a, b in ids):
            parts.append(f"the same ids of {what}")
            continue
        both = sum(len(set(a) & set(b)) for a, b in ids)
        count_a, count_b = sum(len(a) for a, _ in ids), sum(len(b) for _, b in ids)
        of = f" of {len(pairs)} seeds" if len(pairs) > 1 else ""
        parts.append(f"{count_a:,} and {count_b:,} {what}{of}, {both:,} with the same id")
    if all(a == b for a, b in (*users, *items)):
        parts.append("but other profiles, histories, titles or attributes")
    if not common and any(not set(a).isdisjoint(b) for a, b in users):
        parts.append("but most users with the same id have other profiles: they are other people")
    return False, ", ".join(parts), common


def _configuration(side: Side) -> Mapping[str, str]:
    """Return the flattened configuration of an arm, with the keys that the arm changes."""
    values = read_run(side.folder).configuration
    arms = values.get("arms")
    changes = arms.get(side.arm) if isinstance(arms, Mapping) else None
    values = {key: value for key, value in values.items() if key not in ("arms", "runs_dir")}
    for key, value in (changes or {}).items() if isinstance(changes, Mapping) else ():
        _set(values, str(key).split("."), value)
    return _flat(values)


def _set(values: dict[str, Any], path: list[str], value: Any) -> None:
    *folders, last = path
    for name in folders:
        inner = values.get(name)
        values[name] = dict(inner) if isinstance(inner, Mapping) else {}
        values = values[name]
    values[last] = value


def _versions(side: Side) -> Mapping[str, str]:
    """Return what the manifest says about the code: packages, plug-ins, platform, prompts."""
    manifest = side.manifest
    values = manifest.as_json()
    kept: dict[str, Any] = {
        name: values[name] for name in ("python", "platform", "git") if name in values
    }
    prompts = manifest.prompts.get(side.arm)
    if prompts is None and manifest.prompts:
        prompts = next(iter(manifest.prompts.values()))
    kept["prompts"] = {name: sha[:_SHORT] for name, sha in (prompts or {}).items()}
    kept["plugins"] = {code.use: _said_of(code) for code in manifest.plugins or ()}
    return _flat({**manifest.versions, **kept})


def _said_of(code: PluginCode) -> str:
    """Return the distribution of a plug-in, and its files with the beginnings of their hashes."""
    files = [f"{Path(file).name} {sha[:_SHORT]}" for file, sha in sorted(code.files.items())]
    return ", ".join(part for part in (code.distribution, code.version, *files) if part)


def _flat(values: Mapping[str, Any], before: str = "") -> dict[str, str]:
    """Return nested keys as dotted ones.

    >>> _flat({"a": {"b": 1, "c": [2]}, "d": None})
    {'a.b': '1', 'a.c': '[2]', 'd': 'null'}
    """
    flat: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            flat |= _flat(value, f"{before}{key}.")
        else:
            flat[f"{before}{key}"] = "null" if value is None else str(value)
    return flat


def _changed(a: Mapping[str, str], b: Mapping[str, str]) -> tuple[ChangedKey, ...]:
    a, b = _in_full(a, b), _in_full(b, a)
    keys = [*a, *(key for key in b if key not in a)]
    return tuple(ChangedKey(k, a.get(k), b.get(k)) for k in keys if a.get(k) != b.get(k))


def _in_full(values: Mapping[str, str], others: Mapping[str, str]) -> dict[str, str]:
    """Return keys as the other side writes them: `recommender: als` is short for its `use`.

    >>> _in_full({"recommender": "random"}, {"recommender.use": "als", "recommender.factors": "8"})
    {'recommender.use': 'random'}
    """
    return {f"{k}.use" if f"{k}.use" in others else k: v for k, v in values.items()}


def _samples(
    reader: Reader, trials: list[RecordedTrial], window: range, *, by_user: bool
) -> dict[str, MetricSamples]:
    """Return the metrics of one side; trials are called by their number in the pairing.

    Args:
        reader: The record.
        trials: The trials of the side.
        window: The rounds over which means are taken.
        by_user: Whether users are paired; else a metric has one value for each trial.
    """
    numbers = {trial.number: str(n) for n, trial in enumerate(trials)}
    of_users = queries.user_means(reader.db, list(numbers), window) if by_user else {}
    of_seeds: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for trial, round, name, value in queries.round_metrics(reader.db, list(numbers)):
        if value is not None and round in window:
            of_seeds[name][numbers[trial]].append(value)
    if not by_user:
        for trial, number in numbers.items():
            for name, means in queries.user_means(reader.db, [trial], window).items():
                of_seeds[name][number] = list(means.values())
    samples = {}
    for name in {*of_users, *of_seeds}:
        seeds = {seed: sum(each) / len(each) for seed, each in of_seeds[name].items()}
        samples[name] = MetricSamples(of_users.get(name, seeds), seeds, (), (), name in of_users)
    return samples


def _metrics(
    a: Mapping[str, MetricSamples], b: Mapping[str, MetricSamples]
) -> tuple[MetricDifference, ...]:
    return tuple(
        _metric(
            name, a[name], b[name], difference_of(b[name], a[name], metric_info(name), _MOST_TESTED)
        )
        for name in sorted(a.keys() & b.keys(), key=place)
        if a[name].values.keys() & b[name].values.keys() and not name.startswith(SECOND)
    )


def _metric(
    name: str, a: MetricSamples, b: MetricSamples, found: ArmDifference
) -> MetricDifference:
    units = sorted(a.values.keys() & b.values.keys())
    interval, p, verdict = found.interval, none_for_nan(found.p), found.verdict
    if verdict in ("higher", "lower") and p is not None and p > _SURE_P:
        verdict = "unsure"
    return MetricDifference(
        metric=name,
        label=metric_info(name).label,
        by_user=a.by_user,
        a=sum(a.values[unit] for unit in units) / len(units),
        b=sum(b.values[unit] for unit in units) / len(units),
        difference=interval.mean,
        low=none_for_nan(interval.low),
        high=none_for_nan(interval.high),
        p=p,
        users=interval.n,
        verdict=verdict,
        word=verdict_word(verdict, metric_info(name).better),
    )
