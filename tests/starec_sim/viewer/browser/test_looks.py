"""How the pages look: readable for everybody (WCAG AA, by axe), and as on the pictures here.

`UPDATE_PICTURES=1 make test-browser` draws the pictures again.
"""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import starec_sim

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
FRONTEND = Path(starec_sim.__file__).parent / "viewer" / "frontend"
AXE = FRONTEND / "node_modules" / "axe-core" / "axe.min.js"
PICTURES = Path(__file__).parent / "pictures"
VIEWS = {
    "runs": "runs",
    "run": "run/feed",
    "people": "run/feed/people?arm=loop&seed=3",
    "person": "run/feed/person/u1?arm=loop&seed=3",
    "step": "run/feed/step/u2/2/1?arm=loop&seed=3",
    "population": "run/feed/population?arm=loop&seed=3",
    "training": "run/learned/training?step=1",
    "compare": "compare?a=feed&b=feed&arm_a=loop&arm_b=random&user=u1&round=2&step=1",
    "ask": "run/feed/ask/u2/2/1",
    "notes": "run/feed/notes",
    "search": "run/feed/search?q=watch",
    "ranking": "run/ranking/step/u3/2/1",
    "error": "run/feed/person/u22",
}
DRAWN = ("person", "step", "population", "compare")
"""Views without times and durations, which are others in each run."""
THEMES = ("light", "dark")
BLOCK, DIFFERENT, MOST = 8, 24, 0.02
"""A picture differs if more than this share of its blocks (in pixels) are that much lighter or
darker, from 0 to 255, on average."""


LETTERS = """() => {
    const pen = document.createElement("canvas").getContext("2d");
    pen.font = `100px ${getComputedStyle(document.body).fontFamily}`;
    return pen.measureText("hamburgefonstiv").width;
}"""
DEJAVU = 851.3
"""How wide these letters are in DejaVu Sans."""


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("name", VIEWS)
def test_a_page_can_be_read_by_everybody(open_page, name, theme):
    if not AXE.is_file():
        pytest.skip(f"axe-core is not installed; run: npm ci --prefix {FRONTEND}")
    page = open_page(VIEWS[name], theme)
    folded = "details:not(.menu)"
    page.eval_on_selector_all(folded, "all => all.forEach(each => (each.open = true))")
    assert violations(page) == []


def test_what_nobody_can_read_is_found(open_page):
    page = open_page(VIEWS["runs"])
    page.evaluate("document.querySelector('main h1').style.color = '#ddd'")
    assert [name for name, _ in violations(page)] == ["color-contrast"]


def violations(page):
    """Return what axe finds on a page: its rules and the first element that breaks each."""
    if not AXE.is_file():
        pytest.skip(f"axe-core is not installed; run: npm ci --prefix {FRONTEND}")
    page.evaluate(AXE.read_text("utf-8"))
    rules = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
    found = page.evaluate("rules => axe.run(document, rules)", rules)
    return [(each["id"], each["nodes"][0]["html"][:200]) for each in found["violations"]]


@pytest.mark.parametrize("width", [1280, 1920])
def test_no_page_is_wider_than_the_window(open_page, width):
    page = open_page(VIEWS["runs"])
    page.set_viewport_size({"width": width, "height": 800})
    wide = []
    for name, view in VIEWS.items():
        page.goto(page.url.split("#")[0] + f"#/{view}")
        page.locator("main h1").first.wait_for()
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            wide.append(name)
    assert wide == []


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("name", DRAWN)
def test_a_page_looks_as_on_its_picture(open_page, update, name, theme):
    page = open_page(VIEWS[name], theme)
    drawn = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    file = PICTURES / f"{name}-{theme}.png"
    if update:
        drawn.quantize(64, dither=Image.Dither.NONE).save(file, optimize=True)
    if abs(page.evaluate(LETTERS) - DEJAVU) > 1:
        pytest.skip("the pictures were drawn with DejaVu Sans, which this browser does not choose")
    with Image.open(file) as kept:
        assert drawn.size == kept.size
        different = np.abs(blocks(drawn) - blocks(kept)) > DIFFERENT
    share = different.mean()
    if share > MOST:
        drawn.save(file.with_suffix(".now.png"))
    assert share <= MOST, f"{share:.1%} of {file.name} differ; see {file.stem}.now.png beside it"


def test_a_shifted_page_does_not_look_as_on_its_picture():
    with Image.open(PICTURES / f"{DRAWN[0]}-light.png") as kept:
        whole = kept.convert("RGB")
    shifted = Image.new("RGB", whole.size, "white")
    shifted.paste(whole, (0, 24))
    assert (np.abs(blocks(shifted) - blocks(whole)) > DIFFERENT).mean() > MOST


def test_the_pictures_are_small():
    sizes = [file.stat().st_size for file in PICTURES.glob("*.png")]
    assert len(sizes) == len(DRAWN) * len(THEMES) and sum(sizes) < 400_000


def blocks(picture):
    """Return how light each block of a picture is."""
    grey = np.asarray(picture.convert("L"), dtype=float)
    rows, columns = (size // BLOCK for size in grey.shape)
    cut = grey[: rows * BLOCK, : columns * BLOCK]
    return cut.reshape(rows, BLOCK, columns, BLOCK).mean(axis=(1, 3))
