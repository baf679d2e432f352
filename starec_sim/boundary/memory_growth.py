"""How much memory the calls of a plug-in add to the process, so that a leak has a name.

Only Linux tells the memory of a process cheaply (`/proc/self/statm`). Elsewhere nothing is watched.
"""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from starec_sim.boundary.values import BrokenContract
from starec_sim.errors import ContractWarning

_STATM = Path("/proc/self/statm")
_GIB = 2**30
WARNED = _GIB
"""Bytes that the calls of one method may add before a warning."""
_PER_WAITING_CALL = 64 * 2**10
"""Bytes that a call which waits may add besides: the run keeps memories, and the visits of a round
until it is committed."""
_explained = 0
"""Bytes that calls which do not wait added to this process."""


def resident_bytes() -> int:
    """Return the bytes of memory that the process holds; 0 where that is not known."""
    try:
        return int(_STATM.read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def _all_memory() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0


class MemoryGrowth:
    """Adds up what the calls of a plug-in add to the memory of the process.

    Args:
        plugin: The plug-in, for messages.
        most: Bytes after which a call is refused; half of the machine's memory when None.
    """

    def __init__(self, plugin: str, most: int | None = None) -> None:
        self._plugin = plugin
        self._most = _all_memory() // 2 if most is None else most
        self._grown: Counter[str] = Counter()
        self._told: set[str] = set()
        self._waiting = self._waited = 0
        """Calls that wait and are in progress, and those that have ended."""
        self._start = self._end = 0
        """What the process held at the beginning of them, and when one ended last."""

    def add(self, method: str, before: int) -> None:
        """Add what a call of a method added, during which nothing else ran.

        Args:
            method: Its name; empty for a function.
            before: `resident_bytes()` before the call.

        Raises:
            BrokenContract: Its calls added more than half of the machine's memory.
        """
        global _explained
        added = resident_bytes() - before
        self._grown[method] += added
        _explained += added
        grown = self._grown[method]
        if grown >= WARNED:
            self._tell(method, f"its calls added {_gib(grown)} to the memory of the process", grown)

    @contextmanager
    def call(self, method: str) -> Iterator[None]:
        """Add what the block adds, which is a call of a method; see `add`."""
        before = resident_bytes()
        yield
        self.add(method, before)

    @contextmanager
    def waiting_call(self, method: str) -> Iterator[None]:
        """Add what the process grows by in the block, which is a call that waits for others.

        Other parts of the run work meanwhile, so this is less certain than `add`. What `add` was
        told of does not count, and neither does what the first call leaves, such as weights.

        Args:
            method: Its name. The calls of one method alone wait.

        Raises:
            BrokenContract: The process grew by more than half of the machine's memory.
        """
        if not self._waiting:
            self._start += _unexplained() - self._end  # in the time between, it was not called
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1
            self._waited += 1
            self._end = _unexplained()
            if self._waited == 1:
                self._start = self._end
        grown = self._end - self._start
        if grown >= max(WARNED, self._waited * _PER_WAITING_CALL):
            said = (
                f"the memory of the process grew by {_gib(grown)} while its calls were in progress"
            )
            self._tell(method, said, grown)

    def _tell(self, method: str, said: str, grown: int) -> None:
        if self._most and grown > self._most:
            raise BrokenContract(
                f"{said}, half of what the machine has",
                "keep no more than a round needs; lists that grow with each call are a leak",
            )
        if method not in self._told:
            self._told.add(method)
            called = f"{self._plugin}, {method}" if method else self._plugin
            more = "; `starec check` measures what its calls keep"
            warnings.warn(f"{called}: {said}{more}", ContractWarning, stacklevel=3)


def _gib(size: int) -> str:
    return f"{size / _GIB:.1f} GiB"


def _unexplained() -> int:
    return resident_bytes() - _explained
