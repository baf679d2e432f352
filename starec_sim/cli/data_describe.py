"""`starec data describe`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from starec_sim.cli.options import Answer, AsJson

if TYPE_CHECKING:
    from starec_sim.dataset import Dataset
    from starec_sim.holdout.filters import Cuts, Funnel


def describe(
    path: Annotated[
        str, typer.Argument(metavar="DATA", help="A folder or file, or the name of a dataset.")
    ],
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
    from starec_sim.experiment import data_spec
    from starec_sim.holdout import HoldOut, filters, read_protocol

    spec = data_spec(path)
    reader, config = plugins.configure("datasets", spec, "data")
    asked = read_protocol(protocol) if protocol is not None else None
    wanted = _cuts(cuts or (), asked.cuts if asked is not None else None)
    with bars():
        dataset = reader(config).load()
    funnel = filters.cut(dataset, wanted, seed)
    facts = _facts(funnel, spec["use"])
    if asked is not None:
        holdout = HoldOut(asked.model_copy(update={"cuts": wanted}), dataset, seed)
        facts["protocol"] = {"name": asked.name, **holdout.describe()}
    if as_json:
        return facts
    _print(facts, funnel)
    return None


def _facts(funnel: Funnel, reader: str) -> dict[str, Any]:
    """Return the facts of a dataset as JSON values, without those of a protocol."""
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
        "notes": dict(dataset.notes),
        "protocol": None,
        "funnel": [asdict(count) | {"sparsity": count.sparsity} for count in funnel.counts],
    }


def _cuts(changes: Sequence[str], start: Cuts | None) -> Cuts:
    """Return the cuts of a protocol, changed by KEY=VALUE pairs."""
    from starec_sim.errors import ConfigError
    from starec_sim.holdout.filters import Cuts
    from starec_sim.settings import validate
    from starec_sim.yaml_files import key_value

    values: dict[str, Any] = start.model_dump() if start is not None else {}
    values.update(key_value(change, "--cut", "e.g. --cut last=40") for change in changes)
    try:
        return validate(Cuts, values, "")
    except ConfigError as error:
        raise ConfigError(f"--cut {error.message}", hint="e.g. --cut last=40") from None


def _density(dataset: Dataset) -> float | None:
    cells = len(dataset.users) * len(dataset.items)
    return len(dataset.log.users) / cells if cells else None


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
    }
    for name in [key for key in facts if key in shown]:
        out.print(f"{name:>13}  {visible(str(shown[name]))}")
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
