"""What a second look at the kinds of faults found: near cases of those that were mended."""

import numpy as np
import pytest

from starec_environments.datasets.rating_questions import JUDGED_FROM
from starec_sim.boundary.figures import checked_figures
from starec_sim.boundary.values import BrokenContract
from starec_sim.errors import StarecError
from tests.reported.coffee_shop import play_shop


@pytest.mark.parametrize("name", ["click-through", "watch rate", "CLICK_THROUGH", "concentration"])
def test_a_figure_whose_name_only_looks_different_from_a_built_in_one_is_refused(name):
    with pytest.raises(BrokenContract, match="has the name of a built-in metric"):
        checked_figures({name: 0.5})
    assert checked_figures({"queue": np.float32(0.5)}) == {"queue": 0.5}


def described(starec, folder, ratings, *more):
    rows = [f"u{n % 4},i{n},{rating},{n}" for n, rating in enumerate(ratings)]
    (folder / "ratings.csv").write_text("\n".join(["user,item,rating,time", *rows]) + "\n")
    return starec("data", "describe", folder, *more)


def test_numbers_up_to_one_are_offered_a_scale_up_to_one(starec, tmp_path):
    status, _, err = described(starec, tmp_path, [0.2, 0.4, 0.6, 0.8, 1.0] * 4)
    assert status == 2 and "[0, 1]" in err and "[0, 100]" not in err


def test_a_scale_of_which_the_file_uses_nearly_nothing_is_refused(starec, tmp_path):
    scale = "data.rating_scale=[0, 100]"
    status, _, err = described(starec, tmp_path, [0.2, 0.4, 0.6, 0.8, 1.0] * 4, "--set", scale)
    assert status == 2 and "nearly all would be alike" in err


def test_ratings_of_which_none_is_a_like_are_asked_about(starec, tmp_path):
    ratings = [1, 2, 3] * JUDGED_FROM
    status, _, err = described(starec, tmp_path, ratings)
    assert status == 2 and "nobody likes anything" in err and "liked_from=3" in err
    status, _, err = described(starec, tmp_path, ratings, "--set", "data.liked_from=3")
    assert status == 0, err


def test_a_plugin_that_raises_a_cancellation_is_named(tmp_path):
    body = """
    def respond(self, user, steps, observation, decision):
        import asyncio
        raise asyncio.CancelledError
    """
    with pytest.raises(StarecError, match=r"shop\.py:Broken, respond\(.*CancelledError"):
        play_shop(tmp_path, body)
