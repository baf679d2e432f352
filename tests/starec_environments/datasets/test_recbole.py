"""RecBole's atomic files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from starec_environments.datasets.recbole import RecBole
from starec_sim.dataset import Dataset
from starec_sim.errors import DataError


def load(path: Path, **settings: Any) -> Dataset:
    return RecBole(RecBole.Config(path=path, **settings)).load()


def test_sensible_defaults_read_the_file_as_it_is(ml_100k_recbole: Path) -> None:
    dataset = load(ml_100k_recbole)
    assert dataset.name == "ml-100k"
    assert dataset.items[1].title == "Misérables, Les"
    assert dataset.items[1].attributes == {"year": ("1995",), "class": ("Action", "Drama")}
    assert dataset.users[1].profile == {"age": "53", "gender": "F", "occupation": "other"}


def test_attributes_can_be_chosen_and_named(ml_100k_recbole: Path) -> None:
    dataset = load(ml_100k_recbole, attributes={"genre": "class"}, ignore=())
    assert dataset.items[0].attributes == {"genre": ("Comedy",)}
    assert dataset.users[0].profile["zip_code"] == "85711"


def test_without_ratings_and_times_feedback_is_implicit_and_lines_are_the_order(
    tmp_path: Path,
) -> None:
    (tmp_path / "x.inter").write_text("user_id:token\titem_id:token\nu\tb\nu\ta\n")
    dataset = load(tmp_path)
    assert np.isnan(dataset.log.ratings).all()
    assert dataset.log.times.tolist() == [0, 1]
    assert [item.title for item in dataset.items] == ["b", "a"]
    assert dataset.users[0].profile == {}


def test_fields_separators_and_scales_are_settings(tmp_path: Path) -> None:
    (tmp_path / "x.inter").write_text(
        "uid:token,aid:token,score:float,when:float\nu,a,10,1.5\nu,b,0,1.25\n"
    )
    (tmp_path / "x.item").write_text(
        "aid:token,headline:token_seq,topics:token_seq,length:float\n"
        "a,A  quiet day,Local News;Sport;Sport,3\nb,Rain,Weather,4\n"
    )
    dataset = load(
        tmp_path,
        separator=",",
        user="uid",
        item="aid",
        rating="score",
        time="when",
        title="headline",
        separators={"topics": ";"},
        rating_scale=(0, 10),
    )
    assert dataset.items[0].title == "A quiet day"
    assert dataset.items[0].attributes == {"topics": ("Local News", "Sport")}
    assert sorted(dataset.log.ratings.tolist()) == [1.0, 5.0]


def test_a_folder_with_several_datasets_asks_which(ml_100k_recbole: Path) -> None:
    (ml_100k_recbole / "other.inter").write_text("user_id:token\titem_id:token\nu\ta\n")
    with pytest.raises(DataError, match=r"several \*\.inter; found: ml-100k, other"):
        load(ml_100k_recbole)
    assert len(load(ml_100k_recbole, name="other").log.users) == 1
    with pytest.raises(DataError, match=r"holds no ml-1m\.inter; found: ml-100k, other"):
        load(ml_100k_recbole, name="ml-1m")


def test_a_header_without_types_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.inter").write_text("user_id\titem_id\nu\ta\n")
    with pytest.raises(DataError, match=r'line 1: "user_id" is not `field:type`'):
        load(tmp_path)
    (tmp_path / "x.inter").write_text("user_id:tokens\titem_id:token\nu\ta\n")
    with pytest.raises(DataError, match='did you mean "token"'):
        load(tmp_path)


def test_no_path_is_an_error_that_says_how_to_give_one() -> None:
    with pytest.raises(DataError, match="no path was given") as caught:
        RecBole(RecBole.Config()).load()
    assert "--data PATH" in caught.value.hint
