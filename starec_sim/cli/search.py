"""`starec search`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from starec_sim.cli.options import Answer, AsJson, AsMarkdown, RunArgument, RunsDir, takes_options

if TYPE_CHECKING:
    from starec_sim.traces.search import Hit, SearchResult


@dataclass(frozen=True)
class SearchOptions:
    """What `starec search` takes."""

    run: RunArgument
    words: Annotated[
        str,
        typer.Argument(metavar="WORDS", help='Words that all occur; "\\"civil war\\"" a phrase.'),
    ]
    node: Annotated[
        str | None, typer.Option(metavar="NODE", help="Only what this node asked: fast or slow.")
    ] = None
    user: Annotated[str | None, typer.Option(metavar="ID", help="Only this user.")] = None
    arm: Annotated[str | None, typer.Option(metavar="ARM", help="Only this arm.")] = None
    limit: Annotated[
        int, typer.Option(min=1, max=1000, metavar="N", help="Texts that are printed at most.")
    ] = 20
    fts: Annotated[
        bool, typer.Option("--fts", help="WORDS are an expression of SQLite's FTS5.")
    ] = False
    runs_dir: RunsDir = Path("runs")
    as_json: AsJson = False
    as_md: AsMarkdown = False


@takes_options
def search(options: SearchOptions) -> Answer:
    """Find words in prompts, answers and summaries of a run.

    The first search of a run makes an index, search.sqlite, beside its record.

    For example: starec search latest "war film" --node slow
    """
    from starec_sim.cli.work_progress import work_progress
    from starec_sim.runs import folder
    from starec_sim.runs.levels import level_words
    from starec_sim.runs.reader import reading
    from starec_sim.traces import search as traces
    from starec_sim.traces.values import as_json

    query = traces.Query(
        options.words, options.fts, options.node, options.user, options.arm, options.limit
    )
    with reading(folder.find(options.run, options.runs_dir)) as reader, work_progress():
        found = traces.search(reader, query)
    if options.as_json:
        answer: dict[str, object] = as_json(found)
        return answer
    if options.as_md:
        print(_as_markdown(found))
    else:
        _print(found)
    if found.record == "decisions":
        typer.echo(
            f"{level_words(found.record, found.compacted)}: only summaries are searched; "
            "prompts and answers are not on record",
            err=True,
        )
    if not found.total and not options.fts:
        typer.echo("hint: all words have to occur; --fts takes word* and OR", err=True)
    return None


def _print(found: SearchResult) -> None:
    from rich.text import Text

    from starec_sim.cli.text import runnable
    from starec_sim.cli.visible_console import console

    out = console()
    out.print(_count(found), style="bold" if found.hits else "")
    for hit in found.hits:
        out.print(Text.assemble("\n", (_where(hit), "bold"), (_others(hit), "dim")), soft_wrap=True)
        parts = [(part.text, "bold yellow" if part.hit else "") for part in hit.snippet]
        out.print(Text.assemble("  ", *parts), soft_wrap=True)
        out.print(f"  {runnable(hit.command)}", style="dim", soft_wrap=True)


def _as_markdown(found: SearchResult) -> str:
    from starec_sim.cli.as_markdown import markdown_code, markdown_text

    lines = [_count(found)]
    for hit in found.hits:
        parts = [(markdown_text(part.text), part.hit) for part in hit.snippet]
        text = " ".join(f"**{text}**" if bold else text for text, bold in parts)
        lines += ["", f"- {markdown_text(_where(hit) + _others(hit))}: {text}"]
        lines.append(f"  {markdown_code(hit.command)}")
    return "\n".join(lines)


def _count(found: SearchResult) -> str:
    if not found.total:
        return f"no text matches {found.query}"
    total = f"more than {found.total:,} texts" if found.more else _texts(found.total)
    shown = len(found.hits)
    first = f"; the first {shown}" if shown < found.total else ""
    return f"{total} with {found.query}{first}"


def _texts(count: int) -> str:
    return "1 text" if count == 1 else f"{count:,} texts"


def _where(hit: Hit) -> str:
    from starec_sim.runs.attempts import attempt_text

    at = hit.at
    what = {"prompt": "prompt of", "answer": "answer of", "summary": "summary"}[hit.where]
    again = f" ({said})" if (said := attempt_text(hit.attempt)) else ""
    what = f"{what} {hit.node}".strip() + again
    return f"{at.user}, round {at.round}, step {at.step}: {what}, {at.arm}, seed {at.seed}"


def _others(hit: Hit) -> str:
    return f" (and {hit.others:,} more with the same text)" if hit.others else ""
