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

from starec_sim.errors import StarecError
from starec_sim.serving.answers import Answers, spelled_as_ids
from starec_sim.serving.errors import RequestError, explained
from starec_sim.serving.loopback import OnlyFromHere
from starec_sim.serving.requests import ChatRequest, read_request

MAX_BODY = 4 * 2**20
"""Bytes of a request; a prompt that fits any model's window is smaller."""
MAX_IN_FLIGHT = 1_024
"""Answers under way; whoever asks for more is told to come back."""

_T = TypeVar("_T")
_log = logging.getLogger(__name__)


class Endpoint:
    """Answers for one policy.

    Args:
        name: The name under which clients ask for it.
        model: The chat model.
    """

    def __init__(self, name: str, model: BaseChatModel) -> None:
        self.name = name
        self.model = model
        self.answered = 0
        """How many requests got their answer."""
        self._in_flight = 0
        self._began = int(time.time())

    def app(self) -> OnlyFromHere:
        """Return the ASGI application."""
        app = Starlette(
            routes=[
                Route("/health", self._health),
                Route("/v1/models", self._models),
                Route("/v1/models/{name:path}", self._one_model),
                Route("/v1/chat/completions", self._chat, methods=["POST"]),
            ],
            exception_handlers={
                RequestError: _told,
                HTTPException: _told_of_http,
                ClientDisconnect: _told_nobody,
            },
        )
        return OnlyFromHere(app)

    async def _health(self, request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def _models(self, request: Request) -> Response:
        return JSONResponse({"object": "list", "data": [self._about()]})

    async def _one_model(self, request: Request) -> Response:
        self._check_name(request.path_params["name"])
        return JSONResponse(self._about())

    def _about(self) -> dict[str, Any]:
        about = {"created": self._began, "owned_by": "starec"}
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
        asked = read_request(await _json(request))
        self._check_name(asked.model)
        if self._in_flight + asked.choices > MAX_IN_FLIGHT:
            raise RequestError(
                f"{self._in_flight} answers are under way already; ask again later", status=429
            )
        answers = Answers(asked, getattr(self.model, "spell", spelled_as_ids))
        if not asked.stream:
            replies = await _while_connected(request, self._replies(asked))
            self.answered += 1
            return JSONResponse(answers.whole(replies))
        pieces = self._pieces(asked, answers)
        # The first piece decides the status: what is refused is refused before anything is said.
        first = await _while_connected(request, anext(pieces))
        events = _events(first, pieces)
        return StreamingResponse(
            events, media_type="text/event-stream", headers={"Cache-Control": "no-cache"}
        )

    async def _replies(self, asked: ChatRequest) -> list[AIMessage]:
        tasks = [asyncio.create_task(self._reply(asked, n)) for n in range(asked.choices)]
        self._in_flight += len(tasks)
        try:
            return await asyncio.gather(*tasks)
        except Exception as error:
            raise _noted(error) from error
        finally:
            self._in_flight -= len(tasks)
            _cancel(tasks)

    async def _reply(self, asked: ChatRequest, choice: int) -> AIMessage:
        return await self.model.ainvoke(asked.conversation(), **self._options(asked, choice))

    async def _pieces(self, asked: ChatRequest, answers: Answers) -> AsyncIterator[dict[str, Any]]:
        """Yield the pieces of all choices as they come."""
        said: asyncio.Queue[dict[str, Any] | Exception | None] = asyncio.Queue()
        ends: list[AIMessage] = []

        async def speak(choice: int) -> None:
            try:
                whole: AIMessageChunk | None = None
                options = self._options(asked, choice)
                async for chunk in self.model.astream(asked.conversation(), **options):
                    if chunk.text or whole is None:
                        said.put_nowait(answers.piece(choice, chunk.text, first=whole is None))
                    whole = chunk if whole is None else whole + chunk
                if whole is None:
                    raise RequestError("the policy gave no answer", status=500)
                said.put_nowait(answers.last_piece(choice, whole))
                ends.append(whole)
                said.put_nowait(None)
            except Exception as error:
                said.put_nowait(_noted(error))

        tasks = [asyncio.create_task(speak(n)) for n in range(asked.choices)]
        self._in_flight += len(tasks)
        try:
            while len(ends) < len(tasks) or not said.empty():
                piece = await said.get()
                if isinstance(piece, Exception):
                    raise piece
                if piece is not None:
                    yield piece
            if asked.stream_options and asked.stream_options.include_usage:
                yield answers.usage_piece(ends)
            self.answered += 1
        finally:
            self._in_flight -= len(tasks)
            _cancel(tasks)

    def _options(self, asked: ChatRequest, choice: int) -> dict[str, Any]:
        seeded = bool(getattr(self.model, "seeded", False))
        return asked.options(choice, seeded, bool(getattr(self.model, "structured", None)))


async def _json(request: Request) -> Any:
    """Return the body of a request, read no further than it may be long."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise RequestError("the body must be sent as application/json", status=415)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise RequestError(f"the body is longer than {MAX_BODY:,} bytes", status=413)
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"the body is not JSON: {error}") from None


async def _while_connected(request: Request, work: Awaitable[_T]) -> _T:
    """Do some work for a client, and leave it as soon as she hangs up."""

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    working, hanging_up = asyncio.ensure_future(work), asyncio.ensure_future(gone())
    try:
        await asyncio.wait({working, hanging_up}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        _cancel([working, hanging_up])


async def _events(first: dict[str, Any], rest: AsyncIterator[dict[str, Any]]) -> AsyncIterator[str]:
    """Yield the events of a stream; an error ends it, for its status was sent long ago."""
    try:
        yield _event(first)
        async for piece in rest:
            yield _event(piece)
    except RequestError as error:
        yield _event(error.as_json())
        return
    yield "data: [DONE]\n\n"


def _event(value: dict[str, Any]) -> str:
    return f"data: {json.dumps(value, ensure_ascii=False, allow_nan=False)}\n\n"


def _cancel(tasks: list[asyncio.Future[Any]] | list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()


def _noted(error: Exception) -> RequestError:
    """Return an error as a client is told it; what is nobody's request's fault goes to the log."""
    if not isinstance(error, StarecError | RequestError):
        _log.error("the policy failed", exc_info=error)
    return explained(error)


async def _told(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    headers = {"Retry-After": "1"} if error.status == 429 else None
    return JSONResponse(error.as_json(), status_code=error.status, headers=headers)


async def _told_nobody(request: Request, error: Exception) -> Response:
    return Response(status_code=499)


async def _told_of_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    known = "/v1/models and /v1/chat/completions"
    found = RequestError(
        f"{request.method} {request.url.path}: {error.detail}; there are {known}",
        status=error.status_code,
    )
    return JSONResponse(found.as_json(), status_code=error.status_code, headers=error.headers)
