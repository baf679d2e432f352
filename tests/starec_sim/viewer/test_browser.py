"""The pages in a real browser, on recorded runs."""

import shutil
import socket
import threading

import pytest
import uvicorn

from starec_sim.viewer.app import Viewer
from starec_sim.viewer.bundle import make_bundle

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
VIEWS = {
    "runs": "Runs",
    "run/feed": "feed",
    "run/feed/people?arm=loop&seed=3&sort=people.visits&descending=true": "People",
    "run/feed/person/u2?arm=loop&seed=3": "u2",
    "run/feed/step/u2/2/1?arm=loop&seed=3": "u2, round 2, step 1",
    "run/feed/population": "Population",
    "run/training/training": "Training",
    "run/training/group?step=1&group=0/0/2/0/fast": "Group 0/0/2/0/fast",
    "compare?a=feed&b=feed&user=u2": "loop and random",
    "run/feed/ask/u2/2/1": "Ask u2 again, round 2, step 1",
    "run/feed/notes": "Notes",
    "run/feed/search?q=film": "film",
}


@pytest.fixture(scope="module")
def address(recorded):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        viewer = Viewer(recorded, port=listening.getsockname()[1])
        config = uvicorn.Config(viewer.app(), log_level="critical", lifespan="off")
        server = uvicorn.Server(config)
        viewer.stopping = lambda: server.should_exit
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        yield f"http://127.0.0.1:{viewer.port}/"
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as tool:
        started = tool.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def page(browser):
    opened = browser.new_page()
    problems = []
    opened.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
    opened.on("pageerror", lambda error: problems.append(str(error)))
    yield opened
    opened.close()
    assert problems == []


def test_each_view_shows_its_page_without_an_error(address, page):
    for view, title in VIEWS.items():
        page.goto(f"{address}#/{view}")
        heading = page.locator("main h1", has_text=title)
        heading.wait_for()
        assert page.locator("[role=alert]").count() == 0, view


def test_a_saved_page_shows_a_step_and_asks_nobody(recorded, tmp_path, page):
    file = tmp_path / "page.html"
    file.write_text(make_bundle(recorded / "feed", ["u2"]).page)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"file://{file}#/run/feed/step/u2/2/1?arm=loop&seed=3")
    page.locator("main h1", has_text="u2, round 2, step 1").wait_for()
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
