"""Checks of a policy. Each function raises what is wrong, or returns a remark."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from starec_sim.answers import labelled, read_decision, read_summary
from starec_sim.boundary import PluginBoundary
from starec_sim.boundary.handed_out import shortened
from starec_sim.checks.target import CallPlace, CallWatch, CheckTarget, Journal, compare
from starec_sim.errors import ContractError, StarecError
from starec_sim.executors.event_loop import run_coroutine
from starec_sim.policies.abilities import (
    Abilities,
    Bounded,
    Closeable,
    DeclaresCost,
    Openable,
    Seeded,
)
from starec_sim.tasks import FEED, RANKING
from starec_sim.types import ExpectedAnswer, Messages, Observation

_CARDS = ('"Red" | genre: Crime', '"Green" | genre: Poetry', '"Blue" | genre: Travel')
_HISTORY = '<history>\n5 stars: "Old" | genre: Poetry\n2 stars: "Older" | genre: Crime\n</history>'
_SEED = 11
_REPEATABLE = (
    "answer from the messages, the settings and `seed=` only: np.random.default_rng(seed); keep "
    "nothing between calls"
)


def _question(what: str, form: str, shown: str) -> Messages:
    system = f"You are a reader. {what} Answer in exactly this form:\n{form}"
    return (("system", system), ("user", f"<preferences>\nnothing yet\n</preferences>\n{shown}"))


QUESTIONS: dict[str, Messages] = {
    "ranking": _question(
        "Rank all candidates.",
        '<ranking>all labels, best first, separated by " > "</ranking>',
        f"{_HISTORY}\n<candidates>\n{labelled(_CARDS)}\n</candidates>",
    ),
    "feed": _question(
        "Watch or skip each item, and stay or leave.",
        '<actions>\none line for each label, either "A: skip" or "A: watch 4"\n</actions>\n'
        "<next>stay or leave</next>",
        f'{_HISTORY}\n<page number="1">\n{labelled(_CARDS)}\n</page>',
    ),
    "reflection": _question(
        "Write down what you like, in at most 60 words.",
        "<preferences>\nyour new preferences\n</preferences>",
        '<item>\nA. "Red" | genre: Crime\n</item>\n<prediction>\nA. watched, 4 stars\n'
        "</prediction>\n<feedback>\nA. liked, 5 stars\n</feedback>",
    ),
}
"""A question of each kind, in the form of `starec_sim.answers`."""
EXPECTED = {
    "ranking": ExpectedAnswer("tags", ("ranking",), len(_CARDS), RANKING),
    "feed": ExpectedAnswer("tags", ("actions", "next"), len(_CARDS), FEED),
    "reflection": ExpectedAnswer("tags", ("preferences",), words=60),
}
"""What each answer has to hold, for policies that can be held to it."""


class PolicyPlay:
    """One policy that was asked every question; its answers are written down."""

    def __init__(self, target: CheckTarget) -> None:
        # It takes a second to import, which checks of other kinds need not wait for.
        from langchain_core.language_models.chat_models import BaseChatModel

        self.plugin = target.new()
        if not isinstance(self.plugin, BaseChatModel):
            raise ContractError(
                f"{target.kind} {type(self.plugin).__name__}: is no chat model",
                hint="subclass BaseChatModel of langchain_core, or TextPolicy of "
                "starec_sim.policies.text_policy",
            )
        self.target = target
        self.watch = CallWatch(target, self.plugin)
        self.journal: Journal = {}
        self.options: dict[str, Any] = {}
        self.held = Abilities(self.plugin).takes_expected
        if isinstance(self.plugin, Seeded) and self.plugin.seeded:
            self.options["seed"] = _SEED

    def ask_all(self, order: Sequence[str] = tuple(QUESTIONS)) -> PolicyPlay:
        """Ask the questions one after another, and return this play."""

        async def asked() -> None:
            if isinstance(self.plugin, Openable):
                await self.plugin.aopen()
            for what in order:
                self.note(what, await self.answer(what))
            if isinstance(self.plugin, Closeable):
                await self.plugin.aclose()

        handed = QUESTIONS
        self.watch.call(CallPlace("_agenerate", ""), lambda: run_coroutine(asked()), handed=handed)
        return self

    async def answer(self, what: str) -> str:
        """Return the answer to a question.

        Raises:
            PluginError: The policy raised an exception.
        """
        try:
            held = {"expected": EXPECTED[what]} if self.held else {}
            message = await self.plugin.ainvoke(list(QUESTIONS[what]), **self.options, **held)
        except StarecError:
            raise
        except Exception as error:
            boundary = PluginBoundary(self.target.kind, self.plugin)
            raise boundary.failure(error, "_agenerate", f"a {what}") from error
        if not isinstance(message.content, str) or not message.content.strip():
            raise self.watch.fault(
                CallPlace("_agenerate", f"a {what}"),
                f"answered {message.content!r}; an answer is a text that is not empty",
                "return ChatResult(generations=[ChatGeneration(message=AIMessage(text))])",
            )
        return message.content

    def note(self, what: str, answer: str) -> None:
        """Write an answer down."""
        self.journal[CallPlace("_agenerate", f"a {what}")] = answer


def first_play(target: CheckTarget) -> PolicyPlay:
    """Return a policy with its answers, which several checks look at."""
    return target.keep("play", lambda: PolicyPlay(target).ask_all())


def contract(target: CheckTarget) -> str:
    """Ask for a ranking, for actions and for a summary: each answer is text."""
    first_play(target)
    return f"{len(QUESTIONS)} questions"


def readable(target: CheckTarget) -> str:
    """Read the answers strictly, as agents do.

    A policy that is not made for one of the questions answers it without a letter or a digit.
    """
    play = first_play(target)
    answers = {what: play.journal[CallPlace("_agenerate", f"a {what}")] for what in QUESTIONS}
    silent = [what for what, text in answers.items() if not any(map(str.isalnum, text))]
    for what, text in answers.items():
        problem = _problem(what, text)
        if problem and (what not in silent or len(silent) == len(answers)):
            raise play.watch.fault(
                CallPlace("_agenerate", f"a {what}"),
                f"gave an answer that cannot be read: {problem}. It is {shortened(repr(text))}",
                "answer in the form that the system message asks for; a policy without a model "
                "subclasses TextPolicy and gets the parts of the prompt; one that is not made for "
                f'a {what} answers "-"',
            )
    return "; ".join(f"{what} not played: it says nothing" for what in silent)


def _problem(what: str, text: str) -> str:
    """Return what is wrong with the answer to a question; empty if nothing is."""
    if what == "reflection":
        return str(read_summary(text, 60)[1])
    task = RANKING if what == "ranking" else FEED
    return str(read_decision(text, Observation(task, (0, 1, 2), _CARDS))[1])


def same_again(target: CheckTarget) -> str:
    """Ask a new one the same, in the other order, with the same seeds."""
    expected = first_play(target).journal
    again = PolicyPlay(target).ask_all(tuple(QUESTIONS)[::-1])
    if _may_differ(again) and again.journal != expected:
        return "it samples, and answers differ: runs cannot be repeated without its record"
    how = "asked again with the same seed" if again.options else "asked again"
    compare(target, again.plugin, expected, again.journal, how, _REPEATABLE)
    return ""


def _may_differ(play: PolicyPlay) -> bool:
    """Return whether a policy makes no promise that equal questions get equal answers."""
    computes = isinstance(play.plugin, DeclaresCost) and play.plugin.costs_nothing
    greedy = getattr(play.plugin, "temperature", None) == 0
    return not (play.options or computes or greedy)


def at_once(target: CheckTarget) -> str:
    """Ask all questions several times at once."""
    play = first_play(target)
    if _may_differ(play):
        return "left out: it samples without a seed"
    other = PolicyPlay(target)

    async def together() -> None:
        if isinstance(other.plugin, Openable):
            await other.plugin.aopen()
        questions = tuple(QUESTIONS) * 3
        answers = await asyncio.gather(*map(other.answer, questions))
        for what, answer in zip(questions, answers, strict=True):
            if other.journal.setdefault(CallPlace("_agenerate", f"a {what}"), answer) != answer:
                other.note(what, answer)
                break
        if isinstance(other.plugin, Closeable):
            await other.plugin.aclose()

    run_coroutine(together())
    compare(target, other.plugin, play.journal, other.journal, "asked many at once", _REPEATABLE)
    return ""


def abilities(target: CheckTarget) -> str:
    """Check what it declares about itself."""
    play = first_play(target)
    if isinstance(play.plugin, Bounded):
        limit = play.plugin.max_in_flight
        if not isinstance(limit, int) or limit < 1:
            raise play.watch.fault(
                CallPlace("max_in_flight", ""),
                f"is {limit!r}; it must be a whole number from 1",
                "it is the most calls in flight at once",
            )
    if isinstance(play.plugin, DeclaresCost) and not isinstance(play.plugin.costs_nothing, bool):
        raise play.watch.fault(
            CallPlace("costs_nothing", ""),
            f"is {play.plugin.costs_nothing!r}; it must be True or False",
            "write costs_nothing: ClassVar[bool] = True",
        )
    return ", ".join((*sorted(play.options), *(["expected"] if play.held else [])))


def memory(target: CheckTarget) -> str:
    """Answers leave no megabytes."""
    play = first_play(target)
    play.watch.check_memory(
        CallPlace("_agenerate", ""),
        play.ask_all,
        f"{len(QUESTIONS)} questions that were asked before",
        "keep nothing of a question in self or in the module, or only the latest",
    )
    return ""


def called(target: CheckTarget) -> tuple[Any, Journal]:
    """Return a policy and its answers, which another process must return too."""
    play = first_play(target)
    return play.plugin, {} if _may_differ(play) else play.journal
