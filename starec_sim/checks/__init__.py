"""Checks of plug-ins: whether what their authors write keeps the contract of its kind.

`starec check` prints what they find, and `starec_sim.testing` makes a test of each. What can be
seen in the values of one call is checked by `starec_sim.boundary`, in every run too; these checks
call a plug-in as a run never does: again, in another order, in threads, restored, in another
process.

| file | what is in it |
|---|---|
| `target.py` | what is checked, and the faults of its calls |
| `environment.py`, `recommender.py`, ... | the checks of each kind |
| `environment_play.py` | plays an environment by a script and writes down what it returns |
| `hidden_truth.py` | what a slate tells of ratings and choices |
| `other_process.py`, `child.py` | the same calls in another process |
| `small_world.py` | the environment in which agents are checked |
| `find.py` | finds what `starec check` names |
| `kinds.py` | all checks by kind, and their results |
"""
