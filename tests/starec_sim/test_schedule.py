"""A schedule changes the configuration at the beginning of a round."""

import pytest

from starec_sim import RunEvents, read_run, resume, run
from starec_sim.errors import ConfigError
from starec_sim.estimate import estimate
from starec_sim.learning.config import training_of
from starec_sim.reopen import reopen
from starec_sim.runs.reader import reading
from tests.small_feed import ROUNDS, digests, small_feed

TO_POPULARITY = {"round": 3, "set": {"environment.recommender": {"use": "popularity"}}}


def experiment(folder, **changes):
    return small_feed(folder, "scheduled", 10, **changes)


class StopAfter(RunEvents):
    """Ends the process's part of a run after so many rounds."""

    def __init__(self, rounds):
        self.rounds = rounds

    def round_finished(self, round, metrics):
        if round + 1 == self.rounds:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return run(experiment(tmp_path_factory.mktemp("plain"))).folder


@pytest.fixture(scope="module")
def changed(tmp_path_factory):
    return run(experiment(tmp_path_factory.mktemp("changed"), schedule=[TO_POPULARITY])).folder


def test_rounds_before_the_change_are_those_of_a_run_without_it(plain, changed):
    without, with_change = digests(plain), digests(changed)
    assert with_change[:2] == without[:2]
    assert with_change[2] != without[2]


@pytest.mark.parametrize("rounds", [2, 3])
def test_a_resume_goes_on_with_the_configuration_of_its_round(tmp_path, changed, rounds):
    with pytest.raises(KeyboardInterrupt):
        run(experiment(tmp_path, schedule=[TO_POPULARITY]), StopAfter(rounds))
    (folder,) = tmp_path.glob("scheduled*")
    assert resume(folder).digest == read_run(changed).manifest.digest


def test_agent_and_policies_change_too(tmp_path, plain):
    entries = [
        {"round": 2, "set": {"policies.fast": "reasoner", "policies.slow": "reasoner"}},
        {"round": 4, "set": {"agent.gate.when": "never"}},
    ]
    folder = run(experiment(tmp_path, schedule=entries)).folder
    with reading(folder) as reader:
        trial = reader.trial("main", 3)
        keys = {n: reader.round_turns(trial, n) for n in range(ROUNDS)}
    policies = {n: {turn.policy for turn in turns.values()} for n, turns in keys.items()}
    assert policies[0] == {"lexical"}
    assert all(policies[n] == {"reasoner"} for n in range(1, ROUNDS))
    reflects = {n: any(key.node == "slow" for key in turns) for n, turns in keys.items()}
    assert reflects == {0: True, 1: True, 2: True, 3: False, 4: False}
    assert digests(folder)[0] == digests(plain)[0]


def test_an_arm_can_have_a_schedule_of_its_own(tmp_path, plain, changed):
    arms = {"control": {}, "late": {"schedule": [TO_POPULARITY]}}
    folder = run(experiment(tmp_path, arms=arms)).folder
    assert digests(folder, "control") == digests(plain)
    assert digests(folder, "late") == digests(changed)


@pytest.mark.parametrize("round", [1, 2, 4])
def test_a_recorded_round_is_opened_with_its_configuration(changed, round):
    opened = reopen(changed, round)
    with reading(changed) as reader:
        recorded = reader.round_steps(opened.trial, round)
    for user, steps in recorded.items():
        assert opened.environment.observe(user, ()).slate == steps[0].observation.slate


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"round": 3, "set": {"rounds": 9}}, "schedule.0.set.rounds: this key cannot change"),
        ({"round": 3, "set": {"data.users": 9}}, "schedule.0.set.data.users: this key cannot"),
        ({"round": 3, "set": {"seed": 9}}, "schedule.0.set.seed: this key cannot change"),
        (
            {"round": 3, "set": {"environment.page_sise": 9}},
            'schedule.0.set.environment.page_sise: there is no such key; did you mean "page_size"',
        ),
        ({"round": 3, "set": {"enviroment": {}}}, "schedule.0.set.enviroment: there is no such"),
        ({"round": 6, "set": {"environment.pages": 1}}, "is 6, and the run has 5 rounds"),
        ({"round": 3, "set": {"environment.pages": 2}}, "changes nothing: environment.pages had"),
        ({"round": 3, "set": {"environment.recommender.use": "asl"}}, "no recommender is called"),
    ],
)
def test_a_wrong_entry_is_named_before_the_run(tmp_path, entry, message):
    with pytest.raises(Exception) as raised:
        experiment(tmp_path, schedule=[entry]).resolve()
    assert message in str(raised.value)


@pytest.mark.parametrize("round", [1, 0, True, "three"])
def test_a_wrong_round_is_refused(tmp_path, round):
    with pytest.raises(ValueError, match=r"schedule\.0\.round"):
        experiment(tmp_path, schedule=[{**TO_POPULARITY, "round": round}])


def test_two_entries_of_one_round_are_refused(tmp_path):
    other = {"round": 3, "set": {"environment.pages": 1}}
    with pytest.raises(ConfigError, match="another entry changes keys in round 3 as well"):
        experiment(tmp_path, schedule=[TO_POPULARITY, other]).resolve()


@pytest.mark.parametrize("change", [{"environment.users": 5}, {"environment.warm": 0.9}])
def test_an_environment_with_other_users_or_histories_is_refused(tmp_path, change):
    entry = {"round": 3, "set": change}
    with pytest.raises(ConfigError, match=r"in round 3 of arm \"main\" the environment has other"):
        run(experiment(tmp_path, schedule=[entry]))
    assert not list(tmp_path.glob("scheduled*"))


def test_an_environment_that_cannot_take_over_the_state_is_refused(tmp_path):
    entry = {"round": 3, "set": {"environment": {"use": "ranking"}}}
    with pytest.raises(ConfigError, match=r"in round 3 of arm \"main\" the environment"):
        run(experiment(tmp_path, schedule=[entry]))
    assert not list(tmp_path.glob("scheduled*"))


def test_an_estimate_plays_the_change_or_is_refused(tmp_path):
    planned = experiment(tmp_path, schedule=[TO_POPULARITY])
    with pytest.raises(ConfigError, match="round 3 changes what is played") as raised:
        estimate(planned, users=2, rounds=2)
    assert "--rounds 4" in raised.value.hint
    assert estimate(planned, users=2, rounds=4).calls > 0


def test_a_training_has_no_schedule(tmp_path):
    planned = experiment(tmp_path, schedule=[TO_POPULARITY], train={"grpo": {"steps": 1}})
    with pytest.raises(ConfigError, match="schedule: a training has none"):
        training_of(planned)
