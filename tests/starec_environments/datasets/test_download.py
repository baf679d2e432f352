"""Downloads arrive whole and right, or not at all."""

import functools
import hashlib
import http.server
import io
import threading
import urllib.error
import zipfile
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from starec_environments.datasets.download import ARCHIVES, Archive, fetch
from starec_sim.errors import DataError, DeprecatedKeyWarning


def zipped(members: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


DATA = zipped({"ml-mini/u.data": "1\t1\t5\t0\n" * 50_000, "ml-mini/sub/README": "hello"})


def archives(url: str, data: bytes = DATA, **more: Any) -> dict[str, Archive]:
    return {"ml-mini": Archive(url, hashlib.md5(data).hexdigest(), "ml-mini", **more)}


class Response(io.BytesIO):
    """What urlopen returns, without a network."""

    def __init__(self, data: bytes, length: int | None) -> None:
        super().__init__(data)
        self.headers = Message()
        if length is not None:
            self.headers["Content-Length"] = str(length)


def serving(data: bytes, length: int | None = None) -> Any:
    return lambda url: Response(data, length)


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    root = tmp_path / "served"
    root.mkdir()
    (root / "ml-mini.zip").write_bytes(DATA)
    handler = functools.partial(Quiet, directory=str(root))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_address[1]}/ml-mini.zip"
        httpd.shutdown()
        thread.join()


def test_an_archive_is_downloaded_checked_and_unpacked(server: str, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    into = tmp_path / "data"
    found = fetch(
        "ml-mini",
        into,
        archives=archives(server),
        progress=lambda done, total: seen.append((done, total)),
    )
    assert found == into / "ml-mini"
    assert (found / "sub" / "README").read_text() == "hello"
    assert seen[-1] == (len(DATA), len(DATA))
    assert [entry.name for entry in into.iterdir()] == ["ml-mini"]


def test_what_is_there_is_not_downloaded_again(tmp_path: Path) -> None:
    (tmp_path / "ml-mini").mkdir()

    def never(url: str) -> Any:
        raise AssertionError("asked the network")

    assert fetch("ml-mini", tmp_path, never, archives=archives("x")) == tmp_path / "ml-mini"


def test_an_archive_put_there_by_hand_is_used(tmp_path: Path) -> None:
    (tmp_path / "ml-mini.zip").write_bytes(DATA)
    assert (fetch("ml-mini", tmp_path, archives=archives("x")) / "u.data").is_file()


@pytest.mark.parametrize(
    "error",
    [urllib.error.URLError("Name or service not known"), TimeoutError("timed out"), OSError("no")],
)
def test_offline_names_the_address_and_the_way_by_hand(error: Exception, tmp_path: Path) -> None:
    def offline(url: str) -> Any:
        raise error

    with pytest.raises(DataError) as caught:
        fetch("ml-mini", tmp_path, offline, archives=archives("https://example.org/m.zip"))
    assert "https://example.org/m.zip could not be downloaded" in caught.value.message
    assert str(getattr(error, "reason", error)) in caught.value.message
    assert str(tmp_path / "ml-mini.zip") in caught.value.hint
    assert not (tmp_path / "ml-mini").exists()


def test_a_missing_page_is_told(server: str, tmp_path: Path) -> None:
    gone = server.replace("ml-mini.zip", "gone.zip")
    with pytest.raises(DataError, match=r"could not be downloaded.*(404|not found)"):
        fetch("ml-mini", tmp_path / "data", archives=archives(gone))


def test_a_truncated_download_is_told_by_its_length(tmp_path: Path) -> None:
    half = DATA[: len(DATA) // 2]
    with pytest.raises(DataError, match=rf"ended after {len(half)} of {len(DATA)} bytes"):
        fetch("ml-mini", tmp_path, serving(half, len(DATA)), archives=archives("x"))
    assert not (tmp_path / "ml-mini.zip").exists()


def test_another_file_than_the_published_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"is not the published archive: its MD5 is"):
        fetch("ml-mini", tmp_path, serving(b"something else"), archives=archives("x"))
    assert not (tmp_path / "ml-mini.zip").exists()
    again = fetch("ml-mini", tmp_path, serving(DATA), archives=archives("x"))
    assert (again / "u.data").is_file()


def test_a_broken_zip_with_the_right_checksum_is_refused(tmp_path: Path) -> None:
    half = DATA[: len(DATA) // 2]
    with pytest.raises(DataError, match="cannot be unpacked"):
        fetch("ml-mini", tmp_path, serving(half), archives=archives("x", half))
    assert not (tmp_path / "ml-mini").exists()


@pytest.mark.parametrize(
    "name", ["../evil", "/etc/evil", "other/evil", "ml-mini/../../evil", "ml-mini\\..\\evil"]
)
def test_nothing_is_written_outside_the_folder(name: str, tmp_path: Path) -> None:
    evil = zipped({"ml-mini/u.data": "x", name: "evil"})
    into = tmp_path / "data"
    with pytest.raises(DataError, match="which is not a file within ml-mini/"):
        fetch("ml-mini", into, serving(evil), archives=archives("x", evil))
    assert [entry.name for entry in into.iterdir()] == ["ml-mini.zip"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["data"]


def test_links_are_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        link = zipfile.ZipInfo("ml-mini/link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    evil = buffer.getvalue()
    with pytest.raises(DataError, match="not a file within"):
        fetch("ml-mini", tmp_path, serving(evil), archives=archives("x", evil))


def test_bombs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="would unpack to 400005 bytes"):
        limits = archives("x", size_limit=100_000)
        fetch("ml-mini", tmp_path, serving(DATA), archives=limits)
    with pytest.raises(DataError, match="is larger than 10 bytes"):
        limits = archives("x", size_limit=10)
        fetch("ml-mini", tmp_path / "other", serving(DATA), archives=limits)


def test_a_misspelt_name_is_told_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(DataError, match='did you mean "movielens-100k"'):
        fetch("movielens-100", tmp_path)


def test_the_name_that_grouplens_uses_works_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "ml-100k").mkdir()
    with pytest.warns(DeprecatedKeyWarning, match="ml-100k is now called movielens-100k"):
        assert fetch("ml-100k", tmp_path) == tmp_path / "ml-100k"
    assert fetch("movielens-100k", tmp_path) == tmp_path / "ml-100k"


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot write to"):
        fetch("ml-mini", tmp_path / "file", serving(DATA), archives=archives("x"))


def test_the_catalogue_is_what_grouplens_publishes() -> None:
    assert {name: archive.md5 for name, archive in ARCHIVES.items()} == {
        "movielens-100k": "0e33842e24a9c977be4e0107933c0723",
        "movielens-1m": "c4d9eecfca2ab87c1945afe126590906",
    }
    assert (
        ARCHIVES["movielens-1m"].url == "https://files.grouplens.org/datasets/movielens/ml-1m.zip"
    )
