"""A feed whose recommender learns, small enough for a run in every test."""

from starec_sim import Experiment
from starec_sim.runs.comparable_steps import round_digests
from starec_sim.runs.reader import reading

ROUNDS = 5


def small_feed(folder, name, users, **changes):
    """Return the experiment.

    Args:
        folder: Where its runs are kept.
        name: Its name.
        users: How many there are.
        **changes: Keys that replace those of the experiment.
    """
    values = {
        "name": name,
        "rounds": ROUNDS,
        "seed": 3,
        "data": {"use": "synthetic", "users": users, "items": 120},
        "environment": {
            **{"use": "feed", "recommender": {"use": "als", "factors": 4}, "activity": 0.8},
            **{"page_size": 4, "pages": 2},
        },
        "policies": {"fast": "lexical", "slow": "lexical"},
        "executor": "cohort",
        "runs_dir": folder,
    }
    return Experiment.model_validate({**values, **changes})


def digests(folder, arm="main"):
    """Return the digest of each round of a run of it."""
    with reading(folder) as reader:
        return round_digests(reader, reader.trial(arm, 3))
