"""What users write about items is read by others a round later, the same however a run is made."""

import pytest

from starec_sim import experiment, runner
from starec_sim.runs.reader import Reader

SETUP = {
    "environment": {"use": "ranking", "choices": 4},
    "agent": "agentcf",
    "policies": {"fast": "lexical", "slow": "lexical"},
    "data": {"use": "synthetic", "users": 8, "items": 80},
}


class StoppedError(Exception):
    """What ends a run early here."""


def run(path, quiet, *changes):
    return runner.run(experiment.read_experiment(path, list(changes)), quiet)


@pytest.mark.slow
def test_the_digest_does_not_depend_on_how_many_visits_are_in_flight(write_experiment, quiet):
    path = write_experiment(**SETUP)
    assert len({run(path, quiet, f"concurrency={n}").digest for n in (1, 8)}) == 1


@pytest.mark.slow
def test_a_run_that_was_stopped_reads_the_notes_that_were_written_before(write_experiment, quiet):
    path = write_experiment(**SETUP)
    whole = run(path, quiet)

    def stop(ended, figures):
        if ended == 1:
            raise StoppedError

    quiet.round_finished = stop
    with pytest.raises(StoppedError):
        run(path, quiet)
    quiet.round_finished = lambda ended, figures: None
    (stopped,) = [f for f in whole.folder.parent.iterdir() if f.name != whole.folder.name]
    assert runner.resume(stopped, quiet).digest == whole.digest


def test_others_read_a_note_from_the_next_round_on(write_experiment, quiet):
    reader = Reader(run(write_experiment(**SETUP), quiet).folder)
    trial = reader.trials()[0]
    described = [0] * 4
    for user in range(8):
        for step in reader.steps(trial, user):
            described[step.round] += "described as" in step.turns[0].messages[1][1]
    assert described[0] == 0
    assert all(count > 0 for count in described[1:])
