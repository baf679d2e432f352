"""Text from outside, made safe for a terminal."""


def clean(text: str) -> str:
    r"""Return text without control characters, which a terminal would obey.

    >>> clean("a\x1b[31mb\tc\nd")
    'a[31mb c\nd'
    """
    return "".join(c for c in text.replace("\t", " ") if c == "\n" or c.isprintable())
