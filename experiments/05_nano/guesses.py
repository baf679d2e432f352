"""Find the first line (weights of the evidence) with which the scripted teacher does best.

    python experiments/05_nano/guesses.py --data movielens-100k [--bare | --follows] [--users 300]

The teacher answers the same questions once with each first line that the corpus can draw. One half
of the users chooses the best lines, by NDCG@10; the other half measures what these are worth. GRPO
has to find such a line from rewards. `--bare` leaves the signals off the cards, `--follows` adds
the signal `follows`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from itertools import product

import numpy as np
from corpus import HISTORY, PROMPTS
from tqdm import tqdm
from undecided import DEGREES, FOLLOWS

from starec_sim import Environment, build_environment, load_dataset
from starec_sim.answers import read_decision, read_prompt
from starec_sim.metrics import bootstrap_interval
from starec_sim.policies.reasoner import SIGNALS, ReasonerPolicy
from starec_sim.types import FloatArray, Memory

ROUNDS = 3
SHOWN = 5


def guesses(signals: Sequence[str]) -> dict[str, ReasonerPolicy]:
    """Return a teacher for each possible first line, keyed by that line.

    Args:
        signals: The settings of the signals that cards show.
    """
    degrees = {**DEGREES, "follows": FOLLOWS}
    weights = range(0 if signals else 1, degrees["attributes"])
    told = product(*(range(degrees[signal]) for signal in signals))
    shown = [field for field, signal in SIGNALS.items() if signal in signals]
    made = {}
    for by, attributes, counts in product(("taste", "habit"), weights, [*told]):
        if by == "taste" or attributes:  # with weight 0, habit and taste are the same
            loud = dict(zip(signals, counts, strict=True))
            policy = ReasonerPolicy(by=by, attributes=attributes, **loud)
            made[policy.first_line(shown)] = policy
    return made


def gains(world: Environment, policies: list[ReasonerPolicy]) -> FloatArray:
    """Return NDCG@1 and NDCG@10 of each user under each policy: (users, policies, 2)."""
    found = np.zeros((len(world.users), len(policies), 2))
    histories = [world.history(user) for user in range(len(world.users))]
    bar = tqdm(total=ROUNDS * len(world.users), unit="question")
    for round in range(ROUNDS):
        world.begin_round(round)
        for user, person in enumerate(world.users):
            shown = world.observe(user, ())
            memory = Memory(histories[user][-HISTORY:])
            prompt = read_prompt(PROMPTS.decide(person, memory, shown, world.cards))
            for place, policy in enumerate(policies):
                decision, _ = read_decision(policy.answer(prompt), shown)
                feedback = world.respond(user, (), shown, decision)
                rank = decision.rank_of(feedback.target)
                if rank and rank <= 10:
                    found[user, place] += (rank == 1, feedback.reward["ndcg"])
            histories[user] += feedback.experiences
            bar.update()
    bar.close()
    return found / ROUNDS


def main() -> None:
    """Try all first lines and print the best of them."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--data", default="synthetic", help="as `starec run --data`")
    arguments.add_argument(
        "--world",
        type=json.loads,
        default={},
        metavar="SETTINGS",
        help='settings of the data as JSON, such as {"popularity": 1.2}',
    )
    arguments.add_argument("--bare", action="store_true", help="cards without signals")
    arguments.add_argument("--follows", action="store_true", help="cards with `follows` too")
    arguments.add_argument("--users", type=int, default=300)
    arguments.add_argument("--seed", type=int, default=1)
    given = arguments.parse_args()
    signals = [] if given.bare else [s for s in SIGNALS.values() if s != "follows" or given.follows]
    world = build_environment(
        {"use": "ranking", "signals": signals, "users": given.users},
        load_dataset(given.data, **given.world),
        given.seed,
    )
    tried = guesses(signals)
    values = 100 * gains(world, list(tried.values()))
    choosing = np.arange(len(world.users)) % 2 == 0
    print(
        f"{len(tried)} guesses, {ROUNDS} choices, seed {given.seed}; chosen by {choosing.sum()} "
        f"users, measured with {(~choosing).sum()} others; times 100, 95 % intervals"
    )
    names = list(tried)
    for place in np.argsort(-values[choosing, :, 1].mean(0))[:SHOWN]:
        one, ten = (bootstrap_interval(values[~choosing, place, n], seed=0) for n in (0, 1))
        print(
            f"{names[place]:48} NDCG@1 {one.mean:.1f} [{one.low:.1f}, {one.high:.1f}]  "
            f"NDCG@10 {ten.mean:.1f} [{ten.low:.1f}, {ten.high:.1f}]"
        )


if __name__ == "__main__":
    main()
