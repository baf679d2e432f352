"""Say what is wrong with the words of a command: the given value, and the nearest known word.

Versions of Typer define their errors in different modules, so they are known by what they have.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Protocol, runtime_checkable

from starec_sim.errors import did_you_mean, in_digits, near_name

_MAX_VALUE = 80
"""Characters of a value that are quoted."""
_COMMAND = re.compile(r"No such command '(.*?)'", re.DOTALL)

_CHOICE = re.compile(r"'([^']*)' is not one of (.*)", re.DOTALL)


@runtime_checkable
class UsageError(Protocol):
    """A usage error of Typer."""

    def format_message(self) -> str:
        """Return the message."""
        ...


def usage_message(error: UsageError, arguments: Sequence[str]) -> str:
    """Return what is wrong with the words of a command.

    Args:
        error: What Typer says.
        arguments: The words.
    """
    # Pydantic says "Value error, 'rya' is not ..." and "Input should be greater ..."
    message = error.format_message().replace("Value error, ", "").replace("Input should", "must")
    command = getattr(getattr(error, "ctx", None), "command", None)
    if (option := getattr(error, "option_name", None)) and hasattr(error, "possibilities"):
        return f"No such option: {option}; {did_you_mean(option, _options(command))}"
    if (found := _COMMAND.match(message)) and (known := getattr(command, "commands", None)):
        return f"{found[0]}; {did_you_mean(found[1], known)}"
    if found := _CHOICE.search(message):
        near = near_name(found[1], re.findall(r"'([^']*)'", found[2]))
        return f"{message} {near}" if near else message
    if message.startswith("Missing argument") and (taken := _taken(error, command)):
        return f"{message.rstrip('.')}; {taken}"
    value = _given(arguments, getattr(getattr(error, "param", None), "opts", ()))
    if not message.startswith("Invalid value") or value is None:
        return message
    shown = value if len(value) <= _MAX_VALUE else f"{value[:_MAX_VALUE]}…"
    message = message if repr(shown) in message else f'{message}; got "{shown}"'
    digits = in_digits(value) if "integer" in message else ""
    return f"{message}; write {digits}" if digits else message


def _taken(error: UsageError, command: Any) -> str:
    """Return for what words were taken; one that was left out shifts those after it."""
    given = getattr(getattr(error, "ctx", None), "params", {})
    places = {
        each.metavar: given[each.name]
        for each in getattr(command, "params", ())
        if isinstance(given.get(each.name), str) and each.param_type_name == "argument"
    }
    words = [f'"{value[:_MAX_VALUE]}" was taken for {name}' for name, value in places.items()]
    if "RUN" in places and places["RUN"] != "latest":
        words.append("RUN comes first, and `latest` is the newest one")
    return "; ".join(words)


def _options(command: Any) -> list[str]:
    """Return the long options of a command."""
    parameters: Iterable[Any] = getattr(command, "params", ())
    names = (name for each in parameters for name in (*each.opts, *each.secondary_opts))
    return [name for name in (*names, "--help") if name.startswith("--")]


def _given(arguments: Sequence[str], options: Iterable[str]) -> str | None:
    """Return the value that was given to an option last; None where it is not among the words."""
    values = [
        after if argument in options else argument.partition("=")[2]
        for argument, after in zip(arguments, [*arguments[1:], ""], strict=True)
        if argument in options or argument.partition("=")[0] in options
    ]
    return values[-1] if values else None
