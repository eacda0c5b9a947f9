"""The executor against a venue in the test's hands: never more than what is approved, in the worst order of things."""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace

from domain import events as e
from domain.commands import Approve, Halt, RaiseEnvelope, Resume
from domain.desired import Desired, Protection, Qty, Quote, Style, Take, Target
from domain.order import Amend, Cancel, OrderKind, OrderStatus, Role
from domain.settings import SECOND_NS, ApprovalSettings
from engine.core.executor.exposure import exposure_of
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


def test_with_a_stop_resting_a_turn_closes_by_one_order_and_opens_by_another() -> None:
    rig = Rig().start()
    rig.hold_position(1.0)
    stop = places(rig.want(Desired(targets=(target(1.0),), protections=(STOP,))))[0]
    assert stop.kind is OrderKind.STOP
    rig.accept(stop)
    sent = places(rig.want(Desired(targets=(target(-0.5, "e2"),), protections=(STOP,))))
    assert [(place.side, place.qty, place.reduce_only) for place in sent] == [(-1, 1_000, True), (-1, 500, False)]


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


def test_the_pause_after_a_refused_amendment_ends_by_our_clock_though_the_venues_is_ahead() -> None:
    """Seed 1977: our clock was set back by more than the validity, and every amendment was refused at once."""
    rig = Rig().start()
    quote = Quote(instrument=BTC.id, side=1, price=59_990.0, qty=0.01)
    (resting,) = places(rig.want(Desired(quotes=(quote,))))
    rig.accept(resting)
    (amend,) = rig.want(Desired(quotes=(replace(quote, price=59_980.0),)))
    assert isinstance(amend, Amend)
    ahead_ns = rig.now_ns + 14 * SECOND_NS
    rig.ingest(e.AmendRejected(cid=resting.cid, amend_no=amend.amend_no, venue_ts_ns=ahead_ns))
    rig.sent.clear()
    rig.ingest(
        e.OrderReport(
            cid=resting.cid, found=True, status=OrderStatus.OPEN, price=resting.price, qty=resting.qty,
            venue_ts_ns=ahead_ns + 1,
        )
    )  # fmt: skip
    rig.touch()
    assert rig.sent == []
    rig.wait(1.0)
    assert any(isinstance(intent, Amend) for intent in rig.sent)


def test_a_late_refusal_of_an_older_amendment_asks_nothing_while_a_newer_one_is_on_its_way() -> None:
    rig = Rig().start()
    quote = Quote(instrument=BTC.id, side=1, price=59_990.0, qty=0.01)
    (resting,) = places(rig.want(Desired(quotes=(quote,))))
    rig.accept(resting)
    rig.want(Desired(quotes=(replace(quote, price=59_980.0),)))
    rig.ingest(e.Amended(cid=resting.cid, price=599_800, qty=10, amend_no=1))
    (second,) = rig.want(Desired(quotes=(replace(quote, price=59_970.0),)))
    assert isinstance(second, Amend)
    rig.sent.clear()
    rig.ingest(e.AmendRejected(cid=resting.cid, amend_no=1))
    assert rig.sent == []
    assert rig.order(resting.cid).amend_price == second.price


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


def test_a_passive_turn_closes_by_one_order_and_opens_by_another() -> None:
    rig = Rig().start()
    rig.hold_position(1.0)
    sent = places(rig.want(Desired(targets=(replace(target(-0.5, "e2"), style=Style.PASSIVE),))))
    assert [(place.qty, place.reduce_only) for place in sent] == [(1_000, True), (500, False)]


def test_where_nothing_that_rests_may_be_reduce_only_a_passive_close_takes() -> None:
    rig = Rig(replace(SETTINGS, instruments=(replace(BTC, reduces_at_rest=False),))).start()
    rig.hold_position(1.0)
    sent = places(rig.want(Desired(targets=(replace(target(-0.5, "e2"), style=Style.PASSIVE),))))
    assert [(place.kind, place.qty, place.reduce_only) for place in sent] == [
        (OrderKind.IOC, 1_000, True), (OrderKind.POST_ONLY, 500, False),
    ]  # fmt: skip
    assert sent[0].price < sent[1].price, "the first one takes, the other one waits"


def test_no_new_stop_while_an_order_turns_the_position_around() -> None:
    rig = Rig().start()
    rig.hold_position(1.0)
    (turn,) = places(rig.want(Desired(targets=(target(-0.5, "e2"),))))
    assert (turn.qty, turn.reduce_only) == (1_500, False)
    stop = Protection(instrument=BTC.id, entry="e0", stop=59_000.0)
    assert places(rig.want(Desired(targets=(target(-0.5, "e2"),), protections=(stop,)))) == []
    rig.sent.clear()
    rig.ingest(e.Cancelled(cid=turn.cid, filled=0))
    assert [place.kind for place in places(rig.sent)][:1] == [OrderKind.STOP]


def test_a_reduction_with_more_left_than_is_held_counts_as_a_new_position() -> None:
    rig = Rig(APPROVALS).start()
    rig.hold_position(0.016)
    quote = Quote(instrument=BTC.id, side=-1, price=60_020.0, qty=0.010)
    (resting,) = places(rig.want(Desired(targets=(target(0.016),), quotes=(quote,))))
    rig.accept(resting)
    sent = places(rig.want(Desired(targets=(target(0.0),), quotes=(quote,))))
    assert [(place.qty, place.reduce_only) for place in sent] == [(16, True)]
    rig.fill(resting)
    again = places(rig.want(Desired(targets=(target(0.0),), quotes=(replace(quote, qty=0.016),))))
    assert again == []


def test_what_rested_to_open_is_replaced_when_it_would_now_close() -> None:
    rig = Rig().start()
    quote = Quote(instrument=BTC.id, side=1, price=59_990.0, qty=1.0)
    passive = Desired(targets=(replace(target(-0.5), style=Style.PASSIVE),), quotes=(quote,))
    opening, bid = sorted(places(rig.want(passive)), key=lambda place: place.side)
    rig.accept(opening)
    rig.accept(bid)
    rig.script.wants = Desired(targets=(replace(target(0.2), style=Style.PASSIVE),))
    rig.sent.clear()
    rig.fill(bid)
    assert Cancel(cid=opening.cid, account=opening.account, instrument=opening.instrument) in rig.sent
    assert [(place.qty, place.reduce_only) for place in places(rig.sent)] == [(300, True)]


def test_what_a_reduce_only_order_may_have_done_unheard_counts_at_the_gate() -> None:
    rig = Rig().start()
    rig.hold_position(1.0)
    (close,) = places(rig.want(Desired(targets=(target(0.0),))))
    rig.accept(close)
    before = exposure_of(rig.core, rig.slot())
    rig.core.state.accounts[close.account].positions[BTC.id].qty = 300
    after = exposure_of(rig.core, rig.slot())
    assert (before.worst(-1), after.worst(-1)) == (0, 700)
