"""Pages are told when a run has grown, and the record is read only when it has."""

import asyncio
import json

from starec_sim.runs.manifest import read_manifest, write_manifest
from starec_sim.viewer import live
from starec_sim.viewer.live import RunState, events, list_state


def told(states):
    """Return the events for a server that reads these states, one after the other."""
    left = list(states)
    sent = []

    async def listen():
        state = lambda: left.pop(0)  # noqa: E731
        async for event in events(state, lambda: not left, every_s=0):
            sent.append(event)

    asyncio.run(listen())
    return [json.loads(event[6:]) for event in sent if event.startswith("data: ")]


def test_an_event_is_sent_for_each_change_and_for_nothing_else():
    assert told([1, 1, 2, 2, 2, 3]) == [2, 3]


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
