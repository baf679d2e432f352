"""Find the classes of plug-ins by name, and validate their settings.

A reference is one of

* a name that an installed distribution registers as an entry point (`feed`),
* `package.module:Class`,
* `path/to/file.py:Class`, for a plug-in in a single file.

The configuration of a plug-in class is a pydantic model, its attribute `Config`. Settings are
validated before anything starts.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import re
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator

from starec_sim.boundary import build_checked
from starec_sim.errors import ConfigError, PluginError, did_you_mean
from starec_sim.plugin_code import check_allowed, note_code
from starec_sim.plugin_files import import_file
from starec_sim.plugin_hints import OWN, OWN_FUNCTION, import_hint, unknown_name_hint
from starec_sim.plugin_registry import PluginKind, clash, place_of, registered, singular
from starec_sim.settings import HINT, validate, warn_of_old_name

__all__ = [
    "RENAMED",
    "Plugin",
    "PluginKind",
    "Spec",
    "Uses",
    "check_policy",
    "config_model",
    "configure",
    "load",
    "registered",
    "spec_or",
]

RENAMED: Mapping[tuple[PluginKind, str], str] = {("environments", "exam"): "holdout"}
"""Old names of plug-ins and their present ones; an old name works for one release."""

_SECRET = re.compile(
    r"api_?key|secret|password|passwd|credential|authorization|(auth|access)_?token", re.IGNORECASE
)


def _spec(value: Any) -> Any:
    """Accept `lexical` for `{use: lexical}`."""
    if isinstance(value, str):
        return {"use": value}
    if not isinstance(value, Mapping) or not isinstance(value.get("use"), str):
        raise ValueError("must be the name of a plug-in, or keys of which `use` is the name")
    return value


def as_spec(value: Any, at: str) -> dict[str, Any]:
    """Return the spec of a plug-in that is given in Python: by its name alone, or with settings.

    Args:
        value: A name, or settings with `use`.
        at: The argument, for the message.

    Raises:
        ConfigError: It is neither.

    >>> as_spec("feed", "environment")
    {'use': 'feed'}
    """
    try:
        return dict(_spec(value))
    except ValueError as error:
        raise ConfigError(
            f"{at}: {value!r} {error}", hint='write a name, or {"use": NAME, ...}'
        ) from None


def _no_secrets(value: Any) -> Any:
    """Refuse keys of secrets: the configuration is stored with the run."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if _SECRET.search(str(key)) and not str(key).endswith("_env"):
                raise ValueError(
                    f"the key {key} does not belong in a file; export it in the environment"
                )
            _no_secrets(inner)
    elif isinstance(value, list):
        for inner in value:
            _no_secrets(inner)
    return value


Spec = Annotated[dict[str, Any], BeforeValidator(_spec), AfterValidator(_no_secrets)]
"""A plug-in and its settings: `{use: name, **settings}`, or the name alone."""


def spec_or(name: str) -> BeforeValidator:
    """Return a validator that adds `use: name` to a spec without `use`."""
    return BeforeValidator(
        lambda value: {"use": name, **value} if isinstance(value, Mapping) else value
    )


@dataclass(frozen=True)
class Uses:
    """Marks a field of a `Config` as the spec of a plug-in, which `configure` validates as well.

    `recommender: Annotated[Spec, Uses("recommenders")] = {"use": "als"}`
    """

    kind: PluginKind


def load(kind: PluginKind, reference: str, at: str = "") -> Any:
    """Return the class that a reference names.

    Args:
        kind: The kind of plug-in.
        reference: A registered name, `package.module:Class` or `path/to/file.py:Class`.
        at: The dotted key of the reference, for messages.

    Raises:
        PluginError: The name is unknown or registered twice, or the import failed.
        RunError: The code is not allowed, see `starec_sim.plugin_code.allowed_code`.
    """
    kind_name, key = singular(kind), f"{at}: " if at else ""
    if (kind, reference) in RENAMED:
        warn_of_old_name(f"the {kind_name} {reference}", RENAMED[kind, reference])
        reference = RENAMED[kind, reference]
    own = OWN_FUNCTION if kind == "rewards" else OWN
    location, colon, name = reference.rpartition(":")
    points = registered(kind)
    if not colon:
        if reference not in points:
            near = did_you_mean(reference, points)
            others = [k for k in get_args(PluginKind) if reference in registered(k)]
            raise PluginError(
                f'{key}no {kind_name} is called "{reference}"; {near}',
                hint=unknown_name_hint(reference, own, others, spelling="did you mean" in near),
            )
        if twice := clash(kind, reference):
            raise PluginError(f"{key}{twice.message}", hint=twice.hint)
        location, name = place_of(points[reference][0])
    elif not location or not name.isidentifier():
        raise PluginError(
            f'{key}"{reference}" names no {kind_name}',
            hint=own,
        )
    from_file = bool(colon) and location.endswith(".py")
    if colon:
        check_allowed(reference, location)
    try:
        module = import_file(Path(location)) if from_file else importlib.import_module(location)
    except PluginError:
        raise
    except (Exception, SystemExit) as error:
        raise PluginError(
            f'{key}the {kind_name} "{reference}" cannot be loaded: {_problem(error, location)}',
            hint=import_hint(error, location),
        ) from error
    note_code(reference, location, None if colon else points[reference][0].dist)
    try:
        return functools.reduce(getattr, name.split("."), module)
    except AttributeError:
        raise PluginError(
            f"{key}{location} has no {name}; {did_you_mean(name, _own_names(kind, module))}",
            hint=f"write the name that {location} gives it after the colon",
        ) from None


def _own_names(kind: PluginKind, module: Any) -> list[str]:
    """Return the names of what a module defines itself and what can be a plug-in of a kind."""
    fits = inspect.isfunction if kind in ("rewards", "data") else inspect.isclass
    return [
        name
        for name, value in vars(module).items()
        if fits(value) and value.__module__ == module.__name__ and not name.startswith("_")
    ]


def _problem(error: BaseException, location: str) -> str:
    """Return the error of an import in one line, with the line number in the plug-in's file."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    path = str(Path(location).expanduser().resolve())
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == path]
    return f"{text} (line {lines[-1]})" if lines else text


@dataclass(frozen=True)
class Plugin:
    """A plug-in class and its validated settings. It unpacks into these two."""

    type: Any
    config: Any
    kind: PluginKind

    def __iter__(self) -> Iterator[Any]:
        return iter((self.type, self.config))

    def build(self, *arguments: Any, **named: Any) -> Any:
        """Return an instance: `type(config, *arguments, **named)`, with all its calls checked.

        Raises:
            ContractError: The instance breaks the contract of its kind.
            PluginError: The constructor raised an exception.
        """
        return build_checked(self.kind, self.type, self.config, *arguments, **named)


def configure(kind: PluginKind, spec: Mapping[str, Any], at: str) -> Plugin:
    """Return the class that a spec names, and its validated configuration.

    Args:
        kind: The kind of plug-in.
        spec: `{"use": reference, **settings}`.
        at: The dotted key of the spec, for messages.

    Raises:
        ConfigError: The settings do not fit the `Config` of the class.
        PluginError: The reference cannot be loaded.
    """
    settings = {key: value for key, value in spec.items() if key != "use"}
    plugin = load(kind, str(spec["use"]), f"{at}.use")
    model = config_model(plugin, str(spec["use"]), f"{at}.use: ")
    config = validate(model, settings, at)
    for name, field in model.model_fields.items():
        for mark in field.metadata:
            if isinstance(mark, Uses) and getattr(config, name) is not None:
                configure(mark.kind, getattr(config, name), f"{at}.{name}")
    return Plugin(plugin, config, kind)


def config_model(plugin: Any, reference: str, prefix: str = "") -> type[BaseModel]:
    """Return the model of the settings of a plug-in class.

    Args:
        plugin: The class.
        reference: As in the configuration.
        prefix: What stands before the message.

    Raises:
        PluginError: It has none.
    """
    model = getattr(plugin, "Config", None)
    if isinstance(model, type) and issubclass(model, BaseModel):
        return model
    raise PluginError(
        f'{prefix}"{reference}" has no `Config`, the pydantic model of its settings',
        hint="add `class Config(Settings): ...` to the class (from starec_sim.settings)",
    )


def check_policy(spec: Mapping[str, Any], at: str) -> None:
    """Check that a chat model has all settings of a spec; most models ignore unknown ones.

    Args:
        spec: `{"use": reference, **settings}`.
        at: The dotted key of the spec, for messages.

    Raises:
        ConfigError: The model has no such setting.
        PluginError: The reference cannot be loaded.
    """
    policy = load("policies", str(spec["use"]), f"{at}.use")
    if not (isinstance(policy, type) and issubclass(policy, BaseModel)):
        return
    from langchain_core.language_models.chat_models import BaseChatModel

    fields = policy.model_fields
    known = {*fields, *(field.alias for field in fields.values() if field.alias)}
    for key in spec:
        if key != "use" and key not in known and policy.model_config.get("extra") != "allow":
            near = did_you_mean(key, known - set(BaseChatModel.model_fields))
            raise ConfigError(f"{at}.{key}: there is no such key; {near}", hint=HINT)
