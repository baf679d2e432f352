"""Token rows and rollouts: the ids that a policy read and wrote, never tokenised again.

A rollout may have several turns (a question and its repair, the pages of a visit). They become one
row if each prompt begins with exactly the ids of the row so far, and several rows otherwise: a chat
template may rewrite earlier messages, and then the next turn has another context.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from starec_sim.errors import ContractError
from starec_sim.types import Node, Tokens


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A prompt and the ids after it, some of which the policy wrote."""

    prompt: tuple[int, ...]
    completion: tuple[int, ...]
    """Everything after the prompt: sampled ids, and ids of messages in between."""
    sampled: tuple[bool, ...]
    """Which ids of the completion the policy sampled; only these are learned from."""
    logprobs: tuple[float, ...]
    """Log-probability of each id under the policy that sampled it; 0 where it was not sampled."""

    def __len__(self) -> int:
        return len(self.prompt) + len(self.completion)


@dataclass(frozen=True, slots=True)
class Rollout:
    """The rows of one rollout, with their reward."""

    group: str
    """Rollouts that started from the same state have the same group and are compared."""
    node: Node
    rows: tuple[TokenRow, ...]
    reward: float
    """The weighted sum of the components."""
    version: str
    """The version of the weights that sampled it."""
    temperature: float
    components: Mapping[str, float] = field(default_factory=dict)
    """The components of the reward, unweighted."""
    counters: Mapping[str, float] = field(default_factory=dict)
    """What is logged but not rewarded: malformed, length, agreement with the input order."""
    returns: tuple[float, ...] = ()
    """What is earned from each rank on, for credit by position; else empty."""

    @property
    def tokens(self) -> int:
        """How many ids were sampled."""
        return sum(sum(row.sampled) for row in self.rows)

    def as_json(self) -> dict[str, Any]:
        """Return the rollout as JSON values."""
        return asdict(self)


def merge(turns: Sequence[Tokens]) -> tuple[TokenRow, ...]:
    """Return the rows of consecutive turns.

    Raises:
        ContractError: A turn has no sampled ids, or another number of log-probabilities.

    >>> first = Tokens((1, 2), (3, 4), (-0.5, -0.7), "v1", {})
    >>> second = Tokens((1, 2, 3, 4, 9), (5,), (-0.1,), "v1", {})
    >>> merge([first, second])[0].completion, merge([first, second])[0].sampled
    ((3, 4, 9, 5), (True, True, False, True))
    >>> len(merge([second, first]))
    2
    """
    rows: list[TokenRow] = []
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
                    TokenRow(
                        last.prompt,
                        last.completion + between + turn.completion,
                        last.sampled + (False,) * len(between) + wrote,
                        last.logprobs + (0.0,) * len(between) + turn.logprobs,
                    )
                )
                continue
        rows.append(TokenRow(turn.prompt, turn.completion, wrote, turn.logprobs))
    return tuple(rows)


def by_group(rollouts: Iterable[Rollout]) -> dict[str, list[Rollout]]:
    """Return the rollouts of each group, in the order in which they come."""
    groups: dict[str, list[Rollout]] = defaultdict(list)
    for rollout in rollouts:
        groups[rollout.group].append(rollout)
    return groups
