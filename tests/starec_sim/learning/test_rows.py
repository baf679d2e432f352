import pytest
from hypothesis import given
from hypothesis import strategies as st

from starec_sim.errors import ContractError
from starec_sim.learning.rows import merge
from starec_sim.types import Tokens

ids = st.lists(st.integers(0, 9), min_size=1, max_size=5).map(tuple)


def turn(prompt, completion):
    return Tokens(prompt, completion, (-0.5,) * len(completion), "v1", {"temperature": 1.0})


@given(ids, ids, ids, ids)
def test_a_turn_that_continues_the_last_one_to_the_token_joins_its_row(prompt, said, asked, answer):
    (row,) = merge([turn(prompt, said), turn(prompt + said + asked, answer)])
    assert row.prompt + row.completion == prompt + said + asked + answer
    assert [i for i, wrote in zip(row.completion, row.sampled, strict=True) if wrote] == [
        *said,
        *answer,
    ]
    assert [logprob != 0 for logprob in row.logprobs] == list(row.sampled)


@given(ids, ids, ids)
def test_a_turn_whose_prompt_was_rewritten_opens_a_row_of_its_own(prompt, said, answer):
    rewritten = (*prompt, *said[:-1], said[-1] + 1, 3)
    rows = merge([turn(prompt, said), turn(rewritten, answer)])
    assert [row.prompt for row in rows] == [prompt, rewritten]
    assert [row.completion for row in rows] == [said, answer]


@given(st.lists(st.tuples(ids, ids), min_size=1, max_size=4))
def test_nothing_that_was_sampled_is_lost(turns):
    rows = merge([turn(*each) for each in turns])
    assert sum(sum(row.sampled) for row in rows) == sum(len(said) for _, said in turns)


@pytest.mark.parametrize("broken", [turn((1,), ()), Tokens((1,), (2, 3), (-0.1,), "v1", {})])
def test_a_turn_without_its_log_probabilities_is_refused(broken):
    with pytest.raises(ContractError, match="one for each, and at least one"):
        merge([broken])
