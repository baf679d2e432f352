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
from typing import Any, ClassVar

import pytest

from starec_sim.checks.kinds import CHECKS, Check, result_of
from starec_sim.checks.target import Target
from starec_sim.environment import Environment
from starec_sim.recommender import Recommender

__all__ = ["EnvironmentSuite", "RecommenderSuite"]


class _Suite(ABC):
    """Makes the checks of a kind, each once for the class."""

    kind: ClassVar[str]
    make: Callable[..., Any]

    @classmethod
    def target(cls) -> Target:
        """Return what is checked; all tests of the class share it."""
        if "_target" not in cls.__dict__:
            top = cls.__qualname__ == cls.__name__
            origin = {"suite": f"{inspect.getfile(cls)}:{cls.__name__}"} if top else None
            cls._target = Target(cls.kind, cls().make, origin)
        return cls._target

    _target: ClassVar[Target]

    def _make(self, check: Check) -> None:
        found = result_of(check, self.target())
        if found.state == "failed":
            pytest.fail(f"{found.note}\nhint: {found.hint}", pytrace=False)
        if found.state == "not made":
            pytest.skip(found.note)


def _each(kind: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("check", CHECKS[kind], ids=attrgetter("name"))


class EnvironmentSuite(_Suite):
    """Checks an environment: subclass it and write `make`."""

    kind = "environment"

    @abstractmethod
    def make(self, seed: int) -> Environment:
        """Return a new environment, whose random numbers come from `Streams(seed)`."""

    @_each("environment")
    def test_contract(self, check: Check) -> None:
        """Make one check."""
        self._make(check)


class RecommenderSuite(_Suite):
    """Checks a recommender: subclass it and write `make`."""

    kind = "recommender"

    @abstractmethod
    def make(self, n_users: int, n_items: int, seed: int) -> Recommender:
        """Return a new recommender that is not fitted."""

    @_each("recommender")
    def test_contract(self, check: Check) -> None:
        """Make one check."""
        self._make(check)
