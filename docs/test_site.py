"""The built documentation site fetches nothing from the network, and has a reference.

`make docs` runs these tests after `docs/build_site.py` has built the site strictly.
"""

import re
from pathlib import Path

import pytest

from starec_sim.plugins import registered

ROOT = Path(__file__).resolve().parents[1]
FETCHED = re.compile(
    r"<(?:script|img|iframe|source|link)\b[^>]*?\b(?:src|href)=[\"']?(?:https?:)?//[^>]*>"
    r"|url\([\"']?(?:https?:)?//[^)]*\)|@import[^;]*//[^;]*;"
)


@pytest.fixture(scope="module")
def site():
    return ROOT / "build" / "site"


def test_no_page_fetches_anything_from_the_network(site):
    pages = [path for ending in ("html", "css") for path in site.rglob(f"*.{ending}")]
    assert len(pages) > 20
    assert {
        page.name: found for page in pages if (found := FETCHED.findall(page.read_text()))
    } == {}


def test_what_would_be_fetched_is_recognised():
    for text in (
        '<script src="https://unpkg.com/iframe-worker/shim"></script>',
        '<link rel="stylesheet" href="//fonts.example/inter.css">',
        '<img alt="" src=http://example.org/a.png>',
        "@font-face { src: url(https://example.org/a.woff2) }",
        '@import "https://example.org/a.css";',
    ):
        assert FETCHED.search(text), text
    assert not FETCHED.search('<a href="https://arxiv.org/abs/2508.18812">the paper</a>')


def test_the_reference_shows_signatures_and_docstrings(site):
    shown = {
        "python": ("run", "resume", "read_run", "progress_display", "StarecError"),
        "plugins": ("Observation", "Decision", "Feedback", "Environment", "Recommender"),
        "evaluation": ("evaluate", "audit", "find_table", "HoldOut", "ndcg"),
        "shipped": ("ReasonerPolicy", "NanoPolicy", "StarPrompts"),
    }
    for name, parts in shown.items():
        page = (site / "docs" / "reference" / f"{name}.html").read_text()
        for part in parts:
            assert re.search(rf'<h\d id="starec_[\w.]*\.{part}"', page), (name, part)
        assert page.count('class="doc doc-contents') > 20, name


def test_every_plugin_that_ships_has_a_table_of_its_settings(site):
    page = (site / "docs" / "reference" / "settings.html").read_text()
    for kind in ("environments", "recommenders", "datasets", "agents", "policies"):
        for name in registered(kind):
            assert f"<code>{name}</code>" in page, name
    assert "Rounds between two refits on what users did" in page
    assert "<code>gate.when</code>" in page and "settings of the plug-ins" not in page


def test_the_start_page_is_the_readme(site):
    start = (site / "index.html").read_text()
    assert "<h1" in start
    assert 'href="experiments/00_demo/' in start
