"""Build the objects of a simulation from a configuration.

Every command builds datasets, environments, agents, recommenders and policies here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from langchain_core.language_models.chat_models import BaseChatModel
from pydantic import ValidationError

from starec_sim import plugins
from starec_sim.agent import Agent, first_memory
from starec_sim.boundary import checked_agent
from starec_sim.cards import card
from starec_sim.data_specs import data_spec
from starec_sim.dataset import Dataset
from starec_sim.environment import EndingEvents, Environment, ScheduledEvents, ScheduledSlates
from starec_sim.errors import ConfigError, PluginError, StarecError, did_you_mean
from starec_sim.executors.cohort import Cohort
from starec_sim.executors.executor import Executor, PerUser
from starec_sim.executors.settings import ExecutorSettings
from starec_sim.experiment import Arm
from starec_sim.policies.gateway import Gateway, Policy
from starec_sim.policies.gateway.failures import install_hint
from starec_sim.policies.gateway.policy import name_of
from starec_sim.policies.gateway.replay import NoModel
from starec_sim.policies.settings import split_spec
from starec_sim.policy_endpoints import check_endpoint
from starec_sim.population.agent import PopulationAgent
from starec_sim.population.policies import PoliciesByKind
from starec_sim.recommender import Recommender
from starec_sim.rng import Streams
from starec_sim.settings import explain
from starec_sim.types import Memory, Node


def load_dataset(data: str | Mapping[str, Any], **settings: Any) -> Dataset:
    """Return a dataset.

    Args:
        data: The path of its files, the name of its reader, or a spec `{"use": reader, ...}`, as
            `data` of an experiment is.
        settings: Settings of the reader, added to those of the spec.

    Raises:
        StarecError: There is no such reader, a setting is wrong, or the data cannot be read.

    >>> load_dataset("synthetic", users=12, items=40, interactions=5).name
    'synthetic'
    """
    spec = {**(data_spec(data) if isinstance(data, str) else data), **settings}
    dataset: Dataset = plugins.configure("datasets", spec, "data").build().load()
    return dataset


def build_environment(spec: Mapping[str, Any], dataset: Dataset | None, seed: int) -> Environment:
    """Return a new environment.

    Args:
        spec: `{"use": environment, ...}`, as `environment` of an experiment is.
        dataset: What it is built on; None where it brings its own world.
        seed: Of all its random numbers.

    Raises:
        StarecError: There is no such environment, a setting is wrong, or the data does not fit.
    """
    plugin = plugins.configure("environments", spec, "environment")
    environment: Environment = plugin.build(dataset, Streams(seed))
    return environment


def build_agent(spec: Mapping[str, Any]) -> Agent:
    """Return the agent that a spec names."""
    agent: Agent = plugins.configure("agents", spec, "agent").build()
    return agent


def prompt_hashes(agent: Agent) -> dict[str, str]:
    """Return the SHA-256 of each prompt template of an agent, as the manifest of a run holds it."""
    templates = agent.prompts().items()
    return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in templates}


def build_executor(settings: ExecutorSettings) -> Executor:
    """Return what plays the visits of a round.

    Raises:
        ConfigError: What it needs is not installed.
    """
    if settings.use == "cohort":
        return Cohort(settings.size)
    assert settings.use == "per_user", "visits of processes and Ray are played by InWorkers"
    return PerUser()


def build_recommender(spec: Mapping[str, Any], users: int, items: int, seed: int) -> Recommender:
    """Return a recommender that is not fitted yet.

    Args:
        spec: The recommender and its settings.
        users: Number of users.
        items: Number of items.
        seed: Seed of its random numbers.
    """
    plugin = plugins.configure("recommenders", spec, "recommender")
    recommender: Recommender = plugin.build(n_users=users, n_items=items, seed=seed)
    return recommender


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
    check_endpoint(inner, at)
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
        except (Exception, SystemExit) as error:
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


def of_one_kind(arm: Arm, what: str) -> Arm:
    """Return an arm, for what plays users who are all alike.

    Raises:
        ConfigError: It has users of several kinds.
    """
    if arm.kinds:
        raise ConfigError(
            f"population: {what} plays users of one kind; these are {', '.join(arm.kinds)}",
            hint="set population to {}, calibration to null, and agent and policies to those of "
            "one kind",
        )
    return arm


def apply_events(environment: Environment, arm: Arm, round: int) -> None:
    """Let what the schedule of an arm has for the beginning of a round happen.

    Args:
        environment: That of the trial.
        arm: Has the schedule.
        round: From 0.

    Raises:
        ConfigError: An event or a slate names what is not there.
    """
    change = arm.change_at(round)
    for event in change.events:
        # The environment has the ability: `Experiment.resolve` has checked its class.
        if not event.ends:
            cast(ScheduledEvents, environment).apply(event.name, event.settings)
        else:
            cast(EndingEvents, environment).end(event.name, event.settings)
    if change.slates:
        users = _rows_of_users(environment, change.slates, "slate")
        items = {item.id: row for row, item in enumerate(environment.items)}
        cast(ScheduledSlates, environment).set_slates(
            {users[user]: _slate(user, slate, items) for user, slate in change.slates.items()}
        )


def _slate(user: str, slate: Sequence[str], items: Mapping[str, int]) -> list[int]:
    """Return the rows of the items that a user is shown.

    Raises:
        ConfigError: An item is not there, or is named twice.
    """
    for number, item in enumerate(slate):
        if item not in items:
            raise ConfigError(
                f'slate: there is no item "{item}", which {user} is to see; '
                f"{did_you_mean(item, items)}",
                hint="name items by their ids, as `starec why` does",
            )
        if item in slate[:number]:
            raise ConfigError(
                f'slate: {user} is to see the item "{item}" twice', hint="name each item once"
            )
    return [items[item] for item in slate]


def check_users(arm: Arm, round: int, environment: Environment) -> None:
    """Check that the users whom the schedule names for a round are there.

    Raises:
        ConfigError: One is not there.
    """
    change = arm.change_at(round)
    _rows_of_users(environment, change.memories, "memory")
    _rows_of_users(environment, change.slates, "slate")


def _rows_of_users(environment: Environment, users: Iterable[str], at: str) -> dict[str, int]:
    """Return the rows of all users, by id.

    Raises:
        ConfigError: One of these users is not there.
    """
    rows = {user.id: row for row, user in enumerate(environment.users)}
    for user in users:
        if user not in rows:
            raise ConfigError(
                f'{at}: there is no user "{user}"; {did_you_mean(user, rows)}',
                hint="name users by their ids, as `starec show` does",
            )
    return rows


def edited_memories(
    arm: Arm, round: int, agent: Agent, environment: Environment, memories: Mapping[int, Memory]
) -> dict[int, Memory]:
    """Return the memories that the schedule of an arm edits at the beginning of a round, by user.

    Args:
        arm: Has the schedule.
        round: From 0.
        agent: Plays the users.
        environment: Knows them.
        memories: Before that, of those who have visited.

    Raises:
        ConfigError: There is no such user.
    """
    edits, edited = arm.change_at(round).memories, {}
    rows = _rows_of_users(environment, edits, "memory") if edits else {}
    for user, summary in edits.items():
        row = rows[user]
        memory = memories.get(row) or first_memory(environment, agent, row)
        edited[row] = replace(memory, summary=summary)
    return edited


class Builder:
    """Builds the arms of one run or training. Arms with equal specs share a dataset or a policy.

    Args:
        with_models: Whether to build the models of policies; without them, only a replay works.
        datasets: Those of another builder, which are not read again.
    """

    def __init__(
        self, *, with_models: bool = True, datasets: dict[str, Dataset] | None = None
    ) -> None:
        self._with_models = with_models
        self.datasets: dict[str, Dataset] = {} if datasets is None else datasets
        """Those that were read, by their spec as JSON."""
        self._policies: dict[str, Policy] = {}
        self._agents: dict[str, Agent] = {}

    def dataset(self, arm: Arm) -> Dataset | None:
        """Return the dataset of an arm; None if the environment needs none."""
        if arm.dataset is None:
            return None
        key = json.dumps(arm.experiment.data, sort_keys=True)
        if key not in self.datasets:
            self.datasets[key] = arm.dataset.build().load()
        return self.datasets[key]

    def agent(self, arm: Arm) -> Agent:
        """Return the agent of an arm; with kinds of users, one that plays each with its own."""
        if arm.kinds:
            agents = {kind: checked_agent(self.agent(each)) for kind, each in arm.kinds.items()}
            return PopulationAgent(arm.experiment.population, agents)
        key = f"{arm.name}: {json.dumps(arm.experiment.agent, sort_keys=True)}"
        if key not in self._agents:
            self._agents[key] = arm.agent.build()
        return self._agents[key]

    def environment(self, arm: Arm, seed: int) -> Environment:
        """Return a new environment of an arm; `seed` is that of its random streams."""
        environment: Environment = arm.environment.build(self.dataset(arm), Streams(seed))
        return environment

    def policies(self, arm: Arm) -> Mapping[Node, Policy]:
        """Return the policy of each node of an arm without kinds of users, or of one kind."""
        specs = arm.experiment.policies
        return {
            "fast": self.policy(specs.fast, "policies.fast"),
            "slow": self.policy(specs.slow, "policies.slow"),
        }

    def gateway(self, arm: Arm, *arguments: Any) -> Gateway | PoliciesByKind:
        """Return what asks the policies of an arm.

        Args:
            arm: Of an experiment.
            *arguments: Of the `Gateway`, after its policies.
        """
        if not arm.kinds:
            return Gateway(self.policies(arm), *arguments)
        kinds = {kind: Gateway(self.policies(each), *arguments) for kind, each in arm.kinds.items()}
        return PoliciesByKind(kinds)

    def policy(self, spec: Mapping[str, Any], at: str) -> Policy:
        """Return the policy of a spec; `at` is its dotted key, for messages."""
        key = json.dumps(spec, sort_keys=True)
        if key not in self._policies:
            self._policies[key] = (
                build_policy(spec, at)
                if self._with_models
                else Policy(name_of(spec), NoModel(structured=spec.get("structured")), spec)
            )
        return self._policies[key]

    def teacher(self, spec: Mapping[str, Any], at: str) -> Policy:
        """Return the policy that a training imitates.

        Its model is its own, even if the spec is that of the policy that learns: it keeps its
        weights while those of the other one change.
        """
        key = f"{at}: {json.dumps(spec, sort_keys=True)}"
        if key not in self._policies:
            self._policies[key] = build_policy(spec, at)
        return self._policies[key]

    async def open_policies(self, but: Sequence[Policy] = ()) -> None:
        """Open every policy: it loads its weights or finds its API key.

        Weights that ship are loaded at the first question, see `Policy.open`.

        Args:
            but: Policies that are not opened, because other processes answer in their place.

        Raises:
            PolicyError: A policy cannot be opened.
        """
        for policy in self._policies.values():
            if not any(policy is each for each in but):
                await policy.open()

    def versions(self) -> list[str]:
        """Return the names of the weights of all policies; those that are not loaded are, now.

        Raises:
            PolicyError: They cannot be loaded.
        """
        return [policy.abilities.version for policy in self._policies.values()]

    async def close_policies(self) -> None:
        """Close the connections of every policy."""
        for policy in self._policies.values():
            await policy.close()

    def phrases(self) -> Iterator[str]:
        """Yield item cards and prompt templates, for the dictionary that compresses the record."""
        for dataset in self.datasets.values():
            yield from map(card, dataset.items)
        for agent in self._agents.values():
            yield from agent.prompts().values()
