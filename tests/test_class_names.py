"""No two public classes have one name: a reader who meets a name knows what it is."""

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("starec_sim", "agents/starec_agents", "environments/starec_environments")
ALLOWED: set[str] = set()
"""Names that still stand for two classes."""


def test_no_two_public_classes_have_one_name():
    places = defaultdict(list)
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    places[node.name].append(str(path.relative_to(ROOT)))
    doubled = {name: found for name, found in places.items() if len(found) > 1}
    assert doubled.keys() == ALLOWED, doubled
