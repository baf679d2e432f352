"""Measure fast decisions per second of a small policy: 20 candidates, ten experiences, many users.

    OMP_WAIT_POLICY=PASSIVE python benchmarks/nano.py MODEL [--users 256] [--at-once 128]
        [--threads 2] [--temperature 0.5] [--signals] [--data DATA]

MODEL is a folder that `save_pretrained` wrote. The questions come from the ranking environment, in
a generated world unless DATA is given. The first decisions open the model and are not counted.

"Lines as promised" measures how well an answer follows its own first line. The scripted reasoner
answers the same question with the weights of that line. The figure is the share of lines that are
equal, word for word.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from itertools import zip_longest

import numpy as np
import torch
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from starec_agents.star.prompting import StarPrompts
from starec_environments.ranking import RankingEnvironment
from starec_sim import plugins
from starec_sim.answers import SUMMARY_WORDS, read_decision, read_prompt, thought
from starec_sim.data_specs import data_spec
from starec_sim.policies.local import LocalPolicy
from starec_sim.policies.nano import NanoPolicy
from starec_sim.policies.reasoner import ReasonerPolicy
from starec_sim.rng import Streams
from starec_sim.types import Memory, Messages, Observation

EXPERIENCES = 10
GENERATED = {"use": "synthetic", "seed": 11}


def questions(users: int, signals: bool, data: str | None) -> list[tuple[Observation, Messages]]:
    source, settings = plugins.configure("datasets", data_spec(data) if data else GENERATED, "data")
    dataset = source(settings).load()
    told = ["popularity", "rating", "together"] if signals else []
    world = RankingEnvironment(
        RankingEnvironment.Config(users=users, signals=told), dataset, Streams(11)
    )
    world.begin_round(0)
    prompts = StarPrompts.read(None, EXPERIENCES, SUMMARY_WORDS)
    asked = []
    for user, person in enumerate(world.users):
        observation = world.observe(user, ())
        memory = Memory(world.history(user))
        asked.append((observation, prompts.decide(person, memory, observation, world.cards)))
    return asked


async def answers(
    policy: LocalPolicy, asked: list[tuple[Observation, Messages]]
) -> list[AIMessage]:
    return await asyncio.gather(
        *(
            policy.ainvoke([SystemMessage(system), HumanMessage(user)], seed=number)
            for number, (_, ((_, system), (_, user))) in enumerate(asked)
        )
    )


def kept_promises(question: str, answer: str) -> list[bool]:
    """Return for each line whether it equals the reasoner's line with the answer's weights.

    All are False if the first line of the answer states no weights.
    """
    prompt = read_prompt((("user", question),))
    promised, *lines = thoughts(answer) or [""]
    try:
        teacher = ReasonerPolicy.from_first_line(promised)
    except ValueError:
        return [False] * len(prompt.candidates)
    wanted = thoughts(teacher.answer(prompt))[1:]
    return [line == wish for line, wish in zip_longest(lines[: len(wanted)], wanted)]


def thoughts(answer: str) -> list[str]:
    """Return the lines of the reasoning in an answer."""
    return thought(answer).splitlines()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("model", help="a folder that save_pretrained wrote")
    arguments.add_argument("--users", type=int, default=256)
    at_once = NanoPolicy.model_fields["max_batch"].default
    arguments.add_argument("--at-once", type=int, default=at_once)
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--temperature", type=float, default=0.5)
    arguments.add_argument("--signals", action="store_true", help="cards carry all three signals")
    arguments.add_argument("--data", help="as `starec run --data`")
    arguments.add_argument("--json", action="store_true")
    given = arguments.parse_args()
    torch.set_num_threads(given.threads)
    policy = NanoPolicy(model=given.model, temperature=given.temperature, max_batch=given.at_once)
    asked = questions(given.users, given.signals, given.data)
    asyncio.run(answers(policy, asked[:8]))
    wall, cpu = time.perf_counter(), time.process_time()
    replies = asyncio.run(answers(policy, asked))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    policy.close()
    flawed = sum(
        bool(read_decision(reply.text, observation)[1].counts)
        for reply, (observation, _) in zip(replies, asked, strict=True)
    )
    kept = [
        line
        for reply, (_, (_, (_, question))) in zip(replies, asked, strict=True)
        for line in kept_promises(question, reply.text)
    ]
    figures = {
        "decisions/s": len(asked) / wall,
        "decisions per CPU second": len(asked) / cpu,
        "prompt tokens": float(np.mean([r.usage_metadata["input_tokens"] for r in replies])),
        "answer tokens": float(np.mean([r.usage_metadata["output_tokens"] for r in replies])),
        "flawed": flawed / len(asked),
        "lines as promised": float(np.mean(kept)),
    }
    if given.json:
        print(json.dumps(figures))
    else:
        print("\n".join(f"{name:26} {value:8.2f}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
