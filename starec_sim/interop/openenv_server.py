"""A simulated user as an environment over OpenEnv's protocol, that of `openenv` 0.10.

| path | what it does |
|---|---|
| `/ws` | an episode for each connection: messages `reset`, `step`, `state`, `close` |
| `/reset` | the first observation of an episode, which nobody keeps |
| `/step`, `/state` | refer to `/ws`: a request alone has no episode |
| `/health`, `/metadata`, `/schema`, `/openapi.json` | what clients and validators ask |
| `/mcp` | says that there are no tools |

For this machine only, like `starec serve`: other hosts and pages of other sites are refused.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from starec_sim.errors import StarecError
from starec_sim.interop.openenv_episode import UserEpisode, UserSource, VisitResult
from starec_sim.interop.openenv_messages import (
    EpisodeRequest,
    EpisodeState,
    SlateAction,
    SlateObservation,
    observation,
)
from starec_sim.json_nesting import parse_json
from starec_sim.serving.loopback import LoopbackOnly

MAX_MESSAGE = 2**20
"""The most bytes of a message; a slate is far smaller."""
_MAX_DEPTH = 20
IDLE_S = 3_600.0
"""A connection without a message for so long is closed: a trainer updates weights in between."""

_M = TypeVar("_M", bound=BaseModel)
_log = logging.getLogger(__name__)


class MessageError(Exception):
    """A message that is not answered.

    Args:
        code: OpenEnv's code of the error.
        message: What is wrong, and what was expected.
        errors: What is wrong with single keys.
    """

    def __init__(self, code: str, message: str, errors: list[Any] | None = None) -> None:
        super().__init__(message)
        self.data = {"message": message, "code": code, **({"errors": errors} if errors else {})}


class UserServer:
    """Serves episodes.

    Args:
        source: What episodes are made from.
        about: The answer of `/metadata`: `name`, `description`, `readme_content`, ...
        max_sessions: The most connections at once.
    """

    def __init__(
        self, source: UserSource, about: Mapping[str, Any], max_sessions: int = 64
    ) -> None:
        self._source, self._about = source, dict(about)
        self._max_sessions = max_sessions
        self._sessions = 0
        self.steps = 0
        """Slates that were shown."""

    async def open(self) -> None:
        """Let the policies read their weights, or find their keys."""
        await self._source.open()

    async def close(self) -> None:
        """Close what the policies hold open."""
        await self._source.close()

    def app(self) -> LoopbackOnly:
        """Return the ASGI application."""
        return LoopbackOnly(
            Starlette(
                routes=[
                    WebSocketRoute("/ws", self._session),
                    Route("/health", self._health),
                    Route("/metadata", self._metadata),
                    Route("/schema", self._schema),
                    Route("/openapi.json", self._openapi),
                    Route("/reset", self._reset, methods=["POST"]),
                    Route("/step", self._step, methods=["POST"]),
                    Route("/state", self._state),
                    Route("/mcp", self._mcp, methods=["POST"]),
                ],
                exception_handlers={MessageError: _refused, HTTPException: _no_such_path},
            )
        )

    async def _session(self, socket: WebSocket) -> None:
        await socket.accept()
        if self._sessions >= self._max_sessions:
            full = MessageError(
                "CAPACITY_REACHED", f"there are {self._sessions} sessions already; try again later"
            )
            await socket.send_json({"type": "error", "data": full.data})
            await socket.close(1013)
            return
        self._sessions += 1
        try:
            session = _Session(self._source)
            with suppress(WebSocketDisconnect):
                while (message := await _received(socket)) is not None:
                    answer = await self._answer(session, message)
                    if answer is None:
                        break
                    await socket.send_json(answer)
                await socket.close()
        finally:
            self._sessions -= 1

    async def _answer(self, session: _Session, text: str) -> dict[str, Any] | None:
        """Return the answer to one message; None to close the connection."""
        try:
            message = _json_object(text)
            match message.get("type"):
                case "reset":
                    data = message.get("data", {})
                    return _observed(session.reset(_checked(EpisodeRequest, data)))
                case "step":
                    answer = await session.step(_checked(SlateAction, message.get("data")))
                    self.steps += 1
                    return _observed(answer)
                case "state":
                    return {"type": "state", "data": session.state.model_dump()}
                case "close":
                    return None
                case other:
                    raise MessageError(
                        "UNKNOWN_TYPE",
                        f"there is no message of type {str(other)[:100]!r}; there are reset, step, "
                        "state and close",
                    )
        except MessageError as error:
            return {"type": "error", "data": error.data}
        except StarecError as error:
            return {"type": "error", "data": {"message": str(error), "code": "EXECUTION_ERROR"}}
        except Exception as error:
            _log.exception("an episode failed")
            said = f"the episode failed: {type(error).__name__}: {error}"
            return {"type": "error", "data": {"message": said, "code": "EXECUTION_ERROR"}}

    async def _health(self, request: Request) -> Response:
        return JSONResponse({"status": "healthy"})

    async def _metadata(self, request: Request) -> Response:
        return JSONResponse(self._about)

    async def _schema(self, request: Request) -> Response:
        return JSONResponse(
            {
                "action": SlateAction.model_json_schema(),
                "observation": SlateObservation.model_json_schema(),
                "state": EpisodeState.model_json_schema(),
            }
        )

    async def _openapi(self, request: Request) -> Response:
        methods = {"/reset": "post", "/step": "post", "/mcp": "post"}
        paths = ("/reset", "/step", "/state", "/health", "/metadata", "/schema", "/mcp")
        answered = {"responses": {"200": {"description": "JSON"}}}
        described = {path: {methods.get(path, "get"): answered} for path in paths}
        info = {"title": self._about["name"], "version": "1.0.0"}
        return JSONResponse({"openapi": "3.1.0", "info": info, "paths": described})

    async def _reset(self, request: Request) -> Response:
        text = (await _body(request)).strip()
        asked = _checked(EpisodeRequest, _json_object(text) if text else {})
        try:
            return JSONResponse(_Session(self._source).reset(asked))
        except StarecError as error:
            raise MessageError("EXECUTION_ERROR", str(error)) from error

    async def _step(self, request: Request) -> Response:
        raise MessageError(
            "EXECUTION_ERROR",
            "a request alone has no episode: connect to /ws, and send reset and step there",
        )

    async def _state(self, request: Request) -> Response:
        return JSONResponse(EpisodeState().model_dump())

    async def _mcp(self, request: Request) -> Response:
        error = {"code": -32601, "message": "this environment has no tools; its protocol is /ws"}
        return JSONResponse({"jsonrpc": "2.0", "id": None, "error": error})


class _Session:
    """The episode of one connection."""

    def __init__(self, source: UserSource) -> None:
        self._source = source
        self._episode: UserEpisode | None = None
        self.state = EpisodeState()

    def reset(self, asked: EpisodeRequest) -> dict[str, Any]:
        """Begin an episode and return its first observation."""
        episode = self._source.episode(asked.seed, asked.user)
        self._episode = episode
        self.state = EpisodeState(
            episode_id=asked.episode_id,
            seed=episode.seed,
            user=episode.person.id,
            rounds=episode.rounds,
        )
        return self._told(episode, None)

    async def step(self, action: SlateAction) -> dict[str, Any]:
        """Show a slate and return what came of it."""
        if self._episode is None:
            raise MessageError("EXECUTION_ERROR", "there is no episode yet: send reset first")
        result = await self._episode.show(action.items)
        self.state.step_count += 1
        return self._told(self._episode, result)

    def _told(self, episode: UserEpisode, result: VisitResult | None) -> dict[str, Any]:
        self.state.round, self.state.refused = episode.round, episode.refused
        return {
            "observation": observation(episode, result).model_dump(),
            "reward": None if result is None else result.reward,
            "done": episode.done,
        }


async def _received(socket: WebSocket) -> str | None:
    """Return the next message; None if there is none for long, or it is no text."""
    try:
        message = await asyncio.wait_for(socket.receive(), IDLE_S)
    except TimeoutError:
        return None
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect
    return message.get("text")


def _observed(answer: dict[str, Any]) -> dict[str, Any]:
    return {"type": "observation", "data": answer}


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = parse_json(text, _MAX_DEPTH)
    except ValueError as error:
        raise MessageError("INVALID_JSON", f"the message is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise MessageError("VALIDATION_ERROR", "the message must be a JSON object")
    return value


def _checked(model: type[_M], values: object) -> _M:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)[:10]
        said = "; ".join(
            f"{'.'.join(map(str, each['loc'])) or 'data'}: {each['msg']}" for each in found
        )
        raise MessageError("VALIDATION_ERROR", said, list(found)) from None


async def _body(request: Request) -> str:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_MESSAGE:
            raise MessageError("VALIDATION_ERROR", f"the body is longer than {MAX_MESSAGE:,} bytes")
    return body.decode(errors="replace")


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, MessageError)
    return JSONResponse({"detail": error.data}, status_code=422)


async def _no_such_path(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    said = f"{request.method} {request.url.path}: {error.detail}; episodes are at /ws"
    return JSONResponse({"detail": said}, status_code=error.status_code)
