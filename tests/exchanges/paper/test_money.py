"""Fees, funding, margin, liquidation and the dead man's switch."""

from decimal import Decimal

import msgspec
import pytest

from domain.events import Cancelled, Filled, FundingPaid, Rejected, VenueSnapshot
from domain.order import ArmDeadMan, OrderKind, RequestSnapshot
from exchanges.paper.market import FAR
from tests.exchanges.paper.world import ACCOUNT, BTC, INSTANT, World, cancel_texts, fills, names

HOUR = 3_600_000_000_000


def test_takers_and_makers_pay_their_fee_rounded_to_the_money_step():
    world = World()
    world.bbo(600_000, 600_010, 100, 100)
    (_, taken) = world.ioc(1, 7, 600_010)
    assert isinstance(taken, Filled)
    assert taken.fee == Decimal("0.21000350")
    world.place(-1, 7, 600_005, OrderKind.POST_ONLY)
    (made,) = world.trade(600_005, 7, 1)
    assert isinstance(made, Filled)
    assert made.fee == Decimal("0.08400070")
    gain = BTC.notional(600_005, 7) - BTC.notional(600_010, 7)
    assert world.cash == Decimal(1_000_000) + gain - taken.fee - made.fee


def test_a_maker_rebate_is_a_negative_fee():
    world = World(instrument=msgspec.structs.replace(BTC, maker_fee=Decimal("-0.0001")))
    world.bbo(600_000, 600_010)
    world.place(1, 10, 600_005, OrderKind.POST_ONLY)
    (made,) = world.trade(600_005, 10, -1)
    assert isinstance(made, Filled)
    assert made.fee == Decimal("-0.06000050")
    assert world.cash > 1_000_000


def test_flipping_a_position_realises_the_old_side_exactly():
    world = World()
    world.bbo(600_000, 600_010)
    world.ioc(1, 30, 600_010)
    world.ioc(1, 33, 600_010)
    world.ioc(-1, 100, 600_000)
    holding = world.exchange.floor.accounts[ACCOUNT].holdings[BTC.id]
    assert holding.qty == -37
    assert holding.entry_value == BTC.notional(600_000, -37)
    assert holding.realised == BTC.notional(600_000, 63) - BTC.notional(600_010, 63)


@pytest.mark.parametrize(("side", "rate", "amount"), [(1, "0.0001", "-0.600000"), (-1, "0.0001", "0.600000")])
def test_funding_is_paid_at_each_interval_with_an_id_of_its_own(side, rate, amount):
    world = World()
    world.bbo(600_000, 600_000 + 10)
    world.mark(600_000, rate)
    world.ioc(side, 100, 600_010 if side > 0 else 600_000)
    before = world.cash
    world.t = HOUR
    (paid,) = world.mark(599_000, "0.5")
    assert isinstance(paid, FundingPaid)
    assert paid.amount == Decimal(amount)
    assert paid.funding_id == f"{BTC.id}@{HOUR}"
    assert world.cash == before + Decimal(amount)
    assert not world.mark(599_000, "0.5")
    (snapshot,) = world.send(RequestSnapshot(account=ACCOUNT))
    assert isinstance(snapshot, VenueSnapshot)
    assert [event.amount for event in snapshot.funding] == [Decimal(amount)]


def test_funding_of_intervals_without_a_mark_is_paid_late_one_by_one():
    world = World()
    world.bbo(600_000, 600_010)
    world.mark(600_000, "0.0001")
    world.ioc(1, 100, 600_010)
    world.t = 3 * HOUR
    assert names(world.mark(600_000)) == ["FundingPaid"] * 3


def test_initial_margin_counts_positions_and_working_orders_and_lets_reductions_pass():
    world = World(cash="10000")
    world.bbo(600_000, 600_010, 10_000, 10_000)
    world.ioc(1, 1000, 600_010)
    world.place(1, 600, 590_000)
    (refused,) = world.place(1, 100, 590_000)
    assert isinstance(refused, Rejected)
    assert refused.text == "insufficient margin"
    assert fills(world.ioc(-1, 1000, 600_000)) == [(-1, 600_000, 1000)]


def test_a_short_of_margin_account_is_liquidated_under_an_id_of_the_venue():
    world = World(cash="10000")
    world.bbo(600_000, 600_010, 10_000, 10_000)
    world.ioc(1, 1600, 600_010)
    world.place(1, 10, 500_000, cid="resting")
    world.place(-1, 1600, 0, OrderKind.STOP, trigger=500_000, reduce_only=True, cid="stop")
    assert not world.bbo(575_000, 575_010, 10_000, 10_000)
    events = world.bbo(565_000, 565_010, 1_000, 1_000)
    assert cancel_texts(events) == ["liquidation", "liquidation"]
    (closed,) = [event for event in events if isinstance(event, Filled)]
    assert (closed.liquidation, closed.side, closed.qty, closed.cid[:4]) == (True, -1, 1000, "LIQ-")
    assert fills(world.bbo(564_000, 564_010, 1_000, 1_000)) == [(-1, 564_000, 600)]
    assert world.position == 0


def test_a_band_of_margin_that_is_far_off_stays_and_one_that_a_fill_makes_unsafe_does_not():
    world = World(cash="100000")
    world.bbo(600_000, 600_010)
    market = world.exchange.floor.markets[BTC.id]
    world.ioc(-1, 100, 600_000)
    band = market.liquidations[ACCOUNT]
    world.ioc(1, 50, 600_010)
    world.ioc(1, 60, 600_010)
    world.ioc(-1, 60, 600_000)
    assert market.liquidations[ACCOUNT] == band
    world.bbo(600_000, 600_010, 10_000, 10_000)
    world.ioc(-1, 1_000, 600_000)
    low, high = market.liquidations[ACCOUNT]
    assert low == -1
    assert 600_000 < high < band[1]
    assert not any(fill.liquidation for fill in world.bbo(high - 10, high - 5) if isinstance(fill, Filled))
    assert any(
        fill.liquidation for fill in world.bbo(high + 2_000, high + 2_010, 9_999, 9_999) if isinstance(fill, Filled)
    )


def test_an_account_that_is_flat_does_not_keep_a_band_near_the_price():
    world = World(cash="1000")
    world.bbo(600_000, 600_010)
    market = world.exchange.floor.markets[BTC.id]
    world.ioc(-1, 100, 600_000)
    assert market.liquidations[ACCOUNT][1] < 1_200_000
    world.ioc(1, 100, 600_010)
    assert market.liquidations[ACCOUNT] == (-1, FAR)


def test_a_mark_alone_can_liquidate_a_short():
    world = World(cash="10000")
    world.bbo(600_000, 600_010, 10_000, 10_000)
    world.mark(600_000)
    world.ioc(-1, 1600, 600_000)
    assert not world.mark(625_000)
    events = world.mark(640_000)
    assert [event.liquidation for event in events if isinstance(event, Filled)] == [True]


def test_bars_liquidate_at_the_extreme_that_hurts():
    world = World(cash="10000")
    world.bar(600_000, 600_000, 600_000, 600_000)
    world.ioc(1, 1600, 605_000)
    world.bar(600_000, 600_010, 599_990, 600_000)
    events = world.bar(600_000, 600_010, 560_000, 600_000)
    assert [(e.liquidation, e.price) for e in events if isinstance(e, Filled)] == [(True, 560_000)]


def test_the_dead_man_cancels_everything_stops_included_unless_armed_again():
    world = World()
    world.bbo(600_000, 600_010)
    world.ioc(1, 100, 600_010)
    world.place(1, 10, 599_000)
    world.place(-1, 100, 0, OrderKind.STOP, trigger=598_000, reduce_only=True)
    second = 1_000_000_000
    world.send(ArmDeadMan(account=ACCOUNT, deadline_ns=world.t + second))
    world.send(ArmDeadMan(account=ACCOUNT, deadline_ns=world.t + 2 * second))
    assert not world.poll(second)
    assert world.exchange.next_due_ns > world.t
    events = world.poll(second)
    assert [(e.cid, e.text) for e in events if isinstance(e, Cancelled)] == [("o2", "dead man"), ("o3", "dead man")]
    assert world.exchange.next_due_ns == 0


def test_a_disarmed_dead_man_does_nothing():
    world = World()
    world.bbo(600_000, 600_010)
    world.place(1, 10, 599_000)
    world.send(ArmDeadMan(account=ACCOUNT, deadline_ns=world.t + 1_000_000_000))
    world.send(ArmDeadMan(account=ACCOUNT, deadline_ns=0))
    assert not world.poll(5_000_000_000)


def test_check_speaks_up_when_the_books_are_cooked():
    from domain.errors import VenueError

    world = World()
    world.exchange.floor.accounts[ACCOUNT].cash += 1
    with pytest.raises(VenueError, match="cash 1000001"):
        world.exchange.check()


def test_without_latency_answers_come_at_once():
    world = World(INSTANT)
    world.bbo(600_000, 600_010)
    assert names(world.place(1, 10, 599_000)) == ["Accepted"]


@pytest.mark.parametrize("side", [1, -1])
def test_a_contract_whose_margin_is_all_that_it_is_worth_can_be_held(side):
    one = Decimal(1)
    world = World(instrument=msgspec.structs.replace(BTC, initial_margin=one, maintenance_margin=one))
    world.bbo(600_000, 600_010)
    world.ioc(side, 10, 600_010 if side > 0 else 600_000)
    world.bbo(1_000, 1_010)
    assert world.exchange.floor.accounts[ACCOUNT].holdings[BTC.id].qty == 10 * side
