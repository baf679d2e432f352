"""Name the code of a plug-in that draws from a global random generator, or reads the clock.

Which visit draws first depends on which answer comes first, so the same seed gives other results;
so does a world that reads the clock. A policy may: it measures how long its model takes.
Code that is installed among the packages is not named: libraries draw the times of their retries.
"""

from __future__ import annotations

import functools
import random
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

import numpy as np

from starec_sim.boundary.printed import is_plugin, nearest_caller
from starec_sim.errors import ContractWarning
from starec_sim.plugin_names import SHIPPED

_LIBRARIES = frozenset(
    {*sys.stdlib_module_names, "langchain_core", "langgraph", "langgraph_api", "langsmith"}
    | {"httpx", "numpy", "openai", "torch", "transformers"}
)
"""Top packages that are no plug-ins, wherever they are installed."""
_CLOCKS = ("time", "time_ns", "perf_counter", "perf_counter_ns")
"""Functions of `time` that tell the time. `datetime.now` cannot be watched: its type is fixed."""
_CALLERS_OF_WORLDS = ("starec_sim.boundary", "starec_sim.world")
_named: set[str] = set()
"""What was named in the present block."""
_numpy_users: set[str] = set()
"""What was named that draws from `numpy.random`, since somebody asked."""


def take_numpy_users() -> set[str]:
    """Return what was named since the last call that draws from `numpy.random`."""
    taken = set(_numpy_users)
    _numpy_users.clear()
    return taken


@contextmanager
def draws_named() -> Iterator[None]:
    """Warn inside the block of each function of a plug-in that uses what other runs have not.

    These are `random` and `numpy.random`, and in worlds, recommenders and agents the clock.
    """
    _named.clear()
    found = [(module, name, made) for module in (random, np.random) for name, made in _of(module)]
    for module, name, function in found:
        setattr(module, name, _watched(function, f"{module.__name__}.{name}"))
    clocks = [(time, name, getattr(time, name)) for name in _CLOCKS]
    for module, name, function in clocks:
        setattr(module, name, _watched_clock(function, f"time.{name}"))
    found += clocks
    try:
        yield
    finally:
        for module, name, function in found:
            setattr(module, name, function)


def _of(module: ModuleType) -> list[tuple[str, Callable[..., Any]]]:
    """Return the functions of a module that are methods of its global generator."""
    generator = module.random.__self__
    return [
        (name, function)
        for name, function in vars(module).items()
        if getattr(function, "__self__", None) is generator
        and name not in ("getstate", "get_state", "setstate", "set_state")
    ]


def _watched(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    @functools.wraps(function)
    def watched(*arguments: Any, **named: Any) -> Any:
        frame = sys._getframe(1)
        if _is_own_code(frame) and is_plugin(frame):
            _name(frame, name)
        return function(*arguments, **named)

    return watched


def _watched_clock(function: Callable[[], Any], name: str) -> Callable[[], Any]:
    @functools.wraps(function)
    def watched() -> Any:
        frame = sys._getframe(1)
        ours = str(frame.f_globals.get("__name__", "")).partition(".")[0] in SHIPPED
        if (
            not ours
            and _is_own_code(frame)
            and nearest_caller(frame).startswith(_CALLERS_OF_WORLDS)
        ):
            _warn(
                f"{_place(frame)} calls {name}: the clock differs from run to run, and with it all "
                "that depends on it, for the same seed. Count rounds, or draw from self.streams"
            )
        return function()

    return watched


def _is_own_code(frame: FrameType) -> bool:
    file = frame.f_code.co_filename
    top = str(frame.f_globals.get("__name__", "")).partition(".")[0]
    return "-packages" not in file and top not in _LIBRARIES


def _place(frame: FrameType) -> str:
    code = frame.f_code
    return f"{code.co_qualname} ({Path(code.co_filename).name}:{frame.f_lineno})"


def _name(frame: FrameType, function: str) -> None:
    said = f"{_place(frame)} calls {function}"
    if function.startswith("numpy"):
        _numpy_users.add(said)
    _warn(
        f"{said}, a global generator: the same seed may give other results. Draw from a generator "
        "of its own: np.random.default_rng(seed)"
    )


def _warn(said: str) -> None:
    if said not in _named:
        _named.add(said)
        warnings.warn(said, ContractWarning, stacklevel=5)
