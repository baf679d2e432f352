"""The text of a completion while its tokens arrive: stop texts, and pieces for a stream."""

from __future__ import annotations

from collections.abc import Callable, Sequence

_HALF = "\ufffd"
"""What a decoder shows of a character whose bytes have not all arrived."""


class Detokenizer:
    """Follows one completion.

    Args:
        decode: From token ids to text, special tokens left out.
        stop: Texts that end the completion and are not part of its text.
        say: Called with each new piece of text; None when nobody listens.
    """

    def __init__(
        self,
        decode: Callable[[Sequence[int]], str],
        stop: Sequence[str] = (),
        say: Callable[[str], None] | None = None,
    ) -> None:
        self._decode = decode
        self._stop = tuple(stop)
        self._say = say
        self._ids: list[int] = []
        self._said = ""

    @property
    def idle(self) -> bool:
        """Whether nobody needs to look at single tokens."""
        return not self._stop and self._say is None

    def take(self, token: int) -> bool:
        """Add a token; return whether a stop text has appeared."""
        self._ids.append(token)
        text = self._decode(self._ids)
        whole, ended = self._cut(text)
        if self._say is not None:
            self._tell(whole if ended else whole[: len(whole) - self._held_back(whole)])
        return ended

    def text(self, ids: Sequence[int]) -> str:
        """Return the text of a finished completion; tell a listener what it has not heard yet."""
        whole, _ = self._cut(self._decode(ids))
        if self._say is not None:
            self._tell(whole)
        return whole

    def _cut(self, text: str) -> tuple[str, bool]:
        """Cut a text at the first stop text; say whether there was one."""
        found = [at for at in (text.find(stop) for stop in self._stop) if at >= 0]
        return (text[: min(found)], True) if found else (text, False)

    def _held_back(self, text: str) -> int:
        """Count characters at the end that may yet become a stop text or another character."""
        held = len(text) - len(text.rstrip(_HALF))
        for stop in self._stop:
            begun = (size for size in range(len(stop) - 1, 0, -1) if text.endswith(stop[:size]))
            held = max(held, next(begun, 0))
        return held

    def _tell(self, text: str) -> None:
        if self._say is not None and len(text) > len(self._said):
            self._say(text[len(self._said) :])
            self._said = text
