"""Measure what a run of many users takes; one subcommand for each figure.

    python benchmarks/scale.py executors [--json]    # lexical users: one by one, and in cohorts
    python benchmarks/scale.py analytic [--json]     # analytic users in cohorts, in a feed
    python benchmarks/scale.py sizes [--json]        # lexical users in cohorts of several sizes

Figures are user-steps a CPU second from the first visit to the last commit, record and metrics
included: the fastest of some runs, which alternate, because other work on a machine only makes them
slower. Ratios are of runs of the same call. Digests must be equal, or the script fails.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping
from typing import Any, NamedTuple

from user_steps import WORLDS, Meter

from starec_sim import runner
from starec_sim.experiment import Experiment

REPEATS = 3
ANALYTIC = "starec_agents.analytic:AnalyticAgent"
LARGE_FEED = {"use": "feed", "recommender": "popularity", "page_size": 10, "activity": 1.0}


class Measured(NamedTuple):
    """One run."""

    rate: float
    """User-steps a CPU second."""
    steps: int
    digest: str


def measure(executor: Any, users: int, **changes: Any) -> Measured:
    """Play two rounds and return the rate, the steps and the digest."""
    with tempfile.TemporaryDirectory() as folder:
        values: dict[str, Any] = {
            "name": "scale",
            "rounds": 2,
            "runs_dir": folder,
            "data": {"use": "synthetic", "users": users, "items": 1000},
            "policies": {"fast": "lexical", "slow": "lexical"},
            "executor": executor,
            **changes,
        }
        meter = Meter()
        digest = runner.run(Experiment.model_validate(values), meter).digest
        return Measured(meter.steps / meter.seconds, meter.steps, digest)


def alternate(runs: Mapping[str, Mapping[str, Any]], repeats: int = REPEATS) -> dict[str, float]:
    """Measure each run several times in turn; return the greatest rate of each.

    Raises:
        SystemExit: Two runs with one digest in common were expected, and differ.
    """
    found: dict[str, list[Measured]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, arguments in runs.items():
            found[name].append(measure(**arguments))
    if len({each.digest for measured in found.values() for each in measured}) > 1:
        raise SystemExit("the digests differ")
    return {name: max(each.rate for each in measured) for name, measured in found.items()}


def executors() -> dict[str, float]:
    """Compare visits one by one with cohorts, in a feed and in a ranking."""
    figures = {}
    for world in WORLDS:
        common = {"users": 300, "environment": WORLDS[world]}
        rates = alternate(
            {
                "per_user": {"executor": "per_user", **common},
                "cohort": {"executor": "cohort", **common},
            }
        )
        figures |= {f"{world}, {name}": rate for name, rate in rates.items()}
        figures[f"{world}, cohort / per_user"] = rates["cohort"] / rates["per_user"]
    return figures


def analytic() -> dict[str, float]:
    """Measure analytic users, whose worth is known or learned, beside lexical users one by one."""
    figures = {}
    for worth in ("known", "learned"):
        agent = {"use": ANALYTIC, "worth": worth}
        common = {"users": 1000, "environment": LARGE_FEED, "agent": agent, "record": "decisions"}
        (rate,) = alternate({"": {"executor": {"use": "cohort", "size": 1024}, **common}}).values()
        figures[f"analytic, {worth} worth"] = rate
    per_user = {
        "executor": "per_user",
        "users": 100,
        "environment": LARGE_FEED,
        "record": "decisions",
    }
    (figures["lexical, per_user"],) = alternate({"": per_user}).values()
    for worth in ("known", "learned"):
        ratio = figures[f"analytic, {worth} worth"] / figures["lexical, per_user"]
        figures[f"analytic, {worth} worth / lexical, per_user"] = ratio
    return figures


def sizes() -> dict[str, float]:
    """Compare cohorts of several sizes."""
    common = {"users": 300, "environment": WORLDS["feed"]}
    return alternate(
        {
            f"cohort of {size}": {"executor": {"use": "cohort", "size": size}, **common}
            for size in (1, 16, 64, 256)
        },
        repeats=1,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("figure", choices=["executors", "analytic", "sizes"])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    measured = {"executors": executors, "analytic": analytic, "sizes": sizes}[options.figure]()
    if options.json:
        print(json.dumps(measured))
        return
    for name, value in measured.items():
        print(f"{name:<46}{value:>10,.1f}")


if __name__ == "__main__":
    main()
