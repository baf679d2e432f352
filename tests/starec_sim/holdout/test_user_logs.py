"""The logs of users are parts of the log of all users."""

import numpy as np

from starec_sim.holdout.user_logs import UNRATED_STARS, by_user, user_logs
from starec_sim.types import Experience


def test_each_user_has_her_part_in_order_of_time_and_unrated_items_count_as_likes(make):
    data = make([(2, 5, np.nan), (0, 1, 2.0), (2, 4, 5.0), (0, 3, 4.0)], n_users=4)
    logs = user_logs(by_user(data.log), 4)
    assert [log.row for log in logs] == [0, 1, 2, 3]
    assert [log.items.tolist() for log in logs] == [[1, 3], [], [5, 4], []]
    assert logs[2].ratings.tolist() == [UNRATED_STARS, 5.0]
    assert [log.start for log in logs] == [0, 2, 2, 4]
    assert logs[0].likes(0, 2).tolist() == [3]
    assert logs[0].between(0, 1) == (Experience(1, 2.0, "logged"),)
    assert logs[2]._replace(choices=(0, 1)).last_choice == 4
