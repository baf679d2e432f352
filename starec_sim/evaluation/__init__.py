"""The measuring stick: how good a policy is at being this user, against whom, and how sure.

An `Evaluation` says which data, protocol, policies and rows; `evaluate` returns its table, of which
any two rows can be compared: `table.compare("lexical", "popularity")["ndcg@10"]`.
"""

from starec_sim.evaluation.contenders import ContenderSpec, read_policy, read_rows
from starec_sim.evaluation.evaluate import Evaluation, evaluate, read_settings, read_table, resume
from starec_sim.evaluation.table import Difference, Row, Table, merged

__all__ = [
    "ContenderSpec",
    "Difference",
    "Evaluation",
    "Row",
    "Table",
    "evaluate",
    "merged",
    "read_policy",
    "read_rows",
    "read_settings",
    "read_table",
    "resume",
]
