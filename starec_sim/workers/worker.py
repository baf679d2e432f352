"""A worker: it builds the parts of an experiment, and plays shards of rounds."""

from __future__ import annotations

import asyncio
import os
import platform
import socket
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from starec_sim.agent import Call, Policies
from starec_sim.boundary import CheckedAgent, checked_agent, watched_calls
from starec_sim.build import Builder, build_executor
from starec_sim.environment import Environment
from starec_sim.errors import ContractError, RunError
from starec_sim.executors.collection import rare_garbage_collection
from starec_sim.executors.drain import drain
from starec_sim.executors.executor import RoundToPlay
from starec_sim.executors.tracing import tracing
from starec_sim.experiment import Arm, Experiment
from starec_sim.plugin_code import allowed_code, changed_code
from starec_sim.policies.gateway import Gateway, GatewayResources, Policy
from starec_sim.population.policies import PoliciesByKind
from starec_sim.rng import Streams
from starec_sim.runs.digests import environment_digest
from starec_sim.runs.provenance import package_versions
from starec_sim.settings import validate
from starec_sim.types import Node
from starec_sim.workers.messages import (
    AskedTurn,
    Begin,
    Drain,
    Failed,
    Played,
    Ready,
    Setup,
    Shard,
    Warned,
)
from starec_sim.workers.policies import Outbox, ParentPolicies, WorkerPolicies


def versions() -> dict[str, str]:
    """Return what has to be equal in all processes of a run."""
    return {"Python": platform.python_version(), **package_versions()}


@contextmanager
def as_in_a_run() -> Iterator[None]:
    """Trace nothing, collect garbage rarely and watch the calls of plug-ins inside the block.

    A worker receives its messages in such a block, on the event loop.
    """
    with tracing(False), rare_garbage_collection(), watched_calls():
        yield


class Worker:
    """Plays shards of one run. It keeps nothing of a user from one round to the next.

    Every message is given to `receive`, in order, on one event loop.

    Args:
        send: Sends a message to the parent.
    """

    def __init__(self, send: Callable[[Any], None]) -> None:
        self._send = send
        self._tasks: set[asyncio.Task[None]] = set()
        self._built: _Built | None = None
        self._round: _Round | None = None

    async def receive(self, message: Any) -> None:
        """Do what a message of the parent says; the visits of a shard are played in a task."""
        match message:
            case Setup() | Begin():
                with self._failures():
                    await self._prepare(message)
            case Shard():
                task = asyncio.create_task(self._play(message))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            case AskedTurn():
                if self._round is not None:
                    self._round.parent.answered(message)
            case Drain():
                drain()

    async def _prepare(self, message: Setup | Begin) -> None:
        if isinstance(message, Setup):
            self._built = _Built(message)
            await self._built.builder.open_policies()
            place = f"process {os.getpid()} on {socket.gethostname()}"
            self._send(Ready(versions(), place))
        else:
            assert self._built is not None, "the setup comes first"
            self._round = self._built.begun(message, self._send)

    async def _play(self, shard: Shard) -> None:
        assert self._built is not None
        if self._round is None:
            return  # its beginning failed, and the parent has the error
        users = [user for user, _ in shard.visitors]
        outbox = self._round.outbox
        with self._failures(shard.number):
            try:
                for key, turn in shard.known.items():
                    outbox.know(key, turn)
                played = await self._built.executor.play(self._round.to_play(shard))
            finally:
                outbox.flush()
            self._send(Played(shard.number, tuple(played)))
        outbox.forget(users)

    @contextmanager
    def _failures(self, shard: int | None = None) -> Iterator[None]:
        """Send the error that the block raises."""
        try:
            yield
        except Exception as error:
            self._send(Failed.of(error, shard))

    def repeat_warnings(self) -> None:
        """Let the parent show the warnings of this process."""

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            *rest: Any,
            **named: Any,
        ) -> None:
            self._send(Warned.of(str(message), category, filename, lineno))

        warnings.showwarning = show


class _Built:
    """The parts that a worker builds once.

    Raises:
        StarecError: A part cannot be built, or the code of a plug-in is not that of the run.
    """

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        if changes := changed_code(setup.plugins or ()):
            raise RunError(
                f"process {os.getpid()} on {socket.gethostname()} has other code of plug-ins than "
                f"the run: {'; '.join(changes)}",
                hint="give all machines the same files and packages",
            )
        with self._allowed():
            experiment = validate(Experiment, dict(setup.experiment), "")
            self.arms = experiment.resolve()
            self.builder = Builder()
            for spec, at in setup.policies:
                self.builder.policy(spec, at)
        self.resources = GatewayResources(experiment.gateway.model_copy(update={"cache": None}))
        self.skip_failed = experiment.plugin_errors == "skip"
        inside = experiment.executor.model_copy(update={"use": experiment.executor.inside})
        self.executor = build_executor(inside)
        self._environment: Environment | None = None
        self._of: tuple[str, int, int] | None = None

    def begun(self, begin: Begin, send: Callable[[Any], None]) -> _Round:
        """Return a round that has begun in the state of the parent's environment."""
        arm = self.arms[begin.arm].at(begin.start)
        if self._environment is None or self._of != (begin.arm, begin.seed, begin.start):
            with self._allowed():
                self._environment = self.builder.environment(arm, begin.seed)
            self._of = begin.arm, begin.seed, begin.start
            if begin.world and environment_digest(self._environment) != begin.world:
                raise RunError(
                    f"{socket.gethostname()} has other data than the run: users, items or "
                    "histories differ",
                    hint="give all machines the same data files",
                )
        self._environment.restore(begin.state)
        visitors = frozenset(self._environment.begin_round(begin.round))
        agent = checked_agent(self.builder.agent(arm))
        outbox = Outbox(send, self.resources)
        parent = ParentPolicies(outbox, send)
        return _Round(
            begin,
            agent,
            self._environment,
            visitors,
            self._policies(begin, arm, outbox, parent),
            parent,
            outbox,
            self,
        )

    def _policies(self, begin: Begin, arm: Arm, outbox: Outbox, parent: ParentPolicies) -> Policies:
        """Return what the visits of a round ask."""
        kinds: dict[str, Policies] = {}
        for kind, nodes in begin.answered_here.items():
            specs = dict((arm.kinds[kind] if kind else arm).experiment.policies)
            here: dict[Node, Policy] = {
                node: self.builder.policy(specs[node], f"policies.{node}") for node in nodes
            }
            gateway = Gateway(here, Streams(begin.seed), outbox, begin.arm, self.resources)
            kinds[kind] = WorkerPolicies(kind, begin.structured[kind], here, gateway, parent)
        return PoliciesByKind(kinds) if arm.kinds else kinds[""]

    @contextmanager
    def _allowed(self) -> Iterator[None]:
        """Let no code be loaded but that of the run."""
        plugins = self.setup.plugins
        allowed = None if plugins is None else frozenset(code.use for code in plugins)

        def refused(reference: str) -> RunError:
            return RunError(
                f"{reference} is no code that the run began with",
                hint="read it; if you trust it, resume with --trust",
            )

        with allowed_code(allowed, refused):
            yield


class _Round:
    """A round as it stands in a worker."""

    def __init__(
        self,
        begin: Begin,
        agent: CheckedAgent,
        environment: Environment,
        visitors: frozenset[int],
        policies: Policies,
        parent: ParentPolicies,
        outbox: Outbox,
        built: _Built,
    ) -> None:
        self.policies = policies
        self.parent = parent
        self.outbox = outbox
        self._begin, self._agent, self._environment = begin, agent, environment
        self._visitors = visitors
        self._built = built

    def to_play(self, shard: Shard) -> RoundToPlay:
        """Return the visits of a shard.

        Raises:
            ContractError: The environment, restored, does not have these visitors.
        """
        memories, begin, environment = dict(shard.visitors), self._begin, self._environment
        if strange := sorted(set(memories) - self._visitors):
            raise ContractError(
                f"the environment, restored to the same state in another process, has other "
                f"visitors in round {begin.round + 1}: not the user in row {strange[0]}",
                hint="return from state() everything that restore() needs, and draw from "
                "self.streams only; or set executor: per_user",
            )

        def call(user: int) -> Call:
            person = environment.users[user]
            return Call(
                user,
                begin.round,
                person,
                memories[user],
                environment,
                self.policies,
                begin.notes,
                begin.labels,
            )

        return RoundToPlay(
            self._agent,
            list(memories),
            call,
            self.outbox.referred,
            self._built.setup.concurrency,
            self._built.skip_failed,
        )
