"""What is said of an answer that is not whole, in the record and in a repair question."""

from __future__ import annotations

from collections.abc import Mapping

from starec_sim.answers.tags import THINK
from starec_sim.types import Ending

_NOTES: Mapping[Ending, str] = {
    "length": "it was cut by max_tokens",
    "content_filter": "a content filter of the endpoint ended it",
    "refusal": "it declines to answer",
    "tool_calls": "it calls a tool; there are no tools, and the answer must be text",
    "reasoning": "it holds reasoning and no answer after it",
}


def ending_note(ending: Ending, answer: str) -> str:
    r"""Return how an answer ended, in words; empty if nothing is known of it.

    >>> ending_note("length", "<think>\nWell, A is a")
    'it was cut by max_tokens inside its reasoning'
    """
    if not ending:
        return ""
    inside = f"<{THINK}>" in answer and not answer.rpartition(f"</{THINK}>")[2].strip()
    open_end = answer.rfind(f"<{THINK}>") > answer.rfind(f"</{THINK}>")
    where = " inside its reasoning" if ending == "length" and (inside or open_end) else ""
    return _NOTES[ending] + where
