from dataclasses import replace

import pytest

from starec_sim.runs.manifest import write_manifest
from tests.starec_sim.runs.conftest import a_manifest
from tests.starec_sim.runs.lives import Writing, visit


@pytest.fixture
def write(tmp_path):
    """Write a run of two rounds and three users; `change` alters a visit before it is committed."""

    def write(
        name, change=lambda visit: visit, rounds=2, trials=(("main", 7),), numbers=None, **manifest
    ):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        arms = list(dict.fromkeys(arm for arm, _ in trials))
        write_manifest(folder, a_manifest(**{"arms": arms, **manifest}))
        for number, (arm, seed) in zip(numbers or range(len(trials)), trials, strict=True):
            writing = Writing(folder, trial=number, arm=arm, seed=seed)
            for round in range(rounds):
                writing.commit(round, [change(visit(user, round)) for user in range(3)])
            writing.close()
        return folder

    return write


@pytest.fixture
def changed():
    """Return a function that changes the step of one user in one round."""

    def changed(user, round, **parts):
        def change(visit):
            if (visit.user, visit.round) != (user, round):
                return visit
            (step,) = visit.steps
            return replace(visit, steps=(replace(step, **parts),))

        return change

    return changed
