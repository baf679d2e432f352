"""Export the record of a run: a table of turns to train on, a table of impressions to analyse.

A row of the table of turns has the token ids of prompt and completion, the log-probabilities, the
mask of the ids that a trainer learns from, the group and the reward. `docs/export.md` maps its
columns to those of TRL and verl.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from starec_sim.errors import RunError, did_you_mean
from starec_sim.runs.attempts import BRANCH
from starec_sim.runs.reader import Reader, RecordedStep, RecordedTrial, reading, trials_of
from starec_sim.runs.tables import ColumnType, TableRow, write_rows
from starec_sim.types import Experience, Turn, User, acts_by_item

_TURN: dict[str, ColumnType] = {
    "arm": "text",
    "seed": "integer",
    "round": "integer",
    "user": "text",
    "step": "integer",
    "node": "text",
    "attempt": "integer",
    "policy": "text",
    "prompt": "messages",
    "completion": "messages",
    "prompt_ids": "integers",
    "completion_ids": "integers",
    "completion_mask": "integers",
    "logprobs": "numbers",
    "version": "text",
    "temperature": "number",
    "top_p": "number",
    "group": "text",
    "group_id": "integer",
    "error": "text",
    "reward": "number",
}
_IMPRESSION: dict[str, ColumnType] = {
    "arm": "text",
    "seed": "integer",
    "round": "integer",
    "user": "text",
    "step": "integer",
    "place": "integer",
    "item": "text",
    "title": "text",
    "watched": "truth",
    "expected": "number",
    "action": "text",
    "rank": "integer",
    "chosen": "truth",
    "lived": "number",
    "slow": "truth",
}


class Exported(NamedTuple):
    """The file that an export wrote, and its counts."""

    file: Path
    rows: int
    left_out: int = 0
    """Turns without tokens, which have no row."""
    groups: int = 0


def export_turns(
    run: Path,
    file: Path,
    *,
    arm: str | None = None,
    seed: int | None = None,
    reward: str | None = None,
) -> Exported:
    """Write a row for each turn that has tokens, as Parquet or JSON lines.

    Args:
        run: The run's folder.
        file: Its suffix, `.parquet` or `.jsonl`, selects the format.
        arm: Only this arm.
        seed: Only this seed.
        reward: The component of the reward in the column `reward`; the first one when None.

    Raises:
        RunError: There are no such turns or components, or the file cannot be written.
    """
    with reading(run) as reader:
        reader.require("everything", "`starec export --turns`")
        trials = trials_of(reader, arm, seed)
        components = reader.rewards()
        if reward is not None and reward not in components:
            raise RunError(
                f'no reward of this run is called "{reward}"; {did_you_mean(reward, components)}',
                hint="pass one of those to --reward",
            )
        rewards: dict[str, ColumnType] = {f"reward_{name}": "number" for name in components}
        kinds = _TURN | rewards
        rows = _TurnRows(reader, trials, reward)
        written = write_rows(file, kinds, rows.rows())
    if not written:
        raise RunError(
            f"none of the {rows.left_out} turns of {run} has its tokens",
            hint="the policy must report them: `local` does, `openai` with token_ids: true",
        )
    return Exported(file, written, rows.left_out, len(rows.groups))


def export_impressions(
    run: Path, file: Path, *, arm: str | None = None, seed: int | None = None
) -> Exported:
    """Write a row for each item shown in each step, as CSV, Parquet or JSON lines.

    Args:
        run: The run's folder.
        file: Its suffix, `.csv`, `.parquet` or `.jsonl`, selects the format.
        arm: Only this arm.
        seed: Only this seed.

    Raises:
        RunError: There is no such trial, nothing was shown, or the file cannot be written.
    """
    with reading(run) as reader:
        reader.require("decisions", "`starec export --impressions`")
        trials = trials_of(reader, arm, seed)
        rows = (row for trial in trials for row in _impressions(reader, trial))
        written = write_rows(file, _IMPRESSION, rows)
    if not written:
        raise RunError(f"nothing was shown in {run} yet", hint="wait until a round is committed")
    return Exported(file, written)


class _TurnRows:
    """Makes the rows of turns, and counts the turns without tokens and the groups."""

    def __init__(self, reader: Reader, trials: Sequence[RecordedTrial], reward: str | None) -> None:
        self._reader, self._trials, self._reward = reader, trials, reward
        self.left_out = 0
        self.groups: dict[str, int] = {}

    def rows(self) -> Iterator[TableRow]:
        for trial in self._trials:
            for number, user in self._reader.users(trial):
                for step in self._reader.steps(trial, number):
                    for turn in step.turns:
                        if turn.tokens is None:
                            self.left_out += 1
                        else:
                            yield self._row(trial, user, step, turn)

    def _row(self, trial: RecordedTrial, user: User, step: RecordedStep, turn: Turn) -> TableRow:
        tokens = turn.tokens
        assert tokens is not None
        # The feedback rewards the decision, which the fast node made; the slow node runs after it.
        # Nobody acted on the other answers of a training, so there is no feedback on them.
        decided = turn.node == "fast" and turn.attempt < BRANCH
        rewards = step.feedback.reward if decided else {}
        return {
            "arm": trial.arm,
            "seed": trial.seed,
            "round": step.round,
            "user": user.id,
            "step": step.step,
            "node": turn.node,
            "attempt": turn.attempt,
            "policy": turn.policy,
            "prompt": [{"role": role, "content": text} for role, text in turn.messages],
            "completion": [{"role": "assistant", "content": turn.completion}],
            "prompt_ids": tokens.prompt,
            "completion_ids": tokens.completion,
            "completion_mask": (1,) * len(tokens.completion),
            "logprobs": tokens.logprobs,
            "version": tokens.version,
            "temperature": tokens.sampling.get("temperature"),
            "top_p": tokens.sampling.get("top_p"),
            "group": tokens.group,
            "group_id": self.groups.setdefault(tokens.group, len(self.groups)),
            "error": turn.error,
            "reward": rewards.get(self._reward or next(iter(rewards), "")),
            **{f"reward_{name}": value for name, value in rewards.items()},
        }


def _impressions(reader: Reader, trial: RecordedTrial) -> Iterator[TableRow]:
    for number, user in reader.users(trial):
        for step in reader.steps(trial, number):
            yield from _impressions_of_step(reader, trial, user, step)


def _impressions_of_step(
    reader: Reader, trial: RecordedTrial, user: User, step: RecordedStep
) -> Iterator[TableRow]:
    slate, decision, feedback = step.observation.slate, step.decision, step.feedback
    items = reader.items(trial, slate)
    task = step.observation.task
    acts = acts_by_item(task, decision.actions)
    experiences: dict[int, Experience] = {e.item: e for e in feedback.experiences}
    for place, item in enumerate(slate, 1):
        act = acts.get(item)
        row: dict[str, Any] = {
            "arm": trial.arm,
            "seed": trial.seed,
            "round": step.round,
            "user": user.id,
            "step": step.step,
            "place": place,
            "item": items[item].id,
            "title": items[item].title,
            "lived": experiences[item].rating if item in experiences else None,
            "slow": step.verdict.slow,
        }
        if task.ranks:
            row |= {"rank": decision.rank_of(item), "chosen": item == feedback.target}
        elif act is not None:
            row |= {"watched": act.done, "expected": act.stars, "action": act.said}
        yield row
