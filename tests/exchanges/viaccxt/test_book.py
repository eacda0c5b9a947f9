"""A book kept from changes is the book."""

from hypothesis import given
from hypothesis import strategies as st

from exchanges.viaccxt import book as module
from exchanges.viaccxt.book import LocalBook

levels = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 5)), max_size=30)


@given(first=levels, changes=st.lists(levels, max_size=8))
def test_changes_after_a_snapshot_give_what_one_dictionary_gives(first, changes):
    book, expected = LocalBook("BTC-USDT-PERP.BINANCE"), dict(first)
    book.reset(first, first, 1)
    for number, change in enumerate(changes, 2):
        book.apply(change, change, number)
        expected |= dict(change)
    kept = sorted((price, qty) for price, qty in expected.items() if qty)
    event = book.event(5, 6)
    assert event.asks == tuple(kept[:20])
    assert event.bids == tuple(kept[::-1][:20])
    assert book.update == len(changes) + 1
    assert book.is_crossed == bool(kept)


def test_far_levels_are_forgotten(monkeypatch):
    monkeypatch.setattr(module, "KEPT", 10)
    book = LocalBook("BTC-USDT-PERP.BINANCE")
    book.reset([(1, 1)], [(1_000, 1)], 1)
    for price in range(2, 100):
        book.apply([(price, 1)], [(1_000 - price, 1)], price)
    assert len(book.bids) <= 21
    assert len(book.asks) <= 21
    assert book.event(0, 0, 3).bids == ((99, 1), (98, 1), (97, 1))
    assert book.event(0, 0, 3).asks == ((901, 1), (902, 1), (903, 1))


def test_a_lost_book_has_no_number():
    book = LocalBook("BTC-USDT-PERP.BINANCE")
    book.reset([(1, 1)], [(2, 1)], 7)
    assert not book.is_crossed
    book.lose()
    assert book.update == -1
