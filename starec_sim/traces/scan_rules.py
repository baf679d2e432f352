"""The rules of a scan: what they look for, read strictly from YAML.

The rules that ship are in `rules.yaml`.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import Field

from starec_sim import yaml_files
from starec_sim.errors import ConfigError, did_you_mean
from starec_sim.plugins import Spec
from starec_sim.policies.settings import Budget
from starec_sim.settings import Settings, validate

_EXAMPLE = "e.g. rules: [{kind: malformed, streak: 3}]"


class Rule(Settings):
    """One rule."""

    name: str = Field(default="", max_length=60)
    """The name in findings; the kind when empty."""
    kind: str


class StreakRule(Rule):
    """Something happens in so many steps of a user in a row."""

    streak: int = Field(default=3, ge=2)


class ContradictionRule(Rule):
    """A choice of which the preference summary says nothing but dislikes."""

    attributes: int = Field(default=2, ge=1)
    """Attributes of the item that the summary has to name."""
    times: int = Field(default=3, ge=1)
    """Steps in which it happens."""


class OneRatingRule(Rule):
    """A user expects the same stars of everything."""

    ratings: int = Field(default=20, ge=2)


class HyperActivityRule(Rule):
    """A user watches nearly everything."""

    shown: int = Field(default=40, ge=1)
    share: float = Field(default=0.95, gt=0, le=1)


class ModelRule(Rule):
    """A model answers a question about steps with yes or no; yes is a finding."""

    question: str = Field(min_length=1, max_length=4_000)
    """Asked about each step: its prompt and its answer follow."""
    policy: Spec
    sample: int = Field(default=20, ge=1)
    """Steps that are asked about, spread evenly over the run."""
    budget: Budget = Budget(calls=100)


KINDS: Mapping[str, type[Rule]] = {
    "malformed": StreakRule,
    "input-order": StreakRule,
    "same-answer": StreakRule,
    "contradiction": ContradictionRule,
    "one-rating": OneRatingRule,
    "hyper-activity": HyperActivityRule,
    "model": ModelRule,
}
"""The settings of each kind of rule."""


def read_rules(path: Path | None = None) -> tuple[Rule, ...]:
    """Return the rules of a file; those that ship when None.

    Raises:
        ConfigError: The file cannot be read, or holds something other than rules.
    """
    if path is None:
        shipped = (files("starec_sim.traces") / "rules.yaml").read_text("utf-8")
        return _parsed(yaml_files.parse(shipped, "rules.yaml"), "rules.yaml")
    return _parsed(yaml_files.load(path, hint=_EXAMPLE), str(path))


def _parsed(values: Mapping[str, Any], at: str) -> tuple[Rule, ...]:
    for key in values:
        if key != "rules":
            near = did_you_mean(str(key), ["rules"])
            raise ConfigError(f"{at}: {key}: there is no such key; {near}", hint=_EXAMPLE)
    listed = values.get("rules")
    if not isinstance(listed, list) or not listed:
        raise ConfigError(f"{at} must hold a list of rules under `rules`", hint=_EXAMPLE)
    rules = tuple(_rule(each, f"{at}: rules[{n}]") for n, each in enumerate(listed))
    names = [rule.name for rule in rules]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(
                f'{at}: {names.count(name)} rules are named "{name}"',
                hint="give each a `name` of its own",
            )
    return rules


def _rule(values: Any, at: str) -> Rule:
    if not isinstance(values, Mapping) or not isinstance(values.get("kind"), str):
        raise ConfigError(f"{at} must hold keys and values, with a `kind`", hint=_EXAMPLE)
    kind = values["kind"]
    if kind not in KINDS:
        raise ConfigError(
            f'{at}: there is no kind "{kind}"; {did_you_mean(kind, KINDS)}', hint=_EXAMPLE
        )
    rule = validate(KINDS[kind], values, at)
    return rule if rule.name else rule.model_copy(update={"name": kind})
