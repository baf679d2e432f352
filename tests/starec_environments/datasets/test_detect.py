"""A path is enough: the reader and its settings are found."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from starec_environments.datasets.detect import detect
from starec_sim.dataset import Dataset
from starec_sim.errors import DataError
from starec_sim.plugins import configure


def load(path: Path) -> tuple[str, Dataset]:
    name, settings = detect(path)
    spec: dict[str, Any] = {"use": name, **settings}
    found, config = configure("datasets", spec, "dataset")
    return name, found(config).load()


@pytest.mark.parametrize(
    ("fixture", "reader"),
    [
        ("ml_100k", "movielens-100k"),
        ("ml_100k_recbole", "movielens-100k"),
        ("ml_1m", "movielens-1m"),
        ("agentcf", "agentcf"),
    ],
)
def test_known_folders_are_recognised_and_load(
    fixture: str, reader: str, request: pytest.FixtureRequest
) -> None:
    name, dataset = load(request.getfixturevalue(fixture))
    assert name == reader
    assert len(dataset.log.users) > 0


def test_a_file_of_a_dataset_stands_for_its_folder(ml_100k: Path, agentcf: Path) -> None:
    assert detect(ml_100k / "u.data") == ("movielens-100k", {"path": str(ml_100k)})
    assert detect(agentcf / "cds.train.inter")[0] == "agentcf"


def test_other_atomic_files_go_to_recbole(tmp_path: Path) -> None:
    (tmp_path / "x.inter").write_text("user_id:token\titem_id:token\nu\ta\n")
    assert detect(tmp_path) == ("recbole", {"path": str(tmp_path), "name": "x"})
    (tmp_path / "y.inter").write_text("user_id:token\titem_id:token\nu\ta\n")
    with pytest.raises(DataError, match="several datasets: x, y"):
        detect(tmp_path)
    assert detect(tmp_path / "y.inter")[1]["name"] == "y"


def test_a_file_called_ml_100k_is_read_by_its_columns(tmp_path: Path) -> None:
    file = tmp_path / "ml-100k.inter"
    file.write_text("user_id:token\titem_id:token\nu\ta\n")
    assert detect(tmp_path) == ("recbole", {"path": str(tmp_path), "name": "ml-100k"})


def test_an_atomic_file_that_is_named_is_read_beside_u_data(
    ml_100k: Path, ml_100k_recbole: Path
) -> None:
    file = ml_100k / "ml-100k.inter"
    file.write_bytes((ml_100k_recbole / "ml-100k.inter").read_bytes())
    assert detect(file)[0] == "recbole"
    assert detect(ml_100k)[0] == "movielens-100k"


def test_tables_get_their_roles_by_their_columns(tmp_path: Path) -> None:
    (tmp_path / "links.csv").write_text("movieId,imdbId\n1,2\n")
    (tmp_path / "movies.csv").write_text("movieId,title,genres\n1,Heat,Crime|Drama\n")
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating,timestamp\n7,1,4.0,9\n")
    (tmp_path / "tags.csv").write_text("userId,movieId,tag,timestamp\n7,1,cool,9\n")
    (tmp_path / "people.csv").write_text("user_id,age\n7,30\n")
    name, dataset = load(tmp_path)
    assert name == "csv"
    assert dataset.items[0].title == "Heat"
    assert dataset.items[0].attributes == {"genre": ("Crime", "Drama")}
    assert dataset.users[0].profile == {"age": "30"}
    assert detect(tmp_path)[1]["columns"] == {
        "user": "userId",
        "item": "movieId",
        "rating": "rating",
        "time": "timestamp",
    }


def test_a_single_table_with_another_delimiter_is_read(tmp_path: Path) -> None:
    (tmp_path / "log.tsv").write_text("user\titem\nu\ta\n")
    name, dataset = load(tmp_path / "log.tsv")
    assert (name, len(dataset.users)) == ("csv", 1)


def test_parquet_is_recognised(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pa.table({"user": ["u"], "item": ["a"]}), tmp_path / "log.parquet")
    assert load(tmp_path)[0] == "parquet"


def test_the_unknown_is_listed_with_what_is_known(tmp_path: Path) -> None:
    (tmp_path / "notes.csv").write_text("a,b\n1,2\n")
    (tmp_path / "photos").mkdir()
    with pytest.raises(DataError, match=r"it holds notes\.csv, photos/") as caught:
        detect(tmp_path)
    assert "MovieLens (u.data" in caught.value.hint
    with pytest.raises(DataError, match="there is nothing at"):
        detect(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["ml-100k", "cds-100-dense"])
def test_the_real_folders_load_with_genre_and_year(name: str, real: Callable[[str], Path]) -> None:
    _, dataset = load(real(name))
    attributes = set().union(*(item.attributes for item in dataset.items))
    assert attributes == ({"genre", "year"} if name == "ml-100k" else {"category"})
