"""Labels are the letters of a slate: written before each card, and read from a line's beginning."""

from hypothesis import given
from hypothesis import strategies as st

from starec_sim.answers import label, labelled, labels
from starec_sim.answers.labelling import read_labelled


def test_labels_go_on_after_z_as_the_columns_of_a_spreadsheet_do():
    assert [label(place) for place in (0, 25, 26, 27, 51, 52, 701, 702)] == [
        *("A", "Z", "AA", "AB", "AZ", "BA", "ZZ", "AAA")
    ]


@given(st.integers(0, 3_000))
def test_every_place_has_a_label_of_its_own(count):
    assert len(set(labels(count))) == count


@given(st.lists(st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=20), max_size=40))
def test_labelled_lines_are_read_back(lines):
    assert read_labelled(labelled(lines)) == list(zip(labels(len(lines)), lines, strict=True))


def test_lines_without_a_label_are_left_out():
    assert read_labelled("nothing yet\nA. Up\n\nb. Her\nABCD. Heat\nAA. Cube") == [
        *(("A", "Up"), ("AA", "Cube"))
    ]
