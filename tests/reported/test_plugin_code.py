"""Which code a resume runs, where files of plug-ins are found, and calls that do not return."""

import json
import os
import py_compile
import re
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from starec_sim import plugins
from starec_sim.boundary import CheckedEnvironment, watch
from starec_sim.build import load_dataset
from starec_sim.cli.text import resume_command
from starec_sim.errors import PluginError
from starec_sim.plugin_files import hashes, import_file
from starec_sim.plugin_names import FILE_MODULE
from starec_sim.rng import Streams
from starec_sim.runs.manifest import read_manifest
from tests.reported.coffee_shop import drink, play_shop, write_shop
from tests.rounds import ScriptedAgent, play_rounds, simulate


def configuration(folder, rounds=4, **more):
    """Write the configuration of a run of the shop in a folder; return its path."""
    lines = {
        "name": "shop",
        "rounds": rounds,
        "policies": "{fast: lexical, slow: lexical}",
        "environment": "'shop.py:Broken'",
        "runs_dir": folder / "runs",
        **more,
    }
    path = folder / "shop.yaml"
    path.write_text("\n".join(f"{key}: {value}" for key, value in lines.items()))
    return path


def forget_modules():
    """Forget the imported files of plug-ins, as a new process has not imported them."""
    for name in [name for name in sys.modules if name.startswith(FILE_MODULE)]:
        del sys.modules[name]


def digest_of(stderr):
    return re.search(r"^digest (\w+)", stderr, re.MULTILINE)[1]


FAILS_IN_ROUND_3 = """
def begin_round(self, round):
    if round == 2:
        raise KeyError("weather")
    return super().begin_round(round)
"""


def test_a_mended_plug_in_is_resumed_to_the_clean_digest_if_the_change_is_allowed(
    tmp_path, starec, monkeypatch
):
    write_shop(tmp_path)
    _, _, stderr = starec("run", configuration(tmp_path, runs_dir=tmp_path / "clean"))
    clean = digest_of(stderr)
    write_shop(tmp_path, FAILS_IN_ROUND_3)
    forget_modules()
    status, _, stderr = starec("run", configuration(tmp_path))
    assert status == 2 and "begin_round(round 3): raised KeyError: 'weather' (shop.py:" in stderr
    (run,) = (tmp_path / "runs").iterdir()
    command = resume_command(str(run), "--allow-changed-code")
    assert f"Mend the plug-in, then go on with\n\n    {command}" in stderr
    assert read_manifest(run).status == "failed"
    write_shop(tmp_path)
    forget_modules()
    status, _, stderr = starec("resume", run)
    assert status == 2 and "shop.py was changed. Results of both would be mixed" in stderr
    assert "--allow-changed-code" in stderr
    status, _, stderr = starec("resume", run, "--allow-changed-code")
    assert (status, digest_of(stderr)) == (0, clean)
    assert [change.rpartition("/")[2] for change in read_manifest(run).changed_code] == [
        "shop.py was changed"
    ]
    (tmp_path / "shop.py").write_text("raise RuntimeError('must not be run')")
    status, _, stderr = starec("replay", run)
    assert status == 2 and "shop.py was changed" in stderr


def test_code_of_a_folder_that_was_made_elsewhere_runs_only_after_trust(
    tmp_path, starec, monkeypatch
):
    write_shop(tmp_path, FAILS_IN_ROUND_3)
    starec("run", configuration(tmp_path))
    (run,) = (tmp_path / "runs").iterdir()
    write_shop(tmp_path)
    forget_modules()
    moved = tmp_path / "moved"
    run.rename(moved)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another user"))
    for command in ("resume", "replay", "estimate", "run", "train"):
        status, _, stderr = starec(command, moved)
        assert status == 2, stderr
        assert "shop.py would run" in stderr and "--trust" in stderr, stderr
        assert not any(name.startswith(FILE_MODULE) for name in sys.modules), "nothing has run"
    status, _, stderr = starec("resume", moved, "--trust", "--allow-changed-code")
    assert status == 0, stderr


def test_a_folder_that_was_made_here_may_be_moved_but_its_code_may_not_be_exchanged(
    tmp_path, starec
):
    write_shop(tmp_path, FAILS_IN_ROUND_3)
    starec("run", configuration(tmp_path))
    (run,) = (tmp_path / "runs").iterdir()
    moved = tmp_path / "moved"
    run.rename(moved)
    forget_modules()
    assert "raised KeyError: 'weather'" in starec("resume", moved)[2], "it runs"
    manifest = json.loads((moved / "manifest.json").read_text())
    manifest["plugins"][0]["use"] = "evil.py:Evil"
    (moved / "manifest.json").write_text(json.dumps(manifest))
    assert "--trust" in starec("resume", moved)[2]


def test_show_runs_and_export_run_no_code_of_a_folder(tmp_path, starec, monkeypatch):
    write_shop(tmp_path)
    starec("run", configuration(tmp_path, rounds=1))
    (run,) = (tmp_path / "runs").iterdir()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another user"))
    (tmp_path / "shop.py").write_text("raise RuntimeError('must not be run')")
    forget_modules()
    for command in (
        ("show", run),
        ("runs", "--runs-dir", run.parent),
        ("export", run, "--impressions", tmp_path / "out.jsonl"),
    ):
        status, _, stderr = starec(*command)
        assert status == 0, stderr
    assert not any(name.startswith(FILE_MODULE) for name in sys.modules)


def test_a_run_of_0_2_0_opens_without_the_hashes_of_plug_ins(tmp_path, starec):
    write_shop(tmp_path)
    starec("run", configuration(tmp_path, rounds=1))
    (run,) = (tmp_path / "runs").iterdir()
    manifest = json.loads((run / "manifest.json").read_text())
    for key in ("plugins", "made_here"):
        del manifest[key]
    (run / "manifest.json").write_text(json.dumps({**manifest, "schema_version": 2}))
    opened = read_manifest(run)
    assert (opened.schema_version, opened.plugins, opened.is_made_here) == (3, None, False)


def test_a_plug_in_file_is_found_beside_the_yaml_and_imports_its_sibling(
    tmp_path, starec, monkeypatch
):
    write_shop(tmp_path)
    shop = (tmp_path / "shop.py").read_text()
    (tmp_path / "coffee_prices_of_a_test.py").write_text("SOLD = 5.0")
    body = "    def end_round(self, visits): return {'sold': SOLD}\n"
    (tmp_path / "shop.py").write_text(f"from coffee_prices_of_a_test import SOLD\n{shop}{body}")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    config = configuration(tmp_path, rounds=1)
    status, _, stderr = starec("run", config)
    assert status == 0, stderr
    (run,) = (tmp_path / "runs").iterdir()
    (code,) = read_manifest(run).plugins
    assert [Path(file).name for file in code.files] == ["shop.py", "coffee_prices_of_a_test.py"]


def test_a_sibling_with_the_name_of_an_installed_module_is_refused(tmp_path):
    write_shop(tmp_path)
    (tmp_path / "random.py").write_text("")
    with pytest.raises(PluginError, match=r"imports random, and random.py beside it would not be"):
        plugins.load("environments", f"{tmp_path / 'shop.py'}:Broken")


ENDLESS = """
def observe(self, user, steps):
    import signal, threading
    threading.Timer(0.1, signal.raise_signal, (signal.SIGINT,)).start()
    while True:
        pass
"""


class Stuck(ScriptedAgent):
    """Loops for longer than a test may take."""

    def __init__(self):
        super().__init__(self.loop)

    def loop(self, user, round, observation):
        threading.Timer(0.1, signal.raise_signal, (signal.SIGINT,)).start()
        end = time.monotonic() + 20
        while time.monotonic() < end:
            pass
        return drink(user, round, observation)


def test_a_call_that_does_not_return_is_named(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(watch, "TOLD_AFTER_S", 0.1)
    body = """
        def observe(self, user, steps):
            import time
            end = time.monotonic() + (0.35 if user == 0 and not hasattr(self, "seen") else 0)
            self.seen = True
            while time.monotonic() < end:
                pass
            return super().observe(user, steps)
    """
    play_shop(tmp_path, body, rounds=1)
    assert re.search(
        r"^environment shop.py:Broken, observe\(user u0, round 1, page 1\) \(shop.py:\d+\) "
        r"has been running for \d+ s$",
        capsys.readouterr().err,
        re.MULTILINE,
    )


@pytest.mark.parametrize("where", ["environment", "agent"])
def test_the_first_ctrl_c_ends_an_endless_loop(tmp_path, where):
    body, agent = (ENDLESS, None) if where == "environment" else ("pass", Stuck())
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        play_shop(tmp_path, body, agent=agent)
    assert time.monotonic() - started < 15


def test_the_environments_that_ship_are_restored_exactly(tmp_path):
    dataset = load_dataset("synthetic", users=12, items=60, interactions=12)
    for spec in (
        {"use": "feed", "recommender": "als", "page_size": 3, "pages": 2},
        {
            "use": "feed",
            "recommender": "item-knn",
            "page_size": 3,
            "pages": 2,
            "signals": ["rating"],
        },
        {"use": "ranking", "choices": 2, "candidates": 5, "min_interactions": 4},
    ):
        plugin = plugins.configure("environments", spec, "environment")
        built = [plugin.type(plugin.config, dataset, Streams(0)) for _ in range(2)]
        world = CheckedEnvironment(built[0], lambda copy=built[1]: copy)
        play_rounds(simulate(world, ScriptedAgent(drink)), 3)


ELSEWHERE = "import sys\nsys.path.insert(0, {folder!r})\nfrom prices_elsewhere import PRICE"
COMPUTED = 'import importlib\nPRICE = importlib.import_module("prices" + "_computed").PRICE'


@pytest.mark.parametrize(
    ("imports", "file"),
    [
        (ELSEWHERE, "lib/prices_elsewhere.py"),
        (COMPUTED, "code/prices_computed.py"),
        ("from priced_space.prices import PRICE", "code/priced_space/prices.py"),
    ],
    ids=["sys.path", "importlib", "namespace"],
)
def test_files_that_are_imported_in_other_ways_are_noted(tmp_path, imports, file):
    helper, shop = tmp_path / file, tmp_path / "code" / "shop.py"
    for folder in (helper.parent, shop.parent):
        folder.mkdir(parents=True, exist_ok=True)
    helper.write_text("PRICE = 4.0\n")
    shop.write_text(imports.format(folder=str(helper.parent)))
    path = list(sys.path)
    try:
        assert import_file(shop).PRICE == 4.0
        assert list(hashes(shop)) == [str(shop), str(helper)]
    finally:
        sys.path[:] = path
        for name in [name for name in sys.modules if name.startswith("price")]:
            del sys.modules[name]


@pytest.mark.parametrize("file", ["shop.py", "prices_compiled.py"])
def test_a_file_that_was_compiled_before_an_edit_of_the_same_second_is_read_again(
    tmp_path, monkeypatch, file
):
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    shop, edited = tmp_path / "shop.py", tmp_path / file
    shop.write_text("from prices_compiled import PRICE\nTAX = 1\n")
    (tmp_path / "prices_compiled.py").write_text("PRICE = 1\n")
    py_compile.compile(str(edited))
    before = edited.stat()
    edited.write_text(edited.read_text().replace("= 1", "= 2"))
    os.utime(edited, ns=(before.st_atime_ns, before.st_mtime_ns))
    module = import_file(shop)
    sys.modules.pop("prices_compiled")
    now = (2, 1) if file == "shop.py" else (1, 2)
    assert now == (module.TAX, module.PRICE)
