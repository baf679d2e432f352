"""Write, read and check files of candidate lists.

A file is JSON lines. The first line holds protocol, dataset and seed; each further line holds one
user. So other programs can evaluate the same lists.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from starec_sim.dataset import Dataset
from starec_sim.errors import DataError
from starec_sim.holdout.protocol import EvaluationProtocol
from starec_sim.holdout.user_logs import UserLog
from starec_sim.json_nesting import parse_json
from starec_sim.types import IntArray

_EXPORT_AGAIN = (
    "take the candidates.jsonl of an evaluation with this protocol, data and seed, and of users "
    "that it holds"
)

_MAX_DEPTH = 20
"""Levels of a line; a protocol has about four."""


class CandidateLists(NamedTuple):
    """Candidate lists with the ids of users and items, as in a file."""

    about: Mapping[str, Any]
    """Protocol, dataset and seed for which they were drawn."""
    users: Mapping[str, tuple[str, tuple[tuple[str, ...], ...]]]
    """By user, the answer and the items of each draw in shown order."""


def write_candidates(lists: CandidateLists, path: Path) -> None:
    """Write candidate lists to a file."""
    about = {
        "about": "candidate lists: one user a line, items of each draw in the order they are shown",
        **lists.about,
    }
    lines = [about] + [
        {"user": user, "answer": answer, "draws": draws}
        for user, (answer, draws) in lists.users.items()
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), "utf-8")


def read_candidates(path: Path) -> CandidateLists:
    """Read candidate lists from a file.

    Raises:
        DataError: The file cannot be read, or a line is wrong.
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
            values = parse_json(line, _MAX_DEPTH)
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
    """Return the SHA-256 of a file of candidate lists, so that a resumed run notices a change.

    Raises:
        DataError: The file cannot be read.
    """
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(
            f"the candidate lists {path} cannot be read: {error.strerror}", hint=_EXPORT_AGAIN
        ) from None


def check_candidates(
    lists: CandidateLists,
    protocol: EvaluationProtocol,
    dataset: Dataset,
    user_logs: Sequence[UserLog],
) -> IntArray:
    """Check that candidate lists fit a hold-out, and return them as rows of items.

    Args:
        lists: The candidate lists of a file.
        protocol: The protocol of the hold-out.
        dataset: The dataset of the hold-out.
        user_logs: The logs of the evaluated users; the last choice of each is the answer.

    Returns:
        Shape (users, draws, candidates), in shown order.

    Raises:
        DataError: A list does not fit; the message names the user and the problem.
    """
    row_of = {item.id: row for row, item in enumerate(dataset.items)}
    ids = [dataset.users[user_log.row].id for user_log in user_logs]
    if missing := [id for id in ids if id not in lists.users]:
        raise _unfit(f"lack {len(missing)} of {len(ids)} users, the first is {missing[0]}")
    checked = np.empty((len(user_logs), protocol.draws, protocol.candidates), np.int64)
    for place, (user_log, id) in enumerate(zip(user_logs, ids, strict=True)):
        answer, draws = lists.users[id]
        true = dataset.items[user_log.last_choice].id
        if answer != true:
            raise _unfit(f'say that the answer of user {id} is "{answer}", the data says "{true}"')
        if len(draws) != protocol.draws:
            raise _unfit(f"hold {len(draws)} draws of user {id}, not {protocol.draws}")
        in_log = {dataset.items[item].id for item in user_log.items.tolist()} - {answer}
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
            if past := [item for item in draw if item in in_log]:
                raise _unfit(
                    f'offer "{past[0]}" in {which}, which she has in her log: only the answer may '
                    f"be ({len(past)} such items in this list)"
                )
            checked[place, number] = [row_of[item] for item in draw]
    return checked


def _unfit(problem: str) -> DataError:
    return DataError(f"the candidate lists do not fit: they {problem}", hint=_EXPORT_AGAIN)
