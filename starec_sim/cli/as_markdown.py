"""Write tables and texts as Markdown, for notes and tickets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from starec_sim.visible_text import visible, visible_line

_MARKS = re.compile(r"([\\`*_\[\]<>|#])")


def markdown_text(text: object) -> str:
    r"""Return text on one line, in which nothing is taken as Markdown or HTML.

    >>> markdown_text("a *b*\n<i>")
    'a \\*b\\* \\<i\\>'
    """
    return _MARKS.sub(r"\\\1", " ".join(visible(str(text)).split()))


def markdown_code(text: str) -> str:
    """Return text as code within a line.

    >>> markdown_code("starec why a")
    '`starec why a`'
    """
    mark = "``" if "`" in text else "`"
    return f"{mark}{visible_line(text)}{mark}"


def markdown_table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    r"""Return a table.

    >>> print(markdown_table(["a", "b"], [[1, "x|y"]]))
    | a | b |
    |---|---|
    | 1 | x\|y |
    """
    lines = [_row(heads), "|" + "---|" * len(heads)]
    lines += [_row(["" if value is None else value for value in row]) for row in rows]
    return "\n".join(lines)


def _row(values: Sequence[object]) -> str:
    return "| " + " | ".join(map(markdown_text, values)) + " |"
