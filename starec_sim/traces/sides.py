"""The two sides of a comparison: arms of one run or of two, or two versions of a training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from starec_sim.errors import RunError, did_you_mean
from starec_sim.learning.trials import FIRST_VALIDATION_TRIAL, is_validation
from starec_sim.runs.manifest import Manifest, read_manifest
from starec_sim.runs.reader import Reader, RecordedTrial


@dataclass(frozen=True, slots=True)
class Choice:
    """What a user says about one side."""

    arm: str | None = None
    version: int | None = None
    """Steps of a training after which a validation was played."""


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison."""

    folder: Path
    manifest: Manifest
    arm: str
    trials: tuple[RecordedTrial, ...]
    """The trials of the arm in which a round is committed, in the order of their seeds."""
    other_arms: tuple[str, ...]


def read_sides(
    a: Reader, b: Reader, chosen_a: Choice, chosen_b: Choice, same_run: bool
) -> tuple[Side, Side]:
    """Return the sides of a comparison.

    Without a choice, the first arm that both runs have is compared, or the first arm of each if
    they have none in common; of one run its first two arms; of two trainings their last
    validations; and of one training its first validation with its last one.

    Args:
        a: The record of the first side.
        b: The record of the second side.
        chosen_a: What is said about the first side.
        chosen_b: What is said about the second side.
        same_run: Whether both sides are of one run.

    Raises:
        RunError: There is no such arm or version, nothing is recorded yet, or both sides are the
            same.
    """
    of_a, of_b = _begun(a), _begun(b)
    shared = [trial.arm for trial in of_a if trial.arm in {t.arm for t in of_b}]
    default = shared[0] if shared and not same_run else None
    side_a = _side(a, of_a, chosen_a, default, first=same_run)
    second = next((trial.arm for trial in of_b if trial.arm != of_b[0].arm), None)
    side_b = _side(b, of_b, chosen_b, second if same_run else default, first=False)
    if same_run and side_a.arm == side_b.arm:
        arms = list(dict.fromkeys(trial.arm for trial in of_a))
        waiting = [arm for arm in side_a.manifest.arms if arm not in arms]
        what = f'the arm "{arms[0]}" alone' if len(arms) == 1 else f"the arms {', '.join(arms)}"
        what += f"; no round of {', '.join(waiting)} is over yet" if waiting else ""
        raise RunError(
            f'both sides are the arm "{side_a.arm}" of {side_a.folder}; it has {what}',
            hint="name a second run, or two arms with --arm A --arm-b B",
        )
    return side_a, side_b


def _begun(reader: Reader) -> list[RecordedTrial]:
    trials = [trial for trial in reader.trials() if trial.rounds]
    if not trials:
        raise RunError(
            f"no round of {reader.path.parent} is over yet", hint="wait until one is committed"
        )
    return trials


def _side(
    reader: Reader,
    trials: list[RecordedTrial],
    chosen: Choice,
    default: str | None,
    first: bool,
) -> Side:
    folder = reader.path.parent
    manifest = read_manifest(folder)
    arms = list(dict.fromkeys(trial.arm for trial in trials))
    if chosen.version is not None:
        arm = _arm_of_version(trials, chosen.version, folder)
    elif chosen.arm is not None:
        if chosen.arm not in arms and chosen.arm in manifest.arms:
            raise RunError(
                f'no round of the arm "{chosen.arm}" of {folder} is over yet; '
                f"those that can be compared: {', '.join(arms)}",
                hint="wait until one is committed, or name another arm",
            )
        if chosen.arm not in arms:
            raise RunError(
                f'{folder} has no arm "{chosen.arm}"; {did_you_mean(chosen.arm, arms)}',
                hint="pass one of those to --arm or --arm-b",
            )
        arm = chosen.arm
    elif manifest.kind == "training":
        validations = [trial.arm for trial in trials if is_validation(trial.number)]
        arm = (validations or arms)[0 if first else -1]
    else:
        arm = default or arms[0]
    of_arm = sorted((trial for trial in trials if trial.arm == arm), key=lambda t: t.seed)
    return Side(
        folder, manifest, arm, tuple(of_arm), tuple(other for other in arms if other != arm)
    )


def _arm_of_version(trials: list[RecordedTrial], version: int, folder: Path) -> str:
    validations = {
        trial.number - FIRST_VALIDATION_TRIAL: trial.arm
        for trial in trials
        if is_validation(trial.number)
    }
    if version in validations:
        return validations[version]
    if not validations:
        raise RunError(
            f"{folder} holds no validation: it is no training, or none was played yet",
            hint="compare arms with --arm; `starec runs` lists the trainings",
        )
    steps = ", ".join(map(str, sorted(validations)))
    raise RunError(
        f"{folder} has no validation after {version} steps; there are those after {steps}",
        hint="pass one of those to --version or --version-b",
    )
