"""The one door to every model: a question in, a recorded turn out.

Any langchain-core chat model can stand behind it. Every answer is handed to the journal at once, so
that a run that is killed never asks the same question twice.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from starec_sim.errors import ContractError, PolicyError, RunError, StarecError, did_you_mean
from starec_sim.rng import Streams
from starec_sim.types import Node, Tokens, Turn

_MESSAGE: Mapping[str, type[BaseMessage]] = {
    "system": SystemMessage,
    "user": HumanMessage,
    "assistant": AIMessage,
}


class Address(NamedTuple):
    """Where a turn belongs within a trial."""

    round: int
    user: int
    step: int
    node: Node
    attempt: int


class Journal(Protocol):
    """Keeps turns as they are answered, and gives back those that an earlier attempt committed."""

    def find(self, address: Address) -> Turn | None:
        """Return the committed turn of an address, if there is one."""
        ...

    def add(self, address: Address, turn: Turn) -> None:
        """Keep a new turn."""
        ...


@dataclass(frozen=True)
class Policy:
    """A chat model and the name it goes by in the record."""

    name: str
    model: BaseChatModel


class Gateway:
    """Asks the policy of a node; implements `starec_sim.agent.Policies`."""

    def __init__(
        self, policies: Mapping[Node, Policy], streams: Streams, journal: Journal, arm: str = ""
    ) -> None:
        self._arm = arm
        self._policies = policies
        self._streams = streams
        self._journal = journal

    def structured(self, node: Node) -> bool:
        """Say whether a policy takes a schema; see `starec_sim.agent.Policies.structured`."""
        return bool(getattr(self._policies[node].model, "structured", None))

    async def ask(
        self,
        node: Node,
        messages: tuple[tuple[str, str], ...],
        *,
        user: int,
        round: int,
        step: int,
        attempt: int,
        schema: Mapping[str, Any] | None = None,
    ) -> Turn:
        """Ask, or return what was answered before; see `starec_sim.agent.Policies.ask`."""
        address = Address(round, user, step, node, attempt)
        committed = self._journal.find(address)
        if committed is not None:
            if committed.messages != messages:
                raise RunError(
                    f"the recorded question at {address} is not the one asked now",
                    hint="a run resumes only with the code and data it was started with",
                )
            return committed
        policy = self._policies[node]
        asked = [_message(role, text) for role, text in messages]
        options: dict[str, Any] = {}
        if getattr(policy.model, "seeded", False):
            # The seed comes from the address, so that a rerun samples the same answer.
            purpose = f"policy {node} {attempt}"
            options["seed"] = self._streams.integer(purpose, user=user, round=round, call=step)
        if schema is not None:
            wanted = {"name": schema["title"], "schema": schema, "strict": True}
            options["response_format"] = {"type": "json_schema", "json_schema": wanted}
        start = time.perf_counter()
        try:
            reply = await policy.model.ainvoke(asked, **options)
        except StarecError:
            raise
        except Exception as error:
            why = f"{type(error).__name__}: {error}".removesuffix(": ")
            raise PolicyError(
                f'the policy "{policy.name}" failed on {address}: {why}',
                hint="everything answered so far is kept; mend the policy and resume the run",
            ) from error
        # Third-party models may answer with a message of another kind, which reports nothing.
        usage = getattr(reply, "usage_metadata", None)
        turn = Turn(
            node=node,
            attempt=attempt,
            policy=policy.name,
            messages=messages,
            # Half a character, which a byte-level tokenizer can leave, could not be stored.
            completion=reply.text.encode(errors="replace").decode(),
            tokens_in=usage["input_tokens"] if usage else None,
            tokens_out=usage["output_tokens"] if usage else None,
            latency_s=time.perf_counter() - start,
            tokens=self._tokens(reply, policy, address),
        )
        self._journal.add(address, turn)
        return turn

    def _tokens(self, reply: BaseMessage, policy: Policy, address: Address) -> Tokens | None:
        """Return what the model tells of its tokens, with the question they answer as the group."""
        tokens = getattr(reply, "response_metadata", {}).get("tokens")
        if not isinstance(tokens, Tokens):
            return None
        sampled, told = len(tokens.completion), len(tokens.logprobs)
        if sampled != told:
            raise ContractError(
                f'the policy "{policy.name}" sampled {sampled} tokens and told the log-probability '
                f"of {told}",
                hint="give one for each token of `Tokens.completion`, or no `tokens` at all",
            )
        # Not the attempt: a repair belongs to the answer that it repairs.
        question = f"{self._arm}/{self._streams.seed}/{address.round}/{address.user}/{address.step}"
        return replace(tokens, group=f"{question}/{address.node}")


def _message(role: str, text: str) -> BaseMessage:
    if role not in _MESSAGE:
        raise ContractError(
            f'an agent asked with a message of the role "{role}"', hint=did_you_mean(role, _MESSAGE)
        )
    return _MESSAGE[role](text)
