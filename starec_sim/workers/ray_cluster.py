"""Workers as actors of a Ray cluster.

The messages are those of worker processes. The parent gives an actor messages by calling it, and
reads what it sends from one generator. The state of a round goes through Ray's object store, once
to each machine.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import socket
import threading
import warnings
from concurrent.futures import Future
from contextlib import ExitStack
from contextvars import copy_context
from dataclasses import replace
from typing import Any

from starec_sim.errors import RunError
from starec_sim.executors.settings import ExecutorSettings
from starec_sim.workers import compact
from starec_sim.workers.messages import Begin, State
from starec_sim.workers.transport import ONE_THREAD, NoRoomError, WorkerLost, import_path
from starec_sim.workers.worker import Worker, as_in_a_run

_START_S = 300.0
"""How long a worker may take to get its cores and to import starec-sim."""
_CONNECT_S = 10.0
_INIT_S = 60.0
_LONGEST = 300
"""Characters of Ray's reason why an actor was lost."""


def _ray() -> Any:
    """Return the module `ray`.

    Raises:
        RunError: It is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise RunError(
            f"executor: ray, but Ray cannot be imported: {error}",
            hint="pip install 'starec-sim[ray]', on every machine of the cluster",
        ) from None


class WorkerActor:
    """A worker in an actor. Its methods run on one event loop."""

    def __init__(self, folder: str) -> None:
        if os.path.isdir(folder):  # noqa: PTH112 - as the parent has it, where there is one
            os.chdir(folder)
        self._messages: asyncio.Queue[bytes] = asyncio.Queue()
        self._worker = Worker(lambda message: self._messages.put_nowait(compact.dumps(message)))
        self._worker.repeat_warnings()
        self._playing = ExitStack()
        """Stays open until the actor ends."""
        self._context = copy_context()

    async def ready(self) -> None:
        """Return when the actor can take messages."""
        self._playing.enter_context(as_in_a_run())
        self._context = copy_context()  # each method has its own one

    async def receive(self, data: bytes, state: State | None) -> None:
        """Take a message of the parent, and the state that belongs to it."""
        message = compact.loads(data)
        if state is not None:
            # Arrays of the object store are read-only, and an environment may write into its own.
            message = replace(message, state={name: array.copy() for name, array in state.items()})
        receiving = self._worker.receive(message)
        await asyncio.create_task(receiving, context=self._context)

    async def messages(self) -> Any:
        """Yield what the worker sends, without end."""
        while True:
            yield await self._messages.get()


class RayConnection:
    """The way to an actor; implements `Connection`."""

    def __init__(self, ray: Any, actor: Any) -> None:
        self._ray = ray
        self._actor = actor
        self._messages = actor.messages.remote()

    async def send(self, message: Any) -> None:
        """Send a message; see `Connection`."""
        state = None
        if isinstance(message, Begin):
            message, state = replace(message, state=None), message.state
        try:
            # A call that waits for its state could be overtaken by the next one.
            await self._actor.receive.remote(compact.dumps(message), state)
        except self._ray.exceptions.RayError as error:
            raise _lost(error) from None

    async def receive(self) -> Any:
        """Wait for a message; see `Connection`."""
        try:
            return compact.loads(await (await anext(self._messages)))
        except (self._ray.exceptions.RayError, StopAsyncIteration) as error:
            raise _lost(error) from None

    async def close(self) -> None:
        """End the actor; see `Connection`."""
        self._ray.kill(self._actor)


class RayCluster:
    """Starts workers in a Ray cluster; implements `Transport`.

    Args:
        settings: Those of the executor.

    Raises:
        RunError: Ray is not installed, or there is no cluster at the address.
    """

    is_remote = True

    def __init__(self, settings: ExecutorSettings) -> None:
        self._ray = ray = _ray()
        self._settings = settings
        self._began = not ray.is_initialized()
        if not self._began:
            if settings.address != ExecutorSettings().address:
                warnings.warn(
                    f"executor.address: {settings.address} is not used: this program is connected "
                    "to a Ray cluster",
                    stacklevel=2,
                )
            return
        try:
            _check_answers(settings.address)
            _connected(ray, settings.address)
        except (OSError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
            raise RunError(
                f"executor.address: {settings.address}: there is no Ray cluster: {error}",
                hint="`ray start --head` starts one here; so does executor.address: local",
            ) from None

    def workers(self) -> int:
        """Return how many workers there should be; the resources of the cluster may change."""
        if self._settings.workers is not None:
            return self._settings.workers
        has, gpus = self._ray.cluster_resources(), self._settings.gpus
        places = int(has.get("CPU", 1))
        if gpus:
            cards = int(has.get("GPU", 0))
            # A part of a card is a part of one card, never of two.
            places = min(places, cards * int(1 / gpus) if gpus < 1 else int(cards / gpus))
        return max(1, places)

    async def start(self, number: int) -> RayConnection:
        """Start an actor; see `Transport`."""
        actor = (
            self._ray.remote(WorkerActor)
            .options(
                num_cpus=1,
                num_gpus=self._settings.gpus,
                max_concurrency=4096,
                max_restarts=0,
                runtime_env={"env_vars": {"PYTHONPATH": import_path(), **ONE_THREAD}},
            )
            .remote(os.getcwd())  # noqa: PTH109
        )
        try:
            await asyncio.wait_for(_finished(actor.ready.remote()), _START_S)
        except asyncio.CancelledError:
            self._ray.kill(actor)  # it is needed no more
            raise
        except TimeoutError:
            self._ray.kill(actor)
            raise NoRoomError(
                f"worker {number + 1} of {self.workers()} got no place in the Ray cluster within "
                f"{_START_S:.0f} s; the cluster has {self._resources()}",
                hint="set fewer executor.workers or executor.gpus, or add machines",
            ) from None
        except self._ray.exceptions.RayError as error:
            raise _lost(error) from None
        return RayConnection(self._ray, actor)

    def _resources(self) -> str:
        has = self._ray.cluster_resources()
        return f"{has.get('CPU', 0):g} cores and {has.get('GPU', 0):g} graphics cards"

    def share(self, state: State) -> Any:
        """Put a state into the object store; see `Transport`."""
        return self._ray.put(dict(state))

    async def close(self) -> None:
        """Leave the cluster."""
        if self._began:
            self._ray.shutdown()


def _connected(ray: Any, address: str) -> None:
    """Connect to a cluster.

    In a thread, because Ray waits for minutes where a cluster has gone, and because it lets the
    main thread exit at SIGTERM, which the run handles itself.

    Raises:
        RunError: The cluster does not answer.
        ConnectionError: There is none.
    """
    result: Future[None] = Future()

    def connect() -> None:
        try:
            ray.init(address=address, log_to_driver=True, logging_level="error")
        except BaseException as error:
            result.set_exception(error)
        else:
            result.set_result(None)

    threading.Thread(target=connect, daemon=True, name="starec-ray").start()
    try:
        result.result(_INIT_S)
    except TimeoutError:
        raise RunError(
            f"executor.address: {address}: Ray did not connect within {_INIT_S:.0f} s",
            hint="if the cluster asks for a token (Ray 2.60 and later, where `~/.ray/auth_token` "
            "exists), set RAY_AUTH_MODE=token and run the command again",
        ) from None


def _check_answers(address: str) -> None:
    """Raise an `OSError` at once if nothing listens at an address; Ray tries for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon:
        socket.create_connection((host, int(port)), _CONNECT_S).close()


async def _finished(reference: Any) -> Any:
    return await reference


def _lost(error: BaseException) -> WorkerLost:
    why = " ".join(str(error).split())
    return WorkerLost(f"was lost: {why if len(why) <= _LONGEST else why[:_LONGEST] + '…'}")
