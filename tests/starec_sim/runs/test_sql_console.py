"""SQL on the views of a small run: what is answered, and what is refused."""

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.text import Text

from starec_sim.errors import RunError
from starec_sim.runs.manifest import write_manifest
from starec_sim.runs.run_tables import COLUMNS
from starec_sim.runs.sql_console import QueryLimits, query
from starec_sim.runs.sql_views import VIEWS
from tests.starec_sim.runs.conftest import a_manifest
from tests.starec_sim.runs.lives import Writing, turn, visit


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    writing = Writing(folder)
    for round in range(2):
        writing.commit(round, [visit(user, round) for user in range(3)])
    writing.commit(2, [visit(0, 2, turns=(turn("slow"), turn("more", node="slow")))])
    writing.close()
    write_manifest(folder, a_manifest())
    return folder


@pytest.mark.parametrize("view", VIEWS)
def test_each_view_has_the_columns_that_are_documented(run, view):
    found = query(run, f"SELECT * FROM {view}")
    assert found.columns == list(VIEWS[view].columns)
    assert bool(found.rows) == (view != "rollouts")


def test_columns_are_named_as_in_read_run_but_for_those_that_the_docs_name():
    """docs/runs.md lists the differences."""
    assert set(VIEWS) == set(COLUMNS)
    own = {
        (view, column)
        for view in VIEWS
        for column in VIEWS[view].columns
        if column.removesuffix("_json") not in COLUMNS[view]
    }
    assert own == {
        ("steps", "shown"),
        ("impressions", "title"),
        ("turns", "prompt"),
        ("turns", "answer"),
        ("memories", "remembered"),
        ("rollouts", "grouped"),
    }


def test_rounds_steps_and_places_count_from_1_and_items_have_ids(run):
    found = query(
        run,
        "SELECT round, step, place, item, watched, expected, lived FROM impressions "
        "WHERE user = 'u1' AND round = 2",
    )
    assert found.rows == [[2, 1, 1, "i1", 1, 4.0, 5.0], [2, 1, 2, "i2", 0, None, None]]
    found = query(run, "SELECT node, answer FROM turns WHERE round = 3 ORDER BY node")
    assert found.rows == [["fast", "slow"], ["slow", "more"]]
    found = query(run, "SELECT component, SUM(value) FROM rewards GROUP BY 1")
    assert found.rows == [["engagement", 3.5]]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM main.steps",
        "SELECT body FROM texts",
        "SELECT * FROM sqlite_master",
        "SELECT * FROM pragma_table_info('steps')",
        "ATTACH 'x' AS y",
        "PRAGMA query_only = OFF",
        "SELECT load_extension('x')",
        "SELECT text_of(1)",
        "DELETE FROM rollouts",
        "DELETE FROM steps",
        "DROP VIEW steps",
        "CREATE TEMP TABLE x (a)",
        "VACUUM INTO 'x'",
        "BEGIN",
        "",
    ],
)
def test_only_select_on_the_views_is_answered(run, sql):
    with pytest.raises(RunError, match="only SELECT on the views"):
        query(run, sql)


def test_a_query_has_limits(run):
    endless = "WITH RECURSIVE a(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM a) "
    with pytest.raises(RunError, match=r"longer than 0\.05 seconds"):
        query(run, endless + "SELECT COUNT(*) FROM a", QueryLimits(seconds=0.05))
    found = query(run, endless + "SELECT x FROM a", QueryLimits(rows=3))
    assert (found.rows, found.cut) == ([[1], [2], [3]], True)
    with pytest.raises(RunError, match="more memory than is allowed"):
        query(run, "SELECT zeroblob(1000000000)")
    with pytest.raises(RunError, match="only one statement"):
        query(run, "SELECT 1; SELECT 2")


def test_a_wrong_name_is_answered_with_the_nearest(run):
    with pytest.raises(RunError, match='no column summery; did you mean "summary"'):
        query(run, "SELECT summery FROM steps")
    with pytest.raises(RunError, match='no table turn; did you mean "turns"'):
        query(run, "SELECT * FROM turn")


@settings(max_examples=30)
@given(st.text(alphabet="SELECT*FROMstepmain.();, '\"1=", max_size=40))
def test_nonsense_is_an_error_of_the_user(run, sql):
    with contextlib.suppress(RunError):
        query(run, sql, QueryLimits(seconds=1))


def test_a_name_in_double_quotes_is_never_taken_for_a_text(run):
    with pytest.raises(RunError, match="there is no column usr") as refused:
        query(run, """SELECT count(*) FROM steps WHERE "usr" = 'u1'""")
    assert "single quotes: 'usr'" in refused.value.hint
    with pytest.raises(RunError, match="there is no column u1"):
        query(run, 'SELECT count(*) FROM steps WHERE user = "u1"')
    found = query(
        run,
        """SELECT "user" AS "a ""name" , 'say "x"' AS t -- "no name
        FROM "steps" WHERE user = 'u1' /* "nor here */ LIMIT 1""",
    )
    assert (found.columns, found.rows) == (['a "name', "t"], [["u1", 'say "x"']])


WIDE = "SELECT *, 1 / 3.0 AS third, 'line one' || char(10) || 'two' AS lines FROM steps LIMIT 1"


def test_a_pipe_gets_whole_rows_in_one_line_each(run, starec, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    heads, row = starec("sql", run, WIDE)[1].splitlines()
    found = query(run, WIDE)
    assert heads.split() == found.columns
    assert f"{1 / 3}  line one\\ntwo" in row and "…" not in row


def test_a_narrow_terminal_shows_each_value_in_a_line_of_its_own(run, starec, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "40")
    out = Text.from_ansi(starec("sql", run, WIDE)[1]).plain
    assert out.startswith("row 1\n  arm: main\n  seed: 7\n")
    assert f"  third: {1 / 3}\n  lines: line one\\ntwo" in out
    monkeypatch.setenv("COLUMNS", "400")
    assert Text.from_ansi(starec("sql", run, WIDE)[1]).plain.startswith("arm ")


def test_the_command_prints_rows_and_the_schema(run, starec):
    sql = "SELECT user, COUNT(*) AS steps FROM steps GROUP BY user"
    status, out, _ = starec("sql", run, sql, "--json")
    assert status == 0
    assert json.loads(out)["rows"] == [["u0", 3], ["u1", 2], ["u2", 2]]
    assert "| u0 | 3 |" in starec("sql", run, sql, "--md")[1]
    status, out, said = starec("sql", run, sql, "--limit", 1)
    assert "u0" in out and "u1" not in out
    assert "--limit allows more" in said
    assert "impressions" in starec("sql", run, "--schema")[1]
    assert starec("sql", run)[0] == 2
