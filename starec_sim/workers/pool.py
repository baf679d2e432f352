"""The workers of a run: they are started when they are needed, and replaced when they are lost."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Mapping
from typing import Any

from starec_sim.environment import Environment
from starec_sim.errors import RunError
from starec_sim.runs.digests import environment_digest
from starec_sim.workers.messages import Failed, Ready, Setup, Warned
from starec_sim.workers.transport import Connection, NoRoomError, Transport, WorkerLost
from starec_sim.workers.worker import versions

_shown: dict[str, dict[Any, Any]] = {}
"""By file, the warnings that were shown, so that each is shown once and not once a worker."""


class WorkerPool:
    """The workers of a run.

    Args:
        transport: Starts them.
        setup: What they are built from.
    """

    def __init__(self, transport: Transport, setup: Setup) -> None:
        self.transport = transport
        self.setup = setup
        self._connections: dict[int, Connection] = {}
        self._places: dict[int, str] = {}

    async def start(self) -> None:
        """Start all workers that there is room for, and wait until they are built.

        Raises:
            NoRoomError: There is room for none.
            StarecError: One cannot be started or built.
        """
        full: list[NoRoomError] = []

        async def start(number: int) -> None:
            try:
                await self.worker(number)
            except NoRoomError as error:
                full.append(error)

        try:
            async with asyncio.TaskGroup() as group:
                for number in range(self.transport.workers()):
                    group.create_task(start(number))
        except BaseExceptionGroup as failures:
            first = failures.exceptions[0]
            if isinstance(first, WorkerLost):
                first = RunError(
                    f"a worker {first} while it was built",
                    hint="what it printed last says why; executor: per_user needs no workers",
                )
            raise first from None
        if full and not self._connections:
            raise full[0]

    async def worker(self, number: int) -> Connection:
        """Return the connection to a worker; it is started and built if it is not there.

        Raises:
            StarecError: It cannot be started or built.
            WorkerLost: It ended while it was built.
        """
        if number in self._connections:
            return self._connections[number]
        connection = self._connections[number] = await self.transport.start(number)
        try:
            await connection.send(self.setup)
            while not isinstance(message := await connection.receive(), Ready):
                warn_or_raise(message)
            _check_versions(message.versions, message.place)
        except BaseException:
            await self.lose(number)
            raise
        self._places[number] = message.place
        return connection

    def has_others(self, number: int) -> bool:
        """Return whether there are workers besides this one."""
        return any(other != number for other in self._connections)

    def numbers(self, count: int) -> list[int]:
        """Return the numbers below `count`, those of running workers first."""
        return sorted(range(count), key=lambda number: number not in self._connections)

    async def keep(self, count: int) -> None:
        """End the workers with a number from `count` on."""
        for number in [each for each in self._connections if each >= count]:
            await self.lose(number)

    def world_of(self, environment: Environment) -> str:
        """Return the digest that the environments of workers must have; empty on one machine."""
        return environment_digest(environment) if self.transport.is_remote else ""

    async def lose(self, number: int) -> str:
        """Forget a worker that was lost, and return where it was."""
        connection = self._connections.pop(number, None)
        if connection is not None:
            await connection.close()
        return self._places.pop(number, f"number {number + 1}")

    async def close(self) -> None:
        """End all workers, also when this is cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                for number in list(self._connections):
                    group.create_task(self.lose(number))
        finally:
            await self.transport.close()


def warn_or_raise(message: object) -> None:
    """Repeat a warning of a worker, or raise its error.

    Raises:
        StarecError: What the worker raised.
        RuntimeError: It raised another exception, a defect.
    """
    if isinstance(message, Warned):
        registry = _shown.setdefault(message.filename, {})
        place = message.filename, message.line
        warnings.warn_explicit(message.warning(), UserWarning, *place, registry=registry)
    elif isinstance(message, Failed):
        raise message.exception()


def _check_versions(there: Mapping[str, str], place: str) -> None:
    """Refuse a worker with other versions.

    Raises:
        RunError: Names the machine and the versions.
    """
    here = versions()
    other = [
        f"{name} {there.get(name, 'is missing')}, not {here.get(name, 'missing')}"
        for name in sorted(here | dict(there))
        if there.get(name) != here.get(name)
    ]
    if other:
        raise RunError(
            f"the worker that is {place} has other versions than the run: {'; '.join(other)}",
            hint="install the same versions on all machines of the cluster",
        )
