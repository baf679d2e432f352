"""The tags of prompts and answers: their names, how they are written, how they are found.

A prompt puts its data into sections, and an answer has parts. Both are written as
`<name>content</name>`. Shipped weights have learned these names, so they never change.
"""

from __future__ import annotations

import re

# Parts of an answer.
THINK = "think"
"""The reasoning. It stands first."""
RANKING = "ranking"
"""All labels, best first, separated by `>`."""
ACTIONS = "actions"
"""One line for each label: `A: skip`, `A: watch` or `A: watch 4`."""
NEXT = "next"
"""`stay` or `leave`."""
PREFERENCES = "preferences"
"""The preference summary: a section of most prompts, and what a reflection writes."""
DESCRIPTION = "description"
"""What is written about an item: a section of a prompt, and what its answer rewrites."""

# Sections of a prompt.
CONTEXT = "context"
"""What else the user knows at this moment. It stands first, if there is any."""
PROFILE = "profile"
HISTORY = "history"
"""Experiences, oldest first, one on each line."""
CANDIDATES = "candidates"
"""The cards that are to be ranked, each behind its label."""
PAGE = "page"
"""The cards of one page of a feed, each behind its label. The tag has the attribute `number`."""
ITEM = "item"
"""The cards that a reflection is about, each behind its label."""
PREDICTION = "prediction"
"""What was predicted of each item of a reflection."""
FEEDBACK = "feedback"
"""How each item of a reflection turned out."""
OUTCOME = "outcome"
"""Whether a choice was foreseen."""

ANSWER = "answer"
"""What a user answers in an interview; no part of the answers of agents."""

PARTS = (THINK, RANKING, ACTIONS, NEXT, PREFERENCES, DESCRIPTION)
"""All parts that an answer may have."""
SECTIONS = (
    *(CONTEXT, PROFILE, PREFERENCES, HISTORY, CANDIDATES, PAGE),
    *(ITEM, PREDICTION, FEEDBACK, DESCRIPTION, OUTCOME),
)
"""All sections that a prompt may have."""

_THOUGHT = re.compile(f"<{THINK}>(.*?)</{THINK}>", re.DOTALL)
_OPENING = re.compile(rf"<({'|'.join(SECTIONS)})\b[^>]*>\n")


def tagged(tag: str, content: str) -> str:
    """Return a part on one line.

    >>> tagged("next", "stay")
    '<next>stay</next>'
    """
    return f"<{tag}>{content}</{tag}>"


def block(tag: str, content: str) -> str:
    r"""Return a part whose content stands on lines of its own.

    >>> block("think", "A. Drama: liked")
    '<think>\nA. Drama: liked\n</think>'
    """
    return f"<{tag}>\n{content}\n</{tag}>"


def sections(prompt: str) -> dict[str, str]:
    r"""Return the content of each section of a prompt; of one that occurs twice, the first.

    >>> sections("<profile>\nage: 40\n</profile>\n<page number=\"2\">\nA. x\n</page>\nAct.")
    {'profile': 'age: 40', 'page': 'A. x'}
    """
    contents: dict[str, str] = {}
    at = 0
    while opening := _OPENING.search(prompt, at):
        tag, start = opening[1], opening.end()
        end = prompt.find(f"\n</{tag}>", start)
        if end >= 0:
            contents.setdefault(tag, prompt[start:end])
        at = max(start, end)
    return contents


def thought(answer: str) -> str:
    r"""Return the reasoning of an answer, without empty lines around it; empty if there is none.

    >>> thought("<think>\nA. Drama: liked\n</think>\n<ranking>A</ranking>")
    'A. Drama: liked'
    """
    match = _THOUGHT.search(answer)
    return match[1].strip("\n") if match else ""


def with_reasoning(reasoning: str, answer: str) -> str:
    r"""Return an answer behind its reasoning, which some endpoints return apart from it.

    >>> with_reasoning("A. Drama: liked", "<ranking>A</ranking>")
    '<think>\nA. Drama: liked\n</think>\n<ranking>A</ranking>'
    """
    if f"</{THINK}>" in answer:
        return answer
    return f"{block(THINK, reasoning.strip())}\n{answer}"


def part(answer: str, tag: str) -> str | None:
    """Return the content of a part that follows the reasoning.

    Args:
        answer: The whole answer.
        tag: The name of the part.

    Returns:
        The content without space around it; None unless the part occurs exactly once.

    >>> part("<think><next>stay</next></think><next>leave</next>", "next")
    'leave'
    """
    # Reasoning ends at the last `</think>`: a model may quote the form of the answer inside it.
    # Reasoning that never ends (an answer cut short) holds no answer.
    after = answer.rpartition(f"</{THINK}>")[2].partition(f"<{THINK}>")[0]
    opening, closing = f"<{tag}>", f"</{tag}>"
    if after.count(opening) != 1 or after.count(closing) != 1:
        return None
    content, closed, _ = after.partition(opening)[2].partition(closing)
    return content.strip() if closed else None
