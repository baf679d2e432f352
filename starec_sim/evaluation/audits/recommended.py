"""What frozen recommenders of known quality show to the users of a panel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_matrix

from starec_sim import metrics
from starec_sim.build import build_recommender
from starec_sim.holdout import HoldOut
from starec_sim.rng import Streams
from starec_sim.types import FloatArray, IntArray

PAGE = 8
"""Items on the page that a recommender fills."""


class Recommended(NamedTuple):
    """A recommender's pages, and how well it orders held-out choices."""

    pages: IntArray
    """Shape (users, PAGE), best first; -1 if too few items are left."""
    ndcg: FloatArray
    """NDCG@10 of each user's answer among her candidates, shape (users,)."""


def recommend(spec: Mapping[str, Any], holdout: HoldOut) -> Recommended:
    """Fit a recommender on the training interactions, and let it fill a page for each user.

    It shows no item that the user met before her answer. The answer itself may be shown.

    Raises:
        StarecError: There is no such recommender.
    """
    users, items = len(holdout.dataset.users), len(holdout.dataset.items)
    model = build_recommender(spec, users, items, holdout.seed % 2**31)
    model.fit(holdout.training("full"))
    if holdout.protocol.users.mode == "new":
        model.observe(holdout.past("full"))
    lists = holdout.candidate_lists[:, 0]
    scores = model.score(holdout.rows, lists)
    answers = scores[lists == holdout.answers[:, None]][:, None]
    better, equal = (scores > answers).sum(axis=1), (scores == answers).sum(axis=1)
    # A place among equal scores is the middle one: no recommender gains by not deciding.
    ranks = better + (equal + 1) / 2
    met = [log.items[: log.choices[-1]] for log in holdout.user_logs]
    rows = np.repeat(holdout.rows, [len(each) for each in met])
    seen = csr_matrix((np.ones(len(rows)), (rows, np.concatenate(met))), shape=(users, items))
    rng = Streams(holdout.seed).stream("audit recommended")
    shown = model.recommend(holdout.rows, min(PAGE, items), seen, rng).items
    return Recommended(shown, metrics.ndcg(ranks, 10))
