"""Measure the share of malformed answers of `nano`, or of a model's, held to their form.

    python benchmarks/malformed_answers.py [--model FOLDER] [--answers 2000] [--temperature 1]
                             [--form tags] [--max-tokens 400] [--threads 1]

Each user of six worlds is asked for her first decision. Of each world it prints how many answers
could not be read without a flaw, and the 95 % interval of their share (Clopper and Pearson: exact).
"""

from __future__ import annotations

import argparse
import asyncio
import time

import torch
from constrained_decoding import answers, questions
from scipy.stats import beta

from starec_agents.star.prompting import StarPrompts
from starec_sim import Observation
from starec_sim.answers import SUMMARY_WORDS, read_decision
from starec_sim.policies.local import LocalPolicy
from starec_sim.policies.nano import NanoPolicy

AT_ONCE = 128


def interval(malformed: int, answers: int) -> tuple[float, float]:
    """Return the exact 95 % interval of a share."""
    low = beta.ppf(0.025, malformed, answers - malformed + 1) if malformed else 0.0
    high = beta.ppf(0.975, malformed + 1, answers - malformed) if malformed < answers else 1.0
    return float(low), float(high)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model")
    parser.add_argument("--answers", type=int, default=2000)
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--form", choices=["tags", "json"], default="tags")
    parser.add_argument("--max-tokens", type=int, default=400)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    settings = {
        "temperature": given.temperature,
        "max_tokens": given.max_tokens,
        "constrained": given.form,
    }
    policy: LocalPolicy = (
        LocalPolicy(model=given.model, dtype="fp32", **settings)
        if given.model
        else NanoPolicy(**settings)
    )
    prompts = StarPrompts.read(None, 10, SUMMARY_WORDS)

    def parts(seen: Observation) -> tuple[str, ...]:
        return prompts.parts(seen.task.name, seen.task)

    # Not every user of a generated world has a choice to make.
    for name, asked in questions(given.answers * 5 // 4, given.form).items():
        del asked[given.answers :]
        malformed, first, before = 0, "", time.process_time()
        for start in range(0, len(asked), AT_ONCE):
            some = asked[start : start + AT_ONCE]
            replies = asyncio.run(answers(policy, some, parts))
            for reply, (seen, _) in zip(replies, some, strict=True):
                if read_decision(reply.text, seen, given.form)[1].counts:
                    malformed += 1
                    first = first or reply.text
        used, (low, high) = time.process_time() - before, interval(malformed, len(asked))
        print(
            f"{name:<12} {malformed} of {len(asked)} malformed: {malformed / len(asked):.2%} "
            f"[{low:.2%}, {high:.2%}]   {len(asked) / used:.0f} answers a CPU-second",
            flush=True,
        )
        if first:
            print(f"{'':<12} the first: {first!r}", flush=True)
    policy.close()


if __name__ == "__main__":
    main()
