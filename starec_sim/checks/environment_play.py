"""Play an environment by a script, and write down everything that it returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from starec_sim.boundary import CheckedEnvironment
from starec_sim.boundary.state import checked_state, digests
from starec_sim.boundary.values import value_text
from starec_sim.checks.target import CallPlace, CallWatch, CheckTarget, Journal
from starec_sim.rng import Streams
from starec_sim.tasks import Act, ActionKind, Task
from starec_sim.types import (
    Action,
    Decision,
    Feedback,
    Memory,
    Observation,
    Step,
    Verdict,
    Visit,
)

ROUNDS = 3
"""Rounds that a check plays."""
MOST_USERS = 12
"""Visitors of a round that are played, so that large data are checked quickly too."""
MOST_PAGES = 200
"""A visit with more pages is taken for one without end."""
_HISTORY = 40

ChooseUsers = Callable[[int, Sequence[int]], Sequence[int]]


def some_decision(observation: Observation, user: int, round: int, call: int = 0) -> Decision:
    """Return a decision that follows from the arguments alone: some things are done, some not.

    Over several decisions all that the task declares is done: each kind of action, several with an
    item, arguments that are left out, and what can be done after the page.
    """
    rng = Streams(0).stream("check", user=user, round=round, call=1000 * call + observation.page)
    task = observation.task
    if task.ranks:
        order = rng.permutation(len(observation.slate)).tolist()
        return Decision(
            ranking=tuple(observation.slate[place] for place in order),
            read=len(order),
        )
    done: list[str] = []
    actions: list[Action] = []
    for item in observation.slate:
        acts = _some_acts(task, done, rng)
        actions += [Action(item, act.kind, act.value) for act in acts] or [Action(item)]
    leave = bool(rng.random() < 0.3)
    moves = bool(task.after) and not leave and rng.random() < 0.5
    move = _some_act(task.after[int(rng.integers(len(task.after)))], rng) if moves else None
    return Decision(actions=tuple(actions), leave=leave, move=move)


def _some_acts(task: Task, done: list[str], rng: np.random.Generator) -> list[Act]:
    """Return what is done with an item, often nothing, and note the kinds in `done`."""
    acts: list[Act] = []
    for place in rng.permutation(len(task.actions))[: task.per_item].tolist():
        kind = task.actions[place]
        spent = kind.at_most is not None and done.count(kind.name) >= kind.at_most
        if spent or rng.random() < 0.4:
            break
        done.append(kind.name)
        acts.append(_some_act(kind, rng))
    return acts


def _some_act(kind: ActionKind, rng: np.random.Generator) -> Act:
    """Return an action whose argument is in the form that is asked for, or left out."""
    argument = kind.argument
    if argument is None or (kind.optional and rng.random() < 0.2):
        return Act(kind.name)
    if argument.listed:
        value = argument.read(argument.listed[int(rng.integers(len(argument.listed)))])
    else:
        value = argument.read(argument.example)
    return Act(kind.name, value)


def at_most(round: int, users: Sequence[int]) -> Sequence[int]:
    """Return evenly spaced visitors, if there are many."""
    if len(users) <= MOST_USERS:
        return users
    return [users[int(place)] for place in np.linspace(0, len(users) - 1, MOST_USERS)]


class EnvironmentPlay:
    """One environment that is played round by round.

    Args:
        target: What is checked.
        plugin: The environment; a new one by default.
        seed: The seed of a new one.
        choose: Chooses who of the visitors of a round is played.
        closely: Whether the watch compares arguments and generators at each call.
    """

    def __init__(
        self,
        target: CheckTarget,
        plugin: Any = None,
        *,
        seed: int = 0,
        choose: ChooseUsers = at_most,
        closely: bool = False,
    ) -> None:
        self.plugin = target.new(seed) if plugin is None else plugin
        self.checked = CheckedEnvironment(self.plugin)
        self.watch = CallWatch(target, self.plugin)
        self.watch.closely = closely
        self.journal: Journal = {}
        self.visits: list[list[Visit]] = []
        """The visits of each round that was played."""
        self.memories: dict[int, Memory] = {}
        self._choose = choose

    def play(self, rounds: int, start: int = 0) -> EnvironmentPlay:
        """Play some rounds, and return this play."""
        for round in range(start, start + rounds):
            users = self.begin(round)
            self.end(round, [self.visit(user, round) for user in users])
        return self

    def begin(self, round: int) -> list[int]:
        """Begin a round and return the users who are played."""
        place = CallPlace("begin_round", f"round {round + 1}")
        visitors = self.watch.call(place, self.checked.begin_round, round)
        self.journal[place] = value_text(visitors)
        users = list(self._choose(round, visitors))
        if not round and not users:
            raise self.watch.fault(
                place,
                "returned no users, so nothing can be checked",
                "let at least one user visit in the first round",
            )
        return users

    def visit(self, user: int, round: int) -> Visit:
        """Play a visit to its end."""
        memory = self.memories.get(user) or Memory(self.history(user)[-_HISTORY:])
        steps: tuple[Step, ...] = ()
        while not steps or not steps[-1].feedback.ending:
            observation = self.observe(user, round, steps)
            decision = some_decision(observation, user, round)
            feedback = self.respond(user, round, steps, observation, decision)
            memory = memory.after_step(feedback.experiences, "", _HISTORY)
            steps += (Step(observation, decision, feedback, Verdict(False, ""), (), memory),)
            if len(steps) > MOST_PAGES:
                raise self.watch.fault(
                    self.place("respond", user, round, steps[:-1]),
                    f"the visit has had {MOST_PAGES} pages and does not end",
                    'end it: return Feedback(..., ending="done"), e.g. after some pages',
                )
        self.memories[user] = memory
        return Visit(user, round, steps)

    def history(self, user: int) -> tuple[Any, ...]:
        """Return the history of a user before the simulation."""
        place = CallPlace("history", self.who(user))
        history = self.watch.call(place, self.checked.history, user)
        self.journal.setdefault(place, value_text(history))
        return history

    def observe(self, user: int, round: int, steps: Sequence[Step]) -> Observation:
        """Return what a user is shown, and write it down."""
        place = self.place("observe", user, round, steps)
        last = steps[-1:]  # earlier ones were handed in before
        observation = self.watch.call(place, self.checked.observe, user, steps, handed=last)
        self.journal[place] = value_text(observation)
        return observation

    def respond(
        self,
        user: int,
        round: int,
        steps: Sequence[Step],
        observation: Observation,
        decision: Decision,
    ) -> Feedback:
        """Return the feedback on a decision, and write it down."""
        place = self.place("respond", user, round, steps)
        arguments = (user, steps, observation, decision)
        handed = (steps[-1:], observation, decision)
        feedback = self.watch.call(place, self.checked.respond, *arguments, handed=handed)
        self.journal[place] = value_text(feedback)
        return feedback

    def end(self, round: int, visits: Sequence[Visit]) -> Mapping[str, float]:
        """End a round, and write down its figures and the state."""
        place = CallPlace("end_round", f"round {round + 1}")
        figures = self.watch.call(place, self.checked.end_round, visits)
        self.journal[place] = value_text(figures)
        self.visits.append(list(visits))
        self.note_state(round)
        return figures

    def note_state(self, round: int) -> None:
        """Write down what the state is after a round."""
        for name, text in self.state_texts(round).items():
            self.journal[CallPlace("state", f'after round {round + 1}, "{name}"')] = text

    def state(self, round: int) -> dict[str, Any]:
        """Return the state after a round."""
        place = CallPlace("state", f"after round {round + 1}")
        return dict(self.watch.call(place, self.checked.state))

    def state_texts(self, round: int) -> dict[str, str]:
        """Return each array of the state as text, large ones as a digest."""
        state = checked_state(self.state(round))
        short = {name: value_text(array) for name, array in state.items() if array.size < 500}
        return {name: short.get(name, digest) for name, digest in digests(state).items()}

    def who(self, user: int) -> str:
        """Return a user as messages name her."""
        return f"user {self.plugin.users[user].id}"

    def place(self, method: str, user: int, round: int, steps: Sequence[Step]) -> CallPlace:
        """Return the call of a method in a visit."""
        where = f"{self.who(user)}, round {round + 1}, page {len(steps) + 1}"
        return CallPlace(method, where)


def first_play(target: CheckTarget) -> EnvironmentPlay:
    """Return a play of a few rounds with seed 0, which several checks look at."""
    return target.keep("play", lambda: EnvironmentPlay(target, closely=True).play(ROUNDS))
