"""Fills grouped by order: few messages, few edits, right sums, and the same after a restart."""

from decimal import Decimal

import msgspec

from bot.message import clock_text
from bot.render import plain
from bot.streams.fills import FillCards, Pace, message
from domain.facts import FillBooked, OrderChanged
from domain.instrument import Instrument
from domain.order import Liquidity, OrderKind, OrderStatus, Role

SECOND_NS = 1_000_000_000
T0 = 1_764_399_600 * SECOND_NS
BTC = Instrument(id="BTC-USDC-PERP.PAPER", venue_symbol="BTC", price_decimals=1, qty_decimals=3)
PACE = Pace(wait_ns=2 * SECOND_NS, interval_ns=15 * SECOND_NS)
_seq = iter(range(1, 10**9))


def fill(cid, qty=1, price=640_000, at=0.0, owner="turtle", side=1, realised="0", fee="0.03"):
    return FillBooked(
        seq=next(_seq), index=0, ts_ns=T0 + int(at * SECOND_NS), account="PAPER:main", instrument=BTC.id, owner=owner,
        cid=cid, fill_id=f"f{next(_seq)}", role=Role.TARGET, side=side, price=price, qty=qty, fee=Decimal(fee),
        liquidity=Liquidity.TAKER, realised=Decimal(realised),
    )  # fmt: skip


def order(cid, qty, filled, status=OrderStatus.OPEN):
    return OrderChanged(
        seq=next(_seq), index=0, ts_ns=T0, cid=cid, owner="turtle", account="PAPER:main", instrument=BTC.id, side=1,
        kind=OrderKind.LIMIT, role=Role.TARGET, status=status, qty=qty, price=640_000, trigger=0, filled=filled,
        reduce_only=False, entry="", reason="", created_ns=T0,
    )  # fmt: skip


class Stream:
    """Cards on a clock of their own; what is due is noted with its time."""

    def __init__(self):
        self.cards = FillCards()
        self.sent = []

    def play(self, at, *facts):
        now_ns = T0 + int(at * SECOND_NS)
        for fact in facts:
            if isinstance(fact, FillBooked):
                self.cards.book(fact, BTC, PACE, now_ns)
            else:
                self.cards.follow(fact, BTC, now_ns)
        for card in self.cards.due(PACE, now_ns):
            self.sent.append((at, card.event, card.version, plain(message(card, [BTC.id], clock_text))))

    def titles(self):
        return [text.splitlines()[0] for *_, text in self.sent]


def test_an_order_is_one_message_from_its_first_fill_to_its_end():
    stream = Stream()
    stream.play(0, fill("a", 100), order("a", 500, 100))
    stream.play(1.9)
    assert stream.sent == [], "the first fill waits for others"
    stream.play(2)
    stream.play(10, fill("a", 200, 640_300, at=10))
    stream.play(16.9)
    stream.play(25)
    stream.play(26, fill("a", 200, at=26), order("a", 500, 500, OrderStatus.FILLED))
    stream.play(300)
    assert stream.titles() == [
        "turtle: buying, 0.1 of 0.5 BTC at 64000 so far",
        "turtle: buying, 0.3 of 0.5 BTC at 64020 so far",
        "turtle: bought 0.5 BTC at 64012",
    ]
    assert [(at, version) for at, _, version, _ in stream.sent] == [(2, 1), (25, 2), (26, 3)]
    assert len({event for _, event, *_ in stream.sent}) == 1
    assert not stream.cards.cards
    assert not stream.cards.place


def test_a_thousand_partial_fills_cause_few_edits():
    stream = Stream()
    for number in range(1000):
        stream.play(number * 0.06, fill("a", 1, at=number * 0.06))
    stream.play(60, order("a", 1000, 1000, OrderStatus.FILLED))
    assert len(stream.sent) <= 6
    assert stream.titles()[-1] == "turtle: bought 1 BTC at 64000"
    assert "1000, " in stream.sent[-1][3]


def test_an_order_that_is_cancelled_says_what_is_missing():
    stream = Stream()
    stream.play(0, fill("a", 100), order("a", 500, 100))
    stream.play(5)
    stream.play(6, order("a", 500, 100, OrderStatus.CANCELLED))
    assert stream.titles()[-1] == "turtle: bought 0.1 of 0.5 BTC at 64000, the rest is cancelled"
    assert not stream.cards.cards


def test_an_order_that_is_filled_at_once_is_told_once():
    stream = Stream()
    stream.play(0, order("a", 100, 100, OrderStatus.FILLED), fill("a", 100, side=-1, realised="12.50"))
    for at in range(100):
        stream.play(at)
    assert stream.titles() == ["turtle: sold 0.1 BTC at 64000"]
    assert "earned  +12.47 after the fee" in stream.sent[0][3]


def test_many_orders_at_once_share_a_round_up():
    stream = Stream()
    for number in range(300):
        stream.play(number * 0.4, fill(f"o{number}", 1, at=number * 0.4), order(f"o{number}", 1, 1, OrderStatus.FILLED))
    for at in range(120, 400):
        stream.play(at)
    minutes = 400 / 60
    assert len(stream.sent) <= 5 * minutes + 2
    assert (
        sum(int(title.split()[1]) for title in stream.titles() if title.startswith("Fills:"))
        + sum(not title.startswith("Fills:") for title in stream.titles())
        == 300
    )
    assert not stream.cards.cards


def test_a_fill_after_the_end_of_its_order_is_told_by_itself():
    stream = Stream()
    stream.play(0, fill("a", 100), order("a", 500, 100, OrderStatus.CANCELLED))
    stream.play(2)
    stream.play(30, fill("a", 7, at=30))
    stream.play(32)
    assert len({event for _, event, *_ in stream.sent}) == 2
    assert "0.007" in stream.titles()[-1]


def test_a_restart_goes_on_with_the_same_message_and_the_same_sums():
    stream = Stream()
    stream.play(0, fill("a", 100), order("a", 500, 100))
    stream.play(2)
    again = Stream()
    again.cards = msgspec.msgpack.decode(msgspec.msgpack.encode(stream.cards), type=FillCards)
    again.play(8, fill("a", 100, at=8))
    again.play(23)
    assert again.titles() == ["turtle: buying, 0.2 of 0.5 BTC at 64000 so far"]
    assert again.sent[0][1] == stream.sent[0][1]


def test_what_ended_while_nobody_looked_is_closed_at_the_start():
    stream = Stream()
    stream.play(0, fill("a", 100), order("a", 500, 100), fill("b", 100), order("b", 500, 100))
    stream.play(2)
    stream.cards.catch_up({"b": (Decimal("0.5"), "")}.get, T0 + 60 * SECOND_NS)
    stream.play(60)
    assert stream.titles()[2:] == ["turtle: bought 0.1 of 0.5 BTC at 64000, the rest is closed"]
    assert len(stream.cards.cards) == 1


def test_an_order_that_never_ends_is_let_go():
    stream = Stream()
    stream.play(0, fill("a", 100), order("a", 500, 100))
    stream.play(2)
    stream.play(2 * 86_400)
    assert not stream.cards.cards


def test_a_round_up_reads_well_on_a_phone():
    stream = Stream()
    for number in range(4):
        stream.play(0, fill(f"own{number}"), order(f"own{number}", 1, 1, OrderStatus.FILLED))
    owners = ("market-maker", "manual:tina") * 3
    many = [fill(f"m{number}", 10, owner=owner, realised="1.1") for number, owner in enumerate(owners)]
    stream.play(1, *many)
    stream.play(62)
    text = next(text for *_, text in stream.sent if text.startswith("Fills"))
    assert text == (
        "Fills: 6 of 6 orders\n"
        "market-maker\n"
        "what          fills  average    net\n"
        "buy 0.03 BTC      3    64000  +3.21\n"
        "by hand\n"
        "what          fills  average    net\n"
        "buy 0.03 BTC      3    64000  +3.21"
    )


def test_a_clock_that_is_put_back_holds_nothing_back():
    stream = Stream()
    stream.play(7200, fill("a", 100))
    stream.play(0)
    assert len(stream.sent) == 1
