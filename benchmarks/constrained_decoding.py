"""Measure what it changes and costs to hold answers to their form, in catalogues of several kinds.

    python benchmarks/constrained_decoding.py [--model FOLDER] [--users 64] [--pairs 3]
                             [--form tags] [--temperature 0.5] [--max-tokens 400] [--threads 1]

Each world's questions are answered as they come and held to their form, in turn, with the same
seeds. It prints the share of malformed answers of both, how many of the answers that were well
formed without the grammar are the same with it, token for token, and how much longer an answer
takes, in CPU time. Without --model it is `nano`; FOLDER is one that `local` plays.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from starec_agents.star.prompting import StarPrompts
from starec_environments.datasets.synthetic import Synthetic
from starec_environments.ranking import RankingEnvironment
from starec_environments.worlds.news import News
from starec_environments.worlds.shop import Shop
from starec_environments.worlds.short_video import ShortVideo
from starec_sim import Item, Observation, Streams
from starec_sim.answers import SUMMARY_WORDS, read_decision
from starec_sim.cards import card
from starec_sim.policies.local import LocalPolicy
from starec_sim.policies.nano import NanoPolicy
from starec_sim.types import ExpectedAnswer, Memory, Messages

COFFEE_SHOP = Path(__file__).parents[1] / "docs" / "examples" / "coffee_shop.py"
_STYLES = "Pop,Vocal Jazz,Today's Deals in Music,Indie & Lo-Fi,World Music,Blues,R&B,Alt-Country"
_LABELS = "Blue Note,Verve,ECM,Warp,4AD,Sub Pop,Deutsche Grammophon,Rhino / WEA"

Question = tuple[Observation, Messages]


def record_shop(items: Sequence[Item]) -> list[str]:
    """Return cards of records, as in a catalogue of CDs: other names, values and punctuation."""
    rng = np.random.default_rng(5)
    cards = []
    for item in items:
        styles = rng.choice(_STYLES.split(","), 3, replace=False)
        attributes = {
            "category": ("CDs & Vinyl", *styles),
            "brand": (str(rng.choice(_LABELS.split(","))),),
            "price": (f"${rng.integers(5, 40)}.98",),
        }
        cards.append(card(Item(item.id, f"{item.title} [Remastered / 2 CD]", attributes)))
    return cards


def questions(users: int, form: Any) -> dict[str, list[Question]]:
    """Return what users are asked in each world."""
    prompts = StarPrompts.read(None, 10, SUMMARY_WORDS)
    dataset = Synthetic(Synthetic.Config(seed=11, users=users, items=400)).load()
    worlds: dict[str, Any] = {
        "generated": RankingEnvironment(RankingEnvironment.Config(), dataset, Streams(11)),
        "records": RankingEnvironment(RankingEnvironment.Config(), dataset, Streams(11)),
        "shop": Shop(Shop.Config(users=users), None, Streams(11)),
        "short video": ShortVideo(ShortVideo.Config(users=users), None, Streams(11)),
        "news": News(News.Config(users=users), None, Streams(11)),
    }
    spec = importlib.util.spec_from_file_location("coffee_shop", COFFEE_SHOP)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    coffee = module.CoffeeShop
    worlds["coffee shop"] = coffee(coffee.Config(guests=users), None, Streams(11))
    asked: dict[str, list[Question]] = {}
    for name, world in worlds.items():
        cards = record_shop(world.items) if name == "records" else world.cards
        asked[name] = []
        for user in list(world.begin_round(0))[:users]:
            seen = world.observe(user, ())
            if name == "records":
                own = tuple(cards[item] for item in seen.slate)
                seen = Observation(seen.task, seen.slate, own)
            memory = Memory(world.history(user)[-10:])
            messages = prompts.decide(world.users[user], memory, seen, cards, form)
            asked[name].append((seen, messages))
    return asked


async def answers(policy: LocalPolicy, asked: list[Question], parts: Any) -> list[AIMessage]:
    """Ask all questions at once, each with a seed of its own."""
    form = "json" if policy.constrained == "json" else "tags"
    calls = []
    for seed, (seen, ((_, system), (_, user))) in enumerate(asked):
        expected = ExpectedAnswer(form, parts(seen), len(seen.slate), seen.task)
        messages = [SystemMessage(system), HumanMessage(user)]
        calls.append(policy.ainvoke(messages, seed=seed, expected=expected))
    return await asyncio.gather(*calls)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model")
    parser.add_argument("--users", type=int, default=64)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--form", choices=["tags", "json"], default="tags")
    parser.add_argument("--temperature", type=float, default=0.5)
    parser.add_argument("--max-tokens", type=int, default=400)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    policy: LocalPolicy
    settings: dict[str, Any] = {
        "temperature": given.temperature,
        "max_tokens": given.max_tokens,
    }
    if given.model:
        policy = LocalPolicy(model=given.model, dtype="fp32", **settings)
    else:
        policy = NanoPolicy(**settings)
    prompts = StarPrompts.read(None, 10, SUMMARY_WORDS)

    def parts(seen: Observation) -> tuple[str, ...]:
        return prompts.parts(seen.task.name, seen.task)

    for name, asked in questions(given.users, given.form).items():
        used: dict[Any, list[float]] = {False: [], given.form: []}
        replies: dict[Any, list[AIMessage]] = {}
        for held in [False, given.form] * given.pairs:
            policy.constrained = held
            before = time.process_time()
            replies[held] = asyncio.run(answers(policy, asked, parts))
            used[held].append(time.process_time() - before)
        flaws = {
            held: [
                bool(read_decision(reply.text, seen, given.form)[1].counts)
                for reply, (seen, _) in zip(replies[held], asked, strict=True)
            ]
            for held in replies
        }
        good = [at for at, flaw in enumerate(flaws[False]) if not flaw]
        same = sum(_tokens(replies[False][at]) == _tokens(replies[given.form][at]) for at in good)
        # The first pair warms up, unless it is the only one.
        pairs = list(zip(used[False], used[given.form], strict=True))[-max(1, given.pairs - 1) :]
        slower = float(np.median([held / free - 1 for free, held in pairs]))
        before, after = (float(np.mean(flaws[held])) for held in (False, given.form))
        print(
            f"{name:<12} malformed {before:6.1%} -> {after:6.1%}   the same {same} of {len(good)}"
            f"   CPU time of an answer {slower:+.1%}",
            flush=True,
        )
    policy.close()


def _tokens(reply: AIMessage) -> tuple[int, ...]:
    completion: tuple[int, ...] = reply.response_metadata["tokens"].completion
    return completion


if __name__ == "__main__":
    main()
