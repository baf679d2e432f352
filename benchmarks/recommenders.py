"""Measure the time of a fit and of a round of recommendations, for every recommender.

    OMP_NUM_THREADS=1 python benchmarks/recommenders.py [--json]

The log is generated in the shape of MovieLens 100K: 943 users, 1,682 items, 100,000 distinct pairs
with long tails of users and items, and the same distribution of stars.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np
from scipy.sparse import csr_matrix

from starec_sim.dataset import Interactions
from starec_sim.plugins import load, registered

USERS, ITEMS, EVENTS, K = 943, 1682, 100_000, 50
STARS = (0.06, 0.11, 0.27, 0.34, 0.22)


def synthetic_log(seed: int) -> Interactions:
    rng = np.random.default_rng(seed)
    appeal = 1 / np.arange(
        10, ITEMS + 10
    )  # Zipf without its first items, so that no item is seen by everybody
    activity = rng.lognormal(sigma=1.0, size=USERS)
    odds = np.log(activity)[:, None] + np.log(appeal) + rng.gumbel(size=(USERS, ITEMS))
    pairs = np.argpartition(-odds, EVENTS, axis=None)[:EVENTS]
    ratings = rng.choice(np.arange(1.0, 6.0), size=EVENTS, p=STARS)
    return Interactions(pairs // ITEMS, pairs % ITEMS, ratings, np.arange(EVENTS))


def measure(name: str, log: Interactions, repeats: int) -> dict[str, float | str]:
    found = load("recommenders", name)
    recommender = found(found.Config(), n_users=USERS, n_items=ITEMS, seed=0)
    seen = csr_matrix((np.ones(EVENTS), (log.users, log.items)), shape=(USERS, ITEMS))
    fit_s, recommend_s = [], []
    for _ in range(repeats):
        start = time.perf_counter()
        recommender.fit(log)
        fitted = time.perf_counter()
        recommender.recommend(np.arange(USERS), K, seen, np.random.default_rng(0))
        fit_s.append(fitted - start)
        recommend_s.append(time.perf_counter() - fitted)
    state_bytes = sum(array.nbytes for array in recommender.state().values())
    return {
        "recommender": name,
        "fit_s": min(fit_s),
        "recommend_s": min(recommend_s),
        "state_mb": state_bytes / 1e6,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON array")
    parser.add_argument("--repeats", type=int, default=3, help="runs of which the best counts")
    options = parser.parse_args()
    log = synthetic_log(seed=0)
    rows = [measure(name, log, options.repeats) for name in sorted(registered("recommenders"))]
    if options.json:
        print(json.dumps(rows, indent=2))
        return
    print(f"{'recommender':<12} {'fit s':>8} {'recommend s':>12} {'state MB':>9}")
    for row in rows:
        print(
            f"{row['recommender']:<12} {row['fit_s']:>8.3f} "
            f"{row['recommend_s']:>12.3f} {row['state_mb']:>9.2f}"
        )


if __name__ == "__main__":
    main()
