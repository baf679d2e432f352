"""Every block of a page that is marked `console` or `python` runs, or says why not.

Comments before a block, which readers do not see, say how:

    <!-- not run: REASON -->                  the block is left out
    <!-- not run where "TEXT": REASON -->     its commands that contain TEXT are left out
    <!-- run first: COMMAND -->               a command that the reader has given before
    <!-- run NAME with: OPTIONS -->           options that make its commands `starec NAME` small
    <!-- run with: TEXT -> OTHER -->          what stands for a text of the block, to make it small
    <!-- file: NAME -->                       the block is a file, which the reader writes
    <!-- changes: NAME -->                    the block is put into the class of that file

The blocks of a page run one after another, in one folder with `docs`, `experiments`, a little
MovieLens 100K in `data`, and `rows.yaml`, the rows of every table with networks that learn little.
`RUN` stands for the latest run. Blocks of Python share their names.
"""

import re
import shlex
import shutil
import sys
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import pytest

from tests.end_to_end.page_files import same_code, with_changes

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("README.md", "CONTRIBUTING.md", "docs/**/*.md")
BLOCK = re.compile(r"((?:^<!-- .*? -->\n+)*)^```(.*?)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
COMMENT = re.compile(r"<!-- (.*?) -->", re.DOTALL)


@dataclass
class Block:
    """A block of a page, with the comments before it."""

    place: str
    language: str
    code: str
    notes: list[str]

    def notes_like(self, pattern):
        found = (re.fullmatch(pattern, note, re.DOTALL) for note in self.notes)
        return [match.groups() for match in found if match]

    @property
    def left_out(self):
        return bool(self.notes_like(r"not run: (\S.*)"))

    def file_after(self, files):
        """The name and the new text of the file that the block writes or changes, if it does.

        Args:
            files: The folder of the files.
        """
        for (name,) in self.notes_like(r"file: (\S+)"):
            return name, self.code
        for (name,) in self.notes_like(r"changes: (\S+)"):
            return name, with_changes((files / name).read_text(), self.code)
        return None

    @property
    def small(self):
        """The code, with what the comments put in the place of some texts."""
        code = self.code
        for text, other in self.notes_like(r"run with: (.+) -> (.+)"):
            assert text in code, f"{self.place}: the block has no {text}"
            code = code.replace(text, other)
        return code

    @property
    def commands(self):
        """The commands, each with the options that make it small."""
        lines = [line[2:] for line in self.small.splitlines() if line.startswith("$ ")]
        for text, _ in self.notes_like(r'not run where "(.+?)": (\S.*)'):
            assert any(text in line for line in lines), f"{self.place}: no command has {text}"
            lines = [line for line in lines if text not in line]
        small = dict(self.notes_like(r"run (\w+) with: (.*)"))
        for line in lines:
            words = [word.removeprefix(".venv/bin/") for word in shlex.split(line, comments=True)]
            yield words + shlex.split(small.get(words[1], "") if words[0] == "starec" else "")


def blocks_of(text, name):
    for match in BLOCK.finditer(text):
        before, language, code = match.groups()
        place = f"{name}:{text.count(chr(10), 0, match.start(2)) + 1}"
        yield Block(place, language, code, COMMENT.findall(before))


def pages():
    for pattern in PAGES:
        for path in sorted(ROOT.glob(pattern)):
            name = str(path.relative_to(ROOT))
            yield name, list(blocks_of(path.read_text(), name))


def to_run(blocks):
    return [
        b
        for b in blocks
        if (b.language in ("console", "python") or b.notes_like(r"file: (\S+)")) and not b.left_out
    ]


def write_movielens(folder):
    """Write 30 users, 150 films and 900 ratings in the format of MovieLens 100K."""
    folder.mkdir(parents=True)
    ratings = [
        f"{user}\t{1 + (user * 13 + n * 7) % 150}\t{1 + (user * n) % 5}\t{881250949 + n}"
        for user in range(1, 31)
        for n in range(30)
    ]
    genres = ("Action", "Comedy", "Drama", "Horror", "War")
    films = [
        f"{item}|Film {item} ({1950 + item % 50})|01-Jan-1995||http://example.org|"
        + "|".join("01"[place == item % 5] for place in range(5))
        for item in range(1, 151)
    ]
    users = [f"{user}|{20 + user}|{'MF'[user % 2]}|student|12345" for user in range(1, 31)]
    listed = [f"{genre}|{place}" for place, genre in enumerate(genres)]
    files = {"u.data": ratings, "u.item": films, "u.user": users, "u.genre": listed}
    for name, lines in files.items():
        (folder / name).write_text("\n".join(lines) + "\n", "latin-1")


def write_rows(path):
    """Write the rows that every table carries, with two updates for each network."""
    shipped = (files("starec_sim.evaluation") / "rows.yaml").read_text("utf-8")
    quick = r"recommender: {use: \1, epochs: 1, updates: 2},"
    path.write_text(re.sub(r"recommender: (gru4rec|sasrec),", quick, shipped))


@pytest.fixture
def execute(starec, tmp_path, monkeypatch):
    """Run blocks in a folder with what a reader may have."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STAREC_DATA", raising=False)
    write_movielens(tmp_path / "data" / "ml-100k")
    write_rows(tmp_path / "rows.yaml")
    for name in ("docs", "experiments"):
        (tmp_path / name).symlink_to(ROOT / name)

    def latest():
        folders = sorted(Path("runs").glob("*"), key=lambda folder: folder.stat().st_mtime)
        return folders[-1].name if folders else "RUN"

    def command(words, place):
        words = [re.sub(r"\bRUN\b", latest(), word) for word in words]
        if words[0] == "cp":
            shutil.copy(*words[1:])
            return
        assert words[0] == "starec", f"{place}: `{' '.join(words)}` neither runs nor says why not"
        status, _, err = starec(*words[1:])
        assert not status, f"{place}: `{' '.join(words)}` ended with {status}: {err}"

    def execute(blocks):
        names = {}
        for block in to_run(blocks):
            for (first,) in block.notes_like(r"run first: (.*)"):
                command(shlex.split(first), block.place)
            if written := block.file_after(Path()):
                Path(written[0]).write_text(written[1])
                forget_modules(tmp_path)
            elif block.language == "python":
                code = re.sub(r"\bRUN\b", latest(), block.small)
                exec(compile(code, block.place, "exec"), names)
            else:
                for words in block.commands:
                    command(words, block.place)

    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])  # plug-ins add folders to it
    yield execute
    forget_modules(tmp_path)


def forget_modules(folder):
    """Forget what was imported from a folder, as a command in a new process does."""
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(f"{folder}/"):
            del sys.modules[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, blocks in pages() if to_run(blocks)])
def test_the_blocks_of_a_page_run(name, execute):
    execute(dict(pages())[name])


@pytest.mark.parametrize(("name", "blocks"), [(n, b) for n, b in pages() if b])
def test_every_block_has_a_language_and_every_comment_a_meaning(name, blocks):
    for block in blocks:
        assert block.language, f"{block.place} has no language; `text` is one"
        for note in block.notes:
            known = (
                r'(not run|not run where ".+?"|run first|run \w+ with|run with|file|changes): \S.*'
            )
            assert re.fullmatch(known, note, re.DOTALL), f"{block.place}: <!-- {note} -->"


def test_the_tutorial_ends_with_the_example(tmp_path):
    for block in dict(pages())["docs/tutorial.md"]:
        if written := block.file_after(tmp_path):
            (tmp_path / written[0]).write_text(written[1])
    for name in ("coffee_shop.py", "coffee_shop.yaml"):
        made, example = (tmp_path / name).read_text(), (ROOT / "docs/examples" / name).read_text()
        assert same_code(made, example) if name.endswith(".py") else made == example


def test_a_block_that_cannot_run_has_to_say_why(execute):
    page = "```console\n$ make test\n```\n"
    with pytest.raises(AssertionError, match="page:1: `make test` neither runs nor says why not"):
        execute(blocks_of(page, "page"))
    execute(blocks_of("<!-- not run: it takes minutes -->\n" + page, "page"))
    with pytest.raises(AssertionError):
        execute(blocks_of("<!-- not run: -->\n" + page, "page"))


def test_only_the_lines_with_a_text_are_left_out(execute):
    page = '<!-- not run where "make": it takes minutes -->\n'
    page += "```console\n$ make test\n$ starec nonsense\n```\n"
    with pytest.raises(AssertionError, match="page:2: `starec nonsense` ended with 2"):
        execute(blocks_of(page, "page"))


def test_a_block_of_python_that_fails_fails(execute):
    execute(blocks_of("```python\nx = 1\n```\n\n```python\nassert x == 1\n```\n", "page"))
    with pytest.raises(ZeroDivisionError):
        execute(blocks_of("```python\n1 / 0\n```\n", "page"))
