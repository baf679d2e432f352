"""What the schedule of a run wrote into the memory of a user."""

from __future__ import annotations

from collections.abc import Mapping

from starec_sim import yaml_files
from starec_sim.errors import StarecError
from starec_sim.runs.folder import CONFIG, configuration
from starec_sim.runs.reader import Reader, RecordedTrial
from starec_sim.schedule import ScheduledChange
from starec_sim.settings import validate


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
    folder = reader.path.parent
    text = configuration(folder)
    if "memory:" not in text:  # a long file takes milliseconds to parse
        return None
    values = yaml_files.parse(text, str(folder / CONFIG))
    arms = values.get("arms")
    of_arm = arms.get(trial.arm) if isinstance(arms, Mapping) else None
    entries = values.get("schedule")
    if isinstance(of_arm, Mapping) and "schedule" in of_arm:
        entries = of_arm["schedule"]
    found: tuple[int, str] | None = None
    for entry in entries if isinstance(entries, list) else []:
        if not isinstance(entry, Mapping) or not entry.get("memory"):
            continue
        try:
            change = validate(ScheduledChange, dict(entry), "schedule", recorded=True)
        except StarecError:  # of another version; the rest of the page is readable
            continue
        round = change.round - 1
        if after < round <= until and user_id in change.memory and (not found or found[0] <= round):
            found = round, change.memory[user_id]
    return found and found[1]
