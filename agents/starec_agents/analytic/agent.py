"""The analytic agent: users who choose by a formula, many at once.

No policy is asked and nothing is written: a memory keeps what happened. What an item is worth to a
user is known from the environment or learned from her history; `choice` says what she chooses.
Every number that is drawn is keyed by seed, user, round and step, so a visit is the same in a
cohort of any size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from starec_agents.analytic.acts import actions_on, possible_acts
from starec_agents.analytic.choice import ChoiceSettings, order
from starec_agents.analytic.taste import Attributes, learned_worth, padded, satiation
from starec_sim.agent import MAX_PAGES, Call, endless_visit
from starec_sim.environment import OneTask, SlateFacts
from starec_sim.errors import ConfigError
from starec_sim.rng import Streams
from starec_sim.settings import Settings
from starec_sim.tasks import RANKING, Task
from starec_sim.types import (
    Decision,
    FloatArray,
    Item,
    Observation,
    Step,
    Verdict,
    Visit,
)

_LEARNED = "set agent.worth: learned, or use the environment `feed`"
_NEVER = Verdict(False, "never")


class _Progress:
    """A visit in progress.

    Args:
        call: Of its user.
    """

    def __init__(self, call: Call) -> None:
        self.call = call
        self.memory = call.memory
        self.steps: tuple[Step, ...] = ()
        self.ended = False

    def observe(self, *, known: bool) -> None:
        """Look at the next page; `known` says whether the environment tells what it is worth."""
        call = self.call
        self.observation: Observation = call.environment.observe(call.user, self.steps)
        self.known_worth = _known_worth(call, self.steps, self.observation) if known else ()

    def respond(self, decision: Decision, history_limit: int) -> None:
        """Let the environment respond to a decision, and write the step into memory.

        Raises:
            ContractError: The visit did not end within `MAX_PAGES` pages.
        """
        call = self.call
        feedback = call.environment.respond(call.user, self.steps, self.observation, decision)
        self.memory = self.memory.after_step(
            feedback.experiences, self.memory.summary, history_limit
        )
        step = Step(self.observation, decision, feedback, _NEVER, (), self.memory)
        self.steps = (*self.steps, step)
        self.ended = bool(feedback.ending)
        if not self.ended and len(self.steps) >= MAX_PAGES:
            raise endless_visit(call, MAX_PAGES)


class AnalyticAgent:
    """Plays users without a model: a known or learned utility, and a model of choice."""

    class Config(Settings):
        """Settings of the agent."""

        worth: Literal["learned", "known"] = "learned"
        """Where the stars come from that an item is worth to a user. `learned`: from her history,
        by the attributes of items. `known`: the environment says them (`slate_facts`), as `feed`
        does; then she likes what she expects to like."""
        choice: ChoiceSettings = ChoiceSettings()
        satiation: float = Field(default=0.0, ge=0, le=5)
        """Stars that an item loses for each item with the same attributes that she chose before in
        this visit."""
        leaves: float = Field(default=1.0, ge=0, le=1)
        """The chance that she leaves after a page from which she chose nothing."""
        damping: float = Field(default=5.0, gt=0)
        """Number of experiences at which a learned attribute value counts half."""
        history_limit: int = Field(default=40, ge=1)
        """Experiences that a memory keeps."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.history_limit = config.history_limit
        self._items: Sequence[Item] = ()
        self._attributes = Attributes(())

    def prompts(self) -> Mapping[str, str]:
        """Return no templates: nothing is asked."""
        return {}

    def check_environment(self, environment: type) -> None:
        """Refuse one that cannot say what items are worth; see `ChecksEnvironment`.

        A ranking of logged choices knows the stars of what was rated, and of nothing else.
        """
        task = environment.task if isinstance(environment, OneTask) else None
        ranks = task in (RANKING, RANKING.name) or (isinstance(task, Task) and task.ranks)
        if self.config.worth == "known" and (ranks or not isinstance(environment, SlateFacts)):
            raise ConfigError(
                f"agent.worth: known, but {environment.__name__} does not say what each item that "
                "it shows is worth",
                hint=_LEARNED,
            )

    async def visit(self, call: Call) -> Visit:
        """Play a visit of one user: a cohort of one."""

        def fail(call: Call, error: BaseException) -> None:
            raise error

        (visit,) = await self.visits([call], fail)
        assert visit is not None, "an error is raised"
        return visit

    async def visits(
        self, calls: Sequence[Call], failed: Callable[[Call, BaseException], None]
    ) -> list[Visit | None]:
        """Play several visits in lockstep pages; see `starec_sim.agent.CohortAgent`."""
        visits = [_Progress(call) for call in calls]
        observe = partial(_Progress.observe, known=self.config.worth == "known")
        going = visits
        while going:
            going = [visit for visit in going if _succeeds(visit, observe, failed)]
            still_going = []
            for visit, decision in zip(going, self._decide(going), strict=True):
                respond = partial(
                    _Progress.respond, decision=decision, history_limit=self.history_limit
                )
                if _succeeds(visit, respond, failed) and not visit.ended:
                    still_going.append(visit)
            going = still_going
        return [
            Visit(visit.call.user, visit.call.round, visit.steps) if visit.ended else None
            for visit in visits
        ]

    def _decide(self, going: Sequence[_Progress]) -> list[Decision]:
        """Decide for all users; those with the same task in the same round together."""
        groups: dict[tuple[Task, int], list[_Progress]] = {}
        for visit in going:
            groups.setdefault((visit.observation.task, len(visit.steps)), []).append(visit)
        decided: dict[_Progress, Decision] = {}
        for (task, step), group in groups.items():
            decided |= zip(group, self._of_group(task, step, group), strict=True)
        return [decided[visit] for visit in going]

    def _of_group(self, task: Task, step: int, group: Sequence[_Progress]) -> list[Decision]:
        """Decide for users with the same task, in the same step of their visits."""
        config, first = self.config, group[0].call
        self._know(first.environment.items)
        slates, there = padded([visit.observation.slate for visit in group])
        worth = self._worth(group, slates, there)
        wanted = worth - config.satiation * self._satiation(group, slates)
        wanted = np.where(there, wanted, -np.inf)
        places = slates.shape[1]
        # The first number is for leaving, so that no draw depends on the length of other slates.
        draws = Streams(first.seed).uniforms(
            "analytic",
            [visit.call.user for visit in group],
            first.round,
            step,
            1 + config.choice.draws_for(places),
        )
        if task.ranks:
            orders = order(wanted, config.choice, draws[:, 1:]).tolist()
            return [
                _ranking(visit.observation.slate, places)
                for visit, places in zip(group, orders, strict=True)
            ]
        possible_acts(task)
        chosen = config.choice.choose(wanted, draws[:, 1:])
        leaves = ~chosen.any(axis=1) & (draws[:, 0] < config.leaves)
        strengths = np.maximum(wanted - config.choice.nothing, 0.0).tolist()
        rows = zip(group, worth.tolist(), strengths, chosen.tolist(), leaves.tolist(), strict=True)
        return [
            _page(task, visit.observation.slate, stars, wishes, took, leave)
            for visit, stars, wishes, took, leave in rows
        ]

    def _know(self, items: Sequence[Item]) -> None:
        """Number the attributes of a catalogue, once for each catalogue."""
        if items is not self._items or len(items) != self._attributes.items:
            self._items, self._attributes = items, Attributes(items)

    def _worth(
        self, group: Sequence[_Progress], slates: NDArray[np.int64], there: NDArray[np.bool_]
    ) -> FloatArray:
        """Return the stars of each item for its user."""
        if self.config.worth == "learned":
            histories = [visit.memory.history for visit in group]
            return learned_worth(self._attributes, histories, slates, self.config.damping)
        worth = np.zeros(slates.shape)
        worth[there] = [stars for visit in group for stars in visit.known_worth]
        return worth

    def _satiation(self, group: Sequence[_Progress], slates: NDArray[np.int64]) -> FloatArray:
        """Return how much of each item its user had in this visit."""
        if not self.config.satiation:
            return np.zeros(slates.shape)
        chosen = [
            [item for step in visit.steps for item in step.decision.chosen] for visit in group
        ]
        return satiation(self._attributes, chosen, slates)


def _succeeds(
    visit: _Progress,
    work: Callable[[_Progress], None],
    failed: Callable[[Call, BaseException], None],
) -> bool:
    """Do something for one visit, and tell if it failed."""
    try:
        work(visit)
    except (Exception, SystemExit) as error:
        failed(visit.call, error)
        return False
    return True


def _known_worth(call: Call, steps: Sequence[Step], observation: Observation) -> Sequence[float]:
    """Return the stars that the environment says each item of a slate is worth to the user.

    Raises:
        ConfigError: It does not say them.
    """
    # Not `isinstance`, which takes tens of microseconds for a protocol: this is asked on each page.
    tells: SlateFacts | None = (
        call.environment if hasattr(call.environment, "slate_facts") else None  # type: ignore[assignment]
    )
    facts = {} if tells is None else tells.slate_facts(call.user, steps, observation)
    known = [stars for stars in facts.get("truth", ()) if stars is not None]
    if len(known) != len(observation.slate):
        raise ConfigError(
            f"agent.worth: known, but the environment does not say what the items shown to user "
            f"{call.person.id} are worth to her",
            hint=_LEARNED,
        )
    return known


def _ranking(slate: Sequence[int], places: Sequence[int]) -> Decision:
    ranked = tuple(slate[place] for place in places[: len(slate)])
    return Decision(ranking=ranked, read=len(ranked))


def _page(
    task: Task,
    slate: Sequence[int],
    worth: Sequence[float],
    wishes: Sequence[float],
    chosen: Sequence[bool],
    leave: bool,
) -> Decision:
    strengths = [
        wish if took else None
        for wish, took in zip(wishes[: len(slate)], chosen[: len(slate)], strict=True)
    ]
    return Decision(actions=actions_on(task, slate, worth, strengths), leave=leave)
