"""Tests for plug-ins: subclass the suite of a kind, and pytest makes every check of `starec check`.

    from starec_sim import Streams
    from starec_sim.testing import EnvironmentSuite

    from my_world import MyWorld


    class TestMyWorld(EnvironmentSuite):
        def make(self, seed):
            return MyWorld(MyWorld.Config(), None, Streams(seed))

A check that fails says which method did what, why that is probably so, and what to change. It needs
pytest, which starec-sim does not install.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import pytest

from starec_sim.agent import Agent
from starec_sim.checks.kinds import PluginCheck, checks_of, result_of
from starec_sim.checks.target import CheckTarget
from starec_sim.dataset import Dataset
from starec_sim.environment import Environment
from starec_sim.learning.rewards import AnswerOutcome
from starec_sim.recommender import Recommender

if TYPE_CHECKING:  # it takes a second to import
    from langchain_core.language_models.chat_models import BaseChatModel

__all__ = [
    "AgentSuite",
    "DatasetSuite",
    "EnvironmentSuite",
    "PolicySuite",
    "RecommenderSuite",
    "RewardSuite",
]


class _Reader(Protocol):
    def load(self) -> Dataset: ...


class _Suite(ABC):
    """Makes the checks of a kind, each once for the class."""

    kind: ClassVar[str]
    make: Callable[..., Any]

    @classmethod
    def target(cls) -> CheckTarget:
        """Return what is checked; all tests of the class share it."""
        if "_target" not in cls.__dict__:
            top = cls.__qualname__ == cls.__name__
            origin = {"suite": f"{inspect.getfile(cls)}:{cls.__name__}"} if top else None
            cls._target = CheckTarget(cls.kind, cls().make, origin)
        return cls._target

    _target: ClassVar[CheckTarget]

    def _make(self, check: PluginCheck) -> None:
        found = result_of(check, self.target())
        if found.state == "failed":
            pytest.fail(f"{found.note}\nhint: {found.hint}", pytrace=False)
        if found.state == "not made":
            pytest.skip(found.note)


def _each(kind: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("check", checks_of(kind), ids=attrgetter("name"))


class EnvironmentSuite(_Suite):
    """Checks an environment: subclass it and write `make`."""

    kind = "environment"

    @abstractmethod
    def make(self, seed: int) -> Environment:
        """Return a new environment, whose random numbers come from `Streams(seed)`."""

    @_each("environment")
    def test_contract(self, check: PluginCheck) -> None:
        """Make one check."""
        self._make(check)


class RecommenderSuite(_Suite):
    """Checks a recommender: subclass it and write `make`."""

    kind = "recommender"

    @abstractmethod
    def make(self, n_users: int, n_items: int, seed: int) -> Recommender:
        """Return a new recommender that is not fitted."""

    @_each("recommender")
    def test_contract(self, check: PluginCheck) -> None:
        """Make one check."""
        self._make(check)


class AgentSuite(_Suite):
    """Checks an agent: subclass it and write `make`."""

    kind = "agent"

    @abstractmethod
    def make(self) -> Agent:
        """Return a new agent."""

    @_each("agent")
    def test_contract(self, check: PluginCheck) -> None:
        """Make one check."""
        self._make(check)


class PolicySuite(_Suite):
    """Checks a policy: subclass it and write `make`."""

    kind = "policy"

    @abstractmethod
    def make(self) -> BaseChatModel:
        """Return a new policy: a chat model of langchain-core."""

    @_each("policy")
    def test_contract(self, check: PluginCheck) -> None:
        """Make one check."""
        self._make(check)


class DatasetSuite(_Suite):
    """Checks a dataset: subclass it and write `make`."""

    kind = "dataset"

    @abstractmethod
    def make(self) -> _Reader:
        """Return a new reader, whose `load()` returns a dataset."""

    @_each("dataset")
    def test_contract(self, check: PluginCheck) -> None:
        """Make one check."""
        self._make(check)


class RewardSuite(_Suite):
    """Checks a reward: subclass it and write `make`."""

    kind = "reward"

    @abstractmethod
    def make(self) -> Callable[[AnswerOutcome], float]:
        """Return the reward: a function of an `AnswerOutcome`."""

    @_each("reward")
    def test_contract(self, check: PluginCheck) -> None:
        """Make one check."""
        self._make(check)
