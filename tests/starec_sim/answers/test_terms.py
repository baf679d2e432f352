"""Terms, stars and counts: what is written into prompts and summaries is read back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from starec_sim.answers import count_line, experience_line, read_counts, stars
from starec_sim.answers.terms import read_experience, says_liked
from starec_sim.cards import card
from starec_sim.types import Experience, Item


def test_three_stars_are_not_yet_a_like():
    assert [stars(3.0), stars(3.5)] == ["3 stars: disliked", "3.5 stars: liked"]
    assert [says_liked(stars(3.0)), says_liked(f"chosen, {stars(3.5)}")] == [False, True]


@given(st.sampled_from([1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 4.5, 5.0]), st.text(), st.text())
def test_an_experience_is_read_as_it_was_written(rating, title, value):
    shown = card(Item("1", title, {"genre": (value,)}))
    assert read_experience(experience_line(Experience(0, rating, "logged"), shown))[:2] == (
        rating,
        shown,
    )


@pytest.mark.parametrize("line", ["", "nothing yet", "4 stars: liked | x", "- 4 stars: loved | x"])
def test_a_line_of_another_form_is_no_experience(line):
    assert read_experience(line) is None


@given(
    st.dictionaries(st.sampled_from(["Sci-Fi", "R&B", "80s"]), st.tuples(*[st.integers(1, 9)] * 2))
)
def test_counts_are_read_as_they_were_written(counted):
    counts = tuple((term, min(pair), max(pair)) for term, pair in counted.items())
    assert read_counts("\n".join(count_line(*count) for count in counts)) == counts
