"""A book kept from changes is the book."""

from hypothesis import given
from hypothesis import strategies as st

from exchanges.viaccxt import book as module
from exchanges.viaccxt.book import LocalBook

levels = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 5)), max_size=30)


def best(told: dict[int, int], *, falling: bool) -> tuple[tuple[int, int], ...]:
    """The twenty best of a side that is nothing but a dictionary."""
    return tuple(sorted(((price, qty) for price, qty in told.items() if qty), reverse=falling)[:20])


@given(bids=levels, asks=levels, changes=st.lists(st.tuples(levels, levels), max_size=8))
def test_after_each_change_the_book_is_what_two_dictionaries_say(bids, asks, changes):
    book, expected = LocalBook("BTC-USDT-PERP.BINANCE"), (dict(bids), dict(asks))
    book.reset(bids, asks, 1)
    for number, (bids_changed, asks_changed) in enumerate([([], []), *changes], 2):
        book.apply(bids_changed, asks_changed, number)
        expected[0].update(bids_changed)
        expected[1].update(asks_changed)
        event = book.event(5, 6)
        assert event.bids == best(expected[0], falling=True)
        assert event.asks == best(expected[1], falling=False)
        assert book.is_crossed == bool(event.bids and event.asks and event.bids[0][0] >= event.asks[0][0])
        assert book.update == number


def test_far_levels_are_forgotten(monkeypatch):
    monkeypatch.setattr(module, "KEPT", 10)
    book = LocalBook("BTC-USDT-PERP.BINANCE")
    book.reset([(1, 1)], [(1_000, 1)], 1)
    for price in range(2, 100):
        book.apply([(price, 1)], [(1_000 - price, 1)], price)
    assert len(book.bids.prices) <= 21
    assert len(book.asks.prices) <= 21
    assert book.event(0, 0).bids[:3] == book.bids.top(3) == ((99, 1), (98, 1), (97, 1))
    assert book.event(0, 0).asks[:3] == book.asks.top(3) == ((901, 1), (902, 1), (903, 1))


def test_a_lost_book_has_no_number():
    book = LocalBook("BTC-USDT-PERP.BINANCE")
    book.reset([(1, 1)], [(2, 1)], 7)
    assert not book.is_crossed
    book.lose()
    assert book.update == -1
