"""Evaluate contenders on candidate lists, resume an evaluation, and read its table.

The agents are run as an experiment in the folder of the evaluation. So their visits are recorded,
and `starec resume` and `starec show` work. The baselines score the same candidate lists directly.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from starec_sim.build import load_dataset
from starec_sim.errors import ConfigError, RunError
from starec_sim.evaluation import folder as files
from starec_sim.evaluation.agents import experiment_of_agents
from starec_sim.evaluation.baselines import knows_choices, rank_baseline
from starec_sim.evaluation.contenders import Contender, missing_module, plan_contenders
from starec_sim.evaluation.folder import read_settings
from starec_sim.evaluation.results import read_agent_result
from starec_sim.evaluation.settings import Evaluation
from starec_sim.evaluation.settings_file import find_unfinished
from starec_sim.evaluation.table import Table, TableRow, make_row, no_such_row
from starec_sim.evaluation.table_files import write_table_files
from starec_sim.events import RunEvents
from starec_sim.executors.drain import stop_if_draining
from starec_sim.holdout import HoldOut
from starec_sim.holdout.candidate_files import file_digest, read_candidates
from starec_sim.plugin_code import noted_code
from starec_sim.runner import config_text, play_trials, resumed_experiment
from starec_sim.runs import folder as run_folder
from starec_sim.runs.code import SAME_CODE, CodeRules, code_of, reopened
from starec_sim.runs.lifecycle import check_same_code, create_run, open_run
from starec_sim.runs.manifest import Manifest, new_manifest, read_manifest
from starec_sim.trials import Trials


def evaluate(
    evaluation: Evaluation,
    events: RunEvents | None = None,
    *,
    fresh: bool = False,
    into: Path | None = None,
) -> tuple[Path, Table]:
    """Evaluate contenders; an unfinished evaluation with the same settings is resumed.

    Args:
        evaluation: The settings.
        events: Is called at each event of the run.
        fresh: Whether to start a new evaluation even if there is an unfinished one.
        into: A further folder in which the files of the table are written.

    Returns:
        The folder and the table.

    Raises:
        StarecError: Something went wrong. The evaluation can be resumed.

    >>> import tempfile
    >>> evaluation = Evaluation(
    ...     data={"use": "synthetic", "users": 20, "items": 200},
    ...     rows=[{"name": "popularity", "recommender": "popularity"}],
    ...     runs_dir=Path(tempfile.mkdtemp()),
    ... )
    >>> folder, table = evaluate(evaluation)
    >>> [row.name for row in table.rows], sorted(table.rows[0].metrics)[0]
    (['popularity'], 'hr@1')
    """
    events = events or RunEvents()
    begun = find_unfinished(evaluation, files.SETTINGS, read_settings)
    if begun is not None and not fresh:
        allowed = evaluation.budget.model_dump(exclude_unset=True)
        against = evaluation.against
        return begun, resume(begun, events, budget=allowed, against=against, into=into)
    with noted_code() as used:
        prepared = _prepare(evaluation, into)
        agents = experiment_of_agents(evaluation, prepared.contenders)
        trials = Trials(agents) if agents is not None else None
    config = config_text(agents) if agents is not None else ""
    manifest = new_manifest(
        "evaluation",
        evaluation.name,
        [evaluation.seed],
        config,
        arms=list(trials.arms) if trials else (),
        prompts=trials.prompts() if trials else {},
        budget=evaluation.budget.model_dump(exclude_none=True),
        plugins=used,
    )
    folder = create_run(
        evaluation.runs_dir,
        manifest,
        config,
        evaluation.seed,
        lambda part: files.write_settings(part, evaluation, prepared.holdout),
    )
    return folder, _complete(folder, prepared, trials, events)


def resume(
    folder: Path,
    events: RunEvents | None = None,
    *,
    concurrency: int | None = None,
    budget: Mapping[str, float | None] | None = None,
    code: CodeRules = SAME_CODE,
    against: str | None = None,
    into: Path | None = None,
) -> Table:
    """Resume an evaluation. Of a finished one, the files of its table are written again.

    Args:
        folder: The folder of the evaluation.
        events: Is called at each event of the run.
        concurrency: Visits in progress at once, if it should change.
        budget: Keys of the budget that change, see `starec_sim.runner.resume`.
        code: Which code of plug-ins may run.
        against: The row that the files of the table compare with, if it should change.
        into: A further folder for the files of the table. It is never that of the folder, which
            somebody else may have made.

    Raises:
        RunError: The folder holds no evaluation, or one that began with other code or data.
        StarecError: Anything else went wrong.
    """
    events = events or RunEvents()
    evaluation, manifest = read_settings(folder), read_manifest(folder)
    into = None if into is None else into.absolute()
    if against is not None:
        evaluation = evaluation.model_copy(update={"against": against})
    if _has_finished_table(folder, manifest):
        table = files.read_finished_table(folder)
        _write_table_files(table, evaluation.against, folder, into)
        return table
    agents = None
    if manifest.arms:
        agents = resumed_experiment(folder, manifest, concurrency=concurrency, budget=budget)
    with reopened(folder, manifest, code) as here:
        trials = Trials(agents) if agents is not None else None
        check_same_code(manifest, trials.prompts() if trials else {})
        return _complete(here, _prepare(evaluation, into), trials, events)


def read_table(folder: Path) -> Table:
    """Return the table of an evaluation; of an unfinished one, the rows that are finished.

    Raises:
        RunError: The folder holds no evaluation, or one that is damaged.
    """
    evaluation, manifest = read_settings(folder), read_manifest(folder)
    if _has_finished_table(folder, manifest):
        return files.read_finished_table(folder)
    with run_folder.where_it_started(folder, manifest) as here, code_of(here, manifest, SAME_CODE):
        return _table(here, _prepare(evaluation))


def _has_finished_table(folder: Path, manifest: Manifest) -> bool:
    """Return whether the evaluation is finished; a table that was removed is made again."""
    return manifest.status == "finished" and files.has_table(folder)


class _Prepared(NamedTuple):
    """An evaluation with its data loaded."""

    evaluation: Evaluation
    holdout: HoldOut
    contenders: list[Contender]
    into: Path | None


def _prepare(evaluation: Evaluation, into: Path | None = None) -> _Prepared:
    """Load the dataset, draw or read the candidate lists, and list the contenders.

    Raises:
        ConfigError: There is no contender.
        RunError: The file of candidate lists was changed, or no row is called `against`.
    """
    lists = None
    dataset = load_dataset(evaluation.data)
    if evaluation.candidates is not None:
        if file_digest(evaluation.candidates) != evaluation.candidates_sha256:
            raise RunError(
                f"{evaluation.candidates} is not the file of candidates that this began with",
                hint="put it back as it was, or start a new evaluation",
            )
        lists = read_candidates(evaluation.candidates)
    holdout = HoldOut(evaluation.protocol, dataset, evaluation.seed, lists)
    contenders = plan_contenders(evaluation.rows, evaluation.policies, truth=knows_choices(holdout))
    if not contenders:
        raise ConfigError(
            "there is no row to compute: all rows are of agents, and no policy was named",
            hint="name a policy, e.g. starec eval lexical",
        )
    names = [contender.name for contender in contenders]
    if evaluation.against is not None and evaluation.against not in names:
        raise no_such_row(evaluation.against, names)
    return _Prepared(evaluation, holdout, contenders, into)


def find_table(evaluation: Evaluation) -> Table | None:
    """Return the table of the first finished evaluation with the same settings, if there is one.

    Args:
        evaluation: The settings; `runs_dir` is where it looks.

    Raises:
        RunError: A finished evaluation there is damaged.
    """
    for folder in run_folder.listed(evaluation.runs_dir):
        if (
            (folder / files.SETTINGS).is_file()
            and _has_finished_table(folder, read_manifest(folder))
            and read_settings(folder).key == evaluation.key
        ):
            return read_table(folder)
    return None


def _complete(folder: Path, prepared: _Prepared, trials: Trials | None, events: RunEvents) -> Table:
    """Play the agents, rank with the baselines that have no stored ranks, and write the table."""
    waiting = [
        (number, contender)
        for number, contender in enumerate(prepared.contenders)
        if contender.spec.agent is None and not files.has_ranks(folder, number)
    ]
    with open_run(
        folder,
        phrases=trials.builder.phrases() if trials else (),
        budget=trials.experiment.budget if trials else prepared.evaluation.budget,
    ) as run:
        if trials is not None:
            play_trials(run, trials, events)
        else:
            run.begin()
            events.run_started(folder, None)
        events.baselines_started(len(waiting))
        for number, contender in waiting:
            stop_if_draining()
            start = time.perf_counter()
            files.write_ranks(folder, number, rank_baseline(contender.spec, prepared.holdout))
            events.baseline_finished(contender.name, time.perf_counter() - start)
        table = _table(folder, prepared)
        files.write_table(folder, table)
        _write_table_files(table, prepared.evaluation.against, folder, prepared.into)
        run.manifest.table = table.digest
    return table


def _write_table_files(table: Table, against: str | None, folder: Path, into: Path | None) -> None:
    """Write the table in all formats into the folder of the evaluation, and into the further one.

    This happens before the evaluation is finished: one that is killed before it is resumed.
    """
    for place in (folder, into):
        if place is not None:
            write_table_files(table, place, against)


def _table(folder: Path, prepared: _Prepared) -> Table:
    """Return the table of the contenders whose ranks are known."""
    evaluation, holdout, contenders, _ = prepared
    rows: list[TableRow] = []
    unfinished: list[str] = []
    digest = hashlib.sha256(holdout.digest.encode())
    for number, contender in enumerate(contenders):
        row = _row(folder, number, contender, evaluation, holdout)
        if row is None:
            unfinished.append(contender.name)
            continue
        ranks = files.read_ranks(folder, number)
        digest.update(contender.name.encode() + ranks.best.tobytes() + ranks.worst.tobytes())
        rows.append(row)
    about = {
        "protocol": evaluation.protocol.model_dump(mode="json"),
        "dataset": holdout.dataset.name,
        "data": evaluation.data,
        "seed": evaluation.seed,
        "counts": holdout.describe(),
        "exam": holdout.digest,  # what hold-outs were called in 0.1.0; stored tables keep the name
        "left out": _left_out(evaluation),
    }
    users = tuple(holdout.dataset.users[row].id for row in holdout.rows)
    return Table(tuple(rows), about, users, digest.hexdigest(), tuple(unfinished))


def _left_out(evaluation: Evaluation) -> dict[str, str]:
    """Return the reason for each contender that cannot be evaluated here."""
    missing = {spec.name: missing_module(spec) for spec in evaluation.rows}
    return {name: f"needs {module}" for name, module in missing.items() if module}


def _row(
    folder: Path, number: int, contender: Contender, evaluation: Evaluation, holdout: HoldOut
) -> TableRow | None:
    """Return the row of a contender, whose ranks are then stored; None if it is unfinished."""
    protocol = evaluation.protocol
    counters: Mapping[str, int] = {"rankings": holdout.answers.size * protocol.draws}
    costs: Mapping[str, float | None] = {}
    if contender.spec.agent is not None:
        result = read_agent_result(folder, contender.name, holdout)
        if result is None:
            return None
        ranks, counters, costs = result
        files.write_ranks(folder, number, ranks)
    elif files.has_ranks(folder, number):
        ranks = files.read_ranks(folder, number)
    else:
        return None
    return make_row(contender, ranks, protocol.at, protocol.candidates, counters, costs)
