"""Amazon Reviews, written as the editions of 2014, 2018 and 2023 write them."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from starec_environments.datasets.amazon import Amazon
from starec_environments.datasets.amazon_files import kind_of, parsed
from starec_environments.datasets.detect import detect
from starec_sim.dataset import Dataset
from starec_sim.errors import ConfigError, DataError
from starec_sim.plugins import configure

ALIEN, HEAT, BARE = "B000001ABC", "B000002XYZ", "0000003QQQ"
"""The last one has no metadata."""
ANN, BEN = "A2SUAM1J3GNN3B", "A1TNXL5QUZ5AAA1"


def review(user: str, item: str, stars: float, time: int) -> dict[str, Any]:
    return {
        "reviewerID": user,
        "asin": item,
        "reviewerName": 'J. "Mac" O\'Neil',
        "helpful": [2, 3],
        "reviewText": "It's the { best } | ever.",
        "overall": stars,
        "summary": "Great, really",
        "unixReviewTime": time,
        "reviewTime": "09 13, 2009",
    }


def new_review(user: str, item: str, stars: float, time: int) -> dict[str, Any]:
    return {
        "rating": stars,
        "title": "Great",
        "text": "It is.",
        "images": [],
        "asin": f"V{item[1:]}",
        "parent_asin": item,
        "user_id": user,
        "timestamp": time * 1000 + 7,
        "helpful_vote": 0,
        "verified_purchase": True,
    }


MET = [(ANN, ALIEN, 5.0, 1_252_800_000), (BEN, ALIEN, 2.0, 1_252_700_000)]
MET += [(ANN, HEAT, 4.0, 1_252_600_000), (BEN, BARE, 1.0, 1_252_900_000)]

PRODUCTS_2014 = [
    {
        "asin": ALIEN,
        "title": "Alien &amp; Others",
        "price": 9.5,
        "related": {"also_bought": [HEAT]},
        "salesRank": {"Music": 7},
        "brand": "",
        "categories": [["CDs & Vinyl", "Soundtracks"], ["CDs & Vinyl", "Rock", "O'Rock"]],
    },
    {"asin": HEAT, "categories": [["CDs & Vinyl"]], "imUrl": "http://example.org"},
    {"asin": "B00000NEVER", "title": "Never rated", "categories": []},
]
PRODUCTS_2018 = [
    {
        "asin": ALIEN,
        "category": ["CDs & Vinyl", "Soundtracks", '<span class="a-size'],
        "title": "Alien",
        "brand": "Jerry Goldsmith",
        "also_buy": [HEAT],
        "details": {},
    },
    {"asin": HEAT, "category": [], "title": "var aPageStart = (new Date()).getTime();"},
    {"asin": ALIEN, "category": [], "title": "Alien again"},
]
PRODUCTS_2023 = [
    {
        "main_category": "Digital Music",
        "title": "Alien",
        "average_rating": 4.5,
        "rating_number": 12,
        "features": [],
        "description": [],
        "price": None,
        "images": [],
        "store": "Jerry Goldsmith Format: Audio CD",
        "categories": ["CDs & Vinyl", "Soundtracks"],
        "details": {"Label": "Varèse", "Number of discs": "1"},
        "parent_asin": ALIEN,
        "bought_together": None,
    },
    {"title": None, "store": None, "categories": [], "details": "{\"Label\": \"WB\"}"}
    | {"parent_asin": HEAT},
]  # fmt: skip


def lines(records: Any, dump: Callable[[Any], str] = json.dumps) -> bytes:
    return "".join(f"{dump(record)}\n" for record in records).encode()


def load(path: Path, **settings: Any) -> Dataset:
    return Amazon(Amazon.Config(path=path, **settings)).load()


@pytest.fixture
def of_2014(tmp_path: Path) -> Path:
    reviews = lines(review(*met) for met in MET)
    (tmp_path / "reviews_CDs_and_Vinyl_5.json.gz").write_bytes(gzip.compress(reviews))
    products = gzip.compress(lines(PRODUCTS_2014, repr))
    (tmp_path / "meta_CDs_and_Vinyl.json.gz").write_bytes(products)
    return tmp_path


@pytest.fixture
def of_2018(tmp_path: Path) -> Path:
    reviews = lines({"verified": True, "style": {"Format:": " CD"}} | review(*met) for met in MET)
    (tmp_path / "CDs_and_Vinyl_5.json.gz").write_bytes(gzip.compress(reviews))
    products = gzip.compress(lines(PRODUCTS_2018))
    (tmp_path / "meta_CDs_and_Vinyl.json.gz").write_bytes(products)
    return tmp_path


@pytest.fixture
def of_2023(tmp_path: Path) -> Path:
    reviews = lines(new_review(*met) for met in MET)
    (tmp_path / "CDs_and_Vinyl.jsonl").write_bytes(reviews)
    (tmp_path / "meta_CDs_and_Vinyl.jsonl.gz").write_bytes(gzip.compress(lines(PRODUCTS_2023)))
    return tmp_path


def met(dataset: Dataset) -> list[tuple[str, str, float, int]]:
    log = dataset.log
    return [
        (dataset.users[user].id, dataset.items[item].id, stars, time)
        for user, item, stars, time in zip(*(column.tolist() for column in log), strict=True)
    ]


@pytest.mark.parametrize("edition", ["of_2014", "of_2018", "of_2023"])
def test_every_edition_is_recognised_and_says_the_same(
    edition: str, request: pytest.FixtureRequest
) -> None:
    place = request.getfixturevalue(edition)
    name, settings = detect(place)
    assert name == "amazon"
    found, config = configure("datasets", {"use": name, **settings}, "data")
    dataset = found(config).load()
    assert dataset.name == "CDs_and_Vinyl"
    scale, rest = (1000, 7) if edition == "of_2023" else (1, 0)
    expected = [(*m[:3], m[3] * scale + rest) for m in sorted(MET, key=lambda m: m[3])]
    assert met(dataset) == expected


def test_products_of_2014_are_literals_of_python(of_2014: Path) -> None:
    alien, heat, bare = load(of_2014).items
    assert alien.title == "Alien & Others"
    assert alien.attributes == {"category": ("Soundtracks", "Rock", "O'Rock")}
    assert (heat.title, heat.attributes) == (f"Untitled ({HEAT})", {})
    assert bare.title == BARE


def test_literals_are_read_without_running_anything(tmp_path: Path) -> None:
    assert parsed(b"{'asin': 'x', 'price': 1.5}") == {"asin": "x", "price": 1.5}
    gone = tmp_path / "gone"
    assert parsed(f"{{'a': open({str(gone)!r}, 'w')}}".encode()) is None
    assert not gone.exists()
    for line in (b"{" * 5_000, b"[" * 200_000, b"{'a': " * 3_000, b"[1]", b"7", b"{'a': \xff}"):
        assert parsed(line) is None


def test_what_scraping_left_in_2018_is_no_title_and_a_second_description_does_not_count(
    of_2018: Path,
) -> None:
    dataset = load(of_2018)
    alien, heat, _ = dataset.items
    assert alien.attributes == {"category": ("Soundtracks",), "brand": ("Jerry Goldsmith",)}
    assert (alien.title, heat.title) == ("Alien", f"Untitled ({HEAT})")
    again = "meta_CDs_and_Vinyl.json.gz: items described again (the first counts)"
    assert dataset.notes == {
        again: 1,
        "items that no metadata describe (titled by ids)": 1,
    }


def test_products_of_2023_have_a_store_and_the_details_one_asks_for(of_2023: Path) -> None:
    alien, heat, _ = load(of_2023, details={"label": "Label"}).items
    assert alien.attributes == {
        "category": ("Soundtracks",),
        "store": ("Jerry Goldsmith Format: Audio CD",),
        "label": ("Varèse",),
    }
    assert heat.attributes == {"label": ("WB",)}


def test_variants_can_be_items_of_their_own(of_2023: Path) -> None:
    ids = {item.id for item in load(of_2023, item="asin").items}
    assert ids == {f"V{item[1:]}" for _, item, *_ in MET}


def test_items_without_a_description_can_be_dropped_with_whoever_met_nothing_else(
    of_2018: Path,
) -> None:
    with (of_2018 / "extra.json").open("wb") as file:
        file.write(
            lines([*(review(*m) for m in MET), review("A1ONLYBARE1234", BARE, 3, MET[0][3])])
        )
    meta = "meta_CDs_and_Vinyl.json.gz"
    settings = {"reviews": "extra.json", "metadata": meta, "untitled": "drop"}
    dataset = load(of_2018, **settings)
    assert [item.id for item in dataset.items] == [ALIEN, HEAT]
    assert [user.id for user in dataset.users] == [ANN, BEN]
    assert len(dataset.log.users) == 3
    assert dataset.notes["items that no metadata describe (dropped with their ratings)"] == 1


@pytest.mark.parametrize(("given", "unrated"), [(0, 0), (None, "blank"), ("", "blank"), (1, 1)])
def test_values_that_say_that_there_is_no_rating_can_be_named(
    of_2018: Path, given: Any, unrated: Any
) -> None:
    records = [review(*MET[0]), review(BEN, ALIEN, given, MET[1][3])]
    (of_2018 / "extra.json").write_bytes(lines(records))
    ratings = load(of_2018, reviews="extra.json", unrated=unrated, liked_from=5).log.ratings
    assert np.isnan(ratings[0]) and ratings[1] == 5.0
    if given != 1:
        with pytest.raises(DataError, match="line 2: the rating is not 1 to 5 stars"):
            load(of_2018, reviews="extra.json")


def test_a_setting_that_would_do_nothing_is_refused(of_2018: Path) -> None:
    with pytest.raises(ConfigError, match="unknown"):
        configure("datasets", {"use": "amazon", "unknown": "drop"}, "data")


def test_the_catalogue_can_hold_what_nobody_rated(of_2014: Path) -> None:
    assert len(load(of_2014, full_catalogue=True).items) == 4
    assert len(load(of_2014).items) == 3


def test_who_rates_again_changed_her_mind(tmp_path: Path) -> None:
    twice = [review(ANN, ALIEN, 1.0, 10), review(BEN, ALIEN, 3.0, 10), review(ANN, ALIEN, 5.0, 20)]
    (tmp_path / "Music.json").write_bytes(lines(twice))
    dataset = load(tmp_path)
    assert met(dataset) == [(BEN, ALIEN, 3.0, 10), (ANN, ALIEN, 5.0, 20)]
    assert dataset.notes["ratings of an item again (the last counts)"] == 1
    assert met(load(tmp_path, duplicates="first"))[0] == (ANN, ALIEN, 1.0, 10)
    with pytest.raises(DataError, match=r"Music.json, line 3: user .* again, first on line 1"):
        load(tmp_path, duplicates="error")


CSV_2014 = [f"{user},{item},{stars},{time}" for user, item, stars, time in MET]
CSV_2018 = [f"{item},{user},{stars},{time}" for user, item, stars, time in MET]
CSV_2023 = ["user_id,parent_asin,rating,timestamp", *CSV_2014]


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("ratings_CDs_and_Vinyl.csv", CSV_2014),
        ("CDs_and_Vinyl.csv", CSV_2018),
        ("CDs_and_Vinyl.csv.gz", CSV_2023),
    ],
)
def test_ratings_only_are_told_apart_by_their_ids(
    name: str, rows: list[str], tmp_path: Path
) -> None:
    data = "\n".join(rows).encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    assert detect(tmp_path) == ("amazon", {"path": str(tmp_path), "reviews": name})
    dataset = load(tmp_path)
    assert dataset.name == "CDs_and_Vinyl"
    assert met(dataset) == sorted(MET, key=lambda m: m[3])


def test_columns_that_cannot_be_told_apart_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "ratings_X.csv").write_text("A234567890,B234567890,5.0,100\n")
    with pytest.raises(DataError, match="do not tell which column is the user"):
        load(tmp_path)
    named = load(tmp_path, columns=["item", "user", "rating", "time"])
    assert named.users[0].id == "B234567890"
    with pytest.raises(ConfigError, match="must name each of user, item, rating, time once"):
        configure("datasets", {"use": "amazon", "columns": ["item", "user"]}, "data")


def changed(**fields: Any) -> str:
    """A review with other fields; without those that are None."""
    record = review(*MET[0]) | fields
    return json.dumps({key: value for key, value in record.items() if value is not None})


BAD = [
    ("{not json", "this is no JSON object"),
    ("[1, 2]", "this is no JSON object"),
    (changed(overall=None), "there is no overall"),
    (changed(overall=6), "the rating is not 1 to 5 stars, got '6'"),
    (changed(overall=[]), "the rating is not 1 to 5 stars, got '[]'"),
    (changed(overall=True), "the rating is not 1 to 5 stars, got 'True'"),
    (changed(overall=float("nan")), "the rating is not 1 to 5 stars, got 'nan'"),
    (changed(asin=" "), "the item id is missing"),
    (changed(asin=7), "the item id is missing"),
    (changed(reviewerID="a\x00b"), "the user id holds control characters"),
    (changed(unixReviewTime="soon"), "the time is no time, got 'soon'"),
    (changed(unixReviewTime=-5), "the time is no time, got '-5'"),
]


@pytest.mark.parametrize(("line", "reason"), BAD, ids=[reason for _, reason in BAD])
def test_a_bad_line_is_named_or_counted(line: str, reason: str, tmp_path: Path) -> None:
    good = lines([review(*met) for met in MET])
    (tmp_path / "X_5.json").write_bytes(good + line.encode() + b"\n")
    with pytest.raises(DataError) as caught:
        load(tmp_path)
    assert f"X_5.json, line 5: {reason}" in caught.value.message
    assert "data.bad_lines=skip" in caught.value.hint
    dataset = load(tmp_path, bad_lines="skip")
    assert len(dataset.log.users) == 4
    assert [count for note, count in dataset.notes.items() if "first on line 5" in note] == [1]


def test_a_row_of_another_width_is_a_bad_line(tmp_path: Path) -> None:
    (tmp_path / "ratings_X.csv").write_text("\n".join([*CSV_2014, "A,B,1"]))
    with pytest.raises(DataError, match="line 5: 3 fields where 4 were expected"):
        load(tmp_path)
    notes = load(tmp_path, bad_lines="skip").notes
    assert notes["ratings_X.csv: 3 fields where 4 were expected (first on line 5)"] == 1


def test_a_file_of_nothing_but_bad_lines_is_no_data(tmp_path: Path) -> None:
    (tmp_path / "X.json").write_text('{"a": 1}\n' * 3)
    with pytest.raises(
        DataError, match=r"none of its lines is a review; line 1 of .*: there is no"
    ):
        load(tmp_path, reviews="X.json", bad_lines="skip")
    (tmp_path / "Y.json").write_text("")
    with pytest.raises(DataError, match=r"Y.json is empty"):
        load(tmp_path, reviews="Y.json")


def test_bad_metadata_are_named_too(of_2014: Path) -> None:
    (of_2014 / "meta.json").write_text("{'asin': 'x'}\n{'title': 'no id'}\nnonsense\n")
    with pytest.raises(DataError, match=r"meta.json, line 2: there is no asin"):
        load(of_2014, metadata="meta.json")
    notes = load(of_2014, metadata="meta.json", bad_lines="skip").notes
    assert notes["meta.json: this is no JSON object (first on line 3)"] == 1


def test_a_folder_of_several_categories_asks_which(of_2014: Path) -> None:
    (of_2014 / "ratings_Books.csv").write_text("\n".join(CSV_2014))
    with pytest.raises(DataError, match=r"several files .*: ratings_Books.csv, reviews_CDs"):
        load(of_2014)
    assert detect(of_2014 / "ratings_Books.csv")[1]["reviews"] == "ratings_Books.csv"
    assert load(of_2014, reviews="ratings_Books.csv").name == "Books"
    with pytest.raises(DataError, match=r"holds no Music\.json"):
        load(of_2014, reviews="Music.json")


def test_other_json_is_nothing_of_amazons(tmp_path: Path) -> None:
    for name, text in (("a.json", '{"name": 1}'), ("b.jsonl", ""), ("c.csv", "1,2,3,4\n")):
        (tmp_path / name).write_text(text)
        assert kind_of(tmp_path / name) is None
    with pytest.raises(DataError, match=r"is in no known format|has no header"):
        detect(tmp_path)
    with pytest.raises(DataError, match=r"no reviews of Amazon's; found: a.json, b.jsonl, c.csv"):
        load(tmp_path)


def test_a_long_log_keeps_its_order_and_its_stars(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pairs = rng.choice(300 * 200, size=5_000, replace=False)
    stars = rng.integers(1, 6, size=5_000)
    with gzip.open(tmp_path / "X.json.gz", "wb", compresslevel=1) as file:
        for n, (pair, given) in enumerate(zip(pairs.tolist(), stars.tolist(), strict=True)):
            user, item = f"A{pair // 200:013d}", f"B{pair % 200:09d}"
            file.write(lines([review(user, item, float(given), n // 3)]))
    dataset = load(tmp_path)
    assert dataset.log.ratings.tolist() == stars.tolist()
    assert [dataset.users[user].id for user in dataset.log.users[:2].tolist()] == [
        f"A{pair // 200:013d}" for pair in pairs[:2].tolist()
    ]
