from dataclasses import replace

import numpy as np
import pytest

from starec_sim.runs import queries
from starec_sim.runs.queries import CallCosts, CallErrors
from starec_sim.runs.reader import reading
from tests.starec_sim.runs.lives import turn, visit


@pytest.fixture
def db(write, tmp_path):
    """Two rounds, of two users and of one; one call failed, one slow answer cannot be read."""
    unread = turn("hm", node="slow", error="no tags")
    failed = replace(turn("", attempt=1), failure="endpoint: gone")
    writing = write()
    writing.commit(0, [visit(0, 0, (turn("a"), unread)), visit(1, 0)], clicks=np.array([0.5, 1]))
    writing.commit(1, [visit(0, 1, (turn("b"), failed))], clicks=np.array([0.25]))
    with reading(tmp_path) as reader:
        yield reader.db


def test_visits_come_with_their_metrics_in_order(db):
    found = list(queries.visit_metrics(db, [0]))
    assert [(v.round, v.user, v.user_id, v.metrics["clicks"]) for v in found] == [
        (0, 0, "u0", 0.5),
        (0, 1, "u1", 1.0),
        (1, 0, "u0", 0.25),
    ]
    assert list(queries.visit_metrics(db, [1])) == list(queries.visit_metrics(db, [])) == []


def test_rounds_come_with_their_metrics(db):
    found = {(m.round, m.name): m.value for m in queries.round_metrics(db, [0])}
    assert found[0, "clicks"] == 0.75
    assert found[1, "nothing"] is None


def test_calls_are_summed_over_rounds(db):
    assert queries.call_costs(db, 0, range(1, 2)) == CallCosts(24, 6, 1.0, None)
    assert queries.call_costs(db, 0, range(1)) == CallCosts(36, 9, 1.5, None)
    assert queries.call_costs(db, 0, range(0)) == CallCosts(None, None, None, None)


def test_errors_of_calls_are_counted(db):
    assert queries.call_errors(db, 0) == CallErrors(unreadable_slow=1, failed=1)
    assert queries.call_errors(db, 5) == CallErrors(0, 0)


def test_a_trial_is_found_by_the_round_it_has_committed(db):
    assert queries.trial_with_round(db, "main", 1) == 0
    assert queries.trial_with_round(db, "main", 2) is None
    assert queries.trial_with_round(db, "other", 0) is None


def test_decisions_of_a_round_are_read_by_user_and_step(db):
    found = {(user, step): decision for user, step, decision in queries.decisions(db, 0, 0)}
    assert found == {(user, 0): visit(user, 0).steps[0].decision for user in (0, 1)}


def test_what_a_record_holds_is_counted(db):
    found = queries.counts(db)
    assert (found["rounds"], found["visits"], found["turns"]) == (2, 3, 5)
    assert (found["tokens_in"], found["tokens_out"]) == (60, 15)
    assert queries.wall_seconds(db) == 0.0
