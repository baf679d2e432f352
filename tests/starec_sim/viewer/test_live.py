"""Pages are told when a run has grown, and the record is read only when it has."""

import asyncio
import json

from starec_sim.runs.manifest import read_manifest, write_manifest
from starec_sim.viewer import live
from starec_sim.viewer.live import RunState, events, list_state


def told(states, cost_s=0.0):
    """Return the events for a server that reads a state every second, one after the other.

    Args:
        states: What the server reads.
        cost_s: What it then spends on pages at each event.
    """
    left = list(states)
    all_states = len(left)
    sent = []

    def spent():
        return cost_s * sum(event.startswith("data: ") for event in sent)

    async def listen():
        state = lambda: left.pop(0)  # noqa: E731
        second = lambda: all_states - len(left)  # noqa: E731
        async for event in events(state, lambda: not left, spent, every_s=0, clock=second):
            sent.append(event)

    asyncio.run(listen())
    return [json.loads(event[6:]) for event in sent if event.startswith("data: ")]


def test_an_event_is_sent_for_each_change_and_for_nothing_else():
    assert told([1, 1, 2, 2, 2, 3]) == [2, 3]


def test_the_next_event_waits_until_pages_took_3_percent_of_the_time():
    assert told(range(25), cost_s=0.3) == [1, 11, 21]


def test_the_end_of_a_run_is_told_at_once():
    rounds = [{"rounds_done": n, "status": "running"} for n in range(4)]
    finished = rounds[-1] | {"status": "finished"}
    assert told([*rounds, finished], cost_s=100) == [rounds[1], finished]


def test_the_state_of_a_run_follows_its_status_and_its_rounds(runs, monkeypatch):
    state = RunState(runs / "feed")
    first = state()
    assert (first["run"], first["rounds_done"], first["status"]) == ("feed", 4, "finished")

    monkeypatch.setattr(live, "reading", None)  # a record that has not changed is not opened
    manifest = read_manifest(runs / "feed")
    manifest.status = "paused"
    write_manifest(runs / "feed", manifest)
    assert state() == first | {"status": "paused"}


def test_the_state_of_a_list_follows_its_runs_and_their_manifests(runs):
    before = list_state(runs)
    assert list_state(runs) == before
    (runs / "feed").rename(runs / "other")
    assert list_state(runs) != before
    assert list_state(runs / "gone") == []
