"""Answers of a recorded run: no model is asked, and a call that was not recorded is an error."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any, Protocol

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.outputs import ChatResult

from starec_sim.errors import PausedError
from starec_sim.types import CallKey, Messages, Turn

_MAX_LINES = 24
_MAX_LINE = 100
"""Of a difference: lines, and characters of each."""


class RecordedTurns(Protocol):
    """The turns of one recorded trial."""

    name: str
    """Its name in error messages."""

    def answer(self, key: CallKey, messages: Messages) -> Turn | None:
        """Return the turn that was recorded under a key, if it answers these messages."""
        ...

    def nearest(self, key: CallKey) -> tuple[CallKey, Turn] | None:
        """Return the recorded turn of the same user and node that comes nearest to a key."""
        ...


class NoModel(BaseChatModel):
    """The model of a policy in a replay, where none is asked and so none is built."""

    structured: Any = None
    """As the recorded model had it: the form of the questions depends on it."""

    @property
    def _llm_type(self) -> str:
        return "none"

    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        raise NotImplementedError("in a replay no model is asked")


def replayed_turn(recording: RecordedTurns, key: CallKey, messages: Messages) -> Turn:
    """Return the recorded answer to a question.

    Raises:
        PausedError: The recording does not hold this question; shows how it differs from the
            nearest one that it does hold.
    """
    turn = recording.answer(key, messages)
    if turn is not None:
        return turn.replayed()
    near = recording.nearest(key)
    same_key = near is not None and near[0] == key
    problem = (
        f"the prompt at {key} is not the one that was recorded in {recording.name}"
        if same_key
        else f"{recording.name} holds no call at {key}"
    )
    if near is None:
        difference = "nothing of this user and node was recorded there"
    else:
        near_key, turn = near
        header = "recorded, then asked now" if same_key else f"nearest recorded prompt: {near_key}"
        difference = f"{header}\n{_difference(turn.messages, messages)}"
    raise PausedError(
        f"{problem}\n{difference}",
        hint="replay with the code, prompts and data of the recording, or start a run of its own "
        "without gateway.replay",
        reason="replay",
    )


def _difference(recorded: Messages, asked: Messages) -> str:
    """Return a short unified difference of two questions."""
    lines = difflib.unified_diff(
        list(_lines(recorded)), list(_lines(asked)), "recorded", "asked", lineterm="", n=1
    )
    shown = [line if len(line) <= _MAX_LINE else f"{line[: _MAX_LINE - 1]}…" for line in lines]
    if len(shown) > _MAX_LINES:
        shown = [*shown[:_MAX_LINES], f"… {len(shown) - _MAX_LINES} more lines"]
    return "\n".join(shown) or "(the texts are equal)"


def _lines(messages: Messages) -> Iterator[str]:
    for role, text in messages:
        yield f"[{role}]"
        yield from text.splitlines()
