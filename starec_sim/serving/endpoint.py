"""The endpoint: `/v1/models` and `/v1/chat/completions` in front of one policy."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable
from typing import Any, TypeVar

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from starec_sim.errors import StarecError
from starec_sim.json_nesting import parse_json
from starec_sim.policies.abilities import Abilities
from starec_sim.serving.errors import RequestError, as_request_error
from starec_sim.serving.loopback import LoopbackOnly
from starec_sim.serving.requests import ChatRequest, read_request
from starec_sim.serving.responses import ChatResponses, ids_as_texts

MAX_BODY = 4 * 2**20
"""The most bytes of a request; a prompt that fits a model's window is smaller."""
_MAX_DEPTH = 100
"""Nesting of a request; the schema of an answer may need some of it."""
MAX_IN_FLIGHT = 1_024
"""The most answers in flight; a further request is refused with status 429."""

_T = TypeVar("_T")
_log = logging.getLogger(__name__)


class Endpoint:
    """The endpoint of one policy.

    Args:
        name: The name of the model in requests.
        model: The chat model.
    """

    def __init__(self, name: str, model: BaseChatModel) -> None:
        self.name = name
        self._model = model
        self._abilities = Abilities(model)
        self.answered = 0
        """How many requests were answered."""
        self._in_flight = 0
        self._created = int(time.time())

    async def open(self) -> None:
        """Let the policy read its weights, or find its key.

        Raises:
            PolicyError: It cannot answer at all.
        """
        await self._abilities.open()

    async def close(self) -> None:
        """Close what the policy holds open."""
        await self._abilities.close()

    def app(self) -> LoopbackOnly:
        """Return the ASGI application."""
        app = Starlette(
            routes=[
                Route("/health", self._health),
                Route("/v1/models", self._models),
                Route("/v1/models/{name:path}", self._one_model),
                Route("/v1/chat/completions", self._chat, methods=["POST"]),
            ],
            exception_handlers={
                RequestError: _request_error,
                HTTPException: _http_error,
                ClientDisconnect: _disconnected,
            },
        )
        return LoopbackOnly(_OneSlash(app))

    async def _health(self, request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def _models(self, request: Request) -> Response:
        return JSONResponse({"object": "list", "data": [self._about()]})

    async def _one_model(self, request: Request) -> Response:
        self._check_name(request.path_params["name"])
        return JSONResponse(self._about())

    def _about(self) -> dict[str, Any]:
        about = {"created": self._created, "owned_by": "starec"}
        return {"id": self.name, "object": "model", **about}

    def _check_name(self, name: str) -> None:
        if name != self.name:
            raise RequestError(
                f'there is no model "{name}" here; the one served is "{self.name}"',
                status=404,
                param="model",
                code="model_not_found",
            )

    async def _chat(self, request: Request) -> Response:
        chat = read_request(await _json(request))
        self._check_name(chat.model)
        if self._in_flight + chat.choices > MAX_IN_FLIGHT:
            raise RequestError(
                f"{self._in_flight} answers are in flight already; ask again later", status=429
            )
        responses = ChatResponses(chat, self._abilities.token_texts or ids_as_texts)
        if not chat.stream:
            replies = await _while_connected(request, self._replies(chat))
            self.answered += 1
            return JSONResponse(responses.completion(replies))
        chunks = self._chunks(chat, responses)
        # The first chunk decides the status: a refusal comes before any text.
        first = await _while_connected(request, anext(chunks))
        events = _events(first, chunks)
        return StreamingResponse(
            events, media_type="text/event-stream", headers={"Cache-Control": "no-cache"}
        )

    async def _replies(self, chat: ChatRequest) -> list[AIMessage]:
        tasks = [asyncio.create_task(self._reply(chat, n)) for n in range(chat.choices)]
        self._in_flight += len(tasks)
        try:
            return await asyncio.gather(*tasks)
        except Exception as error:
            raise _logged(error) from error
        finally:
            self._in_flight -= len(tasks)
            _cancel(tasks)

    async def _reply(self, chat: ChatRequest, choice: int) -> AIMessage:
        return await self._model.ainvoke(chat.conversation(), **self._options(chat, choice))

    async def _chunks(
        self, chat: ChatRequest, responses: ChatResponses
    ) -> AsyncIterator[dict[str, Any]]:
        """Yield the chunks of all choices as they come."""
        queue: asyncio.Queue[dict[str, Any] | Exception | None] = asyncio.Queue()
        ends: list[AIMessage] = []

        async def answer(choice: int) -> None:
            try:
                whole: AIMessageChunk | None = None
                options = self._options(chat, choice)
                async for chunk in self._model.astream(chat.conversation(), **options):
                    if chunk.text or whole is None:
                        text = responses.chunk(choice, chunk.text, first=whole is None)
                        queue.put_nowait(text)
                    whole = chunk if whole is None else whole + chunk
                if whole is None:
                    raise RequestError("the policy gave no answer", status=500)
                queue.put_nowait(responses.last_chunk(choice, whole))
                ends.append(whole)
                queue.put_nowait(None)
            except Exception as error:
                queue.put_nowait(_logged(error))

        tasks = [asyncio.create_task(answer(n)) for n in range(chat.choices)]
        self._in_flight += len(tasks)
        try:
            while len(ends) < len(tasks) or not queue.empty():
                ready = await queue.get()
                if isinstance(ready, Exception):
                    raise ready
                if ready is not None:
                    yield ready
            if chat.stream_options and chat.stream_options.include_usage:
                yield responses.usage_chunk(ends)
            self.answered += 1
        finally:
            self._in_flight -= len(tasks)
            _cancel(tasks)

    def _options(self, chat: ChatRequest, choice: int) -> dict[str, Any]:
        able = self._abilities
        return chat.options(choice, able.takes_seed, able.takes_schema)


class _OneSlash:
    """Takes `/v1//models/` for `/v1/models`: clients join an address and a path as they like."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path = "/" + "/".join(part for part in scope["path"].split("/") if part)
            scope = {**scope, "path": path, "raw_path": path.encode()}
        await self._app(scope, receive, send)


async def _json(request: Request) -> Any:
    """Return the body of a request; stop reading when it is too long."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise RequestError("the body must be sent as application/json", status=415)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise RequestError(f"the body is longer than {MAX_BODY:,} bytes", status=413)
    try:
        return parse_json(body.decode(), _MAX_DEPTH)
    except ValueError as error:
        raise RequestError(f"the body is not JSON: {error}") from None


async def _while_connected(request: Request, work: Awaitable[_T]) -> _T:
    """Do some work for a client; cancel it as soon as the client disconnects."""

    async def disconnected() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    working = asyncio.ensure_future(work)
    disconnecting = asyncio.ensure_future(disconnected())
    try:
        await asyncio.wait({working, disconnecting}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        _cancel([working, disconnecting])


async def _events(first: dict[str, Any], rest: AsyncIterator[dict[str, Any]]) -> AsyncIterator[str]:
    """Yield the events of a stream. An error is its last event: the status was sent before."""
    try:
        yield _event(first)
        async for chunk in rest:
            yield _event(chunk)
    except RequestError as error:
        yield _event(error.as_json())
        return
    yield "data: [DONE]\n\n"


def _event(value: dict[str, Any]) -> str:
    return f"data: {json.dumps(value, ensure_ascii=False, allow_nan=False)}\n\n"


def _cancel(tasks: list[asyncio.Future[Any]] | list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()


def _logged(error: Exception) -> RequestError:
    """Return an error for the client; log it if it is no known failure."""
    if not isinstance(error, StarecError | RequestError):
        _log.error("the policy failed", exc_info=error)
    return as_request_error(error)


async def _request_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    headers = {"Retry-After": "1"} if error.status == 429 else None
    return JSONResponse(error.as_json(), status_code=error.status, headers=headers)


async def _disconnected(request: Request, error: Exception) -> Response:
    return Response(status_code=499)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    known = "/v1/models and /v1/chat/completions"
    refusal = RequestError(
        f"{request.method} {request.url.path}: {error.detail}; there are {known}",
        status=error.status_code,
    )
    return JSONResponse(refusal.as_json(), status_code=error.status_code, headers=error.headers)
