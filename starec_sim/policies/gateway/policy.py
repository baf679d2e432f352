"""A chat model with the name, the price and the limits it is asked under."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel
from pydantic import ValidationError

from starec_sim import plugins
from starec_sim.errors import PluginError, StarecError
from starec_sim.policies.settings import Limits, Price, split
from starec_sim.settings import explain

_TRANSPORT = frozenset(
    {"api_key_env", "max_in_flight", "max_retries", "timeout_s", "timeout", "trust_env"}
)
"""Settings that decide whether an answer comes, and never which."""


@dataclass(frozen=True)
class Policy:
    """A chat model and the name it goes by in the record."""

    name: str
    model: BaseChatModel
    spec: Mapping[str, Any] = field(default_factory=dict)
    """What the model was built from."""
    limits: Limits = field(default_factory=Limits)
    price: Price | None = None

    def identity(self) -> str:
        """Return what decides this policy's answers, besides the question, as canonical JSON."""
        # The model knows best what it is by now: weights and temperature change in a training.
        described = {**self.spec, **self.model._identifying_params}
        settings = {key: value for key, value in described.items() if key not in _TRANSPORT}
        # `version` changes when other weights are loaded into the same model.
        revision = [str(getattr(self.model, key, "")) for key in ("revision", "version")]
        parts = [self.name, self.model._llm_type, settings, revision]
        return json.dumps(parts, sort_keys=True, default=str)

    @property
    def greedy(self) -> bool:
        """Whether the model always gives its likeliest answer, so that no seed matters."""
        return getattr(self.model, "temperature", None) == 0

    async def open(self) -> None:
        """Let the model read its weights, or find its key, before the first question.

        Raises:
            PolicyError: It cannot.
        """
        if opened := getattr(self.model, "aopen", None):
            await opened()

    async def close(self) -> None:
        """Close the model's connections, if it has any."""
        if closed := getattr(self.model, "aclose", None):
            await closed()

    def cost_usd(self, tokens_in: int | None, tokens_out: int | None) -> float | None:
        """Return what a call costs; None without a price, or without a word about tokens."""
        if self.price is None or tokens_in is None or tokens_out is None:
            return None
        return self.price.of(tokens_in, tokens_out)


def build_policy(spec: Mapping[str, Any], at: str) -> Policy:
    """Build a policy from an experiment's spec; a reference may also name a ready chat model.

    Args:
        spec: `{"use": reference, **settings}`, among the settings perhaps `limits` and `price`.
        at: The dotted key under which the spec stands, for messages.

    Raises:
        ConfigError: A setting is wrong.
        PluginError: The reference leads to no chat model, or it could not be built.
    """
    inner, (limits, price) = split(spec, at)
    settings = {key: value for key, value in inner.items() if key != "use"}
    found = plugins.load("policies", inner["use"])
    if isinstance(found, BaseChatModel) and not settings:
        model = found
    elif isinstance(found, type) and issubclass(found, BaseChatModel):
        try:
            model = found(**settings)
        except ValidationError as error:
            raise explain(error, found, at) from None
        except StarecError:
            raise
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
    """Return the name by which a policy goes in the record.

    >>> name_of({"use": "openai", "model": "qwen3:8b"}), name_of({"use": "lexical"})
    ('openai:qwen3:8b', 'lexical')
    """
    return f"{spec['use']}:{spec['model']}" if "model" in spec else str(spec["use"])
