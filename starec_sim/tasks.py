"""What an environment asks of a user: to rank candidates, or to act on the items of a page.

An environment shows a task with each slate (`Observation.task`). The task declares the actions, and
everything else follows from it: the prompt, the JSON schema of an answer, how an answer is read,
what the policies without a model do, the metrics, and what pages and tables show.

    SHOP = Task(
        "shop",
        scene="You are in an online shop and have the budget that is shown.",
        actions=(
            ActionKind("look at"),
            ActionKind("buy", Amount(1, 5), meaning="so many pieces"),
            ActionKind("comment", FreeText(120)),
        ),
        per_item=2,
    )

`RANKING` and `FEED` are the tasks of the environments that ship.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, NamedTuple

from starec_sim.action_arguments import (
    STARS,
    Amount,
    Argument,
    FreeText,
    OneOf,
    check_name,
    number_text,
)

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = [
    "BUILT_IN",
    "FEED",
    "LEAVE",
    "RANKING",
    "SKIP",
    "STARS",
    "STAY",
    "Act",
    "ActionKind",
    "Amount",
    "FreeText",
    "OneOf",
    "Task",
    "task_of_json",
    "task_to_json",
]

SKIP = "skip"
"""The action of a user who does nothing with an item. Every task with actions has it."""
STAY, LEAVE = "stay", "leave"
"""What a user does after a page: she stays for another one, or she leaves."""


_KEPT_TEXT, _KEPT_TEXTS = 40, 1_000
"""Characters of a text whose meaning is kept, and how many are kept."""


@dataclass(frozen=True, slots=True)
class ActionKind:
    """Something that a user can do, with an item of a page or after the page."""

    name: str
    """Lower-case words, as an answer writes them: `buy`, `add to cart`."""
    argument: Argument | None = None
    optional: bool = False
    """Whether an answer may leave the argument out."""
    meaning: str = ""
    """What it means, for the prompt: `you pay its price`."""
    past: str = ""
    """What a history says of it: `bought`. The name when empty."""
    at_most: int | None = None
    """How often it can be done on one page; None for no limit."""

    def __post_init__(self) -> None:
        check_name(self.name, "an action")
        if self.at_most is not None and self.at_most < 1:
            raise ValueError(f'the action "{self.name}" can be done at most {self.at_most} times')
        if len(self.meaning.splitlines()) > 1 or '"' in self.meaning:
            raise ValueError(f'the meaning of "{self.name}" holds a line break or a quote')

    @property
    def example(self) -> str:
        """The action as an answer writes it.

        >>> ActionKind("buy", Amount(1, 5)).example
        'buy 4'
        """
        return f"{self.name} {self.argument.example}" if self.argument else self.name

    @property
    def pattern(self) -> str:
        """A regular expression of the action as an answer writes it, without groups."""
        if self.argument is None:
            return self.name
        argument = f" (?:{self.argument.pattern})"
        return self.name + (f"(?:{argument})?" if self.optional else argument)

    def described(self) -> str:
        """Return the line of a prompt that explains the action, without its example.

        >>> ActionKind("buy", Amount(1, 5), meaning="so many pieces", at_most=2).described()
        'a whole number from 1 to 5; so many pieces; at most 2 on a page'
        """
        limit = f"at most {self.at_most} on a page" if self.at_most is not None else ""
        said = self.argument.meaning if self.argument else ""
        if said and self.optional:
            said += ", which may be left out"
        return "; ".join(part for part in (said, self.meaning, limit) if part)


class Act(NamedTuple):
    """An action as it is read from an answer: its kind, and its argument if it has one."""

    kind: str
    value: float | str | None = None


@dataclass(frozen=True)
class Task:
    """What a user is asked to do with a slate.

    A task without actions asks for a ranking of all items.

    Raises:
        ValueError: A name is no lower-case word, or stands there twice.
    """

    name: str
    """A lower-case word. A template of this name asks for it; otherwise the template `act`."""
    actions: tuple[ActionKind, ...] = ()
    """What can be done with an item, besides `skip`, from the weakest interest to the strongest:
    the policies without a model go by this order."""
    per_item: int = 1
    """How many actions one item can have."""
    after: tuple[ActionKind, ...] = ()
    """What can be done after the page, besides `stay` and `leave`: `search` with a text, say."""
    scene: str = ""
    """Where the user is and what she is there for, in one or two sentences for the prompt."""
    template: str = ""
    """The whole prompt, in place of the agent's template `act` or `ranking`, with the same parts
    (`$candidates`, `$forms`, ...). It is not recorded with the steps."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,29}", self.name):
            raise ValueError(
                f"the task is called {self.name!r}; a name is lower-case letters, digits and _"
            )
        for kinds, fixed in ((self.actions, (SKIP,)), (self.after, (STAY, LEAVE))):
            names = [*fixed, *(kind.name for kind in kinds)]
            twice = [name for name in names if names.count(name) > 1]
            if twice:
                raise ValueError(f'the task "{self.name}" has the action "{twice[0]}" twice')
        if not 1 <= self.per_item <= max(1, len(self.actions)):
            raise ValueError(
                f'the task "{self.name}" allows {self.per_item} actions with an item, '
                f"of {len(self.actions)} kinds"
            )
        if self.after and not self.actions:
            raise ValueError(f'the task "{self.name}" is a ranking: nothing follows it')

    @property
    def ranks(self) -> bool:
        """Whether all items are to be ranked."""
        return not self.actions

    @cached_property
    def kinds(self) -> dict[str, ActionKind]:
        """The actions with an item by name, `skip` first."""
        return {kind.name: kind for kind in (ActionKind(SKIP), *self.actions)}

    @cached_property
    def moves(self) -> dict[str, ActionKind]:
        """The actions after a page by name, `stay` and `leave` first."""
        return {kind.name: kind for kind in (ActionKind(STAY), ActionKind(LEAVE), *self.after)}

    @cached_property
    def _act(self) -> re.Pattern[str]:
        return _pattern(self.kinds)

    @cached_property
    def _move(self) -> re.Pattern[str]:
        return _pattern(self.moves)

    @cached_property
    def _acts_of(self) -> dict[str, tuple[Act, ...]]:
        """What short texts say: most lines of answers are equal to one that was read before."""
        return {}

    def read_acts(self, text: str) -> tuple[Act, ...] | None:
        """Return what is done with one item; None where the text is not in the form of the task.

        Args:
            text: One action, or several with commas between them, each kind once.
        """
        known = self._acts_of.get(text)
        if known is not None:
            return known
        acts = self._parsed_acts(text)
        if acts is not None and len(text) <= _KEPT_TEXT and len(self._acts_of) < _KEPT_TEXTS:
            self._acts_of[text] = acts
        return acts

    def _parsed_acts(self, text: str) -> tuple[Act, ...] | None:
        acts: list[Act] = []
        at = 0
        while True:
            match = self._act.match(text, at)
            act = _read(match, self.kinds) if match else None
            if match is None or act is None or any(act.kind == other.kind for other in acts):
                return None
            acts.append(act)
            at = match.end()
            if at == len(text):
                break
            if text[at : at + 2] != ", ":
                return None
            at += 2
        if len(acts) > self.per_item or (len(acts) > 1 and acts[0].kind == SKIP):
            return None
        return None if any(act.kind == SKIP for act in acts[1:]) else tuple(acts)

    def read_move(self, text: str) -> Act | None:
        """Return what is done after the page; None if it is in another form."""
        match = self._move.fullmatch(text)
        return _read(match, self.moves) if match else None

    def told(self, kind: str, value: float | str | None = None) -> str:
        """Return an action as a history says it.

        >>> FEED.told("watch"), Task("shop", (ActionKind("buy", Amount(1, 5)),)).told("buy", 2.0)
        ('watched', 'buy 2')
        """
        known = self.kinds.get(kind)
        past = known.past if known else ""
        return (past or kind) + self.said(kind, value)[len(kind) :]

    def said(self, kind: str, value: float | str | None = None) -> str:
        """Return an action as an answer writes it.

        >>> FEED.said("watch", 4.0), FEED.said("skip")
        ('watch 4', 'skip')
        """
        if value is None:
            return kind
        known = self.kinds.get(kind) or self.moves.get(kind)
        quoted = known is not None and isinstance(known.argument, FreeText)
        shown = number_text(value) if isinstance(value, float) else str(value)
        return f'{kind} "{shown}"' if quoted else f"{kind} {shown}"

    def stars(self, kind: str, value: float | str | None) -> float | None:
        """Return the stars that an action gives, where its argument is an amount of `stars`."""
        known = self.kinds.get(kind)
        if known is None or not isinstance(known.argument, Amount) or not isinstance(value, float):
            return None
        return value if known.argument.unit == STARS else None

    @property
    def forms(self) -> str:
        """The lines of a prompt that say what can be done with an item, with what each means."""
        return "\n".join(_explained(f"A: {kind.example}", kind) for kind in self.kinds.values())

    @property
    def move_forms(self) -> str:
        """The words of a prompt that say what can be done after the page."""
        return " or ".join(_explained(kind.example, kind) for kind in self.moves.values())

    @property
    def examples(self) -> list[str]:
        """Each action with an item as an answer writes it, `skip` first."""
        return [kind.example for kind in self.kinds.values()]

    @property
    def move_examples(self) -> list[str]:
        """Each action after a page as an answer writes it, `stay` first."""
        return [kind.example for kind in self.moves.values()]


@lru_cache(maxsize=256)
def task_of_json(text: str) -> Task:
    """Return the task that `task_to_json` described.

    Raises:
        ValueError: The text describes no task.
    """
    return _adapter().validate_json(text)


@lru_cache(maxsize=256)
def task_to_json(task: Task) -> str:
    """Return a task as JSON, without what has its default."""
    return _adapter().dump_json(task, exclude_defaults=True, exclude={"template"}).decode()


@lru_cache(maxsize=1)
def _adapter() -> TypeAdapter[Task]:
    from pydantic import TypeAdapter  # slow to import, and most programs read no own tasks

    return TypeAdapter(Task)


def _pattern(kinds: dict[str, ActionKind]) -> re.Pattern[str]:
    """Return a pattern with a group for each kind; longer names come first."""
    ordered = sorted(kinds.values(), key=lambda kind: -len(kind.name))
    return re.compile("|".join(f"({kind.pattern})(?=,|$)" for kind in ordered))


def _read(match: re.Match[str], kinds: dict[str, ActionKind]) -> Act | None:
    said = match[0]
    ordered = sorted(kinds.values(), key=lambda kind: -len(kind.name))
    kind = ordered[(match.lastindex or 1) - 1]
    if said == kind.name or kind.argument is None:
        return Act(kind.name)
    value = kind.argument.read(said[len(kind.name) + 1 :])
    return None if value is None else Act(kind.name, value)


def _explained(example: str, kind: ActionKind) -> str:
    described = kind.described()
    return f"{example} ({described})" if described else example


RANKING = Task("ranking")
"""Order all candidates, best first."""
_WATCH = ActionKind("watch", Amount(1, 5, unit=STARS), optional=True, past="watched")
FEED = Task("feed", (_WATCH,))
"""Watch or skip each item of a page, and say how many stars one expects."""
BUILT_IN = {task.name: task for task in (RANKING, FEED)}
