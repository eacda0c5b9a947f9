"""Rule 5: resting quotes are matched by side and price, amended in place, within a message budget."""

from __future__ import annotations

import itertools

from msgspec.structs import replace

from domain import events as e
from domain.desired import Desired
from domain.facts import OrderChanged, TradingState
from domain.order import Amend, Cancel, OrderKind, Place
from domain.settings import RiskSettings
from engine.core import trading
from tests.engine.core.rig import BTC, SETTINGS, Rig, of, places, quote, wants


def answer(rig: Rig) -> None:
    """The venue does at once what was asked."""
    for intent in list(rig.sent):
        if isinstance(intent, Place):
            rig.accept(intent)
        elif isinstance(intent, Cancel):
            rig.cancelled(intent.cid)
        elif isinstance(intent, Amend):
            rig.ingest(e.Amended(cid=intent.cid, price=intent.price, qty=intent.qty, amend_no=intent.amend_no))


def ladder(mid: float, levels: int = 3, step: float = 1.0) -> Desired:
    return wants(*(quote(side, mid - side * step * (n + 1), level=n) for n in range(levels) for side in (1, -1)))


def run(rig: Rig, moves: int = 40) -> int:
    """Shift a ladder by one step a second; returns the number of messages after the first placement."""
    rig.want(ladder(60_000.0))
    answer(rig)
    count = 0
    for n in range(moves):
        rig.wait(1)
        mid = 60_000.0 + n % 7
        sent = rig.want(ladder(mid), bid=int(mid * 10) - 5, ask=int(mid * 10) + 5)
        count += len(sent)
        answer(rig)
    return count


def test_matching_costs_a_fraction_of_cancel_all_and_replace() -> None:
    """A ladder that moves by one step keeps all its rungs but one on each side."""
    moves = 40
    ours = run(Rig().start(), moves)
    cancel_all = (moves - moves // 7) * 12
    print(f"messages for {moves} moves of 6 quotes: {ours}; cancel-all {cancel_all}")
    assert 6 * ours < cancel_all


def test_a_quote_that_stays_sends_nothing() -> None:
    rig = Rig().start()
    rig.want(wants(quote(1, 59_990.0), quote(-1, 60_011.0)))
    answer(rig)
    assert rig.want(wants(quote(-1, 60_011.0), quote(1, 59_990.0)), bid=600_001) == []


def test_a_quote_that_moves_is_amended_and_keeps_its_order() -> None:
    rig = Rig().start()
    rig.want(wants(quote(1, 59_990.0)))
    answer(rig)
    (amend,) = rig.want(wants(quote(1, 59_980.0)))
    assert isinstance(amend, Amend)
    assert (amend.price, amend.qty) == (599_800, 100)


def test_where_the_venue_amends_nothing_a_moved_quote_is_cancelled_and_then_placed_anew() -> None:
    rig = Rig(replace(SETTINGS, instruments=(replace(BTC, amends=False),))).start()
    rig.want(wants(quote(1, 59_990.0)))
    answer(rig)
    (cancel,) = rig.want(wants(quote(1, 59_980.0)))
    assert isinstance(cancel, Cancel)
    rig.sent.clear()
    rig.cancelled(cancel.cid)
    (place,) = places(rig.sent)
    assert (place.price, place.qty) == (599_800, 100)


def test_where_nothing_that_rests_may_be_reduce_only_a_reducing_account_quotes_nothing() -> None:
    for may in (True, False):
        rig = Rig(replace(SETTINGS, instruments=(replace(BTC, reduces_at_rest=may),))).start()
        rig.hold_position(0.1)
        trading.latch(rig.core, TradingState.REDUCING, "test", "test")
        assert [place.reduce_only for place in places(rig.want(wants(quote(-1, 60_011.0))))] == ([True] if may else [])


def test_within_the_tolerance_nothing_moves() -> None:
    settings = replace(SETTINGS, execution=replace(SETTINGS.execution, quote_tolerance_ticks=5))
    rig = Rig(settings).start()
    rig.want(wants(quote(1, 59_990.0)))
    answer(rig)
    assert rig.want(wants(quote(1, 59_990.5))) == []
    assert rig.want(wants(quote(1, 59_990.6))) != []


def test_the_tolerance_widens_as_the_budget_falls() -> None:
    settings = replace(
        SETTINGS, risk=replace(SETTINGS.risk, messages_per_window=10, reserve_messages=2, message_window_ns=10**12)
    )
    rig = Rig(settings).start()
    rig.want(wants(quote(1, 59_990.0)))
    answer(rig)
    moved = []
    for n in range(40):
        sent = rig.want(wants(quote(1, 59_990.0 - 0.1 * (n + 1))))
        moved += [n] * len(of(sent, Amend))
        answer(rig)
    steps = [b - a for a, b in itertools.pairwise(moved)]
    assert steps[0] == 1
    assert steps[-1] > 1
    assert steps == sorted(steps)


def test_amendments_in_flight_are_not_amended_again() -> None:
    rig = Rig().start()
    rig.want(wants(quote(1, 59_990.0)))
    answer(rig)
    assert len(rig.want(wants(quote(1, 59_980.0)))) == 1
    assert rig.want(wants(quote(1, 59_970.0))) == []
    answer_to = rig.slot().orders
    (order,) = answer_to.values()
    rig.sent.clear()
    rig.ingest(e.Amended(cid=order.cid, price=599_800, qty=100, amend_no=1))
    assert [amend.price for amend in of(rig.sent, Amend)] == [599_700]


def test_a_stale_answer_to_an_amendment_does_not_undo_a_newer_one() -> None:
    rig = Rig().start()
    rig.want(wants(quote(1, 59_990.0)))
    answer(rig)
    rig.want(wants(quote(1, 59_980.0)))
    (order,) = rig.slot().orders.values()
    rig.ingest(e.Amended(cid=order.cid, price=599_800, qty=100, amend_no=1))
    rig.want(wants(quote(1, 59_970.0)))
    rig.ingest(e.Amended(cid=order.cid, price=599_700, qty=100, amend_no=2))
    rig.ingest(e.Amended(cid=order.cid, price=599_800, qty=100, amend_no=1))
    assert order.price == 599_700


def test_the_budget_stops_placements_and_leaves_cancels_their_reserve() -> None:
    settings = replace(
        SETTINGS,
        risk=RiskSettings(
            default_limits=SETTINGS.risk.default_limits,
            messages_per_window=4,
            reserve_messages=4,
            message_window_ns=10**9,
        ),
    )
    rig = Rig(settings).start()
    sent = rig.want(ladder(60_000.0, levels=3))
    assert len(places(sent)) == 4
    assert rig.refusals() == ["MESSAGE_RATE"]
    answer(rig)
    assert len(of(rig.want(Desired()), Cancel)) == 4


def test_what_the_budget_refused_is_placed_when_the_window_is_over() -> None:
    settings = replace(SETTINGS, risk=replace(SETTINGS.risk, messages_per_window=4))
    rig = Rig(settings).start()
    rig.want(ladder(60_000.0, levels=3))
    answer(rig)
    rig.sent.clear()
    rig.wait(1)
    assert len(places(rig.sent)) == 2


def test_a_filled_quote_is_put_back_at_its_price() -> None:
    rig = Rig().start()
    (place,) = places(rig.want(wants(quote(1, 59_990.0))))
    rig.accept(place)
    rig.sent.clear()
    rig.fill(place, price=599_900)
    assert [(p.price, p.qty) for p in places(rig.sent)] == [(599_900, 100)]


def test_quotes_rest_post_only_and_round_away_from_the_market() -> None:
    rig = Rig().start()
    bid, ask = places(rig.want(wants(quote(1, 59_990.06), quote(-1, 60_011.04))))
    assert bid.kind is ask.kind is OrderKind.POST_ONLY
    assert (bid.price, ask.price) == (599_900, 600_111)


def test_the_whole_life_of_a_quote_is_told() -> None:
    rig = Rig().start()
    (place,) = places(rig.want(wants(quote(1, 59_990.0))))
    rig.accept(place)
    rig.fill(place, 40)
    rig.fill(place, 60)
    story = [(o.status.name, o.filled) for o in rig.told(OrderChanged) if o.cid == place.cid]
    assert story == [("PENDING", 0), ("OPEN", 0), ("OPEN", 40), ("FILLED", 100)]
