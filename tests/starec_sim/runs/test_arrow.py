"""Tables of a run as Arrow hold what the typed rows hold."""

import json

import pytest

from starec_sim import Experiment, read_run, run
from starec_sim.errors import RunError

pytest.importorskip("pyarrow")


@pytest.fixture(scope="module", params=["feed", "ranking"])
def recorded(request, tmp_path_factory):
    worlds = {
        "feed": {"use": "feed", "recommender": "popularity"},
        "ranking": {"use": "ranking", "candidates": 5, "choices": 2},
    }
    experiment = {
        "name": "arrow",
        "rounds": 2,
        "data": {"use": "synthetic", "users": 6, "items": 100},
        "environment": worlds[request.param],
        "policies": {"fast": "lexical", "slow": "lexical"},
        "runs_dir": tmp_path_factory.mktemp("runs"),
    }
    return read_run(run(Experiment.model_validate(experiment)).folder)


def plain(value):
    if isinstance(value, dict):
        return sorted((key, plain(each)) for key, each in value.items())
    return [plain(each) for each in value] if isinstance(value, tuple | list) else value


def test_every_table_holds_the_values_of_its_rows(recorded):
    for name in recorded.tables():
        arrow = recorded.to_arrow(name)
        columns = recorded.table(name)
        assert arrow.column_names == list(columns)
        for column, values in columns.items():
            found = arrow[column].to_pylist()
            if column == "facts":
                assert [json.loads(text) for text in found] == values
            elif column == "messages":
                assert [[(m["role"], m["content"]) for m in each] for each in found] == [
                    list(value) for value in values
                ]
            elif values and isinstance(values[0], dict):
                assert [dict(each) for each in found] == [
                    {k: list(v) if isinstance(v, tuple) else v for k, v in value.items()}
                    for value in values
                ]
            else:
                assert found == [plain(value) for value in values]


def test_a_table_without_rows_has_its_columns(recorded):
    assert recorded.to_arrow("rollouts").num_rows == 0
    assert "reward" in recorded.to_arrow("rollouts").column_names


def test_an_unknown_table_is_refused(recorded):
    with pytest.raises(RunError, match='no table "step"'):
        recorded.to_arrow("step")
