"""Files of other simulators of users: UserMirrorer's raw format, and Agent4Rec's logs."""

import json
import pickle
import pickletools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from starec_environments.datasets.agent4rec import Agent4Rec
from starec_environments.datasets.detect import detect
from starec_environments.datasets.usermirrorer import UserMirrorer
from starec_sim.errors import DataError


def write(folder, interactions, **features):
    """Write a dataset called `films` in UserMirrorer's format."""
    items = features.get("items") or [
        {
            "item_id": item,
            "item_description": {"title": f"Film {item}", "genres": "Drama", "plot": "long " * 40},
            "item_features": {},
        }
        for item in ("1", "2", "3")
    ]
    users = [
        {"user_id": user, "user_description": {"age": "25-34"}, "user_features": {}}
        for user in ("7", "8")
    ]
    for name, records in (("interaction", interactions), ("item", items), ("user", users)):
        kind = name if name == "interaction" else f"{name}_feature"
        text = "".join(json.dumps(record) + "\n" for record in records)
        (folder / f"films_{kind}.jsonl").write_text(text)
    return folder


def did(user, item, time, **features):
    return {"user_id": user, "item_id": item, "timestamp": time, "behavior_features": features}


ROWS = [
    did("7", "1", "2001-02-03 04:05:06", rating=4.0),
    did("8", "2", "2001-02-03 04:05:00", rating="Not Rated"),
    did("7", "3", "2001-02-03 04:06:06", rating=2.0),
]


def read(folder, **settings):
    return UserMirrorer(UserMirrorer.Config(path=folder, **settings)).load()


def test_usermirrorers_files_are_read(tmp_path) -> None:
    data = read(write(tmp_path, ROWS))
    assert data.name == "films"
    assert [user.profile for user in data.users] == [{"age": "25-34"}] * 2
    assert data.items[0].title == "Film 1"
    assert data.items[0].attributes == {"genres": ("Drama",)}, "long texts are descriptions"
    chosen = [(data.users[u].id, data.items[i].id) for u, i in zip(*data.log[:2], strict=True)]
    assert chosen == [("8", "2"), ("7", "1"), ("7", "3")]
    assert data.log.ratings.tolist()[1:] == [4.0, 2.0] and np.isnan(data.log.ratings[0])
    assert np.diff(data.log.times).tolist() == [6, 60]


def test_ids_and_times_may_be_numbers_and_ratings_may_lack(tmp_path) -> None:
    data = read(write(tmp_path, [did(7, 1, 1600000000), did(8, 2, 1600000001)]))
    assert np.isnan(data.log.ratings).all()
    assert data.log.times.tolist() == [1600000000, 1600000001]


def test_title_and_attributes_can_be_named(tmp_path) -> None:
    write(tmp_path, ROWS)
    data = read(tmp_path, title="genres", attributes=("title",))
    assert (data.items[0].title, data.items[0].attributes) == ("Drama", {"title": ("Film 1",)})
    with pytest.raises(DataError, match='no item_description has "tilte"; did you mean "title"'):
        read(tmp_path, title="tilte")


def test_what_was_shown_with_the_last_choice_can_be_her_candidates(tmp_path) -> None:
    rows = [
        did("7", "1", "2001-02-03 04:05:06", impression_list=["3", "1"], item_pos=1),
        did("7", "2", "2001-02-04 04:05:06", impression_list=["2", "3", "9"], item_pos=0),
    ]
    assert read(write(tmp_path, rows)).candidates == {}
    assert read(tmp_path, exposures=True).candidates == {0: (2,)}
    with pytest.raises(DataError, match="it is not known what was shown"):
        read(write(tmp_path, ROWS), exposures=True)


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"user_id": "7"}, "line 4: there is no item_id"),
        (did("7", "9", "2001-02-03 04:05:06", rating=1), 'does not know the item "9"'),
        (did("7", "2", "2001-02-03 04:05:06", rating=7), "not within 1 to 5 stars"),
        (did("7", "2", "yesterday", rating=1), "yesterday"),
        ({**did("7", "2", 1), "behavior_features": []}, "behavior_features is no JSON object"),
    ],
)
def test_a_bad_behaviour_is_named(row, why, tmp_path) -> None:
    with pytest.raises(DataError, match=why):
        read(write(tmp_path, [*ROWS, row]))


def test_a_missing_file_is_named(tmp_path) -> None:
    write(tmp_path, ROWS)
    (tmp_path / "films_item_feature.jsonl").unlink()
    with pytest.raises(DataError, match=r"there is no file .*films_item_feature"):
        read(tmp_path)
    with pytest.raises(DataError, match=r"holds no books_interaction\.jsonl; found: films"):
        read(tmp_path, name="books")


def page(number, shown, watched, ratings):
    """A page as Agent4Rec logs it, with its ids as numbers of NumPy."""
    return {
        "page": number,
        "recommended_id": np.arange(len(shown)),
        "recommended": shown,
        "watch_id": [np.int64(0) for _ in watched],
        "watched": watched,
        "rating": ratings,
        "feeling": ["fine"] * len(watched),
    }


def agents(folder, *logs):
    (folder / "behavior").mkdir(exist_ok=True)
    for number, log in enumerate(logs):
        (folder / "behavior" / f"{number}.pkl").write_bytes(pickle.dumps(log, protocol=4))
    return Agent4Rec(Agent4Rec.Config(path=folder))


FILMS = ["Piano, The (1993)", "Toy Story (1995)", "Babe (1995)", "Alien (1979)"]


def test_the_logs_of_agents_are_read_page_by_page(tmp_path) -> None:
    first = {
        2: page(2, FILMS[2:], ["Babe"], [3]),
        1: page(1, FILMS[:2], ["The Piano", "Toy Story (1995)"], [4, 5]),
        "interview": [" 3"],
    }
    data = agents(tmp_path, first, {1: page(1, FILMS, ["Alien", "Aliens"], [5, 5])}).load()
    rows = zip(*(column.tolist() for column in data.log[:3]), strict=True)
    assert [(data.users[u].id, data.items[i].title, stars) for u, i, stars in rows] == [
        ("0", "Piano, The (1993)", 4.0),
        ("0", "Toy Story (1995)", 5.0),
        ("0", "Babe (1995)", 3.0),
        ("1", "Alien (1979)", 5.0),
    ]
    assert data.notes == {"behavior: a watched title was not recommended (first on line 1)": 1}


class Evil:
    def __reduce__(self):
        return (print, ("executed",))


def test_both_formats_are_recognised(tmp_path) -> None:
    assert detect(write(tmp_path, ROWS)) == ("usermirrorer", {"path": str(tmp_path)})
    (tmp_path / "logs").mkdir()
    agents(tmp_path / "logs", {1: page(1, FILMS, ["Alien"], [5])})
    assert detect(tmp_path / "logs") == ("agent4rec", {"path": str(tmp_path / "logs")})


def test_a_log_that_is_named_is_read_whatever_lies_beside_it(tmp_path) -> None:
    agents(tmp_path, {1: page(1, FILMS, ["Alien"], [5])})
    (tmp_path / "log.csv").write_text("user_id,item_id\nu,a\n")
    assert detect(tmp_path / "log.csv")[0] == "csv"
    write(tmp_path, ROWS)
    (tmp_path / "books_interaction.jsonl").write_text(json.dumps(did("7", "1", 1)) + "\n")
    found, settings = detect(tmp_path / "films_interaction.jsonl")
    assert (found, settings["name"]) == ("usermirrorer", "films")


def test_the_name_of_a_file_does_not_make_it_usermirrorers(tmp_path) -> None:
    reviews = tmp_path / "my_interaction.jsonl"
    review = {"user_id": "A", "parent_asin": "B000000001", "rating": 5, "timestamp": 1}
    reviews.write_text(json.dumps(review) + "\n")
    assert detect(tmp_path)[0] == "amazon"


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_a_pickle_with_a_program_is_refused(protocol, tmp_path, capsys) -> None:
    reader = agents(tmp_path, {})
    (tmp_path / "behavior" / "0.pkl").write_bytes(pickle.dumps({1: Evil()}, protocol=protocol))
    with pytest.raises(DataError, match="is no log of Agent4Rec: "):
        reader.load()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("log", "why"),
    [
        ([], "it holds a list"),
        ({1: "page"}, "page 1 is no dictionary"),
        ({1: {"recommended": ["a"], "watched": [3], "rating": []}}, "page 1 lacks"),
        ({1: page(1, ["a"], ["a"], [])}, "no interaction is left"),
    ],
)
def test_another_pickle_is_refused(log, why, tmp_path) -> None:
    with pytest.raises(DataError, match=why):
        agents(tmp_path, log).load()


@given(st.binary(max_size=200), st.integers(0, 400), st.integers(0, 255))
def test_no_bytes_do_more_than_raise_an_error(tmp_path_factory, junk, place, byte) -> None:
    folder = tmp_path_factory.mktemp("agents")
    reader = agents(folder, {1: page(1, FILMS, ["Alien"], [5])})
    path = folder / "behavior" / "0.pkl"
    good = path.read_bytes()
    for data in (junk, good[:place], good[:place] + bytes([byte]) + good[place + 1 :]):
        path.write_bytes(data)
        try:
            reader.load()
        except DataError:
            continue
        assert {op.name for op, _, _ in pickletools.genops(data)}
