"""Orders and contracts at the venue that are not ours: asked about, cancelled or adopted, as the account says."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from domain import commands as c
from domain import events as e
from domain.facts import TradingState
from domain.order import Cancel, Liquidity, OrderKind, Role
from domain.settings import AccountSpec, Strangers
from engine.core.manual import manual_id
from tests.engine.core.rig import ACCOUNT, BTC, ETH, SETTINGS, SPEC, SUB, WIDE, Rig, of, places, quote, target, wants

ACTIVE, REDUCING = TradingState.ACTIVE, TradingState.REDUCING


def theirs(cid: str = "oid-7", *, reduce_only: bool = False, side: int = 1, price: int = 500_000) -> e.OpenOrder:
    return e.OpenOrder(
        cid=cid,
        instrument=BTC.id,
        side=side,
        kind=OrderKind.STOP if reduce_only else OrderKind.LIMIT,
        price=0 if reduce_only else price,
        trigger=price if reduce_only else 0,
        qty=100,
        filled=0,
        reduce_only=reduce_only,
        venue_id="7",
    )


def rig_with(policy: Strangers, *, load: bool = False) -> Rig:
    accounts = (AccountSpec(id=ACCOUNT, deposit=Decimal(1_000_000), on_foreign_order=policy),)
    rig = Rig(replace(SETTINGS, accounts=accounts)).start(load=load)
    rig.wait(2)
    return rig


def resume(rig: Rig, venue: str = "") -> None:
    request = rig.command(c.Resume(venue=venue), "bob").request
    rig.command(c.Approve(request=request), "cem")
    rig.command(c.Approve(request=request), "ann")


def later(rig: Rig, *orders: e.OpenOrder) -> None:
    rig.wait(2)
    rig.snapshot(orders=orders)


def test_people_are_asked_by_default_and_told_what_it_is() -> None:
    rig = Rig().start()
    later(rig, theirs())
    assert rig.core.state.accounts[ACCOUNT].trading is REDUCING
    assert rig.core.state.latched is ACTIVE, "the venue is held back, not the engine"
    text = rig.told_alert("foreign_order")
    assert "buy 0.100 BTC-USDC-PERP.PAPER at 50000.0" in text
    assert "/resume PAPER" in text
    assert of(rig.sent, Cancel) == []


def test_what_people_have_let_be_holds_nothing_back_again_until_it_is_gone_and_comes_back() -> None:
    rig = Rig().start()
    later(rig, theirs())
    resume(rig)
    later(rig, theirs())
    assert rig.core.state.trading is ACTIVE
    later(rig)
    later(rig, theirs())
    assert rig.core.state.trading is REDUCING
    assert rig.alerts().count("foreign_order") == 2


def test_a_second_stranger_after_the_resume_asks_again() -> None:
    rig = Rig().start()
    later(rig, theirs())
    resume(rig, "PAPER")
    later(rig, theirs(), theirs("oid-8"))
    assert rig.core.state.trading is REDUCING


def test_a_stranger_seen_while_a_resume_waits_for_votes_ends_that_request() -> None:
    rig = Rig().start()
    later(rig, theirs())
    request = rig.command(c.Resume(), "bob").request
    later(rig, theirs(), theirs("oid-8"))
    assert not rig.command(c.Approve(request=request), "cem").ok


def test_by_policy_it_is_cancelled_by_the_venues_own_id() -> None:
    rig = rig_with(Strangers.CANCEL)
    later(rig, theirs())
    (cancel,) = of(rig.sent, Cancel)
    assert (cancel.cid, cancel.venue_id, cancel.adds_risk) == ("oid-7", "7", False)
    assert rig.core.state.trading is ACTIVE
    rig.cancelled("oid-7")
    assert rig.slot().orders == {}


def test_a_cancel_that_is_lost_is_followed_up() -> None:
    rig = rig_with(Strangers.CANCEL)
    later(rig, theirs())
    rig.wait(5)
    assert len({cancel.venue_id for cancel in of(rig.sent, Cancel)}) == 1
    assert len(of(rig.sent, Cancel)) > 1


@pytest.mark.parametrize("policy", list(Strangers))
def test_what_may_protect_a_position_is_never_cancelled(policy: Strangers) -> None:
    rig = rig_with(policy)
    later(rig, theirs(reduce_only=True, side=-1))
    rig.command(c.Halt(), "dot")
    later(rig, theirs(reduce_only=True, side=-1))
    rig.ingest(e.EngineStopped())
    assert of(rig.sent, Cancel) == []
    assert "foreign_order" in rig.alerts()


def test_an_adopted_order_belongs_to_manual_and_holds_nothing_back() -> None:
    rig = rig_with(Strangers.ADOPT)
    later(rig, theirs())
    order = rig.order("oid-7")
    assert (order.role, order.owner) == (Role.ADOPTED, manual_id(ACCOUNT, BTC.id))
    assert rig.core.state.trading is ACTIVE
    rig.touch()
    later(rig, theirs())
    assert of(rig.sent, Cancel) == []


def test_what_an_adopted_order_buys_is_kept_and_nobody_is_alarmed() -> None:
    rig = rig_with(Strangers.ADOPT)
    rig.touch()
    rig.command(c.ManualTarget(account=ACCOUNT, instrument=BTC.id, qty=Decimal("0.2")), "dot")
    (place,) = places(rig.sent)
    rig.accept(place)
    rig.fill(place)
    later_position = (e.VenuePosition(instrument=BTC.id, qty=200, entry_value=Decimal(12_000)),)
    rig.wait(2)
    rig.snapshot(orders=(theirs(),), positions=later_position)
    rig.sent.clear()
    fill = rig.make_fill(replace(place, cid="oid-7", qty=100))
    rig.ingest(fill)
    rig.touch()
    assert rig.held() == 300
    assert places(rig.sent) == [], "the person's target has moved with it"
    assert "unexplained_fill" not in rig.alerts()


def test_a_halt_takes_an_adopted_order_out() -> None:
    rig = rig_with(Strangers.ADOPT)
    later(rig, theirs())
    rig.command(c.Halt(), "dot")
    assert [cancel.venue_id for cancel in of(rig.sent, Cancel)] == ["7"]


def test_an_adopted_order_counts_against_the_limits() -> None:
    rig = rig_with(Strangers.ADOPT)
    later(rig, replace(theirs(), qty=1_600, price=500_000))
    rig.touch()
    done = rig.command(c.ManualTarget(account=ACCOUNT, instrument=BTC.id, qty=Decimal("0.5")), "dot")
    assert not done.ok
    assert places(rig.sent) == []


def test_where_a_strategy_trades_nothing_is_adopted_and_people_are_asked() -> None:
    rig = rig_with(Strangers.ADOPT, load=True)
    later(rig, theirs())
    assert rig.core.state.trading is REDUCING
    assert f"It cannot be adopted: {SPEC.id} trades there" in rig.told_alert("foreign_order")


def test_a_contract_that_nobody_configured_holds_the_venue_back_until_people_let_it_be() -> None:
    rig = Rig().start()
    odd = (e.VenuePosition(instrument=ETH.id, qty=5, entry_value=Decimal(1)),)
    for _ in range(3):
        rig.wait(2)
        rig.snapshot(positions=odd)
    assert rig.alerts().count("foreign_position") == 1
    assert rig.core.state.trading is REDUCING
    resume(rig)
    rig.wait(2)
    rig.snapshot(positions=odd)
    assert rig.core.state.trading is ACTIVE


def test_strangers_are_remembered_through_a_crash() -> None:
    rig = Rig().start()
    later(rig, theirs())
    resume(rig)
    rig.crash()
    rig.snapshot(orders=(theirs(),))
    assert rig.core.state.trading is ACTIVE
    assert rig.alerts() == []


def test_each_account_has_its_own_policy() -> None:
    accounts = (WIDE.accounts[0], replace(WIDE.accounts[1], on_foreign_order=Strangers.CANCEL))
    rig = Rig(replace(WIDE, accounts=accounts)).start(load=False)
    rig.wait(2)
    rig.snapshot(account=SUB, orders=(theirs("oid-1"),))
    assert [cancel.cid for cancel in of(rig.sent, Cancel)] == ["oid-1"]
    rig.snapshot(orders=(theirs("oid-2"),))
    assert [cancel.cid for cancel in of(rig.sent, Cancel)] == ["oid-1"]


def test_the_watchdogs_fills_are_booked_and_explained_and_not_bought_back() -> None:
    rig = Rig().start()
    rig.hold_position(0.5, "e1")
    rig.crash()
    rig.ingest(e.WatchdogActed(epoch=1, acted_ns=1, flattened=True, text="it cancelled 2 orders, closed 1 position"))
    fill = e.Filled(
        account=ACCOUNT, instrument=BTC.id, cid="rig-1-5-8000", fill_id="W1", side=-1, price=600_000, qty=500,
        fee=Decimal(0), liquidity=Liquidity.TAKER, venue_ts_ns=rig.now_ns,
    )  # fmt: skip
    rig.snapshot(fills=(fill,))
    assert rig.held() == 0
    assert not rig.slot().hold
    assert rig.alerts() == ["watchdog", "incident"]
    assert rig.core.state.trading is TradingState.HALTED
    rig.look_after()
    resume(rig)
    assert places(rig.want(wants(target(0.5, "e1"), quote(1, 59_990.0)))) != []
    assert [place.kind for place in places(rig.sent)] == [OrderKind.POST_ONLY], "the entry is consumed"
