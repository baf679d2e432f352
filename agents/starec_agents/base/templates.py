"""Read the templates of an agent: files that ship, and files of the user that replace them."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from string import Template

from starec_sim.errors import ConfigError, did_you_mean

SPLIT = "=== user ===\n"
"""The line of a template that ends the system message and begins the user message."""
SHARED = "starec_agents.base"
"""The package with the templates that all agents share."""


def read_templates(package: str, names: Sequence[str], folder: Path | None) -> dict[str, str]:
    """Read the templates of an agent; a file of the same name in the folder replaces one.

    Args:
        package: The agent's package, whose folder `prompts` holds its templates.
        names: The templates that the agent needs.
        folder: Holds files that replace templates; None if no template is replaced.

    Raises:
        ConfigError: The folder is missing, or holds a template that no task has, or one that lacks
            a part that its task needs.
    """
    if folder is not None:
        _check_folder(folder, names)
    texts = {}
    for name in names:
        path = files(package) / "prompts" / f"{name}.md"
        if not path.is_file():
            path = files(SHARED) / "prompts" / f"{name}.md"
        text = path.read_text("utf-8")
        if folder is not None and (folder / f"{name}.md").is_file():
            text = _replacement(folder / f"{name}.md", text)
        texts[name] = text
    return texts


def _check_folder(folder: Path, names: Sequence[str]) -> None:
    """Refuse a folder that does not exist, and files in it that would replace nothing."""
    if not folder.is_dir():
        raise ConfigError(
            f"agent.prompts: there is no folder {folder}",
            hint=f"put prompts there that replace these: {', '.join(names)} (.md)",
        )
    for path in sorted(folder.glob("*.md")):
        if path.stem not in (*names, "README"):
            raise ConfigError(
                f'agent.prompts: no prompt is called "{path.stem}" ({path})',
                hint=did_you_mean(path.stem, names),
            )


def _replacement(path: Path, shipped: str) -> str:
    """Read a replaced template, which must name the parts that the shipped one names."""
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"the prompt {path} is not UTF-8: {error}", hint="save it as UTF-8"
        ) from None
    return checked(text, shipped, f"the prompt {path}")


def checked(text: str, shipped: str, at: str) -> str:
    """Return the text of a replaced template, if it names the parts that the shipped one names.

    Args:
        text: What replaces it.
        shipped: The template that ships.
        at: Where the text is from, for messages.

    Raises:
        ConfigError: It lacks a part, or names one that nothing fills.
    """
    parts, wanted = set(Template(text).get_identifiers()), set(Template(shipped).get_identifiers())
    gone = [f"${name}" for name in sorted(wanted - parts)]
    if SPLIT in shipped and text.count(SPLIT) != 1:
        gone.append(f'one line "{SPLIT.strip()}"')
    if gone:
        raise ConfigError(
            f"{at} lacks {', '.join(gone)}",
            hint="start from the file that ships and edit that",
        )
    for name in sorted(parts - wanted):
        raise ConfigError(
            f"{at} names ${name}, which nothing fills",
            hint=f"{did_you_mean(name, wanted)} A dollar sign in the text is written $$",
        )
    return text
