"""A plan for many users is the measured dry run in proportion, and says what this machine lacks."""

import re
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from starec_environments.datasets.synthetic import Synthetic
from starec_sim import scale_plan
from starec_sim.build import Builder
from starec_sim.cli.scale_view import print_plan
from starec_sim.dry_run import DryRun, TrialCosts, _FewVisitors, dry_run
from starec_sim.errors import ConfigError
from starec_sim.experiment import Experiment
from starec_sim.runs.recorder import Recorder
from starec_sim.scale_plan import CardSpeed, ScalePlan, bytes_text, plan_scale
from starec_sim.workers import compact


@pytest.fixture
def experiment(tmp_path):
    def build(**changes):
        values = {
            "name": "plan",
            "rounds": 3,
            "runs_dir": str(tmp_path / "runs"),
            "data": {"use": "synthetic", "users": 8, "items": 80},
            "environment": {"use": "feed", "recommender": "popularity", "activity": 1.0},
            "policies": {"fast": "lexical", "slow": "lexical"},
            **changes,
        }
        return Experiment.model_validate(values)

    return build


def test_calls_and_visits_grow_in_proportion_to_users(experiment):
    measured = dry_run(experiment(), 8, 3)
    plan = plan_scale(experiment(executor="ray"), 20_000, play=8)
    times = 20_000 / measured.users
    assert plan.calls == pytest.approx(measured.trials[0].calls * times)
    assert plan.tokens_in == pytest.approx(measured.trials[0].tokens_in * times)
    assert plan.visits == pytest.approx(measured.visits * times)
    assert plan.shared_waiting and plan.worker_bytes > 0


def test_a_dry_run_of_workers_is_played_here_and_measures_the_record(experiment):
    everything = dry_run(experiment(executor="processes"), 8, 3)
    decisions = dry_run(experiment(record="decisions"), 8, 3)
    assert everything.trials[0].calls == decisions.trials[0].calls > 0
    assert everything.record_bytes > decisions.record_bytes > 0
    assert everything.trials[0].visits_s > 0


def test_the_least_time_is_that_of_what_one_process_does():
    plan = _plan(visits_s=640.0, one_process_s=10.0, waiting_s=50.0)
    assert plan.seconds(1) == 650.0
    assert plan.seconds(128) == 60.0  # the parent asks the models
    assert plan._replace(shared_waiting=True).seconds(128) == 15.0


def test_a_record_larger_than_the_disk_is_named(experiment):
    (warning,) = scale_plan._warnings(experiment(), 1e18, 0)
    assert "the record needs 909,494.7 TiB" in warning and warning.endswith("record: decisions")
    (warning,) = scale_plan._warnings(experiment(), 0, 1e18)
    assert "of memory, and this machine has" in warning
    assert scale_plan._warnings(experiment(), 0, 0) == ()


def test_a_record_of_metrics_is_measured_and_cannot_be_made_smaller(experiment):
    decisions, metrics = (dry_run(experiment(record=r), 8, 3) for r in ("decisions", "metrics"))
    assert metrics.played == decisions.played > 0
    assert metrics.trials[0].calls == decisions.trials[0].calls
    assert metrics.trials[0].tokens_in == decisions.trials[0].tokens_in > 0
    assert 0 < metrics.record_bytes < decisions.record_bytes
    (warning,) = scale_plan._warnings(experiment(record="metrics"), 1e18, 0)
    assert warning.endswith("set runs_dir to a larger disk")


def test_a_dry_run_that_adds_less_than_some_pages_to_the_record_says_so(experiment):
    plan = plan_scale(experiment(record="decisions"), 1_000_000, play=2, rounds=1)
    assert "the bytes of the record are not known: play more users, --play 16" in plan.warnings[-1]
    assert scale_plan._coarse(1 << 20, 64) == ()


def test_bytes_are_printed_with_their_unit():
    assert [bytes_text(n) for n in (6.8 * 1024, 2**20, 2**30, 1.5 * 2**40)] == [
        *("6.8 KiB", "1 MiB", "1 GiB", "1.5 TiB")
    ]


def test_the_command_plans_with_an_executor_and_estimates_without(starec, tmp_path):
    path = tmp_path / "shop.yaml"
    path.write_text(
        "name: shop\nrounds: 2\ndata: {use: synthetic, users: 20, items: 80}\n"
        "environment: {use: feed, recommender: popularity}\n"
        "policies: {fast: lexical, slow: lexical}\n"
        f"runs_dir: {tmp_path / 'runs'}\n"
    )
    few = ["--play", "4", "--rounds", "1"]
    code, out, _ = starec("estimate", path, "--users", "1_000_000", "--executor", "ray", *few)
    assert code == 0
    assert "shop with 1,000,000 users, executor ray" in out
    assert "memory of a worker" in out and "Time by number of workers" in out
    _, out, _ = starec("estimate", path, "--users", "1000", "--executor", "cohort", *few)
    assert "memory of a worker" not in out and "  time" in out
    code, out, _ = starec("estimate", path, "--users", "4", "--rounds", "1")
    assert code == 0 and "Estimated from 4 users and 1 round of each arm, 4 visits and" in out
    assert "Warning: this rests on 4 visits, which is few" in out and "(--play 64)" in out


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        (["--executor", "ray"], "add --users 1_000_000"),
        (["--users", "9", "--play", "4"], "add --executor ray"),
        (["--tokens-per-second", "9"], "add --users 1_000_000 --executor ray --set executor.gpus"),
    ],
)
def test_half_of_a_plan_is_refused_before_anything_is_played(starec, options, hint):
    code, _, err = starec("estimate", "no-such-file.yaml", *options)
    assert code == 2 and hint in " ".join(err.split())


def test_the_memory_of_a_plan_is_near_the_measured_peaks(experiment):
    page = (Path(__file__).parents[2] / "docs" / "performance.md").read_text("utf-8")
    found = re.findall(r"([\d.]+) KiB a user and ([\d.]+) KiB a visit so far", page)
    alone, parent, worker = [tuple(map(float, kib)) for kib in found]
    assert alone == scale_plan.KIB_ALONE
    assert (parent, worker) == (scale_plan.KIB_PARENT, scale_plan.KIB_WORKER)
    assert "148; 203; 389 MiB" in page and "126 MiB" in page
    for users, peak in {1_000: 148, 5_000: 203, 20_000: 389}.items():
        visits = 0.92 * 5 * users
        assert 126 + (alone[0] * users + alone[1] * visits) / 1024 == pytest.approx(peak, rel=0.1)
    few, many = (plan_scale(experiment(), users, play=8, rounds=1) for users in (10_000, 110_000))
    grown = 1024 * (alone[0] * 100_000 + alone[1] * (many.visits - few.visits))
    assert many.parent_bytes - few.parent_bytes == pytest.approx(grown, rel=0.1)


def test_the_visits_of_the_longest_trial_count_for_memory(experiment):
    one = plan_scale(experiment(rounds=1), 1_000_000, play=8, rounds=1)
    longer = plan_scale(experiment(rounds=3, replicates=2), 1_000_000, play=8, rounds=1)
    more = 1024 * scale_plan.KIB_ALONE[1] * (longer.visits / 2 - one.visits)
    assert longer.parent_bytes - one.parent_bytes == pytest.approx(more, rel=0.1)


NANO = {"fast": "nano", "slow": "nano"}
CARD = {"use": "ray", "gpus": 0.25}


def test_cards_make_the_answers_of_local_models_only(experiment):
    on_cards = scale_plan._on_cards
    assert on_cards(experiment(executor=CARD, policies=NANO)) == ({"nano"}, True)
    assert on_cards(experiment(executor="ray", policies=NANO)) == (set(), False)
    assert on_cards(experiment(executor=CARD)) == (set(), False)  # lexical
    asked = {"use": "openai", "model": "m", "base_url": "http://localhost:1/v1"}
    mixed = experiment(executor=CARD, policies={"fast": "nano", "slow": asked})
    assert on_cards(mixed) == ({"nano"}, False)
    with pytest.raises(ConfigError, match="some answers of this plan are made elsewhere"):
        plan_scale(mixed, 1_000, tokens_per_second=9.0)


def test_the_speed_of_a_card_is_given_or_measured_or_unknown():
    speed = scale_plan._card_speed
    assert speed({"local"}, 500.0) == (500.0, 500.0, "given")
    assert speed({"nano"}, None) == (16_000, 35_000, "measured on one H200, docs/performance.md")
    assert speed({"local"}, None) is speed({"nano", "local"}, None) is None
    plan = _plan(tokens_out=70_000.0, card=speed({"nano"}, None))
    assert plan.card_seconds(2) == (1.0, pytest.approx(2.1875))
    assert _plan(tokens_out=70_000.0).card_seconds(2) is None


@pytest.mark.parametrize(
    ("card", "said"),
    [
        (None, "no speed known for a card: give --tokens-per-second"),
        (CardSpeed(700.0, 700.0, "given"), "at 700 tokens of answers a second each (given)."),
    ],
)
def test_a_plan_with_cards_says_where_their_speed_is_from(experiment, capsys, card, said):
    plan = _plan(
        users=9, on_cards=True, all_on_cards=True, card=card, tokens_out=70_000.0, worker_bytes=1.0
    )
    print_plan(experiment(), plan)
    out = capsys.readouterr().out
    assert said in out
    assert "if models answer on cores like this one" in out
    assert ("2 min" in out) == (card is not None)  # 100 s with one card


def test_a_speed_of_cards_that_are_not_there_is_refused(experiment):
    with pytest.raises(ConfigError, match="no model answers on one"):
        plan_scale(experiment(executor="ray"), 1_000, tokens_per_second=9.0)


def test_few_visits_are_warned_of_unless_they_are_all():
    costs = TrialCosts(visits=240.0)
    few = DryRun([costs], 80, 12, 0, 0, 1.0, ())
    assert few.few_visits(4) == (
        "this rests on 12 visits, which is few: what a visit takes is uncertain; "
        "play more rounds (--rounds) or more users (--play 64)",
    )
    assert "or take an experiment of more rounds or users" in few._replace(users=4).few_visits(4)[0]
    assert few._replace(visits=20).few_visits(4) == ()
    assert few._replace(trials=[TrialCosts(visits=12.0)]).few_visits(4) == ()


def _plan(**parts):
    values = dict.fromkeys(ScalePlan._fields, 0.0)
    values |= {"executor": "ray", "shared_waiting": False, "warnings": (), "card": None, **parts}
    return ScalePlan(**values)


def test_kinds_of_users_are_played_by_themselves_and_count_by_their_shares(tmp_path):
    def experiment(**changes):
        values = {
            "name": "mixed",
            "runs_dir": tmp_path,
            "data": {"use": "synthetic", "users": 20, "items": 60, "interactions": 15},
            "rounds": 2,
            "environment": {"use": "feed", "recommender": "popularity", "pages": 1},
            "agent": {"use": "star", "gate": {"when": "never"}},
            "policies": {"fast": "lexical", "slow": "lexical"},
        }
        return Experiment.model_validate({**values, **changes})

    kinds = {"cheap": {"share": 0.75, "agent": "analytic"}, "model": {"share": 0.25}}
    alone = dry_run(experiment(), 4, 2).trials[0]
    mixed = dry_run(experiment(population=kinds), 4, 2).trials[0]
    assert mixed.calls == pytest.approx(0.25 * alone.calls)
    assert mixed.visits == pytest.approx(alone.visits)
    calibration = {"users": 10, "between": ("cheap", "model")}
    found = dry_run(experiment(population=kinds, calibration=calibration), 4, 2)
    again = 10 / found.users
    assert found.trials[0].calls == pytest.approx((0.25 + again) * alone.calls)
    assert found.trials[0].visits == pytest.approx(alone.visits)
    of_many = dry_run(experiment(population=kinds, calibration=calibration), 4, 2, 1000)
    assert of_many.trials[0].calls == pytest.approx((0.25 + 10 / 1000) * alone.calls)
    women = {"cheap": {"when": {"gender": "F"}, "agent": "analytic"}, "model": {"share": 1}}
    by_fact = dry_run(experiment(population=women), 4, 2).trials[0]
    of_men = [person.profile["gender"] != "F" for person in _users(experiment())]
    assert by_fact.calls == pytest.approx(sum(of_men) / len(of_men) * alone.calls)


def test_a_dataset_is_read_once_for_all_arms_and_kinds(experiment, monkeypatch):
    read, load = [], Synthetic.load
    monkeypatch.setattr(Synthetic, "load", lambda self: read.append(self) or load(self))
    kinds = {"cheap": {"share": 0.5, "agent": "analytic"}, "model": {"share": 0.5}}
    arms = {"short": {"environment.pages": 1}, "long": {"environment.pages": 2}}
    dry_run(experiment(population=kinds, arms=arms), 2, 1)
    assert len(read) == 1


def _users(experiment):
    (arm,) = experiment.resolve().values()
    return Builder().environment(arm, 0).users


SLOW = """
import asyncio

from starec_sim.policies.lexical import LexicalPolicy


class Slow(LexicalPolicy):
    max_in_flight: int = 64

    async def _agenerate(self, *args, **settings):
        await asyncio.sleep(0.02)
        return await super()._agenerate(*args, **settings)
"""


@pytest.mark.parametrize("one_at_once", [{"limits": {"in_flight": 1}}, {"max_in_flight": 1}])
@pytest.mark.parametrize("play", [1, 4])
def test_calls_wait_for_each_other_where_a_policy_takes_few_at_once(
    experiment, tmp_path, one_at_once, play
):
    (tmp_path / "slow.py").write_text(SLOW)
    policy = {"use": f"{tmp_path / 'slow.py'}:Slow"}

    def waiting(changes):
        policies = {"fast": {**policy, **changes}, "slow": "lexical"}
        agent = {"use": "star", "gate": {"when": "never"}}
        few = experiment(policies=policies, agent=agent, rounds=1)
        (costs,) = dry_run(few, play, 1).trials
        return costs.waiting_s / costs.calls

    assert waiting({}) < 0.01
    assert 0.02 <= waiting(one_at_once) < 0.04


@pytest.mark.parametrize("method", ["take", "flush", "commit_round"])
def test_what_one_process_does_for_each_visit_is_no_time_of_visits_and_grows_with_them(
    experiment, monkeypatch, method
):
    """A flush writes the turns of all visits, a commit the visits: here one of each for a visit."""
    original = getattr(Recorder, method)

    def longer(self, *args, **settings):
        _compute(0.05)
        return original(self, *args, **settings)

    monkeypatch.setattr(Recorder, method, longer)
    (costs,) = dry_run(experiment(rounds=1), 1, 1).trials
    assert costs.visits == 8
    assert costs.overhead_s >= 8 * 0.05
    assert costs.visits_s < 8 * 0.05


def test_one_process_takes_the_visits_from_workers(experiment, monkeypatch):
    loads = compact.loads
    monkeypatch.setattr(compact, "loads", lambda data: (_compute(0.05), loads(data))[1])
    (alone,) = dry_run(experiment(rounds=1), 2, 1).trials
    (of_workers,) = dry_run(experiment(rounds=1, executor="processes"), 2, 1).trials
    assert of_workers.overhead_s >= 8 * 0.05 > alone.overhead_s
    assert of_workers.visits_s < 8 * 0.05


def _compute(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def test_few_of_many_visitors_are_chosen_in_a_time_in_proportion_to_them():
    environment = SimpleNamespace(users=[])
    choose = _FewVisitors(environment, 1000)
    visitors = list(range(100_000))
    first = choose(0, visitors)
    start = time.thread_time()
    assert choose(1, visitors) == first
    assert time.thread_time() - start < 0.5  # a set for each visitor takes more than a second
