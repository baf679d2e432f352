"""Write a part of a run as one page that needs no server, to mail to somebody.

The answers of the API stand in the page under their addresses. Scripts and style are in it, and its
content security policy allows these by their hashes and nothing else.
"""

from __future__ import annotations

import base64
import html
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from starec_sim.errors import RunError, StarecError
from starec_sim.runs.manifest import read_manifest
from starec_sim.runs.reader import RecordedTrial, reading
from starec_sim.traces.run_list import read_run_row
from starec_sim.traces.values import as_json
from starec_sim.viewer.answers import answer, finite, notes_of
from starec_sim.viewer.app import STATIC
from starec_sim.viewer.compact import Nodes

MAX_BYTES = 5_000_000
_ABOUT = 1_000
"""Bytes for what was left out, and for the command."""
_EXPERIENCES = 10
"""Experiences before a step that are in it, the last ones."""
_NEVER_IN_IT = (
    f"Of what somebody experienced before a step, the last {_EXPERIENCES} are in it. "
    "Search, comparisons and asking again need starec view."
)
_USERS = 50
"""People of a bundle whose users are not named."""
_LISTED = 500
"""People of the list of a bundle."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A page, and what is in it."""

    page: str
    users: tuple[str, ...]
    """Ids of the people whose steps are in it."""
    left_out: str
    """In words; empty if nothing was left out."""


def make_bundle(folder: Path, wanted: Sequence[str] = (), most: int = MAX_BYTES) -> Bundle:
    """Return a page that holds a run: its overview, and the steps of some people.

    Args:
        folder: The run.
        wanted: Ids of people; the first ones if empty.
        most: Bytes of the page. People who do not fit are left out.

    Raises:
        RunError: There is no such user, the run is damaged, or not even its overview fits.
    """
    with reading(folder) as reader:
        trials = [trial for trial in reader.trials() if trial.rounds]
        for user in wanted:
            reader.user(reader.trial(None, None), user)  # raises if there is no such user
        known = [user.id for _, user in reader.users(trials[0])] if trials else []
    users = list(dict.fromkeys(wanted)) or known[:_USERS]
    nodes, places = Nodes(), {}
    for path, value in _of_run(folder, trials):
        places[path] = nodes.add(value)
    frame = len(_page("", "")) + _ABOUT
    if nodes.size + frame > most:
        raise RunError(
            f"the overview of {folder.name} takes {nodes.size + frame:,} bytes, and a page may "
            f"have {most:,}",
            hint=f"look at it with: starec view {shlex.quote(str(folder))}",
        )
    kept: list[str] = []
    for user in users:
        before = len(nodes)
        pages = {path: nodes.add(value) for path, value in _of_user(folder, trials, user)}
        addresses = sum(len(path) + 20 for path in (*places, *pages))
        if nodes.size + addresses + frame > most:
            nodes.keep(before)
            break
        places |= pages
        kept.append(user)
    left_out = _left_out(kept, users, len(known))
    command = shlex.join(["starec", "view", str(folder)])
    about = f"{left_out} {_NEVER_IN_IT}".strip()
    places["about"] = nodes.add({"runs": [folder.name], "left_out": about, "command": command})
    return Bundle(_page(nodes.embedded(nodes.object(places)), folder.name), tuple(kept), left_out)


def _left_out(kept: Sequence[str], users: Sequence[str], known: int) -> str:
    if len(kept) == known:
        return ""
    words = f"The steps of {len(kept):,} of {known:,} people are in it"
    lost = len(users) - len(kept)
    return f"{words}; {lost:,} more did not fit." if lost else f"{words}."


def _of_run(folder: Path, trials: Sequence[RecordedTrial]) -> Iterator[tuple[str, Any]]:
    yield "api/runs", [finite(as_json(read_run_row(folder)))]
    yield _address(folder), answer(folder, "", [])
    yield _address(folder, "notes"), notes_of(folder)
    for trial in trials:
        of_trial = {"arm": trial.arm, "seed": trial.seed}
        yield _read(folder, "population", of_trial)
        listed = answer(folder, "people", [*_pairs(of_trial), ("limit", str(_LISTED))])
        yield _address(folder, "people", of_trial), listed
    if read_manifest(folder).kind == "training":
        latest = answer(folder, "training", [])
        yield _address(folder, "training"), latest
        yield _address(folder, "changes"), answer(folder, "changes", [])
        for step in sorted({each["step"] for each in latest["steps"] if each.get("reward")}):
            try:
                yield _read(folder, "training", {"step": step})
            except StarecError:
                continue  # the rollouts of that step are not on disk


def _of_user(folder: Path, trials: Sequence[RecordedTrial], user: str) -> Iterator[tuple[str, Any]]:
    for trial in trials:
        of_user = {"arm": trial.arm, "seed": trial.seed, "user": user}
        try:
            path, person = _read(folder, "person", of_user)
        except RunError:
            continue  # this trial has other users
        yield path, person
        for visit in person["visits"]:
            for step in visit["steps"]:
                at = {**of_user, "round": visit["round"], "step": step["step"]}
                path, page = _read(folder, "step", at)
                # All of it in every step would grow with the square of the steps.
                del page["memory_before"]["gained"][:-_EXPERIENCES]
                yield path, page
                for place in (page["group"], page["summary_group"]):
                    if place is not None:
                        yield _read(folder, "group", place)


def _read(folder: Path, what: str, parameters: dict[str, Any]) -> tuple[str, Any]:
    return _address(folder, what, parameters), answer(folder, what, _pairs(parameters))


def _pairs(parameters: dict[str, Any]) -> list[tuple[str, str]]:
    return [(name, str(value)) for name, value in parameters.items()]


def _address(folder: Path, what: str = "", parameters: dict[str, Any] | None = None) -> str:
    """Return an address as the pages write it: the parameters in order of name."""
    end = f"/{what}" if what else ""
    query = urlencode(sorted((parameters or {}).items()))
    return f"api/runs/{quote(folder.name, safe='')}{end}{f'?{query}' if query else ''}"


def _page(data: str, name: str) -> str:
    script, style = ((STATIC / file).read_text("utf-8") for file in ("app.js", "app.css"))
    expand = (Path(__file__).parent / "expand.js").read_text("utf-8")
    policy = (
        f"default-src 'none'; script-src '{_hash(expand)}' '{_hash(script)}'; "
        f"style-src '{_hash(style)}'; img-src data:; base-uri 'none'; form-action 'none'"
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{html.escape(name)}</title>"
        f'<link rel="icon" href="data:,"><style>{style}</style></head>'
        '<body><div id="app"></div>'
        f'<script type="application/json" id="compact">{data}</script>'
        f"<script>{expand}</script>"
        f'<script type="module">{script}</script></body></html>\n'
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}"
