"""Files of any size, a line at a time; what is damaged is named."""

import gzip
import tracemalloc
from pathlib import Path

import pytest

from starec_environments.datasets import line_reader
from starec_environments.datasets.faults import Faults
from starec_environments.datasets.line_reader import read_lines
from starec_sim.errors import DataError
from starec_sim.progress import progress_listener


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_lines_come_with_their_numbers_and_blank_ones_do_not(pack, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(pack(b"one\r\n\n  \n four\nfive"))
    assert list(read_lines(path)) == [(1, b"one"), (4, b"four"), (5, b"five")]


def test_a_file_larger_than_memory_would_be_read_in_little(tmp_path: Path) -> None:
    path = tmp_path / "large.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(1_500):
            file.write(b"x" * 20_000 + b"\n")
    tracemalloc.start()
    try:
        count = sum(1 for _ in read_lines(path))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 1_500
    assert peak < 3_000_000  # of 30 MB


def test_the_progress_is_told_in_bytes_and_ends_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_reader, "REPORT_EVERY", 2)
    path = tmp_path / "some.json"
    path.write_bytes(b"line\n" * 100_000)
    heard: list[tuple[str, int, int]] = []
    with progress_listener(lambda *said: heard.append(said)):
        list(read_lines(path))
    assert {(what, total) for what, _, total in heard} == {("reading some.json", 500_000)}
    done = [done for _, done, _ in heard]
    assert done == sorted(done) and 0 < done[0] < 500_000 and done[-1] == 500_000


@pytest.mark.parametrize("cut", [40, -4])
def test_a_file_that_breaks_off_says_after_which_line(cut: int, tmp_path: Path) -> None:
    path = tmp_path / "file.gz"
    path.write_bytes(gzip.compress(b"".join(b"line %d\n" % n for n in range(1_000)))[:cut])
    with pytest.raises(DataError, match=r"file.gz breaks off or is damaged after line \d+"):
        list(read_lines(path))


def test_damage_within_is_found_by_the_checksum(tmp_path: Path) -> None:
    data = bytearray(gzip.compress(b"".join(b"line %d\n" % n for n in range(1_000))))
    data[-6] ^= 255
    (tmp_path / "file.gz").write_bytes(data)
    with pytest.raises(DataError, match="breaks off or is damaged"):
        list(read_lines(tmp_path / "file.gz"))


def test_a_line_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_reader, "LINE_LIMIT", 100)
    (tmp_path / "file").write_bytes(b"fine\n" + b"x" * 500)
    with pytest.raises(DataError, match="line 2: longer than 100 bytes"):
        list(read_lines(tmp_path / "file"))


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no file"):
        list(read_lines(tmp_path / "nothing"))
    with pytest.raises(DataError, match="cannot be read"):
        list(read_lines(tmp_path))


def test_faults_are_refused_or_counted_with_their_first_line() -> None:
    with pytest.raises(DataError, match=r"^log.json, line 7: the rating is wrong, got 'nine'"):
        Faults(Path("log.json"), "error").found(7, "the rating is wrong", "nine")
    faults = Faults(Path("log.json"), "skip")
    for line, reason in ((7, "no rating"), (9, "no time"), (11, "no rating")):
        faults.found(line, reason)
    assert faults.notes() == {
        "log.json: no rating (first on line 7)": 2,
        "log.json: no time (first on line 9)": 1,
    }
