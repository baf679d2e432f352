"""Text of datasets, cleaned for one line of a card: no control characters, bounded length."""

from __future__ import annotations

import html
import re
import unicodedata

from starec_sim.joiners import JOINERS, joins

NO_VALUE = frozenset({"nan", "NaN", "NULL", "null", "None", "N/A", "<NA>", "#N/A", "\\N"})
"""What programs write where there is no value."""
TITLE_LIMIT = 200
VALUE_LIMIT = 80
"""Characters. Longer text is cut and ends in an ellipsis."""
VALUES_LIMIT = 20
"""Values of one attribute of one item; those that follow are left out."""

_MARKUP = re.compile(r"</?[a-z][^<>]*(>|$)")
"""A tag, or a piece of one that was left when a page was scraped."""


def unmarked(text: str) -> str:
    """Return text of a web page without entities and tags.

    >>> unmarked('Rap &amp; Hip-Hop <span class="a-size')
    'Rap & Hip-Hop  '
    """
    return _MARKUP.sub(" ", html.unescape(text))


def tidy(text: str, limit: int) -> str:
    """Return the text as one line of at most `limit` characters.

    Line breaks and control characters become spaces, runs of spaces become one, and invisible
    format characters (zero-width, direction overrides, byte order marks) are removed. Joiners
    between letters or emoji stay, because they are part of the spelling.

    >>> tidy("Toy" + chr(10) + "  Story ", 80)
    'Toy Story'
    """
    if not text.isprintable():
        text = "".join(
            char
            if char.isprintable() or joins(text, place)
            else ("" if unicodedata.category(char) == "Cf" else " ")
            for place, char in enumerate(text)
        )
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip(" " + JOINERS) + "…"


def tidy_title(text: str, id: str) -> str:
    """Return the title, or a title made of the id where nothing readable is left."""
    return tidy(text, TITLE_LIMIT) or f"Untitled ({tidy(id, VALUE_LIMIT)})"


def plain(cell: object) -> str:
    """Return a cell as text; empty for None and NaN, which mean that the cell is missing."""
    return "" if cell is None or cell != cell else str(cell)


def tidy_values(cell: object, separator: str | None) -> tuple[str, ...]:
    """Return the values of a cell, each once, in order; none for an empty cell.

    Args:
        cell: Text, a number, None, or a sequence of those (a list column of a Parquet file).
        separator: The separator of values in a text; None for a cell of one value.
    """
    if isinstance(cell, (list, tuple)):
        parts = [plain(part) for part in cell]
    else:
        parts = plain(cell).split(separator) if separator is not None else [plain(cell)]
    values = dict.fromkeys(tidy(part, VALUE_LIMIT) for part in parts)
    values.pop("", None)
    return tuple(values)[:VALUES_LIMIT]
