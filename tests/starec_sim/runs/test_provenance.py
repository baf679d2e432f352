import sys

from starec_sim.runs.provenance import provenance


def test_the_provenance_names_versions_and_the_state_of_the_code():
    found = provenance()
    assert found.python == ".".join(map(str, sys.version_info[:3]))
    assert found.versions["starec-sim"]
    assert found.git is None or len(found.git.commit) == 40
