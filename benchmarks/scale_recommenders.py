"""Measure refits of the recommenders on a large log, and what they take to recommend from it.

    OMP_NUM_THREADS=1 python benchmarks/scale_recommenders.py [--only popularity als] [--json]

The log has 10 million interactions of 100,000 users with 50,000 items, with long tails of both. It
is drawn once for each recommender, in a process of its own, so that the peak of the memory is that
of one recommender; `log MB` is the peak before the fit. `observe s` takes in 100,000 interactions,
those of one more round, without a fit. `1,000 users s` is the time of slates of 50 items for 1,000
users. Times are CPU time. Settings can be named:

    python benchmarks/scale_recommenders.py --only als --settings '{"learn_between_fits": true}'

Networks are fitted on one core, which takes long on such a log. Name a smaller one for
them, and one pass over it with `--settings '{"epochs": 1}'`:

    python benchmarks/scale_recommenders.py --only gru4rec sasrec --interactions 200000
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import time
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from starec_sim.dataset import Interactions
from starec_sim.errors import StarecError
from starec_sim.plugins import configure, registered

K, ASKED, NEW = 50, 1_000, 100_000
STARS = (0.06, 0.11, 0.27, 0.34, 0.22)
COLUMNS = {
    "fit_s": "fit s",
    "observe_s": "observe s",
    "recommend_s": "1,000 users s",
    "log_mb": "log MB",
    "peak_mb": "peak MB",
    "state_mb": "state MB",
}


def draw_log(users: int, items: int, interactions: int, seed: int = 0) -> Interactions:
    """Draw a log with long tails of users and items; each pair is there once."""
    rng = np.random.default_rng(seed)
    activity = rng.lognormal(sigma=1.0, size=users)
    appeal = 1 / np.arange(10, items + 10)
    pairs = np.zeros(0, np.int64)
    while len(pairs) < interactions:
        wanted = int((interactions - len(pairs)) * 1.3) + 1_000
        who = rng.choice(users, wanted, p=activity / activity.sum())
        what = rng.choice(items, wanted, p=appeal / appeal.sum())
        pairs = np.unique(np.concatenate([pairs, who * items + what]))
    pairs = rng.permutation(pairs)[:interactions]
    stars = rng.choice(np.arange(1.0, 6.0), interactions, p=STARS)
    return Interactions(pairs // items, pairs % items, stars, np.arange(interactions))


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def measure(
    name: str, settings: dict[str, Any], users: int, items: int, interactions: int
) -> dict[str, float | str]:
    """Fit one recommender, and return what it takes."""
    log = draw_log(users, items, interactions)
    found, config = configure("recommenders", {"use": name, **settings}, "--settings")
    recommender = found(config, n_users=users, n_items=items, seed=0)
    before = peak_mb()
    start = time.process_time()
    try:
        recommender.fit(log)
    except StarecError as error:
        return {"recommender": name, "refused": error.message}
    fitted = time.process_time()
    recommender.observe(draw_log(users, items, NEW, seed=1))
    observed = time.process_time()
    ones = np.ones(len(log.users), np.float32)
    seen = csr_matrix((ones, (log.users, log.items)), shape=(users, items))
    ready = time.process_time()
    recommender.recommend(np.arange(min(ASKED, users)), K, seen, np.random.default_rng(0))
    recommended = time.process_time()
    return {
        "recommender": name,
        "fit_s": fitted - start,
        "observe_s": observed - fitted,
        "recommend_s": recommended - ready,
        "log_mb": before,
        "peak_mb": peak_mb(),
        "state_mb": sum(array.nbytes for array in recommender.state().values()) / 1e6,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", default=sorted(registered("recommenders")))
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--items", type=int, default=50_000)
    parser.add_argument("--interactions", type=int, default=10_000_000)
    parser.add_argument("--settings", default="{}", help="of the recommenders, as JSON")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    options = parser.parse_args()
    sizes = (options.users, options.items, options.interactions)
    if options.alone:
        json.dump(measure(options.alone, json.loads(options.settings), *sizes), sys.stdout)
        return
    if not options.json:
        print(f"{platform.machine()}, {sizes[0]:,} users, {sizes[1]:,} items, {sizes[2]:,} rows")
        print(f"{'':<12}" + "".join(f"{title:>15}" for title in COLUMNS.values()), flush=True)
    rows = []
    for name in options.only:
        command = [sys.executable, __file__, "--alone", name, "--users", str(sizes[0])]
        command += ["--items", str(sizes[1]), "--interactions", str(sizes[2])]
        command += ["--settings", options.settings]
        done = subprocess.run(command, stdout=subprocess.PIPE)
        if done.returncode:
            rows.append({"recommender": name, "refused": f"ended with status {done.returncode}"})
        else:
            rows.append(json.loads(done.stdout))
        if not options.json:
            row = rows[-1]
            text = row.get("refused") or "".join(f"{row[key]:>15,.1f}" for key in COLUMNS)
            print(f"{name:<12}{text}", flush=True)
    if options.json:
        json.dump(rows, sys.stdout)


if __name__ == "__main__":
    main()
