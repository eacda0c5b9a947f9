"""Answers that come twice, late, or contradict each other."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from domain import events as e
from domain.commands import Flatten
from domain.desired import Desired, Protection, Qty, Quote, Target
from domain.events import VenuePosition
from domain.facts import OrderChanged
from domain.order import Amend, Cancel, OrderStatus, Place, Query, RequestSnapshot
from domain.settings import SECOND_NS
from domain.verdict import Reason
from tests.engine.core.rig import ACCOUNT, BTC, ETH, SETTINGS, SPEC, SUB, WIDE, Rig, places, target, wants


def placed(rig: Rig) -> Place:
    (place,) = places(rig.want(Desired(targets=(Target(instrument=BTC.id, want=Qty(1.0), entry="e1"),))))
    return place


def test_a_refused_duplicate_is_asked_about_and_not_placed_again() -> None:
    rig = Rig().start()
    place = placed(rig)
    rig.sent.clear()
    rig.ingest(e.Rejected(cid=place.cid, reason=Reason.DUPLICATE))
    assert rig.order(place.cid).status is OrderStatus.PENDING
    assert [type(intent) for intent in rig.sent] == [Query]


def test_an_order_that_was_refused_and_then_accepted_counts_again() -> None:
    rig = Rig().start()
    place = placed(rig)
    rig.ingest(e.Rejected(cid=place.cid))
    assert rig.order(place.cid).status is OrderStatus.REJECTED
    rig.sent.clear()
    rig.accept(place)
    assert rig.order(place.cid).status is OrderStatus.OPEN
    rig.now_ns += 10 * SECOND_NS
    rig.touch()
    assert places(rig.sent) == []


def test_accounts_are_compared_with_the_venue_now_and_then() -> None:
    rig = Rig().start()
    rig.now_ns += SETTINGS.execution.reconcile_every_ns
    rig.kernel.tick(rig.now_ns)
    assert RequestSnapshot(account=ACCOUNT) in rig.sent


def resting_quote(rig: Rig) -> Place:
    quote = Quote(instrument=BTC.id, side=1, price=59_990.0, qty=0.01)
    (place,) = places(rig.want(Desired(quotes=(quote,))))
    rig.accept(place)
    return place


def grow(rig: Rig) -> Amend:
    (amend,) = rig.want(Desired(quotes=(Quote(instrument=BTC.id, side=1, price=59_990.0, qty=0.03),)))
    assert isinstance(amend, Amend)
    return amend


def unchanged(place: Place, venue_ts_ns: int) -> e.OrderReport:
    """The venue still has the order as it was placed."""
    return e.OrderReport(
        cid=place.cid,
        found=True,
        status=OrderStatus.OPEN,
        price=place.price,
        qty=place.qty,
        venue_ts_ns=venue_ts_ns,
    )


def test_an_amendment_counts_until_it_can_no_longer_arrive() -> None:
    rig = Rig().start()
    place = resting_quote(rig)
    amend = grow(rig)
    rig.now_ns += SECOND_NS
    rig.ingest(unchanged(place, rig.now_ns))
    assert rig.order(place.cid).leaves == amend.qty
    rig.now_ns = amend.valid_until_ns + 1
    rig.ingest(unchanged(place, rig.now_ns))
    assert rig.order(place.cid).amend_no == amend.amend_no + 1


def test_an_older_word_of_the_venue_does_not_undo_a_newer_one() -> None:
    rig = Rig().start()
    place = resting_quote(rig)
    before_ns = rig.now_ns
    amend = grow(rig)
    rig.now_ns += SECOND_NS
    rig.ingest(
        e.Amended(cid=place.cid, price=amend.price, qty=amend.qty, amend_no=amend.amend_no, venue_ts_ns=rig.now_ns)
    )
    rig.ingest(unchanged(place, before_ns - 1))
    assert rig.order(place.cid).qty == amend.qty


def test_absence_is_judged_by_the_clock_of_the_venue() -> None:
    rig = Rig().start()
    place = placed(rig)
    sent_ns = rig.now_ns
    rig.now_ns += 60 * SECOND_NS
    rig.ingest(e.OrderReport(cid=place.cid, found=False, venue_ts_ns=sent_ns + SECOND_NS))
    assert place.cid in rig.core.state.where
    rig.ingest(e.OrderReport(cid=place.cid, found=False, venue_ts_ns=place.valid_until_ns + 2 * SECOND_NS))
    assert rig.order(place.cid).status is OrderStatus.ABSENT


def test_the_same_snapshot_twice_is_one_look_at_the_venue() -> None:
    rig = Rig().start()
    rig.now_ns += 10 * SECOND_NS
    other = VenuePosition(instrument=BTC.id, qty=5, entry_value=Decimal(300))
    for _ in range(2):
        rig.ingest(
            e.VenueSnapshot(account=ACCOUNT, cash=Decimal(1_000_000), positions=(other,), venue_ts_ns=rig.now_ns)
        )
    assert rig.core.position(ACCOUNT, BTC.id) == 0


def test_a_stop_follows_a_position_that_grew_before_it_was_accepted() -> None:
    rig = Rig().start()
    wanted = Desired(
        targets=(Target(instrument=BTC.id, want=Qty(1.0), entry="e1"),),
        protections=(Protection(instrument=BTC.id, entry="e1", stop=59_000.0),),
    )
    (place,) = places(rig.want(wanted))
    rig.accept(place)
    rig.sent.clear()
    rig.fill(place, qty=400)
    (stop,) = places(rig.sent)
    rig.fill(place, qty=600)
    rig.sent.clear()
    rig.accept(stop)
    (amend,) = rig.sent
    assert isinstance(amend, Amend)
    assert amend.qty == 1_000


def test_a_flatten_closes_what_its_cancelled_orders_still_fill() -> None:
    rig = Rig().start()
    place = placed(rig)
    rig.accept(place)
    rig.command(Flatten(), person="dot")
    rig.fill(place, qty=300)
    rig.sent.clear()
    rig.ingest(e.Cancelled(cid=place.cid, filled=300))
    (close,) = places(rig.sent)
    assert (close.side, close.qty, close.reduce_only) == (-1, 300, True)


def test_a_fill_that_comes_after_the_end_of_its_order_is_told_with_the_order() -> None:
    rig = Rig().start()
    (place,) = places(rig.want(wants(target(0.5))))
    rig.accept(place)
    rig.cancelled(place.cid, filled=0)
    rig.facts.clear()
    rig.fill(place, 200)
    assert [(order.cid, order.filled) for order in rig.told(OrderChanged)][:1] == [(place.cid, 200)]


def test_an_order_whose_fills_do_not_come_is_not_cancelled_again_and_again() -> None:
    rig = Rig().start()
    (place,) = places(rig.want(Desired(quotes=(Quote(instrument=BTC.id, side=1, price=59_990.0, qty=0.1),))))
    rig.accept(place)
    rig.want(Desired())
    rig.sent.clear()
    for _ in range(5):
        rig.ingest(e.CancelRejected(cid=place.cid, text="the order is filled"))
        rig.ingest(e.OrderReport(cid=place.cid, found=True, status=OrderStatus.FILLED, filled=100, qty=100, price=1))
        rig.touch()
    assert [intent for intent in rig.sent if isinstance(intent, Cancel)] == []


def test_a_fill_that_names_an_order_of_another_contract_is_held_and_asked_about_and_moves_only_what_it_says() -> None:
    rig = Rig(WIDE).start()
    place = placed(rig)
    fill = replace(rig.make_fill(place, 10, 300_000), account=SUB, instrument=ETH.id)
    rig.ingest(fill)
    assert (rig.held(), rig.held(ETH.id, SUB)) == (0, 10)
    assert rig.order(place.cid).filled == 0
    assert rig.slot(ETH.id, SUB).hold
    assert not rig.slot().hold
    assert "unexplained_fill" in rig.alerts()
    rig.accept(place)
    rig.fill(place)
    assert (rig.held(), rig.order(place.cid).status) == (1_000, OrderStatus.FILLED)
    assert rig.crash().held(ETH.id, SUB) == 10


def test_the_oldest_ended_orders_are_forgotten_first_also_after_a_restart_and_when_one_works_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("engine.core.orders.REMEMBERED_ORDERS", 4)
    rig = Rig().start()
    ended = []
    for n in range(8):
        if n == 6:
            rig.kernel.snapshot()
            rig.crash()
            rig.snapshot()
            rig.load(SPEC)
        (place,) = places(rig.want(Desired(quotes=(Quote(instrument=BTC.id, side=1, price=59_000.0, qty=0.01),))))
        rig.want(Desired())
        rig.ingest(e.Rejected(cid=place.cid))
        rig.wait(5)
        ended.append(place.cid)
        if n == 3:
            rig.ingest(e.Accepted(cid=ended[0], venue_id="V", venue_ts_ns=rig.now_ns))
            rig.cancelled(ended[0])
            ended.append(ended.pop(0))
        assert list(rig.core.state.closed) == ended[-4:] == list(rig.core.ended)
