"""`starec data describe` counts a dataset before and after cuts."""

import gzip
import json

import pytest

SYNTHETIC = "synthetic,users=100,items=200"


@pytest.mark.slow
def test_cuts_are_counted_one_by_one(starec, here):
    cuts = ("--cut", "min_of_user=20", "--cut", "last=10", "--cut", "users=30")
    said = starec("data", "describe", SYNTHETIC, *cuts, "--json")
    counts = said.answer["funnel"]
    assert [count["cut"] for count in counts] == [
        "as read",
        "at least 20 of each user (counted once)",
        "30 users, sampled",
        "the last 10 of each user",
    ]
    assert counts[0]["users"] == 100 and counts[-1]["users"] == 30
    assert counts[-1]["interactions"] == 300 == said.answer["interactions"]
    shown = starec("data", "describe", SYNTHETIC, *cuts, width=100)
    assert "30 users, sampled" in shown.out and "300" in shown.out
    other = starec("data", "describe", SYNTHETIC, *cuts, "--seed", "1", "--json")
    assert other.answer["funnel"][2] != counts[2]


def test_a_wrong_cut_is_told_the_nearest(starec, here):
    said = starec("data", "describe", SYNTHETIC, "--cut", "lats=3")
    assert said.status == 2 and 'did you mean "last"' in said.err
    assert "is not KEY=VALUE" in starec("data", "describe", SYNTHETIC, "--cut", "last").err
    said = starec("data", "describe", SYNTHETIC, "--cut", "min_of_user=100000")
    assert said.status == 2 and "no interaction is left" in said.err


def test_what_a_reader_left_out_is_said(starec, here):
    review = {"reviewerID": "A2SUAM1J3GNN3B", "asin": "B000001ABC", "overall": 5.0}
    rows = [review | {"unixReviewTime": 5}, review | {"unixReviewTime": 6}]
    with gzip.open(here / "Music_5.json.gz", "wt") as file:
        file.write("\n".join(map(json.dumps, rows)))
    said = starec("data", "describe", here, width=120)
    assert "ratings of an item again (the last counts): 1" in said.out
    assert "items that no metadata describe (titled by ids): 1" in said.out


@pytest.mark.slow
def test_a_protocol_says_whom_it_evaluates(starec, here):
    told = ("data", "describe", SYNTHETIC, "--protocol", "starec-20", "--cut", "users=50")
    found = starec(*told, "--json").answer
    assert found["protocol"]["name"] == "starec-20"
    assert found["protocol"]["users"] + sum(found["protocol"]["left out"].values()) == 50
    said = starec(*told, width=100)
    assert "left out: too few interactions" in said.out
    wrong = starec("data", "describe", SYNTHETIC, "--protocol", "starec-2O")
    assert wrong.status == 2 and 'did you mean "starec-20"' in wrong.err
