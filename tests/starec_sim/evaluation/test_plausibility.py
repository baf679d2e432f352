"""The plausibility check finds the rows that no ranking can produce, and no others."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from starec_sim.errors import ConfigError, DataError
from starec_sim.evaluation.plausibility import (
    PublishedRow,
    check_row,
    least_share,
    parse_yaml,
    read_tables,
    shipped_tables,
)


def row(**figures):
    return PublishedRow("mine", {name.replace("_", "@"): value for name, value in figures.items()})


def test_of_the_papers_24_rows_one_is_impossible() -> None:
    tables = shipped_tables()
    assert sum(map(len, tables.values())) == 24
    found = {
        (name, published.name): finding.problem
        for name, rows in tables.items()
        for published in rows
        if (finding := check_row(published))
    }
    assert list(found) == [("MovieLens 1M", "AgentCF")]
    (problem,) = found.values()
    assert "at least 1.044" in problem
    assert "0.4030 + 0.1958/0.6309 + 0.0538/0.3562 + 0.0502/0.2789" in problem


def test_the_arithmetic_of_the_impossible_row_is_that_of_the_formula() -> None:
    agentcf = next(r for r in shipped_tables()["MovieLens 1M"] if r.name == "AgentCF")
    by_hand = 0.403 + 0.1958 / 0.6309 + 0.0538 / 0.3562 + 0.0502 / 0.2789
    # The published figures are rounded, which is worth no more than this.
    assert least_share(agentcf) == pytest.approx(by_hand, abs=1e-3)


@pytest.mark.parametrize(
    ("figures", "problem"),
    [
        ({"ndcg_1": 0.5, "ndcg_5": 0.4}, r"ndcg@5 \(0.4000\) is below ndcg@1"),
        ({"hr_5": 0.5, "hr_10": 0.4}, r"hr@10 \(0.4000\) is below hr@5"),
        ({"ndcg_1": 1.2}, "ndcg@1 is 1.2000, which is not between 0 and 1"),
        ({"ndcg_5": 0.5, "hr_5": 0.3}, r"ndcg@5 \(0.5000\) is not between hr@5"),
        ({"ndcg_5": 0.3, "hr_5": 0.9}, r"ndcg@5 \(0.3000\) is not between hr@5"),
        ({"ndcg_1": 0.5, "mrr": 0.4}, "no shares of rankings"),
        ({"ndcg_1": 0.1, "mrr": 0.8}, "it needs at least"),
    ],
)
def test_impossible_rows_are_told_why(figures, problem) -> None:
    found = check_row(row(**figures))
    assert found is not None
    with pytest.raises(AssertionError, match=problem):
        raise AssertionError(found.problem)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(
    ranks=st.lists(st.one_of(st.none(), st.integers(1, 20)), min_size=1, max_size=40),
    decimals=st.sampled_from([2, 3, 9]),
)
def test_whatever_rankings_produce_is_possible_however_it_is_rounded(ranks, decimals) -> None:
    from starec_sim.evaluation.rank_range import RankRange

    found = np.array([[np.nan if rank is None else rank] for rank in ranks], float)
    values = RankRange(found, found).values([1, 5, 10, 20], 20)
    figures = {name: round(float(each.mean()), decimals) for name, each in values.items()}
    off = dict.fromkeys(figures, 0.5 * 10**-decimals + 1e-9)
    assert check_row(PublishedRow("mine", figures, off)) is None


def test_a_row_without_metrics_is_refused() -> None:
    with pytest.raises(DataError, match='the row "mine" has no NDCG'):
        check_row(PublishedRow("mine", {}))


CSV = "method,NDCG@1,NDCG@5,Recall@10,users\npop,0.20,0.42,0.8,100\nodd,0.50,0.40,0.9,100\n"
MARKDOWN = """# A table

| | N@1 | N@5 |
| --- | --- | --- |
| pop | 20.50 ±1.2 | 41.89 ±1.1 |
| odd | **50.00** ±1.2 | 40.00 ±1.1 |

| | counted |
| --- | --- |
| pop | 763 tokens |
"""
LATEX = r"""
\begin{tabular}{lrr}
 & NDCG@1 & NDCG@5 \\
\midrule
pop & 20.50 {\scriptsize $\pm$1.2} & 41.89 \\
odd & \textbf{50.00} & 40.00 \\
\end{tabular}
"""


@pytest.mark.parametrize(("name", "text"), [("t.csv", CSV), ("t.md", MARKDOWN), ("t.tex", LATEX)])
def test_tables_of_others_are_read_from_what_they_publish(tmp_path, name, text) -> None:
    path = tmp_path / name
    path.write_text(text)
    ((_, rows),) = read_tables(path).tables.items()
    assert [r.name for r in rows] == ["pop", "odd"]
    assert [check_row(r) is None for r in rows] == [True, False]
    assert rows[0].metrics["ndcg@1"] == pytest.approx(0.205, abs=0.0051)


def test_json_of_ours_is_read_with_its_candidates(tmp_path) -> None:
    path = tmp_path / "t.json"
    rows = [{"name": "a", "metrics": {"ndcg@1": {"mean": 0.5}, "mrr": {"mean": 0.6}}}]
    path.write_text(json.dumps({"rows": rows, "about": {"protocol": {"candidates": 10}}}))
    (found,) = read_tables(path).tables["t"]
    assert (found.candidates, found.metrics) == (10, {"ndcg@1": 0.5, "mrr": 0.6})
    path.write_text("{}")
    with pytest.raises(DataError, match="no table of an evaluation"):
        read_tables(path)


def test_a_file_without_a_table_and_one_that_is_not_there_are_refused(tmp_path) -> None:
    path = tmp_path / "t.md"
    path.write_text("nothing here\n")
    with pytest.raises(DataError, match="holds no table with NDCG"):
        read_tables(path)
    with pytest.raises(DataError, match=r"there is no file .*gone\.csv"):
        read_tables(tmp_path / "gone.csv")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("metrics: [ndcg@1]\n    rows: {a: [1, 2]}", "a has 2 values for 1 metrics"),
        ("metrics: [speed]\n    rows: {a: [1]}", '"speed" is no metric'),
        ("metrics: []\n    rows: {a: [1]}", "metrics"),
    ],
)
def test_a_wrong_published_table_is_refused(table, message) -> None:
    text = f"tables:\n  - name: t\n    candidates: 20\n    decimals: 2\n    {table}\n"
    with pytest.raises(ConfigError, match=message):
        parse_yaml(text, "t.yaml")
