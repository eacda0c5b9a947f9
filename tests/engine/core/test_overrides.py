"""Rule 4: people write overrides (Hold, Cap, Flat); the executor obeys, and nobody fights it with orders."""

from __future__ import annotations

from decimal import Decimal

import pytest

from domain import commands as c
from domain import events as e
from domain.desired import Desired
from domain.facts import Alerted, TradingState
from domain.instrument import ZERO
from domain.order import Cancel, Liquidity, OrderKind, Role
from domain.settings import SECOND_NS
from domain.verdict import Reason
from engine.core import manual, orders
from engine.core.executor.place import cancel
from tests.engine.core.rig import ACCOUNT, ASKING, BTC, WIDE, Rig, of, places, quote, stop, take, target, wants

HOLD = c.SetHold(account=ACCOUNT, instrument=BTC.id)
RELEASE = c.SetHold(account=ACCOUNT, instrument=BTC.id, on=False)


def cap(qty: str | None) -> c.SetCap:
    return c.SetCap(account=ACCOUNT, instrument=BTC.id, qty=Decimal(qty) if qty is not None else None)


def agreed(rig: Rig, command: c.Command) -> None:
    """A command that needs two votes besides the requester's."""
    done = rig.command(command, "bob")
    assert done.request, done.text
    rig.command(c.Approve(request=done.request), "cem")
    assert rig.command(c.Approve(request=done.request), "ann").ok


def quoting(rig: Rig) -> list[str]:
    """Both sides quoted and accepted; the ids."""
    resting = places(rig.want(wants(quote(1, 59_990.0), quote(-1, 60_011.0))))
    for place in resting:
        rig.accept(place)
    rig.sent.clear()
    return [place.cid for place in resting]


def test_cancelling_an_order_of_the_executor_holds_its_slot() -> None:
    rig = Rig().start()
    bid, ask = quoting(rig)
    done = rig.command(c.CancelOrder(cid=bid), "dot")
    assert done.ok
    assert "on hold" in done.text
    assert sorted(x.cid for x in of(rig.sent, Cancel)) == sorted([bid, ask])
    rig.cancelled(bid)
    rig.cancelled(ask)
    assert places(rig.want(wants(quote(1, 59_980.0), quote(-1, 60_020.0)))) == []


def test_without_the_hold_the_executor_would_put_a_cancelled_order_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def only_cancel(core, cid):
        slot, order = core.order(cid)
        cancel(core, slot, order)
        return "cancelled"

    monkeypatch.setattr(manual, "cancel_order", only_cancel)
    rig = Rig().start()
    bid, _ = quoting(rig)
    rig.command(c.CancelOrder(cid=bid), "dot")
    rig.cancelled(bid)
    assert [place.side for place in places(rig.sent)] == [1]


def test_a_hold_pulls_quotes_and_entries_and_keeps_the_stop() -> None:
    rig = Rig().start()
    rig.hold_position(0.5)
    for place in places(rig.want(wants(target(0.5), stop(59_000.0), quote(-1, 60_011.0)))):
        rig.accept(place)
    rig.command(HOLD, "dot")
    kept = [o for o in rig.slot().orders.values() if not o.cancel_ns]
    assert [order.role for order in kept] == [Role.STOP]
    assert places(rig.want(wants(target(0.0, "e2"), stop(59_000.0)))) == []
    assert places(rig.want(wants(target(0.9, "e2"), stop(59_000.0), take(rig)))) == []


def test_a_hold_is_set_by_one_and_released_by_a_quorum() -> None:
    rig = Rig(ASKING).start()
    assert rig.command(HOLD, "dot").ok
    assert rig.slot().hold
    refused = rig.command(RELEASE, "dot")
    assert refused.request
    assert rig.slot().hold
    rig.command(c.Approve(request=refused.request), "bob")
    assert rig.slot().hold
    rig.command(c.Approve(request=refused.request), "cem")
    assert not rig.slot().hold


def test_releasing_a_hold_lets_the_executor_close_the_gap_again() -> None:
    rig = Rig(WIDE).start()
    rig.command(HOLD, "dot")
    assert places(rig.want(wants(target(0.5)))) == []
    rig.sent.clear()
    agreed(rig, RELEASE)
    assert [place.qty for place in places(rig.sent)] == [500]


def test_a_cap_clips_what_a_strategy_wants_and_reduces_what_is_held() -> None:
    rig = Rig(WIDE).start()
    rig.hold_position(0.5)
    assert rig.command(cap("0.2"), "dot").ok
    (less,) = places(rig.sent)
    assert (less.side, less.qty, less.reduce_only) == (-1, 300, True)
    rig.accept(less)
    rig.fill(less)
    assert places(rig.want(wants(target(0.9, "e2")))) == []
    assert rig.held() == 200


def test_a_lower_cap_is_one_persons_word_a_higher_one_is_the_quorums() -> None:
    rig = Rig(WIDE).start()
    assert rig.command(cap("0.2"), "dot").ok
    assert rig.command(cap("0.1"), "dot").request == ""
    assert rig.slot().cap == 100
    asked = rig.command(cap("0.3"), "dot")
    assert asked.request
    assert rig.slot().cap == 100
    assert rig.command(cap(None), "dot").request
    agreed(rig, cap("0.4"))
    assert rig.slot().cap == 400


def test_a_cap_bounds_quotes_too() -> None:
    rig = Rig(WIDE).start()
    rig.command(cap("0.15"), "dot")
    both = places(rig.want(wants(quote(1, 59_990.0), quote(1, 59_980.0, level=1), quote(-1, 60_011.0))))
    assert sorted((place.side, place.price) for place in both) == [(-1, 600_110), (1, 599_900)]


@pytest.mark.parametrize("qty", ["0.0001", "NaN"])
def test_a_cap_that_the_contract_cannot_carry_is_refused_in_words(qty: str) -> None:
    rig = Rig(WIDE).start()
    done = rig.command(cap(qty), "bob")
    if done.request:
        rig.command(c.Approve(request=done.request), "cem")
        done = rig.command(c.Approve(request=done.request), "ann")
    assert not done.ok
    assert done.reason is Reason.BAD_VALUE
    assert rig.slot().cap is None


def test_flatten_closes_with_reduce_only_orders_and_leaves_the_stop_until_flat() -> None:
    rig = Rig().start()
    rig.hold_position(0.5)
    for place in places(rig.want(wants(target(0.5), stop(59_000.0)))):
        rig.accept(place)
    rig.sent.clear()
    done = rig.command(c.Flatten(), "dot")
    assert done.ok
    assert "closing 1 position" in done.text
    (close,) = places(rig.sent)
    assert (close.side, close.qty, close.reduce_only, close.kind) == (-1, 500, True, OrderKind.IOC)
    assert rig.core.state.trading is TradingState.HALTED
    assert of(rig.sent, Cancel) == []
    rig.accept(close)
    rig.fill(close)
    assert [rig.order(x.cid).role for x in of(rig.sent, Cancel)] == [Role.STOP]


def test_a_flatten_that_found_no_buyer_is_tried_again_at_a_bounded_rate() -> None:
    rig = Rig().start()
    rig.hold_position(0.5)
    rig.command(c.Flatten(), "dot")
    for _ in range(200):
        rig.now_ns += SECOND_NS // 100
        for place in [p for p in places(rig.sent) if rig.core.order(p.cid) is not None]:
            rig.cancelled(place.cid, 0)
        rig.wait(0)
    assert 2 <= len(places(rig.sent)) <= 12


def test_a_flatten_waits_for_a_price_and_then_goes() -> None:
    rig = Rig().begin()
    held = e.VenuePosition(instrument=BTC.id, qty=500, entry_value=Decimal(30_000))
    rig.snapshot(positions=(held,))
    rig.wait(3)
    rig.snapshot(positions=(held,))
    assert rig.held() == 500
    rig.sent.clear()
    rig.command(c.Flatten(), "dot")
    assert places(rig.sent) == []
    rig.touch()
    rig.wait(2)
    (close,) = places(rig.sent)
    assert (close.side, close.qty, close.reduce_only) == (-1, 500, True)


def test_after_a_flatten_and_a_resume_nothing_is_bought_back_until_a_new_entry() -> None:
    rig = Rig(WIDE).start()
    rig.hold_position(0.5)
    rig.command(c.Flatten(), "dot")
    (close,) = places(rig.sent)
    rig.accept(close)
    rig.fill(close)
    rig.look_after()
    agreed(rig, c.Resume())
    rig.sent.clear()
    assert places(rig.want(wants(target(0.5, "start")))) == []
    assert [p.qty for p in places(rig.want(wants(target(0.5, "next"))))] == [500]


def foreign_fill(rig: Rig, **changes: object) -> e.Filled:
    fields: dict = {
        "account": ACCOUNT,
        "instrument": BTC.id,
        "cid": "somebody-else",
        "fill_id": "X1",
        "side": -1,
        "price": 600_000,
        "qty": 200,
        "fee": ZERO,
        "liquidity": Liquidity.TAKER,
        "venue_ts_ns": rig.now_ns,
    }
    return e.Filled(**(fields | changes))


def test_an_unexplained_fill_means_hold_and_ask() -> None:
    rig = Rig().start()
    rig.hold_position(0.5)
    rig.ingest(foreign_fill(rig))
    assert rig.held() == 300
    assert rig.slot().hold
    assert places(rig.sent) == []
    (alert,) = rig.told(Alerted)
    assert alert.kind == "unexplained_fill"
    assert "/hold" in alert.text
    assert places(rig.want(wants(target(0.5, "e2")))) == []


def test_without_the_hold_the_executor_would_fight_the_stranger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "hold_and_ask", lambda core, slot, event: None)
    rig = Rig().start()
    rig.hold_position(0.5)
    rig.ingest(foreign_fill(rig))
    assert [place.qty for place in places(rig.sent)] == [200]


def test_a_liquidation_is_told_as_one() -> None:
    rig = Rig().start()
    rig.hold_position(0.5)
    rig.ingest(foreign_fill(rig, qty=500, liquidation=True))
    assert "liquidated" in rig.told(Alerted)[-1].text
    assert rig.slot().hold


def test_a_fill_of_something_not_configured_is_told_and_booked_nowhere() -> None:
    rig = Rig().start()
    rig.ingest(foreign_fill(rig, instrument="XRP-USDC-PERP.PAPER"))
    assert rig.alerts() == ["foreign_fill"]
    assert rig.held() == 0


def test_a_manual_order_on_a_held_slot_is_refused_and_not_called_working() -> None:
    rig = Rig(WIDE).start(load=False)
    rig.touch()
    rig.command(HOLD, "dot")
    done = rig.command(c.ManualTarget(account=ACCOUNT, instrument=BTC.id, qty=Decimal("0.1")), "dot")
    assert not done.ok
    assert done.reason is Reason.HELD


def test_overrides_survive_a_crash() -> None:
    rig = Rig(WIDE).start()
    rig.command(HOLD, "dot")
    rig.command(cap("0.2"), "dot")
    rig.crash()
    assert rig.slot().hold
    assert rig.slot().cap == 200
    rig.snapshot()
    rig.snapshot(account="PAPER:sub")
    assert places(rig.want(wants(target(0.1)))) == []


def test_a_strategy_that_wants_nothing_leaves_a_position_alone() -> None:
    rig = Rig().start()
    rig.hold_position(0.5)
    assert rig.want(Desired()) == []
    assert rig.held() == 500
