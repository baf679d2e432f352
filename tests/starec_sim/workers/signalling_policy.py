"""A policy for tests: it answers like `lexical`, and once sends a signal while it does."""

import os
import signal
from pathlib import Path
from typing import Any

from starec_sim.policies.lexical import LexicalPolicy

_asked = 0


class SignallingPolicy(LexicalPolicy):
    """At its so-many-th question it sends a signal, unless a file says that it was sent."""

    sent: str
    """The file; it is written before the signal is sent."""
    at: int = 30
    signal: str = "SIGKILL"
    to_parent: bool = False
    times: int = 1
    """Processes that send it."""

    async def _agenerate(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> Any:
        global _asked
        _asked += 1
        file = Path(self.sent)
        before = file.read_text() if file.exists() else ""
        if _asked >= self.at and len(before) < self.times:
            file.write_text(before + "x")
            os.kill(os.getppid() if self.to_parent else os.getpid(), signal.Signals[self.signal])
        return await super()._agenerate(messages)
