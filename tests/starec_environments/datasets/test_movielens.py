"""MovieLens, in every format it comes in."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from starec_environments.datasets.movielens import MovieLens1M, MovieLens100K
from starec_sim.dataset import Dataset
from starec_sim.errors import DataError


def load_100k(path: Path | None = None) -> Dataset:
    return MovieLens100K(MovieLens100K.Config(path=path)).load()


def load_1m(path: Path | None = None) -> Dataset:
    return MovieLens1M(MovieLens1M.Config(path=path)).load()


def test_the_original_100k_is_read(ml_100k: Path) -> None:
    dataset = load_100k(ml_100k)
    assert dataset.name == "movielens-100k"
    assert [item.title for item in dataset.items] == ["Toy Story", "Misérables, Les", "unknown"]
    assert dataset.items[1].attributes == {"genre": ("Action", "Drama"), "year": ("1995",)}
    assert dataset.items[2].attributes == {}
    assert dataset.users[0].profile == {"age": "24", "gender": "M", "occupation": "technician"}


def test_the_log_is_sorted_by_time_and_then_by_original_order(ml_100k: Path) -> None:
    log = load_100k(ml_100k).log
    assert log.times.tolist() == [881250949, 881250949, 881250950, 881250951]
    assert log.users.tolist() == [1, 0, 0, 1]
    assert log.items.tolist() == [0, 1, 0, 2]
    assert log.ratings.tolist() == [3, 1, 5, 4]


def test_both_formats_of_100k_lead_to_the_same_dataset(
    ml_100k: Path, ml_100k_recbole: Path
) -> None:
    original, atomic = load_100k(ml_100k), load_100k(ml_100k_recbole)
    assert original.name == atomic.name
    assert original.items == atomic.items
    assert original.users == atomic.users
    for one, other in zip(original.log, atomic.log, strict=True):
        np.testing.assert_array_equal(one, other)


def test_1m_codes_become_words(ml_1m: Path) -> None:
    dataset = load_1m(ml_1m)
    assert dataset.users[0].profile == {
        "age": "under 18",
        "gender": "F",
        "occupation": "K-12 student",
    }
    assert dataset.users[1].profile["age"] == "56 or older"
    assert dataset.items[1].title == "Émile: A Life"
    assert dataset.items[1].attributes == {"genre": ("Drama",), "year": ("1999",)}


def test_an_unknown_code_is_named_with_its_line(ml_1m: Path) -> None:
    (ml_1m / "users.dat").write_text("1::F::1::10::48067\n2::M::57::16::70072\n")
    with pytest.raises(DataError, match=r"users\.dat, line 2: age 57"):
        load_1m(ml_1m)


@pytest.mark.parametrize("place", ["data", "../shared/data", "elsewhere"])
def test_without_a_path_the_usual_folders_are_searched(
    place: str, ml_1m: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    (home / place).mkdir(parents=True)
    ml_1m.rename(home / place / "ml-1m")
    monkeypatch.chdir(home)
    if place == "elsewhere":
        monkeypatch.setenv("STAREC_DATA", str(home / place))
    else:
        monkeypatch.delenv("STAREC_DATA", raising=False)
    assert len(load_1m().log.users) == 2


def test_when_nothing_is_found_the_error_says_where_it_looked_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STAREC_DATA", "/nowhere")
    with pytest.raises(DataError) as caught:
        load_100k()
    assert "/nowhere/ml-100k, data/ml-100k, ../shared/data/ml-100k" in caught.value.message
    assert "starec data get movielens-100k" in caught.value.hint
    assert "--data synthetic" in caught.value.hint


def test_a_folder_of_something_else_is_not_taken_for_movielens(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(DataError, match=r"neither u\.data nor ml-100k\.inter; found: notes\.txt"):
        load_100k(tmp_path)


def test_a_path_that_is_a_file_is_told_apart_from_one_that_is_not_there(ml_100k: Path) -> None:
    with pytest.raises(DataError, match="is a file; expected the folder"):
        load_100k(ml_100k / "u.data")
    with pytest.raises(DataError, match="there is no folder"):
        load_100k(ml_100k / "nothing")


def test_the_encoding_counts_for_atomic_files_too(ml_100k_recbole: Path) -> None:
    items = ml_100k_recbole / "ml-100k.item"
    items.write_bytes(items.read_text("utf-8").encode("latin-1"))
    with pytest.raises(DataError, match="is not utf-8"):
        load_100k(ml_100k_recbole)
    config = MovieLens100K.Config(path=ml_100k_recbole, encoding="latin-1")
    assert MovieLens100K(config).load().items[1].title == "Misérables, Les"


def test_a_missing_file_beside_the_log_is_named(ml_100k: Path) -> None:
    (ml_100k / "u.user").unlink()
    with pytest.raises(DataError, match=r"there is no file .*u\.user"):
        load_100k(ml_100k)


def test_a_genre_flag_is_0_or_1(ml_100k: Path) -> None:
    lines = (ml_100k / "u.item").read_bytes().replace(b"|0|0|1|0\n", b"|0|0|7|0\n")
    (ml_100k / "u.item").write_bytes(lines)
    with pytest.raises(DataError, match=r'u\.item, line 1: a genre flag is "7"'):
        load_100k(ml_100k)


def test_the_real_100k_has_its_published_counts(real: Callable[[str], Path]) -> None:
    started = time.process_time()
    dataset = load_100k(real("ml-100k"))
    assert time.process_time() - started < 2.0  # it takes 0.3 s
    assert (len(dataset.users), len(dataset.items)) == (943, 1682)
    assert len(dataset.log.users) == 100_000
    assert dataset.log.ratings.mean() == pytest.approx(3.52986)
    assert np.bincount(dataset.log.ratings.astype(int)).tolist() == [
        0, 6110, 11370, 27145, 34174, 21201,
    ]  # fmt: skip
    assert dataset.items[0].title == "Toy Story"
    assert dataset.items[0].attributes["year"] == ("1995",)
    assert all(set(item.attributes) <= {"genre", "year"} for item in dataset.items)
    assert (
        len({genre for item in dataset.items for genre in item.attributes.get("genre", ())}) == 18
    )
    assert all("zip_code" not in user.profile for user in dataset.users)
