"""A policy: a chat model with its name, its price and its limits."""

from __future__ import annotations

import inspect
import json
import traceback
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel

from starec_sim.boundary import BrokenContract, PluginBoundary, in_a_file, label_of, ships
from starec_sim.boundary.memory_growth import MemoryGrowth
from starec_sim.errors import StarecError
from starec_sim.policies.abilities import Abilities
from starec_sim.policies.gateway.failures import of_endpoint
from starec_sim.policies.settings import Limits, Price

_TRANSPORT = frozenset(
    {"api_key_env", "max_in_flight", "max_retries", "timeout_s", "timeout", "trust_env"}
)
"""Settings that decide whether an answer comes, and never what it says."""

_FAULTS = (TypeError, AttributeError, LookupError, NameError, ArithmeticError, AssertionError)


@dataclass(frozen=True)
class Policy:
    """A chat model with its name, limits and price."""

    name: str
    """The name of the policy in the record of a run."""
    model: BaseChatModel
    spec: Mapping[str, Any] = field(default_factory=dict)
    """What the model was built from."""
    limits: Limits = field(default_factory=Limits)
    price: Price | None = None

    @cached_property
    def abilities(self) -> Abilities:
        """What the model can do besides answer."""
        return Abilities(self.model)

    def measured(self, *, waits: bool) -> AbstractContextManager[None]:
        """Return what measures how much memory a call adds, for a model that does not ship.

        Args:
            waits: Whether other parts of the run work during the call.
        """
        if self._growth is None:
            return nullcontext()
        call = self._growth.waiting_call if waits else self._growth.call
        return call(self._method)

    @cached_property
    def _growth(self) -> MemoryGrowth | None:
        kind = type(self.model)
        return None if ships(kind) else MemoryGrowth(f"policy {label_of(kind)}")

    def failure(self, broken: Exception, place: str) -> StarecError:
        """Return the error that names the model, the method and the question of a fault.

        Args:
            broken: What is wrong with the answer, or what the model's code raised.
            place: The key of the question.
        """
        boundary = PluginBoundary("policy", self.model)
        if not isinstance(broken, BrokenContract) and not boundary.own_line(broken):
            # Raised by a library that got a wrong answer; the line of the method says more.
            raised = " ".join(f"{type(broken).__name__}: {broken}".split())
            broken = BrokenContract(f"raised {raised}")
        return boundary.failure(broken, self._method, place)

    def is_to_blame(self, error: Exception) -> bool:
        """Return whether a plug-in in a file has a fault: an error that no endpoint can cause.

        That is an error of its own lines, or one of those that only wrong code raises, such as
        `AttributeError` of LangChain for an answer that is None.
        """
        if not in_a_file(type(self.model)) or of_endpoint(error):
            return False
        if isinstance(error, _FAULTS):
            return True
        last = traceback.extract_tb(error.__traceback__)[-1]
        return last.filename == inspect.getsourcefile(type(self.model))

    def line_of(self, error: BaseException) -> str:
        """Return ` (file.py:12)`, where a plug-in in a file raised an error; empty for others."""
        if not in_a_file(type(self.model)):
            return ""
        boundary = PluginBoundary("policy", self.model)
        return boundary.own_line(error) or boundary.method_line(self._method)

    @property
    def _method(self) -> str:
        """The method that answers, as the author of the model wrote it."""
        names, kind = ("answer", "_agenerate", "_generate"), type(self.model)
        own = (n for n in names if getattr(kind, n, None) is not getattr(BaseChatModel, n, None))
        return next(own, "_generate")

    def identity(self) -> str:
        """Return what decides this policy's answers, besides the question, as canonical JSON."""
        # The model's own values come last: a training changes its weights and its temperature.
        described = {**self.spec, **self.model._identifying_params}
        settings = {key: value for key, value in described.items() if key not in _TRANSPORT}
        # The version changes when other weights are loaded into the same model.
        versions = [self.abilities.revision, self.abilities.version]
        parts = [self.name, self.model._llm_type, settings, versions]
        return json.dumps(parts, sort_keys=True, default=str)

    async def open(self) -> None:
        """Let the model read its weights, or find its key, before the first question.

        Weights that ship are read at the first question, because there may be none.

        Raises:
            PolicyError: It cannot.
        """
        await self.abilities.open_early()

    async def close(self) -> None:
        """Close the model's connections, if it has any."""
        await self.abilities.close()

    def cost_usd(self, tokens_in: int | None, tokens_out: int | None) -> float | None:
        """Return the cost of a call; None without a price, or where tokens are not reported."""
        if self.price is None or tokens_in is None or tokens_out is None:
            return None
        return self.price.of(tokens_in, tokens_out)


def name_of(spec: Mapping[str, Any]) -> str:
    """Return the name of a policy in the record of a run.

    >>> name_of({"use": "openai", "model": "qwen3:8b"}), name_of({"use": "lexical"})
    ('openai:qwen3:8b', 'lexical')
    """
    return f"{spec['use']}:{spec['model']}" if "model" in spec else str(spec["use"])
