"""A person's order at a price: it rests, is voted on when large, and ends when it should; never twice at the venue."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from domain import commands as c
from domain import events as e
from domain.facts import RequestStatus
from domain.order import Cancel, OrderKind, OrderStatus, Place, Role
from domain.settings import SECOND_NS, ApprovalSettings
from domain.verdict import Reason
from engine.core.recovery import replay
from engine.core.state import State
from tests.engine.core.rig import ACCOUNT, BTC, SETTINGS, Rig, of, places

HOUR_NS = 3_600 * SECOND_NS


def limit(qty: str = "0.1", price: str = "59000", valid_ns: int = HOUR_NS) -> c.ManualLimit:
    return c.ManualLimit(account=ACCOUNT, instrument=BTC.id, qty=Decimal(qty), price=Decimal(price), valid_ns=valid_ns)


def market(qty: str) -> c.ManualTarget:
    return c.ManualTarget(account=ACCOUNT, instrument=BTC.id, qty=Decimal(qty))


def begun(approvals: ApprovalSettings | None = None) -> Rig:
    rig = Rig(replace(SETTINGS, approvals=approvals or ApprovalSettings(enabled=False))).start(load=False)
    rig.touch()
    rig.sent.clear()
    return rig


def rest(rig: Rig, qty: str = "0.1", price: str = "59000", valid_ns: int = HOUR_NS) -> Place:
    done = rig.command(limit(qty, price, valid_ns), "dot")
    assert done.ok, done.text
    (place,) = places(rig.sent)
    rig.accept(place)
    rig.sent.clear()
    return place


def hold(rig: Rig, qty: str) -> None:
    assert rig.command(market(qty), "dot").ok
    (place,) = places(rig.sent)
    rig.accept(place)
    rig.fill(place)
    rig.sent.clear()


def test_it_rests_at_its_price_until_it_has_filled() -> None:
    rig = begun()
    place = rest(rig)
    assert (place.kind, place.side, place.qty, place.price) == (OrderKind.LIMIT, 1, 100, 590_000)
    assert rig.order(place.cid).role is Role.LIMIT
    rig.fill(place, 40, price=590_000)
    rig.touch(589_900, 589_910)
    assert rig.sent == []
    rig.fill(place, 60, price=590_000)
    assert rig.held() == 100
    assert rig.slot().resting == {}
    assert rig.order(place.cid).status is OrderStatus.FILLED
    rig.touch()
    assert rig.sent == []


def test_it_is_cancelled_without_holding_the_slot() -> None:
    rig = begun()
    place = rest(rig)
    assert rig.command(c.CancelOrder(cid=place.cid), "dot").ok
    assert of(rig.sent, Cancel)
    rig.cancelled(place.cid)
    assert (rig.slot().hold, rig.slot().resting, rig.slot().orders) == (False, {}, {})
    assert rig.command(market("0.1"), "dot").ok


def test_its_time_ends_it_and_people_hear_of_it() -> None:
    rig = begun()
    place = rest(rig, valid_ns=10 * SECOND_NS)
    rig.wait(9)
    assert not of(rig.sent, Cancel)
    rig.wait(2)
    assert [cancel.cid for cancel in of(rig.sent, Cancel)] == [place.cid]
    assert "dot's order to buy 0.100 BTC-USDC-PERP.PAPER at 59000.0 is over: its time is up." in rig.told_alert(
        "order_over"
    )


def test_orders_at_the_market_go_on_beside_it() -> None:
    rig = begun()
    place = rest(rig)
    hold(rig, "0.05")
    rig.fill(place, 100, price=590_000)
    assert rig.held() == 150
    assert rig.slot().target == 150
    rig.touch()
    assert places(rig.sent) == []


@pytest.mark.parametrize("act", [c.Halt(), c.SetHold(account=ACCOUNT, instrument=BTC.id), c.Flatten(scope=BTC.id)])
def test_a_halt_a_hold_and_a_flatten_end_it_for_good(act: c.Command) -> None:
    rig = begun()
    place = rest(rig)
    rig.command(act, "dot")
    assert [cancel.cid for cancel in of(rig.sent, Cancel)] == [place.cid]
    rig.cancelled(place.cid)
    assert rig.slot().resting == {}
    assert "order_over" in rig.alerts()


def test_a_fill_that_meets_the_cancel_is_kept() -> None:
    rig = begun()
    hold(rig, "0.05")
    place = rest(rig)
    rig.command(c.CancelOrder(cid=place.cid), "dot")
    rig.fill(place, 100, price=590_000)
    rig.touch()
    assert (rig.held(), rig.slot().target) == (150, 150)
    assert places(rig.sent) == []


def test_what_only_closes_is_reduce_only_and_passes_while_reducing() -> None:
    rig = begun()
    hold(rig, "0.1")
    place = rest(rig, "-0.1", "61000")
    assert place.reduce_only
    rig.command(c.SetBreaker(name="PAPER", open=True), "dot")
    assert not of(rig.sent, Cancel)
    rig.fill(place, 100, price=610_000)
    assert rig.held() == 0


def test_where_nothing_may_add_risk_it_waits_and_comes_back() -> None:
    rig = begun()
    place = rest(rig)
    rig.command(c.SetBreaker(name="PAPER", open=True), "dot")
    assert [cancel.cid for cancel in of(rig.sent, Cancel)] == [place.cid]
    rig.cancelled(place.cid)
    rig.sent.clear()
    assert rig.command(limit(), "dot").reason is Reason.BREAKER_OPEN
    rig.command(c.SetCap(account=ACCOUNT, instrument=BTC.id, qty=Decimal("0.05")), "dot")
    assert places(rig.sent) == []
    assert len(rig.slot().resting) == 1


def test_a_cap_takes_out_what_would_pass_it() -> None:
    rig = begun()
    place = rest(rig)
    rig.command(c.SetCap(account=ACCOUNT, instrument=BTC.id, qty=Decimal("0.05")), "dot")
    assert [cancel.cid for cancel in of(rig.sent, Cancel)] == [place.cid]
    assert rig.command(limit(), "dot").reason is Reason.CAPPED


def test_what_the_venue_refuses_or_cancels_is_over_and_not_sent_again() -> None:
    rig = begun()
    assert rig.command(limit(), "dot").ok
    (place,) = places(rig.sent)
    rig.sent.clear()
    rig.ingest(e.Rejected(cid=place.cid, reason=Reason.VENUE, text="margin"))
    rig.wait(30)
    assert places(rig.sent) == []
    assert "margin" in rig.told_alert("order_over")
    place = rest(rig)
    rig.cancelled(place.cid)
    rig.wait(30)
    assert places(rig.sent) == []


def test_after_a_crash_it_is_the_same_order_still() -> None:
    rig = begun()
    place = rest(rig, valid_ns=60 * SECOND_NS)
    rig.fill(place, 30, price=590_000)
    rig.crash()
    working = e.OpenOrder(
        cid=place.cid, instrument=BTC.id, side=1, kind=OrderKind.LIMIT, qty=100, price=590_000, trigger=0,
        filled=30, reduce_only=False, venue_id="V",
    )  # fmt: skip
    held = e.VenuePosition(instrument=BTC.id, qty=30, entry_value=Decimal(1770))
    rig.snapshot(positions=(held,), orders=(working,))
    rig.touch()
    assert places(rig.sent) == []
    assert not of(rig.sent, Cancel)
    rig.wait(61)
    assert [cancel.cid for cancel in of(rig.sent, Cancel)] == [place.cid]


def test_a_clean_stop_takes_it_out_and_the_next_run_places_what_is_left() -> None:
    rig = begun()
    place = rest(rig)
    rig.fill(place, 30, price=590_000)
    rig.ingest(e.EngineStopped(reason="update"))
    assert [cancel.cid for cancel in of(rig.sent, Cancel)] == [place.cid]
    rig.sent.clear()
    rig.cancelled(place.cid)
    rig.touch()
    assert rig.sent == [], "nothing is placed by a run that ends"
    rig.begin()
    rig.touch()
    held = e.VenuePosition(instrument=BTC.id, qty=30, entry_value=Decimal(1770))
    rig.snapshot(positions=(held,))
    (again,) = places(rig.sent)
    assert (again.kind, again.qty, again.price) == (OrderKind.LIMIT, 70, 590_000)
    assert again.cid != place.cid


def test_a_large_one_waits_for_a_vote_and_is_then_exactly_that() -> None:
    rig = begun(ApprovalSettings(large_fraction=Decimal("0.001")))
    asked = rig.command(limit(), "dot")
    assert asked.request == "R1"
    assert places(rig.sent) == []
    request = rig.core.state.requests["R1"]
    assert "dot wants to buy 0.100 BTC-USDC-PERP.PAPER at 59000.0 or better" in request.text
    assert "for 1 h at most" in request.text
    assert rig.command(c.Approve(request="R1"), "dot").reason is Reason.ROLE
    assert rig.command(c.Approve(request="R1"), "bob").ok
    (place,) = places(rig.sent)
    assert (place.kind, place.qty, place.price) == (OrderKind.LIMIT, 100, 590_000)
    assert rig.core.state.requests["R1"].status is RequestStatus.APPROVED


def test_a_denied_or_expired_one_never_leaves() -> None:
    rig = begun(ApprovalSettings(large_fraction=Decimal("0.001")))
    rig.command(limit(), "dot")
    assert rig.command(c.Deny(request="R1", reason="no"), "bob").ok
    rig.wait(600)
    rig.touch()
    assert places(rig.sent) == []


def test_an_approved_one_is_looked_at_again() -> None:
    rig = begun(ApprovalSettings(large_fraction=Decimal("0.001")))
    rig.command(limit(), "dot")
    rig.command(c.Halt(), "dot")
    assert rig.command(c.Approve(request="R1"), "bob").reason is Reason.HALTED
    assert places(rig.sent) == []
    assert rig.core.state.requests["R1"].status is RequestStatus.FAILED


def test_slices_add_up_to_a_large_one() -> None:
    rig = begun(ApprovalSettings(large_fraction=Decimal("0.01")))
    rest(rig)
    assert rig.command(limit("0.08"), "dot").request == "R1"


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (limit("0"), Reason.BAD_VALUE),
        (limit("0.0001"), Reason.BAD_VALUE),
        (limit(price="59000.05"), Reason.BAD_VALUE),
        (limit(price="0"), Reason.BAD_VALUE),
        (limit(price="-1"), Reason.BAD_VALUE),
        (limit(price="NaN"), Reason.BAD_VALUE),
        (limit(valid_ns=0), Reason.BAD_VALUE),
        (limit(valid_ns=91 * 24 * HOUR_NS), Reason.BAD_VALUE),
        (limit(price="90000"), Reason.PRICE_COLLAR),
        (limit("5"), Reason.NOTIONAL_LIMIT),
    ],
)
def test_what_makes_no_sense_is_refused_and_leaves_nothing(command: c.ManualLimit, reason: Reason) -> None:
    rig = begun()
    assert rig.command(command, "dot").reason is reason
    assert rig.sent == []
    assert rig.slot().resting == {}


def test_a_replay_comes_to_the_same_state() -> None:
    rig = begun()
    place = rest(rig)
    rig.fill(place, 30, price=590_000)
    rig.command(c.CancelOrder(cid=place.cid), "dot")
    rig.cancelled(place.cid)
    again = rig.make_core(State())
    replay(rig.journal.records(), again)
    assert again.state == rig.core.state
    assert again.state.effects_hash == rig.core.state.effects_hash
