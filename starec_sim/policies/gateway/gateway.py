"""What happens to a question: found in the record, in a recording, in the cache, or asked."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from starec_sim.errors import ContractError, RunError, did_you_mean
from starec_sim.policies.gateway.cache import key_of
from starec_sim.policies.gateway.policy import Policy
from starec_sim.policies.gateway.replay import Recording, replayed
from starec_sim.policies.gateway.reply import NO_REPLY, Outcome, guessed_tokens
from starec_sim.policies.gateway.resources import GatewayResources
from starec_sim.policies.gateway.turn_store import TurnStore
from starec_sim.rng import Streams
from starec_sim.types import CallKey, Messages, Node, Source, Turn

_MESSAGE: Mapping[str, type[BaseMessage]] = {
    "system": SystemMessage,
    "user": HumanMessage,
    "assistant": AIMessage,
}


class Gateway:
    """Asks the policy of a node; implements `starec_sim.agent.Policies`.

    Args:
        policies: Who answers for which node; nobody in a replay.
        streams: Keyed randomness: the seeds of calls.
        journal: Keeps every turn at once, so that a run that is killed never asks twice.
        arm: Which arm of the experiment asks.
        exchange: What this gateway shares with the others of its run.
        recording: The trial whose answers are given instead of asking.
    """

    def __init__(
        self,
        policies: Mapping[Node, Policy],
        streams: Streams,
        journal: TurnStore,
        arm: str = "",
        exchange: GatewayResources | None = None,
        recording: Recording | None = None,
    ) -> None:
        self._policies = policies
        self._streams = streams
        self._journal = journal
        self._arm = arm
        self._exchange = exchange or GatewayResources()
        self._recording = recording

    def structured(self, node: Node) -> bool:
        """Say whether a policy takes a schema; see `starec_sim.agent.Policies.structured`."""
        return bool(getattr(self._policies[node].model, "structured", None))

    async def ask(
        self, key: CallKey, messages: Messages, schema: Mapping[str, Any] | None = None
    ) -> Turn:
        """Ask, or return what was answered before; see `starec_sim.agent.Policies.ask`."""
        committed = self._journal.find(key)
        if committed is not None:
            if committed.messages != messages:
                raise RunError(
                    f"the recorded question at {key} is not the one asked now",
                    hint="a run resumes only with the code and data it was started with",
                )
            return committed
        if self._recording is not None:
            turn = replayed(self._recording, key, messages)
        else:
            asked = _Question(key, messages, schema)
            turn = await self._answered(self._policies[key.node], asked)
        self._journal.add(key, turn)
        return turn

    async def _answered(self, policy: Policy, question: _Question) -> Turn:
        """Return the turn of a question that is new to this run."""
        start = time.perf_counter()
        key, sent = question.key, [_message(*pair) for pair in question.messages]
        # The seed comes from the key, so that a rerun asks for the same answer.
        purpose = f"policy {key.node} {key.attempt}"
        place = {"user": key.user, "round": key.round, "call": key.step}
        seed = self._streams.integer(purpose, **place)
        line, guess = self._exchange.line(policy), guessed_tokens(question.messages)
        options = question.options(seed if getattr(policy.model, "seeded", False) else None)

        async def ask() -> Outcome:
            return await line.ask(sent, options, prompt_tokens=guess, jitter=seed % 1000 / 1000)

        cache = self._exchange.cache
        source: Source = "model"
        if cache is None:
            outcome = await ask()
        else:
            sample = 0 if policy.greedy else seed
            parts = (policy.identity(), question.messages, question.options(None), sample)
            outcome, source = await cache.through(key_of(*parts), ask)
        return self._turn(policy, question, outcome, source, time.perf_counter() - start)

    def _turn(
        self,
        policy: Policy,
        question: _Question,
        outcome: Outcome,
        source: Source,
        latency_s: float,
    ) -> Turn:
        key, reply = question.key, outcome.reply or NO_REPLY
        # Not the attempt: a repair belongs to the answer that it repairs.
        group = f"{self._arm}/{self._streams.seed}/{key.round}/{key.user}/{key.step}"
        return Turn(
            node=key.node,
            attempt=key.attempt,
            policy=policy.name,
            messages=question.messages,
            completion=reply.completion,
            tokens_in=reply.tokens_in,
            tokens_out=reply.tokens_out,
            latency_s=latency_s,
            tokens=reply.tokens and replace(reply.tokens, group=f"{group}/{key.node}"),
            failure=outcome.failure,
            source=source,
            tries=outcome.tries,
            cost_usd=policy.cost_usd(reply.tokens_in, reply.tokens_out) if outcome.tries else None,
        )


class _Question(NamedTuple):
    """What is asked, and where."""

    key: CallKey
    messages: Messages
    schema: Mapping[str, Any] | None

    def options(self, seed: int | None) -> dict[str, Any]:
        """Return the keywords of the call."""
        options: dict[str, Any] = {} if seed is None else {"seed": seed}
        if self.schema is not None:
            wanted = {"name": self.schema["title"], "schema": self.schema, "strict": True}
            options["response_format"] = {"type": "json_schema", "json_schema": wanted}
        return options


def _message(role: str, text: str) -> BaseMessage:
    if role not in _MESSAGE:
        raise ContractError(
            f'an agent asked with a message of the role "{role}"', hint=did_you_mean(role, _MESSAGE)
        )
    return _MESSAGE[role](text)
