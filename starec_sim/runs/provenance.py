"""The provenance of a run: versions of packages, the platform, the commit of the code."""

from __future__ import annotations

import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pydantic import BaseModel

_PACKAGES = (
    "starec-sim",
    "langgraph",
    "langchain-core",
    "openai",
    "numpy",
    "scipy",
    "implicit",
    "torch",
    "transformers",
    "peft",
)


class Commit(BaseModel):
    """The state of the checkout that the code runs from."""

    commit: str
    clean: bool
    """Whether no file differs from the commit."""


class Provenance(BaseModel):
    """The software and the platform that a run was made with."""

    python: str = ""
    platform: str = ""
    versions: dict[str, str] = {}
    """Installed versions by package."""
    git: Commit | None = None
    """None when the code was installed from a package."""


def provenance() -> Provenance:
    """Return the software and the platform of this process."""
    return Provenance(
        python=platform.python_version(),
        platform=platform.platform(),
        versions=package_versions(),
        git=_commit(),
    )


def package_versions() -> dict[str, str]:
    """Return the installed versions of the packages that results may depend on."""
    return dict(_versions())


@cache
def _versions() -> dict[str, str]:
    """Read them once, which takes some milliseconds for each: every run and worker names them."""
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


@cache
def _commit() -> Commit | None:
    """Ask git once: the code of this process is that which was imported."""
    here = Path(__file__).resolve()

    def ask(*command: str) -> str:
        return subprocess.run(
            ["git", "-C", str(here.parent), *command],
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        ).stdout.strip()

    try:
        # An installed copy may lie inside another project's checkout. Its commit is not ours.
        ask("ls-files", "--error-unmatch", here.name)
        return Commit(commit=ask("rev-parse", "HEAD"), clean=not ask("status", "--porcelain"))
    except (OSError, subprocess.SubprocessError):
        return None
