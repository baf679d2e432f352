"""`starec graph`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from starec_sim.cli.options import Answer, AsJson


def graph(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="An agent; `starec plugins` lists them.")
    ] = "star",
    mermaid: Annotated[
        bool, typer.Option("--mermaid", help="As a text in Mermaid (this is the default).")
    ] = False,
    png: Annotated[
        Path | None, typer.Option(metavar="FILE", help="As a picture, drawn by Graphviz.")
    ] = None,
    as_json: AsJson = False,
) -> Answer:
    """Draw the graph of an agent: its nodes, and the ways between them.

    For example: starec graph star
    """
    from starec_sim.agent import DrawnAgent
    from starec_sim.boundary import checked_agent
    from starec_sim.build import build_agent
    from starec_sim.errors import ConfigError
    from starec_sim.runs.folder import is_run

    if mermaid and png is not None:
        raise ConfigError("--mermaid and --png are two forms", hint="pass one of them")
    if is_run(Path(name)):
        raise ConfigError(
            f"{name} is a run, and the graph is that of an agent",
            hint=f"the agent stands in {name}/config.yaml; e.g. starec graph star",
        )
    agent = checked_agent(build_agent({"use": name})).plugin
    if not isinstance(agent, DrawnAgent):
        raise ConfigError(
            f"the agent {name} has no graph that can be drawn",
            hint="an agent with the methods `mermaid` and `edges` has one",
        )
    if png is not None:
        _write_png(agent.edges(), png, name)
        if not as_json:
            print(f"{png}: the graph of {name}")
        return {"agent": name, "png": str(png)} if as_json else None
    text = agent.mermaid()
    if as_json:
        return {"agent": name, "mermaid": text, "edges": [list(edge) for edge in agent.edges()]}
    print(text.strip())
    return None


def _write_png(edges: Sequence[tuple[str, str, bool]], file: Path, name: str) -> None:
    """Draw edges with the program `dot`; those of several ways are dashed."""
    import shutil
    import subprocess

    from starec_sim.errors import RunError, os_hint

    if shutil.which("dot") is None:
        raise RunError(
            "a PNG is drawn by Graphviz, and there is no program `dot`",
            hint=f"install graphviz, or draw the text of `starec graph {name}` where Mermaid is "
            "shown (GitHub, VS Code)",
        )
    lines = [
        f'"{start}" -> "{end}" [style={"dashed" if several else "solid"}]'
        for start, end, several in edges
    ]
    dot = "\n".join(["digraph {", "node [shape=box, fontname=sans]", *lines, "}"])
    drawn = subprocess.run(["dot", "-Tpng"], input=dot.encode(), capture_output=True)
    if drawn.returncode:
        raise RunError(f"dot failed: {drawn.stderr.decode(errors='replace').strip()}", hint="")
    try:
        file.write_bytes(drawn.stdout)
    except OSError as error:
        raise RunError(
            f"{file} cannot be written: {error.strerror}", hint=os_hint(error)
        ) from error
