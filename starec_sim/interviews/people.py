"""Choose the users who are asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starec_sim.errors import RunError, did_you_mean
from starec_sim.rng import Streams
from starec_sim.runs.reader import Reader, RecordedTrial
from starec_sim.traces.traits import trait_labels
from starec_sim.types import User


@dataclass(frozen=True, slots=True)
class UserSelection:
    """Which users of a trial are asked."""

    ids: tuple[str, ...] = ()
    """These users; everybody when empty."""
    where: tuple[tuple[str, str], ...] = ()
    """Only those whose profiles have these traits with these values (or ranges of values)."""
    count: int | None = None
    """At most so many of them, drawn by the seed of the run."""


EVERYBODY = UserSelection()


def read_selection(texts: Sequence[str], ids: Sequence[str] = ()) -> UserSelection:
    """Return the users that `--users` names.

    Args:
        texts: Each is a number of users, `TRAIT=VALUE`, or ids with commas between.
        ids: Ids of users.

    Raises:
        RunError: A text is empty, or two numbers are given.

    >>> read_selection(["20", "gender=F"])
    UserSelection(ids=(), where=(('gender', 'F'),), count=20)
    """
    names, where, counts = list(ids), [], []
    for text in texts:
        trait, equals, value = (part.strip() for part in text.partition("="))
        if text.strip().isdecimal() and len(text) < 10:
            counts.append(int(text))
        elif equals:
            where.append((trait, value))
        else:
            names += [name.strip() for name in text.split(",") if name.strip()]
    if len(counts) > 1 or 0 in counts or not (names or where or counts or not texts):
        raise RunError(
            f"--users {' '.join(texts)}: expected a number from 1, TRAIT=VALUE, or ids",
            hint="e.g. --users 20, --users gender=F, or --users u1,u2",
        )
    if names and (where or counts):
        raise RunError(
            "users are named by id, and chosen by number or trait as well",
            hint="leave out the ids, or leave out --users",
        )
    return UserSelection(tuple(dict.fromkeys(names)), tuple(where), counts[0] if counts else None)


def choose(
    reader: Reader, trial: RecordedTrial, selection: UserSelection
) -> list[tuple[int, User]]:
    """Return (row, user) of the users who are asked, in order of row.

    Raises:
        RunError: There is no such user, trait or value.
    """
    if selection.ids:
        return sorted(
            (reader.user(trial, name) for name in selection.ids), key=lambda each: each[0]
        )
    users = dict(reader.users(trial))
    rows = list(users)
    for trait, value in selection.where:
        rows = _having(users, rows, trait, value)
    if selection.count is not None and selection.count < len(rows):
        stream = Streams(trial.seed).stream("interviewed users")
        rows = sorted(int(row) for row in stream.permutation(rows)[: selection.count])
    return [(row, users[row]) for row in rows]


def _having(users: Mapping[int, User], rows: Sequence[int], trait: str, value: str) -> list[int]:
    labels = trait_labels(users, trait)
    if not labels:
        traits = {name for user in users.values() for name in user.profile}
        known = did_you_mean(trait, traits) if traits else "their profiles are empty"
        raise RunError(
            f'the users have no "{trait}"; {known}', hint="name one of those, or ids: --users u1,u2"
        )
    found = [row for row in rows if value in (labels.get(row), str(users[row].profile.get(trait)))]
    if not found:
        values = {*labels.values(), *(str(user.profile.get(trait)) for user in users.values())}
        known = did_you_mean(value, values if len(values) <= 20 else set(labels.values()))
        raise RunError(
            f'no user who would be asked has {trait} "{value}"; {known}',
            hint="name another value, or leave out --users",
        )
    return found
