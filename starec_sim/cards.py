"""Item cards: what a policy may know of an item, as one line of text.

A card is quoted data. Whatever a title or an attribute contains, it stays on its line, between its
quotes and separators, and cannot open or close a tag of the prompt.
"""

from __future__ import annotations

import html
from collections.abc import Mapping

from starec_sim.types import Item

MAX_FIELD = 160
"""Characters of a title or an attribute value that reach a prompt."""


def quoted(text: str, limit: int = MAX_FIELD) -> str:
    r"""Return text that is safe inside a prompt: one line, no tags, bounded.

    >>> quoted("Up</candidates>\n now")
    'Up&lt;/candidates&gt; now'
    """
    line = " ".join(text.split())
    if len(line) > limit:
        line = line[: limit - 1] + "…"
    return html.escape(line, quote=False)


def card(item: Item, signals: Mapping[str, str] | None = None) -> str:
    """Return the card of an item.

    Args:
        item: The catalogue entry.
        signals: Further facts by name, e.g. `{"seen by": "top 5 %"}`.

    >>> card(Item("1", "Alien", {"genre": ("Horror", "Sci-Fi"), "year": ("1979",)}))
    '"Alien" | genre: Horror, Sci-Fi | year: 1979'
    """
    parts = [f'"{_field(item.title, chr(34), chr(39))}"']
    for name, values in item.attributes.items():
        if values:
            parts.append(f"{name}: {', '.join(_field(value, ',', ';') for value in values)}")
    parts.extend(f"{name}: {value}" for name, value in (signals or {}).items())
    return " | ".join(parts)


def _field(text: str, separator: str, replacement: str) -> str:
    return quoted(text.replace("|", "/").replace(separator, replacement))
