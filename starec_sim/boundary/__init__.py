"""The boundary to plug-ins: every call of one is made and checked here.

| file | what is in it |
|---|---|
| `call.py` | makes a call; a failure names plug-in, method, user, round, file and line |
| `values.py` | checks of single values: numbers, texts, rows, ratings |
| `catalogue.py`, `observation.py`, `visit.py`, `figures.py`, `state.py` | checks of larger values |
| `environment.py`, `agent.py`, `recommender.py`, `dataset.py` | plug-ins with all calls checked |
| `first_rounds.py`, `global_random.py` | checks that repeat calls, and find global randomness |
| `watch.py` | names a call that does not return, and lets Ctrl-C end it |
| `build.py` | builds a plug-in with all calls checked |
"""

from starec_sim.boundary.agent import CheckedAgent, checked_agent
from starec_sim.boundary.build import build_checked
from starec_sim.boundary.call import PluginBoundary, label_of, ships
from starec_sim.boundary.environment import CheckedEnvironment, checked_environment
from starec_sim.boundary.values import BrokenContract
from starec_sim.boundary.watch import watched_calls

__all__ = [
    "BrokenContract",
    "CheckedAgent",
    "CheckedEnvironment",
    "PluginBoundary",
    "build_checked",
    "checked_agent",
    "checked_environment",
    "label_of",
    "ships",
    "watched_calls",
]
