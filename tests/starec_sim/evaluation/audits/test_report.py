"""A report is the same however it was made, says what it could not measure, and is safe to open."""

import json
import re
from html.parser import HTMLParser

import pytest

from starec_sim.errors import ConfigError, StarecError
from starec_sim.evaluation.audits import (
    NAMES,
    AuditMetric,
    AuditReport,
    AuditResult,
    AuditSettings,
    Chart,
)
from starec_sim.evaluation.audits.bounds import Bound
from starec_sim.evaluation.audits.page import render_page
from starec_sim.evaluation.audits.result import BoundCheck
from starec_sim.evaluation.audits.svg import draw
from starec_sim.metrics import Interval

ABOUT = {
    "policy": "<script>alert(1)</script>",
    "agent": "star",
    "dataset": "x & y",
    "protocol": "p",
    "users": 3,
    "seed": 0,
    "questions": 10,
    "calls": 10,
    "tokens_in": 0,
    "tokens_out": 0,
}


@pytest.fixture(scope="module")
def report(audited):
    return audited("lexical", users=3)


@pytest.mark.slow
def test_all_audits_give_one_report(report) -> None:
    assert [finding.name for finding in report.results] == list(NAMES)
    assert all(f.unmeasured or (f.chart and f.checks and f.references) for f in report.results)
    html = render_page(report)
    assert html.count("<svg") == sum(f.chart is not None for f in report.results)
    answer = report.as_json()
    assert answer["audits"]["position"]["checks"]["tau"]["outcome"] in ("holds", "unsure", "fails")


def test_a_report_of_some_audits_is_fit_in_these_only_and_names_the_others() -> None:
    within = BoundCheck("tau", Bound(at_least=0.1), "holds")
    tau = AuditMetric("tau", Interval(0.5, 0.4, 0.6, 9))
    some = [AuditResult(name, name, name, {"tau": tau}, checks=(within,)) for name in NAMES]
    made = AuditReport(ABOUT, tuple(some[:2]))
    assert made.fit and made.not_audited == [*NAMES[2:]]
    assert made.verdict.startswith("fit in what was audited (")
    assert f"{NAMES[0]}, {NAMES[1]}; not audited: {NAMES[2]}, " in made.verdict
    assert "Fit in what was audited" in render_page(made)
    whole = AuditReport(ABOUT, tuple(some))
    assert whole.verdict.startswith("fit to simulate with (") and "audited" not in whole.verdict
    some[0] = AuditResult(NAMES[0], "a", "b", unmeasured="nobody answered")
    assert AuditReport(ABOUT, tuple(some)).verdict.endswith(f"; not measured: {NAMES[0]}")


@pytest.mark.slow
def test_answers_do_not_depend_on_concurrency_or_on_the_other_audits(audited) -> None:
    alone = audited("Moody", "position", users=3, concurrency=1)
    beside = audited("Moody", "position", "retest", "form", users=3, concurrency=50)
    assert alone.results[0] == beside.results[1]
    other = audited("Moody", "position", users=3, seed=1)
    assert other.results != alone.results


def test_the_star_of_these_tests_answers_like_the_one_that_langgraph_plays(audited) -> None:
    plain, real = (
        audited("lexical", "position", "retest", "selection", "reflection", users=2, **agent)
        for agent in ({}, {"agent": {"use": "star"}})
    )
    assert plain.results == real.results


def test_refused_calls_are_said_and_the_audit_ends(audited) -> None:
    report = audited("Prudish", "form", users=12)
    malformed = report.results[0].metrics["malformed"].interval.mean
    assert report.refused.startswith(f"{report.about['refused']} calls were refused")
    assert malformed > 0 and "content policy" in report.refused
    assert "content policy" in render_page(report)


def test_a_policy_that_never_answers_stops_the_audit(audited) -> None:
    with pytest.raises(StarecError, match="out of order"):
        audited("Broken", "form", users=3)


def test_data_without_ratings_leave_ratings_unmeasured(audited, tmp_path) -> None:
    rows = [(user, (user * 7 + n * 3) % 97) for user in range(12) for n in range(15)]
    log = "user,item\n" + "".join(f"u{user},i{item}\n" for user, item in rows)
    (tmp_path / "log.csv").write_text(log)
    data = {"use": "csv", "path": str(tmp_path), "interactions": "log.csv"}
    report = audited("lexical", "ratings", "form", data=data)
    assert report.unmeasured == ["ratings: the data has no ratings"]
    assert "Not measured: the data has no ratings." in render_page(report)
    assert report.fit is True


def test_a_policy_that_never_reflects_leaves_reflection_unmeasured(audited) -> None:
    report = audited("lexical", "reflection", users=5, agent={"gate": {"when": "never"}})
    assert report.unmeasured[0].startswith("reflection: nobody wrote a summary")
    assert report.fit is None and "nothing could be measured" in report.verdict


def test_an_unknown_audit_is_told_the_nearest(audited) -> None:
    with pytest.raises(ConfigError, match='did you mean "position"'):
        audited("lexical", "positon")


def test_ones_own_prompts_are_not_rephrased(audited, tmp_path) -> None:
    report = audited("lexical", "retest", users=5, agent={"prompts": tmp_path})
    assert "tau in other words" not in report.results[0].metrics


@pytest.mark.slow
def test_a_report_that_was_written_is_read_as_it_was(report) -> None:
    again = AuditReport.from_json(json.dumps(report.as_json()))
    assert json.dumps(again.as_json()) == json.dumps(report.as_json())
    assert render_page(again) == render_page(report)
    assert again.verdict == report.verdict


class Tags(HTMLParser):
    """Collects tags and whatever could load something."""

    def __init__(self, html) -> None:
        super().__init__()
        self.tags, self.sources = set(), []
        self.feed(html)

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.add(tag)
        self.sources += [value for name, value in attrs if name in ("src", "href")]


def test_a_page_escapes_what_it_shows_and_loads_nothing() -> None:
    evil = '"><img src=x onerror=alert(1)>'
    chart = Chart("bar", (evil, "b"), evil, evil, {evil: (1.0, float("nan"))}, {evil: (0.5, 0.5)})
    figure = AuditMetric(evil, Interval(0.5, 0.1, 0.9, 3))
    findings = (
        AuditResult("a", evil, evil, {evil: figure}, chart, (evil,)),
        AuditResult("b", evil, evil, unmeasured=evil),
    )
    html = render_page(AuditReport(ABOUT, findings))
    found = Tags(html)
    assert not found.tags & {"script", "img", "link", "iframe", "object"}
    assert found.sources == []
    assert not re.search(r"url\(|@import", html)


@pytest.mark.parametrize("kind", ["bar", "line"])
@pytest.mark.parametrize(
    "values", [(0.0, 0.0), (-1.0, 2.0), (float("nan"), 0.3), (1e-4, 2e-4), (1e6, 0.0)]
)
def test_charts_are_drawn_of_any_values_within_their_frame(kind, values) -> None:
    drawn = draw(Chart(kind, ("one", "two"), "x", "y", {"series": values}))
    ys = [float(y) for y in re.findall(r'(?:cy|y)="(-?[\d.]+)"', drawn)]
    assert ys and all(-1 <= y <= 264 for y in ys)
    assert "nan" not in drawn


def test_settings_that_are_wrong_are_told() -> None:
    with pytest.raises(ValueError, match="users"):
        AuditSettings(policy="lexical", data="synthetic", users=1)
