"""Measure recommenders with other settings, on a validation split inside the training data.

    OMP_NUM_THREADS=1 python benchmarks/tune_recommenders.py PATH [NAME ...] [--json]

PATH is a dataset's folder. The last like of each user is removed first, because evaluation tables
test on it. The last like but one is ranked here, against 19 items that the user never touched. The
recommender learns from everything before it. The settings in `starec_sim/evaluation/rows.yaml` (and
the defaults, where it has none) were the best on MovieLens 100K in this measurement, or within a
point or two of the best and cheaper.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from starec_sim import plugins
from starec_sim.dataset import Dataset, Interactions
from starec_sim.rng import Streams
from starec_sim.types import LIKED_ABOVE

NEGATIVES, DRAWS, MIN_LIKES = 19, 3, 10
GRIDS: dict[str, dict[str, list[Any]]] = {
    "popularity": {},
    "item-knn": {"neighbours": [20, 50, 100, 200], "shrinkage": [0.0, 10.0, 50.0]},
    "ease": {"regularization": [50.0, 100.0, 200.0, 400.0]},
    "als": {"factors": [16, 32, 64], "regularization": [0.1, 1.0, 10.0], "alpha": [1.0, 4.0]},
    "bpr": {"factors": [32, 64], "iterations": [10, 20, 40, 80, 150]},
    "gru4rec": {"dimensions": [64, 128], "learning_rate": [0.004, 0.006], "epochs": [10, 15]},
    "sasrec": {"learning_rate": [0.003, 0.005], "epochs": [10, 20], "dropout": [0.2, 0.4]},
}


def split(dataset: Dataset) -> tuple[Interactions, Interactions]:
    """Return the interactions before each user's last like but one, and that like."""
    log = dataset.log.where(np.argsort(dataset.log.users, kind="stable"))
    liked = np.flatnonzero(~(log.ratings <= LIKED_ABOVE))
    known, asked = np.ones(len(log.users), bool), []
    for mine in np.split(liked, np.flatnonzero(np.diff(log.users[liked])) + 1):
        if len(mine) >= MIN_LIKES:
            asked.append(mine[-2])
            end = np.searchsorted(log.users, log.users[mine[0]], side="right")
            known[mine[-2] : end] = False
    return log.where(known), log.where(np.array(asked))


def candidates(dataset: Dataset, asked: Interactions) -> np.ndarray[Any, Any]:
    """Return lists of shape (draws, users, 20), the right answer first."""
    n_items, streams = len(dataset.items), Streams(0)
    touched: list[set[int]] = [set() for _ in dataset.users]
    for user, item in zip(dataset.log.users.tolist(), dataset.log.items.tolist(), strict=True):
        touched[user].add(item)
    lists = np.empty((DRAWS, len(asked.users), 1 + NEGATIVES), np.int64)
    for draw in range(DRAWS):
        for row, user in enumerate(asked.users.tolist()):
            rng = streams.stream("negatives", user=user, call=draw)
            order = (item for item in rng.permutation(n_items).tolist())
            unknown = itertools.islice((i for i in order if i not in touched[user]), NEGATIVES)
            lists[draw, row] = [asked.items[row], *unknown]
    return lists


def settings(grid: dict[str, list[Any]]) -> Iterator[dict[str, Any]]:
    for values in itertools.product(*grid.values()):
        yield dict(zip(grid, values, strict=True))


def measure(
    name: str, chosen: dict[str, Any], dataset: Dataset, known: Interactions, lists: Any, users: Any
) -> dict[str, Any]:
    found, config = plugins.configure("recommenders", {"use": name, **chosen}, name)
    start = time.process_time()
    model = found(config, n_users=len(dataset.users), n_items=len(dataset.items), seed=0)
    model.fit(known)
    fit_cpu_s = time.process_time() - start
    scores = np.stack([model.score(users, of_draw) for of_draw in lists])
    right, wrong = scores[..., :1], scores[..., 1:]
    # Among items with equal scores the right answer counts as the middle one.
    rank = 1 + (wrong > right).sum(-1) + (wrong == right).sum(-1) / 2
    row: dict[str, Any] = {"recommender": name, **chosen}
    for k in (1, 10):
        row[f"ndcg@{k}"] = float(100 * np.where(rank <= k, 1 / np.log2(rank + 1), 0).mean())
    return {**row, "fit_cpu_s": fit_cpu_s}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", type=Path, help="a dataset's folder")
    parser.add_argument("names", nargs="*", help="recommenders; all when none is named")
    parser.add_argument("--shipped", action="store_true", help="only the settings that ship")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    options = parser.parse_args()
    use, found = plugins.load("data", "detect")(options.path)
    reader, config = plugins.configure("datasets", {"use": use, **found}, "data")
    dataset = reader(config).load()
    known, asked = split(dataset)
    lists = candidates(dataset, asked)
    if not options.json:
        print(f"{len(asked.users)} users, {len(known.users)} interactions to learn from")
    for name in options.names or GRIDS:
        for chosen in settings({} if options.shipped else GRIDS[name]):
            row = measure(name, chosen, dataset, known, lists, asked.users)
            if options.json:
                print(json.dumps(row), flush=True)
                continue
            told = ", ".join(f"{key} {value}" for key, value in chosen.items()) or "as it ships"
            print(
                f"{name:<11} {row['ndcg@1']:5.1f} {row['ndcg@10']:5.1f} "
                f"{row['fit_cpu_s']:6.1f} s   {told}",
                flush=True,
            )


if __name__ == "__main__":
    main()
