"""A copy of an amendment can arrive behind a newer one, or after its refusal, until its validity is over."""

from __future__ import annotations

from decimal import Decimal

import msgspec
from msgspec.structs import replace

from domain import events as e
from domain.facts import TradingState
from domain.order import Amend, Cancel, OrderStatus, Place, Query
from domain.settings import SECOND_NS, Limits, RiskSettings
from domain.verdict import Reason
from engine.core import trading
from engine.core.executor.exposure import exposure_of
from engine.core.state import State, decode_state, encode_state
from tests.engine.core.rig import ACCOUNT, BTC, SETTINGS, Rig, of, places, quote, stop, target, wants

BID, LOWER = 59_990.0, 59_980.0


def resting(rig: Rig, qty: float = 0.01) -> Place:
    """A bid that rests."""
    (place,) = places(rig.want(wants(quote(1, BID, qty))))
    rig.accept(place)
    return place


def amended(rig: Rig, amend: Amend) -> None:
    """The venue has done it."""
    rig.now_ns += SECOND_NS // 10
    rig.ingest(
        e.Amended(
            cid=amend.cid, price=amend.price, qty=amend.qty, amend_no=amend.amend_no, venue_ts_ns=rig.now_ns
        )
    )  # fmt: skip


def grown(rig: Rig) -> tuple[Place, Amend]:
    """A bid of 10 that was made 30."""
    place = resting(rig)
    (amend,) = of(rig.want(wants(quote(1, BID, 0.03))), Amend)
    amended(rig, amend)
    assert rig.order(place.cid).qty == amend.qty == 30
    return place, amend


def seen(rig: Rig, place: Place, qty: int) -> None:
    """The venue shows everything it has, which is this order."""
    rig.now_ns += 10 * SECOND_NS
    row = e.OpenOrder(
        cid=place.cid, instrument=BTC.id, side=1, kind=place.kind, price=place.price, qty=qty, filled=0, trigger=0,
        reduce_only=False, venue_id="V",
    )  # fmt: skip
    rig.snapshot(orders=(row,))


def buys(rig: Rig) -> int:
    return exposure_of(rig.core, rig.slot()).buys


def test_while_a_copy_of_a_larger_amendment_may_arrive_a_smaller_quote_replaces_it() -> None:
    """Behind a smaller amendment the copy would make the order larger than the gate counts."""
    rig = Rig().start()
    place, _ = grown(rig)
    sent = rig.want(wants(quote(1, BID, 0.01)))
    assert of(sent, Amend) == []
    assert [intent.cid for intent in of(sent, Cancel)] == [place.cid]
    assert buys(rig) == 30
    rig.cancelled(place.cid, 0)
    assert [intent.qty for intent in places(rig.sent)] == [10]


def test_a_quote_that_only_moves_is_amended_all_the_time() -> None:
    rig = Rig().start()
    place, _ = grown(rig)
    for price in (59_985.0, 59_980.0, 59_970.0):
        (amend,) = of(rig.want(wants(quote(1, price, 0.03))), Amend)
        assert (amend.cid, amend.qty) == (place.cid, 30)
        amended(rig, amend)
    assert buys(rig) == 30


def test_once_the_venue_shows_the_order_after_that_time_it_shrinks_in_place() -> None:
    rig = Rig().start()
    place, _ = grown(rig)
    seen(rig, place, 30)
    (amend,) = of(rig.want(wants(quote(1, BID, 0.01))), Amend)
    assert amend.qty == 10


def test_our_own_clock_does_not_end_the_time_of_an_amendment() -> None:
    """It may have jumped: the venue goes by its own."""
    rig = Rig().start()
    place, _ = grown(rig)
    rig.now_ns += 30 * SECOND_NS
    assert [intent.cid for intent in of(rig.want(wants(quote(1, BID, 0.01))), Cancel)] == [place.cid]


def test_an_order_that_was_never_amended_shrinks_in_place() -> None:
    rig = Rig().start()
    place = resting(rig, 0.03)
    (amend,) = of(rig.want(wants(quote(1, BID, 0.01))), Amend)
    assert (amend.cid, amend.qty) == (place.cid, 10)


def test_a_refused_growth_counts_until_no_copy_of_it_can_arrive_which_is_asked() -> None:
    rig = Rig().start()
    place = resting(rig)
    (amend,) = of(rig.want(wants(quote(1, BID, 0.03))), Amend)
    rig.script.wants = wants(quote(1, BID, 0.015))
    rig.ingest(e.AmendRejected(cid=place.cid, amend_no=amend.amend_no, venue_ts_ns=rig.now_ns))
    rig.touch()
    assert buys(rig) == 30
    rig.sent.clear()
    rig.wait(9)
    assert [intent.cid for intent in of(rig.sent, Query)] == [place.cid]
    assert buys(rig) == 30
    rig.ingest(
        e.OrderReport(
            cid=place.cid, found=True, status=OrderStatus.OPEN, price=place.price, qty=10, venue_ts_ns=rig.now_ns
        )
    )  # fmt: skip
    assert buys(rig) == 10
    rig.sent.clear()
    rig.wait(20)
    assert of(rig.sent, Query) == []


def test_what_a_refused_growth_may_come_to_is_left_for_nothing_else() -> None:
    limits = Limits(max_position_notional=Decimal(2_000), max_order_notional=Decimal(100_000))
    rig = Rig(replace(SETTINGS, risk=RiskSettings(default_limits=limits, portfolio=SETTINGS.risk.portfolio))).start()
    place = resting(rig)
    (amend,) = of(rig.want(wants(quote(1, BID, 0.03))), Amend)
    rig.want(wants(quote(1, BID, 0.015)))
    rig.ingest(e.AmendRejected(cid=place.cid, amend_no=amend.amend_no, venue_ts_ns=rig.now_ns))
    rig.wait(2)
    assert places(rig.want(wants(quote(1, BID, 0.015), quote(1, LOWER, 0.015, level=1)))) == []
    assert Reason.POSITION_LIMIT.value in rig.refusals()


def test_a_refused_growth_of_what_reduces_counts_as_closing_what_is_held() -> None:
    """Seed 2758: an order that only closed the position by our count could have passed zero behind it."""
    rig = Rig().start()
    rig.hold_position(0.1)
    trading.latch(rig.core, TradingState.REDUCING, "test", "test")
    (place,) = places(rig.want(wants(quote(-1, 60_011.0, 0.01))))
    assert place.reduce_only
    rig.accept(place)
    (amend,) = of(rig.want(wants(quote(-1, 60_011.0, 0.05))), Amend)
    rig.script.wants = wants(quote(-1, 60_011.0, 0.015))
    rig.ingest(e.AmendRejected(cid=place.cid, amend_no=amend.amend_no, venue_ts_ns=rig.now_ns))
    assert exposure_of(rig.core, rig.slot()).closing_sells == 50


def test_a_stop_is_made_smaller_in_place_all_the_time() -> None:
    """It is reduce-only, and the position must never be without."""
    rig = Rig().start()
    guard = stop(59_000.0, "a")
    (first,) = places(rig.want(wants(target(0.02, "a"), guard)))
    rig.fill(first)
    (resting_stop,) = [order for order in places(rig.sent) if order.trigger]
    rig.accept(resting_stop)
    (more,) = places(rig.want(wants(target(0.03, "a"), guard)))
    rig.fill(more)
    (grown_stop,) = of(rig.sent, Amend)
    amended(rig, grown_stop)
    (less,) = places(rig.want(wants(target(0.01, "a"), guard)))
    rig.fill(less)
    assert [(amend.cid, amend.qty) for amend in of(rig.sent, Amend)] == [(resting_stop.cid, 10)]
    assert of(rig.sent, Cancel) == []


def test_a_crash_forgets_no_amendment_of_which_a_copy_may_arrive() -> None:
    rig = Rig().start()
    place, _ = grown(rig)
    rig.crash()
    order = rig.order(place.cid)
    assert (order.sent_qty, order.leaves) == (30, 30)
    rig.now_ns -= 9 * SECOND_NS
    seen(rig, place, 30)
    assert [intent.cid for intent in of(rig.want(wants(quote(1, BID, 0.01))), Cancel)] == [place.cid]


def test_an_order_that_is_full_as_we_know_it_is_asked_about_when_a_copy_may_have_made_it_larger() -> None:
    rig = Rig().start()
    place = resting(rig)
    (amend,) = of(rig.want(wants(quote(1, BID, 0.03))), Amend)
    rig.ingest(e.AmendRejected(cid=place.cid, amend_no=amend.amend_no, venue_ts_ns=rig.now_ns))
    rig.sent.clear()
    rig.fill(place, 10)
    assert rig.order(place.cid).status is OrderStatus.UNKNOWN
    assert buys(rig) == 20
    assert [intent.cid for intent in of(rig.sent, Query)] == [place.cid]
    rig.ingest(e.OrderReport(cid=place.cid, found=True, status=OrderStatus.FILLED, filled=10, venue_ts_ns=rig.now_ns))
    assert rig.order(place.cid).status is OrderStatus.FILLED
    assert place.cid not in rig.slot().orders


def test_a_copy_that_arrived_behind_a_newer_amendment_is_what_the_order_is() -> None:
    rig = Rig().start()
    place, first = grown(rig)
    (second,) = of(rig.want(wants(quote(1, LOWER, 0.04))), Amend)
    amended(rig, second)
    amended(rig, first)
    order = rig.order(place.cid)
    assert (order.price, order.qty) == (first.price, 30)
    assert buys(rig) == 40
    (again,) = of(rig.sent, Amend)[-1:]
    assert (again.price, again.qty, again.amend_no) == (second.price, 40, 3)


def test_a_quote_that_may_only_not_grow_stays_as_it_is() -> None:
    """Seed 228: taken out and placed again without an end, while another quote of its price was refused."""
    limits = Limits(max_position_notional=Decimal(2_000), max_order_notional=Decimal(100_000))
    rig = Rig(replace(SETTINGS, risk=RiskSettings(default_limits=limits, portfolio=SETTINGS.risk.portfolio))).start()
    place = resting(rig)
    sent = rig.want(wants(quote(1, BID, 0.05), quote(1, BID, 0.01, level=1)))
    assert of(sent, Cancel) == []
    assert place.cid in rig.slot().orders
    assert Reason.POSITION_LIMIT.value in rig.refusals()
    for further in places(sent):
        rig.accept(further)
    rig.sent.clear()
    rig.wait(5)
    rig.touch()
    assert rig.sent == []


def test_a_state_of_before_has_no_amendment_of_which_a_copy_may_arrive() -> None:
    rig = Rig().start()
    place, _ = grown(rig)
    old = msgspec.msgpack.decode(encode_state(rig.core.state))
    for order in old["slots"][f"{ACCOUNT}|{BTC.id}"]["orders"].values():
        del order["sent_qty"], order["sent_until_ns"]
    state = decode_state(msgspec.msgpack.encode(old))
    assert isinstance(state, State)
    assert state.slots[rig.slot().key].orders[place.cid].leaves == 30
