"""An experiment as data: what a YAML file may say, and how it becomes a full configuration."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Self

import yaml
from pydantic import AfterValidator, Field, model_validator

from starec_sim import plugins
from starec_sim.errors import ConfigError, RunError
from starec_sim.plugins import Plugin, Spec, spec_or
from starec_sim.policies.settings import Budget, GatewaySettings, split
from starec_sim.runs.folder import CONFIG, configuration
from starec_sim.settings import HINT, Settings, validate

_SHARED = (
    *("name", "seed", "rounds", "replicates", "concurrency", "runs_dir", "report", "arms"),
    *("gateway", "budget", "train"),
)
"""Keys that all arms have in common, so that they can be compared."""

FREE = ("lexical", "local", "nano", "reasoner")
"""Policies that run on this machine."""


def _arm_name(name: str) -> str:
    if not name.strip() or not name.isprintable() or len(name) > 40:
        raise ValueError("an arm's name must be 1 to 40 printable characters")
    return name


class PolicySpecs(Settings):
    """Which policy answers for which node."""

    fast: Annotated[Spec, spec_or("nano")] = Field(default={"use": "nano"})
    slow: Annotated[Spec, spec_or("nano")] = Field(default={"use": "nano"})


class Report(Settings):
    """What the closing table and plot show."""

    metrics: tuple[str, ...] = ()
    """Names of metrics, in order; all when empty."""
    last_rounds: int | None = Field(default=None, ge=1)
    """The figures are means over so many rounds at the end; all rounds when empty."""


class Experiment(Settings):
    """An experiment: one world, one agent, and the arms that are compared in it."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    seed: int = Field(default=0, ge=0, lt=2**63)
    rounds: int = Field(default=10, ge=1, le=1_000_000)
    replicates: int = Field(default=1, ge=1, le=10_000)
    """Trials of each arm, with the seeds seed, seed + 1, ...; the same seeds in every arm."""
    concurrency: int = Field(default=64, ge=1, le=4096)
    """Visits in flight."""
    runs_dir: Path = Path("runs")
    data: Spec | None = None
    """None for an environment that brings its own world."""
    environment: Spec
    agent: Annotated[Spec, spec_or("star")] = Field(default={"use": "star"})
    policies: PolicySpecs = PolicySpecs()
    arms: dict[Annotated[str, AfterValidator(_arm_name)], dict[str, Any]] = Field(default={})
    """Variants of the experiment: a name, and the dotted keys in which it differs."""
    report: Report = Report()
    train: dict[str, Any] | None = None
    """What `starec train` makes of the policies that play here; other commands do not look at it.
    Its keys are those of `starec_sim.learning.config.Training`."""
    gateway: GatewaySettings = GatewaySettings()
    budget: Budget = Budget()

    @model_validator(mode="after")
    def _seeds_fit(self) -> Self:
        if self.seed + self.replicates > 2**63:
            raise ValueError("seed + replicates must be at most 2**63")
        return self

    def resolve(self) -> dict[str, Arm]:
        """Return the arms by name, every plug-in looked up and its settings validated.

        An experiment without arms has one, named `main`. Nothing is built yet.

        Raises:
            ConfigError: Names the key: an arm sets one that does not exist or that all arms
                share, or the settings of a plug-in are wrong.
            PluginError: Names what cannot be found.
        """
        base = self.model_dump(mode="json", exclude={"arms"})
        arms = {}
        for name, changes in (self.arms or {"main": {}}).items():
            for key in changes:
                if key.partition(".")[0] in _SHARED:
                    raise ConfigError(
                        f"arms.{name}.{key}: all arms of an experiment share this key",
                        hint=f"set {key} at the top of the file",
                    )
            values = dict(base)
            put_all(values, changes.items(), f"arms.{name}.")
            at = f"arms.{name}" if self.arms else ""
            arms[name] = _resolved(name, validate(Experiment, values, at), f"{at}." if at else "")
        return arms


class Arm(NamedTuple):
    """One arm of an experiment, ready to be built."""

    name: str
    experiment: Experiment
    """The whole configuration of this arm; it has no arms of its own."""
    dataset: Plugin | None
    environment: Plugin
    agent: Plugin


def _resolved(name: str, experiment: Experiment, at: str) -> Arm:
    data = experiment.data
    arm = Arm(
        name,
        experiment,
        None if data is None else plugins.configure("datasets", data, f"{at}data"),
        plugins.configure("environments", experiment.environment, f"{at}environment"),
        plugins.configure("agents", experiment.agent, f"{at}agent"),
    )
    for node, spec in experiment.policies:
        inner, terms = split(spec, f"{at}policies.{node}")
        plugins.check_policy(inner, f"{at}policies.{node}")
        if experiment.budget.usd is not None and not terms.price and inner["use"] not in FREE:
            raise ConfigError(
                f"budget.usd: {at}policies.{node} has no price, so nobody could tell",
                hint="add `price: {tokens_in: ..., tokens_out: ..., as_of: 2026-11-01}`, "
                "in USD for a million tokens; 0 where it costs nothing",
            )
    return arm


def read(
    path: Path, changes: Sequence[str] = (), replaced: Mapping[str, Any] | None = None
) -> Experiment:
    """Read an experiment from a YAML file.

    Args:
        path: The file.
        changes: `key=value` pairs from the command line; keys may be dotted, values are YAML.
        replaced: Top-level keys whose values in the file do not count, with those that do.

    Raises:
        ConfigError: The file cannot be read, or a key or value is wrong.
    """
    values = {**_read_yaml(path), **(replaced or {})}
    put_all(values, map(_change, changes))
    experiment = validate(Experiment, values, "")
    experiment.resolve()
    return experiment


def recorded(folder: Path) -> Experiment:
    """Return the experiment that a run was made with, from its folder.

    Raises:
        RunError: Its configuration is missing, or is not what was written there.
    """
    text = configuration(folder)
    try:
        return validate(Experiment, yaml.safe_load(text), "")
    except (yaml.YAMLError, TypeError, ValueError, ConfigError) as error:
        problem = error.message if isinstance(error, ConfigError) else str(error)
        raise RunError(
            f"{folder / CONFIG} is not the configuration of a run: {problem}",
            hint="put the file back as it was; the manifest holds its SHA-256",
        ) from error


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        values = yaml.load(path.read_text("utf-8"), _Loader)
    except FileNotFoundError:
        raise ConfigError(
            f"there is no file {path}", hint="the experiments that ship: ls experiments/*/*.yaml"
        ) from None
    except IsADirectoryError:
        raise ConfigError(
            f"{path} is a folder without a config.yaml",
            hint="name the YAML file, or a folder that holds a config.yaml",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path} cannot be read: {error}", hint="an experiment is a YAML file in UTF-8"
        ) from None
    except yaml.YAMLError as error:
        problem = str(error).replace('in "<unicode string>", ', "")
        raise ConfigError(
            f"{path} is not valid YAML: {problem}",
            hint="indent with spaces, and quote text that holds : # [ ] { } or *",
        ) from None
    if not isinstance(values, dict):
        found = "nothing" if values is None else f"a {type(values).__name__}"
        raise ConfigError(
            f"{path} must hold keys and values, not {found}",
            hint="it needs at least name, data and environment; see experiments/01_quickstart",
        )
    try:
        json.dumps(values, default=str, skipkeys=True)
    except ValueError:
        raise ConfigError(
            f"{path} holds an anchor (&) that refers to itself", hint="write the value out"
        ) from None
    return values


def _change(change: str) -> tuple[str, Any]:
    """Read one `--set`."""
    key, equals, value = change.partition("=")
    key = key.strip()
    if not equals or not all(key.split(".")):
        raise ConfigError(
            f'--set "{change}" is not KEY=VALUE',
            hint="e.g. --set rounds=5 or --set environment.recommender.use=ease",
        )
    try:
        return key, yaml.load(value, _Loader)
    except yaml.YAMLError:
        raise ConfigError(
            f'--set {key}: "{value}" is not valid YAML',
            hint=f"quote it twice, once for the shell: --set '{key}=\"{value}\"'",
        ) from None


def put_all(values: dict[str, Any], changes: Iterable[tuple[str, Any]], at: str = "") -> None:
    """Set dotted keys inside nested mappings: outer ones first, and a plug-in before its settings.

    >>> values = {"recommender": {"use": "als", "factors": 8}}
    >>> put_all(values, [("recommender.shrink", 3), ("recommender.use", "item-knn")])
    >>> values
    {'recommender': {'use': 'item-knn', 'shrink': 3}}
    """
    for key, value in sorted(
        changes, key=lambda change: (change[0].count("."), not change[0].endswith(".use"))
    ):
        put(values, key, value, at)


def put(values: dict[str, Any], key: str, value: Any, at: str = "") -> None:
    """Set one dotted key inside nested mappings.

    Naming another plug-in (`environment.recommender.use`) drops the settings of the one before.

    Args:
        values: Gets the change; the mappings inside are copied on the way.
        key: A dotted key.
        value: Anything; a mapping replaces what stood there.
        at: Where the key stands, for the message.

    Raises:
        ConfigError: The key leads through a value that holds no keys.
    """
    *path, last = key.split(".")
    place = values
    for depth, name in enumerate(path):
        inner = place.setdefault(name, {})
        if isinstance(inner, str):
            inner = {"use": inner}
        if inner is None:
            inner = {}
        if not isinstance(inner, dict):
            raise ConfigError(
                f"{at}{key}: {'.'.join(path[: depth + 1])} is {inner!r}, which holds no keys",
                hint=HINT,
            )
        # A copy: YAML's anchors let two keys share one mapping, and only one of them is meant.
        place[name] = dict(inner)
        place = place[name]
    if last == "use" and place.get("use", value) != value:
        place.clear()
    place[last] = value


class _Loader(yaml.SafeLoader):
    """YAML in which a key that stands twice is an error, and not the last one that counts."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                continue
            if key.value in seen:
                raise ConfigError(
                    f'line {key.start_mark.line + 1}: the key "{key.value}" is there already',
                    hint="keep one of the two",
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)
