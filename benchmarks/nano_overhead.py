"""Measure what a run of `nano` costs beside its model: CPU time of the rounds, and of the model.

    OMP_NUM_THREADS=1 python benchmarks/nano_overhead.py [--users 64] [--rounds 1] [--repeats 2]

The model is the decoder's forward passes and the sampling of tokens, on one thread. The rest is
grammars of answers, tokenizing, batching, the graph, checks, metrics and the record. Both executors
alternate; each figure is of the run that took the least CPU time. Digests must be equal.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from user_steps import Meter

from starec_sim import runner
from starec_sim.experiment import Experiment
from starec_sim.policies.engine.allowed_tokens import AllowedTokens
from starec_sim.policies.engine.decoder import Decoder
from starec_sim.policies.engine.sampling import TokenSampler
from starec_sim.policies.engine.torch_engine import TorchEngine

PARTS = {
    "model": [(Decoder, "read"), (Decoder, "step"), (TokenSampler, "draw")],
    "grammars": [(AllowedTokens, "of")],
    "engine": [(TorchEngine, "generate")],
}
EXECUTORS = ("per_user", "cohort")
spent: Counter[str] = Counter()


def timed(method: Callable[..., Any], part: str) -> Callable[..., Any]:
    """Return a method that adds the CPU time of its thread to a part."""

    def call(*given: Any, **named: Any) -> Any:
        start = time.thread_time()
        try:
            return method(*given, **named)
        finally:
            spent[part] += time.thread_time() - start

    return call


def measure(executor: str, users: int, rounds: int) -> tuple[dict[str, float], str]:
    """Play a run; return CPU seconds by part and the digest."""
    spent.clear()
    with tempfile.TemporaryDirectory() as folder:
        values = {
            "name": "overhead",
            "rounds": rounds,
            "runs_dir": folder,
            "data": {"use": "synthetic", "users": users, "items": 200},
            "environment": {"use": "feed", "page_size": 10, "activity": 1.0},
            "policies": {"fast": "nano", "slow": "nano"},
            "executor": executor,
            "concurrency": users,
        }
        meter = Meter()
        digest = runner.run(Experiment.model_validate(values), meter).digest
    return {"whole": meter.seconds, "steps": meter.steps, **spent}, digest


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("--users", type=int, default=64)
    arguments.add_argument("--rounds", type=int, default=1)
    arguments.add_argument("--repeats", type=int, default=2)
    given = arguments.parse_args()
    torch.set_num_threads(1)
    for part, methods in PARTS.items():
        for owner, name in methods:
            setattr(owner, name, timed(getattr(owner, name), part))
    measure("per_user", 8, 1)  # reads the model
    found: dict[str, list[dict[str, float]]] = {name: [] for name in EXECUTORS}
    digests = set()
    for _ in range(given.repeats):
        for name in EXECUTORS:
            seconds, digest = measure(name, given.users, given.rounds)
            found[name].append(seconds)
            digests.add(digest)
    if len(digests) > 1:
        raise SystemExit(f"runs that should be equal have the digests {', '.join(digests)}")
    for name, runs in found.items():
        best = min(runs, key=lambda run: run["whole"])
        whole, model = best["whole"], best["model"]
        engine = best["engine"] - model - best["grammars"]
        print(
            f"{name}: {best['steps']:.0f} steps, {whole:.2f} s of CPU; model {model:.2f} s; "
            f"{whole / model - 1:.1%} above it: grammars {best['grammars'] / model:.1%}, "
            f"rest of the engine {engine / model:.1%}, "
            f"everything else {(whole - best['engine']) / model:.1%}"
        )


if __name__ == "__main__":
    main()
