"""Measure what the gateway costs per call, and how fast a recorded run is replayed.

    python benchmarks/gateway.py [--calls 2000] [--json]

Calls: CPU time of the same questions to a chat model that answers at once. They are asked directly
(`ainvoke`), through the gateway with its defaults, and through the gateway with everything on: an
empty cache, limits, a price, a budget, and the run's record. Then once more with the filled cache.

Replay: a run of 300 users is recorded with the lexical policy and replayed, for feed and ranking,
with 16 and 64 visits in flight. It reports user-steps per CPU second of both, store included. The
lower limit of the cost is LangGraph alone: a graph of the same shape whose nodes do nothing, with
as many pages and slow thoughts. The share of its speed that the replay reaches is reported too.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import date
from pathlib import Path
from typing import Any, Literal, NamedTuple

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command
from typing_extensions import TypedDict
from user_steps import WORLDS, Meter

from starec_sim import runner
from starec_sim.experiment import Experiment, PolicySpecs
from starec_sim.policies.gateway import Gateway, GatewayResources, Policy
from starec_sim.policies.settings import Budget, GatewaySettings, Limits, Price
from starec_sim.rng import Streams
from starec_sim.runs.recorder import Recorder
from starec_sim.runs.session import Session
from starec_sim.runs.store import Store
from starec_sim.types import CallKey, Messages, Visit

REPEATS = 5
CONCURRENCY = (16, 64)
IN_FLIGHT = 64
SYSTEM = "You are a person who watches films. " * 40
QUESTION = "Candidates: " + "A. The Third Man | Drama, Thriller | 1940s\n" * 20
ANSWER = AIMessage(
    "<think>hm</think><ranking>A > B</ranking>" * 5,
    usage_metadata={"input_tokens": 900, "output_tokens": 60, "total_tokens": 960},
)


class Instant(BaseChatModel):
    """A chat model that answers at once with a fixed message."""

    seeded: bool = True

    @property
    def _llm_type(self) -> str:
        return "instant"

    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        raise NotImplementedError

    async def _agenerate(self, *args: Any, **kwargs: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=ANSWER)])


class NoTurns:
    """A turn store that keeps nothing."""

    def find(self, key: Any) -> None:
        return None

    def add(self, key: Any, turn: Any) -> None:
        pass


def cpu_ms(calls: int, ask: Callable[[int], Awaitable[Any]]) -> float:
    """Return CPU milliseconds per call, with `IN_FLIGHT` calls at once."""

    async def run() -> float:
        waiting = iter(range(calls))

        async def work() -> None:
            for number in waiting:
                await ask(number)

        start = time.process_time()
        async with asyncio.TaskGroup() as group:
            for _ in range(IN_FLIGHT):
                group.create_task(work())
        return time.process_time() - start

    return 1000 * asyncio.run(run()) / calls


def measure_calls(calls: int) -> dict[str, float]:
    """Return CPU milliseconds per call: bare, default, with everything on, and from the cache."""
    model = Instant()
    price = Price(tokens_in=1, tokens_out=2, as_of=date(2026, 11, 1))
    limits = Limits(requests_per_minute=1e9, tokens_per_minute=1e12, in_flight=IN_FLIGHT)
    policy = Policy("instant", model, {"use": "instant"}, limits, price)

    def question(number: int) -> Messages:
        return (("system", SYSTEM), ("user", f"{QUESTION}{number}"))

    async def bare(number: int) -> None:
        (_, system), (_, user) = question(number)
        await model.ainvoke([SystemMessage(system), HumanMessage(user)], seed=number)

    def through(gateway: Gateway) -> Callable[[int], Awaitable[Any]]:
        return lambda number: gateway.ask(CallKey(0, number, 0, "fast"), question(number))

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        settings = GatewaySettings(cache=folder / "cache.sqlite")
        budget = Budget(calls=10**9, tokens=10**12, usd=1e9, hours=1e6)
        policies = {"fast": policy, "slow": policy}
        found = {"bare": cpu_ms(calls, bare)}
        plain = {node: Policy("instant", model) for node in ("fast", "slow")}
        found["default"] = cpu_ms(calls, through(Gateway(plain, Streams(0), NoTurns())))
        for name in ("everything", "from the cache"):
            (folder / name).mkdir()
            store = Store(folder / name, [SYSTEM, QUESTION])
            session, resources = Session(store), GatewayResources(settings, budget)
            session.spent = resources.spent
            recorder = Recorder(store, 0, session)
            gateway = Gateway(policies, Streams(0), recorder, "main", resources)
            found[name] = cpu_ms(calls, through(gateway))
            found[f"{name}, without the record"] = 0.0
            resources.close()
            recorder.flush()
            store.close()
            resources = GatewayResources(
                settings.model_copy(update={"cache": folder / f"{name}.sqlite"})
                if name == "everything"
                else settings,
                budget,
            )
            gateway = Gateway(policies, Streams(0), NoTurns(), "main", resources)
            found[f"{name}, without the record"] = cpu_ms(calls, through(gateway))
            resources.close()
    return found


class Shape(TypedDict):
    """The keys of the agent's state; the empty graph uses only `steps`."""

    memory: int
    steps: int
    observation: int
    messages: int
    decision: int
    feedback: int
    verdict: int
    summary: int
    turns: int


class Plan(NamedTuple):
    """The context of one invocation of the empty graph."""

    thoughts: tuple[bool, ...]
    """For each page, whether the slow node runs after it."""


def empty_graph() -> Any:
    """Return a graph of the STAR agent's shape whose nodes do nothing."""

    async def perceive(state: Shape, runtime: Runtime[Plan]) -> dict[str, int]:
        return {"observation": 0, "messages": 0, "turns": 0}

    async def fast(state: Shape, runtime: Runtime[Plan]) -> dict[str, int]:
        return {"decision": 0, "turns": 0}

    async def respond(state: Shape, runtime: Runtime[Plan]) -> dict[str, int]:
        return {"feedback": 0}

    async def gate(state: Shape, runtime: Runtime[Plan]) -> Command[Literal["slow", "remember"]]:
        goto = "slow" if runtime.context.thoughts[state["steps"]] else "remember"
        return Command(update={"verdict": 0, "summary": 0}, goto=goto)

    async def slow(state: Shape, runtime: Runtime[Plan]) -> dict[str, int]:
        return {"summary": 0, "turns": 0}

    async def remember(
        state: Shape, runtime: Runtime[Plan]
    ) -> Command[Literal["perceive", "__end__"]]:
        done = state["steps"] + 1
        goto = "__end__" if done == len(runtime.context.thoughts) else "perceive"
        return Command(update={"memory": 0, "steps": done}, goto=goto)

    builder = StateGraph(Shape, context_schema=Plan)
    for node in (perceive, fast, respond, gate, slow, remember):
        builder.add_node(node.__name__, node)
    for start, end in (
        (START, "perceive"),
        ("perceive", "fast"),
        ("fast", "respond"),
        ("respond", "gate"),
        ("slow", "remember"),
    ):
        builder.add_edge(start, end)
    return builder.compile()


def measure_floor(visits: list[tuple[bool, ...]], concurrency: int) -> float:
    """Return user-steps per CPU second of the same visits in the empty graph."""
    graph = empty_graph()

    async def run() -> float:
        waiting = iter(visits)

        async def work() -> None:
            for thoughts in waiting:
                await graph.ainvoke(
                    {"memory": 0, "steps": 0},
                    {"recursion_limit": 6_000},
                    context=Plan(thoughts),
                    output_keys=["steps"],
                    version="v2",
                )

        start = time.process_time()
        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(work())
        return time.process_time() - start

    gc.collect()
    gc.freeze()
    before = gc.get_threshold()
    gc.set_threshold(100_000, 20, 20)  # as a run does
    try:
        return sum(map(len, visits)) / asyncio.run(run())
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


class Thoughts(Meter):
    """A meter that also stores for each page whether the slow node ran."""

    def __init__(self) -> None:
        super().__init__()
        self.visits: list[tuple[bool, ...]] = []

    def visit_finished(self, visit: Visit) -> None:
        super().visit_finished(visit)
        self.visits.append(tuple(step.verdict.slow for step in visit.steps))


def measure_replay(world: str, concurrency: int) -> dict[str, float]:
    """Return user-steps per CPU second of a recorded run, its replay and LangGraph alone."""
    with tempfile.TemporaryDirectory() as folder:
        experiment = Experiment(
            name="bench-replay",
            rounds=4,
            concurrency=concurrency,
            runs_dir=Path(folder),
            data={"use": "synthetic", "users": 300, "items": 1000},
            environment=WORLDS[world],
            policies=PolicySpecs(fast={"use": "lexical"}, slow={"use": "lexical"}),
        )
        first, second = Meter(), Thoughts()
        recorded = runner.run(experiment, first)
        replayed = runner.replay(recorded.folder, second)
        assert replayed.digest == recorded.digest
        rate = second.steps / second.seconds
        floor = measure_floor(second.visits, concurrency)
        return {
            "recorded": first.steps / first.seconds,
            "replayed": rate,
            "LangGraph alone": floor,
            "replayed / LangGraph alone": rate / floor,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rounds = [measure_calls(options.calls) for _ in range(REPEATS)]
    calls = {name: min(found[name] for found in rounds) for name in rounds[0]}
    rates: dict[str, float] = {}
    for world, concurrency in itertools.product(WORLDS, CONCURRENCY):
        runs = [measure_replay(world, concurrency) for _ in range(REPEATS)]
        for name in runs[0]:
            rates[f"{world}, {concurrency} in flight: {name}"] = statistics.median(
                run[name] for run in runs
            )
    if options.json:
        json.dump({"cpu_ms_per_call": calls, "user_steps_per_cpu_s": rates}, sys.stdout)
        return
    print(f"CPU ms a call, least of {REPEATS}")
    for name, value in calls.items():
        print(f"  {name:<36}{value:>8.3f}  {value - calls['bare']:>+8.3f} to bare")
    print(f"User-steps per CPU second, median of {REPEATS}")
    for name, value in rates.items():
        print(f"  {name:<52}{value:>8,.{2 if '/' in name else 0}f}")


if __name__ == "__main__":
    main()
