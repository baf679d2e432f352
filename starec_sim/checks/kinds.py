"""The checks of each kind of plug-in, in the order in which they are made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import NamedTuple

from starec_sim.checks import agent, dataset, environment, policy, recommender, reward
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
    "agent": agent.called,
    "policy": policy.called,
    "dataset": dataset.called,
    "reward": reward.called,
}


def _in_other_process(kind: str) -> Check:
    return Check("the same in another process", partial(same_in_other_process, called=CALLED[kind]))


_CONTRACT = "values fit the contract"
_STATE = "state and restore are complete"
_HANDED_OUT = "what is handed out stays as it was"
_RANDOM = "global random state is left alone"
_PRINTED = "nothing is printed"

CHECKS: Mapping[str, tuple[Check, ...]] = {
    "environment": (
        Check(_CONTRACT, environment.contract),
        Check("declarations are true", environment.declarations),
        Check("the same seed gives the same visits", environment.same_seed),
        Check("observe and respond are pure", environment.asked_again),
        Check("the order of visits and threads do not matter", environment.other_order),
        Check(_STATE, environment.restored),
        Check("users may leave and return", environment.returning_users),
        Check(_HANDED_OUT, environment.handed_out),
        Check(_RANDOM, environment.global_random),
        Check("observations hold no hidden truth", environment.no_hidden_truth),
        Check(_PRINTED, environment.nothing_printed),
        Check("time and memory of a call", environment.time_and_memory),
        _in_other_process("environment"),
    ),
    "recommender": (
        Check(_CONTRACT, recommender.contract),
        Check("the same log and seed give the same", recommender.same_log),
        Check("fit forgets what was learned before", recommender.fitted_again),
        Check("recommend and score change nothing", recommender.asked_again),
        Check("few items and empty logs", recommender.corner_cases),
        Check(_STATE, recommender.restored),
        Check(_HANDED_OUT, recommender.handed_out),
        Check(_RANDOM, recommender.global_random),
        Check(_PRINTED, recommender.nothing_printed),
        Check("time and memory of a call", recommender.time_and_memory),
        _in_other_process("recommender"),
    ),
    "agent": (
        Check(_CONTRACT, agent.contract),
        Check("the same call gives the same visit", agent.same_call),
        Check("the order of visits does not matter", agent.other_order),
        Check("answers that nobody can read", agent.unreadable_answers),
        Check(_HANDED_OUT, agent.handed_out),
        Check(_RANDOM, agent.global_random),
        Check(_PRINTED, agent.nothing_printed),
        Check("time of a visit", agent.time_of_a_visit),
        _in_other_process("agent"),
    ),
    "policy": (
        Check(_CONTRACT, policy.contract),
        Check("answers can be read", policy.readable),
        Check("the same question gives the same answer", policy.same_again),
        Check("many questions at once", policy.at_once),
        Check("abilities are declared rightly", policy.abilities),
        Check(_HANDED_OUT, policy.handed_out),
        Check(_RANDOM, policy.global_random),
        Check(_PRINTED, policy.nothing_printed),
        _in_other_process("policy"),
    ),
    "dataset": (
        Check(_CONTRACT, dataset.contract),
        Check("loading again gives the same", dataset.same_again),
        Check("true ratings are pure", dataset.true_ratings),
        Check(_RANDOM, dataset.global_random),
        Check(_PRINTED, dataset.nothing_printed),
        Check("time of loading", dataset.time_of_loading),
        _in_other_process("dataset"),
    ),
    "reward": (
        Check(_CONTRACT, reward.contract),
        Check("the same outcome gives the same reward", reward.same_again),
        Check("outcomes differ in reward", reward.not_constant),
        Check(_HANDED_OUT, reward.handed_out),
        Check(_RANDOM, reward.global_random),
        Check(_PRINTED, reward.nothing_printed),
        _in_other_process("reward"),
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
