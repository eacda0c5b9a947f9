"""The executor against a venue in the test's hands: never more than what is approved, in the worst order of things."""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace

from domain import events as e
from domain.commands import Approve, Halt, RaiseEnvelope, Resume
from domain.desired import Desired, Protection, Qty, Quote, Take, Target
from domain.order import Amend, OrderKind, OrderStatus, Role
from domain.settings import SECOND_NS, ApprovalSettings
from tests.engine.core.rig import BTC, SETTINGS, Rig, places

APPROVALS = replace(SETTINGS, approvals=ApprovalSettings(large_fraction=Decimal("0.001")))
"""Envelopes of 1,000, which is 0.016 BTC."""


def target(qty: float, entry: str = "e1") -> Target:
    return Target(instrument=BTC.id, want=Qty(qty), entry=entry)


STOP = Protection(instrument=BTC.id, entry="e1", stop=59_000.0)


def test_what_only_reduces_is_reduce_only() -> None:
    rig = Rig().start()
    rig.hold_position(1.0)
    (place,) = places(rig.want(Desired(targets=(target(0.4),))))
    assert (place.side, place.qty, place.reduce_only) == (-1, 600, True)


def test_with_a_stop_resting_a_turn_closes_first_and_opens_then() -> None:
    rig = Rig().start()
    rig.hold_position(1.0)
    stop = places(rig.want(Desired(targets=(target(1.0),), protections=(STOP,))))[0]
    assert stop.kind is OrderKind.STOP
    rig.accept(stop)
    (close,) = places(rig.want(Desired(targets=(target(-0.5, "e2"),), protections=(STOP,))))
    assert (close.qty, close.reduce_only) == (1_000, True)
    rig.sent.clear()
    rig.fill(close)
    (turn,) = places(rig.sent)
    assert (turn.side, turn.qty, turn.reduce_only) == (-1, 500, False)


def test_takes_together_stay_in_the_envelope() -> None:
    rig = Rig(APPROVALS).start()
    takes = tuple(
        Take(instrument=BTC.id, id=f"t{n}", side=1, qty=0.01, limit=60_010.0, expires_ns=rig.now_ns + SECOND_NS)
        for n in range(3)
    )
    sent = places(rig.want(Desired(takes=takes)))
    assert [place.qty for place in sent] == [10, 6]


def test_a_quote_that_is_replaced_counts_until_it_is_surely_gone() -> None:
    rig = Rig(APPROVALS).start()
    first = Quote(instrument=BTC.id, side=1, price=59_990.0, qty=0.016)
    (resting,) = places(rig.want(Desired(quotes=(first,))))
    rig.accept(resting)
    take = Take(instrument=BTC.id, id="t", side=1, qty=0.01, limit=60_010.0, expires_ns=rig.now_ns + SECOND_NS)
    assert places(rig.want(Desired(takes=(take,)))) == []
    assert rig.order(resting.cid).role is Role.QUOTE


def test_a_stop_that_has_fired_is_left_alone() -> None:
    rig = Rig().start()
    rig.hold_position(1.0)
    stop = places(rig.want(Desired(targets=(target(1.0),), protections=(STOP,))))[0]
    rig.accept(stop)
    rig.sent.clear()
    rig.fill(stop, qty=400)
    assert rig.sent == []


def test_a_refused_amendment_is_not_repeated_at_once() -> None:
    rig = Rig().start()
    quote = Quote(instrument=BTC.id, side=1, price=59_990.0, qty=0.01)
    (resting,) = places(rig.want(Desired(quotes=(quote,))))
    rig.accept(resting)
    (amend,) = rig.want(Desired(quotes=(replace(quote, price=59_980.0),)))
    assert isinstance(amend, Amend)
    rig.ingest(e.AmendRejected(cid=resting.cid, amend_no=amend.amend_no, venue_ts_ns=rig.now_ns))
    open_ = OrderStatus.OPEN
    rig.ingest(e.OrderReport(cid=resting.cid, found=True, status=open_, price=resting.price, qty=resting.qty))
    rig.sent.clear()
    rig.touch()
    assert not any(isinstance(intent, Amend) for intent in rig.sent)
    rig.wait(1.0)
    assert any(isinstance(intent, Amend) for intent in rig.sent)


def test_after_a_resume_what_is_wanted_is_reviewed_before_anything_is_placed() -> None:
    rig = Rig(replace(APPROVALS, approvals=ApprovalSettings())).start()
    (resting,) = places(rig.want(Desired(quotes=(Quote(instrument=BTC.id, side=1, price=59_990.0, qty=0.5),))))
    rig.command(Halt(), person="dot")
    rig.ingest(e.Cancelled(cid=resting.cid, filled=0))
    for command in (RaiseEnvelope(strategy="script", notional=Decimal(610)), Resume()):
        request = rig.command(command, person="ann").request
        rig.sent.clear()
        for voter in ("bob", "cem"):
            rig.command(Approve(request=request), person=voter)
    assert [place.qty for place in places(rig.sent)] == [10]


def test_the_rest_of_a_stop_does_not_bring_back_what_its_first_fill_has_ended() -> None:
    rig = Rig().start()
    rig.hold_position(1.0)
    stop = places(rig.want(Desired(targets=(target(1.0),), protections=(STOP,))))[0]
    rig.accept(stop)
    rig.want(Desired(targets=(target(0.9, "e2"),)))
    rig.fill(stop, qty=400)
    assert rig.slot().consumed == "e2"
    rig.want(Desired(targets=(target(-0.5, "e2"),)))
    rig.sent.clear()
    rig.fill(stop, qty=600)
    assert rig.slot().consumed == "e2"
    assert [place for place in places(rig.sent) if not place.reduce_only] == []


def test_nobody_is_asked_about_an_entry_that_may_only_reduce() -> None:
    rig = Rig(replace(APPROVALS, approvals=ApprovalSettings())).start()
    rig.hold_position(0.5, "e1")
    stop = places(rig.want(Desired(targets=(target(0.5),), protections=(STOP,))))[0]
    rig.accept(stop)
    rig.fill(stop)
    rig.want(Desired(targets=(target(5.0),)))
    assert rig.core.state.requests == {}
