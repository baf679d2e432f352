"""The commands on the pages of the experiments exist, and their settings are valid.

They play for minutes to hours. So a dry run is run; of the others, the options and the experiment
with its changes are read. `test_docs.py` plays each experiment in a small world.
"""

import argparse
import re
import runpy
import shlex
import sys
from pathlib import Path

import pytest
import typer

from starec_sim.cli import app_with
from starec_sim.cli.options import read_experiment
from starec_sim.learning.config import training_of
from tests.end_to_end.test_blocks import blocks_of, write_movielens

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "experiments").glob("*/README.md"))


def commands_of(text):
    """Return the words of each command in the console blocks of a page, without its environment."""
    found = []
    for block in blocks_of(text, "page"):
        if block.language == "console":
            for line in re.findall(r"^\$ (.*)", block.code.replace("\\\n", " "), re.MULTILINE):
                words = shlex.split(line, comments=True)
                while re.match(r"[A-Z_]+=", words[0]):
                    words.pop(0)
                found.append([words[0].removeprefix(".venv/bin/"), *words[1:]])
    return found


class OptionsReadError(Exception):
    """Ends a script once it has read its options."""


@pytest.fixture
def check(starec, tmp_path, monkeypatch):
    """Run a dry run; read what other commands are told, up to where they would begin."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STAREC_DATA", raising=False)
    write_movielens(tmp_path / "data" / "ml-100k")
    (tmp_path / "experiments").symlink_to(ROOT / "experiments")

    def check_make(*targets):
        for target in targets:
            assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE), target

    def check_script(script, *arguments):
        parse = argparse.ArgumentParser.parse_args

        def parse_only(parser):
            parse(parser)
            raise OptionsReadError

        with monkeypatch.context() as patch:
            patch.setattr(argparse.ArgumentParser, "parse_args", parse_only)
            patch.setattr(sys, "argv", [script, *arguments])
            patch.syspath_prepend(Path(script).parent)
            with pytest.raises(OptionsReadError):
                runpy.run_path(script, run_name="__main__")

    def check_starec(*words):
        if "--dry-run" in words:
            status, _, err = starec(*words)
            assert not status, err
            return
        command, words = typer.main.get_command(app_with()), [*words]
        while hasattr(command, "commands"):
            command = command.commands[words.pop(0)]
        told = command.make_context(command.name, words).params
        if "experiment" in told:
            experiment = read_experiment(told["experiment"], told["changes"], told["data"])
            experiment.resolve()
            if command.name == "train":
                training_of(experiment)

    # A server of models is no program of this repository.
    kinds = {"make": check_make, "python": check_script, "starec": check_starec}
    kinds["vllm"] = lambda *words: None

    def check(words):
        name, *arguments = [re.sub(r"\bPATH\b", "data/ml-100k", word) for word in words]
        kinds[name](*arguments)

    return check


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_the_commands_of_a_page_are_valid(page, check):
    commands = commands_of(page.read_text("utf-8"))
    assert commands
    for words in commands:
        check(words)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("make tea", "tea"),
        ("starec ruin experiments/01_quickstart", "ruin"),
        ("starec run experiments/01_quickstart --sett seed=1", "--sett"),
        ("starec run experiments/01_quickstart --set sead=1", "sead"),
        ("starec train experiments/00_demo --set train.grpo.stepps=24", "stepps"),
        ("starec train experiments/00_demo --dry-run --set sead=1", "sead"),
        ("python experiments/04_table/table.py --tables movielens", "2"),
        ("python experiments/04_table/nowhere.py", "nowhere.py"),
        ("serve experiments", "serve"),
    ],
)
def test_a_command_with_a_mistake_is_found(line, said, check):
    (words,) = commands_of(f"```console\n$ {line}\n```\n")
    with pytest.raises((Exception, SystemExit), match=said):
        check(words)
