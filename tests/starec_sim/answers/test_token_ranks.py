"""Each token of an answer has the rank that it writes."""

from starec_sim.answers import token_ranks


def test_each_character_of_the_last_ranking_has_its_rank_and_no_other():
    text = "<ranking>A</ranking><think>A > B</think><ranking>B > A</ranking>"
    start = text.index("B > A</")
    ranks = token_ranks(list(text))
    assert ranks[start : start + 5] == [0, 0, 0, 1, 1]
    assert set(ranks[:start] + ranks[start + 5 :]) == {None}


def test_a_token_that_reaches_into_the_ranking_belongs_to_it():
    assert token_ranks(["x<ranking>B", " >", " AA", " > C<", "/ranking>"]) == [0, 0, 1, 1, None]


def test_a_ranking_that_never_ends_has_no_ranks():
    assert set(token_ranks(list("<ranking>B > A"))) == {None}
    assert token_ranks([]) == []
