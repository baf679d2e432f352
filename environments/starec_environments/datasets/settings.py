"""Settings that several readers of files have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from starec_sim.errors import did_you_mean
from starec_sim.settings import Settings

ENCODINGS = ("utf-8", "utf-16", "latin-1", "cp1252", "gb18030", "big5", "shift_jis", "koi8-r")
"""Some of those that Python knows, for close names."""
BadLines = Literal["error", "skip"]


def _listed(value: Any) -> Any:
    return (value,) if isinstance(value, (int, float, str)) else value


class IdRules(Settings):
    """What is done with ids that occur again, or are written in two ways."""

    duplicates: Literal["error", "first", "last"] = "error"
    """A user who meets an item twice, or a file that describes an item or user twice: keep the
    first or the last. A user has one opinion of an item, and recommenders would count it double."""
    whole_ids: bool = False
    """Whether ids such as `16.0`, which pandas writes where a column has empty cells, mean `16`."""


class LogRules(IdRules):
    """What is done with a log that contradicts the other files or itself."""

    unknown: Literal["error", "drop"] = "error"
    """Interactions of items or users that the item or user file lacks."""


class UnratedSettings(Settings):
    """Which numbers of a file are no ratings."""

    unrated: Annotated[tuple[float | Literal["blank"], ...], BeforeValidator(_listed)] = ()
    """Values that say that there is no rating, e.g. `-1` or `[0, blank]`."""


class RatingSettings(UnratedSettings):
    """What a column of ratings means. Numbers are those of the file."""

    rating_scale: tuple[float, float] | None = None
    """The ends of the scale that users rated on, mapped linearly to 1 and 5 stars. A scale that
    begins at 0, 0.5 or 1 and ends at 5 is one of stars, which stay as they are. None when the
    ratings are stars."""
    liked_from: float | None = None
    """The smallest rating that is a like; None takes what is above 3 stars. Where the ratings are
    no stars and there is no `rating_scale`, a like becomes 4 stars and everything else 2."""

    @field_validator("rating_scale")
    @classmethod
    def _scale_ascends(cls, scale: tuple[float, float] | None) -> tuple[float, float] | None:
        if scale is not None and not scale[0] < scale[1]:
            raise ValueError("the smallest rating comes first, e.g. [1, 10]")
        return scale


class FileSettings(LogRules, RatingSettings):
    """Settings of the readers of a user's own files."""

    path: Path | None = None
    """The folder with the files."""
    time_format: str | None = None
    """How times are written, e.g. `%d/%m/%Y %H:%M` (https://docs.python.org/library/datetime.html,
    "Format Codes"); None when they are numbers or dates as ISO 8601."""
    bad_lines: BadLines = "error"
    """Lines that cannot be read: other fields than the header has, no id, a rating or a time that
    is none. `skip` leaves them out and counts them."""

    @field_validator("time_format")
    @classmethod
    def _names_a_part(cls, form: str | None) -> str | None:
        if form is not None and "%" not in form:
            raise ValueError("must have a % before each part, e.g. %d/%m/%Y %H:%M")
        return form


class TextSettings(Settings):
    """How text files are written."""

    encoding: str = "utf-8"
    """A byte order mark in a file counts more."""
    quoted: bool | None = None
    """Whether fields may stand in double quotes; None goes by the format, and by `escape`."""
    escape: str | None = Field(default=None, min_length=1, max_length=1)
    r"""The character before a quote inside a quoted field, e.g. `\`; None when it is doubled."""

    @field_validator("encoding")
    @classmethod
    def _is_known(cls, encoding: str) -> str:
        try:
            "a".encode(encoding)  # also refuses codecs that are none of text, such as `hex`
        except (LookupError, ValueError):
            raise ValueError(
                f"must be an encoding that Python knows; {did_you_mean(encoding, ENCODINGS)}"
            ) from None
        return encoding

    @field_validator("escape")
    @classmethod
    def _no_line_break(cls, escape: str | None) -> str | None:
        if escape is not None and escape in '\r\n"\0':
            raise ValueError("must be a character other than a quote or a line break")
        return escape

    @model_validator(mode="after")
    def _escape_in_quotes(self) -> Self:
        if self.escape is not None and self.quoted is False:
            raise ValueError("`escape` is for fields in quotes; leave it or `quoted: false` out")
        return self


class LogTextSettings(TextSettings):
    """How text files with a column of ratings are written."""

    decimal: Literal[".", ","] = "."
    """What stands before the fraction of a rating."""
