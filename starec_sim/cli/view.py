"""`starec view`."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from starec_sim.cli.options import Answer, AsJson, takes_options
from starec_sim.visible_text import counted


@dataclass(frozen=True)
class ViewOptions:
    """What `starec view` takes."""

    runs: Annotated[
        str, typer.Argument(metavar="[RUNS]", help="The folder of runs, or one run.")
    ] = "runs"
    port: Annotated[
        int,
        typer.Option(min=0, max=65535, metavar="N", help="Of this machine; 0 takes a free one."),
    ] = 7575
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the address in a browser.")
    ] = True
    allow_asking: Annotated[
        bool,
        typer.Option(
            "--allow-asking",
            help="Steps may be asked again with the policies of runs that were not made here: they "
            "can run code, and send API keys to addresses. Only for runs that you trust.",
        ),
    ] = False
    bundle: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write one run as a single page, and serve nothing."),
    ] = None
    users: Annotated[
        str | None,
        typer.Option(
            metavar="IDS", help="The people in the page, with commas; else the first 50 that fit."
        ),
    ] = None
    as_json: AsJson = False


@takes_options
def view(options: ViewOptions) -> Answer:
    """Show runs in the browser, for this machine only, until Ctrl-C.

    For example: starec view, or: starec view --bundle page.html latest --users u1,u2
    """
    from starec_sim.errors import ConfigError

    if options.bundle is not None:
        return _write_bundle(options, options.bundle)
    if options.users is not None:
        raise ConfigError("--users is for --bundle", hint="add --bundle page.html")
    return _serve(options)


def _serve(options: ViewOptions) -> Answer:
    from starec_sim.viewer.app import Viewer
    from starec_sim.viewer.server import serve

    runs_dir, only = _runs(options.runs)
    viewer = Viewer(runs_dir.resolve(), only, options.port, options.allow_asking)
    where: list[str] = []

    def ready(url: str) -> None:
        where.append(url if only is None else f"{url}#/run/{_quoted(only)}")
        print(where[0], file=sys.stderr if options.as_json else sys.stdout, flush=True)
        opened = options.browser and _open(where[0])
        how = "" if opened or not options.browser else "No browser was found: open it yourself. "
        print(f"\n{how}Ctrl-C ends it.", file=sys.stderr, flush=True)

    # Ctrl-C ends the server both before and after it handles signals itself.
    with contextlib.suppress(KeyboardInterrupt):
        serve(viewer, ready)
    return {"status": "stopped", "url": where[0] if where else None} if options.as_json else None


def _runs(reference: str) -> tuple[Path, str | None]:
    """Return the folder of runs, and the name of the run that is shown alone.

    Raises:
        RunError: There are no runs.
    """
    from starec_sim.errors import RunError
    from starec_sim.runs import folder

    path = Path(reference)
    if path.is_dir() and not folder.is_run(path):
        if not folder.listed(path):
            raise RunError(
                f"{path} is no run, and holds none",
                hint="starec runs lists the runs in ./runs; a run begins with: starec run",
            )
        return path, None
    found = _one_run(reference)
    return found.resolve().parent, found.resolve().name


def _quoted(name: str) -> str:
    from urllib.parse import quote

    return quote(name, safe="")


def _open(url: str) -> bool:
    """Open an address in a browser with a window; return whether there is one."""
    import webbrowser

    linux = sys.platform.startswith("linux")
    if linux and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False  # a browser in the terminal would take its place
    try:
        return webbrowser.open(url)
    except webbrowser.Error:
        return False


def _one_run(reference: str) -> Path:
    """Return the folder of a run.

    Raises:
        RunError: There is no such run, or the folder holds several.
    """
    from starec_sim.errors import RunError
    from starec_sim.runs import folder

    path = Path(reference)
    runs = folder.listed(path) if path.is_dir() and not folder.is_run(path) else []
    if runs:
        raise RunError(
            f"{path} holds {counted(len(runs), 'run')}, and --bundle writes one",
            hint=f"name it, e.g. the newest: {shlex.quote(str(runs[-1]))}",
        )
    try:
        return folder.find(reference, Path("runs"))
    except RunError as error:  # `find` hints at an option that `view` does not have
        raise RunError(
            error.message, hint="name the folder of a run; `starec runs` lists those in ./runs"
        ) from None


def _write_bundle(options: ViewOptions, path: Path) -> Answer:
    from starec_sim.errors import ConfigError
    from starec_sim.runs.whole_file import whole_file
    from starec_sim.viewer.bundle import make_bundle

    users = [user.strip() for user in (options.users or "").split(",") if user.strip()]
    if options.users is not None and not users:
        raise ConfigError(
            f'--users "{options.users}" names nobody',
            hint="name some, e.g. --users u1,u2; without --users the first people are in the page",
        )
    run = _one_run(options.runs)
    made = make_bundle(run, users)
    with whole_file(path) as out:
        out.write(made.page)
    size = len(made.page.encode())
    if options.as_json:
        about = {"people": list(made.users), "left_out": made.left_out or None}
        return {"status": "finished", "bundle": str(path), "bytes": size, **about}
    people = "one person" if len(made.users) == 1 else f"{len(made.users):,} people"
    print(f"{path}  {size / 1e6:.1f} MB, with the steps of {people}")
    if made.left_out:
        print(made.left_out, file=sys.stderr)
    return None
