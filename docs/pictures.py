"""Draw the pictures of the README from small runs: `make pictures`.

- `run.png`: the plot of experiments/01_quickstart.
- `show.svg`: a round of one user in that run, as `starec show` prints it.
- `training.png`: the plot of `make demo`, here with a validation after every step.

Every run has a fixed seed. No picture has a date in it or fetches a font. The training takes a few
minutes on two cores.

Usage: python docs/pictures.py [run show training]
"""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from starec_sim.learning.plots import plot_training
from starec_sim.plot import plot_report
from starec_sim.report import summarise

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "docs" / "pictures"
WIDTH = 100
"""Of the terminal, in characters."""

FONTS = "Menlo, Consolas, DejaVu Sans Mono, Liberation Mono, monospace"
# The template of rich fetches Fira Code from the network; the reader's own fonts do.
SVG = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
SVG = SVG.replace("Fira Code, monospace", FONTS)


def main(wanted: Sequence[str]) -> None:
    """Draw the pictures that are named; all of them if none is."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder)
        if not wanted or {"run", "show"} & set(wanted):
            quickstart(runs)
        if not wanted or "training" in wanted:
            training(runs)


def quickstart(runs: Path) -> None:
    """Draw a run and a round of one user."""
    found = starec_json("run", "experiments/01_quickstart", "--set", f"runs_dir={runs}")
    folder = Path(found["run"])
    metrics = ["click_through", "satisfaction", "gini", "coverage", "taste_drift", "slow"]
    report = summarise(folder, 5, metrics)
    plot_report(report, "starec run experiments/01_quickstart", PICTURES / "run.png")
    make_smaller(PICTURES / "run.png")
    of_one_user = ("--user", "u25", "--arm", "loop", "--round", "8")
    shown = starec("show", str(folder), *of_one_user, env={"FORCE_COLOR": "1"})
    command = "starec show latest --user u25 --arm loop --round 8"
    (PICTURES / "show.svg").write_text(as_svg(shown, command))


def training(runs: Path) -> None:
    """Draw a training."""
    changes = [f"runs_dir={runs}", "train.evaluate.every=1"]
    words = [word for change in changes for word in ("--set", change)]
    found = starec_json("train", "experiments/00_demo", *words)
    title = "starec train experiments/00_demo"
    plot_training(found["steps"], title, PICTURES / "training.png")
    make_smaller(PICTURES / "training.png")
    print(json.dumps(found["changes"], indent=2))


def make_smaller(picture: Path) -> None:
    """Write a picture again with 64 colours, which is all that a plot needs."""
    with Image.open(picture) as colours:
        few = colours.convert("RGB").quantize(64, dither=Image.Dither.NONE)
    few.save(picture, optimize=True)


def as_svg(printed: str, command: str) -> str:
    """Return what a terminal shows, as a picture that needs nothing from elsewhere."""
    terminal = Console(record=True, width=WIDTH, file=io.StringIO())
    terminal.print(Text.from_ansi(printed.rstrip()))
    svg = terminal.export_svg(title=command, code_format=SVG, unique_id="show")
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"


def starec_json(*words: str) -> dict[str, Any]:
    """Run a command and return its result."""
    result: dict[str, Any] = json.loads(starec(*words, "--json"))
    return result


def starec(*words: str, env: dict[str, str] | None = None) -> str:
    """Run a command and return what it prints."""
    command = [sys.executable, "-m", "starec_sim", *words]
    here = {**os.environ, "COLUMNS": str(WIDTH), **(env or {})}
    done = subprocess.run(command, cwd=ROOT, env=here, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(done.returncode)
    return done.stdout


if __name__ == "__main__":
    main(sys.argv[1:])
