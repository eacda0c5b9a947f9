"""Rule 10: start safe. What lowers risk never waits; what adds risk can always be made to."""

from __future__ import annotations

from decimal import Decimal

import pytest

from domain import commands as c
from domain import events as e
from domain.facts import TradingState, TradingStateChanged
from domain.order import Cancel, OrderKind, Place, Query, RequestSnapshot
from domain.settings import SECOND_NS
from domain.verdict import Reason
from engine.core import trading
from tests.engine.core.rig import (
    ACCOUNT,
    BTC,
    SETTINGS,
    WIDE,
    Rig,
    of,
    places,
    quote,
    stop,
    take,
    target,
    wants,
)

ACTIVE, REDUCING, HALTED = TradingState.ACTIVE, TradingState.REDUCING, TradingState.HALTED
HELD = (e.VenuePosition(instrument=BTC.id, qty=500, entry_value=Decimal(30_000)),)


def working(rig: Rig) -> list[Place]:
    """A position with its stop, and both sides quoted, all accepted."""
    rig.hold_position(0.5)
    wanted = wants(target(0.5, "start"), stop(59_000.0, "start"), quote(1, 59_990.0), quote(-1, 60_011.0))
    resting = places(rig.want(wanted))
    for place in resting:
        rig.accept(place)
    rig.sent.clear()
    return resting


def both_accounts(rig: Rig, **about_main: object) -> None:
    """The venue answers for both accounts."""
    rig.snapshot(**about_main)  # type: ignore[arg-type]
    rig.snapshot(account="PAPER:sub")


def open_orders(rig: Rig, resting: list[Place]) -> tuple[e.OpenOrder, ...]:
    """The same orders as the venue lists them."""
    return tuple(
        e.OpenOrder(
            cid=p.cid,
            instrument=p.instrument,
            side=p.side,
            kind=p.kind,
            price=p.price,
            trigger=p.trigger,
            qty=p.qty,
            filled=0,
            reduce_only=p.reduce_only,
            venue_id="V",
        )
        for p in resting
    )


def differ_twice(rig: Rig) -> None:
    """The venue says twice that it holds what our books do not know."""
    for _ in range(2):
        rig.wait(3)
        rig.snapshot(positions=HELD)


def resume(rig: Rig) -> None:
    request = rig.command(c.Resume(), "bob").request
    rig.command(c.Approve(request=request), "cem")
    rig.command(c.Approve(request=request), "ann")


# what the states mean


def test_halted_cancels_quotes_and_entries_and_keeps_the_stop() -> None:
    rig = Rig().start()
    resting = working(rig)
    done = rig.command(c.Halt(reason="lunch"), "dot")
    assert done.ok
    kinds = {p.cid: p.kind for p in resting}
    assert [kinds[x.cid] for x in of(rig.sent, Cancel)] == [OrderKind.POST_ONLY, OrderKind.POST_ONLY]
    assert "2 orders are being cancelled, 1 protective order stays" in done.text
    assert rig.told(TradingStateChanged)[-1].reason == "lunch"


def test_halted_lets_nothing_new_out_but_a_tighter_stop() -> None:
    rig = Rig().start()
    resting = working(rig)
    rig.command(c.Halt(), "dot")
    rig.sent.clear()
    wanted = wants(target(0.9, "e2"), quote(1, 59_980.0), take(rig), stop(59_500.0, "start"))
    assert places(rig.want(wanted)) == []
    rig.fill(next(p for p in resting if p.kind is OrderKind.STOP), 100, price=590_000)
    assert places(rig.sent) == []


def test_without_the_state_check_a_halted_engine_would_trade(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trading, "in_force", lambda core: ACTIVE)
    rig = Rig().start()
    rig.command(c.Halt(), "dot")
    assert places(rig.want(wants(target(0.5)))) != []


def test_reducing_lets_positions_shrink_and_nothing_grow() -> None:
    rig = Rig().start()
    rig.hold_position(0.5)
    trading.latch(rig.core, REDUCING, "test", "test")
    assert places(rig.want(wants(target(0.9, "e2")))) == []
    assert places(rig.want(wants(quote(1, 59_990.0)))) == []
    (ask,) = places(rig.want(wants(quote(-1, 60_011.0))))
    assert ask.reduce_only
    rig.accept(ask)
    (less,) = places(rig.want(wants(target(0.2, "e3"))))
    assert (less.side, less.qty, less.reduce_only) == (-1, 300, True)


def test_reducing_does_not_turn_a_position_round() -> None:
    rig = Rig().start()
    rig.hold_position(0.5)
    trading.latch(rig.core, REDUCING, "test", "test")
    (close,) = places(rig.want(wants(target(-0.5, "e2"))))
    assert (close.qty, close.reduce_only) == (500, True)
    rig.accept(close)
    rig.fill(close)
    assert places(rig.want(wants(target(-0.5, "e2")), bid=600_001)) == []


@pytest.mark.parametrize("age_s", [0, 59, 61, 86_400])
def test_a_halt_of_any_age_is_carried_out(age_s: float) -> None:
    rig = Rig().start()
    assert rig.command(c.Halt(), "dot", age_s=age_s).ok
    assert rig.core.state.trading is HALTED


def test_a_flatten_older_than_a_minute_halts_and_asks() -> None:
    rig = Rig().start()
    rig.hold_position(0.5)
    done = rig.command(c.Flatten(), "dot", age_s=61)
    assert done.reason is Reason.TOO_OLD
    assert "send /flatten again" in done.text
    assert rig.core.state.trading is HALTED
    assert places(rig.sent) == []
    assert rig.command(c.Flatten(), "dot", age_s=59).ok
    assert len(places(rig.sent)) == 1


def test_a_flatten_of_one_contract_leaves_the_others() -> None:
    rig = Rig(WIDE).start()
    rig.hold_position(0.5)
    assert rig.command(c.Flatten(scope="ETH-USDC-PERP.PAPER"), "dot").ok
    assert places(rig.sent) == []
    assert rig.command(c.Flatten(scope="XRP-USDC-PERP.PAPER"), "dot").reason is Reason.NO_SUCH


def test_resuming_takes_the_quorum_and_brings_the_wishes_back() -> None:
    rig = Rig().start()
    rig.command(c.Halt(), "dot")
    rig.want(wants(target(0.5)))
    request = rig.command(c.Resume(), "bob").request
    assert rig.core.state.trading is HALTED
    rig.command(c.Approve(request=request), "cem")
    assert rig.core.state.trading is HALTED
    rig.sent.clear()
    rig.command(c.Approve(request=request), "ann")
    assert rig.core.state.trading is ACTIVE
    assert [p.qty for p in places(rig.sent)] == [500]


def test_resuming_what_runs_is_refused() -> None:
    assert Rig().start().command(c.Resume(), "bob").reason is Reason.WRONG_STATE


# what survives a restart


def test_after_a_crash_nothing_new_leaves_until_the_venue_has_answered() -> None:
    rig = Rig().start()
    resting = working(rig)
    rig.crash()
    assert rig.core.state.trading is REDUCING
    assert {type(intent) for intent in rig.sent} <= {RequestSnapshot, Query}
    assert places(rig.want(wants(target(0.9, "e2")))) == []
    rig.snapshot(positions=HELD, orders=open_orders(rig, resting))
    assert rig.core.state.trading is ACTIVE


def test_without_waiting_for_the_venue_it_would_trade_on_old_beliefs() -> None:
    rig = Rig().start()
    rig.hold_position(0.5)
    rig.crash()
    for account in rig.core.state.accounts.values():
        account.reconciled = True
    trading.settle(rig.core)
    assert [p.qty for p in places(rig.want(wants(target(0.9, "e2"))))] == [400]


@pytest.mark.parametrize("end", ["crash", "stop"])
def test_what_was_active_is_active_again_once_reconciled(end: str) -> None:
    rig = Rig().start()
    if end == "stop":
        rig.ingest(e.EngineStopped(reason="SIGTERM"))
        rig.kernel.snapshot()
    rig.crash()
    assert rig.core.state.trading is REDUCING
    rig.snapshot()
    assert rig.core.state.trading is ACTIVE


@pytest.mark.parametrize("cause", ["person", "overflow", "mismatch"])
@pytest.mark.parametrize("build", ["b", "another build"])
def test_what_was_halted_or_reducing_stays_until_resumed(cause: str, build: str) -> None:
    rig = Rig().start()
    if cause == "person":
        rig.command(c.Halt(), "dot")
    elif cause == "overflow":
        rig.ingest(e.InboxOverflow(depth=50_000))
    else:
        differ_twice(rig)
    state = rig.core.state.trading
    assert state is (REDUCING if cause == "mismatch" else HALTED)
    rig.crash(build)
    assert rig.core.state.trading is state
    for _ in range(2):
        rig.wait(3)
        rig.snapshot(positions=HELD if cause == "mismatch" else ())
    assert rig.core.state.trading is state


def test_a_halt_comes_through_although_the_venue_has_not_answered() -> None:
    """What lowers risk never waits: the cancels leave before reconciliation."""
    rig = Rig().start()
    resting = working(rig)
    rig.crash()
    rig.sent.clear()
    rig.command(c.Halt(), "dot")
    quotes = [p.cid for p in resting if p.kind is OrderKind.POST_ONLY]
    assert [x.cid for x in of(rig.sent, Cancel)] == quotes


def test_a_flatten_comes_through_although_the_venue_has_not_answered() -> None:
    rig = Rig().start()
    rig.hold_position(0.5)
    rig.crash()
    rig.touch()
    rig.sent.clear()
    rig.command(c.Flatten(), "dot")
    (close,) = places(rig.sent)
    assert (close.qty, close.reduce_only) == (500, True)


def test_a_flatten_that_a_crash_interrupted_is_finished_by_the_next_run() -> None:
    rig = Rig().start()
    rig.hold_position(0.5)
    rig.command(c.Flatten(), "dot")
    rig.crash()
    rig.touch()
    rig.wait(8)
    rig.snapshot(positions=HELD)
    assert rig.core.state.trading is HALTED
    assert [(p.qty, p.reduce_only) for p in places(rig.sent)] == [(500, True)]


# an empty journal


def test_an_empty_journal_with_a_position_at_the_venue_reduces_and_asks() -> None:
    rig = Rig().begin()
    rig.snapshot(positions=HELD)
    assert rig.core.state.trading is REDUCING
    rig.wait(2)
    assert of(rig.sent, RequestSnapshot)
    rig.snapshot(positions=HELD)
    assert rig.core.venue("PAPER").latched is REDUCING
    assert rig.held() == 500
    assert rig.slot().hold
    assert rig.alerts() == ["position_mismatch", "incident"]
    assert "/resume" in rig.told_alert("position_mismatch")


def test_an_empty_journal_with_an_order_at_the_venue_reduces_and_asks() -> None:
    rig = Rig().begin()
    stranger = e.OpenOrder(
        cid="by-hand",
        instrument=BTC.id,
        side=1,
        kind=OrderKind.LIMIT,
        price=500_000,
        trigger=0,
        qty=100,
        filled=0,
        reduce_only=False,
    )
    rig.snapshot(orders=(stranger,))
    assert rig.core.venue("PAPER").latched is REDUCING
    assert rig.alerts() == ["foreign_order"]
    assert of(rig.sent, Cancel) == []


def test_an_empty_journal_and_an_empty_venue_is_active_at_once() -> None:
    rig = Rig().begin()
    assert rig.core.state.trading is REDUCING
    rig.snapshot()
    assert rig.core.state.trading is ACTIVE
    assert rig.core.state.accounts[ACCOUNT].cash == SETTINGS.accounts[0].deposit


def test_every_account_has_to_agree_before_anything_trades() -> None:
    rig = Rig(WIDE).begin()
    rig.snapshot()
    assert rig.core.state.trading is REDUCING
    rig.snapshot(account="PAPER:sub")
    assert rig.core.state.trading is ACTIVE


# while it runs


def test_an_overflowing_inbox_halts() -> None:
    rig = Rig().start()
    resting = working(rig)
    rig.ingest(e.InboxOverflow(depth=50_000))
    assert rig.core.state.trading is HALTED
    assert len(of(rig.sent, Cancel)) == len(resting) - 1
    assert "overflow" in rig.alerts()


def test_an_outage_means_reducing_until_the_account_is_compared_again() -> None:
    rig = Rig().start()
    rig.ingest(e.VenueStatus(venue="PAPER", connected=False, detail="gone"))
    assert "venue_down" in rig.alerts()
    rig.ingest(e.VenueStatus(venue="PAPER", connected=True))
    assert rig.core.state.trading is REDUCING
    assert places(rig.want(wants(target(0.5)))) == []
    rig.snapshot()
    assert rig.core.state.trading is ACTIVE
    assert [p.qty for p in places(rig.sent)] == [500]


def test_a_position_that_differs_once_may_be_a_fill_on_its_way() -> None:
    rig = Rig().start()
    rig.wait(2)
    rig.snapshot(positions=HELD)
    assert rig.core.state.trading is ACTIVE
    assert rig.held() == 0


def test_a_position_that_differs_twice_is_believed_held_and_asked_about() -> None:
    rig = Rig().start()
    differ_twice(rig)
    assert of(rig.sent, RequestSnapshot)
    assert rig.held() == 500
    assert rig.core.venue("PAPER").latched is REDUCING
    assert rig.slot().hold
    assert "position_mismatch" in rig.alerts()


def test_the_state_is_told_with_who_and_why() -> None:
    rig = Rig().start()
    rig.command(c.Halt(reason="too hot"), "dot")
    resume(rig)
    story = [(t.state.value, t.by) for t in rig.told(TradingStateChanged)][-2:]
    assert story == [("halted", "dot"), ("active", "cem and ann")]


def test_the_clock_of_the_age_is_the_engines() -> None:
    rig = Rig().start()
    rig.ingest(
        e.CommandReceived(
            actor=c.Actor(person="dot", door=c.Door.TELEGRAM),
            command=c.Flatten(),
            request_id="x",
            sent_ts_ns=rig.now_ns + 3_600 * SECOND_NS,
        )
    )
    assert rig.core.state.trading is HALTED
