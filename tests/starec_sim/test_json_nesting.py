import contextlib
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from starec_sim.answers.parts import parts_of
from starec_sim.json_nesting import deeper_than, parse_json

texts = st.text(st.sampled_from('[]{}"\\\\ab:,1'), max_size=60)
values = st.recursive(
    st.none() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


def depth(value):
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return isinstance(value, dict | list) + max(map(depth, inner), default=0)


@given(values, st.integers(0, 5))
def test_the_depth_of_json_is_counted_as_the_parser_nests_it(value, limit):
    assert deeper_than(json.dumps(value), limit) == (depth(value) > limit)


@given(texts)
def test_any_text_is_read_or_refused(text):
    with contextlib.suppress(ValueError):
        assert depth(parse_json(text, 4)) <= 4


@pytest.mark.parametrize(
    "text", ["[" * 60_000, '{"a":' * 12_000, "[]" * 30_000, "[" + '"["' * 9_000]
)
def test_an_answer_that_is_nested_deeply_has_no_parts(text):
    assert parts_of(text, "json").labels("ranking") is None


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", '{"a": -Infinity}', "9" * 5_000])
def test_numbers_that_json_does_not_have_are_refused(text):
    with pytest.raises(ValueError, match=re.compile("not a JSON number|digits")):
        parse_json(text, 4)
