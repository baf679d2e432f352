"""An endpoint on its own thread, and a chat model with all abilities."""

import asyncio
import contextlib
import socket
import threading

import pytest
import uvicorn
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import ConfigDict, PrivateAttr

from starec_sim.serving.endpoint import Endpoint
from starec_sim.types import Tokens
from tests.tiny_models import model_folder, one_thread, tokenizer  # noqa: F401


class Speaker(BaseChatModel):
    """Answers with its seed, word by word, and with tokens; `slow` waits until it is cancelled."""

    seeded: bool = True
    slow: bool = False
    failure: Exception | None = None
    model_config = ConfigDict(arbitrary_types_allowed=True)
    _calls: list = PrivateAttr(default_factory=list)
    _cancelled: threading.Event = PrivateAttr(default_factory=threading.Event)
    _asked: threading.Event = PrivateAttr(default_factory=threading.Event)

    @property
    def _llm_type(self):
        return "speaker"

    @property
    def calls(self):
        """The messages and options of each call."""
        return self._calls

    def token_texts(self, ids):
        return [f"<{token}>" for token in ids]

    def _generate(self, messages, stop=None, run_manager=None, **options):
        raise AssertionError("a server never blocks its loop")

    async def _agenerate(self, messages, stop=None, run_manager=None, **options):
        words, end = await self._think(messages, stop, options)
        message = AIMessage(" ".join(words), **end)
        return ChatResult(generations=[ChatGeneration(message=message)])

    async def _astream(self, messages, stop=None, run_manager=None, **options):
        yield ChatGenerationChunk(message=AIMessageChunk("said"))
        words, end = await self._think(messages, stop, options)
        for word in words[1:]:
            yield ChatGenerationChunk(message=AIMessageChunk(f" {word}"))
        yield ChatGenerationChunk(message=AIMessageChunk("", **end))

    async def _think(self, messages, stop, options):
        self._calls.append((messages, {"stop": stop, **options}))
        self._asked.set()
        if self.failure is not None:
            raise self.failure
        try:
            await asyncio.sleep(3600 if self.slow else 0)
        except asyncio.CancelledError:
            self._cancelled.set()
            raise
        words = f"said with {options.get('seed')}".split(" ")
        read, written = len(messages), len(words)
        tokens = Tokens(
            prompt=tuple(range(read)),
            completion=tuple(range(written)),
            logprobs=tuple(-0.5 * n for n in range(written)),
            version="speaker@1",
            sampling={},
        )
        usage = {"input_tokens": read, "output_tokens": written, "total_tokens": read + written}
        about = {"tokens": tokens, "finish_reason": "length", "model_name": "speaker@1"}
        return words, {"usage_metadata": usage, "response_metadata": about}


@pytest.fixture(scope="session")
def speaker():
    return Speaker


@contextlib.contextmanager
def served(model, name="tiny"):
    """Serve a model under a name; yield the address of the API."""
    endpoint = Endpoint(name, model)
    config = uvicorn.Config(
        endpoint.app(), lifespan="off", log_level="warning", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        finally:
            server.should_exit = True
            thread.join(10)
            assert not thread.is_alive()


@pytest.fixture
def serve():
    """Serve chat models until the test is over."""
    with contextlib.ExitStack() as stack:
        yield lambda model, **options: stack.enter_context(served(model, **options))


@pytest.fixture(scope="module")
def serve_module():
    """Serve chat models until the tests of a module are over: a server takes 0.2 s."""
    with contextlib.ExitStack() as stack:
        yield lambda model: stack.enter_context(served(model))
