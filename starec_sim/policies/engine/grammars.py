"""Constrained decoding: the grammar of an answer, read for the tokens of one model.

llguidance does the work: it knows the bytes of every token, and computes in a few microseconds
which ones can follow.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from starec_sim.answers.grammar import AnswerTooLongError, answer_grammar, longest_form
from starec_sim.errors import PolicyError, import_problem
from starec_sim.types import ExpectedAnswer

if TYPE_CHECKING:
    from llguidance import LLMatcher

_OFF = "set constrained: false, and count how many answers are malformed"
_KEPT = 256
"""Grammars that are kept: one for each task, number of labels and `max_tokens`."""


class Grammars:
    """The grammars of answers, for one tokenizer.

    Args:
        tokenizer: Of Hugging Face.
        stop: Tokens that end an answer.
        model: The model's name, for error messages.
        ids: Returns the tokens of a text.
        decode: Returns the text of tokens.
    """

    def __init__(
        self,
        tokenizer: Any,
        stop: frozenset[int],
        model: str,
        ids: Callable[[str], Sequence[int]],
        decode: Callable[[Sequence[int]], str],
    ) -> None:
        self._tokenizer = tokenizer
        self._ids, self._decode = ids, decode
        self._stop = sorted(stop)
        self._model = model
        self._read: Any = None
        self._of_answer = lru_cache(_KEPT)(self._compile_answer)
        self._of_schema = lru_cache(_KEPT)(self._compile_schema)

    def of_answer(self, expected: ExpectedAnswer, max_tokens: int) -> LLMatcher:
        """Return the grammar of an answer of at most so many tokens, at its beginning.

        Raises:
            PolicyError: The tokenizer cannot write it, or it is too large.
        """
        return self._of_answer(expected, max_tokens)

    def of_schema(self, schema: Mapping[str, Any]) -> LLMatcher:
        """Return the grammar of a JSON schema, at its beginning.

        Raises:
            PolicyError: It is no schema that can be followed, or the tokenizer cannot write it.
        """
        return self._of_schema(json.dumps(schema))

    def _compile_answer(self, expected: ExpectedAnswer, max_tokens: int) -> LLMatcher:
        try:
            grammar = answer_grammar(expected, max_tokens, lambda text: len(self._ids(text)))
        except AnswerTooLongError as error:
            raise PolicyError(
                f"no grammar for this answer: {error}", hint=_OFF, cause="closed"
            ) from None
        return self._matcher(grammar, longest_form(expected))

    def _compile_schema(self, schema: str) -> LLMatcher:
        from llguidance import LLMatcher

        grammar = LLMatcher.grammar_from_json_schema(schema, {"whitespace_flexible": False})
        return self._matcher(grammar, schema)

    def _matcher(self, grammar: str, written: str) -> LLMatcher:
        """Return a matcher at the beginning of a grammar.

        Args:
            grammar: The grammar.
            written: A text with the characters that it spells out.
        """
        tokens = self._tokens()
        self._check_characters(written)
        from llguidance import LLMatcher

        matcher = LLMatcher(tokens, grammar, log_level=0)
        if matcher.is_error():
            reason = matcher.get_error().partition("\n")[0]
            raise PolicyError(
                f"the grammar of the answer cannot be used with {self._model}: {reason}",
                hint=_OFF,
                cause="closed",
            )
        return matcher

    def _tokens(self) -> Any:
        """Return the tokens as llguidance knows them; reading them takes a moment."""
        if self._read is None:
            try:
                from llguidance.hf import from_tokenizer
            except ImportError as error:
                problem, hint = import_problem(error, "pip install llguidance")
                raise PolicyError(
                    f"answers cannot be held to their form: {problem}",
                    hint=f"{hint}, or set constrained: false",
                    cause="closed",
                ) from error
            try:
                self._read = from_tokenizer(self._tokenizer, eos_token=self._stop or None)
            except Exception as error:
                raise PolicyError(
                    f"the tokenizer of {self._model} cannot be used for constrained decoding: "
                    f"{str(error).partition(chr(10))[0]}",
                    hint=f"take a model with a tokenizer.json, or {_OFF}",
                    cause="closed",
                ) from None
        return self._read

    def _check_characters(self, written: str) -> None:
        """Refuse a tokenizer that has no token for a character of the form."""
        needed = sorted({each for each in written if each.isprintable() and each.isascii()})
        missing = [each for each in needed if not self._can_write(each)]
        if missing:
            raise PolicyError(
                f"the tokenizer of {self._model} cannot write {' '.join(missing)}, which the form "
                "of the answer needs",
                hint=f"take another model, or {_OFF}",
                cause="closed",
            )

    def _can_write(self, character: str) -> bool:
        return character in self._decode(self._ids(f"x{character}x"))
