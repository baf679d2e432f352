"""SQL is in one folder, so that a reader of the schema finds all that depends on it."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("starec_sim", "agents/starec_agents", "environments/starec_environments")
ALLOWED = ("starec_sim/runs/", "starec_sim/policies/gateway/cache.py")


def test_sql_is_run_by_the_record_and_by_the_cache_of_answers_only():
    places = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if re.search(r"\.execute(many|script)?\(", path.read_text())
    }
    assert "starec_sim/runs/store.py" in places, "the search finds nothing"
    assert {place for place in places if not place.startswith(ALLOWED)} == set()
