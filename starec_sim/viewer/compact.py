"""Write JSON values so that what occurs many times is written once.

The steps of a person show the same prompts, items and experiences again and again. Each value
becomes a node of one list; a node names its parts by their places in the list, which are before its
own. `expand.js` rebuilds the values in the browser.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_NUMBERS = "numbers"
_LIST = "list"
_OBJECT = "object"
_LINES = "lines"


class Nodes:
    """A growing list of nodes; equal values have one."""

    def __init__(self) -> None:
        self._written: list[str] = []
        self._places: dict[str, int] = {}
        self.size = 0
        """Characters of all nodes."""

    def add(self, value: Any) -> int:
        """Add JSON values and return the place of their node."""
        if isinstance(value, str) and "\n" in value:
            return self._node([_LINES, *map(self.add, value.split("\n"))])
        if isinstance(value, dict):
            return self.object({key: self.add(each) for key, each in value.items()})
        if isinstance(value, list):
            if value and all(type(each) in (int, float) for each in value):
                return self._node([_NUMBERS, *value])
            return self._node([_LIST, *map(self.add, value)])
        return self._node(value)

    def object(self, places: Mapping[str, int]) -> int:
        """Add an object whose values have been added, and return the place of its node."""
        return self._node([_OBJECT, self.add(list(places)), *places.values()])

    def keep(self, count: int) -> None:
        """Remove the nodes after the first `count`."""
        for written in self._written[count:]:
            del self._places[written]
            self.size -= len(written) + 1
        del self._written[count:]

    def __len__(self) -> int:
        return len(self._written)

    def embedded(self, root: int) -> str:
        """Return the nodes as JSON that no HTML parser takes for markup."""
        return f'{{"nodes":[{",".join(self._written)}],"root":{root}}}'

    def _node(self, node: Any) -> int:
        written = json.dumps(node, separators=(",", ":")).replace("<", "\\u003c")
        place = self._places.setdefault(written, len(self._written))
        if place == len(self._written):
            self._written.append(written)
            self.size += len(written) + 1
        return place
