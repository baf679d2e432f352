"""Rounds that workers play have the digest of rounds that one process plays."""

import re
import sqlite3
import sys
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from starec_sim import runner
from starec_sim.errors import (
    ConfigError,
    ContractError,
    ContractWarning,
    PausedError,
    PluginError,
    PolicyError,
    RunError,
    WorkerWarning,
)
from starec_sim.experiment import Experiment
from starec_sim.runs.recorder import Recorder
from starec_sim.workers import start, worker
from starec_sim.workers.transport import NoRoomError
from tests.starec_sim.workers.in_process import InProcess

HERE = Path(__file__).parent
LEXICAL = {"use": "lexical"}
COUNTED = {"use": f"{HERE / 'counted_policy.py'}:CountedPolicy"}
FEED = {"use": "feed", "recommender": "als", "page_size": 6}
VALUES = {
    "name": "test",
    "rounds": 2,
    "data": {"use": "synthetic", "users": 15, "items": 160},
    "environment": FEED,
    "policies": {"fast": LEXICAL, "slow": LEXICAL},
    "executor": "cohort",
}
NUMBERS = count()


@pytest.fixture
def experiment(tmp_path):
    def experiment(policy=LEXICAL, **changes):
        values = {
            "name": f"test-{next(NUMBERS)}",
            "runs_dir": tmp_path / "runs",
            "policies": {"fast": policy, "slow": policy},
        }
        return Experiment(**VALUES | values | changes)

    return experiment


@pytest.fixture
def in_workers(monkeypatch):
    """Play with workers in this process; return what a function of the experiment returns."""

    def in_workers(
        experiment, workers=2, lost_after=None, play=runner.run, kind=InProcess, **options
    ):
        transport = kind(workers, lost_after, **options)
        monkeypatch.setattr(start, "_transport", lambda *settings: transport)
        changed = experiment.model_copy(
            update={"executor": experiment.executor.model_copy(update={"use": "processes"})}
        )
        in_workers.transport = transport
        return play(changed)

    return in_workers


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Return the result of the experiment that `experiment()` gives, without workers."""
    return runner.run(Experiment(**VALUES, runs_dir=tmp_path_factory.mktemp("alone")))


@pytest.mark.slow
@pytest.mark.parametrize("workers", [3, 16])
def test_the_digest_does_not_depend_on_the_number_of_workers(
    experiment, in_workers, alone, workers
):
    # Neither 3 nor 16 divides the 15 users.
    result = in_workers(experiment(), workers)
    assert result.digest == alone.digest
    with closing(sqlite3.connect(result.folder / "run.sqlite")) as db:
        (counted,) = db.execute("SELECT SUM(calls) FROM sessions").fetchone()
    assert counted == result.ledger.total("calls") == alone.ledger.total("calls")


WORLDS = {
    "signals": {**FEED, "signals": ["popularity", "rating", "together"], "refit_every": 2},
    "ranking": {"use": "ranking", "choices": 4},
    "drifting": {"use": "ranking", "min_picks": 3},
    "news": {"use": "news", "users": 9},
    "shop": {"use": "shop", "users": 9},
    "short-video": {"use": "short-video", "users": 9},
}


@pytest.mark.slow
@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_every_world_goes_on_in_another_process(experiment, in_workers, world):
    own = world["use"] in ("news", "shop", "short-video")
    rounds = 3 if "refit_every" in world else 2
    changes = {"environment": world, "rounds": rounds, **({"data": None} if own else {})}
    assert in_workers(experiment(**changes)).digest == runner.run(experiment(**changes)).digest


@pytest.mark.slow
def test_a_schedule_and_notes_about_items_reach_the_workers(experiment, in_workers):
    schedule = [
        {"round": 2, "set": {"environment.page_size": 4}},
        {"round": 3, "event": {"use": "message", "text": "A sale!"}},
    ]
    scheduled = experiment(schedule=schedule, rounds=3)
    assert in_workers(scheduled).digest == runner.run(scheduled).digest
    notes = experiment(agent="agentcf", environment={"use": "ranking", "choices": 3})
    assert in_workers(notes).digest == runner.run(notes).digest


@pytest.mark.slow
@pytest.mark.parametrize("policy", [LEXICAL, COUNTED], ids=["in the workers", "in the parent"])
def test_a_lost_worker_is_replaced_and_no_known_answer_is_asked_for_again(
    experiment, in_workers, policy
):
    alone = runner.run(experiment(policy))
    result = in_workers(experiment(policy), lost_after={1: 5, 2: 9})
    assert in_workers.transport.started == 4
    assert result.digest == alone.digest
    assert result.ledger.total("calls") == alone.ledger.total("calls")


def test_a_lost_worker_is_told_with_the_visits_that_are_played_again(experiment, in_workers):
    with pytest.warns(WorkerWarning, match="exit code 9 in round 1 and is replaced") as told:
        in_workers(experiment(rounds=1), lost_after={1: 5})
    (told,) = (str(each.message) for each in told if each.category is WorkerWarning)
    users = re.search(r"the visits of (\d+) users? \((u\d+(, u\d+)*)\) are played again", told)
    assert users, told
    assert int(users[1]) == users[2].count("u")


def test_a_shard_that_loses_two_workers_is_named_by_its_users(experiment, in_workers):
    with (
        pytest.warns(WorkerWarning),
        pytest.raises(
            PausedError, match=r"round 1, while it played \d+ users \(u\d+, u\d"
        ) as error,
    ):
        in_workers(experiment(), lost_after=dict.fromkeys(range(1, 9), 3))
    assert "one before it" in error.value.message
    for said in ("memory", "executor.workers", "starec resume RUN"):
        assert said in error.value.hint


def test_a_round_with_few_visitors_ends_no_worker(experiment, in_workers):
    few = experiment(
        data={"use": "synthetic", "users": 6, "items": 80},
        environment={**FEED, "recommender": "popularity", "activity": 0.5},
        rounds=4,
    )
    result = in_workers(few, workers=6)
    assert in_workers.transport.started == 6
    with closing(sqlite3.connect(result.folder / "run.sqlite")) as db:
        visitors = db.execute("SELECT COUNT(*) FROM visits GROUP BY round ORDER BY round")
        assert [n for (n,) in visitors][:2] != [6, 6], "not all users visit"


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_a_worker_that_takes_no_answer_is_replaced_although_it_sends_nothing(
    experiment, in_workers
):
    # With these sizes all that worker 1 waits for when it is lost are answers of the parent.
    small = {"data": {"use": "synthetic", "users": 10, "items": 80}, "rounds": 1}
    result = in_workers(experiment(COUNTED, **small), lost_after={1: 5})
    assert in_workers.transport.started == 3
    assert result.digest == runner.run(experiment(COUNTED, **small)).digest


@pytest.mark.slow
def test_without_room_for_another_worker_those_that_are_left_play_on(experiment, in_workers, alone):
    result = in_workers(experiment(), lost_after={2: 4}, room=2)
    assert in_workers.transport.started == 2
    assert result.digest == alone.digest


@pytest.mark.slow
def test_a_run_begins_with_the_workers_that_there_is_room_for(experiment, in_workers, alone):
    result = in_workers(experiment(), 3, room=2)
    assert in_workers.transport.started == 2
    assert result.digest == alone.digest


def test_a_run_does_not_begin_where_there_is_room_for_no_worker(experiment, in_workers):
    with pytest.raises(NoRoomError, match="the cluster is full"):
        in_workers(experiment(), 3, room=0)


class Shrinking(InProcess):
    """A cluster of two cores. In round 2 it loses one, and the worker of number 0 on it."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self._connections = []
        self._shared = 0

    async def start(self, number):
        if self.open >= self._workers:
            raise NoRoomError("the cluster is full")
        self._connections.append(await super().start(number))
        return self._connections[-1]

    def share(self, state):
        self._shared += 1
        if self._shared == 2:
            self._workers = 1
            self._connections[0]._left = 0
        return super().share(state)


@pytest.mark.slow
def test_a_cluster_that_became_smaller_plays_on_in_the_room_that_is_left(
    experiment, in_workers, alone
):
    result = in_workers(experiment(), kind=Shrinking)
    assert in_workers.transport.started == 3
    assert result.digest == alone.digest


@pytest.mark.slow
def test_a_shard_that_loses_two_workers_pauses_the_run(experiment, in_workers, alone, tmp_path):
    with pytest.raises(PausedError, match=r"exit code 9 in round 1, while it played \d users? \(u"):
        in_workers(experiment(), 1, {1: 2, 2: 2})
    (folder,) = (tmp_path / "runs").iterdir()
    assert (
        in_workers(experiment(), play=lambda changed: runner.resume(folder)).digest == alone.digest
    )


@pytest.mark.slow
def test_a_budget_is_held_to_over_all_workers(experiment, in_workers, alone, tmp_path):
    limited = experiment(budget={"calls": 20})
    with pytest.raises(PausedError, match="calls 20 of 20"):
        in_workers(limited, 4)
    (folder,) = (tmp_path / "runs").iterdir()
    unlimited = {"budget": {"calls": None}}
    result = in_workers(limited, play=lambda changed: runner.resume(folder, **unlimited))
    assert result.digest == alone.digest
    assert result.ledger.total("calls") == alone.ledger.total("calls")


def test_an_endpoint_that_is_gone_pauses_the_run_with_its_own_reason(experiment, in_workers):
    gone = {"use": "openai", "model": "tiny", "base_url": "http://127.0.0.1:9/v1"}
    with pytest.raises(PausedError) as paused:
        in_workers(experiment(gone, gateway={"retries": 0, "backoff_s": 0}))
    assert paused.value.reason == "endpoint"
    assert isinstance(paused.value.__cause__, PolicyError), "it came back from the worker whole"


@pytest.mark.slow
def test_a_full_disk_ends_the_run_at_its_last_round(
    experiment, in_workers, alone, tmp_path, monkeypatch
):
    def full(recorder):
        raise RunError("the disk is full")

    with monkeypatch.context() as patched, pytest.raises(RunError, match="the disk is full"):
        patched.setattr(Recorder, "flush", full)
        in_workers(experiment())
    (folder,) = (tmp_path / "runs").iterdir()
    assert (
        in_workers(experiment(), play=lambda changed: runner.resume(folder)).digest == alone.digest
    )


@pytest.mark.slow
def test_a_replay_gives_recorded_answers_to_workers(experiment, in_workers, alone):
    replayed = in_workers(experiment(gateway={"replay": str(alone.folder)}))
    assert replayed.digest == alone.digest


def test_a_plug_in_that_fails_in_one_visit_is_left_out_there_too(experiment, in_workers):
    agent = {"use": f"{HERE / 'counted_policy.py'}:FailingAgent"}
    with pytest.raises(PluginError, match="no user 3"):
        in_workers(experiment(agent=agent, rounds=1))
    skipped = experiment(agent=agent, rounds=1, plugin_errors="skip")
    with pytest.warns(ContractWarning, match="no user 3"):
        here, there = runner.run(skipped).digest, in_workers(skipped).digest
    assert here == there


@pytest.mark.parametrize("policy", [LEXICAL, COUNTED], ids=["in the workers", "in the parent"])
@pytest.mark.parametrize("record", ["everything", "decisions", "metrics"])
def test_a_second_question_under_one_key_is_refused_by_all_executors(
    experiment, in_workers, policy, record
):
    agent = {"use": f"{HERE / 'counted_policy.py'}:TwiceAskingAgent"}
    said = r"asked twice at user \d+, round 1, step 901"
    changes = {"agent": agent, "rounds": 1, "record": record}
    for executor in ("per_user", "cohort"):
        with pytest.raises(ContractError, match=said) as error:
            runner.run(experiment(policy, executor=executor, **changes))
        assert "attempt" in error.value.hint
    with pytest.raises(ContractError, match=said) as error:
        in_workers(experiment(policy, **changes))
    assert "attempt" in error.value.hint


@pytest.mark.parametrize("record", ["everything", "decisions"])
def test_a_visit_that_asks_twice_is_left_out_by_all_executors(experiment, in_workers, record):
    agent = {"use": f"{HERE / 'counted_policy.py'}:SometimesTwiceAskingAgent"}
    changes = {"agent": agent, "rounds": 1, "record": record, "plugin_errors": "skip"}
    with pytest.warns(ContractWarning, match="asked twice at user 3"):
        here = runner.run(experiment(executor="per_user", **changes)).digest
        there = in_workers(experiment(**changes)).digest
    assert here == there


def test_a_visit_that_is_played_again_and_asks_something_else_gets_no_earlier_answer(
    experiment, in_workers
):
    agent = {"use": f"{HERE / 'counted_policy.py'}:OtherwiseAskingAgent"}
    small = {"data": {"use": "synthetic", "users": 10, "items": 80}, "rounds": 1}
    with pytest.raises(ContractError, match=r"asked another question at user \d+, round 1"):
        in_workers(experiment(COUNTED, agent=agent, **small), lost_after={1: 5})


def test_an_environment_that_cannot_be_restored_is_named_with_the_visitor(experiment, in_workers):
    world = {"use": f"{HERE / 'forgetful_world.py'}:ForgetfulWorld"}
    forgetful = experiment(environment=world, data=None, rounds=3)
    with pytest.raises(ContractError, match=r"visitors in round 3: not the user in row 4") as error:
        in_workers(forgetful)
    assert "state()" in error.value.hint


def test_a_traced_run_is_refused_with_the_key_to_change(experiment, in_workers, monkeypatch):
    monkeypatch.setattr(runner, "check_tracing", lambda: "sent away")
    with pytest.raises(ConfigError, match="not traced") as error:
        in_workers(experiment(tracing=True))
    assert "executor: per_user" in error.value.hint


def test_ray_that_is_not_installed_is_named_with_the_command(experiment, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(RunError, match="Ray cannot be imported") as error:
        runner.run(experiment(executor="ray"))
    assert "pip install 'starec-sim[ray]'" in error.value.hint
    assert not list((tmp_path / "runs").iterdir()), "nothing is left of a run that cannot begin"


def test_a_worker_with_other_versions_is_refused_with_all_of_them(
    experiment, in_workers, monkeypatch, tmp_path
):
    here = worker.versions()
    there = {**here, "numpy": "1.0"}
    del there["scipy"]
    monkeypatch.setattr(worker, "versions", lambda: there)
    with pytest.raises(RunError, match="has other versions than the run") as error:
        in_workers(experiment())
    said = error.value.message
    assert f"numpy 1.0, not {here['numpy']}; scipy is missing, not {here['scipy']}" in said
    assert "on all machines" in error.value.hint
