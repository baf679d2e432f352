"""The people of a run: a list that is filtered and sorted, and one person's visits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import groupby

from starec_sim.errors import RunError, did_you_mean
from starec_sim.glossary import metric_info
from starec_sim.runs import aggregates
from starec_sim.runs.aggregates import PersonCounts
from starec_sim.runs.reader import Reader, RecordedTrial, StepOutline
from starec_sim.traces.edited_memory import edited_summary
from starec_sim.traces.traits import trait_labels
from starec_sim.traces.values import Items

MAX_ROWS = 500
"""People of one page of the list."""
_DRAWN = ("ndcg@10", "satisfaction", "click_through")
"""Of these metrics, the first that the run has is drawn over the rounds."""


@dataclass(frozen=True, slots=True)
class PeopleQuery:
    """Which people are listed, and in which order."""

    sort: str = "user"
    """A column of `PersonRow`, or a trait."""
    descending: bool = False
    q: str = ""
    """Part of an id or of a trait's value."""
    where: tuple[tuple[str, str], ...] = ()
    """What they must have: traits with their values, or labels of values, and whole numbers of
    `PersonRow`, such as `left_round`."""
    offset: int = 0
    limit: int = 100


@dataclass(frozen=True, slots=True)
class PersonRow:
    """One person of the list."""

    user: str
    profile: Mapping[str, str]
    visits: int
    steps: int
    chosen: int
    liked: int
    mean_rating: float | None
    """Of what she experienced; None without experiences."""
    slow_share: float | None
    """Share of steps after which the slow node was asked."""
    flaws: int
    """Steps whose answer had a flaw in the end."""
    left_round: int | None
    """The last round, from 1, in which she left before the visit was over."""
    spark: tuple[float | None, ...]
    """The metric `People.spark` of each round; None where she did not visit."""


@dataclass(frozen=True, slots=True)
class People:
    """A page of the list."""

    total: int
    """People who fit, on all pages."""
    visited: int
    """Those of them who visited in this trial."""
    rows: tuple[PersonRow, ...]
    fields: tuple[str, ...]
    """Names of the traits."""
    spark: str | None
    """The label of the metric that is drawn; None if the run has none of those."""


@dataclass(frozen=True, slots=True)
class ItemName:
    """An item of a visit."""

    id: str
    title: str


@dataclass(frozen=True, slots=True)
class VisitStep:
    """One step of a visit, in short."""

    step: int
    page: int
    task: str
    slate: tuple[ItemName, ...]
    chosen: tuple[str, ...]
    """Ids of what she watched, or of the first item of her ranking."""
    stars: Mapping[str, float]
    """True stars of what the step revealed, by id."""
    slow: bool
    reason: str
    reward: Mapping[str, float]
    reward_total: float | None
    """The weighted sum in a training; None elsewhere, and where a component is not on record."""
    flaws: Mapping[str, int]
    ending: str


@dataclass(frozen=True, slots=True)
class PersonVisit:
    """One visit."""

    round: int
    steps: tuple[VisitStep, ...]


@dataclass(frozen=True, slots=True)
class Person:
    """One person and her visits."""

    user: str
    profile: Mapping[str, str]
    arm: str
    seed: int
    visits: tuple[PersonVisit, ...]
    summary_now: str
    """Her preference summary after the last step."""


_COLUMNS = tuple(
    field.name for field in fields(PersonRow) if field.name not in ("profile", "spark")
)
_COUNTED = ("visits", "steps", "chosen", "liked", "flaws", "left_round")
"""Columns of whole numbers, by which people can be filtered."""


def read_people(reader: Reader, trial: RecordedTrial, query: PeopleQuery | None = None) -> People:
    """Return a page of the people of a trial; those who never visited have zeros, and come last.

    Raises:
        RunError: There is no such column or trait.
    """
    query = query or PeopleQuery()
    reader.require("decisions", "the list of people")
    users = dict(reader.users(trial))
    traits = tuple(dict.fromkeys(name for user in users.values() for name in user.profile))
    for names, known in ((query.sort,), _COLUMNS), ([n for n, _ in query.where], _COUNTED):
        for name in names:
            if name not in traits and name not in known:
                near = did_you_mean(name, (*traits, *known))
                raise RunError(f'people have no "{name}"; {near}', hint="name one of those")
    labels = {trait: trait_labels(users, trait) for trait, _ in query.where if trait in traits}
    counts = {found.user: found for found in aggregates.person_counts(reader.db, trial.number)}
    found = {
        row: _person_row(user.id, user.profile, counts.get(row))
        for row, user in users.items()
        if _has(query.q, user.id, user.profile)
    }

    def fits(row: int, person: PersonRow, name: str, value: str) -> bool:
        if name in labels:
            return value in (person.profile.get(name), labels[name].get(row))
        return value == str(getattr(person, name))

    rows = [
        (row, person)
        for row, person in found.items()
        if all(fits(row, person, name, value) for name, value in query.where)
    ]
    rows.sort(key=lambda each: each[0])
    in_order = _sorted(rows, query)
    page = in_order[query.offset : query.offset + min(query.limit, MAX_ROWS)]
    measured = aggregates.metric_names(reader.db, trial.number)
    drawn = next((name for name in _DRAWN if name in measured), None)
    visited = sum(person.visits > 0 for _, person in rows)
    shown = _with_sparks(reader, trial, page, drawn)
    label = None if drawn is None else metric_info(drawn).label
    return People(len(rows), visited, shown, traits, label)


def read_person(reader: Reader, trial: RecordedTrial, user_id: str) -> Person:
    """Return one person and her visits.

    Raises:
        RunError: No user of the trial has that id.
    """
    row, user = reader.user(trial, user_id)
    outlines = list(reader.outlines(trial, row))
    weights = None
    if (reader.path.parent / "rollouts").is_dir():
        from starec_sim.traces.training_view import reward_weights  # a tenth of a second

        weights = reward_weights(reader.path.parent)
    items = Items(reader, trial)
    items.load(
        item
        for each in outlines
        for item in (*each.observation.slate, *(e.item for e in each.feedback.experiences))
    )
    visits = tuple(
        PersonVisit(round + 1, tuple(_visit_step(each, items, weights) for each in steps))
        for round, steps in groupby(outlines, key=lambda each: each.round)
    )
    last = outlines[-1] if outlines else None
    summary = reader.summary(trial, row, last.round, last.step) if last else ""
    edited = edited_summary(reader, trial, user_id, last.round if last else -1, trial.rounds - 1)
    summary = summary if edited is None else edited
    return Person(user_id, user.profile, trial.arm, trial.seed, visits, summary)


def _person_row(user_id: str, profile: Mapping[str, str], found: PersonCounts | None) -> PersonRow:
    if found is None:
        return PersonRow(user_id, profile, 0, 0, 0, 0, None, None, 0, None, ())
    return PersonRow(
        user_id,
        profile,
        found.visits,
        found.steps,
        found.chosen,
        found.liked,
        found.stars / found.rated if found.rated else None,
        found.slow / found.steps if found.steps else None,
        found.flawed,
        None if found.left_round is None else found.left_round + 1,
        (),
    )


def _has(words: str, user_id: str, profile: Mapping[str, str]) -> bool:
    sought = words.casefold()
    return any(sought in str(text).casefold() for text in (user_id, *profile.values()))


def _sorted(
    rows: Sequence[tuple[int, PersonRow]], query: PeopleQuery
) -> list[tuple[int, PersonRow]]:
    """Return rows by a column; rows without a value come last, equal ones in their old order."""

    def value(row: PersonRow) -> object:
        if query.sort in _COLUMNS:
            return getattr(row, query.sort)
        return row.profile.get(query.sort)

    if query.sort == "user":
        in_order = list(reversed(rows)) if query.descending else list(rows)
        return sorted(in_order, key=lambda each: each[1].visits == 0)
    known = [each for each in rows if value(each[1]) is not None]
    without = [each for each in rows if value(each[1]) is None]
    return [*sorted(known, key=lambda e: _order(value(e[1])), reverse=query.descending), *without]


def _order(value: object) -> tuple[int, float, str]:
    """Return a key that sorts numbers by size, before texts by letters."""
    try:
        return 0, float(str(value)), ""
    except ValueError:
        return 1, 0.0, str(value)


def _with_sparks(
    reader: Reader, trial: RecordedTrial, page: Sequence[tuple[int, PersonRow]], metric: str | None
) -> tuple[PersonRow, ...]:
    if metric is None:
        return tuple(row for _, row in page)
    users = [user for user, _ in page]
    values = aggregates.visit_figures(reader.db, trial.number, users, metric)
    rounds = range(trial.rounds)
    return tuple(
        replace(row, spark=spark)
        for user, row in page
        for spark in [tuple(values[user].get(round) for round in rounds)]
    )


def _visit_step(found: StepOutline, items: Items, weights: Mapping[str, float] | None) -> VisitStep:
    reward = found.feedback.reward
    total = None
    if weights is not None and all(name in reward for name in weights):
        total = sum(weight * reward[name] for name, weight in weights.items())
    return VisitStep(
        found.step + 1,
        found.observation.page,
        found.observation.task.name,
        tuple(ItemName(items[item].id, items[item].title) for item in found.observation.slate),
        tuple(items[item].id for item in found.decision.chosen),
        {items[e.item].id: e.rating for e in found.feedback.experiences if e.rating is not None},
        found.verdict.slow,
        found.verdict.reason,
        reward,
        total,
        found.decision.flaws,
        found.feedback.ending,
    )
