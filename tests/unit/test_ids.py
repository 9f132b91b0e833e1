from hypothesis import given
from hypothesis import strategies as st

from farmgate.ports.clock import FakeClock
from farmgate.ports.ids import UlidSource, encode, is_ulid, ulid_bytes


def test_ulids_rise_within_a_millisecond() -> None:
    source = UlidSource(FakeClock())
    made = [source.ulid() for _ in range(1_000)]
    assert made == sorted(set(made))
    assert all(map(is_ulid, made))


@given(st.integers(min_value=0, max_value=2**128 - 1))
def test_bytes_are_those_of_the_number(value: int) -> None:
    assert ulid_bytes(encode(value)) == value.to_bytes(16, "big")


def test_other_texts_are_no_ulids() -> None:
    assert not any(map(is_ulid, ("", "8" + "0" * 25, "0" * 25, "I" * 26, "0" * 27)))
