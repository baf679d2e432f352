"""Write a run of many users straight into a record, for benchmarks of reading.

A seeded generator draws slates, choices, ratings and answers; nothing is simulated, and prompts are
drawn from a few thousand texts, so that 500,000 visits take minutes and not days.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from starec_sim.runs import codec
from starec_sim.runs.chunk_views import NOT_RECORDED
from starec_sim.runs.chunks import ChunkWriter, StepColumns
from starec_sim.runs.facts import count_visit
from starec_sim.runs.folder import CONFIG
from starec_sim.runs.levels import RecordLevel
from starec_sim.runs.manifest import new_manifest, write_manifest
from starec_sim.runs.store import Store
from starec_sim.tasks import FEED
from starec_sim.types import Action, Decision, Experience, Feedback, Observation, Verdict

POOL = 4_000
"""Visits that are drawn for a run in chunks: all users have one of them in each round."""
PAGES, PAGE_SIZE, ITEMS, TEXTS = 2, 8, 2_000, 4_000
SLOW_SHARE = 0.1
GENRES = ("Drama", "Comedy", "War", "Horror", "Crime", "Family", "Sci-Fi", "Romance")
CONFIGURATION = """name: generated
rounds: {rounds}
environment: {{use: feed}}
policies: {{fast: {{use: lexical}}, slow: {{use: lexical}}}}
"""


def generate(
    folder: Path,
    users: int,
    rounds: int,
    arms: tuple[str, ...] = ("loop",),
    level: RecordLevel = "everything",
) -> None:
    """Write a run into a folder that does not exist."""
    folder.mkdir(parents=True)
    text = CONFIGURATION.format(rounds=rounds)
    (folder / CONFIG).write_text(text)
    manifest = new_manifest("run", "generated", [7], text, arms=arms)
    store = Store(folder, level=level)
    for trial, arm in enumerate(arms):
        _insert_trial(store, trial, arm, users)
        texts = _insert_texts(store)
        pool = [list(_visit(np.random.default_rng(n), texts)) for n in range(POOL)]
        for round in range(rounds):
            with store.transaction():
                if level == "decisions":
                    _insert_chunks(store, trial, round, users, pool)
                else:
                    _insert_round(store, trial, round, users, texts)
    store.close()
    manifest.finish()
    manifest.digest = "generated"
    write_manifest(folder, manifest)


def _insert_trial(store: Store, trial: int, arm: str, users: int) -> None:
    facts = json.dumps({"users": users, "items": ITEMS})
    with store.transaction():
        store.db.execute("INSERT INTO trials VALUES (?, ?, 7, ?, 'generated')", (trial, arm, facts))
        store.db.executemany(
            "INSERT INTO users VALUES (?, ?, ?, ?)",
            (
                (trial, u, f"u{u}", codec.dumps({"age": str(18 + u % 50), "gender": "FM"[u % 2]}))
                for u in range(users)
            ),
        )
        store.db.executemany(
            "INSERT INTO items VALUES (?, ?, ?, ?, ?)",
            (
                (trial, i, f"i{i}", f"Title {i}", codec.dumps({"genre": [GENRES[i % 8]]}))
                for i in range(ITEMS)
            ),
        )


def _insert_texts(store: Store) -> list[int]:
    rng = np.random.default_rng(1)
    with store.transaction():
        store.text(NOT_RECORDED)
        return [
            store.text(" ".join(rng.choice(GENRES, 120).tolist()) + f" liked {n}")
            for n in range(TEXTS)
        ]


def _insert_round(store: Store, trial: int, round: int, users: int, texts: list[int]) -> None:
    rng = np.random.default_rng([trial, round])
    visits = [list(_visit(rng, texts)) for _ in range(users)]
    keys = [
        ((trial, round, user, step), row)
        for user, visit in enumerate(visits)
        for step, row in enumerate(visit)
    ]
    insert = store.db.executemany
    insert(
        "INSERT INTO steps VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        ((*key, *row["columns"]) for key, row in keys),
    )
    insert(
        "INSERT INTO turns VALUES (?, ?, ?, ?, ?, ?, 'model', ?, ?, 400, 90, 0.8, '', '', 'model', "
        "1, 0.0001, '')",
        ((*key, *turn) for key, row in keys for turn in row["turns"]),
    )
    insert(
        "INSERT INTO step_facts VALUES (?, ?, ?, ?, ?, ?, NULL)",
        ((*key, *row["facts"]) for key, row in keys),
    )
    counts = [count_visit([row["parts"] for row in visit]) for visit in visits]
    insert(
        "INSERT INTO visit_facts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        ((trial, round, user, *count) for user, count in enumerate(counts)),
    )
    metrics = [
        {
            "click_through": c.chosen / c.shown,
            "watch_rate": float(c.chosen > 0),
            **({"satisfaction": c.stars / c.rated} if c.rated else {}),
            "exits": float(c.exits),
            "pages": float(c.steps),
            "slow": c.slow / c.steps,
            "malformed": 0.0,
        }
        for c in counts
    ]
    insert(
        "INSERT INTO visits VALUES (?, ?, ?, ?)",
        ((trial, round, user, codec.dumps(found)) for user, found in enumerate(metrics)),
    )
    insert(
        "INSERT INTO metrics VALUES (?, ?, ?, ?)",
        (
            (trial, round, name, float(np.mean([found.get(name, 3.0) for found in metrics])))
            for name in metrics[0] | {"satisfaction": 0.0}
        ),
    )
    store.db.execute("INSERT INTO rounds VALUES (?, ?, ?)", (trial, round, f"{trial}/{round}"))


def _insert_chunks(
    store: Store, trial: int, round: int, users: int, pool: list[list[dict[str, Any]]]
) -> None:
    writer = ChunkWriter(store.db, trial)
    counts = [count_visit([row["parts"] for row in visit]) for visit in pool]
    drawn = np.random.default_rng([trial, round]).integers(0, len(pool), users).tolist()
    columns = [[StepColumns(*row["columns"][:-1]) for row in visit] for visit in pool]
    figures = [
        (c.chosen / c.shown, c.stars / c.rated if c.rated else np.nan, c.slow / c.steps)
        for c in counts
    ]
    values = np.array([figures[number] for number in drawn]).T
    named = dict(zip(("click_through", "satisfaction", "slow"), values, strict=True))
    begin = 0
    for user, number in enumerate(drawn):
        writer.add_visit(user, counts[number])
        for of_step, row in zip(columns[number], pool[number], strict=True):
            writer.add_step(of_step, row["columns"][-1], ())
        if writer.is_full or user == users - 1:
            writer.insert(round, {name: each[begin : user + 1] for name, each in named.items()})
            begin = user + 1
    store.db.executemany(
        "INSERT INTO metrics VALUES (?, ?, ?, ?)",
        ((trial, round, name, float(np.nanmean(each))) for name, each in named.items()),
    )
    store.db.execute("INSERT INTO rounds VALUES (?, ?, ?)", (trial, round, f"{trial}/{round}"))


def _visit(rng: np.random.Generator, texts: list[int]) -> Iterator[dict[str, Any]]:
    items = rng.choice(ITEMS, PAGES * PAGE_SIZE, replace=False).tolist()
    stars = rng.integers(1, 6, PAGES * PAGE_SIZE).tolist()
    watches = (rng.random(PAGES * PAGE_SIZE) < 0.3).tolist()
    drawn = rng.integers(0, TEXTS, 6 * PAGES).tolist()
    slow = (rng.random(PAGES) < SLOW_SHARE).tolist()
    for page in range(PAGES):
        part = slice(page * PAGE_SIZE, (page + 1) * PAGE_SIZE)
        observation = Observation(FEED, tuple(items[part]), (), page + 1)
        both = list(zip(items[part], stars[part], watches[part], strict=True))
        decision = Decision(
            actions=tuple(Action(i, *(("watch", 3.0) if w else ())) for i, _, w in both)
        )
        lived = tuple(Experience(item, float(rating), "world") for item, rating, w in both if w)
        ending = "" if page + 1 < PAGES else "left" if stars[-1] == 1 else "pages"
        reward = {"engagement": len(lived) / PAGE_SIZE, "satisfaction": 0.1}
        feedback = Feedback(lived, reward=reward, ending=ending)
        a, b, c, d, e, f = (texts[n] for n in drawn[page * 6 : page * 6 + 6])
        messages = codec.dumps([["system", a], ["user", b]])
        turns = [("fast", 0, messages, c)]
        if slow[page]:
            turns.append(("slow", 0, codec.dumps([["system", a], ["user", e]]), f))
        yield {
            "parts": (observation, decision, feedback, Verdict(slow[page], "")),
            "columns": (
                codec.dump_observation(observation),
                codec.dump_decision(decision),
                codec.dump_feedback(feedback),
                int(slow[page]),
                "surprised" if slow[page] else "as expected",
                d,
            ),
            "facts": (codec.dumps([0.5] * PAGE_SIZE), codec.dumps(stars[part])),
            "turns": turns,
        }
