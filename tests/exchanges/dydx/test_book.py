"""The uncrossed book is what the venue's rule makes of the messages, worked out anew from all of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchanges.dydx import book as module
from exchanges.dydx.book import UncrossedBook

levels = st.lists(st.tuples(st.integers(1, 12), st.integers(0, 4)), max_size=5)
Told = dict[int, tuple[int, int]]
"""Price to quantity and number of the message that told it."""


def uncross(bids: Told, asks: Told) -> None:
    """The rule, on whole dictionaries."""
    while bids and asks and max(bids) >= min(asks):
        bid, ask = max(bids), min(asks)
        (bid_qty, bid_told), (ask_qty, ask_told) = bids[bid], asks[ask]
        if bid_told == ask_told:
            less = min(bid_qty, ask_qty)
            bids[bid], asks[ask] = (bid_qty - less, bid_told), (ask_qty - less, ask_told)
        elif bid_told < ask_told:
            bids[bid] = (0, 0)
        else:
            asks[ask] = (0, 0)
        for side in (bids, asks):
            for price in [price for price, (qty, _) in side.items() if not qty]:
                del side[price]


@given(messages=st.lists(st.tuples(levels, levels), min_size=1, max_size=12), remembered=st.sampled_from([2, 2_000]))
def test_whatever_is_told_the_book_is_what_the_rule_says(messages, remembered):
    book = UncrossedBook("BTC-USD-PERP.DYDX")
    bids: Told = {}
    asks: Told = {}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "KEPT", remembered)
        for number, sides in enumerate(messages):
            take = book.apply if number else book.reset
            take(sides[0], sides[1], number)
            for mine, told in ((bids, sides[0]), (asks, sides[1])):
                mine.update({price: (qty, number) for price, qty in told})
                for price, qty in dict(told).items():
                    if not qty:
                        del mine[price]
            uncross(bids, asks)
            event = book.event(1, 0)
            assert event.bids == tuple((price, bids[price][0]) for price in sorted(bids, reverse=True))
            assert event.asks == tuple((price, asks[price][0]) for price in sorted(asks))
