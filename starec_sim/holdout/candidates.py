"""Candidate lists: drawn from a seed, written to a file, read back and checked.

The file is JSON, one user a line after a first line about the whole, so that anybody can evaluate
the same lists with any program.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from starec_sim.dataset import Dataset
from starec_sim.errors import DataError
from starec_sim.holdout.protocol import Protocol
from starec_sim.holdout.user_logs import UserLog
from starec_sim.rng import Streams
from starec_sim.types import IntArray

if TYPE_CHECKING:
    from starec_sim.holdout.holdout import HoldOut

NEAREST = 4
"""Popularity-matched negatives are drawn from so many times as many items as are needed, the ones
nearest to the answer in popularity."""
_EXPORT_AGAIN = (
    "take the candidates.jsonl of an evaluation with this protocol, data and seed, and of users "
    "that it holds"
)


class CandidateLists(NamedTuple):
    """Candidate lists by ids, as a file holds them."""

    about: Mapping[str, Any]
    """Protocol, dataset and seed that they were drawn for."""
    users: Mapping[str, tuple[str, tuple[tuple[str, ...], ...]]]
    """By user: the answer, and the items of each draw in shown order."""


def draw_candidates(
    protocol: Protocol,
    dataset: Dataset,
    lives: Sequence[UserLog],
    popularity: IntArray,
    streams: Streams,
) -> tuple[IntArray, int]:
    """Return lists of shape (users, draws, candidates), and how many shipped items were dropped.

    Every draw is keyed by the user's row, so that a smaller sample of users gets the same lists.

    Raises:
        DataError: A user leaves too few items for negatives.
    """
    wanted = protocol.candidates - 1
    lists = np.empty((len(lives), protocol.draws, protocol.candidates), np.int64)
    dropped = 0
    if protocol.negatives == "shipped" and not dataset.candidates:
        raise DataError(
            f"the dataset {dataset.name} ships no candidate lists",
            hint="use a protocol with `negatives: uniform`, e.g. --protocol starec-20",
        )
    for place, life in enumerate(lives):
        answer = int(life.items[life.choices[-1]])
        free = np.setdiff1d(np.arange(len(dataset.items)), life.items)
        if protocol.negatives == "shipped":
            free, lost = _shipped(protocol, dataset, life)
            dropped += lost
        elif len(free) < wanted:
            raise DataError(
                f"user {dataset.users[life.row].id} has touched {len(set(life.items.tolist()))} "
                f"of {len(dataset.items)} items, which leaves too few for {wanted} negatives",
                hint="lower `candidates` in a protocol of your own",
            )
        for draw in range(protocol.draws):
            rng = streams.stream("exam negatives", user=life.row, call=draw)
            if protocol.negatives == "shipped":
                negatives = free[draw * wanted : (draw + 1) * wanted]
            else:
                pool = free
                if protocol.negatives == "popularity":
                    pool = _nearest(free, popularity, answer, NEAREST * wanted, rng)
                negatives = rng.choice(pool, wanted, replace=False)
            slate = np.append(negatives, answer)
            streams.stream("exam order", user=life.row, call=draw).shuffle(slate)
            lists[place, draw] = slate
    return lists, dropped


def _shipped(protocol: Protocol, dataset: Dataset, life: UserLog) -> tuple[IntArray, int]:
    """Return the shipped items that the user never touched, and how many others there were."""
    shipped = list(dict.fromkeys(dataset.candidates.get(life.row, ())))
    touched = set(life.items.tolist())
    kept = [item for item in shipped if item not in touched]
    needed = (protocol.candidates - 1) * protocol.draws
    if len(kept) < needed:
        raise DataError(
            f"the shipped list of user {dataset.users[life.row].id} holds {len(kept)} items that "
            f"she never touched, not the {needed} that {protocol.draws} draws need",
            hint="lower `candidates` or `draws` in a protocol of your own",
        )
    return np.array(kept, np.int64), len(shipped) - len(kept)


def _nearest(
    free: IntArray, popularity: IntArray, answer: int, count: int, rng: np.random.Generator
) -> IntArray:
    """Return the items nearest to the answer in popularity; equally near ones in random order."""
    shuffled = rng.permutation(free)
    distance = np.abs(np.log1p(popularity[shuffled]) - np.log1p(popularity[answer]))
    return shuffled[np.argsort(distance, kind="stable")[:count]]


def write_candidates(exam: HoldOut, path: Path) -> None:
    """Write an exam's lists to a file."""
    users, items = exam.dataset.users, exam.dataset.items
    about = {
        "about": "candidate lists: one user a line, items of each draw in the order they are shown",
        "protocol": exam.protocol.name,
        "dataset": exam.dataset.name,
        "seed": exam.seed,
        "candidates": exam.protocol.candidates,
        "draws": exam.protocol.draws,
    }
    lines = [about] + [
        {
            "user": users[row].id,
            "answer": items[answer].id,
            "draws": [[items[item].id for item in slate] for slate in lists.tolist()],
        }
        for row, answer, lists in zip(
            exam.rows.tolist(), exam.answers.tolist(), exam.candidate_lists, strict=True
        )
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), "utf-8")


def read_candidates(path: Path) -> CandidateLists:
    """Read lists from a file.

    Raises:
        DataError: It is missing, or a line is not what it should be.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"the candidate lists {path} cannot be read: {error}", hint=_EXPORT_AGAIN
        ) from None
    users: dict[str, tuple[str, tuple[tuple[str, ...], ...]]] = {}
    about: Mapping[str, Any] = {}
    for number, line in enumerate(lines, 1):
        try:
            values = json.loads(line)
            if number == 1 and "user" not in values:
                about = values
                continue
            user, answer = values["user"], values["answer"]
            draws = tuple(tuple(map(str, draw)) for draw in values["draws"])
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{path}, line {number} is no user's candidate lists: {type(error).__name__} "
                f"{error}",
                hint='a line is {"user": ID, "answer": ID, "draws": [[ID, ...], ...]}',
            ) from None
        if str(user) in users:
            raise DataError(
                f'{path}, line {number}: the user "{user}" is there already', hint=_EXPORT_AGAIN
            )
        users[str(user)] = (str(answer), draws)
    return CandidateLists(about, users)


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file of lists, so that a resumed run notices another file."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(
            f"the candidate lists {path} cannot be read: {error.strerror}", hint=_EXPORT_AGAIN
        ) from None


def check_candidates(
    lists: CandidateLists, protocol: Protocol, dataset: Dataset, lives: Sequence[UserLog]
) -> IntArray:
    """Return imported lists as rows of items, once they are found to fit.

    Raises:
        DataError: Names the user and what is wrong with her lists.
    """
    row_of = {item.id: row for row, item in enumerate(dataset.items)}
    people = [dataset.users[life.row].id for life in lives]
    if missing := [id for id in people if id not in lists.users]:
        raise _unfit(f"lack {len(missing)} of {len(people)} users, the first is {missing[0]}")
    found = np.empty((len(lives), protocol.draws, protocol.candidates), np.int64)
    for place, (life, id) in enumerate(zip(lives, people, strict=True)):
        answer, draws = lists.users[id]
        true = dataset.items[int(life.items[life.choices[-1]])].id
        if answer != true:
            raise _unfit(f'say that the answer of user {id} is "{answer}", the data says "{true}"')
        if len(draws) != protocol.draws:
            raise _unfit(f"hold {len(draws)} draws of user {id}, not {protocol.draws}")
        touched = {dataset.items[item].id for item in life.items.tolist()} - {answer}
        for number, draw in enumerate(draws):
            which = f"draw {number + 1} of user {id}"
            if len(draw) != protocol.candidates or len(set(draw)) != len(draw):
                raise _unfit(
                    f"have {len(draw)} items ({len(set(draw))} different) in {which}, not "
                    f"{protocol.candidates} different ones"
                )
            if unknown := [item for item in draw if item not in row_of]:
                raise _unfit(f'name the item "{unknown[0]}" in {which}, which the data lacks')
            if answer not in draw:
                raise _unfit(f'lack the answer "{answer}" in {which}')
            if past := [item for item in draw if item in touched]:
                raise _unfit(
                    f'offer "{past[0]}" in {which}, which she has in her log: only the answer may '
                    f"be ({len(past)} such items in this list)"
                )
            found[place, number] = [row_of[item] for item in draw]
    return found


def _unfit(problem: str) -> DataError:
    return DataError(f"the candidate lists do not fit: they {problem}", hint=_EXPORT_AGAIN)
