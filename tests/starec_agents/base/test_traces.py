"""A callback handler, as those of tracers, can tell all visits of a run apart."""

from contextlib import contextmanager
from contextvars import ContextVar

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.tracers.context import register_configure_hook

from starec_sim import Experiment, run
from starec_sim.runs.reader import reading

LISTENING: ContextVar[BaseCallbackHandler | None] = ContextVar("listening", default=None)
register_configure_hook(LISTENING, inheritable=True)


class Listener(BaseCallbackHandler):
    """Keeps what starts: the outermost runs, and the names of the nodes within each."""

    def __init__(self):
        self.visits, self.nodes = {}, {}

    def on_chain_start(
        self, serialized, inputs, *, run_id, parent_run_id=None, tags=None, metadata=None, **others
    ):
        if parent_run_id is None:
            self.visits[run_id] = {"name": others["name"], "tags": tags, **metadata}
        elif parent_run_id in self.visits:
            self.nodes.setdefault(parent_run_id, []).append((others["name"], metadata))


@contextmanager
def listening():
    listener = Listener()
    token = LISTENING.set(listener)
    try:
        yield listener
    finally:
        LISTENING.reset(token)


def small(folder, **changes):
    return Experiment.model_validate(
        {
            "name": "traced",
            "rounds": 2,
            "seed": 7,
            "data": {"use": "synthetic", "users": 3, "items": 100},
            "environment": {"use": "feed", "recommender": "popularity", "activity": 1.0},
            "policies": {"fast": "lexical", "slow": "lexical"},
            "arms": {"a": {}, "b": {}},
            "runs_dir": folder,
            **changes,
        }
    )


def test_every_visit_carries_run_arm_seed_round_user_and_policies(tmp_path):
    with listening() as heard:
        result = run(small(tmp_path))
    visits = list(heard.visits.values())
    assert len(visits) == 2 * 2 * 3
    keys = [(v["run"], v["arm"], v["seed"], v["round"], v["user"]) for v in visits]
    assert len(set(keys)) == len(visits)
    assert {key[:3] for key in keys} == {(result.folder.name, arm, 7) for arm in "ab"}
    assert {key[3] for key in keys} == {1, 2}
    assert {(v["policy_fast"], v["policy_slow"]) for v in visits} == {("lexical", "lexical")}
    one = visits[0]
    assert one["name"] == f"star user {one['user']} round {one['round']}"
    assert set(one["tags"]) == {"starec", f"run:{one['run']}", f"arm:{one['arm']}", "seed:7"}


def test_the_nodes_of_a_visit_carry_its_metadata(tmp_path):
    with listening() as heard:
        run(small(tmp_path, rounds=1, arms={}))
    assert heard.nodes.keys() == heard.visits.keys()
    for visit, nodes in heard.nodes.items():
        assert {"perceive", "fast", "respond", "gate", "remember"} <= {name for name, _ in nodes}
        assert {metadata["user"] for _, metadata in nodes} == {heard.visits[visit]["user"]}


def test_weights_are_named_once_they_are_loaded(tmp_path):
    world = {"use": "ranking", "users": 2, "choices": 2, "candidates": 5}
    nano = {"use": "nano", "max_tokens": 4}
    policies = {"fast": nano, "slow": "lexical"}
    with listening() as heard:
        result = run(small(tmp_path, arms={}, environment=world, policies=policies))
    with reading(result.folder) as reader:
        steps = list(reader.steps(reader.trial(None, None), 0))
    tokens = steps[0].turns[0].tokens
    assert tokens and tokens.version
    assert [v["version_fast"] for v in heard.visits.values() if v["round"] == 2] == [
        tokens.version
    ] * 2
    assert all("version_slow" not in visit for visit in heard.visits.values())


def test_a_run_is_the_same_with_and_without_a_handler(tmp_path):
    with listening():
        heard = run(small(tmp_path / "heard"))
    assert run(small(tmp_path / "alone")).digest == heard.digest
