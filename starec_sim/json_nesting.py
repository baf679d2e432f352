"""Read JSON that was written elsewhere: its depth is bounded before it is parsed.

Python's parser calls itself once for each level. A text of 60,000 brackets costs it a tenth of a
second and ends in a `RecursionError`, so the depth is counted first, in one pass.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, NoReturn

_STRING = re.compile(r'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
"""A string, or the rest of the text after a quote that is never closed: so one pass is enough."""
_OTHER = re.compile(r"[^\[\]]+")
_AS_SQUARE = str.maketrans("{}", "[]")


def parse_json(
    text: str,
    max_depth: int,
    *,
    object_pairs_hook: Callable[[list[tuple[str, Any]]], Any] | None = None,
) -> Any:
    """Return the value of a JSON text.

    Args:
        text: The text.
        max_depth: Objects and lists that may lie inside each other.
        object_pairs_hook: Makes the value of an object from its pairs, as for `json.loads`.

    Raises:
        ValueError: It is not JSON, is nested more deeply, or holds NaN, an infinity or a number of
            more than 4,300 digits.
    """
    if deeper_than(text, max_depth):
        raise ValueError(f"it is nested more than {max_depth} levels deep")
    return json.loads(text, parse_constant=_refuse, object_pairs_hook=object_pairs_hook)


def deeper_than(text: str, limit: int) -> bool:
    """Return whether a JSON text is nested more deeply than a limit, in linear time.

    >>> deeper_than("[[1]]", 2), deeper_than("[[[1]]]", 2), deeper_than('["[[["]', 2)
    (False, True, False)
    """
    if text.count("[") + text.count("{") <= limit:
        return False
    brackets = _OTHER.sub("", _STRING.sub("", text).translate(_AS_SQUARE))
    for _ in range(limit):
        brackets = brackets.replace("[]", "")  # the innermost level
    # A text that opens more than it closes is not JSON, but the parser goes down before it says so.
    return "[]" in brackets or brackets.count("[") > limit


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON number")
