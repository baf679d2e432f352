"""From chat messages to a request of the engine, and from its completion to a message."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from langchain_core.messages import AIMessage, BaseMessage, UsageMetadata

from starec_sim.errors import PolicyError, did_you_mean
from starec_sim.policies.engine.detokenizer import Detokenizer
from starec_sim.policies.engine.protocol import Completion, Request, Sampling
from starec_sim.types import ExpectedAnswer, Tokens

if TYPE_CHECKING:
    from llguidance import LLMatcher

    from starec_sim.policies.engine.loaded_model import LoadedModel

_OPTIONS = ("expected", "max_tokens", "response_format", "seed", "stop", "temperature", "top_p")
"""The options of one call."""


class EngineCall(NamedTuple):
    """A call as the engine takes it."""

    request: Request
    detokenizer: Detokenizer

    def message(self, completion: Completion) -> AIMessage:
        """Return the engine's completion as a message with its tokens."""
        sampling = self.request.sampling
        tokens = Tokens(
            prompt=self.request.prompt,
            completion=completion.ids,
            logprobs=completion.logprobs,
            version=completion.version,
            sampling={
                "temperature": sampling.temperature,
                "top_p": sampling.top_p,
                "max_tokens": sampling.max_tokens,
                "seed": sampling.seed,
                **({"constrained": 1} if self.request.grammar is not None else {}),
            },
        )
        tokens_in, tokens_out = len(self.request.prompt), len(completion.ids)
        return AIMessage(
            content=self.detokenizer.text(completion.ids),
            usage_metadata=UsageMetadata(
                input_tokens=tokens_in,
                output_tokens=tokens_out,
                total_tokens=tokens_in + tokens_out,
            ),
            response_metadata={
                "model_name": completion.version,
                "finish_reason": completion.finish,
                "tokens": tokens,
            },
        )


def engine_call(
    model: LoadedModel,
    messages: Sequence[BaseMessage],
    defaults: Mapping[str, Any],
    options: Mapping[str, Any],
    on_text: Callable[[str], None] | None = None,
) -> EngineCall:
    """Return a call as the engine takes it.

    Args:
        model: The model that is asked.
        messages: The conversation.
        defaults: `temperature`, `top_p`, `max_tokens` and `constrained` of the policy.
        options: What this call sets for itself; None counts as not set. Without a `seed` one is
            drawn.
        on_text: Called with each new piece of the answer; None where it is not streamed.

    Raises:
        PolicyError: There is no such option, a value is out of its range, the prompt does not
            fit the model's window, or the model cannot be held to the form of the answer.
    """
    for name in options.keys() - set(_OPTIONS):
        raise PolicyError(
            f"the local policy has no setting {name} for a call; {did_you_mean(name, _OPTIONS)}",
            hint="set what belongs to the policy where it is built",
        )
    given = {name: value for name, value in options.items() if value is not None}
    settings = {**defaults, **given}
    temperature, top_p = settings["temperature"], settings["top_p"]
    max_tokens, seed = settings["max_tokens"], given.get("seed")
    for name, value, valid, expected in (
        ("temperature", temperature, temperature >= 0, "0 or more"),
        ("top_p", top_p, 0 < top_p <= 1, "above 0, at most 1"),
        ("max_tokens", max_tokens, max_tokens >= 1, "at least 1"),
    ):
        if not valid:
            raise PolicyError(f"{name} = {value}: expected {expected}", hint=f"change {name}")
    chat = model.chat_format
    prompt = chat.prompt(messages, model.window)
    chat.check_window(prompt, max_tokens, model.window, messages)
    stop = given.get("stop") or []
    stop_texts = [*([stop] if isinstance(stop, str) else stop), *chat.stop_texts]
    detokenizer = Detokenizer(chat.decode, [text for text in stop_texts if text], on_text)
    sampling = Sampling(
        max_tokens,
        float(temperature),
        float(top_p),
        secrets.randbits(31) if seed is None else int(seed),
        chat.stop,
    )
    watch = None if detokenizer.idle else detokenizer.take
    grammar = _grammar(model, settings, max_tokens) if settings["constrained"] else None
    return EngineCall(Request(prompt, sampling, watch, grammar), detokenizer)


def _grammar(model: LoadedModel, settings: Mapping[str, Any], max_tokens: int) -> LLMatcher | None:
    """Return what the answer of a call is held to; None where the call does not say what it is."""
    grammars = model.chat_format.grammars
    expected: ExpectedAnswer | None = settings.get("expected")
    if expected is not None:
        return grammars.of_answer(expected, max_tokens)
    wanted = settings.get("response_format") or {}
    schema = (wanted.get("json_schema") or {}).get("schema")
    return grammars.of_schema(schema) if schema else None
