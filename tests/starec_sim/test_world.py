"""The base class for environments, and catalogues that grow, in whole runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from starec_sim import read_experiment, read_run
from starec_sim.learning.config import training_of

NEWS = '''
import numpy as np
from starec_sim import ActionKind, Experience, Feedback, Item, Task, User, World, card


class News(World):
    """Each round a new story appears, and the oldest one is gone."""

    task = Task("news", (ActionKind("read"), ActionKind("share")))
    own_metrics = ("shares",)

    def set_up(self):
        self.users = [User("ann"), User("bob"), User("cy")]
        self.items = [self.story(n) for n in range(3)]
        self.kept = {"stories": 3, "reads": np.zeros(2)}

    def story(self, n):
        topic = ("war", "sport", "art")[n % 3]
        return Item(f"s{n}", f"Story {n}", {"topic": (topic,)}, {"age": 1.0})

    def offer(self, user, steps):
        return range(self.kept["stories"] - 3, self.kept["stories"])

    def context(self, user, steps):
        return f"{self.kept['reads'][0]:g} stories were read so far"

    def react(self, user, steps, shown, decision):
        lived = tuple(
            Experience(a.item, None, "world", action=a.kind, like=a.item % 3 == user)
            for a in decision.actions
            if a.done
        )
        return Feedback(lived, reward={"attention": float(len(lived))}, ending="done")

    def after_round(self, visits):
        done = [a.kind for v in visits for s in v.steps for a in s.decision.actions if a.done]
        self.kept["reads"] = self.kept["reads"] + [len(done), 1]
        self.kept["stories"] += 1
        self.grow()
        return {"shares": float(done.count("share"))}

    def restore(self, state):
        super().restore(state)
        self.grow()

    def grow(self):
        while len(self.items) < self.kept["stories"]:
            self.items.append(self.story(len(self.items)))
            self.cards.append(card(self.items[-1]))
            self.popularity = np.append(self.popularity, 0)

    def live(self):
        return np.arange(len(self.items)) >= len(self.items) - 3
'''
YAML = """
name: news
rounds: 4
policies: {fast: lexical, slow: lexical}
environment: {use: "news.py:News"}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "news.py").write_text(NEWS)
    (tmp_path / "news.yaml").write_text(YAML + f"runs_dir: {tmp_path / 'runs'}\n")
    return tmp_path


def play(starec, folder, *more):
    status, out, err = starec("run", folder / "news.yaml", "--json", *more)
    return status, json.loads(out) if out else {}, err


def test_items_that_appear_are_recorded_and_measured_and_survive_a_resume(starec, folder):
    status, whole, err = play(starec, folder)
    assert status == 0, err
    status, _, _ = play(starec, folder, "--set", "budget.calls=14")
    assert status != 0
    run = next(each for each in (folder / "runs").iterdir() if each.name != Path(whole["run"]).name)
    status, out, err = starec("resume", run, "--budget", "calls=none", "--json")
    assert status == 0, err
    assert json.loads(out)["digest"] == whole["digest"]
    tables = read_run(run)
    assert [row.item for row in tables.items()] == [f"s{n}" for n in range(7)]
    coverage = [row.value for row in tables.metrics() if row.metric == "coverage"]
    assert coverage == [0.75, 0.75, 0.75, 0.75], "three of the items that live or were shown"


def test_own_actions_reach_tables_metrics_and_pages(starec, folder):
    _, played, _ = play(starec, folder)
    tables = read_run(played["run"])
    assert {row.action for row in tables.impressions()} <= {"skip", "read", "share"}
    metrics = {row.metric for row in tables.metrics()}
    assert {"rate:read", "rate:share", "sum:attention", "shares"} <= metrics
    status, out, err = starec("why", played["run"], "ann", "2")
    assert status == 0, err
    assert "did" in out and "skip" in out and "liked" in out
    status, out, err = starec("sql", played["run"], "select distinct action from impressions")
    assert status == 0, err
    assert "skip" in out


def test_a_catalogue_grows_only_where_the_environment_says_so(starec, folder):
    text = NEWS.replace("    def live(self)", "    def alive(self)")
    (folder / "news.py").write_text(text)
    status, _, err = play(starec, folder)
    assert status == 2
    assert "items had 3 entries when the environment was built and has 4 now" in err
    assert "live" in err


def test_a_row_that_is_gone_from_the_catalogue_is_refused(starec, folder):
    (folder / "news.py").write_text(NEWS.replace("self.items.append(", "self.items.insert(0, "))
    status, _, err = play(starec, folder)
    assert status == 2
    assert "items[0]" in err


def test_a_training_takes_a_reward_of_a_world_that_declares_no_names(folder):
    training = "train: {grpo: {nodes: [fast], rewards: {attention: 1.0}}}\n"
    (folder / "train.yaml").write_text(YAML.replace("fast: lexical", "fast: nano") + training)
    experiment = read_experiment(folder / "train.yaml")
    assert training_of(experiment).grpo.rewards == {"attention": 1.0}
