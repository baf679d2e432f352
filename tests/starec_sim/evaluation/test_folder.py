"""The files of an evaluation are read back as they are written."""

import numpy as np
import pytest

from starec_sim.errors import RunError
from starec_sim.evaluation import folder as files
from starec_sim.evaluation.rank_range import RankRange


def test_ranks_are_read_back_with_missing_answers_and_ties(tmp_path) -> None:
    ranks = RankRange(np.array([[1.0, np.nan], [3.0, 2.0]]), np.array([[1.0, np.nan], [5.0, 2.0]]))
    assert not files.has_ranks(tmp_path, 3)
    files.write_ranks(tmp_path, 3, ranks)
    assert files.has_ranks(tmp_path, 3) and not files.has_ranks(tmp_path, 2)
    for written, read in zip(ranks, files.read_ranks(tmp_path, 3), strict=True):
        np.testing.assert_array_equal(written, read)


def test_a_folder_without_an_evaluation_is_refused(tmp_path) -> None:
    with pytest.raises(RunError, match="holds no evaluation"):
        files.read_settings(tmp_path)
    assert not files.has_table(tmp_path)


@pytest.mark.parametrize("text", ["", "{}", '{"about": {}, "rows": 3}', '{"rows": []}'])
def test_a_table_that_was_cut_off_or_lacks_keys_is_damaged(tmp_path, text) -> None:
    (tmp_path / files.TABLE).write_text(text)
    with pytest.raises(RunError, match="is damaged"):
        files.read_finished_table(tmp_path)
