"""The policy of this process: a causal language model of Hugging Face, and an adapter on top.

Concurrent calls are answered in batches, by one engine on a thread of its own. Every answer carries
its tokens, so that it can be trained on. torch is imported at the first call.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import ConfigDict, Field, PrivateAttr

from starec_sim.errors import PolicyError, import_problem
from starec_sim.policies.local.calls import EngineCall, engine_call
from starec_sim.policies.local.loading import LazyModel
from starec_sim.policies.roles import SystemSetting

if TYPE_CHECKING:
    from starec_sim.policies.engine.loaded_model import LoadedModel


class LocalPolicy(BaseChatModel):
    """A chat model in this process.

    The fields are the settings, in YAML as in Python; an unknown one is refused. `ainvoke(messages,
    seed=7, temperature=0, top_p=1, max_tokens=64, stop=["</ranking>"])` replaces settings for one
    call. An answer depends on the messages, the settings, the seed and the weights. The other calls
    in its batch change it only by the rounding of floating-point sums.

    `response_metadata` has `tokens` (a `starec_sim.types.Tokens`), `finish_reason` (`stop` or
    `length`) and `model_name` (the name of the weights that answered).

    Example:
        In an experiment::

            fast: {use: local, model: Qwen/Qwen3-0.6B, adapter: sft/adapter, max_tokens: 256}

        In Python:

        >>> policy = LocalPolicy(model="Qwen/Qwen3-0.6B", temperature=0.7)
        >>> policy.max_batch
        64

    Raises:
        PolicyError: From every call that fails: no such model, an adapter of another model, a
            prompt that does not fit, too little memory.
    """

    model_config = ConfigDict(extra="forbid")

    costs_nothing: ClassVar[bool] = True

    model: str = Field(min_length=1)
    """A Hugging Face id, or the path of a folder that `save_pretrained` wrote."""
    revision: str | None = None
    """A branch, tag or commit of the id; None is its main branch."""
    adapter: str | None = None
    """The path or id of a PEFT adapter that was trained on the model. A tokenizer and a chat
    template in its folder go before those of the model."""
    temperature: float = Field(default=1.0, ge=0)
    """At 0 the likeliest token is taken each time."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    """Set 1 for what is to be trained on: see `starec_sim.policies.engine.protocol.Completion`."""
    max_tokens: int = Field(default=512, ge=1)
    """The most tokens of an answer, its reasoning included."""
    dtype: Literal["auto", "fp32", "bf16"] = "auto"
    """Of the large products; `auto` is bf16 where this processor is faster with it."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto` is the graphics card when there is one."""
    max_batch: int = Field(default=64, ge=1)
    """The most answers in one batch. A batch that is too large for the memory is split."""
    chat_template_kwargs: dict[str, Any] = Field(default_factory=dict)
    """Values for the model's chat template, such as `enable_thinking: false`."""
    system: SystemSetting = "auto"
    """`keep`: the chat template gets system messages. `merge`: their text is put in front of the
    user's message that follows. `auto`: `keep` if the template takes them, else `merge`, which is
    said on stderr."""
    constrained: Literal["tags", "json", False] = False
    """`tags`, `json`: an answer is held to the form that its question asks for, token by token, in
    tags or as one JSON object. False: it is read as it comes."""
    seeded: bool = True
    """Whether calls are given a seed. If False, one is drawn for each call and recorded."""
    output_version: str | None = Field(default="v0", exclude=True)
    """A setting of langchain-core; fixed, because LC_OUTPUT_VERSION would turn texts into lists."""

    _lazy: LazyModel = PrivateAttr()

    def model_post_init(self, context: Any) -> None:
        """Prepare for the first call, which reads the model."""
        super().model_post_init(context)
        self._lazy = LazyModel(self._read)

    @property
    def _llm_type(self) -> str:
        return "local"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        # Without these langchain's cache would mix up the answers of differently set policies.
        shown = self.model_dump(include=set(LocalPolicy.__annotations__))
        if self.system == "auto":
            del shown["system"]  # caches that are older than the setting stay valid
        if not self.constrained:
            del shown["constrained"]
        return shown

    @property
    def structured(self) -> bool:
        """Whether it is asked for JSON; see `starec_sim.policies.abilities.Structured`."""
        return self.constrained == "json"

    # Weights

    @property
    def version(self) -> str:
        """The name of the weights that answer now. Reads the model if that is not done yet."""
        return self._lazy.get().version

    def load(self, source: str | Path | None = None) -> str:
        """Answer with other weights from the next batch on, and return their name.

        Args:
            source: The path or id of an adapter for `model`, the folder of a whole model with the
                same tokenizer, or a name that an earlier `load` (or `version`) returned. None goes
                back to the weights of the settings.

        Raises:
            PolicyError: They cannot be read or do not fit; the old weights stay.
        """
        return self._lazy.get().load(None if source is None else str(source))

    def token_texts(self, ids: Sequence[int]) -> list[str]:
        """Return the text of each token id."""
        return self._lazy.get().chat_format.token_texts(ids)

    def _read(self) -> LoadedModel:
        try:
            from starec_sim.policies.engine.loaded_model import LoadedModel
            from starec_sim.policies.engine.model_files import WeightSource

            return LoadedModel(
                WeightSource(self.model, self.revision, self.adapter),
                dtype=self.dtype,
                device=self.device,
                max_batch=self.max_batch,
                template=self.chat_template_kwargs,
                system=self.system,
            )
        except ImportError as error:
            package = (error.name or "torch").partition(".")[0]
            problem, hint = import_problem(error, f"pip install {package}")
            raise PolicyError(f"the local policy cannot start: {problem}", hint=hint) from error

    async def aopen(self) -> None:
        """Read the model now, before the first call."""
        await self._lazy.get_async()

    async def aclose(self) -> None:
        """End the engine's thread once no call waits; a later call starts another."""
        self.close()

    def close(self) -> None:
        """Do what `aclose` does, from outside an event loop."""
        self._lazy.close()

    # Answers

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        model = self._lazy.get()
        call = self._call(model, messages, {"stop": stop, **kwargs})
        return _result(call.message(model.batcher.ask_blocking(call.request)))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        model = await self._lazy.get_async()
        call = self._call(model, messages, {"stop": stop, **kwargs})
        return _result(call.message(await model.batcher.ask(call.request)))

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        model = await self._lazy.get_async()
        loop = asyncio.get_running_loop()
        pieces: asyncio.Queue[str | None] = asyncio.Queue()

        def on_text(piece: str) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed, so is the stream
                loop.call_soon_threadsafe(pieces.put_nowait, piece)

        call = self._call(model, messages, {"stop": stop, **kwargs}, on_text)
        answer = asyncio.ensure_future(model.batcher.ask(call.request))
        answer.add_done_callback(lambda _: pieces.put_nowait(None))
        try:
            while (piece := await pieces.get()) is not None:
                yield await self._piece(piece, run_manager)
            message = call.message(await answer)
            # `message` has passed on the text that was held back; let it reach the queue.
            await asyncio.sleep(0)
            while not pieces.empty():
                rest = pieces.get_nowait()
                if rest is not None:
                    yield await self._piece(rest, run_manager)
        finally:
            answer.cancel()
        yield _last_chunk(message, "")

    async def _piece(
        self, text: str, run_manager: AsyncCallbackManagerForLLMRun | None
    ) -> ChatGenerationChunk:
        chunk = ChatGenerationChunk(message=AIMessageChunk(content=text))
        if run_manager is not None:
            await run_manager.on_llm_new_token(text, chunk=chunk)
        return chunk

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        # One piece. Without this method langchain-core would yield a message that is no chunk.
        model = self._lazy.get()
        call = self._call(model, messages, {"stop": stop, **kwargs})
        message = call.message(model.batcher.ask_blocking(call.request))
        yield _last_chunk(message, message.text)

    def _call(
        self,
        model: LoadedModel,
        messages: list[BaseMessage],
        options: dict[str, Any],
        on_text: Callable[[str], None] | None = None,
    ) -> EngineCall:
        if not self.seeded:
            options = {**options, "seed": None}
        defaults = {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_tokens": self.max_tokens,
            "constrained": self.constrained,
        }
        return engine_call(model, messages, defaults, options, on_text)


def _result(message: AIMessage) -> ChatResult:
    return ChatResult(generations=[ChatGeneration(message=message)])


def _last_chunk(message: AIMessage, text: str) -> ChatGenerationChunk:
    """Return the end of a stream: the rest of the text, and what is known of the whole answer."""
    return ChatGenerationChunk(
        message=AIMessageChunk(
            content=text,
            usage_metadata=message.usage_metadata,
            response_metadata=message.response_metadata,
            chunk_position="last",
        )
    )
