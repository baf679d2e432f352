"""What goes between processes arrives as it was: visits with their turns, and arrays of a state."""

import os
import signal
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays, scalar_dtypes

from starec_sim.errors import PausedError, PolicyError, PolicyWarning, RunError
from starec_sim.policies.gateway import GatewayResources
from starec_sim.tasks import FEED
from starec_sim.types import (
    CallKey,
    Decision,
    Experience,
    Feedback,
    Memory,
    Observation,
    Step,
    Turn,
    Verdict,
    Visit,
)
from starec_sim.workers import compact, shared_state
from starec_sim.workers.messages import Answered, Failed, Ready, Warned
from starec_sim.workers.policies import Outbox, with_turns
from starec_sim.workers.pool import WorkerPool, warn_or_raise
from starec_sim.workers.shared_state import SharedStates
from starec_sim.workers.transport import WorkerLost
from starec_sim.workers.worker import versions
from tests.forked import fork, kill_self, wait

NAMESPACE = Path("/proc/self/ns/pid")


def test_a_warning_is_shown_with_its_own_place_and_class_and_once():
    class OwnWarning(DeprecationWarning):
        def __init__(self, text, more):
            super().__init__(text)

    at = "/plug-ins/mine.py", 7
    for sent, shown in (
        (PolicyWarning, PolicyWarning),
        (OwnWarning, DeprecationWarning),  # the parent cannot build it
    ):
        message = compact.loads(compact.dumps(Warned.of(f"of {sent.__name__}", sent, *at)))
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("default")
            for _ in range(2):  # two workers
                warn_or_raise(message)
        assert [(str(w.message), w.category, w.filename, w.lineno) for w in told] == [
            (f"of {sent.__name__}", shown, *at)
        ]


@settings(max_examples=20)
@given(
    st.dictionaries(
        st.text(max_size=9),
        scalar_dtypes().flatmap(lambda kind: arrays(kind, array_shapes(min_dims=0, min_side=0))),
        max_size=4,
    )
)
def test_a_shared_state_is_read_as_it_was_written(state):
    states = SharedStates()
    try:
        file = compact.loads(compact.dumps(states.share(state)))
        read = file.arrays()
        states.close()  # who has mapped the file keeps it
        assert read.keys() == state.keys()
        for name, array in state.items():
            assert read[name].dtype == array.dtype and read[name].shape == array.shape
            assert read[name].tobytes() == array.tobytes()
    finally:
        states.close()


def test_what_one_process_writes_into_a_shared_state_stays_there():
    states = SharedStates()
    file = states.share({"mood": np.zeros(3), "words": np.array(["a", "bc"])})
    mine, theirs = file.arrays(), file.arrays()
    mine["mood"][1] = 5
    assert theirs["mood"].tolist() == [0, 0, 0]
    assert theirs["words"].tolist() == ["a", "bc"]
    states.close()


@pytest.fixture
def left_behind(tmp_path, monkeypatch):
    """Return the folder of a process that was killed while it shared a state."""
    monkeypatch.setattr(shared_state, "_MEMORY", tmp_path)

    def share_and_die():
        states = SharedStates()
        states.share({"mood": np.zeros(3)})
        kill_self()

    assert wait(fork(share_and_die)) == -signal.SIGKILL
    (folder,) = tmp_path.iterdir()
    return folder


@pytest.mark.skipif(not NAMESPACE.exists(), reason="without /proc nothing is removed")
def test_what_a_killed_run_left_behind_is_removed_by_the_next_one(left_behind):
    namespace = NAMESPACE.stat().st_ino
    others = [
        left_behind.with_name(name)
        for name in (
            f"starec-{namespace}-{os.getppid()}-of_one_that_lives",
            f"starec-{namespace + 1}-9999999-of_another_container",
            f"starec-{namespace}-x-y",
            "starec-of_whom",
        )
    ]
    for folder in others:
        folder.mkdir()
    states = SharedStates()
    file = states.share({"mood": np.ones(3)})
    assert not left_behind.exists()
    assert all(folder.exists() for folder in others)
    other = SharedStates()
    other.share({})
    assert file.arrays()["mood"].tolist() == [1, 1, 1], "another run has left it alone"
    other.close()
    states.close()


def test_what_another_user_shares_is_left_alone(left_behind, monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: left_behind.stat().st_uid + 1)
    states = SharedStates()
    states.share({})
    states.close()
    assert left_behind.exists()


def test_a_turn_travels_once_and_the_visit_refers_to_it():
    sent = []
    outbox = Outbox(sent.append, GatewayResources())
    turn = Turn("fast", 0, "p", (("user", "a long prompt " * 50),), "answer", 1, 1, 0.1)
    own = Turn("slow", 0, "p", (("user", "the agent made it up"),), "answer", 1, 1, 0.1)
    step = Step(
        Observation(FEED, (3,), ("card",)),
        Decision(),
        Feedback((Experience(3, 4.0, "world"),), ending="left"),
        Verdict(False, ""),
        (turn, own),
        Memory((Experience(3, 4.0, "world"),), "likes it", 1),
    )
    visit = Visit(7, 2, (step,))
    key = CallKey(2, 7, 0, "fast")
    outbox._new.append((key, turn))
    outbox.know(key, turn)
    referred = compact.dumps(outbox.referred(visit))
    outbox.flush()
    (answered,) = map(compact.loads, map(compact.dumps, sent))
    assert isinstance(answered, Answered)
    assert b"a long prompt" not in referred and b"the agent made it up" in referred
    assert with_turns(compact.loads(referred), dict(answered.turns)) == visit


def test_an_error_arrives_with_its_cause_and_a_defect_with_its_traceback():
    paused = PausedError("no endpoint", hint="start it", reason="endpoint")
    paused.__cause__ = PolicyError("refused it", cause="refused")
    arrived = compact.loads(compact.dumps(Failed.of(paused, 3))).exception()
    assert (arrived.message, arrived.hint, arrived.reason) == (
        "no endpoint",
        "start it",
        "endpoint",
    )
    assert arrived.__cause__.cause == "refused"
    try:
        raise KeyError("x")
    except KeyError as error:
        defect = compact.loads(compact.dumps(Failed.of(error))).exception()
    assert isinstance(defect, RuntimeError) and "KeyError: 'x'" in str(defect)


class OneMessage:
    """A transport whose workers say one thing, or end."""

    is_remote = False

    def __init__(self, message):
        self.message = message
        self.closed = 0

    def workers(self):
        return 1

    async def start(self, number):
        return self

    async def send(self, message):
        pass

    async def receive(self):
        if isinstance(self.message, Exception):
            raise self.message
        return self.message

    async def close(self):
        self.closed += 1


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (Ready({**versions(), "starec-sim": "0.0.7"}, "process 9 on node-3"), "0.0.7"),
        (Ready({**versions(), "Python": "3.9.1"}, "process 9 on node-3"), "node-3"),
        (WorkerLost("ended with exit code 3"), "exit code 3 while it was built"),
        (Failed(RunError("process 9 on node-3 has other code of plug-ins")), "other code"),
    ],
)
def test_a_worker_that_does_not_fit_is_named_and_ended(message, words):
    import asyncio

    transport = OneMessage(message)
    with pytest.raises(RunError, match=words):
        asyncio.run(WorkerPool(transport, None).start())
    assert transport.closed
