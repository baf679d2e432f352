"""The parameters of a request: each is known, given once, and within its bounds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from starec_sim.errors import ConfigError, did_you_mean

_LONGEST = 500
_MANY = 20
"""Values of a parameter that may be given several times."""


class Parameters:
    """The parameters of a request.

    Args:
        pairs: Names and values.
        known: Names that the request may have.

    Raises:
        ConfigError: There is no such parameter, or its value is too long.
    """

    def __init__(self, pairs: Iterable[tuple[str, str]], known: Sequence[str]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            if name not in known:
                raise _bad(f'no parameter is called "{name[:50]}"; {did_you_mean(name, known)}')
            if len(value) > _LONGEST:
                raise _bad(f"{name} has {len(value):,} characters; at most {_LONGEST}")
            self._values.setdefault(name, []).append(value)

    def many(self, name: str) -> list[str]:
        """Return all values of a parameter."""
        values = self._values.get(name, [])
        if len(values) > _MANY:
            raise _bad(f"{name} is given {len(values)} times; at most {_MANY}")
        return values

    def text(self, name: str) -> str | None:
        """Return the value of a parameter; None if it is absent."""
        values = self._values.get(name, [])
        if len(values) > 1:
            raise _bad(f"{name} is given {len(values)} times; once is enough")
        return values[0] if values else None

    def needed(self, name: str) -> str:
        """Return the value of a parameter that must be there."""
        value = self.text(name)
        if value is None:
            raise _bad(f"{name} is missing")
        return value

    def number(self, name: str, least: int = 1, most: int = 1_000_000_000) -> int | None:
        """Return a whole number; None if it is absent."""
        value = self.text(name)
        if value is None:
            return None
        try:
            number = int(value)
        except ValueError:
            raise _bad(f'{name} must be a whole number, got "{value[:50]}"') from None
        if not least <= number <= most:
            raise _bad(f"{name} must be from {least} to {most:,}, got {number}")
        return number

    def needed_number(self, name: str) -> int:
        """Return a whole number from 1 that must be there."""
        self.needed(name)
        number = self.number(name)
        assert number is not None
        return number

    def switch(self, name: str) -> bool:
        """Return whether a parameter is `true`."""
        value = self.text(name) or "false"
        if value not in ("true", "false"):
            raise _bad(f'{name} must be true or false, got "{value[:50]}"')
        return value == "true"


def _bad(message: str) -> ConfigError:
    return ConfigError(message, hint="follow a link of the pages")
