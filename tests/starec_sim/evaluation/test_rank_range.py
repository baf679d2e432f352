"""Ranks, ties and metrics, compared with another library."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from starec_sim.evaluation.rank_range import RankRange

REFERENCE = {"ndcg@1": 0.0500, "ndcg@5": 0.1474, "ndcg@10": 0.2272, "ndcg@20": 0.3520}
"""The expected metrics of a random order of 20 candidates."""


def of(scores, answer=0):
    """Return the metrics of one list with the answer at a place."""
    lists = np.arange(len(scores))[None, None, :]
    return RankRange.of_scores(np.array(scores, float)[None, None, :], lists, np.array([answer]))


def test_a_rank_counts_what_scores_higher_and_a_tie_is_a_range() -> None:
    assert of([3, 9, 1]).best.item() == of([3, 9, 1]).worst.item() == 2
    tied = of([3, 3, 9, 3, 1])
    assert (tied.best.item(), tied.worst.item(), tied.tied, tied.missing) == (2, 4, 1, 0)


def test_a_tie_earns_the_mean_over_all_orders_of_what_ties() -> None:
    earned = of([3, 3, 9, 3, 1]).values([1, 2, 5], 5)
    assert earned["ndcg@1"].item() == 0
    assert earned["ndcg@2"].item() == pytest.approx((1 / np.log2(3)) / 3)
    assert earned["hr@2"].item() == pytest.approx(1 / 3)
    assert earned["mrr"].item() == pytest.approx((1 / 2 + 1 / 3 + 1 / 4) / 3)


def test_equal_scores_for_everything_earn_what_chance_earns() -> None:
    earned = of([0.0] * 20, answer=7).values([1, 5, 10, 20], 20)
    for name, value in REFERENCE.items():
        assert earned[name].item() == pytest.approx(value, abs=5e-5)


def test_a_missing_answer_earns_nothing_and_is_never_left_out() -> None:
    ranks = np.array([[1.0, np.nan], [np.nan, np.nan]])
    marks = RankRange(ranks, ranks)
    assert marks.missing == 3
    assert marks.values([1], 20)["ndcg@1"].tolist() == [0.5, 0.0]


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(data=st.data(), candidates=st.integers(2, 25), users=st.integers(1, 4))
def test_scikit_learn_finds_the_same_ndcg_ties_included(data, candidates, users) -> None:
    """Its NDCG averages over ties as well, by the formula of McSherry and Najork (2008)."""
    from sklearn.metrics import label_ranking_average_precision_score, ndcg_score

    shape = (users, 2, candidates)
    numbers = st.integers(0, data.draw(st.sampled_from([2, 1000])))
    flat = data.draw(st.lists(numbers, min_size=int(np.prod(shape)), max_size=int(np.prod(shape))))
    scores = np.array(flat, float).reshape(shape)
    rng = np.random.default_rng(candidates)
    lists = np.stack([[rng.permutation(candidates) for _ in range(2)] for _ in range(users)])
    answers = rng.integers(candidates, size=users)
    marks = RankRange.of_scores(scores, lists, answers)
    k = data.draw(st.integers(1, candidates))
    earned = marks.values([k], candidates)
    for user in range(users):
        truth = (lists[user] == answers[user]).astype(int)
        theirs = np.mean(
            [ndcg_score([t], [s], k=k) for t, s in zip(truth, scores[user], strict=True)]
        )
        assert earned[f"ndcg@{k}"][user] == pytest.approx(theirs)
        if not marks.tied:
            theirs = label_ranking_average_precision_score(truth, scores[user])
            assert earned["mrr"][user] == pytest.approx(theirs)


@settings(max_examples=50, deadline=None)
@given(candidates=st.integers(2, 30), seed=st.integers(0, 10_000))
def test_breaking_ties_at_random_earns_on_average_what_is_counted(candidates, seed) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 3, candidates).astype(float)
    answer = int(rng.integers(candidates))
    counted = of(scores, answer).values([3], candidates)["ndcg@3"].item()
    jitter = rng.random((4000, candidates))
    ranks = ((scores + 1e-6 * jitter) > (scores[answer] + 1e-6 * jitter[:, [answer]])).sum(1) + 1
    simulated = np.where(ranks <= 3, 1 / np.log2(1 + ranks), 0)
    assert counted == pytest.approx(simulated.mean(), abs=0.04)
