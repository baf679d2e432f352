"""The routes of the server: three files, the API, and events."""

from __future__ import annotations

import difflib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from starec_sim.errors import RunError, StarecError
from starec_sim.runs.folder import listed
from starec_sim.runs.reader import reading
from starec_sim.runs.schema import FILE
from starec_sim.settings import explain
from starec_sim.traces.notes import Mark, NewNote, add_note
from starec_sim.traces.run_list import RunRow, read_run_row
from starec_sim.traces.values import as_json
from starec_sim.viewer.answers import ANSWERS, answer, comparison, finite, notes_of, run_named
from starec_sim.viewer.guards import RequestGuards
from starec_sim.viewer.live import RunState, events, list_state

STATIC = Path(__file__).parent / "static"
PAGES = {
    "index.html": "text/html",
    "app.js": "text/javascript",
    "app.css": "text/css",
}
"""The files that are served, with their types."""
_MAX_BODY = 2 << 20
_NEAR = 3
ModelT = TypeVar("ModelT", bound=BaseModel)


@dataclass
class Viewer:
    """What is shown.

    Args:
        runs_dir: The folder of runs, as an absolute path.
        only: The name of the one run that is shown; all when None.
        port: Of the server.
        allow_asking: Whether the policies of runs that were not made here may be asked.
        stopping: Whether the server ends.
    """

    runs_dir: Path
    only: str | None = None
    port: int = 7575
    allow_asking: bool = False
    stopping: Callable[[], bool] = lambda: False

    def __post_init__(self) -> None:
        self._rows: dict[Path, tuple[object, RunRow]] = {}
        self._asking = threading.Lock()
        self._spent_s = 0.0  # CPU seconds of all answers

    def app(self) -> Starlette:
        """Return the application."""
        of_run = "/api/runs/{name}"
        return Starlette(
            routes=[
                Route("/", self._file),
                Route("/{file}", self._file),
                Route("/api/runs", self._in_thread(self._list)),
                Route("/api/compare", self._in_thread(self._compare)),
                Route("/api/events", self._events),
                Route(f"{of_run}/notes", self._in_thread(self._notes)),
                Route(f"{of_run}/notes", self._posted(self._mark), methods=["POST"]),
                Route(f"{of_run}/ask", self._in_thread(self._ask_options)),
                Route(f"{of_run}/ask", self._posted(self._ask), methods=["POST"]),
                Route(of_run, self._in_thread(self._answer)),
                Route(f"{of_run}/{{what}}", self._in_thread(self._answer)),
            ],
            middleware=[Middleware(RequestGuards, port=self.port)],
            exception_handlers={HTTPException: _no_page, Exception: _defect},
        )

    def rows(self) -> list[RunRow]:
        """Return the list of runs, newest last. A run is read again when its files changed."""
        folders = [each for each in listed(self.runs_dir) if self.only in (None, each.name)]
        rows = []
        for folder in folders:
            key = _key(folder)
            known = self._rows.get(folder)
            if known is None or known[0] != key or known[1].status == "running":
                known = key, read_run_row(folder)
                self._rows[folder] = known
            rows.append(known[1])
        return rows

    def _folder(self, request: Request) -> Path:
        return self._run(str(request.path_params["name"]))

    def _run(self, name: str) -> Path:
        if self.only not in (None, name):
            raise RunError(
                f'the run "{name[:200]}" is not shown here',
                hint=f"starec view {self.runs_dir} shows all runs of that folder",
            )
        return run_named(name, self.runs_dir)

    def _near(self, request: Request) -> list[str]:
        """Return names of runs that are near the one of a request, if there is none of its name."""
        name = request.path_params.get("name")
        names = [each.name for each in listed(self.runs_dir)]
        return (
            [] if name is None or name in names else difflib.get_close_matches(name, names, _NEAR)
        )

    def _in_thread(self, read: Callable[[Request], Any]) -> Callable[[Request], Any]:
        """Return an endpoint that reads in a thread; errors of users have the status 4xx."""

        def respond(request: Request) -> Response:
            began = time.thread_time()
            try:
                return JSONResponse(read(request))
            except StarecError as error:
                return self._failure(request, error)
            finally:
                self._spent_s += time.thread_time() - began

        return respond

    def _posted(self, change: Callable[[Request, Any], Any]) -> Callable[[Request], Any]:
        """Return an endpoint that reads a JSON body and then works in a thread."""

        async def respond(request: Request) -> Response:
            body = b""
            async for part in request.stream():
                body += part
                if len(body) > _MAX_BODY:
                    return JSONResponse({"error": "the request is too large"}, 413)
            return await run_in_threadpool(
                self._in_thread(lambda asked: change(asked, body)), request
            )

        return respond

    def _failure(self, request: Request, error: StarecError) -> Response:
        status = 404 if isinstance(error, RunError) else 400
        body = {"error": error.message, "hint": error.hint, "near": self._near(request)}
        return JSONResponse(body, status)

    def _file(self, request: Request) -> Response:
        name = request.path_params.get("file", "index.html")
        if name not in PAGES:
            raise HTTPException(404)
        return Response((STATIC / name).read_bytes(), media_type=PAGES[name])

    def _list(self, request: Request) -> Any:
        return finite(as_json(self.rows()))

    def _answer(self, request: Request) -> Any:
        what = request.path_params.get("what", "")
        if what not in ANSWERS:
            raise RunError(f'the API has no "{what[:50]}"', hint="open the pages at /")
        return answer(self._folder(request), what, request.query_params.multi_items())

    def _compare(self, request: Request) -> Any:
        for name in ("a", "b"):
            if name in request.query_params:
                self._run(request.query_params[name])
        return comparison(self.runs_dir, request.query_params.multi_items())

    def _notes(self, request: Request) -> Any:
        return notes_of(self._folder(request))

    def _mark(self, request: Request, body: bytes) -> Any:
        folder, mark = self._folder(request), _read(Mark, body)
        with reading(folder) as reader:
            at = mark.at.checked(reader)
        return add_note(folder, NewNote(at, mark.author, mark.reason)).model_dump(exclude_none=True)

    # Only to ask a policy takes LangChain, whose import is most of the time that a start takes.
    def _ask_options(self, request: Request) -> Any:
        from starec_sim.traces.ask_again import ask_options

        return as_json(ask_options(self._folder(request), self.allow_asking))

    def _ask(self, request: Request, body: bytes) -> Any:
        from starec_sim.traces.ask_again import Question, ask_again

        folder, question = self._folder(request), _read(Question, body)
        with self._asking:  # one at a time: policies share the processors
            return finite(as_json(ask_again(folder, question, self.allow_asking)))

    async def _events(self, request: Request) -> Response:
        name = request.query_params.get("run")
        state: Callable[[], Any]
        if name is None:
            state = _ListState(self.runs_dir)
        else:
            try:
                state = RunState(self._run(name))
            except RunError as error:
                return self._failure(request, error)
        told = events(state, self.stopping, lambda: self._spent_s)
        return StreamingResponse(told, media_type="text/event-stream")


class _ListState:
    def __init__(self, runs_dir: Path) -> None:
        self._runs_dir = runs_dir

    def __call__(self) -> Any:
        return list_state(self._runs_dir)


def _read(model: type[ModelT], body: bytes) -> ModelT:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise explain(error, model, "") from None


def _key(folder: Path) -> object:
    """Return what changes when the manifest or the record of a run does."""
    found = []
    for name in ("manifest.json", FILE, f"{FILE}-wal", ".lock"):
        try:
            about = (folder / name).stat()
            found.append((about.st_mtime_ns, about.st_size))
        except OSError:
            found.append((0, 0))
    return tuple(found)


async def _no_page(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    problem = "there is no such page" if status == 404 else "this cannot be done with that address"
    return JSONResponse({"error": problem, "hint": "open the pages at /"}, status)


async def _defect(request: Request, error: Exception) -> Response:
    message = f"unexpected {type(error).__name__}: {error}"
    hint = "a defect of this program: start it with --debug and look at the terminal"
    return JSONResponse({"error": message, "hint": hint}, 500)
