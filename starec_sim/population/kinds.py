"""Who is of which kind: by a condition on her profile, or drawn by her id and the seed.

Neither the row of a user nor the number of users counts, so a person keeps her kind in every round,
executor, resume and fork, and in runs with fewer or more users.
"""

from __future__ import annotations

import hashlib
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from starec_sim.errors import ConfigError, ContractWarning, did_you_mean
from starec_sim.population.settings import UserKind
from starec_sim.rng import Streams
from starec_sim.types import FloatArray, User

KIND = "kind"
"""The fact of a recorded profile that names the kind of a user."""


def draws(purpose: str, people: Sequence[User], seed: int) -> FloatArray:
    """Return a number from 0 to 1 for each person, which her id and the seed alone decide."""
    keys = [
        int.from_bytes(hashlib.blake2b(person.id.encode(), digest_size=8).digest(), "little")
        for person in people
    ]
    return Streams(seed).uniforms(purpose, keys, 0, 0, 1)[:, 0]


def kinds_of(kinds: Mapping[str, UserKind], people: Sequence[User], seed: int) -> list[str]:
    """Return the kind of each person: the first whose condition she meets, else a drawn one.

    Args:
        kinds: Those of the population.
        people: Users.
        seed: Of the trial.

    Raises:
        ConfigError: Somebody meets no condition, and no kind has a share.
    """
    conditions = {name: kind.when for name, kind in kinds.items() if kind.when is not None}
    found = [_met(conditions, person) for person in people]
    left = [row for row, kind in enumerate(found) if kind is None]
    shares = {name: kind.share for name, kind in kinds.items() if kind.share is not None}
    if left and not shares:
        person = people[left[0]]
        raise ConfigError(
            f"population: user {person.id} meets the condition of no kind; her profile: "
            f"{dict(person.profile) or 'empty'}",
            hint="give one kind `share: 1`, for everybody else",
        )
    if left:
        names, bounds = list(shares), np.cumsum(list(shares.values()))
        drawn = draws("population", [people[row] for row in left], seed)
        places = np.minimum(np.searchsorted(bounds, drawn, side="right"), len(names) - 1)
        for row, place in zip(left, places.tolist(), strict=True):
            found[row] = names[place]
    return [kind or "" for kind in found]


def _met(conditions: Mapping[str, Mapping[str, object]], person: User) -> str | None:
    profile = person.profile
    for name, facts in conditions.items():
        if all(fact in profile and str(profile[fact]) == str(v) for fact, v in facts.items()):
            return name
    return None


def checked_kinds(
    kinds: Mapping[str, UserKind], people: Sequence[User], seed: int
) -> list[str] | None:
    """Return the kind of each user of a trial, as it is recorded; None without a population.

    A kind that has a share and no user is named in a warning.

    Raises:
        ConfigError: A condition meets nobody, somebody has no kind, or the profiles have a fact of
            the name under which kinds are recorded.
    """
    if not kinds:
        return None
    if any(KIND in person.profile for person in people):
        raise ConfigError(
            f'population: the profiles of the users have a fact "{KIND}", and the record needs '
            "that name for the kinds of a population",
            hint="rename that column of the data",
        )
    found = kinds_of(kinds, people, seed)
    counts = Counter(found)
    for name, kind in kinds.items():
        if counts[name]:
            continue
        if kind.when is not None:
            raise _meets_nobody(name, kind.when, people)
        warnings.warn(
            f'population: none of {len(people):,} users is of kind "{name}", whose share is '
            f"{kind.share:g}",
            ContractWarning,
            stacklevel=2,
        )
    return found


def _meets_nobody(name: str, when: Mapping[str, object], people: Sequence[User]) -> ConfigError:
    """Return the error of a condition that nobody meets, with what there is instead."""
    at = f"population.{name}.when"
    facts = sorted({fact for person in people for fact in person.profile})
    for fact, wanted in when.items():
        values = sorted({str(p.profile[fact]) for p in people if fact in p.profile})
        if not values:
            known = did_you_mean(fact, facts) if facts else "their profiles are empty"
            return ConfigError(
                f'{at}: no user has a fact "{fact}"; {known}',
                hint="name a fact of the profiles, or give the kind a `share`",
            )
        if str(wanted) not in values:
            near = did_you_mean(str(wanted), values)
            return ConfigError(
                f'{at}.{fact}: no user has the value "{wanted}"; {near}',
                hint="name a value of the profiles, or give the kind a `share`",
            )
    return ConfigError(
        f"{at}: no user meets all {len(when)} conditions; an earlier kind may have all who do",
        hint="the first kind whose condition a user meets has her: put this kind first",
    )
