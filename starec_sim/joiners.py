"""Invisible characters that belong to words and emoji: U+200C and U+200D."""

from __future__ import annotations

import unicodedata

JOINERS = "\u200c\u200d"
"""The zero-width non-joiner, which Persian spelling needs, and the zero-width joiner, which makes
one picture of several emoji."""

_BEFORE = ("L", "M", "So", "Sk")
"""Categories before a joiner: letters, marks (a vowel sign, U+FE0F), emoji, skin tones."""
_AFTER = ("L", "So")


def joins(text: str, place: int) -> bool:
    r"""Return whether the character at a place is a joiner between letters or emoji.

    >>> joins("a\u200cb", 1), joins("a\u200c b", 1), joins("a\u202eb", 1)
    (True, False, False)
    """
    if text[place] not in JOINERS or not 0 < place < len(text) - 1:
        return False
    before, after = (unicodedata.category(text[place + step]) for step in (-1, 1))
    return before.startswith(_BEFORE) and after.startswith(_AFTER)
