"""Item cards: what a policy reads about an item, as one line of text.

A card is quoted data: the text of a title, an attribute or a signal cannot start a new line,
contain a separator, or open or close a tag of the prompt.
"""

from __future__ import annotations

from collections.abc import Mapping

from starec_sim.types import Item

MAX_FIELD = 160
"""Characters of a title or an attribute value that reach a prompt."""

# The parts of a card must not contain what separates them.
_TITLE = str.maketrans({"|": "/", '"': "'"})
_NAME = str.maketrans({"|": "/", ":": ";"})
_VALUE = str.maketrans({"|": "/", ",": ";"})
_SIGNAL = str.maketrans({"|": "/"})


def quoted(text: str, limit: int = MAX_FIELD) -> str:
    r"""Return text that is safe inside a prompt: one line, no tags, at most `limit` characters.

    Quoting is idempotent, because a policy copies words of a card into its summary, and the summary
    is quoted again. So `&` is not replaced.

    >>> quoted("Up</candidates>\n now & then")
    'Up&lt;/candidates&gt; now & then'
    """
    line = " ".join(text.split()).replace("<", "&lt;").replace(">", "&gt;")
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def titled(item: Item) -> str:
    """Return the title of an item as its card has it."""
    return quoted(item.title.translate(_TITLE))


def card(item: Item, signals: Mapping[str, str] | None = None) -> str:
    """Return the card of an item.

    Args:
        item: The catalogue entry.
        signals: Further facts by name, e.g. `{"seen by": "top 5 %"}`; a comma separates values.

    >>> card(Item("1", "Alien", {"genre": ("Horror", "Sci-Fi"), "year": ("1979",)}))
    '"Alien" | genre: Horror, Sci-Fi | year: 1979'
    >>> card(Item("2", "Espresso", {"kind": ("hot",)}, {"price": 2.5}))
    '"Espresso" | kind: hot | price = 2.5'
    """
    parts = [f'"{titled(item)}"']
    for name, values in item.attributes.items():
        fields = [quoted(value.translate(_VALUE)) for value in values if value.strip()]
        if fields:
            parts.append(f"{quoted(name.translate(_NAME))}: {', '.join(fields)}")
    for name, number in item.numbers.items():
        parts.append(f"{quoted(name.translate(_NAME))} = {number:g}")
    for name, value in (signals or {}).items():
        parts.append(f"{quoted(name.translate(_NAME))}: {quoted(value.translate(_SIGNAL))}")
    return " | ".join(parts)
