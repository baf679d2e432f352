"""A simulation is opened in a new folder, and played round by round."""

import asyncio

import pytest

from starec_sim import open_simulation, read_run, resume, run
from starec_sim.errors import ConfigError, RunError
from starec_sim.runs.manifest import read_manifest
from tests.small_feed import small_feed

ARMS = {"plain": {}, "random": {"environment.recommender": "random"}}


def play(experiment, rounds, **which):
    """Return the folder after so many rounds, and the visits of each round."""

    async def steps():
        visits = []
        async with open_simulation(experiment, **which) as (folder, simulation):
            for _ in range(rounds):
                played = await simulation.play_round()
                visits.append(len(played.visits))
                simulation.commit(played)
        return folder, visits

    return asyncio.run(steps())


def test_all_rounds_give_the_digest_of_a_run(tmp_path):
    experiment = small_feed(tmp_path, "stepped", 5, rounds=3)
    folder, visits = play(experiment, 3)
    manifest = read_manifest(folder)
    assert (manifest.status, manifest.digest) == ("finished", run(experiment).digest)
    assert sum(visits) == len({(step.round, step.user) for step in read_run(folder).steps()})
    assert resume(folder).digest == manifest.digest


def test_a_block_that_is_left_early_leaves_a_paused_run_that_is_resumed(tmp_path):
    experiment = small_feed(tmp_path, "stepped", 5, rounds=3)
    folder, _ = play(experiment, 1)
    assert read_manifest(folder).status == "paused"
    assert "1 of 3 rounds" in read_manifest(folder).problem
    assert resume(folder).digest == run(experiment).digest


def test_an_error_and_a_cancellation_leave_the_block_and_keep_the_rounds(tmp_path):
    experiment = small_feed(tmp_path, "stepped", 5, rounds=3)

    async def fails(error):
        async with open_simulation(experiment) as (_, simulation):
            simulation.commit(await simulation.play_round())
            raise error

    for error, status in ((ValueError("mine"), "failed"), (asyncio.CancelledError(), "paused")):
        with pytest.raises(type(error)):
            asyncio.run(fails(error))
        (folder,) = (each for each in tmp_path.iterdir() if read_manifest(each).status == status)
        assert resume(folder).report is not None
        assert read_manifest(folder).status == "finished"


def test_one_arm_and_one_seed_are_played(tmp_path):
    experiment = small_feed(tmp_path, "stepped", 5, rounds=1, arms=ARMS, replicates=2)
    folder, _ = play(experiment, 1, arm="random", seed=9)
    manifest = read_manifest(folder)
    assert (manifest.arms, manifest.seeds) == (["random"], [9])
    alone = small_feed(tmp_path, "alone", 5, rounds=1, arms={"random": ARMS["random"]}, seed=9)
    assert manifest.digest == run(alone).digest


def test_what_cannot_be_stepped_is_refused_before_there_is_a_folder(tmp_path):
    place = tmp_path / "runs"
    several = small_feed(place, "several", 5, arms=ARMS)
    change = {"round": 2, "set": {"environment.recommender": "random"}}
    for experiment, which, said in (
        (several, {}, "needs `arm`; its arms are plain, random"),
        (several, {"arm": "plane"}, 'has no arm "plane"'),
        (small_feed(place, "changed", 5, schedule=[change]), {}, "changes during the run"),
        (small_feed(place, "seeded", 5), {"seed": -1}, "seed: must be"),
    ):
        with pytest.raises(ConfigError, match=said):
            play(experiment, 1, **which)
    assert not place.exists()


def test_no_round_is_played_after_the_last_one(tmp_path):
    with pytest.raises(RunError, match="all 1 rounds"):
        play(small_feed(tmp_path, "stepped", 5, rounds=1), 2)
