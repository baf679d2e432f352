"""The checks of each kind of plug-in, in the order in which they are made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import NamedTuple

from starec_sim.checks import agent, dataset, environment, policy, recommender, reward
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


CALLED: Mapping[str, Called] = {
    "environment": environment.called,
    "recommender": recommender.called,
    "agent": agent.called,
    "policy": policy.called,
    "dataset": dataset.called,
    "reward": reward.called,
}


def _in_other_process(kind: str) -> PluginCheck:
    return PluginCheck(
        "the same in another process", partial(same_in_other_process, called=CALLED[kind])
    )


_CONTRACT = "values fit the contract"
_STATE = "state and restore are complete"
_HANDED_OUT = "what is handed out stays as it was"
_RANDOM = "global random state is left alone"
_PRINTED = "nothing is printed"

CHECKS: Mapping[str, tuple[PluginCheck, ...]] = {
    "environment": (
        PluginCheck(_CONTRACT, environment.contract),
        PluginCheck("declarations are true", environment.declarations),
        PluginCheck("the same seed gives the same visits", environment.same_seed),
        PluginCheck("observe and respond are pure", environment.asked_again),
        PluginCheck("the order of visits and threads do not matter", environment.other_order),
        PluginCheck(_STATE, environment.restored),
        PluginCheck("users may leave and return", environment.returning_users),
        PluginCheck(_HANDED_OUT, environment.handed_out),
        PluginCheck(_RANDOM, environment.global_random),
        PluginCheck("observations hold no hidden truth", environment.no_hidden_truth),
        PluginCheck(_PRINTED, environment.nothing_printed),
        PluginCheck("time and memory of a call", environment.time_and_memory),
        _in_other_process("environment"),
    ),
    "recommender": (
        PluginCheck(_CONTRACT, recommender.contract),
        PluginCheck("the same log and seed give the same", recommender.same_log),
        PluginCheck("fit forgets what was learned before", recommender.fitted_again),
        PluginCheck("recommend and score change nothing", recommender.asked_again),
        PluginCheck("few items and empty logs", recommender.corner_cases),
        PluginCheck(_STATE, recommender.restored),
        PluginCheck(_HANDED_OUT, recommender.handed_out),
        PluginCheck(_RANDOM, recommender.global_random),
        PluginCheck(_PRINTED, recommender.nothing_printed),
        PluginCheck("time and memory of a call", recommender.time_and_memory),
        _in_other_process("recommender"),
    ),
    "agent": (
        PluginCheck(_CONTRACT, agent.contract),
        PluginCheck("the same call gives the same visit", agent.same_call),
        PluginCheck("the order of visits does not matter", agent.other_order),
        PluginCheck("answers that nobody can read", agent.unreadable_answers),
        PluginCheck(_HANDED_OUT, agent.handed_out),
        PluginCheck(_RANDOM, agent.global_random),
        PluginCheck(_PRINTED, agent.nothing_printed),
        PluginCheck("time of a visit", agent.time_of_a_visit),
        _in_other_process("agent"),
    ),
    "policy": (
        PluginCheck(_CONTRACT, policy.contract),
        PluginCheck("answers can be read", policy.readable),
        PluginCheck("the same question gives the same answer", policy.same_again),
        PluginCheck("many questions at once", policy.at_once),
        PluginCheck("abilities are declared rightly", policy.abilities),
        PluginCheck(_HANDED_OUT, policy.handed_out),
        PluginCheck(_RANDOM, policy.global_random),
        PluginCheck(_PRINTED, policy.nothing_printed),
        _in_other_process("policy"),
    ),
    "dataset": (
        PluginCheck(_CONTRACT, dataset.contract),
        PluginCheck("loading again gives the same", dataset.same_again),
        PluginCheck("true ratings are pure", dataset.true_ratings),
        PluginCheck(_RANDOM, dataset.global_random),
        PluginCheck(_PRINTED, dataset.nothing_printed),
        PluginCheck("time of loading", dataset.time_of_loading),
        _in_other_process("dataset"),
    ),
    "reward": (
        PluginCheck(_CONTRACT, reward.contract),
        PluginCheck("the same outcome gives the same reward", reward.same_again),
        PluginCheck("outcomes differ in reward", reward.not_constant),
        PluginCheck(_HANDED_OUT, reward.handed_out),
        PluginCheck(_RANDOM, reward.global_random),
        PluginCheck(_PRINTED, reward.nothing_printed),
        _in_other_process("reward"),
    ),
}
"""By the singular of the kind."""


def result_of(check: PluginCheck, target: CheckTarget) -> Result:
    """Make one check of a plug-in, and return what it found."""
    told: set[str] = target.keep("told", set)
    try:
        return Result(check.name, "passed", check.run(target))
    except StarecError as error:
        if error.message in told:
            return Result(check.name, "not made", "the fault above is in its way")
        told.add(error.message)
        return Result(check.name, "failed", error.message, error.hint)


def run_checks(target: CheckTarget) -> Iterator[Result]:
    """Make all checks of a plug-in, and yield what each of them found."""
    return (result_of(check, target) for check in CHECKS[target.kind])
