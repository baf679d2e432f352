"""Between messages and token ids: the chat template, applied once, and the text of token ids."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import BaseMessage, convert_to_openai_messages

from starec_sim.errors import PolicyError
from starec_sim.policies.engine.accepted_roles import accepted_roles
from starec_sim.policies.engine.grammars import Grammars
from starec_sim.policies.engine.tokenizers import check_vocabulary
from starec_sim.policies.roles import SystemSetting

_log = logging.getLogger(__name__)

PLAIN_TEMPLATE = (
    "{{ bos_token or '' }}{% for message in messages %}"
    "### {{ message['role'] | capitalize }}\n{{ message['content'] }}\n\n"
    "{% endfor %}{% if add_generation_prompt %}### Assistant\n{% endif %}"
)
"""For models without a chat template. An answer ends where a new heading begins."""


_LONG = 100_000
"""Characters that are tokenized in half a second."""
_SLICE = 20_000
"""Characters that are tokenized at once, to find out whether a text is far too long."""


def _control_tokens(tokenizer: Any) -> re.Pattern[str]:
    """Return what finds the control tokens of a tokenizer in a text; nothing where it has none."""
    added = tokenizer.added_tokens_decoder.values()
    texts = {str(token) for token in added if token.special} | set(tokenizer.all_special_tokens)
    # One letter cannot be broken in two.
    longest_first = sorted((text for text in texts if len(text) > 1), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")


class ChatFormat:
    """The chat format of one model.

    Args:
        tokenizer: Of Hugging Face.
        model: The model's name, for error messages.
        ends: Tokens with which the model ends its turn.
        template: Values for the chat template.
        system: What is done with system messages.

    Raises:
        PolicyError: The chat template does not take the messages of a conversation.
    """

    def __init__(
        self,
        tokenizer: Any,
        model: str,
        ends: Sequence[int],
        template: Mapping[str, Any],
        system: SystemSetting = "auto",
    ) -> None:
        self._tokenizer = tokenizer
        self._model = model
        self._values = dict(template)
        # Two threads must not use a tokenizer at once.
        self._lock = threading.Lock()
        own = tokenizer.eos_token_id
        self.stop: frozenset[int] = frozenset([*ends, *([own] if own is not None else [])])
        self.stop_texts: tuple[str, ...] = ()
        if not tokenizer.chat_template:
            _log.warning(
                "%s has no chat template; a plain one is used (### System, ### User, ### Assistant)"
                "\nhint: take a model that was tuned for chat, or one you trained on this template",
                model,
            )
            self._values["chat_template"] = PLAIN_TEMPLATE
            self.stop_texts = ("\n### ",)
        elif not self.stop:
            _log.warning(
                "%s names no token that ends an answer, so each answer goes on to max_tokens"
                "\nhint: set eos_token in its tokenizer_config.json",
                model,
            )
        self._control = _control_tokens(tokenizer)
        self._roles = accepted_roles(self._render, model, system)
        self.grammars = Grammars(tokenizer, self.stop, model, self._ids, self.decode)
        self._rows = 2**63
        """How many tokens have an embedding."""

    def check_vocabulary(self, weights: Any) -> None:
        """Check that weights have an embedding for every token.

        Raises:
            PolicyError: They do not.
        """
        check_vocabulary(self._tokenizer, weights, self._model)
        self._rows = weights.get_input_embeddings().weight.shape[0]

    def prompt(self, messages: Sequence[BaseMessage], window: int | None = None) -> tuple[int, ...]:
        """Return the token ids of a conversation, up to where the assistant's answer begins.

        Args:
            messages: The conversation.
            window: The most tokens that the model can hold; None is no limit.

        Raises:
            PolicyError: The template refuses the messages, there is no text in them, they contain
                a token that the model does not know, or are far longer than the window.
        """
        try:
            text = self._render(self._roles.fit([self._plain(each) for each in messages]))
        except Exception as error:
            roles = ", ".join(message.type for message in messages) or "none"
            raise PolicyError(
                f"the chat template of {self._model} refused the messages ({roles}): {error}",
                hint="the template is in the model's tokenizer_config.json or chat_template.jinja",
            ) from error
        if window is not None and len(text) > max(_LONG, 4 * window):
            self._check_length(text, window, messages)
        ids = self._ids(text)
        if not ids:
            raise PolicyError(
                "the prompt has no tokens: there was nothing in the messages",
                hint="ask with at least one message that has text",
            )
        if max(ids) >= self._rows:
            raise PolicyError(
                f"the messages contain {self._tokenizer.decode([max(ids)])}, a token for which "
                f"{self._model} has no embedding",
                hint="remove that text from the messages",
            )
        return tuple(ids)

    def _plain(self, message: BaseMessage) -> BaseMessage:
        """Return a message whose text holds no control tokens, such as the end of a message.

        The title of an item or an earlier answer could otherwise end the user's message and begin
        one of the system.
        """
        content = message.content
        if not isinstance(content, str) or not self._control.search(content):
            return message
        broken = self._control.sub(lambda found: f"{found[0][0]} {found[0][1:]}", content)
        return message.model_copy(update={"content": broken})

    def _render(self, messages: Sequence[BaseMessage]) -> str:
        chat = convert_to_openai_messages(list(messages))
        with self._lock:
            text: str = self._tokenizer.apply_chat_template(
                chat, add_generation_prompt=True, tokenize=False, **self._values
            )
        return text

    def _ids(self, text: str) -> list[int]:
        with self._lock:
            # The template has added the special tokens already.
            ids: list[int] = self._tokenizer(text, add_special_tokens=False, verbose=False)[
                "input_ids"
            ]
        return ids

    def _check_length(self, text: str, window: int, messages: Sequence[BaseMessage]) -> None:
        """Refuse a text that is far too long, without tokenizing all of it.

        Millions of characters take half a minute, in which nobody else is answered.
        """
        most, tokens = 1.25 * window, 0  # a cut through a word adds a few tokens
        for start in range(0, len(text), _SLICE):
            tokens += len(self._ids(text[start : start + _SLICE]))
            if tokens > most:
                part = max(messages, key=lambda message: len(message.text))
                raise PolicyError(
                    f"a prompt of {len(text):,} characters has far more tokens than the "
                    f"{window:,} that {self._model} can hold; the longest message is the "
                    f"{part.type} message with {len(part.text):,} characters",
                    hint="shorten it, or take a model with a longer window",
                )

    def answer(self, text: str) -> tuple[int, ...]:
        """Return the token ids of an answer, with the one that ends it."""
        return (*self._ids(text), self._tokenizer.eos_token_id)

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of token ids, special tokens left out."""
        with self._lock:
            text: str = self._tokenizer.decode(list(ids), skip_special_tokens=True)
        return text

    def token_texts(self, ids: Sequence[int]) -> list[str]:
        """Return the text of each token, special tokens too; half a character is U+FFFD."""
        with self._lock:
            return [self._tokenizer.decode([token]) for token in ids]

    def check_window(
        self, prompt: Sequence[int], limit: int, window: int, messages: Sequence[BaseMessage]
    ) -> None:
        """Check that a prompt leaves room for its answer.

        Args:
            prompt: The token ids.
            limit: `max_tokens` of the answer.
            window: The most tokens of both.
            messages: What the prompt was made from.

        Raises:
            PolicyError: It does not. The message names the longest part of the prompt.
        """
        over = len(prompt) + limit - window
        if over <= 0:
            return
        part, size = self._longest_part(messages)
        room = window - len(prompt)
        raise PolicyError(
            f"{len(prompt):,} tokens of prompt and max_tokens = {limit:,} are {over:,} more than "
            f"the {window:,} that {self._model} can hold; the longest part of the prompt is {part} "
            f"with {size:,} tokens",
            hint=f"lower max_tokens to {room:,}, or shorten {part}"
            if room > 0
            else f"shorten {part} (a shorter history, fewer candidates), or take a model with a "
            "longer window",
        )

    def _longest_part(self, messages: Sequence[BaseMessage]) -> tuple[str, int]:
        """Return the message, or the tagged section of one, that takes most tokens."""
        parts = [(f"the {message.type} message", message.text) for message in messages]
        for message in messages:
            sections = re.findall(r"<(\w+)>\n(.*?)\n</\1>", message.text, re.DOTALL)
            # A message that has sections is represented by them.
            if sections:
                parts = [part for part in parts if part[1] != message.text]
                parts += [(f"<{tag}>", text) for tag, text in sections]
        sizes = [(len(self._ids(text)), name) for name, text in parts]
        size, name = max(sizes, default=(0, "empty"))
        return name, size
