"""A policy with one bias fails the audit of that bias; one without it does not."""

from collections import defaultdict

import pytest

pytestmark = pytest.mark.slow

CAUGHT = [
    ("Mumbler", "form", {"malformed"}),
    ("Copier", "position", {"tau", "drop"}),
    ("Backwards", "position", {"tau"}),
    ("Famous", "popularity", {"excess"}),
    ("Cheerful", "ratings", {"jsd", "shift"}),
    ("Quota", "selection", {"taking less"}),
    ("Cheerful", "selection", {"telling apart", "taking less"}),
    ("Moody", "retest", {"tau", "tau in other words"}),
    ("Wordy", "retest", {"tau in other words"}),
    ("Everyman", "persona", {"icc"}),
    ("Copier", "persona", {"icc"}),
    ("Reciter", "memorisation", {"masked loss"}),
    ("TwoMinds", "reflection", {"contradicted"}),
    ("Spoiler", "leak", {"named"}),
    ("Cheerful", "order", {"spearman", "pairs"}),
    ("Cheerful", "activity", {"hyper-activity", "low", "utopian bias"}),
]


CLEARED = [
    ("Insider", "form", {"malformed"}),
    ("Insider", "position", {"tau", "drop"}),
    ("Everyman", "position", {"drop"}),
    ("Insider", "popularity", {"excess", "matched loss"}),
    ("Insider", "ratings", {"jsd", "shift"}),
    ("Picky", "selection", {"telling apart", "taking less"}),
    ("Insider", "retest", {"tau", "tau in other words"}),
    ("Insider", "persona", {"icc", "swap loss"}),
    ("lexical", "memorisation", {"masked loss"}),
    ("lexical", "reflection", {"contradicted"}),
    ("Insider", "leak", {"named", "twice"}),
    ("Insider", "order", {"pairs"}),
    ("Insider", "activity", {"low", "utopian bias"}),
    ("Picky", "activity", {"hyper-activity"}),
]


AUDITS = defaultdict(set)
"""By policy, the audits in which it is expected to fail or to pass: all are made at once."""
for policy, name, _ in (*CAUGHT, *CLEARED):
    AUDITS[policy].add(name)


@pytest.fixture(scope="module")
def report_on(audited):
    reports = {}

    def report_on(policy):
        if policy not in reports:
            # A bias shows in few users; that there is none takes more.
            users = 12 if policy == "Copier" else 8
            few = {} if policy in {name for name, *_ in CLEARED} else {"users": users}
            reports[policy] = audited(policy, *AUDITS[policy], **few)
        return reports[policy]

    return report_on


@pytest.mark.parametrize(("policy", "name", "figures"), CAUGHT)
def test_a_biased_policy_fails(policy, name, figures, report_on, outcomes) -> None:
    report = report_on(policy)
    failed = {figure for figure, outcome in outcomes(report).items() if outcome == "fails"}
    assert {f"{name}: {figure}" for figure in figures} <= failed
    assert report.fit is False
    assert "not fit to simulate with" in report.verdict and name in report.verdict


@pytest.mark.parametrize(("policy", "name", "figures"), CLEARED)
def test_one_without_that_bias_passes(policy, name, figures, report_on, outcomes) -> None:
    found = outcomes(report_on(policy))
    assert {figure: found[f"{name}: {figure}"] for figure in figures} == dict.fromkeys(
        figures, "holds"
    )


def test_a_summary_that_does_harm_fails(audited, outcomes) -> None:
    always = {"gate": {"when": "always"}}
    assert outcomes(audited("Derailed", "reflection", agent=always))[
        "reflection: summary gain"
    ] == ("fails")
    found = outcomes(audited("Insider", "reflection", agent=always))
    assert found["reflection: summary gain"] == "holds"
