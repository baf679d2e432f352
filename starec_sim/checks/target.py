"""What is checked: a plug-in and how to build it, and the faults of its calls."""

from __future__ import annotations

import contextlib
import gc
import io
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from starec_sim.boundary import PluginBoundary
from starec_sim.boundary.global_random import changed_generators, global_random
from starec_sim.boundary.handed_out import changed, first_difference, handed_text, shortened
from starec_sim.boundary.memory_growth import resident_bytes
from starec_sim.boundary.values import BrokenContract
from starec_sim.errors import StarecError

T = TypeVar("T")

_GROWTH_MIB = 32.0
"""Memory that the repeated calls of a check may add."""
_MOST_BYTES = 2**30
"""Bytes that calls of one method may add to the process, all copies taken together."""


class CallPlace(NamedTuple):
    """A call: its method, and for whom and when."""

    method: str
    where: str


Journal = dict[CallPlace, str]
"""What the calls of a plug-in returned, as text."""


@dataclass
class CheckTarget:
    """A plug-in that is checked.

    Its checks build it many times: a fault may lie in what two copies share.
    """

    kind: str
    """`environment`, `recommender`, `agent`, `policy`, `dataset` or `reward`."""
    build: Callable[..., Any]
    """Builds a new one. It takes a seed for an environment; the numbers of users and items and a
    seed for a recommender; nothing for the others."""
    origin: Mapping[str, Any] | None = None
    """How another process builds it, see `starec_sim.checks.child`; None if it cannot."""
    kept: dict[str, Any] = field(default_factory=dict)
    """What several checks need and one of them made."""
    grown: Counter[str] = field(default_factory=Counter)
    """Bytes that calls added to the memory of the process, by method."""
    resident: int = field(default_factory=resident_bytes)
    """Bytes that the process held before anything was built."""
    full: StarecError | None = None
    """The error of the method whose calls added too much. No method is called after it."""

    def new(self, *arguments: Any) -> Any:
        """Return a new plug-in, without the wrapper that checks its calls."""
        built = self.build(*arguments)
        return built.plugin if hasattr(built, "plugin") else built

    def written(self, plugin: Any, method: str) -> str:
        """Return the method that the author of a plug-in wrote, of a method of the protocol."""
        return PluginBoundary(self.kind, plugin).written(method)

    def keep(self, name: str, make: Callable[[], T]) -> T:
        """Return what `make` returns; it is called once for each name."""
        if name not in self.kept:
            self.kept[name] = make()
        made: T = self.kept[name]
        return made


def fault(
    target: CheckTarget, plugin: Any, place: CallPlace, what: str, hint: str, part: str = ""
) -> StarecError:
    """Return the error that names the plug-in and the call.

    Args:
        target: What is checked.
        plugin: The instance.
        place: The call.
        what: What is wrong, with the values and what was expected.
        hint: What to change.
        part: The part of what the call returned, see `BrokenContract`.
    """
    boundary = PluginBoundary(target.kind, plugin)
    return boundary.failure(BrokenContract(what, hint, part), place.method, place.where)


class CallWatch:
    """Makes calls of one plug-in, and notes what their results do not show.

    Args:
        target: What is checked.
        plugin: The instance.
        generators: The global generators that the plug-in must leave alone; LangGraph draws from
            `random`, so that agents are judged by numpy's only.
    """

    def __init__(
        self,
        target: CheckTarget,
        plugin: Any,
        generators: tuple[str, ...] = ("random", "numpy.random", "torch"),
    ) -> None:
        self.target, self.plugin = target, plugin
        self.seconds: dict[str, list[float]] = {}
        """How long each call of a method took."""
        self.printed: StarecError | None = None
        """The first call that printed to stdout."""
        self.drew: StarecError | None = None
        """The first call that changed a global random generator."""
        self.changed: StarecError | None = None
        """The first call that changed one of its arguments."""
        self.closely = True
        """Whether arguments and generators are compared; without it a call is quicker."""
        self._generators = generators
        self._called_before: set[str] = set()

    def call(
        self, place: CallPlace, method: Callable[..., T], *arguments: Any, handed: Any = None
    ) -> T:
        """Return what a method returns.

        Args:
            place: The call.
            method: The method.
            *arguments: What it takes.
            handed: What of that must stay as it is; all arguments by default.
        """
        if self.target.full:
            raise self.target.full
        before = resident_bytes()
        returned = self._called(place, method, arguments, handed)
        self._add_growth(place, resident_bytes() - before)
        return returned

    def _called(
        self, place: CallPlace, method: Callable[..., T], arguments: tuple[Any, ...], handed: Any
    ) -> T:
        if not self.closely:
            with contextlib.redirect_stdout(io.StringIO()):
                return method(*arguments)
        handed = arguments if handed is None else handed
        before, random = handed_text(handed), global_random()
        out, started = io.StringIO(), time.perf_counter()
        try:
            with contextlib.redirect_stdout(out):
                return method(*arguments)
        finally:
            self.seconds.setdefault(place.method, []).append(time.perf_counter() - started)
            self._note(place, out.getvalue(), random, before, handed_text(handed))

    def _add_growth(self, place: CallPlace, added: int) -> None:
        """Refuse a call if all calls of its method together filled the memory of the process.

        The first call of a copy does not count: weights and tables are read then. Copies that
        nobody needs any more give their memory back, so what the process holds decides as well.
        """
        if place.method not in self._called_before:
            self._called_before.add(place.method)
            return
        target = self.target
        target.grown[place.method] += added
        if target.grown[place.method] < _MOST_BYTES:
            return
        gc.collect()
        if resident_bytes() - target.resident < _MOST_BYTES:
            return
        target.full = self.fault(
            CallPlace(place.method, ""),
            f"its calls added more than {_MOST_BYTES / 2**30:.1f} GiB to the memory of the "
            "process, all copies that the checks build taken together",
            "keep no more than a round needs; lists that grow with each call, in self, in the "
            "class or in the module, are a leak",
        )
        raise target.full

    def _note(self, place: CallPlace, printed: str, random: Any, before: str, after: str) -> None:
        if printed and self.printed is None:
            self.printed = self.fault(
                place,
                f"printed {shortened(repr(printed))} to stdout, where commands print their results",
                "remove the print, or write to the log: logging.getLogger(__name__).info(...)",
            )
        for name in changed_generators(random):
            if name in self._generators and self.drew is None:
                self.drew = self.fault(
                    place,
                    f"changed the state of the global generator {name}, so that the same seed "
                    "gives other results",
                    DRAW[self.target.kind],
                )
        if before != after and self.changed is None:
            broken = changed(before, after)
            self.changed = self.fault(place, broken.what, broken.hint)

    def fault(self, place: CallPlace, what: str, hint: str, part: str = "") -> StarecError:
        """Return the error that names the plug-in and the call."""
        return fault(self.target, self.plugin, place, what, hint, part)

    def check_memory(
        self, place: CallPlace, calls: Callable[[], object], told: str, hint: str
    ) -> None:
        """Refuse calls after which many megabytes more are held than before.

        Args:
            place: The call that is to blame.
            calls: Makes them; what is made at first calls must be there already.
            told: Which calls they were, for the message.
            hint: What to change.
        """
        tracemalloc.start()
        try:
            before, _ = tracemalloc.get_traced_memory()
            calls()
            gc.collect()
            now, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        if (grown := (now - before) / 2**20) > _GROWTH_MIB:
            raise self.fault(place, f"{grown:.0f} MiB more are held after {told}", hint)

    def slowest(self) -> str:
        """Return the slowest method and its median and greatest time; empty without calls."""
        if not self.seconds:
            return ""
        method = max(self.seconds, key=lambda name: max(self.seconds[name]))
        times = sorted(self.seconds[method])
        return (
            f"slowest: {method}, {1000 * times[len(times) // 2]:.1f} ms in the middle, "
            f"{1000 * times[-1]:.1f} ms at most"
        )


DRAW = {
    "environment": "draw from self.streams.stream(purpose, user=user, round=round)",
    "recommender": "draw from `rng`, which recommend() gets, or np.random.default_rng(seed)",
    "agent": "draw from Streams(seed).stream(purpose, user=call.user, round=call.round)",
    "policy": "draw from a generator of your own, e.g. np.random.default_rng(seed)",
    "dataset": "draw from np.random.default_rng(seed), with a seed from the settings",
    "reward": "a reward depends on its outcome only: draw nothing",
}
"""Where each kind of plug-in draws random numbers from, for hints."""


def compare(
    target: CheckTarget, plugin: Any, expected: Journal, journal: Journal, how: str, hint: str
) -> None:
    """Refuse a journal that differs from another one in a call that both have.

    Args:
        target: What is checked.
        plugin: The instance that wrote the second journal.
        expected: The first journal.
        journal: The second one.
        how: How the second one was made, for the message.
        hint: What to change.
    """
    for place, text in expected.items():
        other = journal.get(place)
        if other is None:
            raise fault(target, plugin, place, f"{how}, was not called; before it was", hint)
        if other != text:
            what = f"{how}, returned {first_difference(text, other)}"
            raise fault(target, plugin, place, what, hint)
    for place in journal:
        if place not in expected:
            raise fault(target, plugin, place, f"{how}, was called; before it was not", hint)
