"""How much memory the calls of a plug-in add to the process, so that a leak has a name.

Only Linux tells the memory of a process cheaply (`/proc/self/statm`). Elsewhere nothing is watched.
"""

from __future__ import annotations

import os
import warnings
from collections import Counter
from pathlib import Path

from starec_sim.boundary.values import BrokenContract
from starec_sim.errors import ContractWarning

_STATM = Path("/proc/self/statm")
_GIB = 2**30
WARNED = _GIB
"""Bytes that the calls of one method may add before a warning."""


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
    """Adds up what the calls of each method of a plug-in add to the memory of the process.

    Args:
        plugin: The plug-in, for messages.
        most: Bytes after which a call is refused; half of the machine's memory when None.
    """

    def __init__(self, plugin: str, most: int | None = None) -> None:
        self._plugin = plugin
        self._most = _all_memory() // 2 if most is None else most
        self._grown: Counter[str] = Counter()
        self._told: set[str] = set()

    def add(self, method: str, before: int) -> None:
        """Add what a call of a method added.

        Args:
            method: Its name.
            before: `resident_bytes()` before the call.

        Raises:
            BrokenContract: Its calls added more than half of the machine's memory.
        """
        self._grown[method] += resident_bytes() - before
        grown = self._grown[method]
        if grown < WARNED:
            return
        said = f"its calls added {grown / _GIB:.1f} GiB to the memory of the process"
        if self._most and grown > self._most:
            raise BrokenContract(
                f"{said}, half of what the machine has",
                "keep no more than a round needs; lists that grow with each call are a leak",
            )
        if method not in self._told:
            self._told.add(method)
            warnings.warn(f"{self._plugin}, {method}: {said}", ContractWarning, stacklevel=3)
