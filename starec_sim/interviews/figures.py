"""What the answers to a question amount to: means and shares, with 95 % intervals over users."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from starec_sim.errors import RunError, did_you_mean
from starec_sim.interviews.questions import InterviewQuestion, QuestionType
from starec_sim.interviews.saved import Interview, InterviewAnswer
from starec_sim.metrics import Interval, bootstrap_interval
from starec_sim.traces.traits import trait_labels
from starec_sim.types import User

_LEVEL = 0.95
_NONE = "unknown"
"""The group of those whose profile does not have the trait."""


@dataclass(frozen=True, slots=True)
class AnswerFigure:
    """A figure of one question, in one group of users."""

    question: str
    type: QuestionType
    arm: str
    group: str
    """The value of the trait; empty for all users."""
    of: str
    """`mean`, or the option whose share it is."""
    interval: Interval
    """Of the mean by bootstrap, of a share by Wilson (1927). `n` counts the answers that could be
    read."""
    unread: int
    """Users without an answer that could be read."""


def answer_figures(interview: Interview, by: str | None = None) -> list[AnswerFigure]:
    """Return the figures of each question, arm and group; a question for a text has none.

    Args:
        interview: The answers.
        by: A trait of the users' profiles; None, or `arm`, makes one group of each arm.

    Raises:
        RunError: No user who was asked has that trait.
    """
    groups = _groups(interview, by)
    arms = dict.fromkeys(answer.arm for answer in interview.answers)
    names = sorted(set(groups.values()), key=_order)
    figures: list[AnswerFigure] = []
    for question in interview.questions:
        if question.type == "text":
            continue
        for arm in arms:
            for group in names:
                answers = [
                    answer
                    for answer in interview.answers
                    if (answer.question, answer.arm) == (question.label, arm)
                    and groups.get(answer.user) == group
                ]
                if answers:
                    figures += _figures(question, arm, group, answers)
    return figures


def check_trait(by: str | None, profiles: Iterable[Mapping[str, str]]) -> None:
    """Check that users can be grouped by a trait.

    Raises:
        RunError: No profile has that trait.
    """
    traits = {trait for profile in profiles for trait in profile}
    if by not in (None, "arm", *traits):
        raise RunError(
            f'the users have no "{by}"; {did_you_mean(str(by), {*traits, "arm"})}',
            hint="pass one of those to --by",
        )


def _groups(interview: Interview, by: str | None) -> dict[str, str]:
    """Return the group of each user."""
    if by is None or by == "arm":
        return dict.fromkeys(interview.profiles, "")
    check_trait(by, interview.profiles.values())
    users = {
        row: User(name, interview.profiles[name]) for row, name in enumerate(interview.profiles)
    }
    labels = trait_labels(users, by)
    return {user.id: labels.get(row, _NONE) for row, user in users.items()}


def _figures(
    question: InterviewQuestion, arm: str, group: str, answers: list[InterviewAnswer]
) -> list[AnswerFigure]:
    values = [answer.value for answer in answers if answer.value is not None]
    unread = len(answers) - len(values)

    def figure(of: str, interval: Interval) -> AnswerFigure:
        return AnswerFigure(question.label, question.type, arm, group, of, interval, unread)

    if question.choice is not None:
        return [figure(each, _share(values.count(each), len(values))) for each in question.choice]
    if question.yes_no:
        return [figure("yes", _share(values.count(True), len(values)))]
    numbers = np.array([float(value) for value in values], dtype=np.float64)
    return [figure("mean", bootstrap_interval(numbers, level=_LEVEL, seed=0))]


def _share(count: int, n: int) -> Interval:
    """Return a share with its Wilson interval, which is sound for few users and for 0 and 1."""
    if n == 0:
        return Interval(float("nan"), float("nan"), float("nan"), 0)
    z = NormalDist().inv_cdf((1 + _LEVEL) / 2)
    share, wide = count / n, 1 + z**2 / n
    middle = (share + z**2 / (2 * n)) / wide
    half = z / wide * math.sqrt(share * (1 - share) / n + (z / (2 * n)) ** 2)
    low = 0.0 if count == 0 else middle - half  # not a little more or less by rounding
    high = 1.0 if count == n else middle + half
    return Interval(share, low, high, n)


def _order(group: str) -> tuple[bool, float, str]:
    """Sort groups by the number that they begin with, those without one by name."""
    try:
        return False, float(group.split(" ")[0]), group
    except ValueError:
        return True, 0.0, group
