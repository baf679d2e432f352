"""The checks of each kind of plug-in, in the order in which they are made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple

from starec_sim.boundary import watched_calls
from starec_sim.checks.other_process import Called, same_in_other_process
from starec_sim.checks.target import CheckTarget
from starec_sim.errors import StarecError


class PluginCheck(NamedTuple):
    """One check of a plug-in."""

    name: str
    run: Callable[[CheckTarget], str]
    """Raises a `StarecError` that says what is wrong; returns a note, mostly empty."""


class Result(NamedTuple):
    """What a check found."""

    name: str
    state: str
    """`passed`, `failed`, or `not made` if the fault of an earlier check is in its way."""
    note: str = ""
    """A remark; what is wrong if it failed."""
    hint: str = ""


_CONTRACT = "values fit the contract"
_STATE = "state and restore are complete"
_HANDED_OUT = "what is handed out stays as it was"
_RANDOM = "global random state is left alone"
_PRINTED = "nothing is printed"

_NOTED = {"handed_out": "changed", "global_random": "drew", "nothing_printed": "printed"}
"""Checks that every kind has: what `CallWatch` notes of the calls of the first play."""

_CHECKS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "environment": (
        (_CONTRACT, "contract"),
        ("declarations are true", "declarations"),
        ("the same seed gives the same visits", "same_seed"),
        ("observe and respond are pure", "asked_again"),
        ("the order of visits and threads do not matter", "other_order"),
        (_STATE, "restored"),
        ("a schedule can set slates", "set_slates"),
        ("users may leave and return", "returning_users"),
        (_HANDED_OUT, "handed_out"),
        (_RANDOM, "global_random"),
        ("observations hold no hidden truth", "no_hidden_truth"),
        (_PRINTED, "nothing_printed"),
        ("time and memory of a call", "time_and_memory"),
    ),
    "recommender": (
        (_CONTRACT, "contract"),
        ("the same log and seed give the same", "same_log"),
        ("fit forgets what was learned before", "fitted_again"),
        ("recommend and score change nothing", "asked_again"),
        ("few items and empty logs", "corner_cases"),
        (_STATE, "restored"),
        (_HANDED_OUT, "handed_out"),
        (_RANDOM, "global_random"),
        (_PRINTED, "nothing_printed"),
        ("time and memory of a call", "time_and_memory"),
    ),
    "agent": (
        (_CONTRACT, "contract"),
        ("the same call gives the same visit", "same_call"),
        ("the order of visits does not matter", "other_order"),
        ("answers that nobody can read", "unreadable_answers"),
        (_HANDED_OUT, "handed_out"),
        (_RANDOM, "global_random"),
        (_PRINTED, "nothing_printed"),
        ("time and memory of a visit", "time_and_memory"),
    ),
    "policy": (
        (_CONTRACT, "contract"),
        ("answers can be read", "readable"),
        ("the same question gives the same answer", "same_again"),
        ("many questions at once", "at_once"),
        ("abilities are declared rightly", "abilities"),
        (_HANDED_OUT, "handed_out"),
        (_RANDOM, "global_random"),
        (_PRINTED, "nothing_printed"),
        ("memory of an answer", "memory"),
    ),
    "dataset": (
        (_CONTRACT, "contract"),
        ("loading again gives the same", "same_again"),
        ("true ratings are pure", "true_ratings"),
        (_RANDOM, "global_random"),
        (_PRINTED, "nothing_printed"),
        ("time of loading", "time_of_loading"),
    ),
    "reward": (
        (_CONTRACT, "contract"),
        ("the same outcome gives the same reward", "same_again"),
        ("outcomes differ in reward", "not_constant"),
        (_HANDED_OUT, "handed_out"),
        (_RANDOM, "global_random"),
        (_PRINTED, "nothing_printed"),
        ("memory of a reward", "memory"),
    ),
}
"""Names and functions of the checks, by the singular of the kind. The functions are in the module
of that name, or in `_NOTED`."""


def checks_of(kind: str) -> tuple[PluginCheck, ...]:
    """Return the checks of a kind. The modules of other kinds are not imported, which takes long.

    >>> checks_of("reward")[0].name
    'values fit the contract'
    """
    module = import_module(f"starec_sim.checks.{kind}")
    checks = [PluginCheck(name, _function(module, function)) for name, function in _CHECKS[kind]]
    elsewhere = partial(same_in_other_process, called=caller_of(kind))
    return (*checks, PluginCheck("the same in another process", elsewhere))


def _function(module: ModuleType, name: str) -> Callable[[CheckTarget], str]:
    """Return the function of a check: that of the kind, or else what every kind has."""
    own: Callable[[CheckTarget], str] | None = getattr(module, name, None)
    return own or partial(_nothing_noted, first_play=module.first_play, note=_NOTED[name])


def _nothing_noted(
    target: CheckTarget, *, first_play: Callable[[CheckTarget], Any], note: str
) -> str:
    """Raise the error that was noted of the first call with a fault, if any."""
    if error := getattr(first_play(target).watch, note):
        raise error
    return ""


def caller_of(kind: str) -> Called:
    """Return the function that calls a plug-in of a kind and writes down what it returns."""
    called: Called = import_module(f"starec_sim.checks.{kind}").called
    return called


def result_of(check: PluginCheck, target: CheckTarget) -> Result:
    """Make one check of a plug-in, and return what it found."""
    told: set[str] = target.keep("told", set)
    try:
        with watched_calls():  # a call that does not return is named
            return Result(check.name, "passed", check.run(target))
    except StarecError as error:
        if error.message in told:
            return Result(check.name, "not made", "the fault above is in its way")
        told.add(error.message)
        return Result(check.name, "failed", error.message, error.hint)


def run_checks(target: CheckTarget) -> Iterator[Result]:
    """Make all checks of a plug-in, and yield what each of them found."""
    return (result_of(check, target) for check in checks_of(target.kind))
