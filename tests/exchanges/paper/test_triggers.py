"""Stops and take-profits rest at the venue until a trade, a mark or the book reaches their trigger."""

from domain.events import Filled, OrderReport
from domain.order import OrderKind, OrderStatus, Query
from tests.exchanges.paper.world import ACCOUNT, BTC, World, cancel_texts, fills, names


def long_world() -> World:
    """Long 100 with the market at 600 000 / 600 010, a stop at 599 000."""
    world = World()
    world.bbo(600_000, 600_010)
    world.ioc(1, 100, 600_010)
    world.place(-1, 100, 0, OrderKind.STOP, trigger=599_000, reduce_only=True, cid="stop")
    return world


def test_a_trade_at_the_trigger_fires_the_stop_which_takes_from_the_book():
    world = long_world()
    assert fills(world.trade(599_000, 1, -1)) == [(-1, 600_000, 100)]
    assert world.position == 0


def test_a_mark_fires_the_stop():
    world = long_world()
    assert fills(world.mark(598_900)) == [(-1, 600_000, 100)]


def test_the_bid_fires_a_sell_stop_and_it_pays_the_slippage():
    world = long_world()
    events = world.book([(598_000, 60), (597_000, 100)], [(598_010, 100)])
    assert fills(events) == [(-1, 598_000, 60), (-1, 597_000, 40)]


def test_nothing_fires_before_the_trigger_is_reached():
    world = long_world()
    assert not world.trade(599_001, 100, -1)
    assert not world.bbo(599_010, 599_020)


def test_a_fired_stop_keeps_taking_until_it_is_done():
    world = long_world()
    assert fills(world.bbo(598_000, 598_010, 30, 30)) == [(-1, 598_000, 30)]
    assert fills(world.bbo(597_990, 598_000, 50, 50)) == [(-1, 597_990, 50)]
    assert fills(world.bbo(597_980, 597_990, 50, 50)) == [(-1, 597_980, 20)]


def test_a_stop_with_a_worst_price_does_not_sell_below_it():
    world = World()
    world.bbo(600_000, 600_010)
    world.ioc(1, 100, 600_010)
    world.place(-1, 100, 598_500, OrderKind.STOP, trigger=599_000, reduce_only=True)
    assert not fills(world.bbo(598_000, 598_010))
    assert fills(world.bbo(598_600, 598_610)) == [(-1, 598_600, 100)]


def test_a_take_profit_fires_on_the_profitable_side():
    world = long_world()
    world.place(-1, 100, 0, OrderKind.TAKE_PROFIT, trigger=601_000, reduce_only=True, cid="profit")
    assert not world.bbo(600_990, 601_000)
    events = world.bbo(601_000, 601_010)
    assert [(e.cid, e.price) for e in events if isinstance(e, Filled)] == [("profit", 601_000)]


def test_a_buy_stop_and_a_buy_take_profit_look_the_other_way():
    world = World()
    world.bbo(600_000, 600_010)
    world.place(1, 10, 0, OrderKind.STOP, trigger=601_000)
    world.place(1, 10, 0, OrderKind.TAKE_PROFIT, trigger=599_000)
    assert fills(world.bbo(600_995, 601_000)) == [(1, 601_000, 10)]
    assert fills(world.bbo(598_990, 599_000)) == [(1, 599_000, 10)]


def test_a_trigger_that_is_already_reached_fires_at_once():
    world = long_world()
    assert names(world.place(-1, 50, 0, OrderKind.STOP, trigger=600_500, reduce_only=True)) == ["Accepted", "Filled"]


def test_a_reduce_only_stop_without_a_position_is_kept_and_never_opens_one():
    world = long_world()
    world.ioc(-1, 100, 599_990)
    (report,) = world.send(Query(cid="stop", account=ACCOUNT, instrument=BTC.id))
    assert isinstance(report, OrderReport)
    assert report.status is OrderStatus.OPEN
    events = world.bbo(598_000, 598_010)
    assert cancel_texts(events) == ["reduce-only, and nothing is left to reduce"]
    assert world.position == 0


def test_a_reduce_only_stop_is_clipped_to_the_position():
    world = long_world()
    world.ioc(-1, 70, 599_990)
    events = world.bbo(598_000, 598_010)
    assert fills(events) == [(-1, 598_000, 30)]
    assert names(events) == ["Filled", "Cancelled"]


def test_the_trigger_can_be_amended():
    world = long_world()
    world.amend("stop", 100, 0, trigger=599_500)
    assert fills(world.trade(599_400, 1, -1)) == [(-1, 600_000, 100)]
