import subprocess
import sys

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from starec_sim.rng import Streams

addresses = st.tuples(
    st.sampled_from(["visits", "negatives", "policy fast 0", ""]),
    st.integers(0, 2**40),
    st.integers(0, 10**6),
    st.integers(0, 10**4),
)


GOLDEN_INTEGERS = [1230217563, 3807654549, 1571656176]
GOLDEN_FLOATS = [0.49289223978209473, 0.24591483082533472]
GOLDEN_SEED = 1817009512


def draw(seed, purpose, user, round, call):
    stream = Streams(seed).stream(purpose, user=user, round=round, call=call)
    return tuple(stream.integers(2**63, size=4).tolist())


def test_the_streams_are_these_and_no_others():
    # Whoever changes these changes the digest of every run there is.
    stream = Streams(7).stream("negatives", user=3, round=1, call=2)
    assert stream.integers(2**32, size=3).tolist() == GOLDEN_INTEGERS
    assert Streams(0).stream("").random(2).tolist() == GOLDEN_FLOATS
    assert Streams(7).integer("policy", user=1) == GOLDEN_SEED


def test_another_process_draws_the_same():
    code = (
        "from starec_sim.rng import Streams;"
        "print(*Streams(7).stream('negatives', user=3, round=1, call=2).integers(2**32, size=3))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert printed == [str(number) for number in GOLDEN_INTEGERS]


@given(addresses, st.integers(0, 2**63 - 1))
def test_the_same_address_gives_the_same_numbers_however_often_one_asks(address, seed):
    streams = Streams(seed)
    purpose, user, round, call = address
    streams.stream("something else").random(1000)
    assert draw(seed, *address) == tuple(
        streams.stream(purpose, user=user, round=round, call=call).integers(2**63, size=4).tolist()
    )


@given(addresses, addresses, st.integers(0, 2**63 - 1))
def test_two_addresses_share_no_numbers(one, two, seed):
    if one != two:
        assert not set(draw(seed, *one)) & set(draw(seed, *two))


def test_every_part_of_an_address_counts():
    base = {"seed": 1, "purpose": "a", "user": 2, "round": 3, "call": 4}
    drawn = {draw(**base)} | {
        draw(**{**base, part: value})
        for part, value in (("seed", 9), ("purpose", "b"), ("user", 9), ("round", 9), ("call", 9))
    }
    assert len(drawn) == 6


def test_parts_do_not_stand_in_for_each_other():
    # (user 1, round 2) is not (user 2, round 1), nor (user 0, round 12) by writing them together.
    drawn = {
        draw(0, "a", user, round, call)
        for user in range(5)
        for round in range(5)
        for call in range(5)
    }
    assert len(drawn) == 125


def test_thousands_of_streams_together_are_uniform():
    first = np.array([Streams(3).stream("a", user=user).random() for user in range(4000)])
    assert abs(first.mean() - 0.5) < 0.02
    assert np.histogram(first, bins=10, range=(0, 1))[0].min() > 320
    assert abs(np.corrcoef(first[:-1], first[1:])[0, 1]) < 0.05


def test_an_integer_fits_into_the_seed_parameter_of_an_endpoint():
    drawn = [Streams(seed).integer("policy", user=seed) for seed in range(500)]
    assert all(0 <= number < 2**31 for number in drawn)
    assert len(set(drawn)) == 500


@given(
    st.lists(st.integers(0, 2**31), min_size=1, max_size=4), st.integers(0, 9), st.integers(1, 13)
)
@settings(max_examples=30, deadline=None)
def test_uniforms_of_many_users_are_the_first_numbers_of_their_streams(users, step, count):
    streams = Streams(2**63 + len(users))
    found = streams.uniforms("choices", users, 3, step, count)
    expected = [
        streams.stream("choices", user=user, round=3, call=step).random(count) for user in users
    ]
    assert found.tolist() == np.array(expected).tolist()
