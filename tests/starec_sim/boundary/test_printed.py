"""What plug-ins print goes to stderr, and who printed is named."""

import json

import pytest

WORLD = """\
from starec_sim import ActionKind, Feedback, Item, Task, User, World

class Talks(World):
    task = Task("talk", (ActionKind("take"),))

    def set_up(self):
        self.users, self.items = [User("ann"), User("bob")], [Item("1", "Tea"), Item("2", "Milk")]

    def offer(self, user, steps):
        print("I offer")
        return [0, 1]

    def react(self, user, steps, shown, decision):
        return Feedback((), ending="done")
"""
POLICY = """\
from starec_sim.policies.lexical import LexicalPolicy

class Talks(LexicalPolicy):
    def answer(self, prompt):
        print("I answer")
        return super().answer(prompt)
"""


@pytest.mark.parametrize(
    ("text", "settings", "said"),
    [
        (WORLD, ["environment.use=talks.py:Talks"], "Talks.offer (talks.py:10)"),
        (
            POLICY,
            ["environment=feed", "data=synthetic", "data.users=6", "policies.fast=talks.py:Talks"],
            "Talks.answer (talks.py:5)",
        ),
    ],
    ids=["world", "policy"],
)
def test_what_a_plug_in_prints_is_named_and_does_not_spoil_the_results(
    starec, tmp_path, monkeypatch, text, settings, said
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "talks.py").write_text(text)
    (tmp_path / "talks.yaml").write_text(
        "name: talks\nrounds: 1\npolicies: {fast: lexical, slow: lexical}\n"
    )
    options = [word for setting in settings for word in ("--set", setting)]
    status, out, err = starec("run", "talks.yaml", "--json", *options)
    assert status == 0, err
    json.loads(out)
    assert err.count("printed to stdout") == 1
    assert f"{said} printed to stdout" in " ".join(err.split())
    assert "I answer" in err or "I offer" in err
