"""The settings of the contenders: floors, recommenders, and agents with a policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from starec_sim import plugins, yaml_files
from starec_sim.errors import ConfigError, did_you_mean
from starec_sim.holdout.holdout import Extent
from starec_sim.plugin_files import from_folder
from starec_sim.plugins import Spec, Uses
from starec_sim.policies.settings import split_spec
from starec_sim.settings import Settings, validate

ContenderKind = Literal["floor", "recommender", "agent"]
GROUPS: Mapping[str, tuple[ContenderKind, ...]] = {
    "all": ("floor", "recommender", "agent"),
    "classical": ("floor", "recommender"),
    "agents": ("floor", "agent"),
}
"""The groups that `--rows` can name: the kinds of the shipped contenders in each."""
POLICY = "{policy}"
_POLICY_HINT = "e.g. openai,model=qwen3:8b,temperature=0.7; or name a YAML file"
_LONGEST_LABEL = 20
"""Characters of a policy's label, so that the name of a contender is short enough for an arm."""


class ContenderSpec(Settings):
    """One contender: a `floor`, a `recommender` or an `agent`, exactly one of them."""

    name: str = Field(min_length=1, max_length=60)
    """`{policy}` is replaced by the label of each policy under evaluation."""
    floor: Literal["random", "input order", "oracle"] | None = None
    """`random` and `input order` use no data. `oracle` uses the true choice probabilities of a
    generated dataset: no ranking has a higher expected value. Other datasets have no such row."""
    recommender: Annotated[Spec | None, Uses("recommenders")] = None
    data: Extent = "full"
    """The training data of a recommender: the `sample` that agents see, or the `full` log."""
    agent: Annotated[Spec | None, Uses("agents")] = None
    policy: Spec | None = None
    """The policy of an agent; each policy under evaluation when empty."""
    replay: int | None = Field(default=None, ge=0)
    """Choices that are replayed to an agent before it ranks; `history` of the protocol when empty.
    0 is enough for an agent without a summary: its memory holds the same history either way."""
    memory: Literal["own", "swapped"] = "own"
    """`swapped`: the agent ranks with the memory of another user."""
    needs: str | None = None
    """A Python module; without it the contender is left out, and the table says so."""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        named = [kind for kind in GROUPS["all"] if getattr(self, kind) is not None]
        if len(named) != 1:
            raise ValueError(
                f"a row is one of floor, recommender and agent; this one names {len(named)}"
            )
        if self.agent is None and (self.policy or self.replay is not None):
            raise ValueError("only an agent has a policy and replays")
        return self

    @property
    def kind(self) -> ContenderKind:
        """`floor`, `recommender` or `agent`."""
        return next(kind for kind in GROUPS["all"] if getattr(self, kind) is not None)


class _Rows(Settings):
    rows: list[ContenderSpec] = Field(min_length=1)


class Contender(NamedTuple):
    """A contender whose row is computed."""

    name: str
    spec: ContenderSpec
    policy: dict[str, Any] | None
    """The policy of an agent; None for the other kinds."""


def read_rows(reference: str) -> list[ContenderSpec]:
    """Return the contenders of a shipped group (see `GROUPS`) or of a YAML file.

    Args:
        reference: The name of a group, or the path of a file.

    Raises:
        ConfigError: There is no such file or group, or a row is wrong.
    """
    path = Path(reference)
    if reference in GROUPS:
        text, at = (files("starec_sim.evaluation") / "rows.yaml").read_text("utf-8"), "rows.yaml"
        values = yaml_files.parse(text, at)
    elif path.is_file() or yaml_files.is_yaml(path):
        at = str(path)
        values = yaml_files.load(path, hint="it needs `rows`, a list: see docs/evaluation.md")
        values = from_folder(values, path.parent)
    else:
        raise ConfigError(
            f'there is no file or group of rows "{reference}"; {did_you_mean(reference, GROUPS)}',
            hint="rows of your own stand in a YAML file: see docs/evaluation.md",
        )
    rows = validate(_Rows, values, at).rows
    for number, row in enumerate(list(rows)):
        if row.recommender is not None:
            plugins.configure("recommenders", row.recommender, f"{at}: rows.{number}.recommender")
        if row.agent is not None:
            plugins.configure("agents", row.agent, f"{at}: rows.{number}.agent")
        if row.policy is not None:
            checked = _checked(row.policy, f"{at}: rows.{number}.policy")
            rows[number] = row.model_copy(update={"policy": checked})
    return [row for row in rows if row.kind in GROUPS.get(reference, GROUPS["all"])]


def read_policy(text: str) -> dict[str, Any]:
    """Return the spec of a policy from its text on the command line.

    Args:
        text: A name, with settings after commas (`openai,model=qwen3:8b,temperature=0`), or the
            path of a YAML file with the keys of a policy: `use` and its settings.

    Raises:
        ConfigError: A setting is no KEY=VALUE, or there is no such key.
        PluginError: There is no such policy.

    >>> read_policy("lexical,curiosity=2")
    {'use': 'lexical', 'curiosity': 2}
    """
    values = yaml_files.read_spec(text, "policy", _POLICY_HINT)
    if yaml_files.is_yaml(Path(text)):
        values = from_folder(values, Path(text).parent)
    if "use" not in values:
        raise ConfigError(f"{text} names no policy", hint="it needs the key `use`")
    return _checked(values, f'policy "{text}"')


def _checked(spec: Mapping[str, Any], at: str) -> dict[str, Any]:
    """Return a policy's spec as JSON values.

    Raises:
        ConfigError: A setting is wrong.
        PluginError: There is no such policy.
    """
    inner, terms = split_spec(spec, at)
    plugins.check_policy(inner, at)
    # YAML reads a price's date as a date.
    price = {"price": terms.price.model_dump(mode="json")} if terms.price else {}
    return {**spec, **price}


def label(policy: Mapping[str, Any]) -> str:
    """Return the label of a policy in row names: the last part of its model's name, or its own.

    >>> label({"use": "openai", "model": "qwen/qwen3:8b"})
    'qwen3:8b'
    """
    whole = str(policy.get("adapter") or policy.get("model") or policy["use"])
    return whole.rstrip("/").rpartition("/")[2][-_LONGEST_LABEL:]


def plan_contenders(
    rows: Sequence[ContenderSpec], policies: Sequence[Mapping[str, Any]], truth: bool = False
) -> list[Contender]:
    """Return the contenders that will be evaluated, in order.

    Args:
        rows: From `read_rows`.
        policies: The policies under evaluation; contenders with `{policy}` are repeated for each.
        truth: Whether the dataset has true choice probabilities, which the oracle needs.

    Raises:
        ConfigError: Two contenders have the same name.
    """
    labels = _labels(policies)
    planned: list[Contender] = []
    for row in rows:
        if (row.floor == "oracle" and not truth) or missing_module(row):
            continue
        if row.agent is None:
            planned.append(Contender(row.name, row, None))
        elif row.policy is not None:
            planned.append(Contender(row.name, row, row.policy))
        else:
            planned += [
                Contender(row.name.replace(POLICY, name), row, dict(policy))
                for name, policy in zip(labels, policies, strict=True)
            ]
    names = [row.name for row in planned]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(
            f'two rows are called "{twice[0]}"', hint="give each row a name of its own"
        )
    return planned


def missing_module(row: ContenderSpec) -> str | None:
    """Return the module that a contender needs, if it is not installed."""
    return None if row.needs is None or find_spec(row.needs) is not None else row.needs


def _labels(policies: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a label for each policy; equal labels are numbered."""
    plain = [label(policy) for policy in policies]
    return [
        name if plain.count(name) == 1 else f"{name} {plain[: place + 1].count(name)}"
        for place, name in enumerate(plain)
    ]
