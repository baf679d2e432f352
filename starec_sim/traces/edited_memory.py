"""What the schedule of a run wrote into the memory of a user, or showed her."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from starec_sim.errors import StarecError
from starec_sim.runs.folder import CONFIG, configuration
from starec_sim.runs.reader import Reader, RecordedStep, RecordedTrial

if TYPE_CHECKING:
    from starec_sim.schedule import ScheduledChange


def edited_summary(
    reader: Reader, trial: RecordedTrial, user_id: str, after: int, until: int
) -> str | None:
    """Return the last summary that the schedule gave a user between two rounds; None for none.

    Args:
        reader: The record.
        trial: The arm and seed.
        user_id: The user's id.
        after: The round, from 0, of her visit before; -1 if there is none.
        until: The last round, from 0, at whose beginning the edit counts.
    """
    return _last_edit(memory_edits(reader, trial), user_id, after, until)


class SummaryBefore(NamedTuple):
    """The preference summary of a user before a step."""

    written: str
    """As the step before left it."""
    edited: str | None
    """What the schedule put in its place since then; None if it changed nothing."""

    @property
    def summary(self) -> str:
        """The summary with which the step begins."""
        return self.written if self.edited is None else self.edited


def summaries_before(
    reader: Reader, trial: RecordedTrial, user_id: str, steps: Sequence[RecordedStep]
) -> list[SummaryBefore]:
    """Return the preference summary of a user before each of her steps.

    Args:
        reader: The record.
        trial: The arm and seed.
        user_id: The user's id.
        steps: All her steps, in order.
    """
    edits, found = memory_edits(reader, trial), []
    written, after = "", -1
    for step in steps:
        found.append(SummaryBefore(written, _last_edit(edits, user_id, after, step.round)))
        written, after = step.summary, step.round
    return found


class MemoryEdit(NamedTuple):
    """Summaries that the schedule writes in one round."""

    round: int
    """From 0."""
    summaries: Mapping[str, str]
    """By the id of a user."""


def _last_edit(edits: Sequence[MemoryEdit], user_id: str, after: int, until: int) -> str | None:
    between = [
        edit.summaries[user_id]
        for edit in edits
        if after < edit.round <= until and user_id in edit.summaries
    ]
    return between[-1] if between else None


def memory_edits(reader: Reader, trial: RecordedTrial) -> list[MemoryEdit]:
    """Return the memories that the schedule of an arm edits, in the order in which it does."""
    found = _schedule(reader, trial, "memory")
    found.sort(key=lambda change: (change.round, not change.set))
    return [MemoryEdit(change.round - 1, change.memory) for change in found]


def sets_slate(reader: Reader, trial: RecordedTrial, user_id: str, round: int) -> bool:
    """Return whether the schedule sets what a user sees first in a round, from 0."""
    changes = _schedule(reader, trial, "slate")
    return any(change.round - 1 == round and user_id in change.slate for change in changes)


def _schedule(reader: Reader, trial: RecordedTrial, key: str) -> list[ScheduledChange]:
    """Return the entries in the schedule of an arm that have a key."""
    folder = reader.path.parent
    text = configuration(folder) if (folder / CONFIG).is_file() else ""  # a record can stand alone
    if f"{key}:" not in text:  # a long file takes milliseconds to parse
        return []
    # `starec why` starts without them: few schedules have such entries.
    from starec_sim import yaml_files
    from starec_sim.schedule import ScheduledChange
    from starec_sim.settings import validate

    values = yaml_files.parse(text, str(folder / CONFIG))
    arms = values.get("arms")
    of_arm = arms.get(trial.arm) if isinstance(arms, Mapping) else None
    entries = values.get("schedule")
    if isinstance(of_arm, Mapping) and "schedule" in of_arm:
        entries = of_arm["schedule"]
    found = []
    for entry in entries if isinstance(entries, list) else []:
        if not isinstance(entry, Mapping) or not entry.get(key):
            continue
        try:
            found.append(validate(ScheduledChange, dict(entry), "schedule", recorded=True))
        except StarecError:  # of another version; the rest of the page is readable
            continue
    return found
