"""Write JSON values so that what occurs many times is written once, and compress them.

The steps of a person show the same prompts, items and experiences again and again. Each value
becomes a node of one list; a node names its parts by their places in the list, which are before its
own. `expand.js` unpacks the list and rebuilds the values in the browser.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from typing import Any

_ENCODE = json.JSONEncoder(separators=(",", ":")).encode

_NUMBERS = "numbers"
_LIST = "list"
_OBJECT = "object"
_LINES = "lines"


class Nodes:
    """A growing list of nodes; equal values have one."""

    def __init__(self) -> None:
        self._written: list[str] = []
        self._places: dict[str, int] = {}

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
        del self._written[count:]

    def __len__(self) -> int:
        return len(self._written)

    def written(self, start: int) -> str:
        """Return the nodes from a place on as JSON, with a comma after each."""
        return "".join(f"{node}," for node in self._written[start:])

    def _node(self, node: Any) -> int:
        written = _ENCODE(node)
        place = self._places.setdefault(written, len(self._written))
        if place == len(self._written):
            self._written.append(written)
        return place


class Packed:
    """Text that is compressed as it is added, as a raw deflate stream in base64.

    Args:
        most: Characters that it may have.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._compressor = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        self._data = b""

    def add(self, text: str) -> bool:
        """Add text, and return whether it fits; nothing is added if it does not."""
        compressor = self._compressor.copy()
        data = compressor.compress(text.encode()) + compressor.flush(zlib.Z_SYNC_FLUSH)
        if 4 * (len(self._data) + len(data) + 3) // 3 > self._most:
            return False
        self._compressor, self._data = compressor, self._data + data
        return True

    def base64(self, ending: str) -> str:
        """Return everything with a few last characters, for which room was left."""
        data = self._compressor.compress(ending.encode()) + self._compressor.flush()
        return base64.b64encode(self._data + data).decode()
