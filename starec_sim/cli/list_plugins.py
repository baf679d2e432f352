"""`starec plugins`."""

from __future__ import annotations

from starec_sim.cli.options import Answer, AsJson


def list_plugins(as_json: AsJson = False) -> Answer:
    """List the plug-ins that an experiment can use, and whether each of them loads."""
    from starec_sim import plugins
    from starec_sim.errors import PluginError

    rows = []
    for kind in ("agents", "environments", "datasets", "recommenders", "policies"):
        for name, points in sorted(plugins.registered(kind).items()):
            problem = ""
            try:
                plugins.load(kind, name)
            except PluginError as error:
                problem = error.message
            rows += [
                {
                    "kind": kind,
                    "name": name,
                    "class": point.value,
                    "from": point.dist.name if point.dist else "",
                    "problem": problem,
                }
                for point in points
            ]
    if as_json:
        return {"plugins": rows}
    _print(rows)
    return None


def _print(rows: list[dict[str, str]]) -> None:
    from itertools import groupby

    from rich.text import Text

    from starec_sim.cli.tables import one_line
    from starec_sim.cli.visible_console import console
    from starec_sim.visible_text import visible

    out = console()
    width = max((len(row["name"]) for row in rows), default=0)
    for kind, members in groupby(rows, key=lambda row: row["kind"]):
        out.print(kind, style="bold")
        for row in members:
            source = "" if row["from"] == "starec-sim" else f"   from {row['from']}"
            room = max(20, out.width - width - 4 - len(source))
            name = Text(f"  {visible(row['name']):<{width}}  ")
            out.print(name + one_line(row["class"], room, "dim") + Text(source), soft_wrap=True)
            if row["problem"]:
                out.print(
                    Text(f"  {'':<{width}}  {visible(row['problem'])}", "red"), soft_wrap=True
                )
