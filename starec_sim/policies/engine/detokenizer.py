"""The text of a completion while its tokens arrive: stop texts, and the pieces of a stream."""

from __future__ import annotations

from collections.abc import Callable, Sequence

_INCOMPLETE = "\ufffd"
"""The decoder's text for a character whose bytes have not all arrived."""


class Detokenizer:
    """Turns the tokens of one completion into text.

    Args:
        decode: From token ids to text, special tokens left out.
        stop: Texts that end the completion and are not part of its text.
        on_text: Called with each new piece of text; None where the answer is not streamed.
    """

    def __init__(
        self,
        decode: Callable[[Sequence[int]], str],
        stop: Sequence[str] = (),
        on_text: Callable[[str], None] | None = None,
    ) -> None:
        self._decode = decode
        self._stop = tuple(stop)
        self._on_text = on_text
        self._ids: list[int] = []
        self._sent = ""

    @property
    def idle(self) -> bool:
        """Whether `take` need not be called: there is no stop text, and nothing is streamed."""
        return not self._stop and self._on_text is None

    def take(self, token: int) -> bool:
        """Add a token; return whether the text now contains a stop text."""
        self._ids.append(token)
        text = self._decode(self._ids)
        whole, ended = self._cut(text)
        if self._on_text is not None:
            self._send(whole if ended else whole[: len(whole) - self._held_back(whole)])
        return ended

    def text(self, ids: Sequence[int]) -> str:
        """Return the text of a finished completion; pass on what `on_text` has not had yet."""
        whole, _ = self._cut(self._decode(ids))
        if self._on_text is not None:
            self._send(whole)
        return whole

    def _cut(self, text: str) -> tuple[str, bool]:
        """Cut a text at the first stop text; return it, and whether there was one."""
        ends = [at for at in (text.find(stop) for stop in self._stop) if at >= 0]
        return (text[: min(ends)], True) if ends else (text, False)

    def _held_back(self, text: str) -> int:
        """Count the characters at the end that may become part of a stop text or of a character."""
        held = len(text) - len(text.rstrip(_INCOMPLETE))
        for stop in self._stop:
            begun = (size for size in range(len(stop) - 1, 0, -1) if text.endswith(stop[:size]))
            held = max(held, next(begun, 0))
        return held

    def _send(self, text: str) -> None:
        if self._on_text is not None and len(text) > len(self._sent):
            self._on_text(text[len(self._sent) :])
            self._sent = text
