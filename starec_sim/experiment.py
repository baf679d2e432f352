"""An experiment as data: what a YAML file may say, and how it becomes a full configuration."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import AfterValidator, BeforeValidator, Field

from starec_sim import plugins
from starec_sim.errors import ConfigError
from starec_sim.validation import Settings, validate

_SHARED = ("name", "seed", "rounds", "replicates", "concurrency", "runs_dir", "report", "arms")
"""Keys that all arms have in common, so that they can be compared."""


def _spec(value: Any) -> Any:
    """Accept `lexical` for `{use: lexical}`."""
    if isinstance(value, str):
        return {"use": value}
    if isinstance(value, Mapping) and not isinstance(value.get("use"), str):
        raise ValueError("name the plug-in under `use`")
    return value


def _no_secrets(spec: dict[str, Any]) -> dict[str, Any]:
    """Refuse keys that belong in the environment: the configuration is written into the run."""
    for key in spec:
        if re.search(r"api_?key|secret|password|auth_?token", key) and not key.endswith("_env"):
            raise ValueError(f"{key} does not belong in a file; export it in the environment")
    return spec


Spec = Annotated[dict[str, Any], BeforeValidator(_spec), AfterValidator(_no_secrets)]
"""A plug-in and its settings: `{use: name, **settings}`, or the name alone."""


class PolicySpecs(Settings):
    """Which policy answers for which node."""

    fast: Spec = {"use": "lexical"}
    slow: Spec = {"use": "lexical"}


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
    rounds: int = Field(default=10, ge=1)
    replicates: int = Field(default=1, ge=1)
    """Trials of each arm, with the seeds seed, seed + 1, ...; the same seeds in every arm."""
    concurrency: int = Field(default=64, ge=1, le=4096)
    """Visits in flight."""
    runs_dir: Path = Path("runs")
    data: Spec
    environment: Spec
    agent: Spec = {"use": "star"}
    policies: PolicySpecs = PolicySpecs()
    arms: dict[str, dict[str, Any]] = {}
    """Variants of the experiment: a name, and the dotted keys in which it differs."""
    report: Report = Report()

    def variants(self) -> Mapping[str, Experiment]:
        """Return the full configuration of each arm; one named `main` when there are none.

        Raises:
            ConfigError: An arm sets a key that does not exist, or one that all arms share.
        """
        base = self.model_dump(mode="json", exclude={"arms"})
        found = {}
        for arm, changes in (self.arms or {"main": {}}).items():
            values = copy.deepcopy(base)
            for key, value in changes.items():
                if key.partition(".")[0] in _SHARED:
                    raise ConfigError(
                        f"arms.{arm}.{key}: all arms of an experiment share this key",
                        hint=f"set {key} at the top of the file",
                    )
                put(values, key, value)
            found[arm] = validate(Experiment, values, f"arms.{arm}" if self.arms else "")
        return found

    def check(self) -> None:
        """Validate the settings of every plug-in of every arm, before anything starts.

        Raises:
            ConfigError: Names the key.
            PluginError: Names what cannot be found.
        """
        for arm, variant in self.variants().items():
            at = f"arms.{arm}." if self.arms else ""
            plugins.configure("datasets", variant.data, f"{at}data")
            plugins.configure("environments", variant.environment, f"{at}environment")
            plugins.configure("agents", variant.agent, f"{at}agent")
            for spec in (variant.policies.fast, variant.policies.slow):
                plugins.load("policies", spec["use"])


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
    try:
        values = yaml.safe_load(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            f"there is no file {path}", hint="the experiments that ship: ls experiments/*/*.yaml"
        ) from None
    except IsADirectoryError:
        raise ConfigError(f"{path} is a folder", hint=f"try {path / 'config.yaml'}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not valid YAML: {error}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path} must hold keys and values", hint="see experiments/01_quickstart")
    values.update(replaced or {})
    for change in changes:
        key, equals, value = change.partition("=")
        if not equals or not key.strip():
            raise ConfigError(f'--set "{change}" is not KEY=VALUE', hint="e.g. --set rounds=5")
        try:
            put(values, key.strip(), yaml.safe_load(value))
        except yaml.YAMLError:
            raise ConfigError(f'--set {key}: "{value}" is not valid YAML') from None
    experiment = validate(Experiment, values, "")
    experiment.check()
    return experiment


def put(values: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key inside nested mappings.

    Naming another plug-in (`environment.recommender.use`) drops the settings of the one before.

    >>> values = {"recommender": {"use": "als", "factors": 8}}
    >>> put(values, "recommender.use", "ease")
    >>> values
    {'recommender': {'use': 'ease'}}
    """
    *path, last = key.split(".")
    place = values
    for name in path:
        inner = place.setdefault(name, {})
        if isinstance(inner, str):
            inner = place[name] = {"use": inner}
        if inner is None:
            inner = place[name] = {}
        if not isinstance(inner, dict):
            raise ConfigError(f"{key}: {name} is {inner!r}, which holds no keys")
        place = inner
    if last == "use" and place.get("use") != value:
        place.clear()
    place[last] = value
