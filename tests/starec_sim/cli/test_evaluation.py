"""`starec eval`, `table` and `check-table`: their output, files, errors and resumes."""

import json

import pytest

pytestmark = pytest.mark.slow

ROWS = """rows:
  - {name: random, floor: random}
  - {name: popularity, recommender: popularity}
  - {name: "{policy}", agent: star}
  - {name: "{policy}, swapped", agent: star, memory: swapped}
"""
PROTOCOL = "name: small\ncandidates: 5\nat: [1, 5]\ndraws: 2\nhistory: 1\n"


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.yaml").write_text(ROWS)
    (tmp_path / "two.yaml").write_text("".join(ROWS.splitlines(keepends=True)[:3]))
    (tmp_path / "small.yaml").write_text(PROTOCOL)
    return tmp_path


SMALL = ("--data", "synthetic,users=24,items=150", "--users", "6")
ASKED = ("--rows", "rows.yaml", "--protocol", "small.yaml", *SMALL)


@pytest.mark.pictures
def test_a_table_is_printed_written_shown_again_and_compared(starec, place) -> None:
    said = starec("eval", "lexical", *ASKED, "--into", "out", width=100)
    assert said.status == 0, said.err
    for wanted in ("NDCG@1", "popularity", "lexical, swapped", "against lexical", "tokens, "):
        assert wanted in said.out
    assert "impossible" not in said.out
    (run,) = (place / "runs").iterdir()
    for folder in (run, place / "out"):
        for name in ("table.md", "table.csv", "table.tex", "table.png"):
            assert (folder / name).stat().st_size > 100
    again = starec("table", "latest", width=100)
    assert again.out == said.out
    for form, sign in (("markdown", "| popularity |"), ("csv", "ndcg@1 low"), ("latex", "tabular")):
        assert sign in starec("table", "latest", "--format", form).out
    differs = starec("table", "latest", "--compare", "lexical", "random")
    assert "lexical minus random" in differs.out and "NDCG@5" in differs.out
    for name in ("table.md", "table.csv", "table.tex", "table.json"):
        assert "4 of 4 rows are possible" in starec("check-table", run / name).out
    # The same command continues the finished evaluation, and --json is one object.
    said = starec("eval", "lexical", *ASKED, "--json")
    assert said.status == 0, said.err
    rows = {row["name"]: row for row in said.answer["rows"]}
    assert list(rows) == ["random", "popularity", "lexical", "lexical, swapped"]
    for row in rows.values():
        assert {"mean", "low", "high", "n"} == set(row["metrics"]["ndcg@5"])
        assert row["counters"]["rankings"] == 12
    assert rows["lexical"]["counters"]["invented"] == 0
    assert rows["lexical, swapped"]["memory"] == "swapped"
    assert said.answer["about"]["protocol"]["name"] == "small"
    assert said.answer["impossible"] == []
    assert starec("table", said.answer["run"], "--json").answer["rows"] == said.answer["rows"]


def test_an_evaluation_keeps_to_a_budget_and_tells_what_a_ranking_costs(starec, place) -> None:
    (place / "paid.yaml").write_text(
        "use: lexical\nprice: {tokens_in: 1000, tokens_out: 1000, as_of: 2026-11-01}\n"
        "limits: {in_flight: 2}\n"
    )
    (place / "agent.yaml").write_text("rows:\n  - {name: '{policy}', agent: star}\n")
    asked = ("eval", "paid.yaml", "--rows", "agent.yaml", *ASKED[2:], "--json")
    paused = starec(*asked, "--budget", "usd=0.5")
    assert (paused.status, paused.answer["reason"]) == (3, "budget")
    assert "--budget usd=1" in paused.answer["options"]
    again = starec(*asked)
    assert (again.status, again.answer["reason"]) == (3, "budget"), "it goes on with its budget"
    done = starec(*asked, "--budget", "usd=none")
    assert done.status == 0, done.err
    assert len(list((place / "runs").iterdir())) == 1
    (row,) = [row for row in done.answer["rows"] if row["kind"] == "agent"]
    costs = row["costs"]
    words = costs["tokens_in/ranking"] + costs["tokens_out/ranking"]
    assert costs["usd/ranking"] == pytest.approx(words / 1000)
    assert row["policy"]["price"]["as_of"] == "2026-11-01"


def test_a_policy_without_a_price_cannot_be_held_to_a_sum(starec, place) -> None:
    (place / "wrong.yaml").write_text("use: lexical\nprice: {tokens_in: 1}\n")
    said = starec("eval", "wrong.yaml", *ASKED)
    assert said.status == 2 and "price.tokens_out" in said.err


def test_a_run_that_was_an_evaluation_is_resumed_as_one(starec, place) -> None:
    said = starec("eval", "--rows", "two.yaml", "--protocol", "small.yaml", *SMALL)
    assert said.status == 0, said.err
    (run,) = (place / "runs").iterdir()
    (run / "table.json").unlink()
    (run / "ranks" / "1.npz").unlink()
    resumed = starec("resume", "latest", width=80)
    assert resumed.status == 0, resumed.err
    assert resumed.out == said.out and "popularity: " in resumed.err


def test_tables_of_two_protocols_are_not_shown_as_one(starec, place) -> None:
    for name in ("small", "other"):
        (place / f"{name}.yaml").write_text(PROTOCOL.replace("small", name))
        asked = ("--rows", "two.yaml", "--protocol", f"{name}.yaml", *SMALL)
        assert starec("eval", *asked).status == 0
    runs = sorted((place / "runs").iterdir())
    said = starec("table", *runs)
    assert said.status == 2 and "different candidate lists" in said.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("eval", "lexikal"), 'did you mean "lexical"'),
        (("eval", "lexical", "--protocol", "starec20"), 'did you mean "starec-20"'),
        (("eval", "lexical", "--data", "nowhere"), "neither a file or folder nor a dataset"),
        (("eval", "lexical", "--rows", "every"), "no file or group of rows"),
        (("eval", "lexical", "--candidates", "gone.jsonl"), "cannot be read"),
        (("eval", "lexical", "--protocol", "agentcf-10"), "ships no candidate lists"),
        (("eval", "lexical", "--users", "0"), "--users"),
        (("eval", "lexical", "--new-users"), "none is left to fit models on"),
        (("table", "latest"), "there are no runs"),
        (("check-table", "gone.csv"), "there is no file gone.csv"),
    ],
)
def test_nonsense_is_refused_with_a_way_out_and_leaves_nothing_behind(
    starec, place, arguments, message
) -> None:
    said = starec(*arguments)
    assert said.status == 2 and message in said.err and "hint: " in said.err
    assert not (place / "runs").exists()


def test_an_impossible_row_of_a_published_table_is_found(starec, place) -> None:
    said = starec("check-table", "paper", width=200)
    assert said.status == 2
    assert "MovieLens 1M, AgentCF: impossible" in said.out and "23 of 24" in said.out
    said = starec("check-table", "paper", "--json")
    assert said.status == 2, "a script has to notice"
    assert [found["row"] for found in said.answer["impossible"]] == ["AgentCF"]
    (place / "t.csv").write_text("name,ndcg@1,ndcg@5\nodd,0.50,0.40\n")
    assert "ndcg@5 (0.4000) is below ndcg@1" in starec("check-table", "t.csv", width=200).out


def test_a_table_file_can_be_written_in_json_and_checked(starec, place) -> None:
    asked = ("--rows", "two.yaml", "--protocol", "small.yaml", *SMALL)
    said = starec("eval", *asked, "--json")
    (place / "mine.json").write_text(json.dumps(said.answer))
    assert starec("check-table", "mine.json", "--json").answer["impossible"] == []
