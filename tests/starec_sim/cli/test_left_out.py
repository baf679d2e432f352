"""A run says why it has fewer users than its data."""

import json

import pytest

VALUES = {
    "name": "short",
    "rounds": 1,
    "data": {"use": "synthetic", "users": 12, "items": 40, "interactions": 10},
    "environment": {"use": "feed", "recommender": "popularity", "page_size": 5},
    "policies": {"fast": "lexical", "slow": "lexical"},
}


@pytest.mark.parametrize("fewest", [1, 10])
def test_users_who_do_not_play_are_counted_by_reason(starec, tmp_path, fewest):
    environment = {**VALUES["environment"], "min_interactions": fewest}
    file = tmp_path / "short.yaml"
    file.write_text(
        json.dumps({**VALUES, "environment": environment, "runs_dir": str(tmp_path / "runs")})
    )
    ran = starec("run", file, width=200)
    assert ran.status == 0
    (folder,) = (tmp_path / "runs").glob("short-*")
    counted = starec("sql", folder, "SELECT count(*) AS n FROM users", "--json")
    left = 12 - counted.answer["rows"][0][0]
    said = f"Users of the data who do not play: too few interactions {left}"
    assert (said in ran.out) == (left > 0) == (fewest == 10)
