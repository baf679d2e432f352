"""Questions to simulated users, and the rewards of answers that a model outside gives.

A question is the first one of a user's visit in the first round. Prompts, parser, environment and
rewards are those of a training, so an answer earns here what it earns there.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from starec_sim.agent import Call, open_agent
from starec_sim.build import Builder, of_one_kind
from starec_sim.environment import Environment, NamedRewards
from starec_sim.errors import ConfigError, did_you_mean
from starec_sim.experiment import read_experiment
from starec_sim.learning.rewards import AnswerOutcome, Rewards, check_names, counters
from starec_sim.policies.gateway import Gateway
from starec_sim.policies.gateway.turn_store import NoStore
from starec_sim.rng import Streams
from starec_sim.types import Memory, Messages


class QuestionSource(NamedTuple):
    """What questions are made from. Equal sources give equal questions."""

    experiment: str
    """A YAML file, or a folder with a config.yaml."""
    changes: tuple[str, ...] = ()
    """As `--set` takes them."""
    seed: int = 0


class AnswerReward(NamedTuple):
    """What an answer earns."""

    total: float
    components: Mapping[str, float]
    """Without weights."""
    counters: Mapping[str, float]
    """What policies are known to exploit; see `starec_sim.learning.rewards.counters`."""


class UserQuestions:
    """The first questions of the users of an experiment.

    Args:
        source: What they are made from.

    Raises:
        StarecError: The experiment cannot be read or built, or cannot be asked like this.
    """

    def __init__(self, source: QuestionSource) -> None:
        arms = read_experiment(source.experiment, source.changes).resolve()
        if len(arms) > 1:
            raise ConfigError(
                f"{source.experiment} has {len(arms)} arms: {', '.join(arms)}; questions are "
                "of one",
                hint="the change arms={} asks the users of the keys at the top of the file",
            )
        self._arm = of_one_kind(next(iter(arms.values())), "a taskset")
        builder = Builder(with_models=False)
        self._agent = open_agent(builder.agent(self._arm), self._arm.experiment.agent["use"])
        self._environment: Environment = builder.environment(self._arm, source.seed)
        self._gateway = Gateway(
            builder.policies(self._arm), Streams(source.seed), NoStore(), self._arm.name
        )
        visitors = self._environment.begin_round(0)
        self._rows = {self._environment.users[row].id: row for row in visitors}

    @property
    def users(self) -> list[str]:
        """The ids of the users who visit."""
        return list(self._rows)

    def messages(self, user: str) -> Messages:
        """Return the question to a user.

        Raises:
            ConfigError: There is no such user.
        """
        call = self._call(user)
        return self._agent.question(call, self._environment.observe(call.user, ()))

    def reward(self, user: str, text: str, weights: Mapping[str, float]) -> AnswerReward:
        """Return what an answer to the question earns.

        Args:
            user: The id of the user.
            text: The answer.
            weights: The weight of each component; when empty, 1 for `tier` where a ranking is
                asked for, else 1 for `satisfaction`.

        Raises:
            ConfigError: There is no such user or component.
        """
        call = self._call(user)
        observation = self._environment.observe(call.user, ())
        decision, problem = self._agent.decision(call, text, observation)
        feedback = self._environment.respond(call.user, (), observation, decision)
        outcome = AnswerOutcome("fast", text, not problem, observation, decision, feedback)
        default = {"tier" if observation.task.ranks else "satisfaction": 1.0}
        total, components = self._rewards(weights or default).of(outcome, f"user {user} in round 1")
        counted = {key: n for key, n in counters(outcome, 0).items() if key != "length"}
        return AnswerReward(total, components, counted)

    def _rewards(self, weights: Mapping[str, float]) -> Rewards:
        kind = self._arm.environment.type
        named = kind.reward_names if isinstance(kind, NamedRewards) else None
        check_names(weights, named, "rewards")
        return Rewards(weights)

    def _call(self, user: str) -> Call:
        if user not in self._rows:
            raise ConfigError(
                f'no user "{user}" visits in the first round; {did_you_mean(user, self._rows)}'
            )
        row = self._rows[user]
        memory = Memory(self._environment.history(row)[-self._agent.history_limit :])
        person = self._environment.users[row]
        return Call(row, 0, person, memory, self._environment, self._gateway)


@lru_cache(maxsize=8)
def questions_of(source: QuestionSource) -> UserQuestions:
    """Return the questions of a source; the same object every time."""
    return UserQuestions(source)
