"""No endpoint gets more calls than its limits allow."""

from hypothesis import given
from hypothesis import strategies as st

from starec_sim.policies.gateway.rate_limiter import Bucket


@given(
    st.integers(2, 1000),
    st.lists(st.floats(0, 20, allow_nan=False), min_size=1, max_size=200),
)
def test_no_minute_has_more_requests_than_its_limit(per_minute, pauses):
    bucket, now, served = Bucket(per_minute), 0.0, []
    for pause in pauses:
        now += pause
        now += bucket.take(1, now)
        served.append(now)
    for start in served:
        # Rounding may put one more request at the very end of the minute.
        assert sum(start <= at < start + 59.999 for at in served) <= per_minute + 1


def test_a_call_larger_than_the_bucket_is_served_and_the_next_one_waits():
    bucket = Bucket(600)
    assert bucket.take(500, 0.0) > 0
    assert bucket.take(1, 0.0) >= 48


def test_tokens_that_were_not_needed_can_be_used_by_others():
    bucket = Bucket(600)
    bucket.take(60, 0.0)
    bucket.correct(-60)
    assert bucket.take(60, 0.0) == 0
