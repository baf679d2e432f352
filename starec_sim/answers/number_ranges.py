"""Regular expressions for the numbers of a range, as an answer writes them."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, floor

_MOST_DECIMALS = 4


def range_pattern(low: float, high: float, whole: bool) -> str:
    r"""Return a regular expression of the numbers from `low` to `high`, without groups.

    Args:
        low: The least number, not negative.
        high: The greatest.
        whole: Whether they are whole; others have up to four digits after the point.

    Raises:
        ValueError: No number that can be written is in the range.

    >>> range_pattern(1, 25, whole=True)
    '[1-9]|1[0-9]|2[0-5]'
    >>> range_pattern(0.25, 0.5, whole=False).split("|")[:3]
    ['0\\.[3-5]', '0\\.2[5-9]', '0\\.[3-4][0-9]']
    """
    patterns: list[str] = []
    for decimals in (0,) if whole else range(_MOST_DECIMALS + 1):
        # 0.25 is 25 hundredths: the range is one of whole numbers, with the point put in.
        scale = 10**decimals
        least, most = ceil(round(low * scale, 6)), floor(round(high * scale, 6))
        patterns += [_pointed(digits, decimals) for digits in _spans(least, most, decimals + 1)]
    if not patterns:
        raise ValueError(f"no number with at most four decimals lies between {low} and {high}")
    return "|".join(patterns)


def _spans(low: int, high: int, width: int) -> Iterator[list[str]]:
    """Yield lists of digits and classes of digits, which together are the numbers of a range.

    Args:
        low: The least number.
        high: The greatest.
        width: The least number of digits; shorter numbers begin with zeros.
    """
    while low <= high:
        digits = f"{low:0{width}d}"
        end = min(high, 10 ** len(digits) - 1)
        # As many last digits as possible take all values.
        free = 0
        while (
            free + 1 < len(digits)
            and low % 10 ** (free + 1) == 0
            and low + 10 ** (free + 1) - 1 <= end
        ):
            free += 1
        first = low // 10**free % 10
        last = min(9, first + (end - low + 1) // 10**free - 1)
        before = list(digits[: len(digits) - free - 1])
        chosen = f"[{first}-{last}]" if last > first else str(first)
        yield [*before, chosen, *["[0-9]"] * free]
        low += (last - first + 1) * 10**free


def _pointed(digits: list[str], decimals: int) -> str:
    if not decimals:
        return "".join(digits)
    return "".join(digits[:-decimals]) + r"\." + "".join(digits[-decimals:])
