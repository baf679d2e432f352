import re
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from starec_sim.visible_text import has_control_characters, visible, visible_line

RAW = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@given(st.text())
def test_no_control_character_is_left(text):
    assert not RAW.search(visible(text))
    assert "\n" not in visible_line(text)


@given(st.text(st.characters(exclude_categories=["C", "Zl", "Zp"])))
def test_other_text_stays_as_it_is(text):
    assert visible(text) == text == visible_line(text)
    assert not has_control_characters(text)


def test_joiners_stay_because_scripts_and_emoji_need_them():
    family = "\U0001f469\u200d\U0001f467 \u0645\u06cc\u200c\u0631\u0648\u0645"
    assert visible(family) == family
    assert {unicodedata.category(c) for c in "\u200c\u200d"} == {"Cf"}
