"""`starec interview`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from starec_sim.cli.options import (
    Answer,
    AsJson,
    BudgetChanges,
    RunArgument,
    RunsDir,
    Trust,
    budget_changes,
    takes_options,
)

if TYPE_CHECKING:
    from starec_sim.interviews import InterviewQuestion
    from starec_sim.interviews.interview import InterviewOptions


@dataclass(frozen=True)
class InterviewCommandOptions:
    """What `starec interview` takes."""

    run: RunArgument
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[USERS]... [QUESTION]",
            help="Ids of users, then the question; with --questions only ids.",
        ),
    ] = None
    scale: Annotated[
        str | None, typer.Option(metavar="LOW-HIGH", help="The answer is a whole number, e.g. 1-5.")
    ] = None
    choice: Annotated[
        str | None, typer.Option(metavar="A,B,...", help="The answer is one of these.")
    ] = None
    yes_no: Annotated[bool, typer.Option("--yes-no", help="The answer is yes or no.")] = False
    number: Annotated[bool, typer.Option("--number", help="The answer is a number.")] = False
    text: Annotated[
        int | None, typer.Option(metavar="WORDS", help="The answer is a text of at most so long.")
    ] = None
    questions: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A YAML file with the questions of a survey."),
    ] = None
    users: Annotated[
        list[str] | None,
        typer.Option(
            metavar="N|TRAIT=VALUE|IDS", help="Ask so many, those with a trait, or these."
        ),
    ] = None
    at_round: Annotated[
        int | None,
        typer.Option(metavar="N", help="Ask as they were after this round; by default the last."),
    ] = None
    by: Annotated[
        str | None, typer.Option(metavar="TRAIT|arm", help="A figure for each group of users.")
    ] = None
    arm: Annotated[
        list[str] | None,
        typer.Option(metavar="ARM", help="The users of this arm, by default the first."),
    ] = None
    seed: Annotated[int | None, typer.Option(metavar="N", help="The trial with this seed.")] = None
    policy: Annotated[
        str | None,
        typer.Option(
            metavar="POLICY",
            help="Who answers, e.g. openai,model=qwen3:8b; by default the run's node `fast`.",
        ),
    ] = None
    budget: BudgetChanges = None
    cache: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Keep answers here, and use them again.")
    ] = None
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the answers as a table.")
    ] = None
    trust: Trust = False
    runs_dir: RunsDir = Path("runs")
    as_json: AsJson = False


@takes_options
def interview(options: InterviewCommandOptions) -> Answer:
    """Ask users of a run a question, as they were after a recorded round.

    Memories and record stay as they are; the answers are kept in `interviews` beside it.

    For example: starec interview latest "How satisfied are you with what you see?" --scale 1-5
    """
    from starec_sim.cli.interview_view import (
        interview_as_json,
        print_interview,
        print_kept,
        write_csv,
    )
    from starec_sim.cli.work_progress import work_progress
    from starec_sim.interviews import answer_figures, read_interviews
    from starec_sim.interviews.interview import interview as hold
    from starec_sim.runs import folder

    run = folder.find(options.run, options.runs_dir)
    if not options.words and options.questions is None:
        _check_nothing_else(options)
        kept = read_interviews(run)
        if options.as_json:
            return {"interviews": [interview_as_json(each, options.by) for each in kept]}
        print_kept(run, kept)
        return None
    ids, questions = _questions(options, run)
    _check_groups(options, run)
    with work_progress():
        found = hold(run, questions, _options(options, ids))
    if options.csv is not None:
        write_csv(found, options.csv)
    if found.file is None:
        typer.echo(
            f"note: {run} cannot be written, so the answers are not kept; --csv FILE writes them",
            err=True,
        )
    if options.as_json:
        return interview_as_json(found, options.by)
    print_interview(found, answer_figures(found, options.by))
    return None


def _questions(
    options: InterviewCommandOptions, run: Path
) -> tuple[list[str], list[InterviewQuestion] | Path]:
    """Return the ids that stand before the question, and the questions.

    Raises:
        ConfigError: There is no question, or it has no type.
    """
    from starec_sim.errors import ConfigError
    from starec_sim.interviews.questions import read_question
    from starec_sim.runs.reader import reading

    words, types = list(options.words or ()), _types(options)
    if options.questions is not None:
        if types:
            raise ConfigError(
                f"--questions {options.questions}: each question has its type in the file",
                hint=f"leave out {', '.join('--' + name.replace('_', '-') for name in types)}",
            )
        return words, options.questions
    *ids, question = words
    with reading(run) as reader:
        if reader.rows_of_user(question):
            raise ConfigError(
                f'"{question}" is a user, and no question',
                hint=f"write the question behind it: starec interview {options.run} {question} "
                '"How satisfied are you?" --scale 1-5',
            )
    if not types:
        raise ConfigError(
            f'the question "{question}" has no type',
            hint="add one of --scale 1-5, --choice a,b,c, --yes-no, --number, --text 30",
        )
    return ids, [read_question(question, **types)]


def _types(options: InterviewCommandOptions) -> dict[str, Any]:
    choice = None if options.choice is None else tuple(options.choice.split(","))
    given = {
        "scale": options.scale,
        "choice": choice,
        "yes_no": options.yes_no or None,
        "number": options.number or None,
        "text": options.text,
    }
    return {name: value for name, value in given.items() if value is not None}


def _options(options: InterviewCommandOptions, ids: list[str]) -> InterviewOptions:
    from starec_sim.evaluation.contenders import read_policy
    from starec_sim.interviews.interview import InterviewOptions
    from starec_sim.interviews.people import read_selection

    arms = options.arm or (["all"] if options.by == "arm" else [])
    return InterviewOptions(
        users=read_selection(options.users or (), ids),
        at_round=options.at_round,
        arms=arms,
        seed=options.seed,
        policy=None if options.policy is None else read_policy(options.policy),
        budget=budget_changes(options.budget),
        cache=options.cache,
        trust=options.trust,
    )


def _check_groups(options: InterviewCommandOptions, run: Path) -> None:
    """Check `--by` before anything is asked, because answers cost money."""
    from starec_sim.interviews.figures import check_trait
    from starec_sim.runs.reader import reading

    with reading(run) as reader:
        users = reader.users(reader.trial(None, options.seed))
        check_trait(options.by, [user.profile for _, user in users])


def _check_nothing_else(options: InterviewCommandOptions) -> None:
    from starec_sim.errors import ConfigError

    if types := _types(options):
        raise ConfigError(
            f"--{next(iter(types)).replace('_', '-')} is the type of a question, and there is none",
            hint='write the question: starec interview RUN "How satisfied are you?" --scale 1-5',
        )
