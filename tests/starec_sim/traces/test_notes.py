"""Notes beside a run, from several processes at once."""

import multiprocessing
from functools import partial

import pytest

from starec_sim.errors import RunError
from starec_sim.traces import notes
from starec_sim.traces.notes import NewNote, add_note, read_notes
from starec_sim.traces.values import StepAddress

AT = StepAddress("loop", 3, "u1", 1, 1)
NOTES = 15


def add_some(folder, author):
    for number in range(NOTES):
        add_note(folder, NewNote(AT, author, f"reason {number}"))


def test_two_processes_that_add_notes_at_once_lose_none(tmp_path):
    processes = multiprocessing.get_context("fork")
    writers = [
        processes.Process(target=partial(add_some, tmp_path, author)) for author in ("Ines", "Omar")
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    kept = read_notes(tmp_path)
    assert [note.id for note in kept] == [str(n + 1) for n in range(2 * NOTES)]
    for author in ("Ines", "Omar"):
        reasons = [note.reason for note in kept if note.author == author]
        assert reasons == [f"reason {n}" for n in range(NOTES)]


def test_a_process_that_holds_the_notes_for_too_long_is_reported(tmp_path, monkeypatch):
    monkeypatch.setattr(notes, "_LOCK_WAIT_S", 0.05)
    with notes._writing(tmp_path), pytest.raises(RunError, match="another process has been"):
        add_note(tmp_path, NewNote(AT, "Ines", "too late"))
