"""Reading the texts that slow thinking writes: a preference summary, the description of an item."""

from __future__ import annotations

import re

from starec_sim.answers.findings import MAX_ANSWER, Findings
from starec_sim.answers.parts import Form, parts_of
from starec_sim.answers.tags import PREFERENCES

CHARACTERS_A_WORD = 40
"""Characters that a text may have for each word of its limit: bounds scripts that put no spaces
between words, and endless words."""

_WORD = re.compile(r"\S+")


def read_summary(
    answer: str, limit: int, form: Form = "tags", part: str = PREFERENCES
) -> tuple[str | None, Findings]:
    """Read a text of at most `limit` words, and at most 40 characters for each of these.

    Args:
        answer: The text of the policy.
        limit: Words that are kept.
        form: The form that was asked for.
        part: The part of the answer that holds the text.

    Returns:
        The text, cut to the limit when it is longer, and what is wrong with the answer. The text is
        None when the answer holds none.
    """
    findings, called = Findings(), "summary" if part == PREFERENCES else part
    parts = parts_of(answer[:MAX_ANSWER], form)
    content = parts.text(part)
    if not content:
        findings.add("unparsed", 1, parts.expected(part))
        return None, findings
    ends = [match.end() for match in _WORD.finditer(content)]
    if len(ends) > limit:
        findings.add("overlong", 1, f"the {called} has {len(ends)} words, not at most {limit}")
        content = content[: ends[limit - 1]]
    most = limit * CHARACTERS_A_WORD
    if len(content) > most:
        findings.add("overlong", 1, f"the {called} is longer than {most} characters")
        content = content[:most].rstrip()
    return content, findings
