"""A book kept from differences, against a plain dictionary."""

from hypothesis import given
from hypothesis import strategies as st

from engine.data.localbook import Chain, LocalBook

CHANGES = st.lists(st.tuples(st.sampled_from([1, -1]), st.integers(1, 12), st.integers(0, 3)), max_size=60)


@given(changes=CHANGES, depth=st.integers(1, 8))
def test_the_nearest_levels_are_those_of_a_plain_dictionary(changes, depth):
    book = LocalBook()
    plain: dict[int, dict[int, int]] = {1: {}, -1: {}}
    for side, price, qty in changes:
        book.set_levels(side, [(price, qty)])
        plain[side].pop(price, None)
        if qty:
            plain[side][price] = qty
    for side in (1, -1):
        best_first = sorted(plain[side].items(), reverse=side > 0)
        assert book.nearest(side, depth) == tuple(best_first[:depth])
    crossed = bool(plain[1] and plain[-1]) and max(plain[1] or [0]) >= min(plain[-1] or [99])
    assert book.is_crossed() == crossed
    book.clear()
    assert book.nearest(1, 5) == ()


def test_the_spot_chain_has_no_previous_number_and_overlaps_once():
    chain = Chain()
    chain.restart(100)
    assert chain.accepts(90, 99, 0) is False
    assert chain.accepts(95, 103, 0) is True
    assert chain.accepts(104, 110, 0) is True
    assert chain.accepts(112, 115, 0) is None


def test_the_futures_chain_follows_the_previous_number():
    chain = Chain()
    chain.restart(100)
    assert chain.accepts(98, 104, 97) is True
    assert chain.accepts(108, 110, 104) is True
    assert chain.accepts(111, 115, 109) is None


def test_a_difference_that_starts_after_the_snapshot_is_a_hole():
    chain = Chain()
    chain.restart(100)
    assert chain.accepts(105, 110, 104) is None
