"""Draw the pictures of docs/seeing.md from a recorded training, in a browser: `make pictures`.

The training is that of `make demo`, which takes minutes; a recorded one can be given instead. What
the page says about u2 is looked for on the way, so that a picture which shows something else is
not drawn.

Usage: python docs/seeing_pictures.py [TRAINING]
"""

from __future__ import annotations

import shutil
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from pictures import PICTURES, make_smaller, starec_json
from playwright.sync_api import Locator, Page, expect, sync_playwright

from starec_sim.viewer.app import Viewer

SIZE = {"width": 1080, "height": 720}
VALIDATIONS = "arm_a=validation+after+0+steps&arm_b=validation+after+4+steps"


def main(given: str | None) -> None:
    """Draw the pictures."""
    with tempfile.TemporaryDirectory() as temporary:
        runs = Path(temporary)
        if given is None:
            words = ("--set", f"runs_dir={runs}")
            folder = Path(starec_json("train", "experiments/00_demo", *words)["run"])
        else:
            folder = Path(shutil.copytree(given, runs / Path(given).name))
        folder.rename(runs / "demo")
        with serving(runs) as address, sync_playwright() as tool:
            path = shutil.which("chromium") or tool.chromium.executable_path
            browser = tool.chromium.launch(executable_path=path, args=["--no-sandbox"])
            page = browser.new_page(viewport=SIZE, color_scheme="light")
            page.set_default_timeout(60_000)
            expect.set_options(timeout=60_000)
            draw(page, address)
            browser.close()


def draw(page: Page, address: str) -> None:
    """Follow one question from the list of runs to the gradient."""
    page.goto(f"{address}#/runs")
    page.get_by_role("link", name="demo", exact=True).first.click()
    page.get_by_role("link", name="Training").click()
    save(page.get_by_role("region", name="Before and after", exact=True), "seeing-training")

    page.goto(f"{address}#/run/demo/training?where=user:u2")
    answers = page.get_by_role("region", name="Answers before and after")
    expect(answers.locator("tbody tr").first).to_contain_text("1 → 2")
    save(answers, "seeing-answers")

    page.goto(f"{address}#/compare?a=demo&b=demo&{VALIDATIONS}&user=u2&round=1&step=1&seed=7")
    said = page.get_by_text("By taste 0, popularity 1, rating 2, together 0")
    expect(said.last).to_be_visible()
    changed = page.get_by_role("heading", name="Answer", exact=True).locator("xpath=..")
    save(changed, "seeing-compare")

    page.goto(f"{address}#/run/demo/group?step=3&group=0/2/275/0/fast")
    table = page.get_by_role("table", name="Members").locator("xpath=..")
    expect(table.locator("tbody tr")).to_have_count(8)
    save(page.locator("main"), "seeing-group", height=445)

    card = page.locator(".members .card").first
    card.get_by_role("button", name="show its tokens").click()
    expect(card.get_by_role("application")).to_contain_text("<ranking>")
    card.locator(".token", has_text="popularity").last.hover()
    save(card, "seeing-tokens")


def save(part: Locator, name: str, height: int | None = None) -> None:
    """Save a part of a page, cut at a height in pixels."""
    part.scroll_into_view_if_needed()
    file = PICTURES / f"{name}.png"
    box = part.bounding_box()
    if height is None or box is None:
        part.screenshot(path=file)
    else:
        part.page.screenshot(path=file, full_page=True, clip={**box, "height": height})
    make_smaller(file)
    print(f"{file.name}: {file.stat().st_size:,} bytes")


@contextmanager
def serving(runs: Path) -> Iterator[str]:
    """Serve the pages of a folder; yield their address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        viewer = Viewer(runs, port=listening.getsockname()[1])
        config = uvicorn.Config(viewer.app(), log_level="critical", lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{viewer.port}/"
        finally:
            server.should_exit = True
            thread.join()


if __name__ == "__main__":
    main(*sys.argv[1:] or [None])
