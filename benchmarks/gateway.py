"""What the gateway costs a call, and how fast a recorded run is replayed.

    python benchmarks/gateway.py [--calls 2000] [--json]

Calls: CPU time of the same questions asked of a chat model that answers at once, by itself
(`ainvoke`), through the gateway as it is by default, and with everything on: a cache that has to
be filled, limits, a price, a budget, and the run's record. Then once more with the cache full.
Replay: a run of 300 users is recorded with the lexical policy and replayed; user-steps per CPU
second of both, store included.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import date
from pathlib import Path
from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from user_steps import WORLDS, Meter

from starec_sim import laboratory
from starec_sim.experiment import Experiment
from starec_sim.policies.gateway import Exchange, Gateway, Policy
from starec_sim.policies.settings import Budget, GatewaySettings, Limits, Price
from starec_sim.rng import Streams
from starec_sim.runs.recorder import Recorder
from starec_sim.runs.session import Session
from starec_sim.runs.store import Store
from starec_sim.types import Messages

REPEATS = 5
IN_FLIGHT = 64
SYSTEM = "You are a person who watches films. " * 40
QUESTION = "Candidates: " + "A. The Third Man | Drama, Thriller | 1940s\n" * 20
ANSWER = AIMessage(
    "<think>hm</think><ranking>A > B</ranking>" * 5,
    usage_metadata={"input_tokens": 900, "output_tokens": 60, "total_tokens": 960},
)


class Instant(BaseChatModel):
    """A model that costs nothing."""

    seeded: bool = True

    @property
    def _llm_type(self) -> str:
        return "instant"

    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        raise NotImplementedError

    async def _agenerate(self, *args: Any, **kwargs: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=ANSWER)])


class Forgetful:
    """A journal that keeps nothing."""

    def find(self, address: Any) -> None:
        return None

    def add(self, address: Any, turn: Any) -> None:
        pass


def cpu_ms(calls: int, ask: Callable[[int], Awaitable[Any]]) -> float:
    """Return CPU milliseconds a call, with some in flight."""

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
    """Return CPU milliseconds a call: bare, by default, with everything on, and from the cache."""
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
        return lambda number: gateway.ask(
            "fast", question(number), user=number, round=0, step=0, attempt=0
        )

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        settings = GatewaySettings(cache=folder / "cache.sqlite")
        budget = Budget(calls=10**9, tokens=10**12, usd=1e9, hours=1e6)
        policies = {"fast": policy, "slow": policy}
        found = {"bare": cpu_ms(calls, bare)}
        plain = {node: Policy("instant", model) for node in ("fast", "slow")}
        found["default"] = cpu_ms(calls, through(Gateway(plain, Streams(0), Forgetful())))
        for name in ("everything", "from the cache"):
            (folder / name).mkdir()
            store = Store(folder / name, [SYSTEM, QUESTION])
            session, exchange = Session(store), Exchange(settings, budget)
            session.spent = exchange.traffic.spent
            recorder = Recorder(store, 0, session)
            gateway = Gateway(policies, Streams(0), recorder, "main", exchange)
            found[name] = cpu_ms(calls, through(gateway))
            found[f"{name}, without the record"] = 0.0
            exchange.close()
            recorder.flush()
            store.close()
            exchange = Exchange(
                settings.model_copy(update={"cache": folder / f"{name}.sqlite"})
                if name == "everything"
                else settings,
                budget,
            )
            gateway = Gateway(policies, Streams(0), Forgetful(), "main", exchange)
            found[f"{name}, without the record"] = cpu_ms(calls, through(gateway))
            exchange.close()
    return found


def measure_replay() -> dict[str, float]:
    """Return user-steps per CPU second of a recorded run and of its replay."""
    with tempfile.TemporaryDirectory() as folder:
        experiment = Experiment(
            name="bench-replay",
            rounds=4,
            concurrency=16,
            runs_dir=Path(folder),
            data={"use": "synthetic", "users": 300, "items": 1000},
            environment=WORLDS["feed"],
        )
        first, second = Meter(), Meter()
        recorded = laboratory.start(experiment, first)
        replayed = laboratory.replay(recorded.folder, second)
        assert replayed.digest == recorded.digest
        return {
            "recorded": first.steps / first.seconds,
            "replayed": second.steps / second.seconds,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rounds = [measure_calls(options.calls) for _ in range(REPEATS)]
    calls = {name: min(found[name] for found in rounds) for name in rounds[0]}
    replays = [measure_replay() for _ in range(REPEATS)]
    rates = {name: max(found[name] for found in replays) for name in replays[0]}
    if options.json:
        json.dump({"cpu_ms_per_call": calls, "user_steps_per_cpu_s": rates}, sys.stdout)
        return
    print(f"CPU ms a call, least of {REPEATS}")
    for name, value in calls.items():
        print(f"  {name:<36}{value:>8.3f}  {value - calls['bare']:>+8.3f} to bare")
    print(f"User-steps per CPU second, best of {REPEATS}")
    for name, value in rates.items():
        print(f"  {name:<36}{value:>8,.0f}")


if __name__ == "__main__":
    main()
