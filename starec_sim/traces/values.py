"""The values that all pages of a trace are made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from starec_sim.runs.reader import Reader, RecordedTrial
from starec_sim.types import Experience, Item


@dataclass(frozen=True, slots=True)
class StepAddress:
    """The address of one step of a run."""

    arm: str
    seed: int
    user: str
    round: int
    """From 1."""
    step: int
    """From 1 within the visit."""


@dataclass(frozen=True, slots=True)
class ItemRef:
    """An item as people read it."""

    id: str
    title: str
    attributes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ExperienceRef:
    """How an item turned out."""

    item: ItemRef
    rating: float | None
    """Stars; None in a world without stars."""
    source: str
    """`logged`, `world` or `model`, see `starec_sim.types.Experience`."""
    action: str = ""
    """What the user did."""
    like: bool | None = None
    """Whether she liked it, where there are no stars."""


@dataclass(frozen=True, slots=True)
class GroupPlace:
    """Where a group is learned from."""

    step: int
    """The step of the training, from 1."""
    group: str


class Items:
    """Turns rows of a trial's catalogue into items; each is read once.

    Args:
        reader: The record.
        trial: The trial.
    """

    def __init__(self, reader: Reader, trial: RecordedTrial) -> None:
        self._reader = reader
        self._trial = trial
        self._known: dict[int, ItemRef] = {}

    def load(self, rows: Iterable[int]) -> None:
        """Read items in one go."""
        new = sorted(set(rows) - self._known.keys())
        for row, item in self._reader.items(self._trial, new).items():
            self._known[row] = item_ref(item)

    def __getitem__(self, row: int) -> ItemRef:
        if row not in self._known:
            self.load([row])
        return self._known[row]

    def experience(self, experience: Experience) -> ExperienceRef:
        """Return an experience with its item."""
        return ExperienceRef(
            self[experience.item],
            experience.rating,
            experience.source,
            experience.action,
            experience.like,
        )


def item_ref(item: Item) -> ItemRef:
    """Return an item without its row."""
    return ItemRef(item.id, item.title, item.attributes)


def as_json(value: Any) -> Any:
    """Return a value as JSON values: dataclasses become objects, tuples become lists."""
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: as_json(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): as_json(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(each) for each in value]
    return value
