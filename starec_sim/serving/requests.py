"""Chat requests in OpenAI's format, as far as a policy can do what they ask for.

A key that would change the answer and has no effect here is refused by name, never ignored. A key
asks for nothing if it is null, or has the value that means "as usual".
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from starec_sim.serving.errors import RequestError

MAX_CHOICES = 128
_HALF = re.compile(r"[\ud800-\udfff]")
_MESSAGE: Mapping[str, type[BaseMessage]] = {
    "system": SystemMessage,
    "developer": SystemMessage,
    "user": HumanMessage,
    "assistant": AIMessage,
}
_IGNORED = (
    "cache_prompt",
    "cache_salt",
    "id_slot",
    "metadata",
    "keep_alive",
    "priority",
    "prompt_cache_key",
    "prompt_cache_retention",
    "request_id",
    "rid",
    "safety_identifier",
    "service_tier",
    "store",
    "user",
)
"""Keys about storing, naming and scheduling a request; they change no answer."""
_NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    # OpenAI
    "frequency_penalty": (0,),
    "function_call": ("none", "auto"),
    "functions": ([],),
    "logit_bias": ({},),
    "modalities": (["text"],),
    "parallel_tool_calls": (True, False),
    "presence_penalty": (0,),
    "reasoning_effort": ("none",),
    "tool_choice": ("none", "auto"),
    "tools": ([],),
    "top_logprobs": (0,),
    "verbosity": ("medium",),
    # vLLM, SGLang, llama.cpp, Ollama
    "add_generation_prompt": (True,),
    "add_special_tokens": (False,),
    "bad_words": ([],),
    "chat_template_kwargs": ({},),
    "continue_final_message": (False,),
    "detokenize": (True,),
    "documents": ([],),
    "dry_multiplier": (0,),
    "dynatemp_range": (0,),
    "early_stopping": (False,),
    "echo": (False,),
    "enable_thinking": (False,),
    "extra_body": ({},),
    "ignore_eos": (False,),
    "include_reasoning": (True,),
    "include_stop_str_in_output": (False,),
    "length_penalty": (1,),
    "logits_processors": ([],),
    "min_p": (0,),
    "min_tokens": (0,),
    "mirostat": (0,),
    "mm_processor_kwargs": ({},),
    "n_predict": (-1,),
    "no_stop_trim": (False,),
    "options": ({},),
    "post_sampling_probs": (False,),
    "raw": (False,),
    "repeat_penalty": (1,),
    "repetition_penalty": (1,),
    "separate_reasoning": (True,),
    "return_hidden_states": (False,),
    "return_progress": (False,),
    "return_tokens_as_token_ids": (False,),
    "session_params": ({},),
    "skip_special_tokens": (True,),
    "spaces_between_special_tokens": (True,),
    "stop_token_ids": ([],),
    "stream_reasoning": (True,),
    "tfs_z": (1,),
    "think": (False,),
    "thinking": ({"type": "disabled"},),
    "timings_per_token": (False,),
    "top_a": (0,),
    "top_k": (-1, 0),
    "top_n_sigma": (-1,),
    "transforms": ([],),
    "typical_p": (1,),
    "use_beam_search": (False,),
    "vllm_xargs": ({},),
    "xtc_probability": (0,),
}
"""Keys that are accepted only with values that ask for nothing."""


_NUMBERS = {"temperature", "top_p", "max_tokens", "max_completion_tokens", "seed", "n"}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class TextPart(_Strict):
    """The text of a message, or a part of it."""

    type: Literal["text"]
    text: str

    @model_validator(mode="before")
    @classmethod
    def _drop_empty_fields(cls, values: Any) -> Any:
        # `cache_control` is about what a server keeps; it changes no answer.
        return _without_nulls(values, "cache_control")


class Message(BaseModel):
    """One message of a conversation."""

    model_config = ConfigDict(extra="allow", frozen=True)

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[TextPart] | None = None
    name: str | None = None

    @field_validator("content", mode="before")
    @classmethod
    def _only_text_parts(cls, content: Any) -> Any:
        if content is not None and not isinstance(content, str | list):
            raise ValueError("must be a text, or a list of parts")
        for number, part in enumerate(content if isinstance(content, list) else ()):
            if not isinstance(part, dict):
                raise ValueError(f'part {number} must be an object, e.g. {{"type": "text", ...}}')
            if (kind := part.get("type")) != "text":
                raise ValueError(
                    f"part {number} has the type {str(kind)[:40]!r}; this policy reads text only, "
                    'so each part must have the type "text"'
                )
            if not isinstance(part.get("text"), str):
                raise ValueError(f"part {number} must have a text under `text`")
        return content

    @model_validator(mode="after")
    def _only_text(self) -> Self:
        # Clients send answers back as they got them, with empty fields.
        for key, value in (self.model_extra or {}).items():
            if value:
                raise ValueError(f"a message holds text only, and this one has {key}")
        if _HALF.search(self.text):
            raise ValueError("the content has half of a surrogate pair, which is no character")
        if self.content is None and self.role != "assistant":
            raise ValueError(f"the content is missing; only an answer may lack it, not {self.role}")
        return self

    def as_langchain(self) -> BaseMessage:
        """Return the message as a policy takes it."""
        return _MESSAGE[self.role](self.text)

    @property
    def text(self) -> str:
        """All of its text; empty for an answer without any."""
        parts = self.content or ""
        return parts if isinstance(parts, str) else "".join(part.text for part in parts)


class StreamOptions(_Strict):
    """What a stream contains besides the text."""

    include_usage: bool = False
    include_obfuscation: bool = False
    continuous_usage_stats: Literal[False] = False

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, values: Any) -> Any:
        return _without_nulls(values)


class ChatRequest(_Strict):
    """A chat request."""

    model: str
    messages: list[Message] = Field(min_length=1)
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    stop: str | Annotated[list[str], Field(max_length=4)] | None = None
    """An empty text stops nothing."""
    seed: int | None = None
    n: int | None = Field(default=None, ge=1, le=MAX_CHOICES)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    logprobs: bool | None = None
    response_format: dict[str, Any] | None = None
    return_token_ids: bool | None = None
    """As in vLLM: the response has the ids of the prompt and of each completion."""

    @model_validator(mode="before")
    @classmethod
    def _drop_neutral_keys(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            raise ValueError("the body must be a JSON object")
        kept = _without_nulls(values, *_IGNORED)
        for key in kept.keys() & _NEUTRAL.keys():
            if kept.pop(key) not in _NEUTRAL[key]:
                raise RequestError(f"{key} is not supported here; leave it out", param=key)
        # -1 is "no limit" and "any seed" to vLLM and llama.cpp, and as many candidates as answers
        # are no choice.
        for key in ("max_tokens", "max_completion_tokens", "seed"):
            if kept.get(key) == -1:
                del kept[key]
        for key in _NUMBERS & kept.keys():
            # pydantic takes `true` for 1.
            if isinstance(kept[key], bool):
                given = str(kept[key]).lower()
                raise RequestError(f"{key} is {given}; it must be a number", param=key)
        old, new = kept.get("max_tokens"), kept.get("max_completion_tokens")
        if None not in (old, new) and old != new:
            raise RequestError(
                f"max_tokens is {old!r} and max_completion_tokens is {new!r}: two limits of one "
                "answer; leave max_tokens out",
                param="max_tokens",
            )
        if (best_of := kept.pop("best_of", None)) not in (None, 1, kept.get("n")):
            raise RequestError(
                f"best_of = {best_of} is not supported here; leave it out", param="best_of"
            )
        return kept

    @field_validator("response_format")
    @classmethod
    def _drop_text_format(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        wanted: dict[str, Any] = _without_nulls(value or {})
        if wanted in ({}, {"type": "text"}):
            return None
        if wanted.get("type") not in ("json_schema", "json_object"):
            raise ValueError('expected the type "text", "json_object" or "json_schema"')
        return wanted

    @property
    def choices(self) -> int:
        """How many answers are wanted."""
        return self.n or 1

    def _stop_texts(self) -> list[str]:
        texts = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return [text for text in texts if text]

    def conversation(self) -> list[BaseMessage]:
        """Return the messages as a policy takes them."""
        return [message.as_langchain() for message in self.messages]

    def options(self, choice: int, takes_seed: bool, takes_schema: bool) -> dict[str, Any]:
        """Return the keywords of the policy's call.

        Args:
            choice: The number of the answer; it is added to the seed.
            takes_seed: Whether the policy takes a seed.
            takes_schema: Whether it takes a JSON schema.

        Raises:
            RequestError: A form is asked for, and the policy takes no schema.
        """
        options: dict[str, Any] = {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_tokens": self.max_completion_tokens or self.max_tokens,
            "stop": self._stop_texts() or None,
        }
        if takes_seed:
            # Without a seed one is drawn, so that no two answers are the same by accident.
            first = secrets.randbits(31) if self.seed is None else self.seed
            options["seed"] = (first + choice) % 2**63
        if self.response_format is not None:
            if not takes_schema:
                raise RequestError(
                    "response_format: this policy takes no schema; ask for the form in the prompt",
                    param="response_format",
                )
            options["response_format"] = self.response_format
        return {name: value for name, value in options.items() if value is not None}


def _without_nulls(values: Any, *ignored: str) -> Any:
    """Return a JSON object without keys that are null or ignored; other values as they are.

    >>> _without_nulls({"a": None, "b": 0, "c": 1}, "c")
    {'b': 0}
    """
    if not isinstance(values, dict):
        return values
    return {key: value for key, value in values.items() if value is not None and key not in ignored}


def read_request(body: Any) -> ChatRequest:
    """Read a request from JSON values.

    Raises:
        RequestError: Names the first key that is wrong.
    """
    try:
        return ChatRequest.model_validate(body)
    except ValidationError as error:
        # Where a value may have several types, the findings of a later one say more of lists.
        found = [each for each in error.errors() if each["loc"][-1:] != ("str",)]
        first = (found or error.errors())[0]
        keys = [str(part) for part in first["loc"] if part != "str" and "[" not in str(part)]
        param = ".".join(keys) or None
        problem = _problem(first["type"], first["msg"])
        raise RequestError(f"{param}: {problem}" if param else problem, param=param) from None


def _problem(kind: str, message: str) -> str:
    """Return what is wrong with a key, in words about JSON and not about Python."""
    if kind == "extra_forbidden":
        return "there is no such key, or it is not supported here"
    if kind == "missing":
        return "this key is required"
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return "must be an object"
    message = message.removeprefix("Value error, ")
    message = re.sub(r"^\w+ should have at least 1 item.*", "must not be empty", message)
    return re.sub(r"^\w+ should ", "must ", message)
