"""Make the three tables of this experiment and write them into NOTES.md.

    .venv/bin/python experiments/04_table/table.py              # all three
    .venv/bin/python experiments/04_table/table.py movielens    # one of them

The script looks for MovieLens 100K and AgentCF's CDs sample in $STAREC_DATA, data/ and
../shared/data.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from starec_environments.datasets.paths import usual_folder
from starec_sim import Evaluation, evaluate, progress_display
from starec_sim.evaluation import read_policy, read_rows, render
from starec_sim.holdout import read_protocol

POLICIES = [
    "lexical",
    # Another policy is another line, e.g. "openai,model=qwen3:8b,base_url=http://localhost:11434/v1"
]
HERE = Path(__file__).parent
TABLES = {
    "movielens": ("starec-20", {"use": "movielens-100k"}),
    "cds": ("agentcf-10", {"use": "agentcf"}),
    "synthetic": ("starec-20", {"use": "synthetic", "users": 900}),
}


def main() -> None:
    """Evaluate, write the tables, and add the time that each of them took."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("tables", nargs="*", metavar="TABLE", help="which; all when empty")
    arguments.add_argument("--runs-dir", type=Path, default=Path("runs"))
    arguments.add_argument("--cds", type=Path, help="the folder of AgentCF's CDs sample")
    asked = arguments.parse_args()
    for name in asked.tables or TABLES:
        protocol, data = TABLES[name]
        if name == "cds":
            data = data | {"path": str(asked.cds or _cds())}
        start, cpu = time.perf_counter(), time.process_time()
        with progress_display("evaluation") as display:
            _, table = evaluate(
                Evaluation(
                    name=f"table-{name}",
                    data=data,
                    protocol=read_protocol(protocol),
                    policies=[read_policy(policy) for policy in POLICIES],
                    rows=read_rows("all"),
                    runs_dir=asked.runs_dir,
                ),
                display,
                into=HERE / "results" / name,
            )
        took = (
            f"{time.perf_counter() - start:.0f} s of wall time, "
            f"{time.process_time() - cpu:.0f} s of one core."
        )
        render.put_into(HERE / "NOTES.md", name, f"{render.markdown(table)}\n{took}")


def _cds() -> Path:
    """Return the folder of AgentCF's sample, searched for in the usual data folders."""
    return usual_folder("cds-100-dense", ("CDs-100-user-dense.train.inter",))


if __name__ == "__main__":
    main()
