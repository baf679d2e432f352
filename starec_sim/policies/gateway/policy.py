"""A policy: a chat model with its name, its price and its limits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel
from pydantic import ValidationError

from starec_sim import plugins
from starec_sim.errors import PluginError, StarecError
from starec_sim.policies.abilities import Abilities
from starec_sim.policies.gateway.failures import install_hint
from starec_sim.policies.settings import Limits, Price, split_spec
from starec_sim.settings import explain

_TRANSPORT = frozenset(
    {"api_key_env", "max_in_flight", "max_retries", "timeout_s", "timeout", "trust_env"}
)
"""Settings that decide whether an answer comes, and never what it says."""


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

        Raises:
            PolicyError: It cannot.
        """
        await self.abilities.open()

    async def close(self) -> None:
        """Close the model's connections, if it has any."""
        await self.abilities.close()

    def cost_usd(self, tokens_in: int | None, tokens_out: int | None) -> float | None:
        """Return the cost of a call; None without a price, or where tokens are not reported."""
        if self.price is None or tokens_in is None or tokens_out is None:
            return None
        return self.price.of(tokens_in, tokens_out)


def build_policy(spec: Mapping[str, Any], at: str) -> Policy:
    """Build a policy from its spec in an experiment.

    Args:
        spec: `{"use": reference, **settings}`. The reference names a subclass of `BaseChatModel`,
            or an instance of one, which takes no settings. `limits` and `price` are the gateway's.
        at: The dotted key of the spec in the experiment, for error messages.

    Raises:
        ConfigError: A setting is wrong.
        PluginError: The reference leads to no chat model, or it could not be built.
    """
    inner, (limits, price) = split_spec(spec, at)
    settings = {key: value for key, value in inner.items() if key != "use"}
    loaded = plugins.load("policies", inner["use"])
    if isinstance(loaded, BaseChatModel) and not settings:
        model = loaded
    elif isinstance(loaded, type) and issubclass(loaded, BaseChatModel):
        try:
            model = loaded(**settings)
        except ValidationError as error:
            raise explain(error, loaded, at) from None
        except StarecError:
            raise
        except ImportError as error:
            raise PluginError(
                f'{at}: "{spec["use"]}" cannot import what it needs: {error}',
                hint=install_hint(error),
            ) from error
        except Exception as error:
            raise PluginError(
                f'{at}: "{spec["use"]}" could not be built: {type(error).__name__}: {error}',
                hint="check its settings and the environment variables it reads",
            ) from error
    else:
        raise PluginError(
            f'{at}.use: "{spec["use"]}" is neither a chat model nor a ready one without settings',
            hint="give a subclass of langchain_core's BaseChatModel, or an instance of one",
        )
    return Policy(name_of(spec), model, inner, limits, price)


def name_of(spec: Mapping[str, Any]) -> str:
    """Return the name of a policy in the record of a run.

    >>> name_of({"use": "openai", "model": "qwen3:8b"}), name_of({"use": "lexical"})
    ('openai:qwen3:8b', 'lexical')
    """
    return f"{spec['use']}:{spec['model']}" if "model" in spec else str(spec["use"])
