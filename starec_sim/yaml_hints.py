"""Hints for texts that are not YAML."""

from __future__ import annotations

_YAML_HINTS = (
    ("character '\\t'", "indent with spaces in place of tabs"),
    ("character '@'", 'quote text that begins with @, as in "@name"'),
    ("character '`'", "quote text that begins with `"),
    ("character '%'", 'quote text that begins with %, as in "%d"'),
    ("expected alphabetic or numeric character", "quote text that begins with * or &"),
    ("undefined alias", 'quote text that begins with *, as in "*best*"'),
    ("mapping values are not allowed", 'quote text that holds ": ", and indent keys alike'),
    ("could not find expected ':'", "write `key: value`, with a space after the colon"),
    ("constructor for the tag", "quote text that begins with !"),
    ("unexpected end of stream", "close the quotation mark"),
    ("but got '?'", 'quote text that ends with ? inside brackets, as in {ask: "Why?"}'),
    ("flow mapping", "close the bracket: {key: value, ...}"),
    ("flow sequence", "close the bracket: [one, two]"),
    ("expected <block end>", "indent keys of one mapping alike; quote text that holds quotes"),
    ("unhashable key", "a key is plain text"),
    ("refers to itself", "write the value out in place of the anchor"),
    ("stream end", "close the bracket or the quotation mark that is open"),
    ("special characters", "remove the control characters"),
    ("single document", "keep one document: remove the line ---"),
    ("nested too deeply", "a file of settings has a few levels"),
)
"""What PyYAML says, and what to do."""


def yaml_hint(problem: str) -> str:
    """Return what to do about a text that is not YAML, from what the parser says."""
    for said, hint in _YAML_HINTS:
        if said in problem:
            return hint
    return "mend the text at that line and column"
