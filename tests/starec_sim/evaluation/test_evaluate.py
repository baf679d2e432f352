"""Whole evaluations of small datasets give the same table every time, also when resumed."""

import json
import signal
from pathlib import Path

import numpy as np
import pytest

from starec_sim.errors import ConfigError, DataError, PausedError, RunError
from starec_sim.evaluation import Evaluation, evaluate, merge_tables, read_rows, read_table, resume
from starec_sim.evaluation.folder import CANDIDATES, RANKS, TABLE
from starec_sim.events import RunEvents
from starec_sim.holdout import EvaluationProtocol
from starec_sim.holdout.protocol import Split
from starec_sim.runs.manifest import read_manifest
from starec_sim.types import Visit
from tests.forked import fork, kill_self, wait

NAMES = (
    "random",
    "input order",
    "popularity",
    "item-kNN, full",
    "{policy}",
    "{policy}, no slow",
    "{policy}, swapped",
    "oracle",
)
"""Settings of the table that most tests read."""
ROWS = [row for row in read_rows("all") if row.name in NAMES]
CLASSICAL = [row for row in ROWS if row.agent is None]
DATA = {"use": "synthetic", "users": 30, "items": 200, "interactions": 20}
REFERENCE = {"ndcg@1": 0.0500, "ndcg@5": 0.1474, "ndcg@10": 0.2272, "ndcg@20": 0.3520}


def asked(tmp_path: Path, **changes) -> Evaluation:
    values = {
        "data": DATA,
        "protocol": EvaluationProtocol(history=2),
        "rows": ROWS,
        "policies": ["lexical"],
        "runs_dir": tmp_path,
        **changes,
    }
    return Evaluation(**values)


SMALL = [
    row for row in ROWS if row.name in ("random", "popularity", "{policy}", "{policy}, swapped")
]
"""Two baselines and two agents, for tests that evaluate several times."""


def small(tmp_path: Path, **changes) -> Evaluation:
    """Return an evaluation of six users: two rounds of each agent, 24 visits in all."""
    protocol = EvaluationProtocol(history=1, draws=2, at=(1, 10), users=Split(count=6))
    return asked(tmp_path, **{"protocol": protocol, "rows": SMALL, **changes})


@pytest.fixture(scope="module")
def small_done(tmp_path_factory):
    return evaluate(small(tmp_path_factory.mktemp("small")))


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    return evaluate(asked(tmp_path_factory.mktemp("runs")))


@pytest.mark.slow
def test_a_table_has_its_rows_with_intervals_counters_and_costs(done) -> None:
    folder, table = done
    assert [row.name for row in table.rows][:3] == ["random", "input order", "popularity"]
    assert table.rows[-1].name == "oracle" and not table.unfinished
    for row in table.rows:
        assert set(row.metrics) == {
            *(f"{name}@{k}" for name in ("ndcg", "hr") for k in (1, 5, 10, 20)),
            "mrr",
        }
        for interval in row.metrics.values():
            assert 0 <= interval.low <= interval.mean <= interval.high <= 1
            assert interval.n == len(table.users)
        assert row.counters["rankings"] == 3 * len(table.users)
    agent = table.row("lexical")
    assert agent.counters["malformed"] == agent.counters["answer missing"] == 0
    assert agent.costs["tokens_in/ranking"] > 100 and agent.costs["tokens_in/history"] > 100
    assert table.row("lexical, no slow").costs["tokens_in/history"] is None
    assert table.about["protocol"]["name"] == "starec-20"
    assert json.loads((folder / TABLE).read_text())["digest"] == table.digest


@pytest.mark.slow
def test_nobody_beats_the_oracle_and_chance_is_chance(done) -> None:
    _, table = done
    best = table.row("oracle").metrics["ndcg@10"].mean
    assert all(row.metrics["ndcg@10"].mean <= best for row in table.rows)
    for name, value in REFERENCE.items():
        interval = table.row("random").metrics[name]
        # Of thirty users; a wider net than the interval itself, which misses one time in twenty.
        half = interval.high - interval.mean
        assert abs(interval.mean - value) < 2 * half


def test_without_slow_thinking_a_replay_changes_nothing(tmp_path) -> None:
    (row,) = [row for row in read_rows("agents") if row.name == "{policy}, no slow"]
    replayed = row.model_copy(update={"replay": None, "name": "replayed"})
    _, table = evaluate(small(tmp_path, rows=[row, replayed]))
    assert (
        table.row("replayed").values["mrr"] == table.row("lexical, no slow").values["mrr"]
    ).all()


@pytest.mark.slow
def test_the_same_seed_gives_the_same_table_whatever_the_concurrency(tmp_path, small_done) -> None:
    _, table = small_done
    _, again = evaluate(small(tmp_path / "one by one", concurrency=1))
    assert again.digest == table.digest
    assert [row.metrics for row in again.rows] == [row.metrics for row in table.rows]
    _, other = evaluate(small(tmp_path, seed=1))
    assert other.digest != table.digest


def results(folder: Path) -> dict[str, object]:
    """Return what the files of an evaluation hold, without durations, by path."""
    found: dict[str, object] = {}
    for path in (folder / RANKS).iterdir():
        with np.load(path) as arrays:
            found[path.name] = {name: arrays[name].tolist() for name in arrays.files}
    table = json.loads((folder / TABLE).read_text())
    for row in table["rows"]:
        row["costs"] = {name: cost for name, cost in row["costs"].items() if "seconds" not in name}
    found |= {TABLE: table, CANDIDATES: (folder / CANDIDATES).read_text()}
    return found


class Killer(RunEvents):
    """Kills the process of an evaluation after so many visits."""

    def __init__(self, visits: int) -> None:
        self.visits = visits

    def visit_finished(self, visit: Visit) -> None:
        self.visits -= 1
        if self.visits == 0:
            kill_self()


def test_killed_among_visits_it_goes_on_to_the_same_files(tmp_path, small_done) -> None:
    child = fork(lambda: evaluate(small(tmp_path, concurrency=4), Killer(20)))
    assert wait(child) == -signal.SIGKILL
    folder, _ = evaluate(small(tmp_path, concurrency=4))
    assert results(folder) == results(small_done[0]) and [folder] == [*tmp_path.iterdir()]


def test_killed_after_its_table_was_written_it_goes_on_and_finishes(tmp_path, small_done) -> None:
    def killed() -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("starec_sim.runs.manifest.Manifest.finish", lambda self: kill_self())
            evaluate(small(tmp_path))

    assert wait(fork(killed)) == -signal.SIGKILL
    (folder,) = tmp_path.iterdir()
    assert (folder / TABLE).exists() and read_manifest(folder).status == "interrupted"
    again, _ = evaluate(small(tmp_path))
    assert again == folder and read_manifest(folder).status == "finished"
    assert results(folder) == results(small_done[0])


def test_a_removed_table_is_made_again_from_the_record(tmp_path, small_done) -> None:
    folder, table = evaluate(small(tmp_path))
    (folder / TABLE).unlink()
    assert resume(folder).digest == table.digest
    assert results(folder) == results(small_done[0])


class Stopper(RunEvents):
    """Stops an evaluation at a given event."""

    def __init__(self, visits: int = -1, rows: int = -1) -> None:
        self.visits, self.rows = visits, rows

    def visit_finished(self, visit: Visit) -> None:
        self.visits -= 1
        if self.visits == 0:
            raise KeyboardInterrupt

    def baseline_finished(self, name: str, seconds: float) -> None:
        self.rows -= 1
        if self.rows == 0:
            raise KeyboardInterrupt


@pytest.mark.slow
@pytest.mark.parametrize(
    ("visits", "rows", "again"),
    [(4, -1, "resume"), (-1, 1, "the same command")],
)
def test_stopped_anywhere_it_goes_on_to_the_same_table(
    tmp_path, small_done, visits, rows, again
) -> None:
    with pytest.raises(KeyboardInterrupt):
        evaluate(small(tmp_path, concurrency=4), Stopper(visits, rows))
    (folder,) = tmp_path.iterdir()
    partial = read_table(folder)
    assert partial.unfinished and not (folder / TABLE).exists()
    if again == "resume":
        table = resume(folder)
    else:
        found, table = evaluate(small(tmp_path, concurrency=8))
        assert found == folder
    assert table.digest == small_done[1].digest and len(list(tmp_path.iterdir())) == 1
    assert results(folder) == results(small_done[0])
    # And once more, when it is over: a new one.
    assert evaluate(small(tmp_path, rows=SMALL[:1]))[0] != folder


def test_sigterm_pauses_an_evaluation_of_baselines_between_two_of_them(tmp_path) -> None:
    class Terminated(RunEvents):
        def __init__(self) -> None:
            self.calls: list[object] = []

        def run_started(self, folder: Path, experiment: object) -> None:
            self.calls.append((folder, experiment))

        def baseline_finished(self, name: str, seconds: float) -> None:
            self.calls.append(name)
            signal.raise_signal(signal.SIGTERM)

    events = Terminated()
    evaluation = small(tmp_path, rows=CLASSICAL, policies=[])
    with pytest.raises(PausedError, match="SIGTERM"):
        evaluate(evaluation, events)
    (folder,) = tmp_path.iterdir()
    assert events.calls == [(folder, None), CLASSICAL[0].name]
    assert read_manifest(folder).status == "paused"
    again, table = evaluate(evaluation)
    assert again == folder and len(table.rows) == len(CLASSICAL)


def test_a_finished_table_is_read_back_as_it_was(done) -> None:
    folder, table = done
    again = read_table(folder)
    assert again.digest == table.digest and again.users == table.users
    assert [row.metrics for row in again.rows] == [row.metrics for row in table.rows]
    assert again.compare("lexical", "popularity") == table.compare("lexical", "popularity")
    assert resume(folder).digest == table.digest


@pytest.mark.slow
def test_any_two_rows_can_be_compared_and_the_order_is_the_sign(done) -> None:
    _, table = done
    forth, back = table.compare("oracle", "random"), table.compare("random", "oracle")
    for name, found in forth.items():
        if name == "hr@20":  # everything is among twenty of twenty
            assert found.interval.mean == 0 and found.p == 1
        else:
            assert found.interval.mean == pytest.approx(-back[name].interval.mean)
            assert found.sure and found.p < 0.001
    assert not any(d.sure for d in table.compare("oracle", "oracle").values())
    assert set(table.against("random")) == {row.name for row in table.rows} - {"random"}
    with pytest.raises(RunError, match='has no row "orakel"; did you mean "oracle"'):
        table.compare("orakel", "random")
    with pytest.raises(RunError, match='no metric "ndcg@3"'):
        table.compare("oracle", "random", ["ndcg@3"])


def test_tables_of_different_lists_are_not_mixed(tmp_path, done) -> None:
    _, table = done
    rows = read_rows("classical")[:2]
    for change, message in (
        ({"seed": 3}, "seed: 0 and 3"),
        ({"protocol": EvaluationProtocol(history=2, draws=1)}, "draws: 3 and 1"),
    ):
        _, other = evaluate(asked(tmp_path, rows=rows, **change))
        with pytest.raises(RunError, match=f"different candidate lists.*{message}"):
            merge_tables([table, other])


def test_another_evaluation_on_the_same_lists_joins_the_table(tmp_path, done) -> None:
    folder, table = done
    _, other = evaluate(
        asked(tmp_path, rows=CLASSICAL, candidates=folder / "candidates.jsonl", seed=8)
    )
    assert other.about["exam"] == table.about["exam"]
    joined = merge_tables([table, other])
    assert "random (2)" in [row.name for row in joined.rows]  # another seed, another chance
    assert sum(row.name.startswith("popularity") for row in joined.rows) == 1


def test_candidates_that_changed_meanwhile_are_refused(tmp_path, small_done) -> None:
    path = tmp_path / "candidates.jsonl"
    path.write_bytes((small_done[0] / "candidates.jsonl").read_bytes())
    runs = tmp_path / "runs"
    with pytest.raises(KeyboardInterrupt):
        evaluate(small(runs, candidates=path), Stopper(rows=1))
    path.write_text(path.read_text() + "\n")
    with pytest.raises((RunError, DataError), match="is not the file of candidates"):
        resume(next(runs.iterdir()))


def test_nothing_to_compute_and_nobody_to_evaluate_are_refused_and_leave_no_folder(tmp_path):
    with pytest.raises(ConfigError, match="there is no row to compute"):
        evaluate(asked(tmp_path, policies=[], rows=[r for r in read_rows("agents") if r.agent]))
    with pytest.raises(DataError, match="no user of synthetic qualifies"):
        evaluate(asked(tmp_path, protocol=EvaluationProtocol(min_interactions=10_000)))
    assert not list(tmp_path.iterdir())


def test_a_damaged_table_is_said_to_be_damaged(tmp_path) -> None:
    folder, _ = evaluate(small(tmp_path, rows=SMALL[:2], policies=[]))
    (folder / RANKS / "0.npz").write_bytes(b"nothing")
    with pytest.raises(RunError, match="is damaged"):
        read_table(folder)


def test_models_may_be_fitted_on_other_users_only(tmp_path) -> None:
    protocol = EvaluationProtocol(history=0, users=Split(count=15, mode="new"))
    _, table = evaluate(asked(tmp_path, protocol=protocol, policies=[]))
    assert len(table.users) == 15
    # What folds in a past it was not fitted on still does better than chance.
    assert table.compare("item-kNN, full", "random")["mrr"].interval.mean > 0


def test_answers_that_break_the_rules_are_counted_and_earn_nothing(tmp_path) -> None:
    policy = {"use": f"{Path(__file__).parent / 'careless.py'}:Careless"}
    rows = [row for row in read_rows("agents") if row.name == "{policy}, no slow"]
    _, table = evaluate(small(tmp_path, rows=rows, policies=[policy]))
    (row,) = table.rows
    rankings = row.counters["rankings"]
    # Each answer names one candidate twice, one that is not there, and nothing else.
    assert row.counters["malformed"] == row.counters["repaired"] == rankings
    assert row.counters["duplicate"] == row.counters["invented"] == rankings
    assert row.counters["missing"] == 19 * rankings
    assert row.counters["answer missing"] == rankings - round(row.values["hr@1"].sum() * 2)
    assert row.metrics["hr@10"].mean == row.metrics["ndcg@1"].mean < 0.2


@pytest.mark.slow
def test_the_interval_covers_what_other_draws_of_negatives_give(tmp_path) -> None:
    """The interval of one draw must contain the mean over many draws in most cases.

    Users are the same in all draws, so an interval over users, which also allows for other users,
    covers that mean more often than 95 times in 100. It must not be absurdly wide either: some
    draws differ by a good part of it.
    """
    from starec_environments.datasets.synthetic import Synthetic
    from starec_sim.evaluation.baselines import rank_baseline
    from starec_sim.evaluation.contenders import ContenderSpec
    from starec_sim.holdout import HoldOut
    from starec_sim.metrics import bootstrap_interval

    data = Synthetic(Synthetic.Config(users=100, items=300, interactions=20)).load()
    row = ContenderSpec(name="popularity", recommender={"use": "popularity"})
    protocol = EvaluationProtocol(draws=1, history=0)
    intervals = []
    for seed in range(20):
        exam = HoldOut(protocol, data, seed)
        values = rank_baseline(row, exam).values(protocol.at, protocol.candidates)["ndcg@10"]
        intervals.append(bootstrap_interval(values, seed=0))
    truth = np.mean([interval.mean for interval in intervals])
    covered = np.mean([interval.low <= truth <= interval.high for interval in intervals])
    assert covered >= 0.9
    halves = np.mean([(interval.high - interval.low) / 2 for interval in intervals])
    spread = np.std([interval.mean for interval in intervals])
    assert 0.1 * halves < spread < halves


@pytest.mark.slow
def test_intervals_over_users_cover_the_population_as_often_as_they_say() -> None:
    """With many samples of generated users, 95 % intervals contain the true mean as often."""
    from starec_environments.datasets.synthetic import Synthetic
    from starec_sim.evaluation.baselines import rank_baseline
    from starec_sim.evaluation.contenders import ContenderSpec
    from starec_sim.holdout import HoldOut
    from starec_sim.metrics import bootstrap_interval

    data = Synthetic(Synthetic.Config(users=2400, items=300, interactions=20)).load()
    exam = HoldOut(EvaluationProtocol(draws=1, history=0), data, 0)
    row = ContenderSpec(name="popularity", recommender={"use": "popularity"})
    values = rank_baseline(row, exam).values((10,), 20)["ndcg@10"]
    groups = np.random.default_rng(0).permutation(values)[: len(values) // 40 * 40].reshape(-1, 40)
    found = [bootstrap_interval(group, seed=0) for group in groups]
    covered = np.mean([interval.low <= values.mean() <= interval.high for interval in found])
    # 40 users a group; three standard errors of a share of 0.95 over the groups.
    assert abs(covered - 0.95) < 3 * np.sqrt(0.95 * 0.05 / len(found)) + 0.01
