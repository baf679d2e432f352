"""`starec check`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from starec_sim.cli.options import Answer, AsJson

if TYPE_CHECKING:
    from starec_sim.checks.kinds import Result

_EXAMPLE = "e.g. --set shown=4, or --set data.users=50 for its data"
_STYLES = {"passed": "green", "failed": "bold red", "not made": "yellow"}


def check(
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET", help="file.py:Class, package.module:Class, or a registered name."
        ),
    ],
    kind: Annotated[
        str,
        typer.Option(
            metavar="KIND", help="environment, agent, ...; if the class does not show it."
        ),
    ] = "",
    data: Annotated[
        str | None,
        typer.Option(metavar="DATA", help="The data that an environment is built on."),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A setting of the plug-in, or data.KEY."),
    ] = None,
    as_json: AsJson = False,
) -> Answer:
    """Check a plug-in: determinism, purity, state, values, leaks, time and memory.

    For example: starec check my_world.py:MyWorld
    """
    from starec_sim.checks.find import find
    from starec_sim.checks.kinds import run_checks
    from starec_sim.errors import ConfigError, PluginError
    from starec_sim.settings import HINT
    from starec_sim.yaml_files import key_value_pairs, put_all

    pairs = key_value_pairs(changes or (), "--set", _EXAMPLE)
    of_data = [(key[5:], value) for key, value in pairs if key.startswith("data.")]
    settings: dict[str, Any] = {}
    put_all(settings, [pair for pair in pairs if not pair[0].startswith("data.")])
    try:
        found = find(target, kind, settings, _read_data(data, of_data))
    except (ConfigError, PluginError) as error:
        hint = _EXAMPLE if error.hint == HINT else error.hint
        said = error.message.removeprefix("target.use: ")
        said = re.sub(r"^target\.(?!py\b)", "--set ", said, flags=re.MULTILINE)
        raise type(error)(said, hint=hint) from None
    results = run_checks(found)
    if as_json:
        made = list(results)
        return {
            "target": target,
            "kind": found.kind,
            "checks": [result._asdict() for result in made],
            "status": "failed" if any(r.state == "failed" for r in made) else "finished",
        }
    if _print(f"{found.kind} {target}", results):
        raise typer.Exit(2)
    return None


def _read_data(data: str | None, changes: list[tuple[str, Any]]) -> dict[str, Any] | None:
    """Return the spec of the data; None without any."""
    from starec_sim.data_specs import data_spec
    from starec_sim.errors import ConfigError

    if data is not None:
        return data_spec(data, changes)
    if changes:
        raise ConfigError(
            f"--set data.{changes[0][0]}: there is no --data to which this could belong",
            hint="add --data PATH, or --data synthetic",
        )
    return None


def _print(title: str, results: Iterable[Result]) -> int:
    """Print each result when it is there, and return how many checks failed."""
    from rich.text import Text

    from starec_sim.cli.visible_console import console
    from starec_sim.visible_text import visible

    out = console()
    out.print(visible(title), style="bold")
    count = failed = not_made = 0
    for result in results:
        count += 1
        if result.state == "not made":
            not_made += 1
            continue
        line = Text.assemble("  ", (f"{result.state:<8}", _STYLES[result.state]), "  ", result.name)
        if result.state == "failed":
            failed += 1
            line.append(f"\n            {visible(result.note)}")
            line.append(f"\n            hint: {visible(result.hint)}")
        elif result.note:
            line.append(f"   {visible(result.note)}", "dim")
        out.print(line, soft_wrap=True)
    if not_made:
        were = "1 other check" if not_made == 1 else f"{not_made} other checks"
        out.print(Text.assemble("  ", ("not made", _STYLES["not made"]), f"  {were}"), end="")
        out.print("   a fault above is in the way", style="dim", soft_wrap=True)
    style = "red" if failed else "green"
    out.print(f"{failed} of {count} failed" if failed else f"all {count} passed", style=style)
    return failed
