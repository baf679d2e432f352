"""The configuration of an experiment: its keys, its YAML file, and its arms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

from pydantic import AfterValidator, Field, model_validator

from starec_sim import plugins, yaml_files
from starec_sim.environment import OwnMetrics
from starec_sim.errors import ConfigError, PluginError, RunError
from starec_sim.executors.settings import ExecutorSettings
from starec_sim.glossary import check_metric_names, metric_name
from starec_sim.plugin_files import from_folder
from starec_sim.plugins import Plugin, Spec, spec_or
from starec_sim.policies.abilities import check_price
from starec_sim.policies.settings import Budget, GatewaySettings, split_spec
from starec_sim.policy_endpoints import check_endpoint
from starec_sim.population.settings import (
    CalibrationSettings,
    PopulationKinds,
    check_calibration,
)
from starec_sim.runs.code import CodeRules, code_of_file
from starec_sim.runs.folder import CONFIG, configuration
from starec_sim.runs.levels import RecordLevel
from starec_sim.schedule import (
    ScheduledChange,
    ScheduledEvent,
    check_sets_slates,
    in_order,
    scheduled_event,
)
from starec_sim.settings import (
    HINT,
    Settings,
    current_key,
    current_values,
    validate,
    where_to_mend,
)

_SHARED = (
    *("name", "seed", "rounds", "replicates", "concurrency", "runs_dir", "report", "arms"),
    *("executor", "gateway", "budget", "train", "tracing", "record"),
)
"""Keys that an arm cannot change, so that arms can be compared."""
_CHANGEABLE = ("environment", "agent", "policies")
"""Keys that can change during a run."""

_FILE_HINT = (
    "an experiment needs at least name, data and environment; those that ship: "
    "ls experiments/*/*.yaml"
)
_SET_HINT = "e.g. --set rounds=5 or --set environment.recommender.use=ease"


def _arm_name(name: str) -> str:
    if not name.strip() or not name.isprintable() or len(name) > 40:
        raise ValueError("an arm's name must be 1 to 40 printable characters")
    return name


def _metric_names(printed: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of metrics that are given by name or by label, each once."""
    return tuple(dict.fromkeys(map(metric_name, printed)))


class PolicySpecs(Settings):
    """The policy of each node."""

    fast: Annotated[Spec, spec_or("nano")] = Field(default={"use": "nano"})
    slow: Annotated[Spec, spec_or("nano")] = Field(default={"use": "nano"})


class Report(Settings):
    """What the report and the plot of a run show."""

    metrics: Annotated[tuple[str, ...], AfterValidator(_metric_names)] = ()
    """Names of metrics or their printed labels, in order; all when empty."""
    last_rounds: int | None = Field(default=None, ge=1)
    """Metrics are means over this number of last rounds; over all rounds when empty."""


class Experiment(Settings):
    """An experiment: an environment, an agent, policies, and the arms that are compared."""

    renamed: ClassVar[Mapping[str, str]] = {"train.anchor": "train.sft"}

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    seed: int = Field(default=0, ge=0, lt=2**63)
    rounds: int = Field(default=10, ge=1, le=1_000_000)
    replicates: int = Field(default=1, ge=1, le=10_000)
    """Trials of each arm, with the seeds seed, seed + 1, ...; the same seeds in every arm."""
    concurrency: int = Field(default=64, ge=1, le=4096)
    """Visits in progress at once."""
    executor: ExecutorSettings = ExecutorSettings()
    runs_dir: Path = Path("runs")
    data: Spec | None = None
    """None for an environment that needs no dataset."""
    environment: Spec
    agent: Annotated[Spec, spec_or("star")] = Field(default={"use": "star"})
    policies: PolicySpecs = PolicySpecs()
    population: PopulationKinds = Field(default={})
    """Kinds of users, each with its own agent and policies; without any, all users are alike."""
    calibration: CalibrationSettings | None = None
    """Measures the error of a cheap kind of users on some of them."""
    arms: dict[Annotated[str, AfterValidator(_arm_name)], dict[str, Any]] = Field(default={})
    """Variants of the experiment: by name, the dotted keys and values that it changes."""
    schedule: tuple[ScheduledChange, ...] = ()
    """What changes at the beginning of which round."""
    report: Report = Report()
    train: dict[str, Any] | None = None
    """Settings of `starec train`, see `starec_sim.learning.config.Training`; others ignore them."""
    gateway: GatewaySettings = GatewaySettings()
    record: RecordLevel = "everything"
    """How much is recorded, see `starec_sim.runs.levels`; the digest is the same."""
    plugin_errors: Literal["stop", "skip"] = "stop"
    """When a plug-in fails in a visit: `stop` ends the run, `skip` leaves it out and counts it."""
    tracing: bool = False
    """Whether prompts and answers go to LangSmith; its variables alone do not switch it on."""
    budget: Budget = Budget()

    @model_validator(mode="after")
    def _seeds_fit(self) -> Self:
        if self.seed + self.replicates > 2**63:
            raise ValueError("seed + replicates must be at most 2**63")
        return self

    @model_validator(mode="after")
    def _calibration_has_kinds(self) -> Self:
        check_calibration(self.population, self.calibration, self.record)
        return self

    def resolve(self) -> dict[str, Arm]:
        """Return the arms by name, with every plug-in found and its settings validated.

        An experiment without arms has one, named `main`. Nothing is built yet.

        Raises:
            ConfigError: An arm sets a key that does not exist or that all arms share, the settings
                of a plug-in are wrong, or `report.metrics` names a metric that no arm can have. The
                message names the key.
            PluginError: A plug-in is not found.
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
            present = {current_key(Experiment, key): value for key, value in changes.items()}
            if len(present) < len(changes):
                raise ConfigError(
                    f"arms.{name}: a key is there under its old and its present name",
                    hint="keep the present one alone",
                )
            yaml_files.put_all(values, present.items(), f"arms.{name}.")
            try:
                arms[name] = _arm(name, values, f"arms.{name}" if self.arms else "")
            except (ConfigError, PluginError) as error:
                raise _where_written(error, f"arms.{name}.", base) from None
        environments = [part.environment.type for arm in arms.values() for part in arm.all()]
        if all(isinstance(each, OwnMetrics) for each in environments):
            own = {name for each in environments for name in each.own_metrics}
            check_metric_names(self.report.metrics, own)
        return arms


def _arm(name: str, values: Mapping[str, Any], at: str) -> Arm:
    experiment, before = validate(Experiment, values, at), f"{at}." if at else ""
    return _scheduled(_resolved(name, experiment, before), before)


def _where_written(
    error: ConfigError | PluginError, prefix: str, base: Mapping[str, Any]
) -> ConfigError | PluginError:
    """Return the error of an arm; one that the keys of all arms cause as well names those keys."""
    try:
        _arm("main", base, "")
    except (ConfigError, PluginError) as of_all:
        if of_all.message == error.message.replace(prefix, ""):
            return of_all
    return error


class Arm(NamedTuple):
    """One arm of an experiment, with its plug-ins found and validated."""

    name: str
    experiment: Experiment
    """The configuration of this arm, without arms."""
    dataset: Plugin | None
    environment: Plugin
    agent: Plugin
    changes: tuple[ArmChange, ...] = ()
    """The schedule, in the order of its rounds."""
    kinds: Mapping[str, Arm] = MappingProxyType({})
    """The arm as it is for each kind of users, by name; empty where all users are alike."""

    def at(self, round: int) -> Arm:
        """Return the arm as it is in a round, from 0."""
        return next((c.arm for c in reversed(self.changes) if c.round <= round), self)

    def change_at(self, round: int) -> ArmChange:
        """Return what the schedule has for the beginning of a round, from 0."""
        return next((c for c in self.changes if c.round == round), ArmChange(round, self))

    def of_kinds(self) -> list[Arm]:
        """Return the arm as it is for each kind of users, or the arm itself without kinds."""
        return list(self.kinds.values()) or [self]

    def all(self) -> list[Arm]:
        """Return the arm as it begins, and as it is after each change."""
        return [self, *(change.arm for change in self.changes)]


class ArmChange(NamedTuple):
    """An arm as it is from a round on."""

    round: int
    """From 0."""
    arm: Arm
    events: tuple[ScheduledEvent, ...] = ()
    """What happens at its beginning, after the change."""
    memories: Mapping[str, str] = MappingProxyType({})
    slates: Mapping[str, Sequence[str]] = MappingProxyType({})


def _scheduled(arm: Arm, at: str) -> Arm:
    """Return an arm with the changes of its schedule.

    Raises:
        ConfigError: A key cannot change or does not exist, a change changes nothing, a round has
            two or is not played, or the environment has no such event.
        PluginError: A plug-in is not found.
    """
    values = arm.experiment.model_dump(mode="json", exclude={"arms", "schedule"})
    changes: list[ArmChange] = []
    for entry in in_order(arm.experiment.schedule, arm.experiment.rounds, at):
        key = entry.key
        before = changes[-1] if changes else ArmChange(0, arm)
        is_next = before.round == entry.round - 1
        if is_next and entry.set:
            raise ConfigError(
                f"{key}.round: another entry changes keys in round {entry.round} as well",
                hint="write all keys that change in a round into one `set`",
            )
        after = _changed(before.arm, values, entry.set, f"{key}.set") if entry.set else before.arm
        events = before.events if is_next else ()
        if entry.event is not None:
            of = after.environment.type
            happens = scheduled_event(of, entry.event, f"{key}.event", ends=entry.ends)
            events = (*events, happens)
        memories = {**(before.memories if is_next else {}), **entry.memory}
        if entry.slate:
            check_sets_slates(after.environment.type, f"{key}.slate")
        slates = {**(before.slates if is_next else {}), **entry.slate}
        now = ArmChange(entry.round - 1, after, events, memories, slates)
        changes[-1 if is_next else len(changes) :] = [now]
    return arm._replace(changes=tuple(changes))


def _changed(arm: Arm, values: dict[str, Any], keys: Mapping[str, Any], at: str) -> Arm:
    """Return an arm with changed keys, and set them in the values of its configuration."""
    present = {current_key(Experiment, name): value for name, value in keys.items()}
    for name in present:
        top = name.partition(".")[0]
        if top in Experiment.model_fields and top not in _CHANGEABLE:
            raise ConfigError(
                f"{at}.{name}: this key cannot change during a run",
                hint=f"keys of {', '.join(_CHANGEABLE)} can; arms compare other settings",
            )
    yaml_files.put_all(values, present.items(), f"{at}.")
    after = _resolved(arm.name, validate(Experiment, values, at), f"{at}.")
    if _parts(after) == _parts(arm):
        raise ConfigError(
            f"{at}: changes nothing: {', '.join(present)} had this value before",
            hint="set another value, or remove the entry",
        )
    return after


def _parts(arm: Arm) -> tuple[Any, ...]:
    """Return what can change during a run, with defaults filled in."""
    kinds = [(each.agent, each.experiment.policies) for each in arm.of_kinds()]
    return arm.environment, kinds


def _resolved(name: str, experiment: Experiment, at: str) -> Arm:
    data = experiment.data
    arm = Arm(
        name,
        experiment,
        None if data is None else plugins.configure("datasets", data, f"{at}data"),
        plugins.configure("environments", experiment.environment, f"{at}environment"),
        plugins.configure("agents", experiment.agent, f"{at}agent"),
    )
    if not experiment.population:
        _check_policies(experiment, at)
    return arm._replace(kinds={kind: _of_kind(arm, kind, at) for kind in experiment.population})


def _of_kind(arm: Arm, kind: str, at: str) -> Arm:
    """Return an arm as it is for a kind of users."""
    experiment, settings = arm.experiment, arm.experiment.population[kind]
    specs = settings.specs(experiment.agent, dict(experiment.policies))
    policies = PolicySpecs(**specs["policies"])
    own = f"{at}population.{kind}." if settings.agent else at
    agent = plugins.configure("agents", specs["agent"], f"{own}agent")
    experiment = experiment.model_copy(update={"agent": specs["agent"], "policies": policies})
    overridden = [node for node, spec in settings.policies if spec is not None]
    _check_policies(experiment, at, f"{at}population.{kind}.", overridden)
    return arm._replace(experiment=experiment, agent=agent)


def _check_policies(
    experiment: Experiment, at: str, kind: str = "", overridden: Sequence[str] = ()
) -> None:
    """Check the policies of an arm or a kind; `kind` begins the keys of those it overrides."""
    for node, spec in experiment.policies:
        key = f"{kind if node in overridden else at}policies.{node}"
        inner, _ = split_spec(spec, key)
        plugins.check_policy(inner, key)
        check_endpoint(inner, key)
        check_price(spec, key, experiment.budget)


def read_experiment(
    path: str | Path,
    changes: Sequence[str] = (),
    replaced: Mapping[str, Any] | None = None,
    *,
    trust: bool = False,
) -> Experiment:
    """Return the experiment of a YAML file, with every plug-in found and validated.

    Args:
        path: The file, or a folder with a `config.yaml`.
        changes: `key=value` pairs from the command line; keys may be dotted, values are YAML.
        replaced: Top-level keys and values that replace those of the file.
        trust: Whether to run code that the folder of a run names, though it was not made here.

    Raises:
        ConfigError: The file cannot be read, or a key or value is wrong.
        RunError: It lies in the folder of a run whose code is not allowed.
    """
    path = Path(path)
    if path.is_dir():
        path = path / CONFIG
        if not path.is_file():
            raise ConfigError(
                f"{path.parent} is a folder without a {CONFIG}",
                hint=f"name the YAML file, or a folder that holds a {CONFIG}",
            )
    values = from_folder(yaml_files.load(path, _FILE_HINT), path.parent)
    values = {**values, **(replaced or {})}
    values = current_values(Experiment, values)
    pairs = yaml_files.key_value_pairs(changes, "--set", _SET_HINT)
    try:
        yaml_files.put_all(values, [(current_key(Experiment, key), value) for key, value in pairs])
        experiment = validate(Experiment, values, "")
        with code_of_file(path, CodeRules(trust)):
            experiment.resolve()
    except ConfigError as error:
        if error.hint != HINT:
            raise
        raise ConfigError(error.message, hint=where_to_mend(error.message, path, changes)) from None
    return experiment


def recorded_experiment(folder: Path) -> Experiment:
    """Return the experiment of a recorded run, from its folder.

    Raises:
        RunError: The configuration is missing, or is not valid.
    """
    text = configuration(folder)
    try:
        return validate(Experiment, yaml_files.parse(text, CONFIG), "", recorded=True)
    except ConfigError as error:
        raise RunError(
            f"{folder / CONFIG} is not the configuration of a run: {error.message}",
            hint="put the file back as it was; the manifest holds its SHA-256",
        ) from error
