"""Plays rounds of one trial in workers."""

from __future__ import annotations

import asyncio
import warnings
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from numpy.typing import NDArray

from starec_sim.agent import Policies
from starec_sim.errors import ContractError, PausedError, StarecError, WorkerWarning
from starec_sim.executors.drain import drained, draining
from starec_sim.executors.executor import RoundToPlay
from starec_sim.policies.gateway import GatewayResources
from starec_sim.population.policies import of_kind
from starec_sim.runs.recorder import Recorder
from starec_sim.types import NODES, CallKey, Messages, Node, Turn, Visit
from starec_sim.visible_text import counted
from starec_sim.workers.messages import (
    Answered,
    Ask,
    AskedTurn,
    Begin,
    Drain,
    Failed,
    Played,
    Shard,
)
from starec_sim.workers.policies import with_turns
from starec_sim.workers.pool import WorkerPool, warn_or_raise
from starec_sim.workers.shards import split_users
from starec_sim.workers.transport import Connection, NoRoomError, WorkerLost

IN_HAND = 2
"""Shards that a worker has at once: while it ends one, it plays the next."""
_LOSSES = 2
"""Workers that one shard may lose before the run pauses: its visits may be what kills them."""
_NAMED = 8
"""Users that a message names."""


class TrialPart(NamedTuple):
    """The part of a trial that is played with the same parts."""

    arm: str
    seed: int
    start: int
    """Its first round, from 0."""
    world: str
    """The digest of its environment, for workers that may have other data; empty for others."""


class InWorkers:
    """Plays visits in workers; implements `PreparedExecutor`.

    Args:
        pool: The workers.
        part: Of the trial.
        answered_here: Nodes whose policy answers in the workers, by kind of users.
        policies: Asks the others, and knows what all can do.
        recorder: Records the turns.
        resources: Count what workers spend.
    """

    def __init__(
        self,
        pool: WorkerPool,
        part: TrialPart,
        answered_here: Mapping[str, tuple[Node, ...]],
        policies: Policies,
        recorder: Recorder,
        resources: GatewayResources,
    ) -> None:
        self.pool = pool
        self.policies = policies
        self.recorder = recorder
        self.resources = resources
        self._part = part
        self._answered_here = answered_here
        self._round = 0
        self._state: Any = None

    async def prepare(self, round: int, state: Mapping[str, NDArray[Any]]) -> None:
        """Share the state of the environment with the workers."""
        self._round, self._state = round, self.pool.transport.share(state)

    async def play(self, round: RoundToPlay) -> list[Visit | StarecError]:
        """Play a round; see `Executor`."""
        if not round.users:
            return []
        first = round.call(round.users[0])
        begin = Begin(
            *self._part[:3],
            self._round,
            self._answered_here,
            {
                kind: {node: of_kind(self.policies, kind).structured(node) for node in NODES}
                for kind in self._answered_here
            },
            first.notes,
            first.labels,
            self._state,
            self._part.world,
        )
        return await _PlayedRound(self, begin, round).play()


class _PlayedRound:
    """One round while workers play it."""

    def __init__(self, executor: InWorkers, begin: Begin, round: RoundToPlay) -> None:
        self._executor = executor
        self._pool = executor.pool
        self._begin = begin
        self._to_play = round
        self._workers = self._pool.transport.workers()
        shards = split_users(round.users, self._workers)
        self._shards = dict(enumerate(shards))
        self._waiting = deque(self._shards)
        self._losses: Counter[int] = Counter()
        """By shard, the workers that were lost while they had it."""
        self._lost_idle: Counter[int] = Counter()
        """By worker, how often it was lost without a shard."""
        self._played: dict[int, Sequence[Visit | StarecError]] = {}
        self._turns: dict[int, dict[CallKey, Turn]] = {}
        """By user, the turns of visits that are not finished."""
        for key, turn in executor.recorder.committed.items():
            self._turns.setdefault(key.user, {})[key] = turn
        self._changed = asyncio.Event()
        """Set when shards were given back, or nothing is left to play."""
        self._asked: dict[CallKey, tuple[Messages, asyncio.Task[Turn]]] = {}
        self._starting: set[asyncio.Task[Connection]] = set()
        """Workers that are started. In a cluster one may wait long for its place."""
        self._no_room: NoRoomError | None = None
        """Why a worker was not replaced."""

    async def play(self) -> list[Visit | StarecError]:
        """Play all shards, and return the visits in order of user."""
        # A cluster may have become smaller: the others would hold the cores that these need.
        await self._pool.keep(self._workers)
        used = self._pool.numbers(self._workers)[: len(self._shards)]
        try:
            async with asyncio.TaskGroup() as group:
                for number in used:
                    group.create_task(self._work(number))
        except BaseExceptionGroup as failures:
            first = failures.exceptions[0]
            raise first from first.__cause__
        finally:
            tasks = [task for _, task in self._asked.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if draining() and not self._is_played:
            raise drained()
        if self._no_room is not None and not self._is_played:
            raise self._no_room
        return [visit for number in self._shards for visit in self._played[number]]

    async def _work(self, number: int) -> None:
        """Give a worker shards until all are played; replace it when it is lost."""
        while not self._is_played and not draining():
            if not self._waiting:
                # Another worker may be lost, and its shards given back.
                self._changed.clear()
                await self._changed.wait()
                continue
            in_hand: set[int] = set()
            start = asyncio.create_task(self._pool.worker(number))
            self._starting.add(start)
            try:
                worker = await start
                self._starting.discard(start)
                await self._use(worker, in_hand)
            except asyncio.CancelledError:
                if self._is_played and start.cancelled():
                    return  # the others needed no replacement
                raise
            except NoRoomError as error:
                if not self._pool.has_others(number):
                    raise
                self._no_room = error
                return  # they play on; the next round tries again
            except WorkerLost as lost:
                place = await self._pool.lose(number)
                if not in_hand:
                    self._lost_idle[number] += 1
                self._give_back(in_hand, f"a worker ({place}) {lost} in round {self._round}")
                if self._lost_idle[number] >= _LOSSES:
                    raise _repeatedly_lost(
                        f"a worker ({place}) {lost} before it played anything in round "
                        f"{self._round}"
                    ) from None

    def _give_back(self, in_hand: set[int], lost: str) -> None:
        """Let the shards of a lost worker be played by another, and say so.

        Raises:
            PausedError: One of them has lost its second worker.
        """
        for shard in sorted(in_hand, reverse=True):
            self._waiting.appendleft(shard)
            self._losses[shard] += 1
        self._changed.set()
        again = [shard for shard in sorted(in_hand) if self._losses[shard] >= _LOSSES]
        if again:
            raise _repeatedly_lost(f"{lost}, while it played {self._named(again)}")
        visits = (
            f"the visits of {self._named(sorted(in_hand))} are played again; answers that arrived "
            "are not asked for again"
            if in_hand
            else "it played no visit"
        )
        warnings.warn(f"{lost} and is replaced; {visits}", WorkerWarning, stacklevel=2)

    def _named(self, shards: Sequence[int]) -> str:
        """Return how many users shards have, and the ids of the first."""
        users = [user for shard in shards for user in self._shards[shard]]
        ids = [self._to_play.call(user).person.id for user in users[:_NAMED]]
        more = ", …" if len(users) > _NAMED else ""
        return f"{counted(len(users), 'user')} ({', '.join(ids)}{more})"

    @property
    def _round(self) -> int:
        return self._begin.round + 1

    async def _use(self, worker: Connection, in_hand: set[int]) -> None:
        await worker.send(self._begin)
        answers: set[asyncio.Task[None]] = set()
        told_to_drain = False
        try:
            await self._hand_out(worker, in_hand)
            while in_hand:
                message = await worker.receive()
                if draining() and not told_to_drain:
                    told_to_drain = True
                    await worker.send(Drain())
                if isinstance(message, Answered):
                    self._note(message)
                elif isinstance(message, Ask):
                    task = asyncio.create_task(self._answer(worker, message))
                    answers.add(task)
                    task.add_done_callback(answers.discard)
                elif isinstance(message, Played):
                    self._finish(message)
                    in_hand.discard(message.shard)
                    await self._hand_out(worker, in_hand)
                elif _is_drained(message):
                    in_hand.discard(message.shard)
                    self._changed.set()
                else:
                    warn_or_raise(message)
        finally:
            for task in answers:
                task.cancel()

    async def _hand_out(self, worker: Connection, in_hand: set[int]) -> None:
        while self._waiting and len(in_hand) < IN_HAND and not draining():
            number = self._waiting.popleft()
            in_hand.add(number)
            users = self._shards[number]
            known = {key: turn for user in users for key, turn in self._turns.get(user, {}).items()}
            visitors = tuple((user, self._to_play.call(user).memory) for user in users)
            await worker.send(Shard(number, visitors, known))

    def _note(self, message: Answered) -> None:
        """Record turns that were answered in a worker."""
        for key, turn in message.turns:
            self._executor.recorder.add(key, turn)
            self._turns.setdefault(key.user, {})[key] = turn
        self._executor.resources.add_spent(message.spent)

    async def _answer(self, worker: Connection, message: Ask) -> None:
        """Ask a policy for a worker; a question that is repeated gets the same answer."""
        key = message.key
        if key not in self._asked:
            asked = of_kind(self._executor.policies, message.kind).ask(
                key, message.messages, message.schema, message.expected
            )
            self._asked[key] = message.messages, asyncio.create_task(asked)
        messages, task = self._asked[key]
        try:
            if message.messages != messages:
                raise ContractError(
                    f"the agent asked another question at {key} when the visit was played again, "
                    "because a worker was lost",
                    hint="draw from call.seed only, and keep nothing outside of the memory",
                )
            turn = await asyncio.shield(task)
            self._turns.setdefault(key.user, {})[key] = turn
            # The worker has the question.
            answer = AskedTurn(message.number, replace(turn, messages=()))
        except Exception as error:
            answer = AskedTurn(message.number, None, Failed.of(error))
        try:
            await worker.send(answer)
        except WorkerLost:
            # It waits for this answer, so it may send nothing more: `receive` has to end.
            await worker.close()

    def _finish(self, message: Played) -> None:
        """Take the visits of a shard."""
        users = self._shards[message.shard]
        visits: list[Visit | StarecError] = []
        for user, visit in zip(users, message.visits, strict=True):
            turns = self._turns.pop(user, {})
            for key in turns:
                self._asked.pop(key, None)
            if isinstance(visit, Visit):
                visit = self._to_play.finished(with_turns(visit, turns))
            visits.append(visit)
        self._played[message.shard] = visits
        if self._is_played:
            self._changed.set()
            for start in self._starting:
                start.cancel()

    @property
    def _is_played(self) -> bool:
        return len(self._played) == len(self._shards)


def _is_drained(message: Any) -> bool:
    """Return whether a worker did not begin all visits of a shard, because the run drains."""
    if not draining() or not isinstance(message, Failed):
        return False
    return isinstance(message.error, PausedError) and message.error.reason == "stopped"


def _repeatedly_lost(lost: str) -> PausedError:
    return PausedError(
        f"{lost}; so did one before it",
        hint="memory that runs out is the usual reason: take fewer workers (`starec resume RUN "
        "--concurrency N` starts N processes at most; in a new run, executor.workers) or none "
        "(`starec resume RUN --executor per_user`); otherwise see what the worker printed last",
        reason="worker",
    )
