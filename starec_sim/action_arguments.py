"""The arguments that an action can have: an amount, one of several words, or a text."""

from __future__ import annotations

import re
from dataclasses import dataclass

STARS = "stars"
"""The unit of an amount that says how well the user expects to like an item, 1 to 5."""

_NAME = re.compile(r"[a-z]+(?: [a-z]+)*")
_MAX_NAME = 30
_MOST = 1e9
"""Amounts are below this."""
_MAX_LISTED = 20
"""Numbers that a JSON schema lists one by one; longer ranges are described by a pattern."""
_NOT_IN_TEXT = r'"\x00-\x1f\x7f-\x9f\u2028\u2029'


@dataclass(frozen=True, slots=True)
class Amount:
    """A number that an action has, such as stars, pieces or seconds."""

    low: float
    high: float
    whole: bool = True
    unit: str = ""
    """What it counts, for prompts and pages: `pieces`, `seconds`, `stars`."""

    def __post_init__(self) -> None:
        if not (float("-inf") < self.low <= self.high < float("inf")):
            raise ValueError(f"an amount from {self.low} to {self.high} is no range")
        if self.high >= _MOST:
            raise ValueError(f"the greatest amount is {self.high:g}; it must be below {_MOST:g}")
        if self.low < 0:
            raise ValueError(f"the least amount is {self.low}; it must not be negative")

    @property
    def meaning(self) -> str:
        """The range in words."""
        kind = "a whole number" if self.whole else "a number"
        unit = f" of {self.unit}" if self.unit else ""
        return f"{kind}{unit} from {number_text(self.low)} to {number_text(self.high)}"

    @property
    def example(self) -> str:
        """An amount at three quarters of the range."""
        middle = self.low + 0.75 * (self.high - self.low)
        return number_text(round(middle) if self.whole else round(middle, 4))

    @property
    def pattern(self) -> str:
        """A regular expression of its form; `read` checks the range."""
        return r"(?:0|[1-9]\d{0,8})" + ("" if self.whole else r"(?:\.\d{1,4})?")

    @property
    def listed(self) -> tuple[str, ...]:
        """All amounts, where they are few."""
        if not self.whole or self.high - self.low >= _MAX_LISTED:
            return ()
        return tuple(str(n) for n in range(int(-(-self.low // 1)), int(self.high) + 1))

    def read(self, text: str) -> float | None:
        """Return the amount that a text gives; None if it is out of range."""
        value = float(text)
        return value if self.low <= value <= self.high else None


@dataclass(frozen=True, slots=True)
class OneOf:
    """One word or phrase of a list."""

    options: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.options or len(set(self.options)) < len(self.options):
            raise ValueError(f"the options {self.options} are empty, or one stands there twice")
        for option in self.options:
            check_name(option, "an option")

    @property
    def meaning(self) -> str:
        """The options in words."""
        return "one of " + ", ".join(self.options)

    @property
    def example(self) -> str:
        """The first option."""
        return self.options[0]

    @property
    def pattern(self) -> str:
        """A regular expression of its form."""
        return "|".join(sorted(self.options, key=len, reverse=True))

    @property
    def listed(self) -> tuple[str, ...]:
        """All options."""
        return self.options

    def read(self, text: str) -> str | None:
        """Return the option."""
        return text


@dataclass(frozen=True, slots=True)
class FreeText:
    """A text on one line in double quotes."""

    characters: int = 200
    """The longest text."""

    def __post_init__(self) -> None:
        if not 1 <= self.characters <= 10_000:
            raise ValueError(f"a text of {self.characters} characters; 1 to 10000 can be asked for")

    @property
    def meaning(self) -> str:
        """The limit in words."""
        return f"a text of at most {self.characters} characters in double quotes"

    @property
    def example(self) -> str:
        """A short text."""
        return '"good"' if self.characters >= 4 else '"a"'

    @property
    def pattern(self) -> str:
        """A regular expression of its form, which holds the limit."""
        return f'"[^{_NOT_IN_TEXT}]{{1,{self.characters}}}"'

    @property
    def listed(self) -> tuple[str, ...]:
        """Texts cannot be listed."""
        return ()

    def read(self, text: str) -> str | None:
        """Return the text without its quotes; None if it is blank."""
        return text[1:-1].strip() or None


Argument = Amount | OneOf | FreeText


def check_name(name: str, what: str) -> None:
    """Refuse a name that is no lower-case words.

    Raises:
        ValueError: Says what is wrong.
    """
    if not _NAME.fullmatch(name) or len(name) > _MAX_NAME:
        raise ValueError(
            f"{what} is called {name!r}; a name is lower-case words of at most {_MAX_NAME} letters"
        )


def number_text(value: float) -> str:
    """Return an amount as an answer writes it, with at most four digits after the point.

    >>> number_text(1_000_000.0), number_text(2.5), number_text(0.00001)
    ('1000000', '2.5', '0')
    """
    return f"{value:.4f}".rstrip("0").rstrip(".")
