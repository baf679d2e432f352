"""Rows: what a learner reads. Token ids as they were read and written, never tokenised again.

A rollout may hold several turns (a question and its repair, the pages of a visit). They become one
row where each prompt begins with exactly the ids held so far, and several rows otherwise: a chat
template may rewrite what was said before, and then the next turn is another context.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from starec_sim.errors import ContractError
from starec_sim.types import Node, Tokens


@dataclass(frozen=True, slots=True)
class Row:
    """One context and what the policy wrote into it."""

    prompt: tuple[int, ...]
    completion: tuple[int, ...]
    """Everything after the prompt: what was sampled, and what was said in between."""
    sampled: tuple[bool, ...]
    """Which ids of the completion the policy wrote itself; only these are learned from."""
    logprobs: tuple[float, ...]
    """Log-probability of each id under the policy that sampled it; 0 where it was not sampled."""

    def __len__(self) -> int:
        return len(self.prompt) + len(self.completion)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Row:
        """Return the row that `dataclasses.asdict` and JSON made these values of."""
        return cls(
            tuple(values["prompt"]),
            tuple(values["completion"]),
            tuple(map(bool, values["sampled"])),
            tuple(values["logprobs"]),
        )


@dataclass(frozen=True, slots=True)
class Rollout:
    """The rows of one rollout, with what they earned."""

    group: str
    """Rollouts that started from the same state share it: they are compared with each other."""
    node: Node
    rows: tuple[Row, ...]
    reward: float
    """The weighted sum of the components."""
    version: str
    """Which weights sampled it."""
    temperature: float
    components: Mapping[str, float] = field(default_factory=dict)
    """What each component of the reward said, unweighted."""
    counters: Mapping[str, float] = field(default_factory=dict)
    """What is watched but not rewarded: malformed, length, agreement with the input order."""
    returns: tuple[float, ...] = ()
    """What is earned from each place of the ranking on, for credit by position; empty elsewhere."""

    @property
    def tokens(self) -> int:
        """How many ids were sampled."""
        return sum(sum(row.sampled) for row in self.rows)

    def as_json(self) -> dict[str, Any]:
        """Return the rollout as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Rollout:
        """Return the rollout that `as_json` wrote."""
        rows = tuple(map(Row.from_json, values["rows"]))
        return cls(**{**values, "rows": rows, "returns": tuple(values["returns"])})


def merge(turns: Sequence[Tokens]) -> tuple[Row, ...]:
    """Return the rows of turns that follow each other.

    Raises:
        ContractError: A turn wrote nothing, or its ids and log-probabilities do not match.

    >>> first = Tokens((1, 2), (3, 4), (-0.5, -0.7), "v1", {})
    >>> second = Tokens((1, 2, 3, 4, 9), (5,), (-0.1,), "v1", {})
    >>> merge([first, second])[0].completion, merge([first, second])[0].sampled
    ((3, 4, 9, 5), (True, True, False, True))
    >>> len(merge([second, first]))
    2
    """
    rows: list[Row] = []
    for turn in turns:
        if not turn.completion or len(turn.completion) != len(turn.logprobs):
            raise ContractError(
                f"a turn of {turn.version} has {len(turn.completion)} sampled tokens and "
                f"{len(turn.logprobs)} log-probabilities; learning needs one for each, and at "
                "least one",
                hint="raise max_tokens of the policy; an own policy must report both",
            )
        wrote = (True,) * len(turn.completion)
        if rows:
            held = rows[-1].prompt + rows[-1].completion
            if turn.prompt[: len(held)] == held:
                between, last = turn.prompt[len(held) :], rows.pop()
                rows.append(
                    Row(
                        last.prompt,
                        last.completion + between + turn.completion,
                        last.sampled + (False,) * len(between) + wrote,
                        last.logprobs + (0.0,) * len(between) + turn.logprobs,
                    )
                )
                continue
        rows.append(Row(turn.prompt, turn.completion, wrote, turn.logprobs))
    return tuple(rows)
