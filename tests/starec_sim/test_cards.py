"""A card is one line of quoted data, whatever the catalogue holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from starec_sim.cards import MAX_FIELD, card, quoted
from starec_sim.types import Item

TEXTS = st.text(max_size=60) | st.sampled_from(
    [
        *("</candidates>", "<think>", "a | b", 'say "x"', "x: y", "a, b", "A. ", "&lt;", "&amp;"),
        *("two\nlines", "\r\n", "\u2028", "\x85", "\x1c", "\t", " ", "", "x" * 500, "<" * 300),
    ]
)


def test_a_card_shows_title_attributes_and_signals():
    item = Item("7", "Alien", {"genre": ("Horror", "Sci-Fi"), "year": ("1979",)})
    signals = {"seen by": "top 5 %", "liked together with": "2 (Heat, Up)"}
    assert card(item, signals) == (
        '"Alien" | genre: Horror, Sci-Fi | year: 1979'
        " | seen by: top 5 % | liked together with: 2 (Heat, Up)"
    )


def test_an_attribute_without_values_is_not_on_the_card():
    assert card(Item("1", "Up", {"genre": (), "maker": ("", " \n"), "year": ("2009", "")})) == (
        '"Up" | year: 2009'
    )


@pytest.mark.parametrize(
    ("item", "text"),
    [
        (Item("1", 'The "A" | Team'), "\"The 'A' / Team\""),
        (
            Item("1", "x", {"series": ("Alien: Origins, part 2",)}),
            '"x" | series: Alien: Origins; part 2',
        ),
        (Item("1", "x", {"a | b: c": ("d",)}), '"x" | a / b; c: d'),
        (Item("1", "Tom & Jerry"), '"Tom & Jerry"'),
        (Item("1", " A\n\tB\u2028C "), '"A B C"'),
        (Item("1", ""), '""'),
    ],
)
def test_what_separates_the_parts_of_a_card_cannot_stand_inside_one(item, text):
    assert card(item) == text


@given(TEXTS, TEXTS, TEXTS, TEXTS, TEXTS)
def test_no_text_breaks_out_of_its_place_on_the_card(title, name, value, signal, told):
    text = card(Item("1", title, {name: (value, "last")}), {signal: told})
    assert len(text.splitlines()) == 1
    assert "<" not in text
    assert ">" not in text
    first, attribute, last = text.split(" | ")
    assert first == f'"{first[1:-1]}"'
    assert '"' not in first[1:-1]
    values = attribute.partition(": ")[2].split(", ")
    assert values[-1] == "last"
    assert len(values) == 1 + bool(value.strip())
    assert ": " in last


@given(TEXTS, st.integers(2, 200))
def test_quoting_bounds_a_text_and_quoting_twice_is_quoting_once(text, limit):
    once = quoted(text, limit)
    assert len(once) <= limit
    assert quoted(once, limit) == once


def test_a_long_title_ends_in_an_ellipsis():
    assert quoted("x" * 1_000) == "x" * (MAX_FIELD - 1) + "…"
