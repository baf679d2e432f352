"""The policy under audit, behind the gateway, with its answers kept and its costs counted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from langchain_core.language_models.chat_models import BaseChatModel
from pydantic import ValidationError

from starec_sim import plugins
from starec_sim.errors import PluginError, StarecError
from starec_sim.policies.gateway import Address, Gateway, Policy
from starec_sim.rng import Streams
from starec_sim.types import Node, Turn
from starec_sim.validation import explain

Messages = tuple[tuple[str, str], ...]


class Respondent:
    """A policy that can be asked; what it answered to the same question before is not asked again.

    An audit that was killed has its answers in a file, a line for each, and goes on from there.
    """

    def __init__(self, policy: Policy, spec: Mapping[str, Any], seed: int) -> None:
        self.name = policy.name
        self.calls = self.tokens_in = self.tokens_out = 0
        """What all answers cost, those that were kept from before included."""
        self._policy = policy
        self._gateway = Gateway({"fast": policy, "slow": policy}, Streams(seed), self, "audit")
        self._who = json.dumps([dict(spec), seed], sort_keys=True, default=str)
        self._kept: dict[str, list[Any]] = {}
        self._file: TextIO | None = None

    @contextmanager
    def keeping(self, path: Path | None) -> Iterator[None]:
        """Keep answers in a file, and know those that are in it."""
        if path is None:
            yield
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+", encoding="utf-8") as self._file:
            self._file.seek(0)
            for line in self._file:
                try:
                    key, *answer = json.loads(line)
                    self._kept[key] = answer
                except ValueError:  # the line that was being written when the audit was killed
                    continue
            self._file.write("\n")  # so that such a line does not swallow the next
            try:
                yield
            finally:
                self._file = None

    def structured(self, node: Node) -> bool:
        """Say whether the policy takes a schema; see `starec_sim.agent.Policies.structured`."""
        return self._gateway.structured(node)

    async def ask(self, node: Node, messages: Messages, **place: Any) -> Turn:
        """Ask, or return what was answered before; see `starec_sim.agent.Policies.ask`."""
        parts = [self._who, node, messages, sorted(place.items(), key=str)]
        key = hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()
        if key in self._kept:
            completion, tokens_in, tokens_out = self._kept[key]
            turn = Turn(
                node=node,
                attempt=place["attempt"],
                policy=self.name,
                messages=messages,
                completion=completion,
                tokens_in=tokens_in,
                tokens_out=tokens_out,
                latency_s=0.0,
            )
        else:
            turn = await self._gateway.ask(node, messages, **place)
            if self._file is not None:
                answer = [key, turn.completion, turn.tokens_in, turn.tokens_out]
                self._file.write(json.dumps(answer) + "\n")
                self._file.flush()
        self.calls += 1
        self.tokens_in += turn.tokens_in or 0
        self.tokens_out += turn.tokens_out or 0
        return turn

    async def close(self) -> None:
        """Close the model's connections, if it has any."""
        close = getattr(self._policy.model, "aclose", None)
        if close is not None:
            await close()

    def find(self, address: Address) -> Turn | None:
        """Return nothing: the gateway has no record here."""
        return None

    def add(self, address: Address, turn: Turn) -> None:
        """Keep nothing either, see `ask`."""


def respondent(spec: Mapping[str, Any], seed: int) -> Respondent:
    """Build a policy that can be asked.

    Raises:
        PluginError: There is no such policy, or it cannot be built.
        ConfigError: Its settings are wrong.
    """
    settings = {key: value for key, value in spec.items() if key != "use"}
    found = plugins.load("policies", spec["use"], "policy")
    try:
        model = found(**settings) if isinstance(found, type) else found
    except ValidationError as error:
        raise explain(error, found, "policy") from None
    except StarecError:
        raise
    except Exception as error:
        raise PluginError(
            f'policy: "{spec["use"]}" could not be built: {type(error).__name__}: {error}',
            hint="check its settings and the environment variables it reads",
        ) from error
    if not isinstance(model, BaseChatModel):
        raise PluginError(
            f'policy: "{spec["use"]}" is no chat model',
            hint="give a subclass of langchain_core's BaseChatModel, or an instance of one",
        )
    name = f"{spec['use']}:{spec['model']}" if "model" in spec else str(spec["use"])
    return Respondent(Policy(name, model), spec, seed)
