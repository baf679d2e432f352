"""Chat requests in OpenAI's format, as far as a policy can do what they ask for.

A key that would change the answer and has no effect here is refused by name, never ignored.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from starec_sim.serving.errors import RequestError

MAX_CHOICES = 128
_MESSAGE: Mapping[str, type[BaseMessage]] = {
    "system": SystemMessage,
    "developer": SystemMessage,
    "user": HumanMessage,
    "assistant": AIMessage,
}
_IGNORED = (
    "metadata",
    "prompt_cache_key",
    "safety_identifier",
    "service_tier",
    "store",
    "user",
)
"""Keys for OpenAI's own use; they change no answer."""
_NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "top_logprobs": (0,),
    "logit_bias": ({},),
    "tools": ([],),
    "functions": ([],),
    "tool_choice": ("none", "auto"),
    "parallel_tool_calls": (True, False),
    "modalities": (["text"],),
}
"""Keys that are accepted only with values that ask for nothing."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class TextPart(_Strict):
    """The text of a message, or a part of it."""

    type: Literal["text"]
    text: str


class Message(BaseModel):
    """One message of a conversation."""

    model_config = ConfigDict(extra="allow", frozen=True)

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[TextPart]
    name: str | None = None

    @model_validator(mode="after")
    def _only_text(self) -> Self:
        # Clients send answers back as they got them, with empty fields.
        for key, value in (self.model_extra or {}).items():
            if value:
                raise ValueError(f"a message holds text only, and this one has {key}")
        return self

    def as_langchain(self) -> BaseMessage:
        """Return the message as a policy takes it."""
        parts = self.content
        text = parts if isinstance(parts, str) else "".join(part.text for part in parts)
        return _MESSAGE[self.role](text)


class StreamOptions(_Strict):
    """What a stream contains besides the text."""

    include_usage: bool = False
    include_obfuscation: bool = False


class ChatRequest(_Strict):
    """A chat request."""

    model: str
    messages: list[Message] = Field(min_length=1)
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    stop: str | Annotated[list[str], Field(max_length=4)] | None = None
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
        kept = {key: value for key, value in values.items() if key not in _IGNORED}
        for key, neutral in _NEUTRAL.items():
            value = kept.pop(key, None)
            if value is not None and value not in neutral:
                raise ValueError(f"{key} is not supported here; leave it out")
        return kept

    @field_validator("response_format")
    @classmethod
    def _drop_text_format(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        if value is None or value == {"type": "text"}:
            return None
        if value.get("type") not in ("json_schema", "json_object"):
            raise ValueError('expected the type "text", "json_object" or "json_schema"')
        return value

    @property
    def choices(self) -> int:
        """How many answers are wanted."""
        return self.n or 1

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
            "stop": [self.stop] if isinstance(self.stop, str) else self.stop,
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


def read_request(body: Any) -> ChatRequest:
    """Read a request from JSON values.

    Raises:
        RequestError: Names the first key that is wrong.
    """
    try:
        return ChatRequest.model_validate(body)
    except ValidationError as error:
        first = error.errors()[0]
        param = ".".join(str(part) for part in first["loc"]) or None
        problem = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            problem = "there is no such key, or it is not supported here"
        raise RequestError(f"{param}: {problem}" if param else problem, param=param) from None
