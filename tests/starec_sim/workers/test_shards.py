"""Shards hold every visitor once, in order, in sizes that differ by at most one."""

from hypothesis import given
from hypothesis import strategies as st

from starec_sim.workers.shards import split_users


@given(st.lists(st.integers(0, 5000), unique=True).map(sorted), st.integers(1, 40))
def test_shards_hold_every_visitor_once_and_in_order(users, workers):
    shards = split_users(users, workers)
    assert [user for shard in shards for user in shard] == users
    sizes = {len(shard) for shard in shards}
    assert not sizes or max(sizes) - min(sizes) <= 1
    assert 0 not in sizes


@given(st.integers(0, 20_000), st.integers(1, 40))
def test_every_worker_has_shards_to_spare_and_none_is_large(users, workers):
    shards = split_users(range(users), workers)
    assert len(shards) >= min(users, 4 * workers)
    assert all(len(shard) <= 256 for shard in shards)
