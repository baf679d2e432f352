"""Name the code of a plug-in that draws from a global random generator.

Which visit draws first depends on which answer comes first, so the same seed gives other results.
Code that is installed among the packages is not named: libraries draw the times of their retries.
"""

from __future__ import annotations

import functools
import random
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

import numpy as np

from starec_sim.boundary.printed import is_plugin
from starec_sim.errors import ContractWarning

_LIBRARIES = frozenset(
    {*sys.stdlib_module_names, "langchain_core", "langgraph", "langgraph_api", "langsmith"}
    | {"httpx", "numpy", "openai", "torch", "transformers"}
)
"""Top packages that are no plug-ins, wherever they are installed."""
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
    """Warn of each function of a plug-in that calls `random` or `numpy.random` inside the block."""
    _named.clear()
    found = [(module, name, made) for module in (random, np.random) for name, made in _of(module)]
    for module, name, function in found:
        setattr(module, name, _watched(function, f"{module.__name__}.{name}"))
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


def _is_own_code(frame: FrameType) -> bool:
    file = frame.f_code.co_filename
    top = str(frame.f_globals.get("__name__", "")).partition(".")[0]
    return "-packages" not in file and top not in _LIBRARIES


def _name(frame: FrameType, function: str) -> None:
    code = frame.f_code
    said = f"{code.co_qualname} ({Path(code.co_filename).name}:{frame.f_lineno}) calls {function}"
    if function.startswith("numpy"):
        _numpy_users.add(said)
    if said not in _named:
        _named.add(said)
        warnings.warn(
            f"{said}, a global generator: the same seed may give other results. Draw from a "
            "generator of its own: np.random.default_rng(seed)",
            ContractWarning,
            stacklevel=4,
        )
