"""Rule 6: hedge legs follow what the lead has filled, and a cap bounds the naked side."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain import commands as c
from domain import events as e
from domain.desired import Desired, Hedge, Protection, Qty
from domain.facts import StrategyStatus, TradingState
from domain.order import OrderKind, Place
from domain.settings import StrategySpec
from engine.core.executor import targets
from tests.engine.core.rig import ACCOUNT, ASKING, BTC, ETH, WIDE, Rig, aim, places, wants

LEGS = StrategySpec(id="legs", kind="script", account=ACCOUNT, instruments=(BTC.id, ETH.id))


def pair(lead: float, entry: str = "e1", *, ratio: float = 10.0, naked_cap: float = 10.0) -> Desired:
    """So much of the lead, ten times as much of the hedge on the other side."""
    hedge = aim(Hedge(BTC.id, ratio, naked_cap), "", instrument=ETH.id)
    return wants(aim(Qty(lead), entry), hedge)


class Legs(Rig):
    """One strategy with a lead and a hedge."""

    def begin_legs(self) -> Legs:
        self.start(load=False)
        self.touch(300_000, 300_010, ETH.id)
        self.load(LEGS)
        self.sent.clear()
        return self

    def wish(self, desired: Desired) -> list[Place]:
        self.sent.clear()
        self.script_of("legs").wants = desired
        self.touch()
        return places(self.sent)

    def take_new(self) -> list[Place]:
        """Orders sent since the last look."""
        new = places(self.sent)
        self.sent.clear()
        return new


def legs() -> Legs:
    return Legs(WIDE).begin_legs()


def test_the_hedge_is_placed_for_what_the_lead_filled_and_not_before() -> None:
    rig = legs()
    (lead,) = rig.wish(pair(0.5))
    assert lead.instrument == BTC.id
    rig.sent.clear()
    rig.accept(lead)
    assert rig.take_new() == []
    rig.fill(lead, 200)
    (hedge,) = rig.take_new()
    assert (hedge.instrument, hedge.side, hedge.qty) == (ETH.id, -1, 200)
    rig.fill(lead, 300)
    (rest,) = rig.take_new()
    assert (rest.instrument, rest.side, rest.qty) == (ETH.id, -1, 300)


def test_following_orders_instead_of_fills_would_leave_a_naked_hedge(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mutation: the hedge reads the lead's target; the lead then never fills."""
    monkeypatch.setattr(targets, "hedge_goal", lambda core, slot: -500 if core.slot(ACCOUNT, BTC.id).target else 0)
    rig = legs()
    placed = rig.wish(pair(0.5))
    assert ETH.id in [place.instrument for place in placed]


def test_the_lead_may_not_grow_past_the_legging_cap_until_the_hedge_has_filled() -> None:
    rig = legs()
    (lead,) = rig.wish(pair(0.5, naked_cap=0.2))
    assert lead.qty == 200
    rig.sent.clear()
    rig.accept(lead)
    rig.fill(lead)
    (hedge,) = rig.take_new()
    assert hedge.instrument == ETH.id
    rig.touch()
    assert rig.take_new() == []
    rig.accept(hedge)
    rig.fill(hedge, price=300_000)
    rig.wish(pair(0.5, naked_cap=0.2, entry="e2"))
    (more,) = [place for place in rig.take_new() if place.instrument == BTC.id]
    assert more.qty == 200


def test_without_the_cap_the_whole_lead_would_go_naked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "naked_room", lambda core, slot, side, coming: None)
    rig = legs()
    (lead,) = rig.wish(pair(0.5, naked_cap=0.2))
    assert lead.qty == 500


def test_a_lead_that_comes_back_takes_its_hedge_along() -> None:
    rig = legs()
    (lead,) = rig.wish(pair(0.5))
    rig.accept(lead)
    rig.fill(lead)
    hedge = next(place for place in places(rig.sent) if place.instrument == ETH.id)
    rig.accept(hedge)
    rig.fill(hedge, price=300_000)
    (back,) = rig.wish(pair(0.0, "e2"))
    rig.sent.clear()
    rig.accept(back)
    rig.fill(back)
    (unhedge,) = rig.take_new()
    assert (unhedge.instrument, unhedge.side, unhedge.qty) == (ETH.id, 1, 500)


def test_a_stop_that_fires_on_the_lead_unwinds_the_hedge() -> None:
    rig = legs()
    stop = Protection(instrument=BTC.id, entry="e1", stop=59_000.0)
    wanted = pair(0.5)
    (lead,) = rig.wish(Desired(targets=wanted.targets, protections=(stop,)))
    rig.accept(lead)
    rig.fill(lead)
    resting, hedge = (
        next(p for p in places(rig.sent) if p.kind is OrderKind.STOP),
        next(p for p in places(rig.sent) if p.instrument == ETH.id),
    )
    rig.accept(resting)
    rig.accept(hedge)
    rig.fill(hedge, price=300_000)
    rig.sent.clear()
    rig.fill(resting, price=590_000)
    assert [(p.instrument, p.side, p.qty) for p in rig.take_new()] == [(ETH.id, 1, 500)]


def test_a_hedge_needs_no_vote_of_its_own() -> None:
    """The lead was approved; its hedge lowers risk and follows."""
    rig = Legs(ASKING).begin_legs()
    assert rig.wish(pair(1.0, ratio=20.0)) == []
    assert rig.command(c.Approve(request="R1"), "bob").ok
    (lead,) = rig.take_new()
    rig.accept(lead)
    rig.fill(lead)
    (hedge,) = rig.take_new()
    assert hedge.qty == 2_000
    rig.accept(hedge)
    rig.fill(hedge, price=300_000)
    rig.wish(pair(1.0, ratio=20.0, naked_cap=9.0))
    assert list(rig.core.state.requests) == ["R1"]


def test_a_flatten_closes_both_legs_and_a_later_entry_is_hedged_again() -> None:
    rig = legs()
    (lead,) = rig.wish(pair(0.5))
    rig.accept(lead)
    rig.fill(lead)
    hedge = rig.take_new()[-1]
    rig.accept(hedge)
    rig.fill(hedge, price=300_000)
    rig.command(c.Flatten(), "dot")
    for close in rig.take_new():
        rig.accept(close)
        rig.fill(close, price=300_000 if close.instrument == ETH.id else 600_000)
    assert rig.held(BTC.id) == rig.held(ETH.id) == 0
    rig.look_after()
    request = rig.command(c.Resume(), "bob").request
    rig.command(c.Approve(request=request), "cem")
    rig.command(c.Approve(request=request), "ann")
    assert rig.core.state.trading is TradingState.ACTIVE
    (again,) = rig.wish(pair(0.3, "e2"))
    rig.sent.clear()
    rig.accept(again)
    rig.fill(again)
    assert [(p.instrument, p.qty) for p in rig.take_new()] == [(ETH.id, 300)]


@pytest.mark.parametrize(
    "hedge",
    [
        Hedge("XRP-USDC-PERP.PAPER", 1.0, 1.0),
        Hedge(BTC.id, float("nan"), 1.0),
        Hedge(BTC.id, 1.0, float("inf")),
        Hedge(ETH.id, 1.0, 1.0),
    ],
)
def test_a_hedge_that_makes_no_sense_is_refused_and_the_engine_goes_on(hedge: Hedge) -> None:
    rig = legs()
    placed = rig.wish(wants(aim(Qty(0.5)), aim(hedge, "", instrument=ETH.id)))
    for place in placed:
        rig.accept(place)
        rig.fill(place)
    rig.touch()
    rig.wait(5)
    assert rig.held(ETH.id) == 0
    assert [p for p in places(rig.sent) if p.instrument == ETH.id] == []
    quarantined = rig.core.state.strategies["legs"].status is StrategyStatus.QUARANTINED
    assert quarantined or {"BAD_NUMBER", "NO_SUCH"} & set(rig.refusals())


@settings(max_examples=40)
@given(st.lists(st.tuples(st.sampled_from([BTC.id, ETH.id]), st.integers(1, 300)), max_size=25))
def test_in_any_order_of_fills_the_naked_part_stays_within_the_cap(fills: list[tuple[str, int]]) -> None:
    rig = legs()
    working = rig.wish(pair(1.5, naked_cap=0.3))
    for instrument, qty in fills:
        for place in working:
            found = rig.core.order(place.cid)
            if found is not None and place.instrument == instrument:
                rig.accept(place)
                rig.fill(place, min(qty, found[1].leaves), price=600_000 if instrument == BTC.id else 300_000)
        working += rig.take_new()
        hedged = -rig.held(ETH.id) / ETH.qty_scale / 10.0 * BTC.qty_scale
        coming = sum(o.leaves for o in rig.slot(BTC.id).orders.values())
        assert rig.held(BTC.id) + coming - hedged <= 300.001
    assert rig.core.state.accounts[ACCOUNT].cash == Decimal(1_000_000)


def test_reducing_the_lead_is_never_kept_waiting_by_the_cap() -> None:
    rig = legs()
    (lead,) = rig.wish(pair(0.2, naked_cap=0.2))
    rig.accept(lead)
    rig.fill(lead)
    (less,) = [p for p in rig.wish(pair(0.0, "e2", naked_cap=0.2)) if p.instrument == BTC.id]
    assert (less.side, less.qty) == (-1, 200)


def test_a_pair_survives_a_crash_and_goes_on_hedging() -> None:
    rig = legs()
    (lead,) = rig.wish(pair(0.5))
    rig.accept(lead)
    rig.crash()
    fill = rig.make_fill(lead)
    rig.snapshot(positions=(e.VenuePosition(instrument=BTC.id, qty=500, entry_value=Decimal(30_000)),), fills=(fill,))
    rig.snapshot(account="PAPER:sub")
    rig.touch(300_000, 300_010, ETH.id)
    rig.wait(2)
    assert [(p.instrument, p.qty) for p in places(rig.sent)] == [(ETH.id, 500)]


def test_a_hedge_is_worth_little_more_than_its_lead_because_nobody_votes_on_it() -> None:
    rig = legs()
    (lead,) = rig.wish(pair(0.5, ratio=1_000.0))
    rig.fill(lead)
    (hedge,) = rig.take_new()[-1:]
    worth = rig.core.instruments[ETH.id].notional(300_000, hedge.qty)
    assert worth <= Decimal("1.25") * rig.core.instruments[BTC.id].notional(600_010, lead.qty)
    assert "ENVELOPE" in rig.refusals()
