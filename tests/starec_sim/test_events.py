"""A `RunEvents` does nothing by default, and the progress displays override it."""

import inspect

from starec_sim.cli.run_progress import RunProgress
from starec_sim.cli.train_progress import TrainProgress
from starec_sim.events import RunEvents


def methods(kind):
    return {
        name: inspect.signature(method)
        for name, method in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_")
    }


def test_every_event_can_be_ignored():
    events = RunEvents()
    for name, signature in methods(RunEvents).items():
        values = [None] * (len(signature.parameters) - 1)
        assert getattr(events, name)(*values) is None


def test_displays_override_events_that_exist_with_the_arguments_they_have():
    known = methods(RunEvents)
    for display in (RunProgress, TrainProgress):
        overridden = {
            name: signature
            for name, signature in methods(display).items()
            if name in known and name in vars(display)
        }
        assert len(overridden) >= 4
        for name, signature in overridden.items():
            assert list(signature.parameters) == list(known[name].parameters), name
