"""The policy for every endpoint that speaks OpenAI's chat format: vLLM, Ollama, DeepSeek, OpenAI.

The `openai` package brings the client, its aiohttp transport the speed: the default one tops out
near 100 requests a second. Its retries are switched off: the gateway repeats calls, for all models.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple
from urllib.parse import urlsplit

import numpy as np
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    UsageMetadata,
    convert_to_openai_messages,
)
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import AfterValidator, ConfigDict, Field, PrivateAttr

from starec_sim.errors import ConfigError, PolicyError
from starec_sim.policies.gateway.failures import cause_of_status, retry_after_s
from starec_sim.types import Tokens

if TYPE_CHECKING:
    from openai import AsyncOpenAI

OPENAI_URL = "https://api.openai.com/v1"


class _Door(NamedTuple):
    """What one event loop asks through: sockets and locks do not survive a change of loop."""

    client: AsyncOpenAI
    gate: asyncio.Semaphore
    key: str


def _address(url: str) -> str:
    """Refuse what could never be asked, and secrets that would end up in a stored config."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:
        raise ValueError("expected an address such as http://localhost:8000/v1")
    if parts.username or parts.password or parts.query:
        raise ValueError("a key does not belong in the address; name its variable in api_key_env")
    return url.rstrip("/")


def _variable(name: str) -> str:
    """Refuse a key that was pasted where its variable's name belongs, without repeating it."""
    if not re.fullmatch(r"[A-Z_][A-Z0-9_]*", name):
        raise ConfigError(
            "api_key_env: expected the name of an environment variable, in capitals",
            hint="write `api_key_env: OPENAI_API_KEY`; in the shell `export OPENAI_API_KEY=...`",
        )
    return name


class OpenAIPolicy(BaseChatModel):
    """A chat model behind an OpenAI-compatible endpoint.

    The fields are the settings, in YAML as in Python; an unknown one is refused. The settings alone
    decide what is asked of whom: of the environment only the variable named by `api_key_env` is
    read, and the SDK's own (OPENAI_BASE_URL, OPENAI_ORG_ID, OPENAI_PROJECT_ID,
    OPENAI_CUSTOM_HEADERS) are overruled. `ainvoke(messages, seed=7)` forwards the seed; any other
    keyword replaces the setting of that name for this one call.

    Example:
        In an experiment::

            fast:
              use: openai
              model: Qwen/Qwen3-8B
              base_url: http://localhost:8000/v1
              temperature: 0.7
              max_tokens: 512
              extra_body: {chat_template_kwargs: {enable_thinking: false}}

        In Python, where `aclose` ends what `ainvoke` opened:

        >>> policy = OpenAIPolicy(model="qwen3:8b", base_url="http://localhost:11434/v1")
        >>> policy.max_in_flight
        64

    Raises:
        PolicyError: From every call that came to nothing, with its cause. What the model merely
            answered badly is no error: an empty answer is empty content.
    """

    # Inputs are hidden because a key may have been written where it does not belong.
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    model: str = Field(min_length=1)
    """The name under which the server offers the model, or a LoRA adapter on top of it."""
    base_url: Annotated[str, AfterValidator(_address)] | None = None
    """What stands before `/chat/completions`; None is OpenAI's own."""
    api_key_env: Annotated[str, AfterValidator(_variable)] | None = None
    """The name of the environment variable that holds the key. None is OPENAI_API_KEY at OpenAI and
    no key anywhere else, so that no other endpoint is ever handed the key that is meant for OpenAI.
    OpenAI needs a key; elsewhere an unset variable means none."""
    temperature: float | None = Field(default=None, ge=0)
    """None, here and below, leaves the choice to the server."""
    top_p: float | None = Field(default=None, gt=0, le=1)
    max_tokens: int | None = Field(default=None, ge=1)
    """The most tokens of an answer, its reasoning included."""
    max_tokens_key: Literal["max_tokens", "max_completion_tokens"] | None = None
    """The name `max_tokens` goes by in the request. None: `max_completion_tokens` at OpenAI, whose
    newer models refuse the old name, and `max_tokens` at all others, who know only that one."""
    timeout_s: float = Field(default=60, gt=0)
    """Silence from the server after which a call is given up."""
    max_in_flight: int = Field(default=64, ge=1, le=1000)
    """Requests under way at once in one event loop. The transport keeps at most 1,000 connections.
    """
    structured: Literal["json_schema", "json_object", "structured_outputs"] | None = None
    """How the server is held to the form of an answer; None: not at all, the prompt asks for tags.
    `json_schema`: OpenAI's `response_format` (vLLM, SGLang, llama.cpp, Ollama). `json_object`: JSON
    of any shape (DeepSeek). `structured_outputs`: vLLM's own parameter. What comes back is
    read as strictly as tags are."""
    token_ids: bool = False
    """Whether to ask for the ids and log-probabilities of every token, to train on them (vLLM and
    `starec serve`). vLLM must be told to give those it samples from, and to sample as it is asked:
    `--logprobs-mode processed_logprobs --generation-config vllm`."""
    extra_body: dict[str, Any] = Field(default_factory=dict)
    """Parameters only this server knows, put into the request as they stand."""
    seeded: bool = True
    """Whether `seed` is forwarded; False for a server that refuses it."""
    trust_env: bool = False
    """Whether to go through the proxy, and trust the certificates, that the environment names
    (HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE)."""
    output_version: str | None = Field(default="v0", exclude=True)
    """langchain-core's; fixed here because LC_OUTPUT_VERSION would turn texts into lists."""

    _doors: dict[asyncio.AbstractEventLoop, _Door] = PrivateAttr(default_factory=dict)

    @property
    def _llm_type(self) -> str:
        return "openai"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        # Without these langchain's cache would take two differently set policies for one.
        return self.model_dump(include=set(OpenAIPolicy.__annotations__))

    @property
    def _key_variable(self) -> str | None:
        return self.api_key_env or ("OPENAI_API_KEY" if self._at_openai else None)

    @property
    def _url(self) -> str:
        return self.base_url or OPENAI_URL

    def key(self) -> str:
        """Return the key that this endpoint is handed; empty if none is."""
        variable = self._key_variable
        return os.environ.get(variable, "").strip() if variable else ""

    @property
    def _at_openai(self) -> bool:
        return str(urlsplit(self._url).hostname).endswith("api.openai.com")

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        async def ask() -> ChatResult:
            try:
                return await self._agenerate(messages, stop, **kwargs)
            finally:
                await self.aclose()

        # A thread of its own, because a notebook calls from within a running loop.
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(lambda: asyncio.run(ask())).result()

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        import aiohttp
        import openai

        door = self._door()
        body = self._body(messages, {"stop": stop, **kwargs})
        try:
            async with door.gate:
                # Not `chat.completions.create`, which spends half of a call's CPU time on building
                # objects, unchecked, that would have to be checked here all the same.
                text = await door.client.post("/chat/completions", body=body, cast_to=str)
        except (openai.OpenAIError, aiohttp.ClientError) as error:
            # `from None`: the SDK's error holds the request, and the request holds the key.
            raise self._explain(error, door.key) from None
        return self._read(text, door.key, body)

    async def aopen(self) -> None:
        """Check the key and set up the client now rather than at the first question."""
        self._door()

    async def aclose(self) -> None:
        """Close the connections of the running event loop; a later call opens new ones."""
        door = self._doors.pop(asyncio.get_running_loop(), None)
        if door is not None:
            await door.client.close()

    def _door(self) -> _Door:
        loop = asyncio.get_running_loop()
        if loop in self._doors:
            return self._doors[loop]
        # Imported here: 0.8 s that only those pay who ask.
        from openai import AsyncOpenAI, DefaultAioHttpClient

        variable, key = self._key_variable, self.key()
        if not (key.isascii() and key.isprintable()):
            raise PolicyError(
                f"the key in {variable} has characters that no HTTP header can carry",
                hint=f"copy it again: export {variable}=...",
                cause="closed",
            )
        if not key and self._at_openai:
            raise PolicyError(
                f"{self._url} needs a key, and {variable} is not set",
                hint=f"export {variable}=...",
                cause="closed",
            )
        client = AsyncOpenAI(
            api_key=key or "none",  # the SDK insists on one
            base_url=self._url,
            timeout=self.timeout_s,
            max_retries=0,
            http_client=DefaultAioHttpClient(trust_env=self.trust_env),
        )
        # The constructor has filled these from the environment, and takes no argument for "none".
        client.organization = client.project = None
        client._custom_headers = {}
        self._doors[loop] = _Door(client, asyncio.Semaphore(self.max_in_flight), key)
        return self._doors[loop]

    def _body(self, messages: list[BaseMessage], call: dict[str, Any]) -> dict[str, Any]:
        settings = {name: getattr(self, name) for name in ("temperature", "top_p", "max_tokens")}
        settings |= call
        if not self.seeded:
            settings.pop("seed", None)
        if self.structured is not None and "response_format" in settings:
            settings |= _held_to(settings.pop("response_format"), self.structured)
        if self.token_ids:
            settings |= {"return_token_ids": True, "logprobs": True}
        limit = "max_completion_tokens" if self._at_openai else "max_tokens"
        settings[self.max_tokens_key or limit] = settings.pop("max_tokens")
        return {
            "model": self.model,
            "messages": convert_to_openai_messages(messages),
            **{name: value for name, value in settings.items() if value is not None},
            **self.extra_body,
        }

    def _read(self, text: str, key: str, body: dict[str, Any]) -> ChatResult:
        """Read a 200: the one place where the shape of an answer is checked."""
        try:
            answer = json.loads(text)
        except ValueError:
            raise PolicyError(
                f"{self._url} answered with what is not JSON: {_quote(text, key, 80)!r}",
                hint="base_url must be the API itself, usually ending in /v1, not a web page; "
                "if it is, the server or a proxy cut the answer short",
                cause="endpoint",
            ) from None
        try:
            choice = answer["choices"][0]
            message = choice["message"]
            content = message.get("content") or ""
            if not isinstance(content, str):
                raise TypeError
        except (AttributeError, IndexError, KeyError, TypeError):
            raise PolicyError(
                f"{self._url} answered without a choice that holds text: {_quote(text, key, 300)}",
                hint="see the server's log; a content filter may do this too",
                cause="endpoint",
            ) from None
        reasoning = message.get("reasoning_content") or message.get("reasoning")
        if reasoning and "</think>" not in content:
            content = f"<think>\n{str(reasoning).strip()}\n</think>\n{content}"
        usage: UsageMetadata | None = None
        match answer.get("usage"):
            case {"prompt_tokens": int(read), "completion_tokens": int(written)}:
                usage = UsageMetadata(
                    input_tokens=read, output_tokens=written, total_tokens=read + written
                )
        about = {
            "model_name": answer.get("model") or self.model,
            "finish_reason": choice.get("finish_reason"),
            "system_fingerprint": answer.get("system_fingerprint"),
            "tokens": self._tokens(answer, body) if self.token_ids else None,
        }
        reply = AIMessage(
            content=content,
            usage_metadata=usage,
            response_metadata={name: value for name, value in about.items() if value is not None},
        )
        return ChatResult(generations=[ChatGeneration(message=reply)])

    def _tokens(self, answer: dict[str, Any], body: dict[str, Any]) -> Tokens:
        """Read the ids and log-probabilities that were asked for."""
        choice = answer["choices"][0]
        try:
            prompt, completion = answer["prompt_token_ids"], choice["token_ids"]
            logprobs = [token["logprob"] for token in choice["logprobs"]["content"] or ()]
            if not all(type(token) is int for token in (*prompt, *completion)):
                raise TypeError
            # In single precision, as engines compute them and runs store them.
            told = tuple(np.asarray(logprobs, np.float32).tolist())
        except (KeyError, TypeError, ValueError):
            raise PolicyError(
                f"{self._url} answered without the ids and log-probabilities of its tokens",
                hint="vLLM 0.10.2 and later gives them, `starec serve` does; otherwise set "
                "token_ids: false",
            ) from None
        if len(told) != len(completion):
            raise PolicyError(
                f"{self._url} answered with {len(completion)} tokens and the log-probabilities of "
                f"{len(told)}",
                hint="set token_ids: false, or use another version of the server",
            )
        version = str(answer.get("model") or self.model)
        asked = {"max_tokens": body.get("max_completion_tokens"), **body}
        sampling = {
            name: asked[name]
            for name in ("temperature", "top_p", "max_tokens", "seed")
            if asked.get(name) is not None
        }
        return Tokens(tuple(prompt), tuple(completion), told, version, sampling)

    def _explain(self, error: Exception, key: str) -> PolicyError:
        """Say in our words why a call came to nothing."""
        import openai

        url = self._url
        if not isinstance(error, openai.APIStatusError):
            # The transport reports a refused connection as a timeout: the first cause tells.
            cause: BaseException = error
            while cause.__cause__ is not None:
                cause = cause.__cause__
            if isinstance(cause, TimeoutError):
                return PolicyError(
                    f"{url} was silent for timeout_s = {self.timeout_s:g} seconds",
                    hint="raise timeout_s, or lower max_in_flight if the server has too much to do",
                    cause="time-out",
                )
            why = _quote(f"{type(cause).__name__}: {cause}", key, 300)
            return PolicyError(
                f"no connection to {url}: {why}",
                hint=f"is the server running? try: curl {url}/models",
                cause="endpoint",
            )

        status = error.status_code
        said = error.body
        if isinstance(said, dict):
            said = said.get("message") or said.get("detail") or said
        says = _quote(str(said or "no reason given"), key, 300)
        if status in (401, 403):
            variable = self._key_variable
            sent = f"the key in {variable}" if key else "no key"
            sent += f", {variable} unset" if variable and not key else ""
            what = f"{url} does not let us in with {sent} ({status})"
            hint = f"export {variable or 'SOME_KEY'}=... and name that variable in api_key_env"
        elif status == 404:
            what = f'{url} has no model "{self.model}", or is not the address of an API (404)'
            hint = f"see what it has with: curl {url}/models"
            hint += "" if re.search(r"/v\d", url) else f"; should base_url be {url}/v1?"
        elif status == 429:
            what = f"{url} takes no more requests (429)"
            hint = "set `limits` of the policy; if the quota is used up, top it up"
        elif status >= 500:
            what, hint = f"{url} failed ({status})", "see the server's log"
        elif error.code == "context_length_exceeded" or re.search(
            r"context (length|window|size)|max_model_len|max_tokens must be at least",
            says,
            re.IGNORECASE,
        ):
            what = f'the prompt does not fit the context of "{self.model}" ({status})'
            hint = "lower max_tokens, show the user less, or serve the model with a longer context"
        else:
            what = f"{url} refused the request ({status})"
            hint = "change what it names: max_tokens_key, seeded, structured, token_ids, extra_body"
        return PolicyError(
            f"{what}: {says}",
            hint=hint,
            cause=cause_of_status(status, str(error.code or "")),
            retry_after_s=retry_after_s(error.response.headers),
        )


def _held_to(wanted: dict[str, Any], how: str) -> dict[str, Any]:
    """Say in a server's own words to which form an answer is held."""
    if how == "json_schema":
        return {"response_format": wanted}
    if how == "json_object":
        return {"response_format": {"type": "json_object"}}
    return {how: {"json": wanted["json_schema"]["schema"]}}


def _quote(text: str, key: str, limit: int) -> str:
    """One line of what a server said, bounded, and without the key should it echo that."""
    line = " ".join((text.replace(key, "***") if key else text).split())
    return line if len(line) <= limit else line[:limit] + "..."
