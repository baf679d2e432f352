"""Write a part of a run as one page that needs no server, to mail to somebody.

The answers of the API stand in the page under their addresses, compressed. Scripts and style are
in it, and its content security policy allows these by their hashes and nothing else. `expand.js`
unpacks the answers and then starts the program, which reads them.
"""

from __future__ import annotations

import base64
import html
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import takewhile
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from starec_sim.errors import RunError, StarecError
from starec_sim.runs.manifest import read_manifest
from starec_sim.runs.reader import Reader, RecordedTrial, reading
from starec_sim.traces.run_list import read_run_row
from starec_sim.traces.step_page import read_step
from starec_sim.traces.token_texts import step_with_texts
from starec_sim.traces.traits import trait_labels
from starec_sim.traces.values import as_json
from starec_sim.viewer.answers import answer, finite, notes_of
from starec_sim.viewer.app import STATIC
from starec_sim.viewer.compact import Nodes, Packed

MAX_BYTES = 5_000_000
_ABOUT = 2_000
"""Bytes for what was left out, for the command, and for the list of answers."""
_EXPERIENCES = 10
"""Experiences before a step that are in it, the last ones."""
_NEVER_IN_IT = (
    f"Of what somebody experienced before a step, the last {_EXPERIENCES} are in it. "
    "Search, comparisons and asking again need:"
)
_LISTED_BYTES = 12
"""Bytes for the place of one person's answers, before compression."""
_USERS = 50
"""People of a bundle whose users are not named."""
_LISTED = 500
"""People of the list of a bundle, in each trial."""


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
        reader.require("decisions", "`starec view --bundle`")
        trials = [trial for trial in reader.trials() if trial.rounds]
        for user in wanted:
            reader.user(reader.trial(None, None), user)  # raises if there is no such user
        known = [user.id for _, user in reader.users(trials[0])] if trials else []
        users = list(dict.fromkeys(wanted)) or known[:_USERS]
        answers = _Answers(most - len(_page("", "")) - _ABOUT - _LISTED_BYTES * len(users))
        if not answers.add(_of_run(folder, reader, trials)):
            raise RunError(
                f"the overview of {folder.name} does not fit in a page of {most:,} bytes",
                hint=f"look at it with: starec view {shlex.quote(str(folder))}",
            )
        kept = [*takewhile(lambda user: answers.add(_of_user(folder, reader, trials, user)), users)]
        most_people = max((reader.count_users(trial) for trial in trials), default=0)
    left_out = _left_out(kept, users, len(known), most_people)
    command = shlex.join(["starec", "view", str(folder)])
    about = f"{left_out} {_NEVER_IN_IT} {command}".strip()
    packed = answers.packed({"runs": [folder.name], "left_out": about, "command": command})
    return Bundle(_page(packed, folder.name), tuple(kept), left_out)


class _Answers:
    """The answers of a page, by address.

    Args:
        most: Bytes that they may take.
    """

    def __init__(self, most: int) -> None:
        self._nodes, self._packed = Nodes(), Packed(most)
        self._packed.add("[")
        self._parts: list[int] = []

    def add(self, answers: Iterable[tuple[str, Any]]) -> bool:
        """Add answers with their addresses, and return whether they fit; else none is added."""
        before = len(self._nodes)
        part = self._nodes.object({path: self._nodes.add(value) for path, value in answers})
        if not self._packed.add(self._nodes.written(before)):
            self._nodes.keep(before)
            return False
        self._parts.append(part)
        return True

    def packed(self, about: Any) -> str:
        """Return all of them, and what is said about the page."""
        before = len(self._nodes)
        parts = [*self._parts, self._nodes.object({"about": self._nodes.add(about)})]
        return self._packed.base64(f"{self._nodes.written(before)}{parts}]")


def _left_out(kept: Sequence[str], users: Sequence[str], known: int, most_people: int) -> str:
    parts = []
    if len(kept) < known:
        lost = len(users) - len(kept)
        more = f"; {lost:,} more did not fit" if lost else ""
        parts.append(f"The steps of {len(kept):,} of {known:,} people are in it{more}.")
    if most_people > _LISTED:
        parts.append(f"The list of people has the first {_LISTED:,} of {most_people:,}.")
    return " ".join(parts)


def _of_run(
    folder: Path, reader: Reader, trials: Sequence[RecordedTrial]
) -> Iterator[tuple[str, Any]]:
    yield "api/runs", [finite(as_json(read_run_row(folder)))]
    yield _address(folder), answer(folder, "", [])
    yield _address(folder, "notes"), notes_of(folder)
    yield _read(folder, "interviews", {})
    for trial in trials:
        of_trial = {"arm": trial.arm, "seed": trial.seed}
        yield _read(folder, "population", of_trial)
        yield _address(folder, "people", of_trial), _people(folder, reader, trial)
    if read_manifest(folder).kind == "training":
        latest = answer(folder, "training", [])
        yield _address(folder, "training"), latest
        yield _address(folder, "changes"), answer(folder, "changes", [])
        for step in sorted({each["step"] for each in latest["steps"] if each.get("reward")}):
            try:
                yield _read(folder, "training", {"step": step})
            except StarecError:
                continue  # the rollouts of that step are not on disk


def _people(folder: Path, reader: Reader, trial: RecordedTrial) -> Any:
    """Return the list of people, each with the classes of her traits that differ from the values.

    The page of the population links to classes, and the page itself filters the list.
    """
    of_trial = {"arm": trial.arm, "seed": trial.seed, "limit": _LISTED}
    listed = answer(folder, "people", _pairs(of_trial))
    users = dict(reader.users(trial))
    classes = {
        trait: {users[row].id: label for row, label in trait_labels(users, trait).items()}
        for trait in listed["fields"]
    }
    for row in listed["rows"]:
        row["classes"] = {
            trait: classes[trait][row["user"]]
            for trait, value in row["profile"].items()
            if classes[trait][row["user"]] != value
        }
    return listed


def _of_user(
    folder: Path, reader: Reader, trials: Sequence[RecordedTrial], user: str
) -> Iterator[tuple[str, Any]]:
    for trial in trials:
        of_user = {"arm": trial.arm, "seed": trial.seed, "user": user}
        try:
            path, person = _read(folder, "person", of_user)
        except RunError:
            continue  # this trial has other users
        yield path, person
        for visit in person["visits"]:
            for each in visit["steps"]:
                round, step = visit["round"], each["step"]
                path = _address(folder, "step", {**of_user, "round": round, "step": step})
                page = _step(folder, reader, trial, user, round, step)
                yield path, page
                for place in (page["group"], page["summary_group"]):
                    if place is not None:
                        yield _read(folder, "group", place)


def _step(
    folder: Path, reader: Reader, trial: RecordedTrial, user: str, round: int, step: int
) -> Any:
    """Return the page of a step; all experiences before each would grow with the square of them."""
    page = step_with_texts(folder, read_step(reader, trial, user, round, step))
    last = page.memory_before.gained[-_EXPERIENCES:]
    return finite(as_json(replace(page, memory_before=replace(page.memory_before, gained=last))))


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
    program, style = ((STATIC / file).read_text("utf-8") for file in ("app.js", "app.css"))
    expand = (Path(__file__).parent / "expand.js").read_text("utf-8")
    policy = (
        f"default-src 'none'; script-src '{_hash(expand)}' '{_hash(program)}'; "
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
        f'<script type="text/plain" id="packed">{data}</script>'
        f'<script type="text/plain" id="program">{program}</script>'
        f'<script type="module">{expand}</script></body></html>\n'
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}"
