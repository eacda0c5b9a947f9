"""Takes act once and never late; protections are sized to fills and only tighten; IOCs do not spin."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from domain import events as e
from domain.commands import SetCap
from domain.desired import Protection
from domain.order import Amend, Cancel, OrderKind, OrderStatus, Place, Role
from domain.settings import SECOND_NS
from engine.core.executor import takes
from tests.engine.core.rig import ACCOUNT, BTC, SETTINGS, Rig, of, places, quote, stop, take, target, wants


def resting(rig: Rig, *roles: Role) -> list[Place]:
    """Orders sent with one of these roles; all that was sent is accepted."""
    sent = places(rig.sent)
    for place in sent:
        rig.accept(place)
    return [place for place in sent if rig.order(place.cid).role in roles]


# takes


def test_a_take_is_acted_on_once_however_often_it_is_wanted() -> None:
    rig = Rig().start()
    wanted = take(rig)
    assert len(places(rig.want(wants(wanted)))) == 1
    for n in range(3):
        sent = places(rig.want(wants(wanted, quote(1, 59_000.0 + n))))
        assert [rig.order(place.cid).role for place in sent if rig.order(place.cid).role is Role.TAKE] == []


def test_another_id_is_another_take() -> None:
    rig = Rig().start()
    assert len(places(rig.want(wants(take(rig, "a"), take(rig, "b"))))) == 2


def test_a_take_whose_time_has_passed_is_refused() -> None:
    rig = Rig().start()
    late = take(rig, seconds=1)
    rig.now_ns += 2 * SECOND_NS
    assert places(rig.want(wants(late))) == []
    assert rig.refusals() == ["EXPIRED"]


def test_a_used_id_stays_used_until_it_could_not_come_again() -> None:
    rig = Rig().start()
    wanted = take(rig, seconds=10)
    (place,) = places(rig.want(wants(wanted)))
    rig.cancelled(place.cid, 0)
    rig.wait(5)
    rig.want(wants())
    assert places(rig.want(wants(wanted))) == []
    rig.wait(20)
    assert places(rig.want(wants(wanted), bid=600_001)) == []


def test_ids_that_could_not_come_again_are_forgotten_in_time() -> None:
    rig = Rig().start()
    for n in range(300):
        rig.want(wants(take(rig, f"t{n}", qty=0.001)))
        rig.wait(2)
    assert len(rig.core.state.strategies["script"].takes) < 100


def test_an_old_take_that_lasts_long_does_not_use_up_the_room_of_the_others(monkeypatch) -> None:
    monkeypatch.setattr(takes, "MOST_TAKES", 100)
    rig = Rig().start()
    rig.want(wants(take(rig, "lasts", qty=0.001, seconds=86_400)))
    for n in range(150):
        rig.want(wants(take(rig, f"t{n}", qty=0.001)))
        rig.wait(2)
    used = rig.core.state.strategies["script"].takes
    assert "lasts" in used
    assert "t149" in used
    assert len(used) <= 100
    assert "MESSAGE_RATE" not in rig.refusals()


def test_a_take_is_not_repeated_after_a_crash() -> None:
    rig = Rig().start()
    wanted = take(rig, seconds=60)
    rig.want(wants(wanted))
    rig.crash()
    rig.wait(8)
    rig.snapshot()
    assert places(rig.sent) == []


def test_a_take_is_an_ioc_at_no_worse_than_its_limit() -> None:
    rig = Rig().start()
    (place,) = places(rig.want(wants(take(rig, side=-1))))
    assert place.kind is OrderKind.IOC
    assert place.price == 600_000


def test_a_cap_of_a_person_bounds_takes_with_all_that_may_still_fill() -> None:
    rig = Rig().start()
    assert rig.command(SetCap(account=ACCOUNT, instrument=BTC.id, qty=Decimal("0.25")), "dot").ok
    sent = places(rig.want(wants(take(rig, "a", qty=0.2), take(rig, "b", qty=0.2))))
    assert [place.qty for place in sent] == [200, 50]
    assert "CAPPED" in rig.refusals()
    for place in sent:
        rig.fill(place)
    assert [place.qty for place in places(rig.want(wants(take(rig, "c", side=-1, qty=0.1))))] == [100]


# protections


def test_the_stop_is_sized_to_what_has_filled() -> None:
    rig = Rig().start()
    (entry,) = places(rig.want(wants(target(0.5), stop(59_000.0))))
    rig.accept(entry)
    assert places(rig.sent) == [entry], "no position, no stop"
    rig.fill(entry, 200)
    (first,) = [p for p in places(rig.sent) if p.kind is OrderKind.STOP]
    assert (first.side, first.qty, first.reduce_only, first.trigger) == (-1, 200, True, 590_000)
    rig.accept(first)
    rig.sent.clear()
    rig.fill(entry, 300)
    (grown,) = of(rig.sent, Amend)
    assert (grown.cid, grown.qty) == (first.cid, 500)


def test_where_nothing_is_amended_the_new_stop_rests_before_the_old_one_goes() -> None:
    rig = Rig(replace(SETTINGS, instruments=(replace(BTC, amends=False),))).start()
    rig.hold_position(0.5, "e1")
    protected = wants(target(0.5, "e1"), stop(59_000.0))
    rig.want(protected)
    [old] = resting(rig, Role.STOP)
    grown = wants(target(0.8, "e1"), stop(59_000.0))
    [more] = places(rig.want(grown))
    rig.accept(more)
    rig.sent.clear()
    rig.fill(more)
    [new] = places(rig.sent)
    assert (new.kind, new.qty, of(rig.sent, Cancel)) == (OrderKind.STOP, 800, [])
    rig.want(wants(target(0.8, "e1"), stop(59_100.0)))
    assert places(rig.sent) == [], "one at a time"
    rig.sent.clear()
    rig.accept(new)
    [tighter] = places(rig.sent)
    assert (tighter.trigger, tighter.qty) == (591_000, 800)
    rig.sent.clear()
    rig.accept(tighter)
    assert {cancel.cid for cancel in of(rig.sent, Cancel)} == {old.cid, new.cid}


def test_the_stop_only_tightens_within_an_entry() -> None:
    rig = Rig().start()
    rig.hold_position(0.5, "e1")
    rig.want(wants(target(0.5), stop(59_000.0)))
    resting(rig)
    (tighter,) = of(rig.want(wants(target(0.5), stop(59_500.0))), Amend)
    assert tighter.trigger == 595_000
    rig.ingest(e.Amended(cid=tighter.cid, price=0, qty=500, trigger=595_000, amend_no=tighter.amend_no))
    assert rig.want(wants(target(0.5), stop(58_000.0))) == []
    assert rig.want(wants(target(0.5), stop(0.0, take_profit=0.0))) == []
    assert rig.slot().stop == 595_000
    assert "LOOSER_STOP" in rig.refusals()


def test_for_a_short_tighter_is_lower() -> None:
    rig = Rig().start()
    rig.hold_position(-0.5, "e1")
    rig.want(wants(target(-0.5), stop(61_000.0)))
    resting(rig)
    assert rig.want(wants(target(-0.5), stop(62_000.0))) == []
    assert [a.trigger for a in of(rig.want(wants(target(-0.5), stop(60_500.0))), Amend)] == [605_000]


def test_another_name_for_the_entry_does_not_loosen_the_stop_of_what_is_held() -> None:
    rig = Rig().start()
    rig.hold_position(0.5, "e1")
    rig.want(wants(target(0.5), stop(59_500.0)))
    resting(rig)
    rig.want(wants(target(0.5, "e2"), stop(58_000.0, "e2")))
    assert rig.slot().stop == 595_000
    assert "LOOSER_STOP" in rig.refusals()


def test_once_flat_a_new_entry_may_begin_with_a_wider_stop() -> None:
    rig = Rig().start()
    rig.hold_position(0.5, "e1")
    rig.want(wants(target(0.5), stop(59_500.0)))
    (guard,) = resting(rig, Role.STOP)
    rig.fill(guard, price=595_000)
    rig.want(wants(target(0.5, "e2"), stop(58_000.0, "e2")))
    assert rig.slot().stop == 580_000


def test_stop_and_take_profit_rest_together_and_the_fired_one_takes_the_other_along() -> None:
    rig = Rig().start()
    rig.hold_position(0.5, "e1")
    rig.want(wants(target(0.5), stop(59_000.0, take_profit=61_000.0)))
    both = resting(rig, Role.STOP, Role.TAKE_PROFIT)
    assert len(both) == 2
    profit = next(p for p in both if p.kind is OrderKind.TAKE_PROFIT)
    rig.sent.clear()
    rig.fill(profit, price=610_000)
    assert [rig.order(x.cid).role for x in of(rig.sent, Cancel)] == [Role.STOP]
    assert rig.held() == 0


def test_the_stop_shrinks_with_the_position_and_goes_with_it() -> None:
    rig = Rig().start()
    rig.hold_position(0.5, "e1")
    rig.want(wants(target(0.5), stop(59_000.0)))
    (protection,) = resting(rig, Role.STOP)
    rig.want(wants(target(0.2), stop(59_000.0)))
    (less,) = resting(rig, Role.TARGET)
    rig.sent.clear()
    rig.fill(less)
    assert [a.qty for a in of(rig.sent, Amend)] == [200]
    rig.ingest(e.Amended(cid=protection.cid, price=0, qty=200, trigger=590_000, amend_no=1))
    rig.want(wants(target(0.0), stop(59_000.0)))
    (last,) = resting(rig, Role.TARGET)
    rig.sent.clear()
    rig.fill(last)
    assert [x.cid for x in of(rig.sent, Cancel)] == [protection.cid]


def test_a_stop_that_the_venue_cancelled_is_put_back() -> None:
    rig = Rig().start()
    rig.hold_position(0.5, "e1")
    rig.want(wants(target(0.5), stop(59_000.0)))
    (protection,) = resting(rig, Role.STOP)
    rig.sent.clear()
    rig.cancelled(protection.cid)
    rig.wait(1)
    assert [p.trigger for p in places(rig.sent)] == [590_000]


def test_a_stop_that_the_venue_refuses_is_tried_again_at_a_bounded_rate() -> None:
    rig = Rig().start()
    rig.hold_position(0.5, "e1")
    rig.want(wants(target(0.5), stop(59_000.0)))
    for _ in range(100):
        for place in [p for p in places(rig.sent) if rig.core.order(p.cid) is not None]:
            rig.ingest(e.Rejected(cid=place.cid, text="no"))
        rig.wait(0.1)
    stops = [p for p in places(rig.sent) if p.kind is OrderKind.STOP]
    assert 10 <= len(stops) <= 60


# IOCs


def test_an_ioc_that_found_nobody_waits_before_it_tries_again() -> None:
    rig = Rig().start()
    rig.want(wants(target(0.5)))
    for _ in range(100):
        for place in [p for p in places(rig.sent) if rig.core.order(p.cid) is not None]:
            rig.accept(place)
            rig.cancelled(place.cid, 0)
        rig.wait(0.1)
    assert 5 <= len(places(rig.sent)) <= 12


def test_an_ioc_that_was_cut_short_goes_on_for_the_rest() -> None:
    rig = Rig().start()
    (place,) = places(rig.want(wants(target(0.5))))
    rig.accept(place)
    rig.fill(place, 200)
    rig.cancelled(place.cid, 200)
    rig.sent.clear()
    rig.wait(1)
    assert [p.qty for p in places(rig.sent)] == [300]


# fills that come late


def test_a_fill_after_the_cancel_was_acknowledged_is_booked() -> None:
    rig = Rig().start()
    (place,) = places(rig.want(wants(quote(1, 59_990.0))))
    rig.accept(place)
    rig.want(wants())
    rig.cancelled(place.cid)
    assert rig.order(place.cid).status is OrderStatus.CANCELLED
    rig.fill(place, price=599_900)
    assert rig.held() == 100
    assert not rig.slot().hold, "it is ours, and explained"


def test_a_cancel_that_counts_more_filled_than_we_saw_waits_for_those_fills() -> None:
    rig = Rig().start()
    (place,) = places(rig.want(wants(quote(1, 59_990.0))))
    rig.accept(place)
    rig.sent.clear()
    rig.cancelled(place.cid, filled=60)
    assert rig.order(place.cid).status is OrderStatus.UNKNOWN
    assert [type(intent).__name__ for intent in rig.sent if not isinstance(intent, Place)] == ["RequestSnapshot"]
    rig.fill(place, 60, price=599_900)
    assert rig.order(place.cid).status is OrderStatus.CANCELLED
    assert rig.held() == 60


def test_a_fill_that_comes_twice_is_booked_once() -> None:
    rig = Rig().start()
    (place,) = places(rig.want(wants(target(0.5))))
    event = rig.fill(place, 200)
    rig.ingest(event)
    assert rig.held() == 200
    assert rig.order(place.cid).filled == 200


def test_a_fill_before_the_acceptance_is_an_acceptance() -> None:
    rig = Rig().start()
    (place,) = places(rig.want(wants(target(0.5))))
    rig.fill(place, 200)
    assert rig.order(place.cid).status is OrderStatus.OPEN
    rig.fill(place, 300)
    rig.accept(place)
    assert rig.order(place.cid).status is OrderStatus.FILLED


@pytest.mark.parametrize(
    "protections",
    [(), (Protection(instrument=BTC.id, entry="e2", take_profit=50_000.0),), (stop(65_000.0, "e2"),)],
    ids=["none", "take-profit only", "stop"],
)
def test_after_a_turn_the_old_sides_stop_is_gone(protections: tuple[Protection, ...]) -> None:
    rig = Rig().start()
    rig.hold_position(0.5, "e1")
    rig.want(wants(target(0.5), stop(55_000.0)))
    resting(rig, Role.STOP)
    rig.want(wants(target(-0.5, "e2"), *protections))
    for _ in range(3):
        for place in places(list(rig.sent)):
            if not place.trigger and rig.core.order(place.cid) is not None:
                rig.accept(place)
                rig.fill(place)
        for order in list(rig.slot().orders.values()):
            if order.cancel_ns:
                rig.cancelled(order.cid, 0)
    assert rig.held() == -500
    wanted = {(Role.STOP, 1, 650_000)} if protections and protections[0].stop else set()
    wanted |= {(Role.TAKE_PROFIT, 1, 500_000)} if protections and protections[0].take_profit else set()
    assert {(o.role, o.side, o.trigger) for o in rig.slot().orders.values()} == wanted


def test_nothing_is_closed_that_is_not_held_while_an_old_stop_is_being_cancelled() -> None:
    rig = Rig().start()
    rig.hold_position(0.5, "e1")
    rig.want(wants(target(0.5), stop(59_500.0)))
    (guard,) = resting(rig, Role.STOP)
    (close,) = places(rig.want(wants(target(0.0, "e1"))))
    rig.accept(close)
    rig.sent.clear()
    rig.fill(close)
    rig.want(wants(target(-0.5, "e2")))
    assert [place.qty for place in places(rig.sent) if place.reduce_only] == []
    rig.cancelled(guard.cid, 0)
    assert [place.qty for place in places(rig.sent) if not place.reduce_only] == [500]
