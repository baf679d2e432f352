"""Print the plan of a run of many users."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from starec_sim.cli.ledger_view import duration
from starec_sim.cli.tables import grid
from starec_sim.cli.visible_console import console
from starec_sim.scale_plan import CARDS, KIB_ALONE, KIB_PARENT, KIB_WORKER, bytes_text
from starec_sim.visible_text import counted, visible

if TYPE_CHECKING:
    from starec_sim.experiment import Experiment
    from starec_sim.scale_plan import ScalePlan


def print_plan(experiment: Experiment, plan: ScalePlan) -> None:
    """Print what a run takes, from which measured parts, and what is assumed."""
    out, table = console(), grid()
    arms, seeds = max(1, len(experiment.arms)), experiment.replicates
    out.print(
        f"{visible(experiment.name)} with {counted(plan.users, 'user')}, executor {plan.executor}: "
        f"{counted(arms, 'arm')}, {counted(seeds, 'seed')}, "
        f"{counted(experiment.rounds, 'round')} will take about\n",
        soft_wrap=True,
    )
    for name, value in _rows(experiment, plan):
        table.add_row(f"  {name}", visible(value))
    out.print(table)
    if plan.worker_bytes:
        where = ", if models answer on cores like this one" if plan.on_cards else ""
        times = {str(workers): duration(seconds) for workers, seconds in plan.times().items()}
        _print_times(f"Time by number of workers{where}", times)
    if plan.on_cards:
        _print_cards(plan)
    for warning in plan.warnings:
        out.print(f"\nWarning: {visible(warning)}.", style="yellow", soft_wrap=True)
    out.print(f"\n{visible(_assumed(experiment, plan))}", style="dim", soft_wrap=True)


def _print_times(title: str, times: Mapping[str, str]) -> None:
    table = grid()
    for count, time in times.items():
        table.add_row(f"  {count}", time)
    console().print(f"\n{title}\n", soft_wrap=True)
    console().print(table)


def _print_cards(plan: ScalePlan) -> None:
    """Print in what time graphics cards make the answers, and where the speed is from."""
    if plan.card is None:
        why = "some answers are made elsewhere"
        if plan.all_on_cards:
            why = "no speed known for a card: give --tokens-per-second"
        console().print(f"\nTime on graphics cards: {why}", soft_wrap=True)
        return
    speeds = plan.card.least, plan.card.most
    speed = " to ".join(dict.fromkeys(f"{each:,.0f}" for each in speeds))
    title = (
        f"Time of the answers by number of graphics cards, at {speed} tokens of answers a second "
        f"each ({plan.card.origin}). Environment, metrics, record and the Python of the visits "
        "come on top"
    )
    times = {}
    for cards in CARDS:
        ends = map(duration, plan.card_seconds(cards) or ())
        times[str(cards)] = " to ".join(dict.fromkeys(ends))
    _print_times(title, times)


def _rows(experiment: Experiment, plan: ScalePlan) -> list[tuple[str, str]]:
    money = "unknown: a policy has no price" if plan.usd is None else f"${plan.usd:,.2f}"
    shared = ", shared by workers"
    waiting = shared if plan.shared_waiting else f" at concurrency {experiment.concurrency}"
    alone = ", in one process" if plan.worker_bytes else ""
    rows = [
        ("visits", f"{plan.visits:,.0f}"),
        ("calls", f"{plan.calls:,.0f}"),
        ("tokens in", f"{plan.tokens_in:,.0f}"),
        ("tokens out", f"{plan.tokens_out:,.0f}"),
        ("money", money if plan.usd != 0 else "none"),
        ("CPU of visits", f"{duration(plan.visits_s)}{shared if plan.worker_bytes else ''}"),
        ("waiting for models", f"{duration(plan.waiting_s)}{waiting}"),
        ("CPU of environment, metrics and record", f"{duration(plan.one_process_s)}{alone}"),
        (f"record ({experiment.record})", bytes_text(plan.record_bytes)),
        ("memory of the process that is started", bytes_text(plan.parent_bytes)),
    ]
    if plan.worker_bytes:
        rows.append(("memory of a worker", bytes_text(plan.worker_bytes)))
    else:
        rows.append(("time", duration(plan.seconds(1))))
    return rows


def _assumed(experiment: Experiment, plan: ScalePlan) -> str:
    """Return from what a plan is computed."""
    recorded = {
        "everything": "",
        "decisions": " The record of many visits is compressed better than that of a few.",
        "metrics": " The record keeps one memory of each user, so that of many rounds is smaller.",
    }[experiment.record]
    starts = " Starting the workers takes a few seconds more." if plan.worker_bytes else ""
    user, visit = KIB_PARENT if plan.worker_bytes else KIB_ALONE
    of_worker = f" ({KIB_WORKER[0]} and {KIB_WORKER[1]} KiB in a worker)"
    return (
        f"Measured here: {plan.measured_visits:,} visits in an experiment of "
        f"{plan.measured_users:,} users. Assumed: everything grows in proportion to the users, so "
        "an experiment of few users overstates what a round takes once; "
        "cores are as fast as this one; models answer as fast as in the dry run at any load; "
        "all visits take as long as those that were played (--play N plays more), and so does what "
        "ends a round, which overstates a recommender that is fitted there. "
        f"Memory at the peak of a round: {user} KiB a user and {visit} KiB a visit so far"
        f"{of_worker if plan.worker_bytes else ''}, as measured with a feed "
        f"(docs/performance.md).{starts}{recorded}"
    )
