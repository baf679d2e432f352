"""The page of the architecture names every module and folder of the engine."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text()


def test_every_module_and_folder_of_the_engine_is_on_the_page():
    table = PAGE.partition("## The folders of the engine")[2].partition("## The rules")[0]
    modules = {path.name for path in (ROOT / "starec_sim").glob("[!_]*.py")}
    folders = {f"{path.parent.name}/" for path in (ROOT / "starec_sim").glob("*/__init__.py")}
    assert modules and folders
    missing = sorted(name for name in modules | folders if f"`{name}`" not in table)
    assert not missing, "add them to the table of docs/architecture.md"
