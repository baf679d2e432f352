"""Build the documentation site from the pages of the repository.

The pages are the same files that one reads in the repository: `README.md`, `docs/`, the pages of
the experiments, and every page they link to. They are copied to `build/pages` under their paths,
so that relative links stay true, and zensical turns them into `build/site`. Every warning is an
error. So is a page that `nav` in `zensical.toml` leaves out, unless it is only reached by links.

Usage: python docs/build_site.py
"""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from plugin_settings import with_settings

ROOT = Path(__file__).resolve().parents[1]
FIRST = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "docs/**/*.md", "experiments/*/README.md")
LINK = re.compile(r"(\]\(|<img src=\")([^)\"#\s]+)")


def build(root: Path) -> None:
    """Copy the pages below `root` and build the site.

    Raises:
        SystemExit: if a page is missing in the navigation, or zensical warns.
    """
    pages = root / "build" / "pages"
    shutil.rmtree(pages, ignore_errors=True)
    copy_pages(root, pages)
    shutil.copytree(root / "docs" / "assets", pages / "docs" / "assets", dirs_exist_ok=True)
    settings = with_folders_listed((root / "zensical.toml").read_text(), root)
    named = set(names(tomllib.loads(settings)["project"]["nav"]))
    missing = sorted({str(page.relative_to(root)) for page in first(root)} - named)
    if missing:
        sys.exit(
            f"error: zensical.toml names no place for {', '.join(missing)}\n"
            "hint: add each page to `nav` in zensical.toml"
        )
    (root / "build" / "zensical.toml").write_text(settings)
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    sys.exit(subprocess.run(command, cwd=root / "build").returncode)


def with_folders_listed(settings: str, root: Path) -> str:
    """Return the settings with a list of pages and titles for each `"FOLDER/*.md"`."""

    def listed(match: re.Match[str]) -> str:
        pages = sorted(root.glob(match[1]))
        entries = [
            f'{{ {json.dumps(title(page))} = "{page.relative_to(root)}" }}' for page in pages
        ]
        return f"[{', '.join(entries)}]"

    return re.sub(r'"([\w/]+/\*\.md)"', listed, settings)


def title(page: Path) -> str:
    """Return the first heading of a page, with the number of its file."""
    heading = re.search(r"^# (.+)$", page.read_text(), re.MULTILINE)
    number = re.match(r"\d+", page.name)
    return f"{number[0] + ' ' if number else ''}{heading[1] if heading else page.stem}"


def first(root: Path) -> list[Path]:
    """Return the pages of the navigation."""
    return [page for pattern in FIRST for page in sorted(root.glob(pattern))]


def copy_pages(root: Path, pages: Path) -> None:
    """Copy every page to the folder `pages`, with the pages, pictures and files it links to."""
    waiting = first(root)
    done: set[Path] = set()
    while waiting:
        page = waiting.pop()
        if page in done:
            continue
        done.add(page)
        text, targets = with_pages_for_folders(page)
        place(pages / page.relative_to(root)).write_text(text)
        for target in targets:
            if target.suffix == ".md":
                waiting.append(target)
            elif target.is_file():
                shutil.copy(target, place(pages / target.relative_to(root)))


def with_pages_for_folders(page: Path) -> tuple[str, list[Path]]:
    """Return a page's text, where a link to a folder leads to its README, and what it links to."""
    targets = []

    def lead(match: re.Match[str]) -> str:
        before, link = match.groups()
        target = (page.parent / link).resolve()
        if "://" in link or not target.exists():
            return match[0]
        if (target / "README.md").is_file():
            target, link = target / "README.md", f"{link.rstrip('/')}/README.md"
        targets.append(target)
        return f"{before}{link}"

    parts = re.split(r"(^```.*?^```$)", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    text = [part if part.startswith("```") else LINK.sub(lead, part) for part in parts]
    return with_settings("".join(text)), targets


def place(path: Path) -> Path:
    """Return a path whose folder exists."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def names(nav: list[object]) -> Iterator[str]:
    """Yield the pages that the navigation names."""
    waiting = [*nav]
    while waiting:
        entry = waiting.pop()
        if isinstance(entry, str):
            yield entry
        elif isinstance(entry, dict):
            waiting += entry.values()
        elif isinstance(entry, list):
            waiting += entry


if __name__ == "__main__":
    build(ROOT)
