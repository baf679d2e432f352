"""Record one trial: turns soon after they are answered, everything else once a round.

A round is one transaction: after a crash, all of it is stored or nothing. Answers of models are
expensive, so with `record: everything` turns are committed while the round is still running, at the
latest a second or 64 turns after the answer. If the round is played again after a crash, these
turns are reused. Failed turns are the exception: they, and the later turns of the same visit, are
committed with their round. So a resume asks them again.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from starec_sim.boundary.asked_once import asked_twice
from starec_sim.environment import Environment
from starec_sim.errors import ContractError, RunError
from starec_sim.measure import RoundMetrics
from starec_sim.runs import codec
from starec_sim.runs.chunks import StepColumns
from starec_sim.runs.compression import dump_arrays
from starec_sim.runs.digests import HashedTurns, environment_digest, hash_turns
from starec_sim.runs.facts import Facts
from starec_sim.runs.item_rows import count_items, insert_items
from starec_sim.runs.record_errors import readable_errors
from starec_sim.runs.round_rows import round_rows
from starec_sim.runs.session import Session
from starec_sim.runs.store import Store
from starec_sim.runs.trial_state import TrialState, load_state, turns_after
from starec_sim.runs.turns import insert_turn
from starec_sim.types import CallKey, Item, Memory, Step, Turn, Visit

_FLUSH_TURNS = 64
_FLUSH_S = 1.0


class Recorder:
    """Writes one trial; implements `starec_sim.policies.gateway.TurnStore`.

    Args:
        store: The record of the run.
        trial: The number of the trial.
        session: Written with each commit, if any.
    """

    def __init__(self, store: Store, trial: int, session: Session | None = None) -> None:
        self._store = store
        self._session = session
        self._trial = trial
        self._pending: list[tuple[CallKey, Turn]] = []
        self._held: dict[int, list[tuple[CallKey, Turn]]] = {}
        """By user, the turns from the first failed call of a visit on; the round commits them."""
        self._timer: asyncio.TimerHandle | None = None
        self.committed: dict[CallKey, Turn] = {}  # of the present round, by earlier processes
        self._items = 0  # of the catalogue, in the record
        self._hashed_turns: dict[int, list[HashedTurns]] = {}

    def open(
        self,
        arm: str,
        seed: int,
        environment: Environment,
        kinds: Sequence[str] | None = None,
    ) -> TrialState:
        """Begin the trial, or load its state after the last committed round.

        Args:
            arm: The arm of the trial.
            seed: Its seed.
            environment: That of the trial.
            kinds: The kind of each user, where users are of several kinds. It is recorded as a fact
                of her profile, for readers; agents and environments do not see it.

        Raises:
            RunError: The environment is not the one that the trial began with.
        """
        store, trial = self._store, self._trial
        digest = environment_digest(environment)
        with readable_errors(store.path):
            begun = store.db.execute(
                "SELECT world FROM trials WHERE trial = ?", (trial,)
            ).fetchone()
        if begun is None:
            with store.transaction():
                self._insert_trial(arm, seed, environment, digest, kinds)
        elif begun[0] != digest:
            raise RunError(
                f'the environment of arm "{arm}" is not the one the run began with: other users, '
                "items or histories",
                hint="put back the data it began with, or start a new run",
            )
        with readable_errors(store.path):
            state = load_state(store.db, trial)
            self._items = count_items(store.db, trial)
            self.committed = turns_after(store.db, trial, state.rounds)
        return state._replace(labels={"run": store.path.parent.name, "arm": arm, "seed": seed})

    def _insert_trial(
        self,
        arm: str,
        seed: int,
        environment: Environment,
        digest: str,
        kinds: Sequence[str] | None,
    ) -> None:
        db, trial = self._store.db, self._trial
        try:
            facts = codec.dumps({**environment.describe(), **_counts(kinds)})
        except (TypeError, ValueError) as error:
            raise ContractError(
                f"describe() must return JSON values: {error}",
                hint="turn numpy numbers into int or float, and leave out what is not finite",
            ) from error
        db.execute("INSERT INTO trials VALUES (?, ?, ?, ?, ?)", (trial, arm, seed, facts, digest))
        db.executemany(
            "INSERT INTO users VALUES (?, ?, ?, ?)",
            (
                (trial, row, user.id, codec.dumps({**user.profile, **_kind(kinds, row)}))
                for row, user in enumerate(environment.users)
            ),
        )
        insert_items(db, trial, environment.items)

    def find(self, key: CallKey) -> Turn | None:
        """Return the turn that was committed under this key before the process started."""
        return self.committed.get(key)

    def add(self, key: CallKey, turn: Turn) -> None:
        """Take a new turn; it is committed after at most a second or 64 turns.

        Where not everything is recorded, a turn is kept with its step or not at all. A resume then
        asks the calls of the unfinished round again.

        From the first failed turn of a visit on, its turns are held until the round is committed.
        If the run stops before that, a resume asks the failed call again. It may be answered then,
        and the questions after it may differ.
        """
        if self._store.level != "everything":
            return
        if turn.failure or key.user in self._held:
            self._held.setdefault(key.user, []).append((key, turn))
            return
        self._pending.append((key, turn))
        if len(self._pending) >= _FLUSH_TURNS:
            self.flush()
        elif self._timer is None:
            # The next answer may take a minute, so a timer commits; none without an event loop.
            with contextlib.suppress(RuntimeError):
                self._timer = asyncio.get_running_loop().call_later(_FLUSH_S, self._flush_late)

    def _flush_late(self) -> None:
        # If it fails, the turns stay pending, and the commit of the round raises the error.
        with contextlib.suppress(RunError):
            self.flush()

    def flush(self) -> None:
        """Commit the turns that are pending."""
        if self._pending:
            with self._store.transaction():
                self._insert_turns(self._pending)
                self._write_session()
            self._pending.clear()
        self._stop_timer()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @property
    def keeps_facts(self) -> bool:
        """Whether what the environment knows of each step is stored: where everything is."""
        return self._store.level == "everything"

    def take(self, visit: Visit) -> Visit:
        """Hash the turns of a finished visit, and return it without their texts for the commit.

        The texts are stored with the turns. A round of 10,000 users that kept them in memory until
        its end would hold hundreds of megabytes. For the same reason only the last step keeps a
        memory with a history.
        """
        self._hashed_turns[visit.user] = [hash_turns(step.turns) for step in visit.steps]
        last = len(visit.steps) - 1
        kept = [_without_texts(step, number == last) for number, step in enumerate(visit.steps)]
        return Visit(visit.user, visit.round, tuple(kept))

    def commit_round(
        self,
        round: int,
        visits: Sequence[Visit],
        measured: RoundMetrics,
        environment_state: Mapping[str, NDArray[Any]],
        digest: str,
        facts: Sequence[Sequence[Facts]] = (),
        items: Sequence[Item] = (),
    ) -> str:
        """Commit a round in one transaction and return the digest of the trial so far.

        Args:
            round: The round.
            visits: What `take` returned, in order of user.
            measured: The metrics of the round; those of visits in the order of `visits`.
            environment_state: The environment's state after the round.
            digest: Digest of the trial before the round.
            facts: What the environment knows of each step of each visit; empty if nothing.
            items: The catalogue, which may have grown since the last round.
        """
        store, trial = self._store, self._trial
        sha = hashlib.sha256(digest.encode())
        with store.transaction():
            self._insert_turns(self._pending)
            for held in self._held.values():
                self._insert_turns(held)
            self._write_session()
            rows = round_rows(store.level, store, trial, round, measured.visits)
            for index, visit in enumerate(visits):
                columns = [step_columns(step) for step in visit.steps]
                turns = self._hashed_turns[visit.user]
                known = facts[index] if facts else [{}] * len(visit.steps)
                rows.visit(visit, columns, turns, known)
                for number, step in enumerate(visit.steps):
                    key = (round, visit.user, number)
                    sha.update(hashed_step(key, step, columns[number]) + turns[number].hash)
                self._insert_memory(visit.user, visit.steps[-1].memory)
            rows.finish()
            of_round = _with_none(measured.round)
            sha.update(codec.dumps(of_round).encode())
            if len(items) > self._items:
                sha.update(insert_items(store.db, trial, items, self._items))
            store.db.executemany(
                "INSERT INTO metrics VALUES (?, ?, ?, ?)",
                ((trial, round, name, value) for name, value in of_round.items()),
            )
            store.db.execute(
                "INSERT OR REPLACE INTO worlds VALUES (?, ?)",
                (trial, dump_arrays(environment_state)),
            )
            store.db.execute("INSERT INTO rounds VALUES (?, ?, ?)", (trial, round, sha.hexdigest()))
        # After the transaction: if it is rolled back, the pending turns are still to be written.
        self._items = max(self._items, len(items))
        self._pending.clear()
        self._held.clear()
        self._stop_timer()
        self.committed.clear()
        self._hashed_turns.clear()
        return sha.hexdigest()

    def replace_memories(self, memories: Mapping[int, Memory]) -> None:
        """Write memories, by user, that are no result of a step."""
        if memories:
            with self._store.transaction():
                for user, memory in memories.items():
                    self._insert_memory(user, memory)

    def _insert_memory(self, user: int, memory: Memory) -> None:
        self._store.db.execute(
            "INSERT OR REPLACE INTO memories VALUES (?, ?, ?)",
            (self._trial, user, codec.dump_memory(memory)),
        )

    def _write_session(self) -> None:
        if self._session is not None:
            self._session.write()

    def _insert_turns(self, turns: Sequence[tuple[CallKey, Turn]]) -> None:
        for key, turn in turns:
            try:
                insert_turn(self._store, self._trial, key, turn)
            except sqlite3.IntegrityError as error:
                raise asked_twice(key) from error


def _kind(kinds: Sequence[str] | None, row: int) -> dict[str, str]:
    """Return what is added to the recorded profile of a user."""
    return {} if kinds is None else {"kind": kinds[row]}


def _counts(kinds: Sequence[str] | None) -> dict[str, dict[str, int]]:
    """Return what is added to the recorded facts of a trial: how many users are of each kind."""
    return {} if kinds is None else {"population": dict(sorted(Counter(kinds).items()))}


def _without_texts(step: Step, is_last: bool) -> Step:
    """Return a step without the texts of its turns; only the last one keeps what is remembered."""
    memory = step.memory
    turns = tuple(replace(turn, messages=(), completion="", tokens=None) for turn in step.turns)
    # Not `replace`, which takes three times as long.
    return Step(
        step.observation,
        step.decision,
        step.feedback,
        step.verdict,
        turns,
        memory if is_last else Memory((), memory.summary, memory.steps),
        step.notes,
        step.recalled,
    )


def step_columns(step: Step) -> StepColumns:
    """Return the texts of a step that are stored and hashed."""
    return StepColumns(
        codec.dump_observation(step.observation),
        codec.dump_decision(step.decision),
        codec.dump_feedback(step.feedback),
        int(step.verdict.slow),
        step.verdict.reason,
    )


def hashed_step(key: tuple[int, int, int], step: Step, columns: StepColumns) -> bytes:
    """Return the bytes of a step that the digest covers, without its turns.

    Args:
        key: Round, user and step.
        step: The step.
        columns: Its texts.
    """
    *texts, slow, reason = columns
    texts = [codec.dumps(text) for text in texts]
    notes = f",{codec.dumps(sorted(step.notes.items()))}" if step.notes else ""
    return (
        f"[[{key[0]},{key[1]},{key[2]}],[{','.join(texts)},{slow},{codec.dumps(reason)}],"
        f"{codec.dumps(step.memory.summary)}{notes}]"
    ).encode()


def _with_none(metrics: Mapping[str, float]) -> dict[str, float | None]:
    """Return metrics for JSON, with None where there is no value."""
    return {name: None if np.isnan(value) else float(value) for name, value in metrics.items()}
