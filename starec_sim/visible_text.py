r"""Make control characters visible, so that a terminal does not interpret them.

Titles, answers, names of folders and error messages can hold any character. An escape sequence in
one of them can hide text, move the cursor, or change what a user copies. Everything that is printed
or drawn goes through here. ZERO WIDTH JOINER and NON-JOINER stay: scripts and emoji need them.
"""

from __future__ import annotations

import re

_HIDDEN = re.compile(
    # C0 and C1, soft hyphen, Arabic letter mark, marks and overrides of direction, separators,
    # invisible operators, halves of characters, byte-order mark, annotations, tags.
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def visible(text: str) -> str:
    r"""Return text with escapes in place of control characters; line breaks (\n) stay.

    >>> visible("a\x1b[31mb\tc\r\nd\u202e")
    'a\\x1b[31mb c\nd\\u202e'
    """
    if text.isprintable():
        return text
    text = text.replace("\r\n", "\n").replace("\t", " ")
    return _HIDDEN.sub(_escape, text)


def visible_line(text: str) -> str:
    r"""Return text as one line: line breaks are escaped as well.

    >>> visible_line("one\ntwo")
    'one\\ntwo'
    """
    return visible(text).replace("\n", "\\n")


def counted(count: int, noun: str) -> str:
    """Return a number of things.

    >>> counted(1, "rule"), counted(1234, "step")
    ('1 rule', '1,234 steps')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def has_control_characters(text: str) -> bool:
    r"""Return whether text holds a line break or another control character; a tab is none.

    >>> has_control_characters("a\tb"), has_control_characters("a\nb")
    (False, True)
    """
    return visible_line(text) != text.replace("\t", " ")


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()
