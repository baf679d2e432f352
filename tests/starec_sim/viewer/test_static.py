"""The built pages of `starec view`, as they are committed."""

import re
from pathlib import Path

import pytest

import starec_sim

VIEWER = Path(starec_sim.__file__).parent / "viewer"
STATIC = VIEWER / "static"
SOURCES = sorted((VIEWER / "frontend" / "src").rglob("*.ts*"))


def test_the_built_pages_are_three_files_of_at_most_300_kb() -> None:
    assert sorted(file.name for file in STATIC.iterdir()) == ["app.css", "app.js", "index.html"]
    assert sum(file.stat().st_size for file in STATIC.iterdir()) <= 300_000


def test_the_page_has_no_script_or_style_of_its_own_and_loads_nothing_from_elsewhere() -> None:
    page = (STATIC / "index.html").read_text()
    assert re.findall(r"<script[^>]*>([^<]*)</script>", page) == [""]
    assert "<style" not in page
    assert re.findall(r'(?:src|href)="([^"]*)"', page) == ["data:,", "./app.js", "./app.css"]
    assert "url(" not in (STATIC / "app.css").read_text()


@pytest.mark.parametrize("name", ["app.js", "app.css"])
def test_no_source_map_is_named(name: str) -> None:
    assert "sourceMappingURL" not in (STATIC / name).read_text()


@pytest.mark.skipif(not SOURCES, reason="an installed package has no sources of its pages")
def test_no_source_shows_text_as_markup() -> None:
    for file in SOURCES:
        written = re.findall(
            r"dangerouslySetInnerHTML|innerHTML|insertAdjacentHTML|\beval\(", file.read_text()
        )
        assert not written, file.name
