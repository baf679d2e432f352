"""The changes of a training are measured on the same users, before and after."""

import json
from contextlib import closing

import pytest

from starec_sim import runner
from starec_sim.cli.train_result import print_changes
from starec_sim.events import RunEvents
from starec_sim.experiment import Experiment
from starec_sim.glossary import metric_info
from starec_sim.learning.rewards import Rewards
from starec_sim.learning.validation import changes, summary, user_metrics
from starec_sim.report import MetricSamples, difference_of
from starec_sim.runs.reader import Reader

BEFORE = {"ndcg@1": {"u3": 0.0, "u5": 0.0, "u8": 1.0, "u9": 0.5}}
AFTER = {"ndcg@1": {"u9": 1.0, "u8": 1.0, "u5": 0.5, "u3": 0.75}}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of two rounds in which every user ranks 20 items."""
    experiment = Experiment(
        name="ranks",
        rounds=2,
        runs_dir=tmp_path_factory.mktemp("runs"),
        data={"use": "synthetic", "users": 12, "items": 120, "interactions": 30},
        environment={"use": "ranking", "choices": 4},
        policies={"fast": "lexical", "slow": "lexical"},
    )
    return runner.run(experiment, RunEvents())


def test_a_reward_is_that_of_the_training_beside_the_metrics_of_the_environment(run):
    with closing(Reader(run.folder)) as reader:
        found = user_metrics(reader, 0, Rewards({"ndcg": 2.0, "format": 0.5}))
    assert len(found["reward"]) > 5
    for user, reward in found["reward"].items():
        # Of one true item among 20, the gain is the reward's component and the metric alike.
        assert reward == pytest.approx(2 * found["ndcg@20"][user] + 0.5)


def test_metrics_are_those_of_the_report(run):
    with closing(Reader(run.folder)) as reader:
        found = summary(user_metrics(reader, 0, Rewards({"tier": 1.0})))
    reported = run.report.as_json()["metrics"]["main"]
    for bound in ("mean", "low", "high"):
        assert found["ndcg@10"][bound] == pytest.approx(reported["ndcg@10"][bound])


def test_users_are_compared_with_themselves_in_any_order():
    found = changes(BEFORE, AFTER)["ndcg@1"]
    assert (found["before"]["mean"], found["after"]["mean"]) == (0.375, 0.8125)
    assert found["change"]["mean"] == pytest.approx(0.4375)
    assert 0 <= found["change"]["low"] <= 0.4375 <= found["change"]["high"] <= 0.75
    assert found["users"] == 4 and 0 < found["p"] <= 1
    assert json.loads(json.dumps(found)) == found


def test_the_change_of_a_metric_is_the_difference_of_the_report():
    found = changes(BEFORE, AFTER)["ndcg@1"]
    a, b = (MetricSamples(each["ndcg@1"], {}, (), (), by_user=True) for each in (AFTER, BEFORE))
    mean, low, high, _ = difference_of(a, b, metric_info("ndcg@1")).interval
    assert found["change"] == {"mean": mean, "low": low, "high": high}
    assert found["p"] == difference_of(a, b, metric_info("ndcg@1")).p


def test_a_user_missing_in_one_validation_is_left_out_of_both():
    found = changes({"ndcg@1": {**BEFORE["ndcg@1"], "u11": 1.0}}, AFTER)["ndcg@1"]
    assert found["users"] == 4
    assert found["before"]["mean"] == 0.375


def test_a_change_is_printed_in_a_word_and_flaws_only_where_there_are_any(capsys):
    def change(mean, half):
        at = {"mean": 0.5, "low": 0.4, "high": 0.6}
        between = {"mean": mean, "low": mean - half, "high": mean + half}
        return {"before": at, "after": at, "change": between, "p": 0.01, "users": 40}

    none = {"mean": 0.0, "low": 0.0, "high": 0.0}
    clean = {**change(0.0, 0.0), "before": none, "after": none}
    found = {"ndcg@1": change(0.2, 0.1), "reward": change(0.1, 0.3), "malformed": clean}
    print_changes(found, 12)
    said = " ".join(capsys.readouterr().out.split())
    assert "40 users never trained on, before and after 12 steps" in said
    assert "reward 0.500 ±0.100 0.500 ±0.100 +0.100 ±0.300 unsure" in said
    assert "NDCG@1 0.500 ±0.100 0.500 ±0.100 +0.200 ±0.100 better" in said
    assert said.index("reward") < said.index("NDCG@1")
    assert "malformed" not in said
    print_changes({"malformed": change(0.2, 0.1)}, 12)
    assert "+0.200 ±0.100 worse" in " ".join(capsys.readouterr().out.split())


def test_answers_that_cannot_be_read_after_a_training_are_a_warning(capsys):
    def changed_to(share):
        at = {"mean": share, "low": share, "high": share}
        none = {"mean": 0.0, "low": 0.0, "high": 0.0}
        return {"malformed": {"before": at, "after": at, "change": none, "p": 1.0, "users": 9}}

    print_changes(changed_to(1.0), 2)
    said = " ".join(capsys.readouterr().out.split())
    assert "Warning: 100% of the answers after the training could not be read" in said
    assert "train.sft" in said
    print_changes(changed_to(0.1), 2)
    assert "Warning" not in capsys.readouterr().out
