"""Hold-out evaluation: how well does a policy predict what each user chooses?

An `Evaluation` says which data, protocol, policies and contenders. `evaluate` returns a table with
one row for each contender. Any two rows can be compared:
`table.compare("lexical", "popularity")["ndcg@10"]` is their paired difference.
"""

from starec_sim.evaluation.contenders import ContenderSpec, read_policy, read_rows
from starec_sim.evaluation.evaluate import evaluate, find_table, read_table, resume
from starec_sim.evaluation.folder import read_settings
from starec_sim.evaluation.settings import Evaluation
from starec_sim.evaluation.table import Table, TableRow, merge_tables
from starec_sim.evaluation.table_files import TABLE_FILES, write_table_files
from starec_sim.metrics import PairedDifference

__all__ = [
    "TABLE_FILES",
    "ContenderSpec",
    "Evaluation",
    "PairedDifference",
    "Table",
    "TableRow",
    "evaluate",
    "find_table",
    "merge_tables",
    "read_policy",
    "read_rows",
    "read_settings",
    "read_table",
    "resume",
    "write_table_files",
]
