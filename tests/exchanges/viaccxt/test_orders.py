"""What the venue tells twice the engine hears once, and what contradicts it hears."""

from decimal import Decimal

from domain.events import Accepted, Amended, Cancelled, Filled, Rejected
from domain.instrument import Instrument
from domain.order import BUY, Amend, Liquidity, OrderKind, Place
from domain.verdict import Reason
from exchanges.viaccxt import orders as module
from exchanges.viaccxt.orders import Orders

BTC = Instrument(id="BTC-USDT-PERP.BINANCE", venue_symbol="BTCUSDT", price_decimals=1, qty_decimals=3)


def place(cid: str = "a-1-1-0", kind: OrderKind = OrderKind.LIMIT) -> Place:
    return Place(cid=cid, account="BINANCE:main", instrument=BTC.id, side=BUY, kind=kind, qty=10, price=490_000)


def fill(number: int, cid: str = "a-1-1-0") -> Filled:
    return Filled(
        account="BINANCE:main", instrument=BTC.id, cid=cid, fill_id=str(number), side=BUY, price=490_000, qty=1,
        fee=Decimal(0), liquidity=Liquidity.MAKER,
    )  # fmt: skip


def made() -> tuple[Orders, list]:
    heard: list = []
    orders = Orders("BINANCE:main", heard.append)
    orders.placed(place(), BTC)
    return orders, heard


def test_an_end_is_told_once_and_its_repetition_and_a_late_acceptance_are_not():
    orders, heard = made()
    orders.accepted("a-1-1-0", "7")
    orders.cancelled("a-1-1-0", 3, "asked")
    orders.cancelled("a-1-1-0", 3, "again")
    orders.accepted("a-1-1-0", "7")
    orders.rejected("a-1-1-0", Reason.VENUE, "no")
    assert [type(event) for event in heard] == [Accepted, Cancelled]


def test_an_acceptance_that_comes_after_the_end_is_told_when_there_was_none():
    orders, heard = made()
    orders.completed("a-1-1-0")
    orders.accepted("a-1-1-0", "7")
    orders.cancelled("a-1-1-0", 0, "late word")
    assert [type(event) for event in heard] == [Accepted]


def test_a_fill_is_told_once_also_after_the_end():
    orders, heard = made()
    orders.cancelled("a-1-1-0", 1, "asked")
    for number in (1, 1, 2):
        orders.filled(fill(number))
    assert [type(event) for event in heard] == [Cancelled, Filled, Filled]


def test_an_amendment_is_known_by_what_it_asked_for():
    orders, heard = made()
    amend = Amend(cid="a-1-1-0", account="BINANCE:main", instrument=BTC.id, price=491_000, qty=20, amend_no=4)
    orders.amending(amend)
    orders.amended("a-1-1-0", 491_000, 20)
    orders.amended("a-1-1-0", 480_000, 20)  # by a person, at the venue
    assert [(event.price, event.amend_no) for event in heard if isinstance(event, Amended)] == [
        (491_000, 4),
        (480_000, 0),
    ]


def test_what_we_never_sent_is_told_as_the_venue_says_it():
    orders, heard = made()
    orders.accepted("web_1", "9")
    orders.cancelled("web_1", 0, "by hand")
    orders.rejected("web_2", Reason.VENUE, "no")
    assert [type(event) for event in heard] == [Accepted, Cancelled, Rejected]


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(module, "KEPT", 5)
    orders, heard = made()
    for number in range(20):
        cid = f"a-1-{number}-1"
        orders.placed(place(cid), BTC)
        orders.accepted(cid, str(number))
        orders.filled(fill(number, cid))
    assert len(orders._lines) <= 10, "those that have not ended are kept for longer"
    assert len(orders._told) <= 5
    assert len(orders._by_venue_id) <= 6
    assert orders.cid_of(BTC.id, "19") == "a-1-19-1"
    assert orders.cid_of("ETH-USDT-PERP.BINANCE", "19") == "", "ids of the venue are an instrument's own"
    assert len(heard) == 40


def test_a_stop_that_rests_is_not_forgotten_for_the_quotes_that_pass(monkeypatch):
    monkeypatch.setattr(module, "KEPT", 5)
    orders, _ = made()
    for number in range(50):
        orders.placed(place(f"q{number}"), BTC)
        orders.cancelled(f"q{number}", 0, "asked")
    assert orders.line("a-1-1-0") is not None
    assert orders.line("q10") is None
