"""A run that pauses, one that is replayed, one that was estimated: as their user sees them."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from starec_sim import experiment, runner
from starec_sim.errors import ConfigError, PausedError
from starec_sim.estimate import estimate
from starec_sim.runs import folder as run_folder
from starec_sim.runs.manifest import read_manifest

PLAIN = {"fast": "lexical", "slow": "lexical"}


def sql(folder, query):
    with closing(sqlite3.connect(folder / "run.sqlite")) as db:
        return db.execute(query).fetchall()


@pytest.fixture
def path(write_experiment):
    data = {"use": "synthetic", "users": 12, "items": 120}
    return write_experiment(rounds=2, policies=PLAIN, data=data)


@pytest.fixture(scope="module")
def finished():
    """The experiment of this file played to its end, once; its settings name another folder."""
    return {}


@pytest.fixture
def whole(path, quiet, finished, tmp_path_factory):
    if not finished:
        place = tmp_path_factory.mktemp("whole")
        read = experiment.read_experiment(path, [f"runs_dir={place}"])
        finished["run"] = runner.run(read, quiet)
    return finished["run"]


def paused(path, quiet, *changes):
    before = set(run_folder.listed(path.parent / "runs"))
    with pytest.raises(PausedError) as raised:
        runner.run(experiment.read_experiment(path, changes), quiet)
    (folder,) = set(run_folder.listed(path.parent / "runs")) - before
    return folder, raised.value


@pytest.mark.slow
@pytest.mark.parametrize("how", ["concurrency=1", "concurrency=16", "executor=cohort"])
def test_a_budget_pauses_the_run_and_a_higher_one_ends_it_with_the_same_digest(
    path, whole, quiet, how
):
    folder, why = paused(path, quiet, "budget.calls=30", how)
    assert why.reason == "budget"
    manifest = read_manifest(folder)
    assert (manifest.status, manifest.problem) == ("paused", why.message)
    assert sql(folder, "SELECT COUNT(*) FROM turns") == [(30,)], "all that was paid for is kept"
    assert sql(folder, "SELECT SUM(calls) FROM sessions") == [(30,)]
    with pytest.raises(PausedError):
        runner.resume(folder, quiet)
    with pytest.raises(PausedError, match="50 of 50"):
        runner.resume(folder, quiet, budget={"calls": 50})
    with pytest.raises(PausedError, match="50 of 50"):  # what was allowed last still holds
        runner.resume(folder, quiet)
    assert runner.resume(folder, quiet, budget={"calls": None}).digest == whole.digest


@pytest.mark.slow
def test_a_paused_run_goes_on_with_another_executor_to_the_same_digest(path, whole, quiet):
    folder, _ = paused(path, quiet, "budget.calls=30")
    with pytest.raises(ConfigError, match=r"executor\.use"):
        runner.resume(folder, quiet, executor="cohrt")
    resumed = runner.resume(folder, quiet, executor="cohort", budget={"calls": None})
    assert resumed.digest == whole.digest


def test_money_cannot_be_held_to_without_a_price(path):
    with pytest.raises(ConfigError, match=r"policies\.fast has no price") as raised:
        experiment.read_experiment(
            path, ["budget.usd=1", "policies.fast={use: openai, model: tiny}"]
        )
    assert "price: {tokens_in" in raised.value.hint


def test_the_books_are_kept_by_round_user_node_and_policy(path, quiet):
    price = "policies.fast.price={tokens_in: 1000, tokens_out: 0, as_of: 2026-11-01}"
    done = runner.run(experiment.read_experiment(path, [price]), quiet)
    rows = sql(done.folder, "SELECT round, user, node, policy, calls, cost_usd FROM ledger")
    assert {row[2] for row in rows} == {"fast", "slow"}
    assert len({row[:4] for row in rows}) == len(rows)
    fast, slow = done.ledger.entries
    assert fast.cost_usd == pytest.approx(fast.tokens_in / 1000)
    assert slow.cost_usd is None
    assert fast.calls == sum(row[4] for row in rows if row[2] == "fast")


@pytest.mark.slow
def test_a_replay_is_equal_to_its_recording_and_asks_nobody(whole, quiet):
    replayed = runner.replay(whole.folder, quiet)
    assert replayed.digest == replayed.replayed == whole.digest
    assert sql(replayed.folder, "SELECT DISTINCT source, tries FROM turns") == [("replay", 0)]
    assert sql(replayed.folder, "SELECT SUM(calls) FROM sessions") == [(0,)]
    again = runner.replay(replayed.folder, quiet)
    assert again.digest == whole.digest, "a replay is a recording itself"


def test_a_question_that_was_not_recorded_shows_how_it_differs(path, whole, quiet):
    replay = f"gateway.replay={whole.folder}"
    folder, why = paused(path, quiet, replay, "agent.history_shown=3")
    assert why.reason == "replay"
    assert "is not the one that was recorded in" in why.message
    shown = why.message.splitlines()
    assert any(line.startswith("-") for line in shown)
    assert any(line.startswith("@@") for line in shown)
    assert len(shown) < 40
    assert read_manifest(folder).status == "paused"


def test_a_call_beyond_the_recording_says_what_is_nearest(path, whole, quiet):
    _, why = paused(path, quiet, f"gateway.replay={whole.folder}", "rounds=3")
    assert "holds no call at user" in why.message
    assert "nearest recorded prompt: user" in why.message


def test_two_runs_share_a_cache(path, whole, quiet, tmp_path):
    cached = [f"gateway.cache={tmp_path / 'answers.sqlite'}"]
    first = runner.run(experiment.read_experiment(path, cached), quiet)
    second = runner.run(experiment.read_experiment(path, cached), quiet)
    assert first.digest == second.digest == whole.digest
    assert first.ledger.total("cache_hits") == 0
    assert second.ledger.total("cache_hits") == second.ledger.total("calls")
    assert second.ledger.total("requests") == 0


def test_an_estimate_of_everybody_and_every_round_is_exact(path, quiet):
    told = estimate(experiment.read_experiment(path), users=1000, rounds=2)
    done = runner.run(experiment.read_experiment(path), quiet)
    compared = done.compared()
    assert told.calls == done.ledger.total("calls")
    assert compared["calls"] == (told.calls, told.calls)
    assert compared["tokens_in"][0] == compared["tokens_in"][1]


@pytest.mark.slow
def test_an_estimate_from_a_few_is_near_and_asks_but_a_few(path, quiet):
    told = estimate(experiment.read_experiment(path, ["replicates=2"]), users=6, rounds=1)
    done = runner.run(experiment.read_experiment(path, ["replicates=2"]), quiet)
    assert told.played < done.ledger.total("calls") / 4
    assert told.calls == pytest.approx(done.ledger.total("calls"), rel=0.5)
    assert runner.run(experiment.read_experiment(path, ["seed=9"]), quiet).estimate is None


@pytest.mark.slow
def test_broken_calls_are_the_same_history_however_it_is_played(path, quiet):
    fragile = f"{Path(__file__).parent / 'counting_policy.py'}:FragilePolicy"
    broken = [f"policies.fast={fragile}", f"policies.slow={fragile}"]
    whole = runner.run(experiment.read_experiment(path, [*broken, "concurrency=1"]), quiet)
    assert whole.ledger.total("failed") > 3
    (failure,) = [f for f in whole.ledger.failures if f.cause == "refused"]
    assert "too much for me" in failure.example
    assert failure.turns == whole.ledger.total("failed")
    folder, _ = paused(path, quiet, *broken, "concurrency=16", "budget.calls=40")
    resumed = runner.resume(folder, quiet, budget={"calls": None})
    assert resumed.digest == whole.digest
    assert runner.replay(folder, quiet).digest == whole.digest
    # A failed call credits nothing, asks for no repair, and is nobody's well-formed answer.
    rows = sql(
        folder,
        "SELECT COUNT(*), SUM(decision LIKE '%\"flaws\"%'), SUM(decision LIKE '%\"repaired\"%') "
        "FROM steps JOIN turns USING (trial, round, user, step) "
        "WHERE node = 'fast' AND failure != ''",
    )
    ((failed, malformed, repaired),) = rows
    assert failed == malformed > 0
    assert repaired == 0
