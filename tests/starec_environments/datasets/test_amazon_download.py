"""A category arrives as ratings and products, checked for what can be checked."""

import gzip
import io
import urllib.error
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from starec_environments.datasets.amazon_download import EDITIONS, SUMS
from starec_environments.datasets.detect import detect
from starec_environments.datasets.download import fetch
from starec_sim.errors import DataError

RATINGS = b"B000001ABC,A2SUAM1J3GNN3B,5.0,1252800000\n"
PRODUCTS = gzip.compress(b'{"asin": "B000001ABC", "title": "Alien"}\n')


class Web:
    """Serves what it was given, and remembers what was asked for."""

    def __init__(self, **files: bytes) -> None:
        self.files = {"ratings": RATINGS, "products": PRODUCTS} | files
        self.asked: list[str] = []

    def __call__(self, url: str) -> Any:
        self.asked.append(url)
        data = self.files["products" if "meta_" in url else "ratings"]
        if not data:
            raise urllib.error.HTTPError(url, 404, "Not Found", Message(), None)
        response = io.BytesIO(data)
        response.headers = Message()  # type: ignore[attr-defined]
        response.headers["Content-Length"] = str(len(data))  # type: ignore[attr-defined]
        return response


def test_a_category_arrives_and_can_be_read(tmp_path: Path) -> None:
    web = Web()
    folder = fetch("amazon-2018/CDs_and_Vinyl", tmp_path, web)
    assert folder == tmp_path / "amazon-2018-CDs_and_Vinyl"
    assert web.asked == [
        f"https://mcauleylab.ucsd.edu/public_datasets/data/amazon_v2/{path}"
        for path in (
            "categoryFilesSmall/CDs_and_Vinyl.csv",
            "metaFiles2/meta_CDs_and_Vinyl.json.gz",
        )
    ]
    assert detect(folder)[0] == "amazon"
    names = [line.split("  ") for line in (folder / SUMS).read_text().splitlines()]
    assert [len(sum) for sum, _ in names] == [64, 64]
    assert [name for _, name in names] == ["CDs_and_Vinyl.csv", "meta_CDs_and_Vinyl.json.gz"]
    assert fetch("amazon-2018/CDs_and_Vinyl", tmp_path, None) == folder  # asks nobody again


def test_what_came_is_kept_when_the_rest_does_not(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"meta_X.json.gz could not be downloaded.*Not Found"):
        fetch("amazon-2014/X", tmp_path, Web(products=b""))
    assert not (tmp_path / "amazon-2014-X").exists()
    again = Web()
    fetch("amazon-2014/X", tmp_path, again)
    assert [url.rsplit("/", 1)[1] for url in again.asked] == ["meta_X.json.gz"]


def test_a_page_that_says_sorry_is_not_taken_for_data(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"X\.csv holds nothing known, not ratings"):
        fetch("amazon-2018/X", tmp_path, Web(ratings=b"<html>moved</html>"))
    assert (fetch("amazon-2018/X", tmp_path, Web()) / "X.csv").read_bytes() == RATINGS


@pytest.mark.parametrize(
    "name", ["amazon-2018", "amazon-2018/", "amazon-2018/../x", "amazon-2019/X"]
)
def test_what_names_no_category_is_told_how_one_is_written(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="names no category") as caught:
        fetch(name, tmp_path, Web())
    assert "amazon-2018/CDs_and_Vinyl" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_every_edition_has_ratings_and_products() -> None:
    for files in EDITIONS.values():
        assert set(files) == {"ratings", "products"}
        assert all(url.startswith("https://") and url.count("{}") == 1 for url in files.values())
