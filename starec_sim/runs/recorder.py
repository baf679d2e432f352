"""The recorder of one trial: turns as they are answered, everything else once a round.

A round is one transaction: after a crash it has happened completely or not at all. Answers of
models are dear, so turns are committed while the round is still running; when it is played again
after a crash, they are found here and no model is asked twice. Turns that failed are the exception:
they, and what their visit went on to ask, are committed with their round, so that a resume asks
them again.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from starec_sim.environment import Environment
from starec_sim.errors import ContractError, RunError
from starec_sim.measure import RoundMetrics
from starec_sim.runs import codec
from starec_sim.runs.digests import HashedTurns, hash_turns, world_digest
from starec_sim.runs.session import Session
from starec_sim.runs.store import Store, told
from starec_sim.runs.trial_state import TrialState, dump_arrays, load_state, turns_after
from starec_sim.runs.turns import insert_turn
from starec_sim.types import CallKey, Step, Turn, Visit

_FLUSH_TURNS = 64
_FLUSH_S = 1.0


class Recorder:
    """Writes one trial; implements `starec_sim.policies.gateway.TurnStore`."""

    def __init__(self, store: Store, trial: int, session: Session | None = None) -> None:
        self._store = store
        self._session = session
        self._trial = trial
        self._pending: list[tuple[CallKey, Turn]] = []
        self._held: dict[int, list[tuple[CallKey, Turn]]] = {}
        """Turns, by user, of visits in which a call failed: for the commit of the round."""
        self._timer: asyncio.TimerHandle | None = None
        self._committed: dict[CallKey, Turn] = {}
        self._taken: dict[int, list[HashedTurns]] = {}

    def open(self, arm: str, seed: int, environment: Environment) -> TrialState:
        """Begin the trial, or return where an earlier process left it.

        Raises:
            RunError: The world is not the one that the trial began in.
        """
        store, trial = self._store, self._trial
        world = world_digest(environment)
        with told(store.path):
            begun = store.db.execute(
                "SELECT world FROM trials WHERE trial = ?", (trial,)
            ).fetchone()
        if begun is None:
            with store.transaction():
                self._introduce(arm, seed, environment, world)
        elif begun[0] != world:
            raise RunError(
                f'the world of arm "{arm}" is not the one the run began in: other users, items or '
                "histories",
                hint="put back the data it began with, or start a new run",
            )
        with told(store.path):
            state = load_state(store.db, trial)
            self._committed = turns_after(store.db, trial, state.rounds)
        return state

    def _introduce(self, arm: str, seed: int, environment: Environment, world: str) -> None:
        db, trial = self._store.db, self._trial
        try:
            facts = codec.dumps(environment.describe())
        except (TypeError, ValueError) as error:
            raise ContractError(
                f"describe() must return JSON values: {error}",
                hint="turn numpy numbers into int or float, and leave out what is not finite",
            ) from error
        db.execute("INSERT INTO trials VALUES (?, ?, ?, ?, ?)", (trial, arm, seed, facts, world))
        db.executemany(
            "INSERT INTO users VALUES (?, ?, ?, ?)",
            (
                (trial, row, user.id, codec.dumps(dict(user.profile)))
                for row, user in enumerate(environment.users)
            ),
        )
        db.executemany(
            "INSERT INTO items VALUES (?, ?, ?, ?, ?)",
            (
                (trial, row, item.id, item.title, codec.dumps(dict(item.attributes)))
                for row, item in enumerate(environment.items)
            ),
        )

    def find(self, key: CallKey) -> Turn | None:
        """Return the turn that was committed under this key before the process started."""
        return self._committed.get(key)

    def add(self, key: CallKey, turn: Turn) -> None:
        """Keep a new turn; it is committed within a second or 64 turns.

        From the first failure on, what a visit asks is held until the round is committed: should
        the run stop before, the failed call may be answered the next time, and the questions that
        follow from it will be others.
        """
        if turn.failure or key.user in self._held:
            self._held.setdefault(key.user, []).append((key, turn))
            return
        self._pending.append((key, turn))
        if len(self._pending) >= _FLUSH_TURNS:
            self.flush()
        elif self._timer is None:
            # A timer, because the next answer may be a minute away; none where nothing runs.
            with contextlib.suppress(RuntimeError):
                self._timer = asyncio.get_running_loop().call_later(_FLUSH_S, self._flush_late)

    def _flush_late(self) -> None:
        # What cannot be written now stays pending; the commit of the round will say why.
        with contextlib.suppress(RunError):
            self.flush()

    def flush(self) -> None:
        """Commit the turns that are pending."""
        if self._pending:
            with self._store.transaction():
                self._insert(self._pending)
                self._spent()
            self._pending.clear()
        self._stop_timer()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def take(self, visit: Visit) -> Visit:
        """Hash the turns of a finished visit, and return it without their texts for the commit.

        The texts of the turns are on disk or about to be; a round of 10,000 users that kept them
        all until its end would hold hundreds of megabytes. For the same reason only the last step
        keeps a memory with a history.
        """
        self._taken[visit.user] = [hash_turns(step.turns) for step in visit.steps]
        *earlier, last = (
            replace(
                step,
                turns=tuple(
                    replace(turn, messages=(), completion="", tokens=None) for turn in step.turns
                ),
            )
            for step in visit.steps
        )
        steps = [replace(step, memory=replace(step.memory, history=())) for step in earlier]
        return replace(visit, steps=(*steps, last))

    def commit_round(
        self,
        round: int,
        visits: Sequence[Visit],
        measured: RoundMetrics,
        world: Mapping[str, NDArray[Any]],
        digest: str,
    ) -> str:
        """Commit a round in one transaction and return the digest of the trial so far.

        Args:
            round: The round.
            visits: What `take` returned, in order of user.
            measured: The figures of the round; one value a visit, in the order of `visits`.
            world: The environment's state after the round.
            digest: Digest of the trial before the round.
        """
        store, trial = self._store, self._trial
        sha = hashlib.sha256(digest.encode())
        with store.transaction():
            self._insert(self._pending)
            for held in self._held.values():
                self._insert(held)
            self._spent()
            for index, visit in enumerate(visits):
                key = (trial, round, visit.user)
                for number, said in enumerate(self._taken[visit.user]):
                    sha.update(self._insert_step((*key, number), visit.steps[number], said))
                figures = {
                    name: float(values[index])
                    for name, values in measured.visits.items()
                    if not np.isnan(values[index])
                }
                store.db.execute(
                    "INSERT INTO visits VALUES (?, ?, ?, ?)", (*key, codec.dumps(figures))
                )
                store.db.execute(
                    "INSERT OR REPLACE INTO memories VALUES (?, ?, ?)",
                    (trial, visit.user, codec.dump_memory(visit.steps[-1].memory)),
                )
            of_round = {
                name: None if np.isnan(value) else float(value)
                for name, value in measured.round.items()
            }
            sha.update(codec.dumps(of_round).encode())
            store.db.executemany(
                "INSERT INTO metrics VALUES (?, ?, ?, ?)",
                ((trial, round, name, value) for name, value in of_round.items()),
            )
            store.db.execute(
                "INSERT OR REPLACE INTO worlds VALUES (?, ?)", (trial, dump_arrays(world))
            )
            store.db.execute("INSERT INTO rounds VALUES (?, ?, ?)", (trial, round, sha.hexdigest()))
        # Not before the transaction holds: a rolled back one takes the pending turns with it.
        self._pending.clear()
        self._held.clear()
        self._stop_timer()
        self._committed.clear()
        self._taken.clear()
        return sha.hexdigest()

    def _insert_step(self, key: tuple[int, int, int, int], step: Step, said: HashedTurns) -> bytes:
        """Insert one step and return the bytes that the digest covers."""
        store, summary = self._store, step.memory.summary
        columns = (
            codec.dump_observation(step.observation),
            codec.dump_decision(step.decision),
            codec.dump_feedback(step.feedback),
            int(step.verdict.slow),
            step.verdict.reason,
        )
        store.db.execute(
            "INSERT INTO steps VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*key, *columns, store.text(summary)),
        )
        for node, attempt, error in said.errors:
            # The turn was committed when it was answered, before anybody had read it.
            store.db.execute(
                "UPDATE turns SET error = ? WHERE (trial, round, user, step, node, attempt) "
                "= (?, ?, ?, ?, ?, ?)",
                (error, *key, node, attempt),
            )
        for item, note in step.notes.items():
            row = (self._trial, item, store.text(note))
            store.db.execute("INSERT OR REPLACE INTO notes VALUES (?, ?, ?)", row)
        lived: list[Any] = [key[1:], columns, summary]
        if step.notes:
            lived.append(sorted(step.notes.items()))
        return codec.dumps(lived).encode() + said.hash

    def _spent(self) -> None:
        if self._session is not None:
            self._session.write()

    def _insert(self, turns: Sequence[tuple[CallKey, Turn]]) -> None:
        for key, turn in turns:
            try:
                insert_turn(self._store, self._trial, key, turn)
            except sqlite3.IntegrityError as error:
                raise ContractError(
                    f"the agent asked twice at {key}",
                    hint="count `attempt` up with every further question of a node in a step",
                ) from error
