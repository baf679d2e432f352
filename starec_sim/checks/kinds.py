"""The checks of each kind of plug-in, in the order in which they are made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import NamedTuple

from starec_sim.checks import environment, recommender
from starec_sim.checks.other_process import Called, same_in_other_process
from starec_sim.checks.target import Target
from starec_sim.errors import StarecError


class Check(NamedTuple):
    """One check of a plug-in."""

    name: str
    run: Callable[[Target], str]
    """Raises a `StarecError` that says what is wrong; returns a note, mostly empty."""


class Result(NamedTuple):
    """What a check found."""

    name: str
    state: str
    """`passed`, `failed`, or `not made` if the fault of an earlier check is in its way."""
    note: str = ""
    """A remark; what is wrong if it failed."""
    hint: str = ""


CALLED: Mapping[str, Called] = {
    "environment": environment.called,
    "recommender": recommender.called,
}


def _in_other_process(kind: str) -> Check:
    return Check(
        "the same in another process",
        partial(same_in_other_process, called=CALLED[kind]),
    )


CHECKS: Mapping[str, tuple[Check, ...]] = {
    "environment": (
        Check("values fit the contract", environment.contract),
        Check("declarations are true", environment.declarations),
        Check("the same seed gives the same visits", environment.same_seed),
        Check("observe and respond are pure", environment.asked_again),
        Check("the order of visits and threads do not matter", environment.other_order),
        Check("state and restore are complete", environment.restored),
        Check("users may leave and return", environment.returning_users),
        Check("what is handed out stays as it was", environment.handed_out),
        Check("global random state is left alone", environment.global_random),
        Check("observations hold no hidden truth", environment.no_hidden_truth),
        Check("nothing is printed", environment.nothing_printed),
        Check("time and memory of a call", environment.time_and_memory),
        _in_other_process("environment"),
    ),
    "recommender": (
        Check("values fit the contract", recommender.contract),
        Check("the same log and seed give the same", recommender.same_log),
        Check("fit forgets what was learned before", recommender.fitted_again),
        Check("recommend and score change nothing", recommender.asked_again),
        Check("few items and empty logs", recommender.corner_cases),
        Check("state and restore are complete", recommender.restored),
        Check("what is handed out stays as it was", recommender.handed_out),
        Check("global random state is left alone", recommender.global_random),
        Check("nothing is printed", recommender.nothing_printed),
        Check("time and memory of a call", recommender.time_and_memory),
        _in_other_process("recommender"),
    ),
}
"""By the singular of the kind."""


def result_of(check: Check, target: Target) -> Result:
    """Make one check of a plug-in, and return what it found."""
    told: set[str] = target.keep("told", set)
    try:
        return Result(check.name, "passed", check.run(target))
    except StarecError as error:
        if error.message in told:
            return Result(check.name, "not made", "the fault above is in its way")
        told.add(error.message)
        return Result(check.name, "failed", error.message, error.hint)


def run_checks(target: Target) -> Iterator[Result]:
    """Make all checks of a plug-in, and yield what each of them found."""
    return (result_of(check, target) for check in CHECKS[target.kind])
