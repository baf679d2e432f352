"""The configuration panel of Studio: dataset, environment, policy, gate and prompts of a graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from starec_agents.base import Context, Prompts
from starec_agents.base.templates import checked
from starec_sim import yaml_files
from starec_sim.errors import ConfigError

# Tastes drift, so that later rounds differ.
_DATA = "{use: synthetic, users: 50, items: 400, drift: {per_round: 0.25}}"
# Every user visits in every round, so that any user can be typed.
_FEED = "{use: feed, recommender: ease, activity: 1.0}"
_RANKING = "{use: ranking}"


class StudioPanel(BaseModel):
    """What the configuration panel sets; a subclass adds the prompts of an agent."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: str = Field(
        _DATA,
        description="As `data` of an experiment: a name, a path, or {use: ..., ...}. A recorded "
        "run has its own.",
    )
    environment: str = Field(
        _FEED,
        description=f"As `environment` of an experiment, e.g. {_FEED} or {_RANKING}. A recorded "
        "run has its own.",
    )
    policy: str = Field(
        "",
        description="As `policies.fast` of an experiment: a name, or {use: ..., ...}; for all "
        "nodes. Empty: `lexical`; in a recorded run the recorded answers, and its own policies "
        "for other questions.",
    )


class GatePanel(StudioPanel):
    """The panel of an agent with a gate."""

    gate: Literal["", "always", "surprise", "every", "never"] = Field(
        "", description="When slow thinking follows a decision. Empty: as the agent has it."
    )


class RankingPanel(StudioPanel):
    """The panel of an agent that ranks only."""

    environment: str = Field(
        _RANKING,
        description=f"As `environment` of an experiment, e.g. {_RANKING}. A recorded run has its "
        "own.",
    )


def with_prompt_fields(
    base: type[StudioPanel], shipped: Mapping[str, str], nodes: Mapping[str, str]
) -> type[StudioPanel]:
    """Return a panel with a field for each prompt that can be edited.

    Args:
        base: The panel without prompts.
        shipped: The prompts that ship, by name: what the fields hold at first.
        nodes: The node at which Studio shows a prompt, by name of the prompt.
    """
    fields: dict[str, Any] = {
        _field(name): (
            str,
            Field(
                shipped[name],
                description=f"The template `{name}`.",
                json_schema_extra={"langgraph_nodes": [node], "langgraph_type": "prompt"},
            ),
        )
        for name, node in nodes.items()
    }
    panel: type[StudioPanel] = create_model(base.__name__, __base__=base, **fields)
    return panel


def spec(text: str, at: str) -> dict[str, Any]:
    """Return the spec that a field of the panel holds: a name, or YAML with `use`.

    Raises:
        ConfigError: It is neither.
    """
    try:
        value = yaml_files.parse_value(text)
    except ValueError as error:
        raise ConfigError(f"{at} is not valid YAML: {error}", hint="e.g. {use: lexical}") from None
    if isinstance(value, str):
        return {"use": value}
    if isinstance(value, dict) and isinstance(value.get("use"), str):
        return value
    raise ConfigError(f"{at}: {text!r} names nothing", hint="write a name, or {use: name, ...}")


def with_prompts(context: Context, panel: StudioPanel, shipped: Mapping[str, str]) -> Context:
    """Return the context with the prompts that were edited in the panel.

    A prompt that the panel holds as it ships stays as the agent has it.

    Raises:
        ConfigError: An edited prompt lacks a part that the shipped one names.
    """
    edited = {}
    for name, text in shipped.items():
        now = getattr(panel, _field(name), text)
        if now != text:
            edited[name] = checked(now, text, f"the prompt `{name}` of the panel")
    if not edited:
        return context
    prompts: Prompts = replace(context.prompts, texts={**context.prompts.texts, **edited})
    return replace(context, prompts=prompts)


def _field(template: str) -> str:
    return f"prompt_{template}"
