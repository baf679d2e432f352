"""A browser, and runs for it: a feed with two arms, a ranking, and a training of `nano`."""

import os
import shutil
import socket
import threading
from pathlib import Path

import pytest
import uvicorn

from starec_sim.learning.train import train
from starec_sim.viewer.app import Viewer
from tests.starec_sim.viewer.conftest import keep_interview, play

NANO = {"use": "nano", "stage": "anchored"}
TRAINING = {
    "rounds": 1,
    "environment": {"use": "ranking", "candidates": 5, "choices": 3},
    "agent": {"use": "star", "gate": {"when": "never"}},
    "policies": {"fast": NANO, "slow": NANO},
    "train": {
        "method": "full",
        "grpo": {
            "steps": 2,
            "users": 3,
            "size": 3,
            "nodes": ["fast"],
            "rewards": {"tier": 1.0, "format": 0.2},
            "optimisation": {"lr": 5.0e-3},
        },
        "evaluate": {"every": 2, "share": 0.5, "users": 4, "rounds": 2},
    },
}


@pytest.fixture(scope="package")
def browser():
    reason = "Playwright is not installed; `make test-browser` installs it"
    playwright = pytest.importorskip("playwright.sync_api", reason=reason)
    installed = shutil.which("chromium") or shutil.which("chromium-browser")
    with playwright.sync_playwright() as tool:
        path = installed or tool.chromium.executable_path
        if not Path(path).is_file():
            pytest.skip("there is no Chromium; install it, or run: playwright install chromium")
        flags = ["--no-sandbox", "--disable-gpu", "--force-color-profile=srgb"]
        started = tool.chromium.launch(executable_path=path, args=flags)
        yield started
        started.close()


@pytest.fixture(scope="package")
def folder(browser, recorded, tmp_path_factory):
    """The folder that is shown; it is made only if there is a browser."""
    runs = tmp_path_factory.mktemp("shown") / "runs"
    shutil.copytree(recorded / "feed", runs / "feed")
    keep_interview(runs / "feed")
    shutil.copytree(recorded / "ranking", runs / "ranking")
    play(runs, name="learned", **TRAINING, run=train).rename(runs / "learned")
    return runs


@pytest.fixture(scope="package")
def address(folder):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        viewer = Viewer(folder, port=listening.getsockname()[1])
        config = uvicorn.Config(viewer.app(), log_level="critical", lifespan="off")
        server = uvicorn.Server(config)
        viewer.stopping = lambda: server.should_exit
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        yield f"http://127.0.0.1:{viewer.port}/"
        server.should_exit = True
        thread.join()


def settle(page):
    """Wait until everything that the URL names is shown."""
    loading = page.locator("[aria-busy=true], :text-is('Loading …')")
    loading.first.wait_for(state="detached")


@pytest.fixture
def open_page(browser, address):
    """Return a function that opens a page; the browser must report no error on it."""
    problems, contexts = [], []

    def open_page(view, theme="light", **settings):
        size = {"width": 1280, "height": 800}
        context = browser.new_context(
            viewport=size, color_scheme=theme, reduced_motion="reduce", **settings
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "console",
            lambda said: (
                problems.append(said.text)
                # What does not exist is asked for on purpose.
                if said.type == "error" and not said.text.startswith("Failed to load resource")
                else None
            ),
        )
        page.goto(f"{address}#/{view}")
        page.locator("main h1").first.wait_for()
        settle(page)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert problems == []


@pytest.fixture
def update():
    """Whether reference pictures are written anew."""
    return bool(os.environ.get("UPDATE_PICTURES"))
