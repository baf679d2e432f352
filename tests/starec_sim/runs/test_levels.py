"""What a run keeps with `record: everything`, `decisions` and `metrics`."""

import math
import sqlite3

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from starec_sim.errors import RunError
from starec_sim.runs import aggregates, queries
from starec_sim.runs.chunks import ChunkWriter, StepColumns, StepRows, VisitColumns, chunk_column
from starec_sim.runs.facts import VisitFacts
from starec_sim.runs.ledger import read_ledger
from starec_sim.runs.reader import Reader, reading
from starec_sim.runs.schema import CHUNKS
from starec_sim.runs.sql_console import query
from starec_sim.runs.store import Store
from tests.starec_sim.runs.lives import turn, visit

LEVELS = ("everything", "decisions", "metrics")


@pytest.fixture
def recorded(write, tmp_path):
    """Return the folders of one run of two rounds, recorded at each level."""
    folders = {}
    for level in LEVELS:
        folders[level] = tmp_path / level
        folders[level].mkdir()
        writing = write(folders[level], level=level)
        bad = (turn("bad", error="C is missing"), turn("good", attempt=1))
        writing.commit(0, [visit(0, 0, bad), visit(2, 0, notes={4: "for fans"})])
        writing.commit(1, [visit(1, 1, ()), visit(2, 1)], click=np.array([0.25, np.nan]))
        writing.close()
    return folders


def test_all_levels_give_one_digest(recorded):
    digests = set()
    for folder in recorded.values():
        with reading(folder) as reader:
            digests.add(tuple(aggregates.last_digests(reader.db)))
    assert len(digests) == 1


def test_all_levels_resume_from_the_same_state(recorded, write):
    points = [write(folder).point for folder in recorded.values()]
    for point in points:
        assert point.rounds == 2
        assert point.memories == points[0].memories
        assert point.notes == {4: "for fans"}
        np.testing.assert_array_equal(point.environment_state["mood"], [0.0, 2.0, 4.0])
    digests = [
        write(folder, trial=1, arm="other").commit(0, [visit(0, 0)]) for folder in recorded.values()
    ]
    assert len(set(digests)) == 1


def steps_of(reader):
    trial = reader.trials()[0]
    return [
        step._replace(turns=())
        for row, _ in reader.users(trial)
        for step in reader.steps(trial, row)
    ]


def test_decisions_keep_all_of_a_step_but_prompts_and_answers(recorded):
    with reading(recorded["everything"]) as whole, reading(recorded["decisions"]) as compact:
        assert steps_of(compact) == steps_of(whole)
        trial = compact.trials()[0]
        for round in range(2):
            assert compact.round_steps(trial, round) == whole.round_steps(trial, round)
        assert compact.most_slow_steps(trial, 3) == whole.most_slow_steps(trial, 3)
        assert compact.rewards() == whole.rewards()
        one, two = compact.turns(trial, 0, 0, 0)
        assert (one.error, one.messages, two.attempt) == ("C is missing", (), 1)
        assert "not on record" in two.completion


def test_decisions_keep_the_sums_of_visits_and_calls(recorded):
    with reading(recorded["everything"]) as whole, reading(recorded["decisions"]) as compact:
        for found in (
            aggregates.round_counts,
            aggregates.call_sums,
            aggregates.error_counts,
            lambda db: aggregates.person_counts(db, 0),
            lambda db: list(queries.visit_metrics(db, [0])),
            lambda db: queries.user_means(db, [0], range(2)),
            lambda db: sorted(queries.decisions(db, 0, 0)),
            lambda db: sorted(aggregates.exposures(db, 0, 1)),
            lambda db: read_ledger(db).entries,
        ):
            assert found(compact.db) == found(whole.db)


def test_sql_reads_chunks_as_it_reads_rows(recorded):
    for view in ("steps", "impressions", "rewards", "visits", "metrics", "memories"):
        sql = f"SELECT * FROM {view}"
        found = [sorted(map(repr, query(recorded[level], sql).rows)) for level in LEVELS[:2]]
        assert found[0] == found[1], view
    with pytest.raises(RunError, match="only SELECT on the views"):
        query(recorded["decisions"], "SELECT steps_of(1, 1)")


def test_metrics_keep_the_figures_of_rounds(recorded):
    with reading(recorded["everything"]) as whole, reading(recorded["metrics"]) as compact:
        for_rounds = [sorted(queries.round_metrics(r.db, [0]), key=repr) for r in (whole, compact)]
        assert for_rounds[0] == for_rounds[1]


@pytest.mark.parametrize("view", ["steps", "visits", "turns"])
def test_a_query_on_users_says_that_metrics_keep_none(recorded, view):
    with pytest.raises(RunError, match=rf"the view {view} needs `record: decisions`"):
        query(recorded["metrics"], f"SELECT * FROM {view}")


def test_reading_a_user_says_that_metrics_keep_none(recorded):
    with reading(recorded["metrics"]) as reader:
        trial = reader.trials()[0]
        for read in (reader.steps, reader.step_keys):
            with pytest.raises(RunError, match="keeps no steps of users") as error:
                read(trial, 0)
        assert "--set record=decisions" in error.value.hint


def test_a_record_is_gone_on_with_as_it_began(recorded):
    store = Store(recorded["decisions"], level="everything")
    assert store.level == "decisions"
    store.close()


def test_a_chunk_with_a_part_cut_off_is_damaged(recorded):
    store = Store(recorded["decisions"])
    store.db.execute("UPDATE chunks SET visits = substr(visits, 1, 60)")
    store.close()
    with pytest.raises(RunError, match="damaged"), reading(recorded["decisions"]) as reader:
        aggregates.round_counts(reader.db)


def test_an_unknown_level_is_damage(recorded):
    store = Store(recorded["decisions"])
    store.db.execute("UPDATE meta SET value = 'most' WHERE key = 'record'")
    store.close()
    with pytest.raises(RunError, match="damaged"):
        Reader(recorded["decisions"])


json_texts = st.sampled_from(['["feed",1,[1,2]]', '{"a":1.50}', '{"t":"\\n é"}', "{}"])
steps = st.builds(StepColumns, json_texts, json_texts, json_texts, st.integers(0, 1), st.text())


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(steps, min_size=1, max_size=3), min_size=1, max_size=5))
def test_what_is_put_into_a_chunk_comes_back(visits):
    db = sqlite3.connect(":memory:")
    db.executescript(CHUNKS)
    writer = ChunkWriter(db, 0)
    for number, of_visit in enumerate(visits):
        writer.add_visit(number * 2, VisitFacts(len(of_visit), 2, 1, 0, 1, 4.5, 0, 0, 1))
        for step in of_visit:
            writer.add_step(step, number, ())
    figures = {"click": np.array([n / 7 if n % 2 else math.nan for n in range(len(visits))])}
    writer.insert(3, figures)
    columns = VisitColumns(chunk_column(db, 1, "visits"))
    rows = StepRows(chunk_column(db, 1, "steps"))
    assert columns.lengths.tolist() == [len(of_visit) for of_visit in visits]
    assert columns.place(1) is None
    flat = [step for of_visit in visits for step in of_visit]
    assert rows.texts["observation"] == [step.observation for step in flat]
    assert rows.texts["decision"] == [step.decision for step in flat]
    assert rows.slow == [step.slow for step in flat]
    for number in range(len(visits)):
        place = columns.place(number * 2)
        known = {"click": number / 7} if number % 2 else {}
        assert columns.figures_of(place) == known
    db.close()
