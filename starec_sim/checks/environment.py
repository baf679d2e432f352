"""Checks of an environment. Each function raises what is wrong, or returns a remark."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from starec_sim.boundary.first_rounds import KEYED, WHOLE_STATE, read_only
from starec_sim.boundary.state import written_and_read
from starec_sim.boundary.values import value_text
from starec_sim.checks.environment_play import (
    ROUNDS,
    EnvironmentPlay,
    at_most,
    first_play,
    some_decision,
)
from starec_sim.checks.hidden_truth import leaked
from starec_sim.checks.target import CallPlace, CheckTarget, Journal, compare, fault
from starec_sim.environment import NamedRewards, OneTask, OwnMetrics, ScheduledSlates
from starec_sim.types import Step, Visit

_TRIED = 4
"""Decisions that are tried in one state, as a training does."""
_SLOW_S = 1.0
"""Seconds that a call may take."""


def contract(target: CheckTarget) -> str:
    """Play some rounds: every value must fit the contract, which the boundary checks."""
    play = first_play(target)
    users = len({visit.user for visits in play.visits for visit in visits})
    steps = sum(len(visit.steps) for visits in play.visits for visit in visits)
    return f"{ROUNDS} rounds, {users} users, {steps} steps"


def declarations(target: CheckTarget) -> str:
    """Compare what the class declares with what it does."""
    play = first_play(target)
    plugin, steps = play.plugin, _steps(play)
    if isinstance(plugin, OneTask):
        for step in steps:
            asked = step.observation.task
            if asked != plugin.task:
                raise fault(
                    target,
                    plugin,
                    CallPlace("observe", ""),
                    f"the task is {asked.name}, and the class declares {plugin.task.name}",
                    "declare the task that it shows, or remove the declaration",
                )
    if isinstance(plugin, OwnMetrics):
        shown = play.journal[CallPlace("end_round", f"round {ROUNDS}")]
        for name in plugin.own_metrics:
            if f'"{name}":' not in shown:
                raise fault(
                    target,
                    plugin,
                    CallPlace("end_round", f"round {ROUNDS}"),
                    f'own_metrics names "{name}", and the figures are {shown}',
                    f"name in own_metrics what {target.written(plugin, 'end_round')} returns",
                )
    if isinstance(plugin, NamedRewards) and plugin.reward_names:  # without names, none are checked
        for step in steps:
            for name in step.feedback.reward:
                if name not in plugin.reward_names:
                    raise fault(
                        target,
                        plugin,
                        CallPlace("respond", ""),
                        f'the reward has "{name}", and reward_names is {plugin.reward_names}',
                        "name in reward_names every component of Feedback.reward",
                    )
    return ""


def same_seed(target: CheckTarget) -> str:
    """Build and play it again with the same seed, and while another one is played."""
    expected = first_play(target).journal
    again = EnvironmentPlay(target).play(ROUNDS)
    compare(target, again.plugin, expected, again.journal, "built again with the same seed", KEYED)
    one, other = EnvironmentPlay(target), EnvironmentPlay(target, seed=1)
    for round in range(ROUNDS):
        one.play(1, round)
        other.play(1, round)
    compare(
        target,
        one.plugin,
        expected,
        one.journal,
        "while a second one was played beside it",
        "keep what changes in self, set in __init__: not in the class and not in the module",
    )
    return ""


def asked_again(target: CheckTarget) -> str:
    """Ask observe and respond twice, with other questions in between, and compare the state."""
    play = EnvironmentPlay(target)
    for round in range(2):
        users = play.begin(round)
        play.note_state(round - 1)
        before = dict(play.journal)
        visits = [play.visit(user, round) for user in users]
        play.note_state(round - 1)
        after = {place: text for place, text in play.journal.items() if place in before}
        how = "asked again after observe and respond"
        compare(target, play.plugin, before, after, how, _read_only(play))
        for visit in reversed(visits):
            for number in reversed(range(len(visit.steps))):
                _ask_again(target, play, visit, number)
        play.end(round, visits)
    return ""


def _ask_again(target: CheckTarget, play: EnvironmentPlay, visit: Visit, number: int) -> None:
    """Ask for one step of a visit again, after other decisions were tried in its place."""
    user, round, steps, step = visit.user, visit.round, visit.steps[:number], visit.steps[number]
    shown = step.observation
    expected = {
        play.place("observe", user, round, steps): value_text(shown),
        play.place("respond", user, round, steps): value_text(step.feedback),
    }
    for tried in range(1, _TRIED):
        play.respond(user, round, steps, shown, some_decision(shown, user, round, tried))
    play.observe(user, round, steps)
    play.respond(user, round, steps, shown, step.decision)
    journal = {place: play.journal[place] for place in expected}
    compare(target, play.plugin, expected, journal, "asked again", KEYED)


def other_order(target: CheckTarget) -> str:
    """Play the visits of a round in the other order, and in threads."""
    expected = first_play(target).journal
    reverse = EnvironmentPlay(target)
    for round in range(ROUNDS):
        visits = [reverse.visit(user, round) for user in reversed(reverse.begin(round))]
        reverse.end(round, visits[::-1])
    hint = f"{KEYED}; {_read_only(reverse)}"
    compare(target, reverse.plugin, expected, reverse.journal, "with the last user first", hint)
    play = EnvironmentPlay(target)
    users = play.begin(0)
    shown: Journal = {}

    def look(user: int) -> None:
        observation = play.checked.observe(user, ())
        decision = some_decision(observation, user, 0)
        feedback = play.checked.respond(user, (), observation, decision)
        shown[play.place("observe", user, 0, ())] = value_text(observation)
        shown[play.place("respond", user, 0, ())] = value_text(feedback)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(look, users * 3))
    expected = {place: expected[place] for place in shown}
    compare(target, play.plugin, expected, shown, "asked in several threads", hint)
    return ""


def restored(target: CheckTarget) -> str:
    """Restore a fresh and a used copy to the state after each round, and go on with it.

    The used copy has played all rounds each time, so it goes back to an earlier round.
    """
    whole = first_play(target)
    play, used = EnvironmentPlay(target), EnvironmentPlay(target).play(ROUNDS)
    for after in range(ROUNDS):
        state = play.state(after - 1)
        before = value_text(state)
        fresh = EnvironmentPlay(target)
        for other, which in ((fresh, "a fresh copy"), (used, "a copy that had played")):
            other.journal.clear()
            other.memories = dict(play.memories)
            where = CallPlace("restore", f"the state after round {after}")
            given = written_and_read(state)
            as_given = value_text(given)
            other.watch.call(where, other.checked.restore, given)
            other.play(ROUNDS - after, after)
            rest = {
                place: whole.journal[place] for place in other.journal if place in whole.journal
            }
            how = f"{which}, restored to the state after round {after}"
            compare(target, other.plugin, rest, other.journal, how, WHOLE_STATE)
            if value_text(given) != as_given:
                raise other.watch.fault(
                    where,
                    "kept the arrays that it was given, and changed them in a later round",
                    "copy them: self.sold = state['sold'].copy()",
                )
        play.play(1, after)
        if value_text(state) != before:
            raise play.watch.fault(
                CallPlace("state", f"after round {after}"),
                "the arrays that it returned changed while the next round was played",
                "return copies: {'sold': self.sold.copy()}",
            )
    return ""


def set_slates(target: CheckTarget) -> str:
    """Let a user see her slate of the second round in the other order, there and nowhere else."""
    whole = first_play(target)
    if not isinstance(whole.plugin, ScheduledSlates):
        return "the environment has no set_slates"
    slates = {visit.user: visit.steps[0].observation.slate for visit in whole.visits[1]}
    user = next((user for user, slate in slates.items() if len(slate) > 1), None)
    if user is None:
        return "nobody is shown two items in the second round"
    slate = slates[user][::-1]
    play, copy = EnvironmentPlay(target).play(1), EnvironmentPlay(target)
    place = CallPlace("set_slates", play.who(user))
    play.watch.call(place, play.checked.set_slates, {user: slate})
    copy.watch.call(place, copy.checked.restore, written_and_read(play.state(0)))
    users = play.begin(1)
    copy.begin(1)
    play.journal.clear()
    visits = [play.visit(each, 1) for each in users]  # the boundary compares the slate
    if copy.observe(user, 1, ()).slate != slate:
        raise play.watch.fault(place, "a copy that is restored shows another slate", WHOLE_STATE)
    others = {
        place: text
        for place, text in play.journal.items()
        if place.method == "observe" and not place.where.startswith(f"{play.who(user)},")
    }
    expected = {place: whole.journal[place] for place in others if place in whole.journal}
    how = f"after set_slates for {play.who(user)}"
    compare(target, play.plugin, expected, others, how, "change what she sees, and nothing else")
    play.end(1, visits)
    if user in play.begin(2) and play.observe(user, 2, ()).slate == slate:
        raise play.watch.fault(
            place,
            "the slate is shown in the round after the next one as well",
            "forget it in end_round",
        )
    return ""


def returning_users(target: CheckTarget) -> str:
    """Let only some of the visitors play, nobody in one round, and all of them later."""

    def some(round: int, users: Sequence[int]) -> Sequence[int]:
        chosen = at_most(round, users)
        return (chosen[::2], chosen[1::2], chosen[:0], chosen)[round]

    plays = [EnvironmentPlay(target, choose=some).play(4) for _ in range(2)]
    how = "built again with the same seed, with users who leave and return"
    compare(target, plays[1].plugin, plays[0].journal, plays[1].journal, how, KEYED)
    return ""


def handed_out(target: CheckTarget) -> str:
    """Nothing that the environment was given is changed, and nothing that it returned."""
    play = first_play(target)
    if play.watch.changed:
        raise play.watch.changed
    for round, visits in enumerate(play.visits):
        for visit in visits:
            for number, step in enumerate(visit.steps):
                for method, value in (("observe", step.observation), ("respond", step.feedback)):
                    place = play.place(method, visit.user, round, visit.steps[:number])
                    now, before = value_text(value), play.journal[place]
                    if now != before:
                        raise play.watch.fault(
                            place,
                            f"what it returned was changed later: {now}; it was {before}",
                            "return new objects at each call, and keep none of them to change it",
                        )
    return ""


def no_hidden_truth(target: CheckTarget) -> str:
    """What a user is shown holds neither her ratings nor what she will choose."""
    play = first_play(target)
    if found := leaked(play.checked.cards, _steps(play)):
        raise play.watch.fault(CallPlace("observe", ""), found.what, found.hint, found.part)
    return ""


def time_and_memory(target: CheckTarget) -> str:
    """No call takes a second, and no round adds megabytes."""
    watch = first_play(target).watch
    for method, times in watch.seconds.items():
        if method in ("observe", "respond", "history") and max(times) > _SLOW_S:
            raise watch.fault(
                CallPlace(method, ""),
                f"took {max(times):.1f} s for one call; a thousand users would wait "
                f"{1000 * max(times) / 60:.0f} minutes a round",
                "compute what is the same for all users once, in begin_round",
            )
    play = EnvironmentPlay(target).play(1)
    play.watch.check_memory(
        CallPlace("end_round", "round 2"),
        lambda: play.play(1, 1),
        f"a round of {len(play.visits[-1])} users",
        "keep counts and not copies of what happened; state() is written at each round",
    )
    return watch.slowest()


def called(target: CheckTarget) -> tuple[Any, Journal]:
    """Return an environment and what it returned, which another process must return too."""
    play = first_play(target)
    return play.plugin, play.journal


def _read_only(play: EnvironmentPlay) -> str:
    return read_only(play.watch.target.written(play.plugin, "end_round"))


def _steps(play: EnvironmentPlay) -> list[Step]:
    return [step for visits in play.visits for visit in visits for step in visit.steps]
