"""A step of learning, from what was played."""

from types import SimpleNamespace

import pytest

from starec_sim.learning.checkpoints import CheckpointStore, Played
from starec_sim.learning.config import Grpo, Training
from starec_sim.learning.learner import DivergenceError
from starec_sim.learning.rewards import Rewards
from starec_sim.learning.rows import Rollout, Row
from starec_sim.learning.school import School
from starec_sim.rng import Streams

from .conftest import make_tokenizer


def test_a_training_that_was_resumed_names_the_version_that_it_went_on_from(tmp_path):
    learner = SimpleNamespace(
        weights=SimpleNamespace(tokenizer=make_tokenizer()), end_step=lambda: None
    )
    shelf = CheckpointStore(tmp_path)
    school = School(
        Grpo(), Training(), None, Streams(1), learner, shelf, Rewards({"tier": 1.0}), done=3
    )
    row = Row((1, 2), (3,), (True,), (-0.5,))
    same = [Rollout(f"0/{n // 8}/0/fast", "fast", (row,), 1.0, "000003", 1.0) for n in range(64)]
    shelf.put_played(3, Played(same, {}))
    with pytest.raises(DivergenceError, match="gives the same answer to everything") as told:
        school.learn(3)
    assert str(shelf.version("000003")) in told.value.hint
