"""The agents among the contenders become the arms of one experiment."""

from starec_sim.evaluation import Evaluation, read_rows
from starec_sim.evaluation.agents import experiment_of_agents
from starec_sim.evaluation.contenders import plan_contenders

NAMES = ("random", "{policy}", "{policy}, no slow", "{policy}, swapped")
ROWS = [row for row in read_rows("all") if row.name in NAMES]


def test_each_agent_is_an_arm_with_its_policy_replay_and_memory() -> None:
    evaluation = Evaluation(data="synthetic", rows=ROWS, policies=["lexical"], seed=4)
    experiment = experiment_of_agents(evaluation, plan_contenders(ROWS, evaluation.policies))
    assert experiment is not None
    assert list(experiment.arms) == ["lexical", "lexical, no slow", "lexical, swapped"]
    assert experiment.rounds == evaluation.protocol.history + 1 and experiment.seed == 4
    arm = experiment.arms["lexical, swapped"]
    assert arm["policies"]["fast"] == arm["policies"]["slow"] == {"use": "lexical"}
    assert arm["environment.memory"] == "swapped" and arm["environment.replay"] is None
    assert experiment.arms["lexical, no slow"]["environment.replay"] == 0


def test_baselines_alone_need_no_experiment() -> None:
    baselines = [row for row in ROWS if row.agent is None]
    evaluation = Evaluation(data="synthetic", rows=baselines)
    assert experiment_of_agents(evaluation, plan_contenders(baselines, [])) is None
