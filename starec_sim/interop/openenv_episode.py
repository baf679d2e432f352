"""One simulated user in front of a recommender that is outside: an episode.

Each step shows her the slate of one visit. The other users of the experiment stay away, so that
what she meets depends on the outside agent alone.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starec_sim import plugins
from starec_sim.agent import Call, first_memory
from starec_sim.build import Builder, of_one_kind
from starec_sim.environment import Environment, NamedRewards
from starec_sim.errors import ConfigError, StarecError, did_you_mean
from starec_sim.experiment import Arm, Experiment
from starec_sim.interop.openenv_recommender import SlateExchange, SlateFromOutside
from starec_sim.policies.gateway import Gateway
from starec_sim.policies.gateway.resources import GatewayResources
from starec_sim.policies.gateway.turn_store import NoStore
from starec_sim.rng import Streams
from starec_sim.types import Memory, Visit

REFUSED = -1.0
"""The reward of a slate that is refused."""
MOST_REFUSED = 10
"""An episode ends after so many refused slates."""
DEFAULT_WEIGHTS = {"engagement": 0.5, "satisfaction": 0.5}


class SlateError(StarecError):
    """A slate that cannot be shown."""


class UserSource:
    """What episodes are made from: an experiment whose recommender is outside.

    Args:
        experiment: It has one arm, and its environment has a setting `recommender`.
        weights: The weight of each component of the reward.
        candidates: How many items the outside agent is offered, at least a slate.

    Raises:
        StarecError: A part cannot be built, or the experiment does not fit.
    """

    def __init__(
        self,
        experiment: Experiment,
        weights: Mapping[str, float] = DEFAULT_WEIGHTS,
        candidates: int = 50,
    ) -> None:
        arms = experiment.resolve()
        if len(arms) > 1:
            raise ConfigError(
                f"the experiment has {len(arms)} arms: {', '.join(arms)}; an episode has one",
                hint="--set arms={} plays the keys at the top of the file",
            )
        self.arm = of_one_kind(next(iter(arms.values())), "an episode")
        self.experiment, self.candidates = experiment, candidates
        self._behind = _recommender_of(self.arm)
        self.weights = _checked_weights(weights, self.arm)
        self._builder = Builder()
        self._resources = GatewayResources(experiment.gateway, experiment.budget)
        self.agent = self._builder.agent(self.arm)
        self._policies = self._builder.policies(self.arm)
        self._numbers = 0
        # Errors of the data and of the environment occur here and not in the first episode.
        _, example = self._environment(experiment.seed)
        self.user_ids = [user.id for user in example.users]
        self.n_items = len(example.items)

    async def open(self) -> None:
        """Let the policies read their weights, or find their keys."""
        await self._builder.open_policies()

    async def close(self) -> None:
        """Close what the policies hold open."""
        await self._builder.close_policies()
        self._resources.close()

    def episode(self, seed: int | None = None, user: str | None = None) -> UserEpisode:
        """Return a new episode.

        Args:
            seed: Of everything that is drawn, her too; any seed when None.
            user: The id of the user.

        Raises:
            ConfigError: There is no such user.
        """
        seed = secrets.randbelow(2**31) if seed is None else seed
        exchange, environment = self._environment(seed)
        ids = [each.id for each in environment.users]
        if user is None:
            row = Streams(seed).integer("episode") % len(ids)
        elif user in ids:
            row = ids.index(user)
        else:
            raise ConfigError(f'there is no user "{user}"; {did_you_mean(user, ids)}')
        exchange.user = row
        gateway = Gateway(self._policies, Streams(seed), NoStore(), self.arm.name, self._resources)
        memory = first_memory(environment, self.agent, row)
        first = Call(row, 0, environment.users[row], memory, environment, gateway)
        return UserEpisode(self, seed, exchange, first)

    def _environment(self, seed: int) -> tuple[SlateExchange, Environment]:
        self._numbers += 1
        name = f"{id(self)}/{self._numbers}"
        exchange = SlateExchange(name, self.candidates)
        outside = {
            "use": f"{SlateFromOutside.__module__}:{SlateFromOutside.__name__}",
            "exchange": name,
            "candidates_from": self._behind,
        }
        spec = {**self.arm.experiment.environment, "recommender": outside}
        plugin = plugins.configure("environments", spec, "environment")
        environment: Environment = plugin.build(self._builder.dataset(self.arm), Streams(seed))
        return exchange, environment


@dataclass(frozen=True, slots=True)
class VisitResult:
    """What came of a slate."""

    visit: Visit | None
    """What she did; None if the slate was refused."""
    reward: float
    rewards: Mapping[str, float] = field(default_factory=dict)
    """The components of the reward: means over the pages of the visit."""
    problem: str = ""
    """Why the slate was refused."""


class UserEpisode:
    """The visits of one user, each with a slate from outside.

    Args:
        source: What it is made from.
        seed: Of everything that is drawn.
        exchange: Of the recommender.
        call: Her call in round 0.
    """

    def __init__(self, source: UserSource, seed: int, exchange: SlateExchange, call: Call) -> None:
        self.seed, self.rounds = seed, source.experiment.rounds
        self.exchange = exchange
        self.user, self.person = call.user, call.person
        self.environment = call.environment
        self.round = 0
        """The round in which she visits next, or the number of rounds if the episode is over."""
        self.absent = 0
        """Rounds since her last visit in which she stayed away."""
        self.refused = 0
        """Slates that were refused."""
        self._source, self._call = source, call
        self._rows = {item.id: row for row, item in enumerate(call.environment.items)}
        self._await_visit()

    @property
    def done(self) -> bool:
        """Whether there is no further visit."""
        return self.round >= self.rounds or self.refused >= MOST_REFUSED

    async def show(self, slate: Sequence[str]) -> VisitResult:
        """Show a slate and return what she did; a slate that is refused changes nothing.

        Args:
            slate: Ids of items, in the order in which they are shown.

        Raises:
            SlateError: The episode is over.
            StarecError: The policy or a plug-in failed; the same slate can be shown again.
        """
        if self.done:
            raise SlateError("the episode is over", hint="begin another one with reset")
        try:
            rows = self._read(slate)
        except SlateError as error:
            self.refused += 1
            return VisitResult(None, REFUSED, problem=str(error))
        self.exchange.slate = rows
        try:
            # The second time in this round; only the slate differs.
            self.environment.begin_round(self.round)
            visit = await self._source.agent.visit(self._call)
        finally:
            self.exchange.slate = None
        rewards = self._rewards(visit)
        self.environment.end_round([visit])
        notes = {**self._call.notes}
        for step in visit.steps:
            notes.update(step.notes)
        self._next(visit.steps[-1].memory, notes)
        weights = self._source.weights
        total = sum(weights[name] * value for name, value in rewards.items())
        return VisitResult(visit, total, rewards)

    def _next(self, memory: Memory, notes: Mapping[int, str]) -> None:
        call = self._call
        self.round, self.absent = self.round + 1, 0
        self._call = Call(
            call.user, self.round, call.person, memory, call.environment, call.policies, notes
        )
        self._await_visit()

    def _await_visit(self) -> None:
        """Go on to the next round in which she visits."""
        call = self._call
        while self.round < self.rounds and self.user not in self.environment.begin_round(
            self.round
        ):
            self.environment.end_round([])
            self.round, self.absent = self.round + 1, self.absent + 1
        self._call = Call(
            call.user,
            self.round,
            call.person,
            call.memory,
            call.environment,
            call.policies,
            call.notes,
        )

    def _read(self, slate: Sequence[str]) -> tuple[int, ...]:
        """Return the rows of a slate.

        Raises:
            SlateError: It cannot be shown.
        """
        size = self.exchange.size
        if len(slate) != size:
            raise SlateError(f"the slate holds {len(slate)} items; it must hold {size}")
        rows = []
        for number, item in enumerate(slate):
            if item not in self._rows:
                offered = [self.environment.items[row].id for row in self.exchange.candidates]
                raise SlateError(f'there is no item "{item}"; {did_you_mean(item, offered)}')
            if item in slate[:number]:
                raise SlateError(f'item "{item}" stands in the slate twice')
            if self._rows[item] in self.exchange.seen:
                raise SlateError(
                    f'item "{item}" may not be shown: she has consumed it, or skipped it lately'
                )
            rows.append(self._rows[item])
        return tuple(rows)

    def _rewards(self, visit: Visit) -> dict[str, float]:
        pages = [step.feedback.reward for step in visit.steps]
        for name in self._source.weights:
            if name not in pages[0]:
                raise ConfigError(
                    f'the environment reports no reward "{name}"; {did_you_mean(name, pages[0])}',
                    hint="name another with --reward",
                )
        return {
            name: sum(page[name] for page in pages) / len(pages) for name in self._source.weights
        }


def _recommender_of(arm: Arm) -> Any:
    spec = getattr(arm.environment.config, "recommender", None)
    if spec is None:
        name = arm.experiment.environment["use"]
        raise ConfigError(
            f'the environment "{name}" has no setting `recommender`, so nobody outside can '
            "recommend to its users",
            hint="use an environment with a recommender, such as feed",
        )
    return dict(spec)


def _checked_weights(weights: Mapping[str, float], arm: Arm) -> dict[str, float]:
    if not weights or not all(map(math.isfinite, weights.values())):
        raise ConfigError(
            f"the weights of the reward are {dict(weights)}; name one component with a finite "
            "weight, or several",
            hint="e.g. --reward engagement=0.5 --reward satisfaction=0.5",
        )
    kind = arm.environment.type
    if isinstance(kind, NamedRewards):
        for name in weights:
            if name not in kind.reward_names:
                raise ConfigError(
                    f'the environment reports no reward "{name}"; '
                    f"{did_you_mean(name, kind.reward_names)}",
                    hint=f"e.g. --reward {kind.reward_names[0]}=1",
                )
    return dict(weights)
