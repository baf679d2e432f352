"""A policy for tests: answers like `lexical`, takes its time, and logs what it was asked."""

import asyncio
import os
import zlib
from pathlib import Path
from typing import Any

from starec_sim.answers import PromptParts
from starec_sim.errors import PolicyError
from starec_sim.policies.lexical import LexicalPolicy


class CountingPolicy(LexicalPolicy):
    """Waits for a time that depends on the seed of the call, so that visits overtake each other."""

    log: str
    """A file to which the seed of every answered call is appended."""
    slowest_s: float = 0.004
    seeded: bool = True

    async def _agenerate(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> Any:
        await asyncio.sleep(kwargs["seed"] % 97 / 96 * self.slowest_s)
        answer = await super()._agenerate(messages)
        with Path(self.log).open("a") as file:
            file.write(f"{kwargs['seed']}\n")
            file.flush()
            os.fsync(file.fileno())
        return answer


class RefusingPolicy(LexicalPolicy):
    """Says no to everything."""

    def answer(self, prompt: PromptParts) -> str:
        return "I refuse."


class FragilePolicy(LexicalPolicy):
    """Breaks at one prompt in seven, always at the same ones."""

    async def _agenerate(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> Any:
        await asyncio.sleep(0)
        if len(messages) > 1 and zlib.crc32(messages[-1].text.encode()) % 7 == 0:
            raise PolicyError("too much for me", cause="refused")
        return await super()._agenerate(messages)
