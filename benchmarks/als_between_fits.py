"""Measure what `als` loses if it learns between fits in place of a fit after each round.

    OMP_NUM_THREADS=1 python benchmarks/als_between_fits.py PATH [--seeds 3] [--json]

PATH is a dataset's folder. The first half of each user's log is known. The rest is replayed in ten
rounds: before each, the recommender ranks all items that the user has not met, and the first that
she likes in this round is the right one (NDCG@10). `fit each round` is the reference, and the other
rows have the difference from it, paired by user, with its 95 % interval. `CPU s` are those of all
that is learned after the first fit.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix

from starec_environments.recommenders.factors import ALS
from starec_sim import plugins
from starec_sim.dataset import Interactions
from starec_sim.metrics.ranking import ndcg
from starec_sim.metrics.statistics import paired_interval
from starec_sim.types import LIKED_ABOVE, FloatArray

ROUNDS, K = 10, 10
WAYS = {
    "fit each round": (False, 1),
    "learn between fits, no further fit": (True, 0),
    "learn between fits, a fit every fifth round": (True, 5),
    "a fit every fifth round": (False, 5),
    "no further fit": (False, 0),
}
"""Whether it learns between fits, and the rounds between two fits (0: only the first)."""


def rounds_of(log: Interactions) -> tuple[Interactions, list[Interactions]]:
    """Return the first half of each user's log, and the rest in rounds."""
    log = log.where(np.lexsort((log.times, log.users)))
    lengths = np.bincount(log.users)
    nth = np.arange(len(log.users)) - (np.cumsum(lengths) - lengths)[log.users]
    round = np.floor(2 * ROUNDS * nth / lengths[log.users]).astype(int) - ROUNDS
    return log.where(round < 0), [log.where(round == number) for number in range(ROUNDS)]


def ranks(model: ALS, known: Interactions, asked: Interactions) -> FloatArray:
    """Return the rank of the first item that each user likes in a round."""
    liked = asked.where(~(asked.ratings <= LIKED_ABOVE))
    users, first = np.unique(liked.users, return_index=True)
    shape = (model.n_users, model.n_items)
    seen = csr_matrix((np.ones(len(known.users)), (known.users, known.items)), shape=shape)
    slates = model.recommend(users, K, seen, np.random.default_rng(0))
    hit = slates.items == liked.items[first][:, None]
    found = np.full(model.n_users, np.inf)
    found[users] = np.where(hit.any(axis=1), hit.argmax(axis=1) + 1, np.nan)
    return found


def play(
    way: str, log: Interactions, shape: tuple[int, int], seed: int
) -> tuple[FloatArray, float]:
    """Return NDCG@10 of each user, NaN without a like, and the CPU time of what was learned."""
    learns, every = WAYS[way]
    known, rounds = rounds_of(log)
    config = ALS.Config(learn_between_fits=learns)
    model = ALS(config, n_users=shape[0], n_items=shape[1], seed=seed)
    model.fit(known)
    sums, counts, cpu_s = np.zeros(shape[0]), np.zeros(shape[0]), 0.0
    for number, new in enumerate(rounds, start=1):
        found = ranks(model, known, new)
        asked = ~np.isinf(found)
        sums[asked] += ndcg(found[asked], K)
        counts += asked
        known = Interactions.concatenate(known, new)
        start = time.process_time()
        if every and number % every == 0:
            model.fit(known)
        else:
            model.observe(new)
        cpu_s += time.process_time() - start
    with np.errstate(invalid="ignore"):
        return sums / counts, cpu_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    use, found = plugins.load("data", "detect")(options.path)
    reader, config = plugins.configure("datasets", {"use": use, **found}, "data")
    dataset = reader(config).load()
    shape = len(dataset.users), len(dataset.items)
    rows, reference = [], None
    for way in WAYS:
        played = [play(way, dataset.log, shape, seed) for seed in range(options.seeds)]
        users = np.mean([values for values, _ in played], axis=0)
        users = users[~np.isnan(users)]
        reference = users if reference is None else reference
        ndcg_at_k, less = float(users.mean()), paired_interval(users, reference, seed=0)
        cpu_s = float(np.mean([cpu_s for _, cpu_s in played]))
        rows.append({"way": way, "ndcg": ndcg_at_k, "difference": less, "cpu_s": cpu_s})
        if not options.json:
            told = f"{less.mean:+.4f} [{less.low:+.4f}, {less.high:+.4f}]"
            print(f"{way:<45} {ndcg_at_k:.4f} {told}  {cpu_s:5.2f} s", flush=True)
    if options.json:
        print(json.dumps(rows))


if __name__ == "__main__":
    main()
