"""The questions that audits put to a panel, and the answers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from starec_sim.tasks import RANKING, Task
from starec_sim.types import Decision, Memory, Turn

Titles = Literal["true", "masked", "renamed"]
"""How items are named: by their titles, by numbers, or by the titles of other items."""
Wording = Literal["usual", "other"]
"""Which prompt templates the agent uses: its own, or the same request in other words."""

FIRST_ROUND = 1_000_000
"""Questions are asked in rounds from this number on. No replay has that many rounds."""


@dataclass(frozen=True, slots=True)
class PanelQuestion:
    """A slate that is shown to a user with a given memory."""

    user: int
    """Whose candidate list it is: her place in the panel."""
    items: tuple[int, ...]
    memory: Memory
    person: int | None = None
    """Whose profile the agent plays, if it is not the profile of `user`."""
    task: Task = RANKING
    titles: Titles = "true"
    wording: Wording = "usual"
    repeat: int = 0
    """Number of the repetition of an otherwise equal question."""
    pages: int = 1
    """Into how many pages the items are split. She may leave before the last one."""

    @property
    def round(self) -> int:
        """The round under which the policy is asked: a hash of everything but `repeat`.

        Random seeds of the policy and keys of the cache depend on it, so the text that is hashed
        never changes. It is the `repr` that this class had when audits were first published.
        """
        content = (
            f"Question(user={self.user!r}, items={self.items!r}, memory={self.memory!r}, "
            f"person={self.person!r}, task={self.task.name!r}, face={self.titles!r}, "
            f"words={self.wording!r}, repeat=0)"
        ).encode()
        if self.pages > 1:
            content += f" pages={self.pages}".encode()
        return FIRST_ROUND + int.from_bytes(hashlib.blake2b(content, digest_size=5).digest())


class PanelAnswer(NamedTuple):
    """What the agent decided, and the policy calls that it made."""

    decision: Decision
    turns: tuple[Turn, ...]
    later: tuple[Decision, ...] = ()
    """What it decided on the second page and on those after it, as far as it went."""


PanelAnswers = Mapping[PanelQuestion, PanelAnswer]
