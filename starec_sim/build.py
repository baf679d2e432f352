"""Build the objects of a simulation from a configuration.

Every command builds datasets, environments, agents, recommenders and policies here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from starec_sim import plugins
from starec_sim.agent import Agent
from starec_sim.cards import card
from starec_sim.dataset import Dataset
from starec_sim.environment import Environment
from starec_sim.experiment import Arm, data_spec
from starec_sim.policies.gateway import Policy, build_policy
from starec_sim.policies.gateway.policy import name_of
from starec_sim.policies.gateway.replay import NoModel
from starec_sim.recommender import Recommender
from starec_sim.rng import Streams
from starec_sim.types import Node


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


class Builder:
    """Builds the arms of one run. Arms with equal specs share a dataset or a policy.

    Args:
        with_models: Whether to build the models of policies; without them, only a replay works.
    """

    def __init__(self, *, with_models: bool = True) -> None:
        self._with_models = with_models
        self._datasets: dict[str, Dataset] = {}
        self._policies: dict[str, Policy] = {}
        self._agents: dict[str, Agent] = {}

    def dataset(self, arm: Arm) -> Dataset | None:
        """Return the dataset of an arm; None if the environment needs none."""
        if arm.dataset is None:
            return None
        key = json.dumps(arm.experiment.data, sort_keys=True)
        if key not in self._datasets:
            self._datasets[key] = arm.dataset.build().load()
        return self._datasets[key]

    def agent(self, arm: Arm) -> Agent:
        """Return the agent of an arm."""
        if arm.name not in self._agents:
            self._agents[arm.name] = arm.agent.build()
        return self._agents[arm.name]

    def environment(self, arm: Arm, seed: int) -> Environment:
        """Return a new environment of an arm; `seed` is that of its random streams."""
        environment: Environment = arm.environment.build(self.dataset(arm), Streams(seed))
        return environment

    def policies(self, arm: Arm) -> Mapping[Node, Policy]:
        """Return the policy of each node of an arm."""
        specs = arm.experiment.policies
        return {
            "fast": self.policy(specs.fast, "policies.fast"),
            "slow": self.policy(specs.slow, "policies.slow"),
        }

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

    async def open_policies(self) -> None:
        """Open every policy: it loads its weights or finds its API key.

        Weights that ship are loaded at the first question, see `Policy.open`.

        Raises:
            PolicyError: A policy cannot be opened.
        """
        for policy in self._policies.values():
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
        for dataset in self._datasets.values():
            yield from map(card, dataset.items)
        for agent in self._agents.values():
            yield from agent.prompts().values()
