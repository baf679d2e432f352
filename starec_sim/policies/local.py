"""The policy that runs here: any causal language model of Hugging Face, and an adapter on top.

Concurrent users are answered in batches by one engine on a thread of its own. Every answer carries
its tokens, so that it can be trained on. Nothing of torch is imported before the first question.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import ConfigDict, Field, PrivateAttr

from starec_sim.errors import PolicyError, did_you_mean
from starec_sim.policies.engine.detokenizer import Detokenizer
from starec_sim.policies.engine.protocol import Completion, Request, Sampling
from starec_sim.types import Tokens

if TYPE_CHECKING:
    from starec_sim.policies.engine.loaded_model import LoadedModel

_CALL = ("max_tokens", "seed", "stop", "temperature", "top_p")
"""What one call may set for itself."""


class LocalPolicy(BaseChatModel):
    """A chat model in this process.

    The fields are the settings, in YAML as in Python; an unknown one is refused. `ainvoke(messages,
    seed=7, temperature=0, top_p=1, max_tokens=64, stop=["</ranking>"])` replaces settings for one
    call. An answer depends on the messages, the settings, the seed and the weights, and on nobody
    who is answered in the same batch, up to the rounding of floating-point sums.

    `response_metadata` has `tokens` (a `starec_sim.types.Tokens`), `finish_reason` (`stop` or
    `length`) and `model_name` (the name of the weights that answered).

    Example:
        In an experiment::

            fast: {use: local, model: Qwen/Qwen3-0.6B, adapter: anchor/adapter, max_tokens: 256}

        In Python:

        >>> policy = LocalPolicy(model="Qwen/Qwen3-0.6B", temperature=0.7)
        >>> policy.max_batch
        64

    Raises:
        PolicyError: From every call that came to nothing: no such model, an adapter of another one,
            a prompt that does not fit, memory that does not suffice.
    """

    model_config = ConfigDict(extra="forbid")

    model: str = Field(min_length=1)
    """A Hugging Face id, or the path of a folder that `save_pretrained` wrote."""
    revision: str | None = None
    """A branch, tag or commit of the id; None is its main branch."""
    adapter: str | None = None
    """The path or id of a PEFT adapter that was trained on the model."""
    temperature: float = Field(default=1.0, ge=0)
    """0 takes the likeliest token each time."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    """What is to be trained on wants 1: see `starec_sim.policies.engine.protocol.Completion`."""
    max_tokens: int = Field(default=512, ge=1)
    """The most tokens of an answer, its reasoning included."""
    dtype: Literal["auto", "fp32", "bf16"] = "auto"
    """Of the large products; `auto` is bf16 where this processor gains from it."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto` is the graphics card when there is one."""
    max_batch: int = Field(default=64, ge=1)
    """The most answers written at once. Too many for the memory are split."""
    chat_template_kwargs: dict[str, Any] = Field(default_factory=dict)
    """What the model's chat template understands, such as `enable_thinking: false`."""
    seeded: bool = True
    """Whether calls are given a seed; False draws one for each, and records it."""
    output_version: str | None = Field(default="v0", exclude=True)
    """langchain-core's; fixed here because LC_OUTPUT_VERSION would turn texts into lists."""

    _opening: Future[LoadedModel] | None = PrivateAttr(default=None)
    _lock: threading.Lock = PrivateAttr(default_factory=threading.Lock)

    @property
    def _llm_type(self) -> str:
        return "local"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        # Without these langchain's cache would take two differently set policies for one.
        return self.model_dump(include=set(LocalPolicy.__annotations__))

    # Weights

    @property
    def version(self) -> str:
        """The name of the weights that answer now. Reads the model if nobody has asked yet."""
        return self._host().version

    def load(self, source: str | Path | None = None) -> str:
        """Answer with other weights from the next batch on, and return their name.

        Args:
            source: The path or id of an adapter for `model`, the folder of a whole model with the
                same tokenizer, or a name that an earlier `load` (or `version`) returned. None goes
                back to the weights of the settings.

        Raises:
            PolicyError: They cannot be read or do not fit; the old weights stay.
        """
        return self._host().load(None if source is None else str(source))

    def spell(self, ids: Sequence[int]) -> list[str]:
        """Return the text of each of some token ids."""
        return self._host().scribe.spell(ids)

    def _open(self) -> Future[LoadedModel]:
        """Begin to read the model, once for all callers; a failure is told to all of them."""
        with self._lock:
            if self._opening is None:
                self._opening = Future()
                threading.Thread(target=self._read, args=(self._opening,), daemon=True).start()
            return self._opening

    def _read(self, opening: Future[LoadedModel]) -> None:
        try:
            host = self._build()
        except BaseException as error:
            if isinstance(error, PolicyError):
                error.cause = "closed"  # whoever asks, and whatever: there is no model to answer
            with self._lock:
                self._opening = None
            opening.set_exception(error)
        else:
            opening.set_result(host)

    def _build(self) -> LoadedModel:
        try:
            from starec_sim.policies.engine.loaded_model import LoadedModel

            return LoadedModel(
                self.model,
                self.revision,
                self.adapter,
                dtype=self.dtype,
                device=self.device,
                max_batch=self.max_batch,
                template=self.chat_template_kwargs,
            )
        except ImportError as error:
            raise PolicyError(
                f"the local policy needs a package that is not installed: {error.name}",
                hint=f"pip install {(error.name or 'torch').partition('.')[0]}",
            ) from error

    def _host(self) -> LoadedModel:
        return self._open().result()

    async def _host_async(self) -> LoadedModel:
        # Shielded, because one caller who gives up must not end what others wait for.
        return await asyncio.shield(asyncio.wrap_future(self._open()))

    async def aopen(self) -> None:
        """Read the model now rather than at the first question."""
        await self._host_async()

    async def aclose(self) -> None:
        """End the engine's thread once nobody waits; a later call starts another."""
        self.close()

    def close(self) -> None:
        """Do what `aclose` does, from outside an event loop."""
        opening = self._opening
        if opening is not None and opening.done() and opening.exception() is None:
            opening.result().batcher.close()

    # Answers

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        host = self._host()
        request, transcript = self._request(host, messages, {"stop": stop, **kwargs})
        completion = host.batcher.ask_blocking(request)
        return ChatResult(generations=[self._generation(host, request, transcript, completion)])

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        host = await self._host_async()
        request, transcript = self._request(host, messages, {"stop": stop, **kwargs})
        completion = await host.batcher.ask(request)
        return ChatResult(generations=[self._generation(host, request, transcript, completion)])

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        host = await self._host_async()
        loop = asyncio.get_running_loop()
        pieces: asyncio.Queue[str | None] = asyncio.Queue()

        def say(piece: str) -> None:
            with contextlib.suppress(RuntimeError):  # the loop was closed; nobody listens
                loop.call_soon_threadsafe(pieces.put_nowait, piece)

        call = {"stop": stop, **kwargs}
        request, transcript = self._request(host, messages, call, say)
        answer = asyncio.ensure_future(host.batcher.ask(request))
        answer.add_done_callback(lambda _: pieces.put_nowait(None))
        try:
            while (piece := await pieces.get()) is not None:
                yield await self._piece(piece, run_manager)
            generation = self._generation(host, request, transcript, await answer)
            # What the transcript held back to the end has just been said.
            await asyncio.sleep(0)
            while not pieces.empty():
                rest = pieces.get_nowait()
                if rest is not None:
                    yield await self._piece(rest, run_manager)
        finally:
            answer.cancel()
        whole = generation.message
        assert isinstance(whole, AIMessage)
        yield ChatGenerationChunk(
            message=AIMessageChunk(
                content="",
                usage_metadata=whole.usage_metadata,
                response_metadata=whole.response_metadata,
                chunk_position="last",
            )
        )

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
        # langchain-core would otherwise answer `stream` with one piece by itself; so do we.
        generation = self._generate(messages, stop, run_manager, **kwargs).generations[0]
        whole = generation.message
        assert isinstance(whole, AIMessage)
        yield ChatGenerationChunk(
            message=AIMessageChunk(
                content=whole.content,
                usage_metadata=whole.usage_metadata,
                response_metadata=whole.response_metadata,
                chunk_position="last",
            )
        )

    def _request(
        self,
        host: LoadedModel,
        messages: list[BaseMessage],
        call: dict[str, Any],
        say: Callable[[str], None] | None = None,
    ) -> tuple[Request, Detokenizer]:
        """Put a call into the engine's terms; refuse what cannot be answered."""
        for name in call.keys() - set(_CALL):
            raise PolicyError(
                f"the local policy has no setting {name} for a call; {did_you_mean(name, _CALL)}",
                hint="set what belongs to the policy where it is built",
            )
        given = {name: value for name, value in call.items() if value is not None}
        temperature = given.get("temperature", self.temperature)
        top_p, limit = given.get("top_p", self.top_p), given.get("max_tokens", self.max_tokens)
        seed = given.get("seed") if self.seeded else None
        seed = secrets.randbits(31) if seed is None else seed
        for name, value, right, expected in (
            ("temperature", temperature, temperature >= 0, "0 or more"),
            ("top_p", top_p, 0 < top_p <= 1, "above 0, at most 1"),
            ("max_tokens", limit, limit >= 1, "at least 1"),
        ):
            if not right:
                raise PolicyError(f"{name} = {value}: expected {expected}", hint=f"change {name}")
        prompt = host.scribe.prompt(messages)
        host.scribe.check_window(prompt, limit, host.window, messages)
        stop = given.get("stop") or []
        texts = [*([stop] if isinstance(stop, str) else stop), *host.scribe.stop_texts]
        transcript = Detokenizer(host.scribe.decode, [text for text in texts if text], say)
        sampling = Sampling(limit, float(temperature), float(top_p), int(seed), host.scribe.stop)
        watch = None if transcript.idle else transcript.take
        return Request(prompt, sampling, watch), transcript

    def _generation(
        self, host: LoadedModel, request: Request, transcript: Detokenizer, completion: Completion
    ) -> ChatGeneration:
        sampling = request.sampling
        tokens = Tokens(
            prompt=request.prompt,
            completion=completion.ids,
            logprobs=completion.logprobs,
            version=completion.version,
            sampling={
                "temperature": sampling.temperature,
                "top_p": sampling.top_p,
                "max_tokens": sampling.max_tokens,
                "seed": sampling.seed,
            },
        )
        read, written = len(request.prompt), len(completion.ids)
        reply = AIMessage(
            content=transcript.text(completion.ids),
            usage_metadata=UsageMetadata(
                input_tokens=read, output_tokens=written, total_tokens=read + written
            ),
            response_metadata={
                "model_name": completion.version,
                "finish_reason": completion.finish,
                "tokens": tokens,
            },
        )
        return ChatGeneration(message=reply)
