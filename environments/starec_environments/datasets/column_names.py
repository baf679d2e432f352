"""Usual names of columns, by which their meaning is recognised."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "user": ("user", "userid", "uid", "useridx", "reviewerid", "customerid", "memberid"),
    "item": (
        "item",
        "itemid",
        "iid",
        "movie",
        "movieid",
        "book",
        "bookid",
        "isbn",
        "product",
        "productid",
        "asin",
        "parentasin",
        "track",
        "trackid",
        "song",
        "songid",
        "game",
        "gameid",
        "appid",
        "article",
        "articleid",
        "newsid",
        "businessid",
        "anime",
        "animeid",
        "artistid",
    ),
    "rating": ("rating", "stars", "star", "score", "overall", "rate", "bookrating"),
    "time": (
        "timestamp",
        "time",
        "date",
        "datetime",
        "unixreviewtime",
        "createdat",
        "unixtime",
        "eventtime",
    ),
    "title": ("title", "movietitle", "booktitle", "itemname", "name", "trackname", "headline"),
}
"""Role to names, without regard to case, spaces, dashes and underscores."""

UNCLEAR: tuple[str, ...] = (
    *("label", "labels", "target", "click", "clicks", "clicked", "isclick", "isclicked"),
    *("like", "liked", "islike", "islikes", "feedback", "isread"),
    *("event", "eventtype", "action", "actiontype", "behavior", "behaviortype"),
)
"""Columns that say what a row means: in a log without ratings they are asked about, because a row
with `label` 0 is no choice."""

OWN_ID = ("id",)
"""In a file about items (or users), a plain `id` is the item's (or the user's)."""

ATTRIBUTES: Mapping[str, tuple[str, ...]] = {
    "genre": ("genre", "genres"),
    "category": ("category", "categories"),
    "year": ("year", "releaseyear", "yearofpublication"),
    "author": ("author", "authors", "bookauthor"),
    "artist": ("artist", "artists", "artistname"),
    "director": ("director", "directors"),
    "brand": ("brand",),
    "publisher": ("publisher",),
    "tags": ("tag", "tags"),
}
PROFILE: Mapping[str, tuple[str, ...]] = {
    "age": ("age",),
    "gender": ("gender", "sex"),
    "occupation": ("occupation", "job"),
    "country": ("country",),
}
"""Name in the dataset to names of columns. Other columns are taken when the settings name them."""


def column_for(role: str, names: Iterable[str], *, own: bool = False) -> str | None:
    """Return the column of a role, or None.

    Args:
        role: A key of `SYNONYMS`.
        names: The columns of the file.
        own: Whether the file is about what the role's id identifies.

    >>> column_for("item", ["userId", "movieId", "rating"])
    'movieId'
    """
    known = (*SYNONYMS[role], *(OWN_ID if own else ()))
    return _first(known, names)


def unclear_column(names: Iterable[str]) -> str | None:
    """Return the first column that says what a row means, or None.

    A rating under an unusual name says it, too.

    >>> unclear_column(["user_id", "item_id", "is_click"])
    'is_click'
    >>> unclear_column(["User ID", "Item ID", "Rating (1-5)"])
    'Rating (1-5)'
    """
    return next(
        (
            name
            for name in names
            if _plain(name) in UNCLEAR or re.search(r"(?i)rating|\bstars?\b|score", name)
        ),
        None,
    )


def described(roles: Mapping[str, Sequence[str]], names: Sequence[str]) -> dict[str, str]:
    """Return attribute (or profile) name to column, for the columns that are recognised.

    >>> described(ATTRIBUTES, ["movieId", "title", "genres"])
    {'genre': 'genres'}
    """
    found = {role: _first(known, names) for role, known in roles.items()}
    return {role: name for role, name in found.items() if name is not None}


def _first(known: Sequence[str], names: Iterable[str]) -> str | None:
    by_plain = {_plain(name): name for name in reversed(list(names))}
    return next((by_plain[name] for name in known if name in by_plain), None)


def _plain(name: str) -> str:
    return "".join(char for char in name.lower() if char.isalnum())
