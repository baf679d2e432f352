"""Find words in the prompts, answers and summaries of a run."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from starec_sim.errors import RunError, did_you_mean
from starec_sim.runs.attempts import BRANCH
from starec_sim.runs.levels import RecordLevel
from starec_sim.runs.reader import Reader, RecordedTrial, reading, trials_of
from starec_sim.runs.search_index import MOST_COUNTED, Filters, FoundText, open_index
from starec_sim.runs.store import Texts
from starec_sim.traces.commands import turn_command, why_command
from starec_sim.traces.values import StepAddress
from starec_sim.types import NODES

_WORD = re.compile(r"[^\W_]+")
_PHRASE = re.compile(r'"([^"]*)"|(\S+)')
_OPERATORS = frozenset({"and", "or", "not", "near"})
_BEFORE, _LENGTH = 60, 180
"""Characters of a part of a snippet before the first word that was found, and altogether."""
_MOST_WINDOWS = 3
"""Parts of a text that a snippet shows, where the words stand far apart."""


@dataclass(frozen=True, slots=True)
class SnippetPart:
    """A part of a snippet."""

    text: str
    hit: bool
    """Whether these are words that were searched for."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One text that was found, at the first step that has it."""

    at: StepAddress
    node: str
    """Empty for a summary."""
    attempt: int
    where: str
    """`prompt`, `answer` or `summary`."""
    snippet: tuple[SnippetPart, ...]
    others: int
    """Further users, nodes and kinds with the same text."""
    command: str
    """Shows the step; of an answer that nobody acted on, its text."""


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What was found."""

    query: str
    total: int
    """Texts that match; `more` says whether there are more than are counted."""
    more: bool
    hits: tuple[Hit, ...]
    record: RecordLevel
    """`decisions`: prompts and answers are not on record, and only summaries were searched."""
    compacted: bool
    """Whether more was recorded, and the run compacted."""


@dataclass(frozen=True, slots=True)
class Query:
    """What is searched for, and where."""

    words: str
    """Words, which all have to occur; those between quotation marks stand side by side."""
    fts: bool = False
    """Whether the words are an expression of FTS5, with AND, OR, NOT, NEAR and prefix*."""
    node: str | None = None
    user: str | None = None
    arm: str | None = None
    limit: int = 20


def search_run(folder: Path, query: Query) -> SearchResult:
    """Return the texts of the run in a folder that hold some words.

    Raises:
        RunError: There are no words, there is no such node, arm or user, or there is no run.
    """
    with reading(folder) as reader:
        return search(reader, query)


def search(reader: Reader, query: Query) -> SearchResult:
    """Return the texts of a run that hold some words.

    Args:
        reader: The record.
        query: What is searched for.

    Raises:
        RunError: There are no words, or there is no such node, arm or user.
    """
    match = query.words if query.fts else quoted(query.words)
    if not match.strip():
        raise RunError(
            f'the search "{query.words}" holds no word',
            hint='name one, e.g. starec search latest "war film"',
        )
    if query.node is not None and query.node not in NODES:
        raise RunError(
            f'there is no node "{query.node}"; {did_you_mean(query.node, NODES)}',
            hint="pass one of those to --node",
        )
    reader.require("decisions", "`starec search`")
    trials = trials_of(reader, query.arm)
    users = None if query.user is None else _users(reader, trials, query.user)
    numbers = None if query.arm is None else [trial.number for trial in trials]
    filters = Filters(users, numbers, query.node)
    with open_index(reader) as index:
        total, found = index.find(match, filters, query.limit)
    texts, by_number = Texts(reader.db), {trial.number: trial for trial in trials}
    hits = tuple(_hit(reader, by_number, texts, each, query.words) for each in found)
    return SearchResult(
        query.words, total, total >= MOST_COUNTED, hits, reader.level, reader.compacted
    )


def quoted(words: str) -> str:
    """Return words of a user as an expression of FTS5 that finds them as they are.

    >>> quoted('war NOT "civil war" c++ --')
    '"war" "NOT" "civil war" "c++"'
    """
    parts = [phrase or word for phrase, word in _PHRASE.findall(words)]
    parts = [part.replace('"', " ") for part in parts if _WORD.search(part)]
    return " ".join(f'"{part}"' for part in parts)


def snippet(text: str, words: str) -> tuple[SnippetPart, ...]:
    """Return the parts of a text around some words, on one line.

    >>> snippet("She likes  Sci-Fi", "sci")
    (SnippetPart(text='She likes ', hit=False), SnippetPart(text='Sci', hit=True), \
SnippetPart(text='-Fi', hit=False))
    """
    line = " ".join(text.split())
    wanted = {_folded(word) for word in _WORD.findall(words)} - _OPERATORS
    starts = tuple(_folded(word[:-1]) for word in re.findall(r"[^\W_]+\*", words))
    found = [
        match
        for match in _WORD.finditer(line)
        if (word := _folded(match[0])) in wanted or (starts and word.startswith(starts))
    ]
    parts, at = [], 0
    for begin, end in _windows(found) or [(0, _LENGTH)]:
        begin, end = max(begin, at), min(len(line), end)
        parts.append(SnippetPart("" if begin == at else " … " if at else "…", False))
        at = begin
        for match in found:
            if begin <= match.start() and match.end() <= end:
                parts += [SnippetPart(line[at : match.start()], False), SnippetPart(match[0], True)]
                at = match.end()
        parts.append(SnippetPart(line[at:end], False))
        at = end
    parts.append(SnippetPart("…" if at < len(line) else "", False))
    return tuple(part for part in parts if part.text)


def _windows(found: Sequence[re.Match[str]]) -> list[tuple[int, int]]:
    """Return the parts of a text to show, in order: those with the most words not yet shown."""
    missing = {_folded(match[0]) for match in found}
    chosen: list[tuple[int, int]] = []
    while missing and len(chosen) < _MOST_WINDOWS:
        best: tuple[set[str], int] = (set(), 0)
        for first, match in enumerate(found):
            end = match.start() - _BEFORE + _LENGTH
            inside = (each for each in found[first : first + _LENGTH] if each.end() <= end)
            words = missing.intersection(_folded(each[0]) for each in inside)
            if len(words) > len(best[0]):
                best = words, match.start()
            if len(words) == len(missing):
                break
        if not best[0]:
            break
        missing -= best[0]
        begin = max(0, best[1] - _BEFORE)
        chosen.append((begin, begin + _LENGTH))
    return sorted(chosen)


@cache
def _folded(word: str) -> str:
    """Return a word without case and accents, as the index holds it."""
    decomposed = unicodedata.normalize("NFKD", word.casefold())
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def _users(reader: Reader, trials: list[RecordedTrial], user: str) -> list[tuple[int, int]]:
    """Return (trial, row) of a user in all trials that have her."""
    rows = reader.rows_of_user(user)
    found = [(trial.number, rows[trial.number]) for trial in trials if trial.number in rows]
    if not found:
        reader.user(trials[0], user)  # raises: no such user
    return found


def _hit(
    reader: Reader, trials: Mapping[int, RecordedTrial], texts: Texts, found: FoundText, words: str
) -> Hit:
    place = found.place
    trial = trials[place.trial]
    user = reader.user_at(trial, place.user)
    at = StepAddress(trial.arm, trial.seed, user, place.round + 1, place.step + 1)
    folder = reader.path.parent
    return Hit(
        at=at,
        node=place.node,
        attempt=place.attempt,
        where=place.kind,
        snippet=snippet(texts[found.text], words),
        others=found.places - 1,
        command=turn_command(folder, at, place.kind, place.node, place.attempt)
        if place.attempt >= BRANCH  # the page of a step has only her own
        else why_command(folder, at),
    )
