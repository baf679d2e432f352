"""The gateway: it answers from the record, from a recording, from the cache, or by the model."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from starec_sim.boundary import BrokenContract
from starec_sim.errors import RunError
from starec_sim.policies.gateway.cache import cache_key
from starec_sim.policies.gateway.failures import RaisedByPlugin
from starec_sim.policies.gateway.policy import Policy
from starec_sim.policies.gateway.replay import RecordedTurns, replayed_turn
from starec_sim.policies.gateway.reply import (
    NO_REPLY,
    CallResult,
    counts_as_answer,
    estimate_tokens,
)
from starec_sim.policies.gateway.resources import GatewayResources
from starec_sim.policies.gateway.turn_store import TurnStore
from starec_sim.rng import Streams
from starec_sim.types import CallKey, ExpectedAnswer, Messages, Node, Source, Turn


class Gateway:
    """Asks the policy of a node; implements `starec_sim.agent.Policies`.

    Args:
        policies: The policy of each node.
        streams: Keyed randomness: the seeds of calls.
        turns: Keeps turns while a round is played, so that a run that was killed asks few twice.
        arm: The arm of the experiment.
        resources: What this gateway shares with the others of its run.
        recording: The recorded turns of a trial; they are given, and no model is asked.
    """

    def __init__(
        self,
        policies: Mapping[Node, Policy],
        streams: Streams,
        turns: TurnStore,
        arm: str = "",
        resources: GatewayResources | None = None,
        recording: RecordedTurns | None = None,
    ) -> None:
        self._policies = policies
        self._streams = streams
        self._turns = turns
        self._arm = arm
        self._resources = resources or GatewayResources()
        self._recording = recording

    def structured(self, node: Node) -> bool:
        """Return whether a policy takes a schema; see `starec_sim.agent.Policies.structured`."""
        return self._policies[node].abilities.takes_schema

    def names(self) -> dict[str, str]:
        """Return the policies and their weights; see `starec_sim.agent.NamedPolicies`."""
        names = {f"policy_{node}": policy.name for node, policy in self._policies.items()}
        for node, policy in self._policies.items():
            if version := policy.abilities.version_if_open:
                names[f"version_{node}"] = version
        return names

    async def ask(
        self,
        key: CallKey,
        messages: Messages,
        schema: Mapping[str, Any] | None = None,
        expected: ExpectedAnswer | None = None,
    ) -> Turn:
        """Ask, or return the recorded answer; see `starec_sim.agent.Policies.ask`."""
        committed = self._turns.find(key)
        if committed is not None:
            if committed.messages != messages:
                raise RunError(
                    f"the recorded question at {key} is not the one asked now",
                    hint="a run resumes only with the code and data it was started with",
                )
            answered = counts_as_answer(committed.completion, committed.tokens)
            if answered and not committed.failure and self._recording is None:
                self._resources.client(self._policies[key.node]).note_recorded_answer()
            return committed
        if self._recording is not None:
            turn = replayed_turn(self._recording, key, messages)
        else:
            policy = self._policies[key.node]
            held = expected if policy.abilities.takes_expected else None
            turn = await self._answer(policy, _Question(key, messages, schema, held))
        self._turns.add(key, turn)
        return turn

    async def _answer(self, policy: Policy, question: _Question) -> Turn:
        """Return the turn of a question that is new to this run."""
        await policy.abilities.open_when_asked()  # no part of the time that an answer takes
        start = time.perf_counter()
        key = question.key
        client, size = self._resources.client(policy), estimate_tokens(question.messages)
        options = question.options(self._seed(key) if policy.abilities.takes_seed else None)

        async def ask() -> CallResult:
            try:
                return await client.ask(
                    question.messages,
                    options,
                    prompt_tokens=size,
                    jitter=lambda: self._seed(key) % 1000 / 1000,
                )
            except BrokenContract as broken:
                raise policy.failure(broken, str(key)) from None
            except RaisedByPlugin as raised:
                raise policy.failure(raised.error, str(key)) from raised.error

        cache = self._resources.cache
        source: Source = "model"
        if cache is None:
            result = await ask()
        else:
            sample = 0 if policy.abilities.is_greedy else self._seed(key)
            parts = (policy.identity(), question.messages, question.options(None), sample)
            result, source = await cache.get_or_ask(cache_key(*parts), ask)
        return self._turn(policy, question, result, source, time.perf_counter() - start)

    def _seed(self, key: CallKey) -> int:
        """Return the seed of a call. It comes from the key: a rerun asks for the same answer."""
        purpose = f"policy {key.node} {key.attempt}"
        return self._streams.integer(purpose, user=key.user, round=key.round, call=key.step)

    def _turn(
        self,
        policy: Policy,
        question: _Question,
        result: CallResult,
        source: Source,
        latency_s: float,
    ) -> Turn:
        key, reply = question.key, result.reply or NO_REPLY
        # The attempt is no part of it: a repair belongs to the answer that it repairs.
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
            failure=result.failure,
            source=source,
            tries=result.tries,
            cost_usd=policy.cost_usd(reply.tokens_in, reply.tokens_out) if result.tries else None,
            ending=reply.ending,
        )


class _Question(NamedTuple):
    """What is asked, and the key of the call."""

    key: CallKey
    messages: Messages
    schema: Mapping[str, Any] | None
    expected: ExpectedAnswer | None
    """What the answer is held to; None for a policy that cannot be."""

    def options(self, seed: int | None) -> dict[str, Any]:
        """Return the keywords of the call."""
        options: dict[str, Any] = {} if seed is None else {"seed": seed}
        if self.schema is not None:
            schema = {"name": self.schema["title"], "schema": self.schema, "strict": True}
            options["response_format"] = {"type": "json_schema", "json_schema": schema}
        if self.expected is not None:
            options["expected"] = self.expected
        return options
