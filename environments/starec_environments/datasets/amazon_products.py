"""Items of Amazon Reviews, from a file of metadata."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

from starec_environments.datasets.amazon_files import category, parsed
from starec_environments.datasets.clean_text import plain, tidy_title, tidy_values, unmarked
from starec_environments.datasets.faults import Faults
from starec_environments.datasets.line_reader import read_lines
from starec_sim.types import Item

SCRAPS = ("getTime", "aPageStart")
"""Beginnings of titles that are a piece of the page's script (2018)."""


def read_products(
    path: Path,
    wanted: AbstractSet[str] | None,
    details: Mapping[str, str],
    faults: Faults,
) -> tuple[dict[str, Item], dict[str, int]]:
    """Return the items of a file of metadata, and notes on what was left out.

    An item has a `category` (all but the category of the file itself, which is the same for all),
    a `brand` (2014, 2018) or `store` (2023), and the wanted details.

    Args:
        path: Records of products, JSON or (2014) literals of Python, plain or packed.
        wanted: The ids to keep; None keeps all.
        details: Attribute name to key among a product's details.
        faults: What to do with bad lines.

    Raises:
        DataError: The file cannot be read, or a line is bad and that is an error.
    """
    items: dict[str, Item] = {}
    again, root = 0, _letters(category(path))
    for number, line in read_lines(path):
        record = parsed(line)
        if record is None:
            faults.found(number, "this is no JSON object", line.decode("utf-8", "replace"))
            continue
        id = record.get("parent_asin", record.get("asin"))
        if not isinstance(id, str) or not id.strip():
            faults.found(number, "there is no asin")
            continue
        id = id.strip()
        if wanted is not None and id not in wanted:
            continue
        if id in items:
            again += 1
        else:
            items[id] = _item(id, record, root, details)
    notes = faults.notes()
    if again:
        notes[f"{path.name}: items described again (the first counts)"] = again
    return items, notes


def _item(id: str, record: Mapping[str, Any], root: str, details: Mapping[str, str]) -> Item:
    title = unmarked(plain(record.get("title")))
    if any(scrap in title for scrap in SCRAPS):
        title = ""
    described = record.get("details")
    if isinstance(described, str):  # some copies of 2023 keep the details as JSON in a string
        described = parsed(described.encode())
    described = described if isinstance(described, dict) else {}
    categories = record.get("category", record.get("categories"))
    values = {
        "category": [name for name in _flat(categories) if _letters(name) != root],
        **{name: list(_flat(record.get(name))) for name in ("brand", "store")},
        **{name: list(_flat(described.get(key))) for name, key in details.items()},
    }
    tidied = {name: tidy_values(list(map(unmarked, found)), None) for name, found in values.items()}
    return Item(id, tidy_title(title, id), {name: v for name, v in tidied.items() if v})


def _flat(value: object) -> Iterator[str]:
    """Yield the texts of a value or of a list of lists of values."""
    if isinstance(value, (list, tuple)):
        for inner in value:
            yield from _flat(inner)
    elif isinstance(value, (str, int, float)) and not isinstance(value, bool):
        yield plain(value)


def _letters(name: str) -> str:
    return "".join(c for c in unmarked(name).lower().replace("&", "and") if c.isalnum())
