"""Groups of answers from the simulation, each answer with its reward."""

from collections import Counter
from itertools import pairwise

import pytest

from starec_agents.star import StarAgent
from starec_environments.datasets.synthetic import Synthetic
from starec_environments.feed import FeedEnvironment
from starec_environments.ranking import RankingEnvironment
from starec_sim.errors import ConfigError, ContractError
from starec_sim.learning.rewards import Rewards, kendall_tau
from starec_sim.learning.rollouts import Collector
from starec_sim.policies.gateway import Gateway, Policy
from starec_sim.rng import Streams
from tests.rounds import play_rounds, simulate
from tests.turn_store import Turns

from .random_policy import RandomPolicy

USERS = 4


@pytest.fixture(scope="module")
def dataset():
    return Synthetic(Synthetic.Config(users=12, items=150, interactions=30)).load()


def environment_of(dataset, kind=RankingEnvironment, **settings):
    config = {"choices": 4} if kind is RankingEnvironment else {"page_size": 4, "pages": 2}
    return kind(kind.Config(**config, **settings), dataset, Streams(5))


def collect_rounds(environment, player, policy_model=None, rounds=2):
    """Play rounds of a few users; return the visits, the rollouts and all turns."""
    turns = Turns()
    policy = Policy("talker", policy_model or RandomPolicy())
    gateway = Gateway({"fast": policy, "slow": policy}, Streams(5), turns)
    rollouts = []
    simulation = simulate(
        environment, player, gateway, choose_visitors=lambda round, visitors: visitors[:USERS]
    )

    def collect(played):
        if isinstance(player, Collector):
            rollouts.extend(player.take())

    visits = [visit for each in play_rounds(simulation, rounds, collect) for visit in each]
    return visits, rollouts, turns


def star(when="always"):
    return StarAgent(StarAgent.Config(gate={"when": when}))


def collector(rewards=("tier",), when="always", **settings):
    weights = dict.fromkeys(rewards, 1.0)
    return Collector(star(when), Rewards(weights), size=4, **settings)


def committed(visits):
    return [
        (v.user, v.round, [(s.decision, s.feedback, s.memory) for s in v.steps]) for v in visits
    ]


@pytest.mark.slow
@pytest.mark.parametrize("groups", ["branch", "episode"])
@pytest.mark.parametrize("kind", [RankingEnvironment, FeedEnvironment])
def test_collecting_changes_no_committed_visit(dataset, groups, kind):
    rewards = ("tier",) if kind is RankingEnvironment else ("satisfaction", "engagement")
    plain, _, _ = collect_rounds(environment_of(dataset, kind), star())
    watched, rollouts, _ = collect_rounds(
        environment_of(dataset, kind), collector(rewards, groups=groups)
    )
    assert committed(watched) == committed(plain)
    assert rollouts


def test_a_branch_is_one_question_with_as_many_answers_as_the_group_has(dataset):
    _, rollouts, _ = collect_rounds(environment_of(dataset), collector())
    fast = [rollout for rollout in rollouts if rollout.node == "fast"]
    sizes = Counter(rollout.group for rollout in fast)
    assert set(sizes.values()) == {4} and len(sizes) == 2 * USERS
    for group in sizes:
        members = [rollout for rollout in fast if rollout.group == group]
        assert len({rollout.rows[0].prompt for rollout in members}) == 1
        assert len({rollout.rows[0].completion for rollout in members}) > 1


def test_each_answer_of_a_branch_earns_what_the_environment_responds_to_it(dataset):
    environment, player = environment_of(dataset), collector(("tier", "ndcg"))
    visits, rollouts, _ = collect_rounds(environment, player, rounds=1)
    for visit in visits:
        (step,) = visit.steps
        first = next(r for r in rollouts if r.group == f"0/{visit.user}/0/fast")
        assert first.components == dict(step.feedback.reward)
        assert first.reward == pytest.approx(sum(step.feedback.reward.values()))


def test_a_summary_is_rewarded_by_a_ranking_of_items_its_author_has_not_seen(dataset):
    visits, rollouts, turns = collect_rounds(environment_of(dataset), collector())
    slow = [rollout for rollout in rollouts if rollout.node == "slow"]
    # Those of the last round have no next ranking, so they earn nothing and are not collected.
    assert Counter(rollout.group for rollout in slow) == {f"0/{u}/0/slow": 4 for u in range(USERS)}
    for key, turn in turns.items():
        if key.attempt >= 1000:
            asked = turn.messages[1][1]
            (visit,) = (v for v in visits if (v.user, v.round) == (key.user, 0))
            candidates = asked.partition("<candidates>")[2]
            cards = environment_of(dataset).cards
            assert not any(
                cards[e.item] in candidates for s in visit.steps for e in s.feedback.experiences
            )
    summaries = {turn.messages[1][1] for a, turn in turns.items() if a.attempt >= 1000}
    assert len(summaries) == 4 * USERS


def test_within_a_visit_the_next_page_rewards_a_summary(dataset):
    _, rollouts, _ = collect_rounds(
        environment_of(dataset, FeedEnvironment), collector(("satisfaction",)), rounds=1
    )
    assert any(rollout.node == "slow" for rollout in rollouts)


@pytest.mark.slow
def test_an_episode_is_a_whole_visit_in_as_few_rows_as_its_tokens_allow(dataset):
    _, rollouts, _ = collect_rounds(
        environment_of(dataset, FeedEnvironment),
        collector(["engagement"], groups="episode"),
        RandomPolicy(broken=0.2),
    )
    fast = [rollout for rollout in rollouts if rollout.node == "fast"]
    assert set(Counter(rollout.group for rollout in fast).values()) == {4}
    for rollout in fast:
        for before, after in pairwise(rollout.rows):
            held = before.prompt + before.completion
            assert after.prompt[: len(held)] != held
    # A repair goes on with what its question and the first answer were, so both are one row.
    assert any(not all(row.sampled) for rollout in fast for row in rollout.rows)


@pytest.mark.slow
def test_an_episode_learns_only_from_the_nodes_that_are_to_learn(dataset):
    for nodes, prompts in ((("fast",), {False}), (("fast", "slow"), {False, True})):
        player = collector(["engagement"], groups="episode", nodes=nodes)
        _, rollouts, _ = collect_rounds(environment_of(dataset, FeedEnvironment), player)
        read = (
            "".join(map(chr, row.prompt)) for r in rollouts if r.node == "fast" for row in r.rows
        )
        assert {"Rewrite the summary" in text for text in read} == prompts


def test_what_cannot_be_read_is_the_worst_answer_and_is_counted(dataset):
    player = collector(("tier", "format"), when="never")
    _, rollouts, _ = collect_rounds(environment_of(dataset), player, RandomPolicy(broken=1.0))
    assert {rollout.reward for rollout in rollouts} == {-1.0}
    assert all(rollout.counters["malformed"] for rollout in rollouts)
    assert all(rollout.counters["empty"] for rollout in rollouts)


def test_a_custom_reward_comes_by_reference(dataset, tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("def short(outcome):\n    return -len(outcome.text) / 100\n")
    _, rollouts, _ = collect_rounds(
        environment_of(dataset), collector([f"{path}:short"], when="never")
    )
    assert all(rollout.reward < 0 for rollout in rollouts)


def test_a_reward_that_is_no_number_is_named_with_the_user(dataset, tmp_path):
    path = tmp_path / "broken.py"
    path.write_text("def nan(outcome):\n    return float('nan')\n")
    with pytest.raises(ContractError, match=r"broken.py:nan, user .* in round 1: the reward is n"):
        collect_rounds(environment_of(dataset), collector([f"{path}:nan"]))


def test_a_reward_that_fails_is_named_with_the_user(dataset, tmp_path):
    path = tmp_path / "failing.py"
    path.write_text("def share(outcome):\n    return 1 / 0\n")
    with pytest.raises(ContractError, match=r"share, user .*: raised ZeroDivisionError"):
        collect_rounds(environment_of(dataset), collector([f"{path}:share"]))


def test_a_summary_stays_pending_until_its_user_visits_again(dataset):
    player = collector()
    collect_rounds(environment_of(dataset), player, rounds=1)
    assert len(player.pending) == USERS
    player.take()
    assert len(player.pending) == USERS, "no user visited in this round"


def test_an_unknown_reward_is_refused_with_the_closest_known_name(dataset):
    with pytest.raises(
        ConfigError, match='the environment reports no reward "tear"; did you mean "tier"'
    ):
        collect_rounds(environment_of(dataset), collector(["tear"]))


def test_a_policy_that_reports_no_tokens_cannot_be_trained(dataset):
    with pytest.raises(ContractError, match="reports no tokens"):
        collect_rounds(environment_of(dataset), collector(), RandomPolicy(silent=True))


def test_kendall_tau_is_one_for_the_input_order_and_minus_one_for_its_reverse():
    assert kendall_tau([0, 1, 2, 3]) == 1 and kendall_tau([3, 2, 1, 0]) == -1
    assert kendall_tau([1, 0, 2]) == pytest.approx(1 / 3)
