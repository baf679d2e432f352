"""Small worlds, and a way to live in them without an agent."""

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from starec_environments.datasets.synthetic import Synthetic
from starec_sim import plugins
from starec_sim.dataset import Dataset, GroundTruth, Interactions
from starec_sim.environment import Environment
from starec_sim.rng import Streams
from starec_sim.types import Action, Decision, Item, Observation, User, Visit
from tests.rounds import ScriptedAgent, play_rounds, play_visit, simulate

Rows = Sequence[tuple[int, int, float]]
Decide = Callable[[int, int, Observation], Decision]


def _make(
    rows: Rows,
    n_items: int,
    n_users: int | None = None,
    world: GroundTruth | None = None,
    **more: Any,
) -> Dataset:
    users, items, ratings = (np.array(column) for column in zip(*rows, strict=True))
    times = np.arange(len(rows))
    n_users = n_users or int(users.max()) + 1
    return Dataset(
        "made up",
        tuple(User(f"u{user}") for user in range(n_users)),
        tuple(Item(f"i{item}", f"Title {item}") for item in range(n_items)),
        Interactions(users, items, ratings.astype(float), times),
        world,
        **more,
    )


@pytest.fixture(scope="session")
def make() -> Callable[..., Dataset]:
    """Make a dataset of (user, item, stars) rows in order of time."""
    return _make


@pytest.fixture(scope="session")
def build() -> Callable[..., Any]:
    """Build an environment by its name, as an experiment does."""

    def build(use: str, dataset: Dataset, seed: int = 0, **settings: Any) -> Environment:
        spec = {"use": use, **settings}
        found, config = plugins.configure("environments", spec, "environment")
        environment: Environment = found(config, dataset, Streams(seed))
        return environment

    return build


@pytest.fixture(scope="session")
def synthetic() -> Dataset:
    return Synthetic(Synthetic.Config(users=40, items=150, interactions=20.0)).load()


@pytest.fixture(scope="session")
def rated(make: Callable[..., Dataset]) -> Dataset:
    """Ratings with a structure and without a known world: 60 users, 50 items, two tastes."""
    rng = np.random.default_rng(5)
    rows = []
    for user in range(60):
        for item in rng.choice(50, size=int(rng.integers(14, 26)), replace=False).tolist():
            liking = 4.2 if (user + item) % 2 else 2.2
            rows.append((user, item, float(np.clip(np.rint(liking + rng.normal(0, 0.5)), 1, 5))))
    return make([rows[i] for i in rng.permutation(len(rows))], 50)


def _act(user: int, round: int, shown: Observation) -> Decision:
    """Watch about every third item; rate some of those; sometimes leave. No randomness in it."""
    actions = []
    for place, item in enumerate(shown.slate):
        mark = user * 31 + round * 17 + item * 7
        watched = mark % 3 == 0
        stars = float(1 + mark % 5) if watched and mark % 4 else None
        actions.append(Action(item, "watch" if watched else "skip", stars))
        assert shown.cards[place]
    leave = (user + round + shown.page) % 5 == 0
    # The same decision ranks, for environments that ask for it.
    ranking = tuple(sorted(shown.slate, key=lambda item: (item * 7919 + user) % 1009))
    return Decision(ranking, len(ranking), tuple(actions), leave)


@pytest.fixture(scope="session")
def act() -> Decide:
    return _act


@pytest.fixture(scope="session")
def visit() -> Callable[..., Visit]:
    """Play one visit to its end."""

    def visit(environment: Environment, user: int, round: int, decide: Decide = _act) -> Visit:
        played: Visit = play_visit(environment, user, round, decide)
        return played

    return visit


@pytest.fixture(scope="session")
def play() -> Callable[..., list[list[Visit]]]:
    """Play rounds, commit them, and return the visits of each."""

    def play(
        environment: Environment, rounds: Sequence[int], decide: Decide = _act
    ) -> list[list[Visit]]:
        simulation = simulate(environment, ScriptedAgent(decide), first_round=rounds[0])
        visits: list[list[Visit]] = play_rounds(simulation, len(rounds))
        return visits

    return play


@pytest.fixture(scope="session")
def through_a_file() -> Callable[..., Mapping[str, Any]]:
    def through_a_file(state: Mapping[str, Any]) -> Mapping[str, Any]:
        file = io.BytesIO()
        np.savez(file, **state)
        file.seek(0)
        return dict(np.load(file, allow_pickle=False))

    return through_a_file
