"""The boundary to plug-ins: every call of one is made and checked here.

| file | what is in it |
|---|---|
| `call.py` | makes a call; a failure names plug-in, method, user, round, file and line |
| `values.py` | checks of single values: numbers, texts, rows, ratings |
| `catalogue.py`, `observation.py`, `visit.py`, `turn.py` | checks of users, items, steps, turns |
| `figures.py`, `slate_facts.py`, `state.py` | checks of what belongs to a round |
| `environment.py`, `agent.py`, `recommender.py`, `dataset.py` | plug-ins with all calls checked |
| `first_rounds.py`, `global_random.py` | checks that repeat calls, and find global randomness |
| `handed_out.py` | finds what was changed of the things that a plug-in was given |
| `memory_growth.py` | finds calls after which ever more memory is held |
| `printed.py` | sends to stderr what plug-ins print, and names who printed |
| `draws.py` | names who draws from a global random generator |
| `watch.py` | names a call that does not return, and lets Ctrl-C end it |
| `build.py` | builds a plug-in with all calls checked |
"""

from starec_sim.boundary.agent import CheckedAgent, checked_agent
from starec_sim.boundary.build import build_checked
from starec_sim.boundary.call import (
    PluginBoundary,
    cause,
    exit_failure,
    in_a_file,
    label_of,
    ships,
)
from starec_sim.boundary.environment import CheckedEnvironment, checked_environment
from starec_sim.boundary.values import BrokenContract
from starec_sim.boundary.watch import InterruptedCall, interruption, watched_calls

__all__ = [
    "BrokenContract",
    "CheckedAgent",
    "CheckedEnvironment",
    "InterruptedCall",
    "PluginBoundary",
    "build_checked",
    "cause",
    "checked_agent",
    "checked_environment",
    "exit_failure",
    "in_a_file",
    "interruption",
    "label_of",
    "ships",
    "watched_calls",
]
