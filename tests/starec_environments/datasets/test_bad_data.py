"""What is wrong with a file is said with file, line and remedy; nothing is guessed away."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from starec_environments.datasets.columns import Columns
from starec_environments.datasets.faults import Faults
from starec_environments.datasets.rating_questions import RatingColumn
from starec_environments.datasets.ratings import read_ratings
from starec_environments.datasets.settings import RatingSettings
from starec_environments.datasets.tables import CsvTable
from starec_environments.datasets.text_tables import TextFormat, read_table
from starec_environments.datasets.times import read_times
from starec_sim.dataset import Dataset
from starec_sim.errors import DataError

HEADER = "user,item,rating,time\n"


def load(path: Path, content: str | bytes, **settings: Any) -> Dataset:
    file = path / "log.csv"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return CsvTable(CsvTable.Config(path=file, **settings)).load()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", r"log\.csv is empty"),
        (" \n\n", r"log\.csv is empty"),
        (HEADER, "has a header and no rows"),
        (HEADER + "u,a,4,1\nu,b,abc,2\n", 'line 3: the rating "abc" is not a number'),
        (HEADER + "u,a,4,1\n\nu,b,9,2\n", "line 4: the rating 9 is not within 1 to 5"),
        (HEADER + "u,a,nan,1\n", "line 2: the rating is blank"),
        (HEADER + "u,a,inf,1\n", 'line 2: the rating "inf" is not a number'),
        (HEADER + "u,a,,1\n", "line 2: the rating is blank"),
        (HEADER + "u,a,4,-1\n", 'line 2: the time "-1" is neither a number from 0 on'),
        (HEADER + "u,a,4,-1.5\n", r'line 2: the time "-1\.5" is neither'),
        (HEADER + "u,a,4,nan\n", "line 2: the time is blank"),
        (HEADER + "u,a,4,soon\n", 'line 2: the time "soon" is neither a number'),
        (HEADER + "u,a,4,2020-01-01\nu,b,4,soon\n", 'line 3: the time "soon" is neither'),
        (HEADER + "u,a,4,1e300\n", 'line 2: the time "1e300" is neither'),
        (HEADER + f"u,a,4,{2**70}\n", r'line 2: the time "\d+" is neither'),
        (HEADER + "u,a,4\n", "line 2: 3 fields where 4 were expected"),
        (HEADER + "u,a,4,1,5\n", "line 2: 5 fields where 4 were expected"),
        (HEADER + "u,,4,1\n", "line 2: the item id is empty"),
        (HEADER + "  ,a,4,1\n", "line 2: the user id is empty"),
        (HEADER + "u\x07,a,4,1\n", 'line 2: the user id "u\x07" holds control characters'),
        (HEADER + 'u,"a,4,1\n', "line 2: unexpected end of data"),
        ("user,item,item\nu,a,b\n", 'two columns named "item"'),
        (HEADER.encode() + b"u,caf\xe9,4,1\n", r"line 2: byte 27 is 0xe9, which is not utf-8"),
    ],
)
def test_a_fault_is_named_by_file_and_line(
    content: str | bytes, complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=complaint):
        load(tmp_path, content)


def test_an_encoding_nobody_knows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='Python knows; did you mean "utf-8"'):
        load(tmp_path, HEADER + "u,a,4,1\n", encoding="utf-9")


def test_undecodable_bytes_are_read_with_the_right_encoding(tmp_path: Path) -> None:
    dataset = load(tmp_path, HEADER.encode() + b"u,caf\xe9,4,1\n", encoding="latin-1")
    assert dataset.items[0].id == "café"


def test_byte_order_marks_and_windows_line_ends_do_no_harm(tmp_path: Path) -> None:
    content = b"\xef\xbb\xbf" + (HEADER + "u,a,4,1\n").replace("\n", "\r\n").encode()
    assert load(tmp_path, content).log.ratings.tolist() == [4.0]


def test_lines_inside_quotes_are_counted(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 4: the rating"):
        load(tmp_path, HEADER + '"u",a,4,1\n"u\n",b,x,1\n')


class TestDuplicates:
    LOG = HEADER + "u,a,1,30\nu,b,4,20\nu,a,5,10\n"

    def test_are_an_error_that_names_both_lines(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match='line 4: user "u" with item "a" again') as caught:
            load(tmp_path, self.LOG)
        assert "first on line 2 (1 such lines in all)" in caught.value.message
        assert "data.duplicates=last" in caught.value.hint

    def test_first_and_last_go_by_time(self, tmp_path: Path) -> None:
        assert load(tmp_path, self.LOG, duplicates="first").log.ratings.tolist() == [5.0, 4.0]
        assert load(tmp_path, self.LOG, duplicates="last").log.ratings.tolist() == [4.0, 1.0]

    @given(
        rows=st.lists(
            st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 9)), min_size=1
        )
    )
    def test_the_kept_rows_are_those_a_dictionary_would_keep(
        self, rows: list[tuple[int, int, int]], tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        text = "user,item,time\n" + "".join(f"u{u},i{i},{t}\n" for u, i, t in rows)
        dataset = load(tmp_path_factory.mktemp("rows"), text, duplicates="last")
        latest = {(u, i): t for u, i, t in sorted(rows, key=lambda row: row[2])}
        log = dataset.log
        kept = {
            (int(dataset.users[u].id[1:]), int(dataset.items[i].id[1:])): t
            for u, i, t in zip(log.users, log.items, log.times.tolist(), strict=True)
        }
        assert kept == latest
        assert (np.diff(log.times) >= 0).all()

    def test_in_the_item_file_follow_the_same_rule(self, tmp_path: Path) -> None:
        (tmp_path / "items.csv").write_text("id,title\na,Old\nb,B\na,New\n")
        log = HEADER + "u,a,1,30\n"
        with pytest.raises(DataError, match=r'items\.csv, line 4: the item "a" again, first on li'):
            load(tmp_path, log, items="items.csv")
        for rule, title in (("first", "Old"), ("last", "New")):
            items = load(tmp_path, log, items="items.csv", duplicates=rule).items
            assert title in {item.title for item in items}
            assert len(items) == 2


class TestUnknownIds:
    LOG = HEADER + "u,a,4,1\nu,z,4,2\nu,y,4,3\n"

    def test_are_an_error_that_counts_them(self, tmp_path: Path) -> None:
        (tmp_path / "items.csv").write_text("id,title\na,A\n")
        with pytest.raises(
            DataError, match='line 3: the item file does not know the item "z"'
        ) as e:
            load(tmp_path, self.LOG, items="items.csv")
        assert "2 of 3 interactions" in e.value.message
        assert "data.unknown=drop" in e.value.hint

    def test_can_be_dropped(self, tmp_path: Path) -> None:
        (tmp_path / "items.csv").write_text("id,title\na,A\n")
        assert len(load(tmp_path, self.LOG, items="items.csv", unknown="drop").log.users) == 1

    def test_dropping_everything_is_an_error_still(self, tmp_path: Path) -> None:
        (tmp_path / "items.csv").write_text("id,title\nq,Q\n")
        with pytest.raises(DataError, match="no interaction is left"):
            load(tmp_path, self.LOG, items="items.csv", unknown="drop")

    def test_users_count_as_well(self, tmp_path: Path) -> None:
        (tmp_path / "users.csv").write_text("id,age\nv,20\n")
        with pytest.raises(DataError, match='the user file does not know the user "u"'):
            load(tmp_path, self.LOG, users="users.csv")


def table(**columns: list[Any]) -> Columns:
    return Columns(Path("log"), columns, range(1, len(next(iter(columns.values()))) + 1))


@given(st.floats(-100, 100), st.floats(0.1, 100), st.lists(st.floats(0, 1), min_size=1))
def test_any_scale_is_mapped_linearly_to_one_to_five(
    low: float, width: float, shares: list[float]
) -> None:
    given = [min(low + width * share, low + width) for share in shares]
    log, meaning = (
        table(r=[repr(value) for value in given]),
        RatingSettings(rating_scale=(low, low + width)),
    )
    stars = read_ratings(log, RatingColumn("r"), meaning, Faults(log.path, "error"), ".")
    assert ((stars >= 1.0) & (stars <= 5.0 + 1e-9)).all()
    np.testing.assert_allclose(stars, [1 + 4 * share for share in shares], atol=1e-9)


# Of one unit and some decades: others are refused.
WHOLE_TIMES = [st.integers(least, min(4 * least, 2**62)) for least in (10**8, 10**11, 2**61)]


@given(
    st.one_of(st.lists(times, min_size=1) for times in [st.integers(0, 10**8 - 1), *WHOLE_TIMES])
)
def test_whole_times_lose_no_digit(times: list[int]) -> None:
    log = table(t=[str(value) for value in times])
    assert read_times(log, "t", "time", None, Faults(log.path, "error")).tolist() == times


@given(st.lists(st.integers(900_000_000, 1_790_000_000), min_size=3), st.integers(10, 10**9))
def test_a_time_that_lost_digits_is_found(times: list[int], shrunk: int) -> None:
    log = table(t=[str(value) for value in [*times, times[0] // shrunk]])
    with pytest.raises(DataError, match=f"line {len(times) + 1}: the time .* decades away"):
        read_times(log, "t", "time", None, Faults(log.path, "error"))


FIELD = st.text(st.characters(exclude_characters="\r\x00", exclude_categories=["Cs"]), max_size=8)


@given(st.lists(st.tuples(FIELD, FIELD), min_size=1))
def test_quoted_fields_come_back_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    def quote(text: str) -> str:
        return '"' + text.replace('"', '""') + '"'

    file = tmp_path_factory.mktemp("quoted") / "x.csv"
    text = "".join(f"{quote(one)},{quote(other)}\n" for one, other in [("a", "b"), *rows])
    file.write_bytes(text.encode())
    read = read_table(file, TextFormat(",", quoted=True))
    assert list(zip(read.column("a"), read.column("b"), strict=True)) == rows
