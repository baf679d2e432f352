"""Fork a run: keep its first rounds, change something, and play the rounds after them again.

The first rounds are replayed from the record, so no model is asked and they are the same to the
digest. The later rounds have the same random numbers as those of the run. So what is different
there is the effect of the change.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from starec_sim.errors import ConfigError, PluginError, RunError, did_you_mean
from starec_sim.events import RunEvents
from starec_sim.experiment import Experiment, recorded_experiment
from starec_sim.runner import RunResult, run
from starec_sim.runs.code import CodeRules, reopened
from starec_sim.runs.lifecycle import check_same_code
from starec_sim.runs.manifest import read_manifest
from starec_sim.runs.reader import reading
from starec_sim.settings import HINT, validate
from starec_sim.traces.compare import Comparison, compare
from starec_sim.traces.sides import Choice
from starec_sim.traces.values import as_json
from starec_sim.yaml_files import key_value_pairs, read_spec, two_values

_MEMORY, _SLATE, _PLACE = "memory.", "slate.", "runs_dir="
_EXAMPLE = "e.g. --set environment.recommender.use=random"
_EVENT = "e.g. --event remove,attribute=genre,value=Drama"
_OPTION = {
    **{"set": "--set ", "event": "--event "},
    **{"memory": "--set memory.", "slate": "--set slate."},
}
_IN_SCHEDULE = re.compile(
    rf"^(?:arms\..+?\.)?schedule\.\d+\.({'|'.join(_OPTION)})(\.?)", re.MULTILINE
)


class ForkResult(NamedTuple):
    """A finished fork, and how it differs from the run."""

    run: RunResult
    effects: Mapping[str, Comparison]
    """By arm: the run is side A, the fork side B; metrics are those of the rounds after."""

    def as_json(self) -> dict[str, Any]:
        """Return the result as JSON values."""
        return {**self.run.as_json(), "effects": effects_as_json(self.effects)}


def fork(
    folder: str | Path,
    at_round: int,
    changes: Sequence[str],
    *,
    scheduled: Sequence[str] = (),
    arm: str | None = None,
    events: RunEvents | None = None,
    trust: bool = False,
    allow_changed_code: bool = False,
) -> ForkResult:
    """Play a recorded run on from one of its rounds, with something changed, in a new folder.

    Args:
        folder: The recorded run.
        at_round: The last round that is the same, from 1.
        changes: `key=value` pairs that hold from the next round on, of `environment`, `agent` and
            `policies`. `rounds=N` sets how many rounds the fork has in all; `memory.USER=TEXT`
            replaces what a user has written of herself; `slate.USER=ITEM,ITEM` is what she sees
            first in that round. `runs_dir=FOLDER` is where the fork is written, in place of beside
            the run.
        scheduled: Events that happen at the beginning of the next round, each with settings after
            commas: `remove,attribute=genre,value=Drama`.
        arm: The only arm that is forked; all when None.
        events: Is called at each event of the new run.
        trust: Whether to run code that the folder names, though it was not made here.
        allow_changed_code: Whether to go on though the code of a plug-in was changed since.

    Raises:
        ConfigError: A change is wrong, or changes nothing.
        PluginError: A change names a plug-in that is not found.
        RunError: The folder is no run, has no such round, was made by another version, or the
            replayed rounds are not those of the run.
        PausedError: The fork paused itself, and can be resumed.
        StarecError: Anything else went wrong.
    """
    recorded, code = Path(folder), CodeRules(trust, allow_changed_code)
    changes, place = _without_place(changes, recorded)
    manifest = read_manifest(recorded)
    if manifest.kind != "run":
        raise RunError(
            f"{recorded} is {_a(manifest.kind)}; only runs can be forked",
            hint="`starec runs` lists the runs with their kinds",
        )
    check_same_code(manifest, manifest.prompts)
    with reopened(recorded, manifest, code, noted=False) as here:
        kept = _one_arm(recorded_experiment(here), arm)
        planned = _planned_rounds(changes, kept.rounds)
        _check_recorded(here, kept.arms or ["main"], manifest.seeds, at_round, planned)
        experiment = _forked(kept, at_round, changes, scheduled)
        replayed = {"replay": str(here), "replay_rounds": at_round}
        gateway = experiment.gateway.model_copy(update=replayed)
        changed = {"gateway": gateway, "runs_dir": place}
        result = run(experiment.model_copy(update=changed), events)
    return ForkResult(result, effects(result.folder))


def effects(folder: Path) -> dict[str, Comparison]:
    """Return how a fork differs from its run, by arm; nothing for a run that is no fork.

    Raises:
        RunError: One of the records cannot be read.
    """
    manifest = read_manifest(folder)
    if manifest.fork_of is None:
        return {}
    recorded = Path(recorded_experiment(folder).gateway.replay or "")
    chosen = {arm: Choice(arm) for arm in manifest.arms}
    after = manifest.fork_of.round
    return {
        arm: compare(recorded, folder, choice, choice, after=after)
        for arm, choice in chosen.items()
    }


def effects_as_json(found: Mapping[str, Comparison]) -> dict[str, Any]:
    """Return for each arm the rounds that are compared, the first difference and the metrics."""
    return {
        arm: {
            "run": each.a.folder,
            "rounds": [each.rounds - each.last_rounds + 1, each.rounds],
            "first_difference": as_json(each.first_difference),
            "metrics": as_json(each.metrics),
        }
        for arm, each in found.items()
    }


def _a(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"


def _one_arm(experiment: Experiment, arm: str | None) -> Experiment:
    """Return an experiment with one of its arms, or with all."""
    names = list(experiment.arms) or ["main"]
    if arm is None:
        return experiment
    if arm not in names:
        raise RunError(
            f'the run has no arm "{arm}"; {did_you_mean(arm, names)}', hint="pass one to --arm"
        )
    arms = {name: changes for name, changes in experiment.arms.items() if name == arm}
    return experiment.model_copy(update={"arms": arms})


def _without_place(changes: Sequence[str], recorded: Path) -> tuple[list[str], Path]:
    """Return the changes without `runs_dir`, and the absolute path of where the fork is written."""
    named = _texts_by_key([text for text in changes if text.startswith(_PLACE)], "")
    place = Path(*named.values()) if named else recorded.resolve().parent
    return [text for text in changes if not text.startswith(_PLACE)], place.resolve()


def _forked(
    experiment: Experiment, at_round: int, changes: Sequence[str], scheduled: Sequence[str]
) -> Experiment:
    """Return an experiment that changes keys, or in which events happen, after a round.

    Raises:
        ConfigError: A change is wrong, or changes nothing.
        PluginError: A plug-in is not found.
    """
    # Texts and ids would be read as YAML if they were values of keys.
    memory, slates = _of_users(changes, _MEMORY), _of_users(changes, _SLATE)
    keys = [text for text in changes if not text.startswith((_MEMORY, _SLATE)) or "=" not in text]
    pairs = dict(key_value_pairs(keys, "--set", _EXAMPLE))
    rounds = pairs.pop("rounds", experiment.rounds)
    more: list[dict[str, Any]] = [{"memory": memory}] if memory else []
    if slates:
        by_user = {user: [id.strip() for id in ids.split(",")] for user, ids in slates.items()}
        more.append({"slate": by_user})
    more += [{"event": read_spec(text, "event", _EVENT)} for text in scheduled]
    if not pairs and not more:
        raise ConfigError("nothing is changed, so the fork would be the run", hint=_EXAMPLE)
    values = experiment.model_dump(mode="json")
    values["rounds"] = rounds
    values["schedule"] = _with_change(values["schedule"], at_round + 1, pairs, more)
    for of_arm in values["arms"].values():
        if "schedule" in of_arm:
            of_arm["schedule"] = _with_change(of_arm["schedule"], at_round + 1, pairs, more)
    try:
        forked = validate(Experiment, values, "", recorded=True)
        if at_round < forked.rounds:
            forked.resolve()
            return forked
    except (ConfigError, PluginError) as error:
        message = _IN_SCHEDULE.sub(
            lambda found: _OPTION[found[1]] if found[2] else _OPTION[found[1]].rstrip(" ."),
            error.message,
        )
        example = _EVENT if message.startswith("--event") else _EXAMPLE
        raise type(error)(message, hint=example if error.hint == HINT else error.hint) from None
    raise ConfigError(
        f"the fork has {forked.rounds} rounds, so none comes after round {at_round}",
        hint=f"pass a smaller --at-round, or more rounds: --set rounds={at_round + 5}",
    )


def _of_users(changes: Iterable[str], of: str) -> dict[str, str]:
    """Return the texts after `=` by user, of the changes that begin with `memory.` or `slate.`."""
    texts = (text[len(of) :] for text in changes if text.startswith(of) and "=" in text)
    return _texts_by_key(texts, of)


def _texts_by_key(texts: Iterable[str], of: str) -> dict[str, str]:
    """Return the texts after `=` by what stands before it.

    Raises:
        ConfigError: A key has two texts.
    """
    found: dict[str, str] = {}
    for key, _, text in (each.partition("=") for each in texts):
        if found.setdefault(key, text) != text:
            raise two_values("--set", f"{of}{key}", found[key], text)
    return found


def _with_change(
    schedule: Sequence[Mapping[str, Any]],
    round: int,
    pairs: Mapping[str, Any],
    more: Sequence[Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """Return a schedule with changed keys and more entries, all for one round.

    The change counts more than one that the schedule has for this round.
    """
    entries = [dict(entry) for entry in schedule]
    of_round = [entry for entry in entries if entry["round"] == round and entry.get("set")]
    if of_round:
        of_round[0]["set"] = {**of_round[0]["set"], **pairs}
    elif pairs:
        entries.append({"round": round, "set": dict(pairs)})
    return [*entries, *({"round": round, **entry} for entry in more)]


def _check_recorded(
    folder: Path, arms: Iterable[str], seeds: Sequence[int], at_round: int, planned: int
) -> None:
    """Check that every trial has recorded the rounds that the fork keeps.

    Raises:
        RunError: One has not.
    """
    with reading(folder) as reader:
        reader.require("everything", "`starec fork`")
        recorded = {(trial.arm, trial.seed): trial.rounds for trial in reader.trials()}
    for arm in arms:
        for seed in seeds:
            rounds = recorded.get((arm, seed), 0)
            if not 1 <= at_round <= rounds:
                has = f"rounds 1 to {rounds}" if rounds else "no round"
                raise RunError(
                    f'round {at_round} is not on record: arm "{arm}" with seed {seed} has {has}',
                    hint=_possible_rounds(rounds, planned)
                    if rounds
                    else f"play it first: starec resume {folder}",
                )


def _planned_rounds(changes: Sequence[str], rounds: int) -> int:
    """Return how many rounds the fork is to have: those of `rounds=N`, or of the run."""
    texts = [text.partition("=")[2] for text in changes if text.startswith("rounds=")]
    return int(texts[-1]) if texts and texts[-1].isdecimal() else rounds


def _possible_rounds(recorded: int, planned: int) -> str:
    """Return the hint about rounds at which a trial can be forked."""
    most = min(recorded, planned - 1)
    more = f"--set rounds={recorded + 5} plays more rounds, so that it can be {recorded} as well"
    last = f"1 to {most}" if most > 1 else "1"
    if most == recorded:
        return f"pass --at-round N with N from {last}"
    return f"pass --at-round N with N from {last}; {more}" if most else more
