"""The policy for endpoints with OpenAI's chat format.

The client is that of the `openai` package, with its aiohttp transport: the default transport
reaches about 100 requests a second only. The client's retries are off: the gateway repeats calls.
"""

from __future__ import annotations

import asyncio
import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage, convert_to_openai_messages
from langchain_core.outputs import ChatResult
from pydantic import AfterValidator, ConfigDict, Field, PrivateAttr

from starec_sim.errors import PolicyError, PolicyWarning
from starec_sim.policies.openai import bounds
from starec_sim.policies.openai.answers import is_another_model, read_answer
from starec_sim.policies.openai.failures import explain
from starec_sim.policies.openai.refusals import about_roles
from starec_sim.policies.openai.target import (
    OPENAI_URL,
    Target,
    check_query,
    check_url,
    check_variable,
    is_azure,
    is_openai,
)
from starec_sim.policies.roles import Roles, SystemSetting

if TYPE_CHECKING:
    from openai import AsyncOpenAI

_REFUSED = ("refused", "denied")
_Query = Annotated[dict[str, str], AfterValidator(check_query)]


class _Connection(NamedTuple):
    """The client of one event loop: sockets and locks cannot be used by another loop."""

    client: AsyncOpenAI
    in_flight: asyncio.Semaphore
    target: Target


class OpenAIPolicy(BaseChatModel):
    """A chat model behind an OpenAI-compatible endpoint.

    The fields are the settings, in YAML as in Python; an unknown one is refused. Only the settings
    decide what is sent, and where: of the environment only the variable that `api_key_env` names is
    read, and the SDK's own variables (OPENAI_BASE_URL, OPENAI_ORG_ID, OPENAI_PROJECT_ID,
    OPENAI_CUSTOM_HEADERS) have no effect. `ainvoke(messages, seed=7)` forwards the seed; any other
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

        In Python, where `aclose` closes the connections that `ainvoke` opens:

        >>> policy = OpenAIPolicy(model="qwen3:8b", base_url="http://localhost:11434/v1")
        >>> policy.max_in_flight
        64

    Raises:
        PolicyError: From every call that fails, with its cause. A bad answer is no failure: an
            empty answer is empty content.
    """

    # Error messages do not show the values: one of them may be a key in the wrong place.
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    model: str = Field(min_length=1)
    """The name under which the server offers the model, or a LoRA adapter on top of it."""
    base_url: Annotated[str, AfterValidator(check_url)] | None = None
    """The address before `/chat/completions`; None is OpenAI's own."""
    api_key_env: Annotated[str, AfterValidator(check_variable)] | None = None
    """The name of the environment variable that holds the key. None is OPENAI_API_KEY at OpenAI and
    no key anywhere else, so that OpenAI's key is never sent to another endpoint. OpenAI needs a
    key; elsewhere an unset variable means that no key is sent."""
    temperature: float | None = Field(default=None, ge=0)
    """None, here and below, leaves the choice to the server."""
    top_p: float | None = Field(default=None, gt=0, le=1)
    max_tokens: int | None = Field(default=None, ge=1)
    """The most tokens of an answer, its reasoning included."""
    max_tokens_key: Literal["max_tokens", "max_completion_tokens"] | None = None
    """The name of `max_tokens` in the request. None: `max_completion_tokens` at OpenAI, whose newer
    models refuse the old name, and `max_tokens` at all others, which know only that name."""
    timeout_s: float = Field(default=60, gt=0)
    """A call fails when the server is silent for so long."""
    max_in_flight: int = Field(default=64, ge=1, le=1000)
    """The most requests in flight in one event loop. The transport keeps at most 1,000 connections.
    """
    structured: (
        Literal["json_schema", "json_object", "json_object_schema", "structured_outputs"] | None
    ) = None
    """How the server is made to answer in a form; None: not at all, and the prompt asks for tags.
    `json_schema`: OpenAI's `response_format` (vLLM, SGLang, llama.cpp, Ollama). `json_object`: JSON
    of any shape (DeepSeek). `json_object_schema`: the same with the schema beside it (the server of
    llama-cpp-python, Together). `structured_outputs`: vLLM's own parameter. Answers are read as
    strictly as tags are."""
    token_ids: bool = False
    """Whether to ask for the ids and log-probabilities of all tokens, to train on them (vLLM and
    `starec serve`). Start vLLM so that it reports those it samples from and samples as asked:
    `--logprobs-mode processed_logprobs --generation-config vllm`."""
    extra_body: dict[str, Any] = Field(default_factory=dict)
    """Parameters of this server only; they are put into the request as they are."""
    extra_query: _Query = Field(default_factory=dict)
    """Parameters behind the `?` of the address, such as Azure's `api-version`."""
    system: SystemSetting = "auto"
    """`keep`: messages are sent in the roles that the prompt gives them. `merge`: the text of the
    role `system` begins the user's message, and roles alternate, for models that know no such role.
    `auto`: keep, and merge once the endpoint refuses a call because of its roles."""
    seeded: bool = True
    """Whether `seed` is sent; False for a server that refuses it."""
    trust_env: bool = False
    """Whether to use the proxy and the certificates that the environment names (HTTPS_PROXY,
    NO_PROXY, SSL_CERT_FILE)."""
    output_version: str | None = Field(default="v0", exclude=True)
    """A setting of langchain-core; fixed, because LC_OUTPUT_VERSION would turn texts into lists."""

    _merges_roles: bool = PrivateAttr(default=False)
    _told_model: bool = PrivateAttr(default=False)
    """Whether it was told that another model answers."""
    """Whether `system: auto` merges, because the endpoint refused the roles."""
    _connections: dict[asyncio.AbstractEventLoop, _Connection] = PrivateAttr(default_factory=dict)

    @property
    def _llm_type(self) -> str:
        return "openai"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        # Without these langchain's cache would mix up the answers of differently set policies.
        params = self.model_dump(include=set(OpenAIPolicy.__annotations__))
        # Left out as long as they change nothing, so that answers in older caches are found.
        unused = {"system": "auto", "extra_query": {}}.items()
        return dict(item for item in params.items() if item not in unused)

    @property
    def url(self) -> str:
        """The address before `/chat/completions`."""
        return self.base_url or OPENAI_URL

    @property
    def _key_variable(self) -> str | None:
        return self.api_key_env or ("OPENAI_API_KEY" if is_openai(self.url) else None)

    def key(self) -> str:
        """Return the key that this endpoint is sent; empty if there is none."""
        variable = self._key_variable
        return os.environ.get(variable, "").strip() if variable else ""

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

        # In a new thread, because a notebook calls from within a running loop.
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(lambda: asyncio.run(ask())).result()

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        connection = self._connect()
        call = {"stop": stop, **kwargs}
        merges = self.system == "merge" or self._merges_roles
        try:
            return await self._post(connection, self._body(messages, call, merges))
        except PolicyError as error:
            if merges or self.system != "auto" or not _refuses_roles(error, messages):
                raise
            refusal = error
        try:
            answer = await self._post(connection, self._body(messages, call, merges=True))
        except PolicyError as error:
            raise (refusal if error.cause in _REFUSED else error) from None
        if not self._merges_roles:
            self._merges_roles = True
            _warn_of_merged_roles(self.url)
        return answer

    async def _post(self, connection: _Connection, body: dict[str, Any]) -> ChatResult:
        import aiohttp
        import openai

        target = connection.target._replace(model=self.model)  # a training changes the model
        try:
            async with connection.in_flight:
                # Not `chat.completions.create`: it spends half of a call's CPU time on objects that
                # it does not check, so that `read_answer` would have to check them all the same.
                text = await connection.client.post("/chat/completions", body=body, cast_to=str)
        except (openai.OpenAIError, aiohttp.ClientError) as error:
            # `from None`: the SDK's error holds the request, and the request holds the key.
            raise explain(error, target, body) from None
        answer = read_answer(text, body, self.token_ids, target)
        named = str(answer.generations[0].message.response_metadata["model_name"])
        if not self._told_model and is_another_model(self.model, named) and not is_azure(self.url):
            self._told_model = True
            _warn_of_another_model(target, named)
        return answer

    async def aopen(self) -> None:
        """Check the key and set up the client now, before the first call."""
        self._connect()

    async def aclose(self) -> None:
        """Close the connections of the running event loop; a later call opens new ones."""
        connection = self._connections.pop(asyncio.get_running_loop(), None)
        if connection is not None:
            await connection.client.close()

    def _connect(self) -> _Connection:
        """Return the connection of the running event loop."""
        loop = asyncio.get_running_loop()
        if loop in self._connections:
            return self._connections[loop]
        variable, key = self._key_variable, self.key()
        if not (key.isascii() and key.isprintable()):
            raise PolicyError(
                f"the key in {variable} has characters that no HTTP header can carry",
                hint=f"copy it again: export {variable}=...",
                cause="closed",
            )
        if not key and is_openai(self.url):
            raise PolicyError(
                f"{self.url} needs a key, and {variable} is not set",
                hint=f"export {variable}=...",
                cause="closed",
            )
        client = _client(self, key)
        target = Target(self.url, self.model, key, variable, self.timeout_s)
        in_flight = asyncio.Semaphore(self.max_in_flight)
        self._connections[loop] = _Connection(client, in_flight, target)
        return self._connections[loop]

    def _body(
        self, messages: list[BaseMessage], call: dict[str, Any], merges: bool = False
    ) -> dict[str, Any]:
        """Return the body of a request.

        Args:
            messages: The conversation.
            call: Settings of this call; they replace those of the policy.
            merges: Whether roles are merged, see `system`.
        """
        if merges:
            messages = Roles(system=False, repeated=False).fit(messages)
        settings: dict[str, Any] = {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_tokens": self.max_tokens,
            **call,
        }
        if not self.seeded:
            settings.pop("seed", None)
        if self.structured is not None and "response_format" in settings:
            settings |= _schema_option(settings.pop("response_format"), self.structured)
        if self.token_ids:
            settings |= {"return_token_ids": True, "logprobs": True}
        limit = "max_completion_tokens" if is_openai(self.url) else "max_tokens"
        settings[self.max_tokens_key or limit] = settings.pop("max_tokens")
        return {
            "model": self.model,
            "messages": convert_to_openai_messages(messages),
            **{name: value for name, value in settings.items() if value is not None},
            **self.extra_body,
        }


def _client(policy: OpenAIPolicy, key: str) -> AsyncOpenAI:
    """Return the client of a policy; `key` is empty if none is sent."""
    # Imported here: the import takes 0.8 s.
    from openai import AsyncOpenAI, DefaultAioHttpClient

    client = AsyncOpenAI(
        api_key=key or "none",  # the SDK needs one
        base_url=policy.url,
        timeout=policy.timeout_s,
        max_retries=0,
        default_query=dict(policy.extra_query),
        http_client=DefaultAioHttpClient(
            trust_env=policy.trust_env,
            max_redirects=bounds.MAX_REDIRECTS,
            headers={"Accept-Encoding": bounds.ACCEPTED_ENCODINGS},
            event_hooks={"response": [bounds.check_redirect, bounds.read_bounded]},
        ),
    )
    # The constructor has filled these from the environment, and takes no argument for "none".
    client.organization = client.project = None
    client._custom_headers = {"api-key": key} if key and is_azure(policy.url) else {}
    return client


def _warn_of_merged_roles(url: str) -> None:
    warnings.warn(
        f"{url} refuses the role system: its text now begins the user's message (system: merge)",
        PolicyWarning,
        stacklevel=3,
    )


def _warn_of_another_model(target: Target, named: str) -> None:
    warnings.warn(
        f'{target.url} was asked for the model "{target.model}" and says that '
        f'"{target.quote(named, 100)}" answers',
        PolicyWarning,
        stacklevel=3,
    )


def _refuses_roles(error: PolicyError, messages: list[BaseMessage]) -> bool:
    """Return whether an endpoint may have refused a call because of the roles of its messages."""
    refused = error.cause in _REFUSED and about_roles(error.message)
    return refused and any(message.type == "system" for message in messages)


def _schema_option(response_format: dict[str, Any], structured: str) -> dict[str, Any]:
    """Return the parameter that gives a server the schema of the answer."""
    if structured == "json_schema":
        return {"response_format": response_format}
    if structured == "json_object":
        return {"response_format": {"type": "json_object"}}
    schema = response_format["json_schema"]["schema"]
    if structured == "json_object_schema":
        return {"response_format": {"type": "json_object", "schema": schema}}
    return {structured: {"json": schema}}
