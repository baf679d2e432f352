"""The text of each sampled token, where the tokenizer of the weights is at hand."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from starec_sim.runs.regular_file import read_text
from starec_sim.traces.step_page import StepPage, TurnPage
from starec_sim.traces.training_view import Group, GroupMember

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# Importing `starec_sim.policies.nano`, which knows this folder, takes a second.
_SHIPPED = Path(__file__).parents[1] / "policies" / "nano"
_FILE = "tokenizer.json"
_MAX_BYTES = 64 << 20


def step_with_texts(folder: Path, page: StepPage) -> StepPage:
    """Return the page of a step with the text of each sampled token."""

    def with_texts(turn: TurnPage) -> TurnPage:
        tokens = turn.tokens
        if tokens is None:
            return turn
        texts = token_texts(folder, tokens.version, tokens.ids, turn.completion)
        return replace(turn, tokens=replace(tokens, texts=texts))

    return replace(page, turns=tuple(map(with_texts, page.turns)))


def group_with_texts(folder: Path, group: Group) -> Group:
    """Return a group of answers with the text of each sampled token."""

    def with_texts(member: GroupMember) -> GroupMember:
        tokens = member.tokens_colored
        if tokens is None or member.text is None:
            return member
        ids = [token.id for token in tokens]
        texts = token_texts(folder, member.version, ids, member.text) or (None,) * len(ids)
        named = (replace(token, text=text) for token, text in zip(tokens, texts, strict=True))
        return replace(member, tokens_colored=tuple(named))

    return replace(group, members=tuple(map(with_texts, group.members)))


def token_texts(
    folder: Path, version: str, ids: Sequence[int], completion: str
) -> tuple[str | None, ...] | None:
    """Return the text of each token; None if no tokenizer turns the ids into the answer.

    The tokenizer is that of the version in the folder of the training, or that of the weights of
    `nano` that ship. A token that ends within a character has no text of its own; the one that
    completes the character has it.

    Args:
        folder: The run.
        version: The name of the weights, as recorded: NAME@HASH.
        ids: The sampled ids.
        completion: The answer, as recorded.
    """
    for file in _files(folder, version.partition("@")[0]):
        tokenizer = _tokenizer(file)
        if tokenizer is None:
            continue
        try:
            whole = tokenizer.decode(ids, skip_special_tokens=True)
            if whole.startswith(completion):  # it is cut where a stop text begins
                return tuple(_pieces(tokenizer, ids))
        except Exception:  # the file may be somebody else's; the tokenizer says no more than this
            continue
    return None


def _files(folder: Path, name: str) -> Iterator[Path]:
    for weights in (folder / "versions", _SHIPPED):
        # A name on record is no path.
        if weights.is_dir() and name in {each.name for each in weights.iterdir()}:
            yield weights / name / _FILE


def _tokenizer(file: Path) -> Tokenizer | None:
    try:
        text = read_text(file, _MAX_BYTES)
    except (OSError, ValueError):
        return None
    return _read_tokenizer(text)


@lru_cache(maxsize=4)
def _read_tokenizer(text: str) -> Tokenizer | None:
    """Read a tokenizer; one whose decoder searches with an expression of its own is not used."""
    from tokenizers import Tokenizer

    try:
        if '"Regex"' in json.dumps(json.loads(text).get("decoder")):
            return None
        return Tokenizer.from_str(text)
    except Exception:  # a file of somebody else
        return None


def _pieces(tokenizer: Tokenizer, ids: Sequence[int]) -> Iterator[str | None]:
    from tokenizers.decoders import DecodeStream

    stream = DecodeStream(skip_special_tokens=False)
    for each in ids:
        yield stream.step(tokenizer, each)
