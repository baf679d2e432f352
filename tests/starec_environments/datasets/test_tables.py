"""Tables of one's own."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from starec_environments.datasets.tables import CsvTable, ParquetTable
from starec_sim.dataset import Dataset
from starec_sim.errors import ConfigError, DataError
from starec_sim.settings import validate


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ratings.csv").write_text(
        "userId,movieId,rating,timestamp\n1,10,0.5,20\n1,20,5.0,10\n2,10,2.75,30\n"
    )
    (tmp_path / "movies.csv").write_text(
        'movieId,title,genres\n10,"Toy Story, the ""film""",Comedy|Family\n20,Heat,Crime\n'
    )
    (tmp_path / "users.csv").write_text("id;sex;age\n1;F;20\n2;M;30\n".replace(";", ","))
    return tmp_path


MAPPED = {
    "interactions": "ratings.csv",
    "columns": {"user": "userId", "item": "movieId", "rating": "rating", "time": "timestamp"},
    "items": "movies.csv",
    "item_columns": {"id": "movieId", "title": "title", "attributes": {"genre": "genres"}},
    "users": "users.csv",
    "user_columns": {"id": "id", "profile": {"gender": "sex"}},
}


def load(path: Path, **settings: Any) -> Dataset:
    return CsvTable(validate(CsvTable.Config, {"path": path, **settings}, "dataset")).load()


def test_a_mapping_reads_three_files(folder: Path) -> None:
    dataset = load(folder, **MAPPED)
    assert dataset.items[0].title == 'Toy Story, the "film"'
    assert dataset.items[0].attributes == {"genre": ("Comedy", "Family")}
    assert dataset.users[0].profile == {"gender": "F"}
    assert dataset.log.times.tolist() == [10, 20, 30]
    assert dataset.log.ratings.tolist() == [5.0, 0.5, 2.75]


def test_usual_names_need_no_mapping(folder: Path) -> None:
    guessed = load(folder, interactions="ratings.csv", items="movies.csv", users="users.csv")
    assert guessed.items == load(folder, **MAPPED).items
    assert guessed.users[0].profile == {"age": "20", "gender": "F"}


def test_the_path_may_be_the_file_itself(folder: Path) -> None:
    dataset = load(folder / "ratings.csv")
    assert [item.title for item in dataset.items] == ["10", "20"]


def test_a_scale_other_than_stars_is_not_guessed_but_offered(folder: Path) -> None:
    log = (folder / "ratings.csv").read_text().replace("0.5", "9")
    (folder / "ratings.csv").write_text(log)
    with pytest.raises(DataError, match=r"ratings\.csv, line 2: the rating 9 is not") as caught:
        load(folder / "ratings.csv")
    assert "data.rating_scale=[1, 10]" in caught.value.hint


def test_a_misspelt_column_is_told_the_nearest(folder: Path) -> None:
    with pytest.raises(DataError, match='no column "userid"; did you mean "userId"'):
        load(folder / "ratings.csv", columns={"user": "userid"})


def test_columns_nobody_can_recognise_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("who,what\nu,a\n")
    with pytest.raises(DataError, match="no column looks like the user id") as caught:
        load(tmp_path / "x.csv")
    assert "data.columns.user=NAME" in caught.value.hint
    assert len(load(tmp_path / "x.csv", columns={"user": "who", "item": "what"}).users) == 1


def test_a_folder_without_a_file_name_is_asked_for_one(folder: Path) -> None:
    with pytest.raises(DataError, match=r"which of its files .* movies\.csv, ratings\.csv"):
        load(folder)


def test_other_delimiters_and_encodings_are_settings(tmp_path: Path) -> None:
    text = "user;item;title\nJörg;a;x\n"
    (tmp_path / "x.csv").write_bytes(text.encode("cp1252"))
    dataset = load(tmp_path / "x.csv", delimiter=";", encoding="cp1252")
    assert dataset.users[0].id == "Jörg"


def test_dates_are_times(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(
        "user,item,date\nu,a,1970-01-02\nu,b,1970-01-01T00:00:10Z\nu,c,1970-01-01 00:00:20\n"
    )
    assert load(tmp_path / "x.csv").log.times.tolist() == [10, 20, 86400]


def test_a_scale_that_does_not_ascend_is_a_config_error(folder: Path) -> None:
    with pytest.raises(ConfigError, match="smallest rating comes first"):
        load(folder, rating_scale=[5, 1])


class TestParquet:
    @pytest.fixture
    def parquet(self, tmp_path: Path) -> Path:
        pa = pytest.importorskip("pyarrow")
        from pyarrow import parquet

        log = pa.table(
            {
                "user_id": [7, 7, 8],
                "item_id": ["a", "b", "a"],
                "stars": [4.0, 5.0, 1.0],
                "date": pa.array([86_400_000, 1000, 2000], pa.timestamp("ms")),
                "review": ["long"] * 3,
            }
        )
        items = pa.table({"id": ["a", "b"], "name": ["A\n", None], "tags": [["x", "y"], []]})
        parquet.write_table(log, tmp_path / "log.parquet")
        parquet.write_table(items, tmp_path / "items.parquet")
        return tmp_path

    def load(self, path: Path, **settings: Any) -> Dataset:
        config = validate(ParquetTable.Config, {"path": path, **settings}, "dataset")
        return ParquetTable(config).load()

    def test_numbers_dates_and_lists_are_understood(self, parquet: Path) -> None:
        dataset = self.load(parquet, interactions="log.parquet", items="items.parquet")
        assert [user.id for user in dataset.users] == ["7", "8"]
        assert dataset.log.times.tolist() == [1, 2, 86400]
        assert dataset.log.ratings.tolist() == [5.0, 1.0, 4.0]
        assert [item.title for item in dataset.items] == ["A", "Untitled (b)"]
        assert dataset.items[0].attributes == {"tags": ("x", "y")}
        assert dataset.items[1].attributes == {}

    def test_missing_values_are_named_by_row(self, parquet: Path) -> None:
        import pyarrow as pa
        from pyarrow import parquet as pq

        table = pa.table({"user": ["u", "v"], "item": ["a", None], "rating": [4.0, None]})
        pq.write_table(table, parquet / "holes.parquet")
        with pytest.raises(DataError, match="row 2: the rating is blank"):
            self.load(parquet / "holes.parquet")
        table = pa.table({"user": ["u", "v"], "item": ["a", None]})
        pq.write_table(table, parquet / "holes.parquet")
        with pytest.raises(DataError, match="row 2: the item id is empty"):
            self.load(parquet / "holes.parquet")

    def test_what_is_not_parquet_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "x.parquet").write_text("user,item\n")
        with pytest.raises(DataError, match="is not a Parquet file"):
            self.load(tmp_path / "x.parquet")

    def test_without_pyarrow_the_extra_is_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        (tmp_path / "x.parquet").write_text("")
        with pytest.raises(DataError) as caught:
            self.load(tmp_path / "x.parquet")
        assert caught.value.hint == 'pip install "starec-sim[parquet]"'

    def test_csv_and_parquet_of_one_table_lead_to_the_same_log(self, tmp_path: Path) -> None:
        pytest.importorskip("pyarrow")
        from pyarrow import csv, parquet

        rows = "".join(f"{u},{i},{1 + (u * i) % 5},{u + i}\n" for u in range(9) for i in range(9))
        (tmp_path / "x.csv").write_text("user,item,rating,time\n" + rows)
        parquet.write_table(csv.read_csv(tmp_path / "x.csv"), tmp_path / "x.parquet")
        one, other = load(tmp_path / "x.csv"), self.load(tmp_path / "x.parquet")
        for left, right in zip(one.log, other.log, strict=True):
            np.testing.assert_array_equal(left, right)
