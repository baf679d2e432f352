"""Batches for SFT: samples of the corpus as tokens, side by side in one row of a fixed length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from attention import Block, blocks_of, table_of
from corpus import Course, Sample, sample
from hints import hints
from torch import Tensor
from transformers import PreTrainedTokenizerFast

BATCH_TOKENS = 8_192
"""How many tokens a batch of one process has."""
BLOCKS = 1_024
"""The most blocks of attention of a batch."""
LONGEST = 1_280
"""The most tokens of a question and one of its answers. Longer ones are left out."""
HINT = 0.5
"""The weight of a hint in the loss, for each answer of its question; a token of an answer has
weight 1."""
NOT_LEARNED = -100


class Encoded(NamedTuple):
    """A sample as tokens: the question without its last token, then all answers.

    Each answer begins with the last token of the question, because what follows that token is
    another one for each answer. The end of an answer is a target and is not read.
    """

    ids: list[int]
    following: list[int]
    """The target after each token, or `NOT_LEARNED`."""
    question: int
    """How many of the ids belong to the question."""
    answers: list[int]
    """How many belong to each answer."""


class Batch(NamedTuple):
    """Samples in a row of `BATCH_TOKENS` tokens. Each tensor but `blocks` has its length."""

    ids: Tensor
    positions: Tensor
    blocks: Tensor
    """Which tokens attend to which, as `attention.table_of` returns it."""
    following: Tensor
    answered: Tensor
    """Whether the target belongs to an answer."""
    weights: Tensor
    """The weight of the target in the loss, before that of results."""


class Reader:
    """Turns the corpus into batches of one shape."""

    def __init__(
        self, tokenizer: PreTrainedTokenizerFast, seed: int, first: int = 0, step: int = 1
    ) -> None:
        self.tokenizer, self.seed = tokenizer, seed
        self.user, self.step = first, step
        self.waiting: list[Encoded] = []
        """Samples that are not yet in a batch, the oldest first."""

    def batch(self, course: Course) -> Batch:
        """Return the next batch: of the samples that wait, each that still fits."""
        while sum(len(one.ids) for one in self.waiting) < 2 * BATCH_TOKENS:
            for one in sample(self.seed, self.user, course):
                row = encoded(self.tokenizer, one)
                if row.question + max(row.answers) <= LONGEST and len(row.ids) <= BATCH_TOKENS:
                    self.waiting.append(row)
            self.user += self.step
        room, taken, left = BATCH_TOKENS, [], []
        for row in self.waiting:
            fits = len(row.ids) <= room
            (taken if fits else left).append(row)
            room -= len(row.ids) if fits else 0
        self.waiting = left
        return self._filled(taken)

    def _filled(self, rows: Sequence[Encoded]) -> Batch:
        ids = np.full(BATCH_TOKENS, self.tokenizer.pad_token_id)
        following = np.full(BATCH_TOKENS, NOT_LEARNED)
        positions, answered = np.zeros(BATCH_TOKENS, int), np.zeros(BATCH_TOKENS, bool)
        weights = np.zeros(BATCH_TOKENS, np.float32)
        blocks: list[Block] = []
        start = 0
        for row in rows:
            end, asked = start + len(row.ids), start + row.question
            ids[start:end], following[start:end] = row.ids, row.following
            counted = [np.arange(row.question)]
            counted += [row.question + np.arange(size) for size in row.answers]
            positions[start:end] = np.concatenate(counted)
            answered[asked:end] = True
            weights[start:asked], weights[asked:end] = HINT * len(row.answers), 1.0
            blocks += blocks_of(start, row.question, row.answers)
            start = end
        return Batch(
            torch.from_numpy(ids),
            torch.from_numpy(positions),
            table_of(blocks, BLOCKS),
            torch.from_numpy(following),
            torch.from_numpy(answered),
            torch.from_numpy(weights),
        )

    def state(self) -> dict[str, Any]:
        return {"user": self.user, "waiting": [tuple(row) for row in self.waiting]}

    def restore(self, state: dict[str, Any]) -> None:
        self.user, self.waiting = state["user"], [Encoded(*row) for row in state["waiting"]]


def encoded(tokenizer: PreTrainedTokenizerFast, one: Sample) -> Encoded:
    """Return a sample as tokens with the target after each."""
    messages = [{"role": role, "content": text} for role, text in one.messages]
    text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    read = tokenizer(text, return_offsets_mapping=True)
    ids, ends = read.input_ids, {end: n for n, (_, end) in enumerate(read.offset_mapping)}
    given = tokenizer(one.given).input_ids
    following = [NOT_LEARNED] * (len(ids) + len(given) - 1)
    asked = next(text for role, text in one.messages if role == "user")
    start = text.index(asked)
    habit = "\nBy habit" in one.answer
    for end, word in hints(asked, one.tastes, habit) if one.tastes else ():
        token, place = tokenizer(word).input_ids, ends.get(start + end)
        if place is not None and len(token) == 1:
            following[place] = token[0]
    *ids, last = ids + given
    question, sizes = len(ids), []
    for answer in (one.answer, *one.others):
        written = tokenizer(answer + tokenizer.eos_token).input_ids
        ids += [last, *written[:-1]]
        following += written
        sizes.append(len(written))
    return Encoded(ids, following, question, sizes)
