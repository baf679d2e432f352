"""`starec data describe`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from starec_sim.cli.options import Answer, AsJson, DataChanges, read_data

if TYPE_CHECKING:
    from starec_sim.dataset import Dataset
    from starec_sim.holdout.filters import Cuts, Funnel


def describe(
    path: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help="A folder or file, the name of a dataset, each with settings after commas "
            "(csv,path=x.csv), or a YAML file.",
        ),
    ],
    changes: DataChanges = None,
    protocol: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Show whom a protocol evaluates: its name, or a file."),
    ] = None,
    cuts: Annotated[
        list[str] | None,
        typer.Option(
            "--cut",
            metavar="KEY=VALUE",
            help="Cut it first, e.g. min_of_user=10, iterated=true, users=1000, last=40.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Of a sample of users.")] = 0,
    as_json: AsJson = False,
) -> Answer:
    """Say what a dataset holds, what cuts leave of it, and whom a protocol evaluates.

    For example: starec data describe movielens-100k --protocol starec-20 --cut min_of_item=10
    """
    from starec_sim import plugins
    from starec_sim.cli.progress_bars import bars
    from starec_sim.holdout import HoldOut, filters, read_protocol

    spec = read_data(path, changes)
    plugin = plugins.configure("datasets", spec, "data")
    asked = read_protocol(protocol) if protocol is not None else None
    wanted = _cuts(cuts or (), asked.cuts if asked is not None else None)
    with bars():
        dataset = plugin.build().load()
    funnel = filters.cut(dataset, wanted, seed)
    facts = _facts(funnel, spec["use"], dataset)
    if asked is not None:
        holdout = HoldOut(asked.model_copy(update={"cuts": wanted}), dataset, seed)
        facts["protocol"] = {"name": asked.name, **holdout.describe()}
    if as_json:
        return facts
    _print(facts, funnel)
    return None


def _facts(funnel: Funnel, reader: str, read: Dataset) -> dict[str, Any]:
    """Return the facts of a dataset as JSON values, without those of a protocol.

    Args:
        funnel: The dataset after its cuts.
        reader: The name of its reader.
        read: The dataset before the cuts.
    """
    dataset = funnel.dataset
    return {
        "name": dataset.name,
        "reader": reader,
        "users": len(dataset.users),
        "items": len(dataset.items),
        "interactions": len(dataset.log.users),
        "density": _density(dataset),
        "attributes": sorted({name for item in dataset.items for name in item.attributes}),
        "example": dataset.items[0].title if dataset.items else None,
        "ratings": _ratings(dataset),
        "files": dict(read.files),
        "notes": dict(read.notes),
        "protocol": None,
        "funnel": [asdict(count) | {"sparsity": count.sparsity} for count in funnel.counts],
    }


def _ratings(dataset: Dataset) -> dict[str, Any]:
    """Return what the ratings are: their range and number of values in stars, and the likes."""
    import numpy as np

    from starec_sim.types import LIKED_ABOVE

    stars = dataset.log.ratings[~np.isnan(dataset.log.ratings)]
    return {
        "rated": len(stars),
        "lowest": float(stars.min()) if len(stars) else None,
        "highest": float(stars.max()) if len(stars) else None,
        "values": len(np.unique(stars)),
        "likes": int((stars > LIKED_ABOVE).sum()),
    }


def _cuts(changes: Sequence[str], start: Cuts | None) -> Cuts:
    """Return the cuts of a protocol, changed by KEY=VALUE pairs."""
    from starec_sim.errors import ConfigError
    from starec_sim.holdout.filters import Cuts
    from starec_sim.settings import validate
    from starec_sim.yaml_files import key_value_pairs

    values: dict[str, Any] = start.model_dump() if start is not None else {}
    values.update(key_value_pairs(changes, "--cut", "e.g. --cut last=40"))
    try:
        return validate(Cuts, values, "")
    except ConfigError as error:
        raise ConfigError(f"--cut {error.message}", hint="e.g. --cut last=40") from None


def _density(dataset: Dataset) -> float | None:
    cells = len(dataset.users) * len(dataset.items)
    return len(dataset.log.users) / cells if cells else None


def _ratings_in_words(ratings: dict[str, Any], interactions: int) -> str:
    unrated = interactions - ratings["rated"]
    without = f"{unrated:,} choices without a rating (each is a like)" if unrated else ""
    if not ratings["rated"]:
        return without or "none"
    low, high, values = ratings["lowest"], ratings["highest"], ratings["values"]
    stars = (
        f"{low:.3g} to {high:.3g} stars ({values:,} values)" if values > 1 else f"{low:.3g} stars"
    )
    words = f"{stars}; {ratings['likes']:,} of {ratings['rated']:,} are likes (above 3 stars)"
    return f"{words}; {without}" if without else words


def _print(facts: dict[str, Any], funnel: Funnel) -> None:
    from starec_sim.cli.tables import grid
    from starec_sim.cli.visible_console import console
    from starec_sim.visible_text import visible

    out = console()
    density = facts["density"]
    shown = {key: facts[key] for key in ("name", "reader", "example")} | {
        **{key: f"{facts[key]:,}" for key in ("users", "items", "interactions")},
        "density": f"{density:.2%}" if density is not None else "–",
        "attributes": ", ".join(facts["attributes"]) or "–",
        "ratings": _ratings_in_words(facts["ratings"], facts["interactions"]),
    }
    for name in [key for key in facts if key in shown]:
        out.print(f"{name:>13}  {visible(str(shown[name]))}")
    for file, what in facts["files"].items():
        ignored = what == "not read"
        shown_what = "" if ignored else f": {what}"
        out.print(
            f"{'not read' if ignored else 'read':>13}  {visible(file + shown_what)}",
            style="yellow" if ignored else None,
        )
    for note, count in facts["notes"].items():
        out.print(f"{'note':>13}  {visible(note)}: {count:,}", style="yellow")
    if len(funnel.counts) > 1:
        table = grid()
        table.add_row("", "users", "items", "catalogue", "interactions", "sparsity", style="bold")
        for count in funnel.counts:
            numbers = (count.users, count.items, count.catalogue, count.interactions)
            table.add_row(count.cut, *(f"{n:,}" for n in numbers), f"{count.sparsity:.2%}")
        for column in table.columns[1:]:
            column.justify = "right"
        out.print()
        out.print(table)
    if facts["protocol"] is not None:
        evaluated = grid()
        for name, value in facts["protocol"].items():
            if isinstance(value, dict):
                for why, count in value.items():
                    evaluated.add_row(f"{name}: {why}", f"{count:,}")
            elif not isinstance(value, list):
                evaluated.add_row(name, f"{value:,}" if isinstance(value, int) else visible(value))
        out.print()
        out.print(evaluated)
