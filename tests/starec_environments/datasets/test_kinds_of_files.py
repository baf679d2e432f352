"""Properties of what readers do with files, for any numbers, names and orders."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from starec_environments.datasets.clean_text import NO_VALUE
from starec_environments.datasets.columns import Columns, joined
from starec_environments.datasets.faults import Faults
from starec_environments.datasets.ids import _ROUNDED, read_ids
from starec_environments.datasets.rating_questions import JUDGED_FROM, RatingColumn
from starec_environments.datasets.ratings import read_ratings
from starec_environments.datasets.settings import LogRules, RatingSettings
from starec_environments.datasets.table_files import in_order
from starec_environments.datasets.text_tables import TextFormat, read_table
from starec_sim.errors import DataError, DataWarning
from starec_sim.types import LIKED_ABOVE, FloatArray

HALVES = [n / 2 for n in range(1, 11)]


def table(**columns: Sequence[object]) -> Columns:
    return Columns(Path("log"), columns, range(1, len(next(iter(columns.values()))) + 1))


def stars(numbers: Sequence[float], **settings: object) -> FloatArray:
    log, meaning = table(r=list(map(repr, numbers))), RatingSettings.model_validate(settings)
    return read_ratings(log, RatingColumn("r", "rating"), meaning, Faults(log.path, "error"), ".")


@given(st.lists(st.sampled_from(HALVES), min_size=3))
def test_half_stars_stay_or_are_asked_about(numbers: list[float]) -> None:
    try:
        assert stars(numbers).tolist() == numbers
    except DataError:
        assert len(set(numbers)) < 3 or max(numbers) <= LIKED_ABOVE
    assume(max(numbers) > LIKED_ABOVE)
    assert stars(numbers, rating_scale=(0.5, 5)).tolist() == numbers


@given(
    st.lists(st.integers(1, 10), min_size=JUDGED_FROM),
    st.sampled_from([(1, 5), (0, 5), (1, 10), (0, 100), (-10, 10)]),
)
def test_no_scale_leads_to_users_who_like_nothing(
    numbers: list[int], scale: tuple[int, int]
) -> None:
    try:
        found = stars(numbers, rating_scale=scale)
    except DataError:
        return
    assert (found > LIKED_ABOVE).any()


@given(
    st.lists(st.integers(-100, 100), min_size=1, max_size=2, unique=True),
    st.lists(st.booleans(), min_size=JUDGED_FROM),
)
def test_one_or_two_values_are_never_taken_for_stars(values: list[int], which: list[bool]) -> None:
    with pytest.raises(DataError) as caught:
        stars([values[second and len(values) - 1] for second in which])
    assert "--set data.rating=null" in caught.value.hint


@given(st.lists(st.integers(-20, 120), min_size=1), st.integers(-20, 120))
def test_liked_from_separates_likes_from_the_rest(numbers: list[int], liked_from: int) -> None:
    given_numbers = np.array(numbers)
    if given_numbers.max() < liked_from:
        with pytest.raises(DataError, match="nothing would be a like"):
            stars(numbers, liked_from=liked_from)
    elif len(numbers) >= JUDGED_FROM and liked_from <= min(numbers) < max(numbers):
        with pytest.raises(DataError, match="everything would be a like"):
            stars(numbers, liked_from=liked_from)
    else:
        likes = stars(numbers, liked_from=liked_from) > LIKED_ABOVE
        assert likes.tolist() == (given_numbers >= liked_from).tolist()


@given(st.lists(st.sampled_from([*HALVES, -1.0, 0.0, 99.0]), min_size=1))
def test_what_is_named_as_unrated_is_unrated_and_nothing_else(numbers: list[float]) -> None:
    numbers = [*numbers, 4.0]  # a like: without one, the scale is asked about
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # not all three are always there
        found = stars(numbers, unrated=(-1, 0, 99), rating_scale=(0.5, 5))
    assert np.isnan(found).tolist() == [number in (-1, 0, 99) for number in numbers]


@given(st.permutations(["x.train.csv", "x.dev.csv", "x.test.csv"]))
def test_parts_are_read_in_the_order_of_time(names: list[str]) -> None:
    ordered = in_order([Path(name) for name in names])
    assert ordered is not None
    assert [path.name for path in ordered] == ["x.train.csv", "x.dev.csv", "x.test.csv"]


@given(st.lists(st.integers(0, 10**6), min_size=2, max_size=6, unique=True))
def test_numbered_parts_are_read_in_the_order_of_their_numbers(numbers: list[int]) -> None:
    ordered = in_order([Path(f"part-{number}.parquet") for number in numbers])
    assert ordered is not None
    assert [path.name for path in ordered] == [f"part-{n}.parquet" for n in sorted(numbers)]


@pytest.mark.parametrize("names", ["a b", "a1 b2", "train log", "1_test 2_train"])
def test_other_names_do_not_belong_together(names: str) -> None:
    assert in_order([Path(f"{name}.csv") for name in names.split()]) is None


@given(st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=4), min_size=1, max_size=4))
def test_a_row_of_several_files_knows_its_file_and_line(parts: list[list[int]]) -> None:
    tables = [
        Columns(Path(f"{number}.csv"), {"a": part}, range(2, len(part) + 2))
        for number, part in enumerate(parts)
    ]
    expected = [f"{n}.csv, line {k + 2}" for n, part in enumerate(parts) for k in range(len(part))]
    assert [joined(tables).at(row) for row in range(len(expected))] == expected


IDS = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=6
).filter(lambda id: id == id.strip() and id not in NO_VALUE and not _ROUNDED.fullmatch(id))


@given(st.lists(IDS, min_size=1))
def test_ids_come_back_as_they_are(ids: list[str]) -> None:
    log = table(id=ids)
    decimals = [id for id in ids if id.endswith(".0") and id[:-2] in ids]
    if not decimals:
        assert read_ids(log, "id", "item", LogRules(), Faults(log.path, "error")) == ids


@given(lines=st.lists(st.text('a,"\\\t', max_size=6), min_size=1, max_size=8))
def test_any_text_is_a_table_or_a_data_error(
    lines: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("any") / "x.csv"
    path.write_text("x,y\n" + "\n".join(lines))
    for rule in ("error", "skip"):
        faults = Faults(path, rule)  # type: ignore[arg-type]
        try:
            read = read_table(path, TextFormat(",", quoted=True), faults)
        except DataError:
            continue
        assert len(read.column("x")) == len(read.column("y")) == len(read.lines)
        assert all(1 < line <= len(lines) + 1 for line in read.lines)
