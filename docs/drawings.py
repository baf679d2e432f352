"""Draw the pictures of docs/architecture.md: boxes and arrows, as SVG without fonts from elsewhere.

Usage: python docs/drawings.py
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

PICTURES = Path(__file__).resolve().parent / "pictures"
FONTS = "system-ui, Helvetica, Arial, sans-serif"
LINE = 17
"""Height of a line of text."""

BLUE, GREEN, YELLOW, GREY = "#dbe9f6", "#dff0d8", "#fdf1cc", "#eeeeee"


class Box(NamedTuple):
    """A box with a title and lines of text; its place and size in pixels."""

    x: int
    y: int
    width: int
    height: int
    title: str
    lines: Sequence[str] = ()
    colour: str = GREY


class Arrow(NamedTuple):
    """An arrow through two or more points, with a text beside it."""

    points: Sequence[tuple[int, int]]
    text: str = ""
    at: tuple[int, int] = (0, 0)
    both: bool = False


RUN = (
    [
        Box(20, 20, 180, 76, "experiment.yaml", ("data, environment,", "agent, policies, arms")),
        Box(260, 20, 180, 76, "Experiment", ("resolve(): one arm for", "each variant")),
        Box(500, 20, 180, 76, "Builder", ("builds what an arm", "names, each once")),
        Box(740, 20, 200, 76, "Trials", ("every arm with every seed,", "one after the other")),
        Box(20, 150, 920, 300, "Simulation: one trial, round by round", (), "#ffffff"),
        Box(40, 190, 880, 150, "play_round(): nothing changes but the stored turns", (), BLUE),
        Box(60, 222, 190, 96, "begin_round", ("the environment says", "who visits")),
        Box(
            300,
            222,
            330,
            96,
            "visits, many at once",
            ("observe -> fast -> respond ->", "gate -> slow -> remember", "(the agent's graph)"),
        ),
        Box(700, 222, 200, 96, "Gateway", ("record, replay, cache,", "limits, budget, retries")),
        Box(40, 352, 880, 84, "commit(): the round happens", (), GREEN),
        Box(60, 380, 330, 44, "environment.end_round(visits)"),
        Box(470, 380, 430, 44, "Recorder.commit_round: one transaction"),
        Box(20, 500, 280, 76, "run.sqlite", ("visits, steps, turns,", "memories, metrics"), YELLOW),
        Box(
            380, 500, 300, 76, "Readers", ("read_run, starec show, report, plot,", "export, replay")
        ),
        Box(760, 500, 180, 76, "policies", ("nano, local, openai,", "lexical, reasoner")),
    ],
    [
        Arrow([(200, 58), (256, 58)]),
        Arrow([(440, 58), (496, 58)]),
        Arrow([(680, 58), (736, 58)]),
        Arrow([(840, 96), (840, 146)]),
        Arrow([(250, 270), (296, 270)]),
        Arrow([(630, 270), (696, 270)], "ask", (650, 262), both=True),
        Arrow([(390, 402), (466, 402)]),
        Arrow([(480, 424), (480, 470), (160, 470), (160, 496)]),
        Arrow([(300, 538), (376, 538)]),
        Arrow([(900, 270), (932, 270), (932, 470), (850, 470), (850, 496)]),
    ],
    (960, 600),
)

TRAINING = (
    [
        Box(20, 40, 140, 84, "1  play", ("play_round()", "with the policy"), BLUE),
        Box(180, 40, 140, 84, "2  collect", ("rollouts: answers", "with rewards"), BLUE),
        Box(340, 40, 140, 84, "3  save", ("rollouts to disk,", "before the commit"), YELLOW),
        Box(500, 40, 140, 84, "4  commit", ("the round,", "one transaction"), GREEN),
        Box(660, 40, 140, 84, "5  learn", ("grpo_step()", "on the rollouts"), BLUE),
        Box(820, 40, 140, 84, "6  publish", ("the new weights", "to the policy"), GREEN),
    ],
    [
        *(Arrow([(160 * n, 82), (160 * n + 16, 82)]) for n in range(1, 6)),
        Arrow([(890, 124), (890, 168), (90, 168), (90, 128)], "the next step", (450, 160)),
    ],
    (980, 190),
)


def draw(boxes: Sequence[Box], arrows: Sequence[Arrow], size: tuple[int, int]) -> str:
    """Return the picture."""
    width, height = size
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'font-family="{FONTS}" font-size="14">',
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" '
        'markerHeight="8" orient="auto-start-reverse"><path d="M0 0L8 4L0 8z" fill="#555"/>'
        "</marker></defs>",
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        *map(_box, boxes),
        *map(_arrow, arrows),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _box(box: Box) -> str:
    middle = box.x + box.width // 2
    has_boxes_inside = box.height > 76 and not box.lines
    first = box.y + 20 if has_boxes_inside else _first_line(box)
    texts = [f'<text x="{middle}" y="{first}" font-weight="bold">{escape(box.title)}</text>']
    texts += [
        f'<text x="{middle}" y="{first + LINE * number}" fill="#444">{escape(line)}</text>'
        for number, line in enumerate(box.lines, 1)
    ]
    return (
        f'<rect x="{box.x}" y="{box.y}" width="{box.width}" height="{box.height}" rx="6" '
        f'fill="{box.colour}" stroke="#888"/><g text-anchor="middle">{"".join(texts)}</g>'
    )


def _first_line(box: Box) -> int:
    """Return where the title stands so that all lines are in the middle of the box."""
    return box.y + (box.height - LINE * len(box.lines)) // 2 + 5


def _arrow(arrow: Arrow) -> str:
    points = " ".join(f"{x},{y}" for x, y in arrow.points)
    start = ' marker-start="url(#head)"' if arrow.both else ""
    line = (
        f'<polyline points="{points}" fill="none" stroke="#555" stroke-width="1.5"'
        f'{start} marker-end="url(#head)"/>'
    )
    x, y = arrow.at
    return line + (f'<text x="{x}" y="{y}" fill="#444">{escape(arrow.text)}</text>' * bool(x))


if __name__ == "__main__":
    for name, (boxes, arrows, size) in {"run-flow": RUN, "training-flow": TRAINING}.items():
        (PICTURES / f"{name}.svg").write_text(draw(boxes, arrows, size))
