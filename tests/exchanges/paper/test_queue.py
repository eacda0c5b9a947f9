"""Where a resting order stands in the queue, and what fills it."""

import msgspec
import pytest

from domain.events import Filled
from domain.order import Liquidity, OrderKind
from exchanges.paper.config import QueueModel
from tests.exchanges.paper.world import BTC, INSTANT, World, fills

BIDS = [(600_000, 100), (599_990, 200)]
ASKS = [(600_010, 100), (600_020, 200)]


def quoting(model: QueueModel = QueueModel.POWER, power: int = 3) -> World:
    world = World(msgspec.structs.replace(INSTANT, queue_model=model, queue_power=power))
    world.book(BIDS, ASKS)
    return world


def test_an_order_waits_behind_the_size_shown_when_it_came():
    world = quoting()
    world.place(1, 50, 600_000, OrderKind.POST_ONLY)
    assert not fills(world.trade(600_000, 100, -1))
    (fill,) = world.trade(600_000, 30, -1)
    assert isinstance(fill, Filled)
    assert (fill.qty, fill.price, fill.liquidity) == (30, 600_000, Liquidity.MAKER)
    assert fills(world.trade(600_000, 30, -1)) == [(1, 600_000, 20)]


def test_an_order_that_improves_the_best_price_is_first():
    world = quoting()
    world.place(1, 50, 600_005, OrderKind.POST_ONLY)
    assert fills(world.trade(600_005, 30, -1)) == [(1, 600_005, 30)]


def test_buyers_do_not_fill_bids():
    world = quoting()
    world.place(1, 50, 600_005, OrderKind.POST_ONLY)
    assert not fills(world.trade(600_010, 500, 1))


def test_a_trade_through_the_price_fills_whatever_the_queue_as_far_as_it_goes():
    world = quoting()
    world.place(1, 50, 600_000, OrderKind.POST_ONLY)
    assert fills(world.trade(599_990, 20, -1)) == [(1, 600_000, 20)]
    assert fills(world.trade(599_990, 500, -1)) == [(1, 600_000, 30)]


def test_own_orders_at_one_price_fill_first_come_first_served_and_share_the_trade():
    world = quoting()
    world.place(1, 50, 600_000, cid="first")
    world.place(1, 50, 600_000, cid="second")
    events = world.trade(600_000, 170, -1)
    assert [(e.cid, e.qty) for e in events if isinstance(e, Filled)] == [("first", 50), ("second", 20)]


def test_better_own_prices_fill_before_worse_ones_whoever_came_first():
    world = quoting()
    world.place(1, 50, 599_995, cid="worse")
    world.place(1, 50, 600_005, cid="better")
    events = world.trade(599_990, 60, -1)
    assert [(e.cid, e.qty) for e in events if isinstance(e, Filled)] == [("better", 50), ("worse", 10)]


def test_the_book_coming_through_the_price_fills_by_what_it_shows():
    world = quoting()
    world.place(1, 50, 600_000, OrderKind.POST_ONLY)
    assert fills(world.book([(599_980, 100)], [(599_990, 30), (600_000, 10), (600_010, 500)])) == [(1, 600_000, 40)]
    assert fills(world.book([(599_980, 100)], [(599_995, 30)])) == [(1, 600_000, 10)]


def test_risk_averse_queues_only_move_by_trades_and_by_less_being_shown_than_is_ahead():
    world = quoting(QueueModel.RISK_AVERSE)
    world.place(1, 50, 600_000, OrderKind.POST_ONLY)
    world.book([(600_000, 150), (599_990, 200)], ASKS)
    world.book([(600_000, 110), (599_990, 200)], ASKS)
    assert not fills(world.trade(600_000, 100, -1))
    assert fills(world.trade(600_000, 10, -1)) == [(1, 600_000, 10)]
    world = quoting(QueueModel.RISK_AVERSE)
    world.place(1, 50, 600_000, OrderKind.POST_ONLY)
    world.book([(600_000, 40), (599_990, 200)], ASKS)
    assert fills(world.trade(600_000, 41, -1)) == [(1, 600_000, 1)]


@pytest.mark.parametrize(("power", "ahead"), [(1, 50), (2, 50), (3, 50)])
def test_with_as_much_behind_as_ahead_half_of_what_leaves_left_the_front(power, ahead):
    world = quoting(power=power)
    world.place(1, 50, 600_000, OrderKind.POST_ONLY)
    world.book([(600_000, 200), (599_990, 200)], ASKS)
    world.book([(600_000, 100), (599_990, 200)], ASKS)
    assert not fills(world.trade(600_000, ahead, -1))
    assert fills(world.trade(600_000, 1, -1)) == [(1, 600_000, 1)]


@pytest.mark.parametrize(("power", "front_left"), [(1, 75), (3, 97)])
def test_the_power_model_takes_more_from_the_longer_side(power, front_left):
    """100 ahead and 300 behind; 100 leave: a share of 1/4 for n = 1, of 1/28 (3.57, rounded against us) for n = 3."""
    world = quoting(power=power)
    world.place(1, 50, 600_000, OrderKind.POST_ONLY)
    world.book([(600_000, 400), (599_990, 200)], ASKS)
    world.book([(600_000, 300), (599_990, 200)], ASKS)
    assert not fills(world.trade(600_000, front_left, -1))
    assert fills(world.trade(600_000, 1, -1)) == [(1, 600_000, 1)]


def test_what_traded_is_not_counted_again_when_the_book_shows_it_gone():
    world = quoting()
    world.place(1, 50, 600_000, OrderKind.POST_ONLY)
    world.trade(600_000, 40, -1)
    world.book([(600_000, 60), (599_990, 200)], ASKS)
    assert not fills(world.trade(600_000, 60, -1))
    assert fills(world.trade(600_000, 1, -1)) == [(1, 600_000, 1)]


def test_a_vanished_level_leaves_the_order_alone_at_its_price():
    world = quoting()
    world.place(1, 50, 600_000, OrderKind.POST_ONLY)
    world.book([(599_990, 200)], ASKS)
    assert fills(world.trade(600_000, 1, -1)) == [(1, 600_000, 1)]


def test_an_order_beyond_what_is_shown_does_not_guess_and_queues_behind_all_when_its_level_appears():
    world = quoting()
    world.place(1, 50, 599_000, OrderKind.POST_ONLY)
    assert not fills(world.trade(599_000, 500, -1))
    world.book([(599_000, 70), (598_990, 10)], [(599_010, 10)])
    assert not fills(world.trade(599_000, 70, -1))
    assert fills(world.trade(599_000, 5, -1)) == [(1, 599_000, 5)]


def test_less_quantity_keeps_the_queue_and_a_new_price_or_more_quantity_loses_it():
    for qty, price, waits in ((30, 600_000, 0), (60, 600_000, 100), (50, 599_990, 200)):
        world = quoting()
        world.place(1, 50, 600_000, OrderKind.POST_ONLY)
        world.trade(600_000, 100, -1)
        world.amend("o1", qty, price)
        if waits:
            assert not fills(world.trade(price, waits, -1))
        assert fills(world.trade(price, 1, -1)) == [(1, price, 1)]


def test_quotes_alone_carry_a_queue_too():
    world = World()
    world.bbo(600_000, 600_010, 100, 100)
    world.place(1, 50, 600_000, OrderKind.POST_ONLY)
    world.bbo(600_000, 600_010, 60, 100)
    assert not fills(world.trade(600_000, 60, -1))
    assert fills(world.trade(600_000, 10, -1)) == [(1, 600_000, 10)]
    assert fills(world.bbo(599_980, 599_990, 10, 15)) == [(1, 600_000, 15)]


@pytest.mark.parametrize("taken", [0, 10, 100])
def test_what_happened_at_a_price_while_it_was_out_of_sight_is_not_guessed(taken):
    world = World()
    world.bbo(600_000, 600_010, 100, 100)
    world.place(1, 50, 600_000, OrderKind.POST_ONLY)
    world.bbo(600_000, 600_010, 300, 100)
    world.bbo(600_020, 600_030, 100, 100)
    if taken:
        world.ioc(1, taken, 600_030)
    world.bbo(600_000, 600_010, 150, 100)
    assert not fills(world.trade(600_000, 100, -1))
    assert fills(world.trade(600_000, 1, -1)) == [(1, 600_000, 1)]


def test_trades_alone_make_a_market_a_tick_wide():
    world = World()
    world.trade(600_000, 40, 1)
    assert fills(world.ioc(1, 100, 600_100)) == [(1, 600_001, 40)]
    world.place(1, 10, 599_990)
    assert not fills(world.trade(599_990, 100, -1))
    assert fills(world.trade(599_989, 4, -1)) == [(1, 599_990, 4)]


def test_after_a_gap_nothing_is_shown_until_the_next_snapshot():
    from domain.market import FeedState, FeedStatus

    world = quoting()
    world.exchange.on_market(FeedStatus(venue="PAPER", state=FeedState.GAP), world.step())
    assert not fills(world.ioc(1, 10, 600_010))
    world.book(BIDS, ASKS)
    assert fills(world.ioc(1, 10, 600_010)) == [(1, 600_010, 10)]


def test_a_book_ends_the_guess_that_a_trade_before_it_was():
    world = World()
    world.trade(600_000, 5, 1)
    world.book([(599_000, 1_000)], [(601_000, 1_000)])
    world.trade(601_000, 5, 1)
    market = world.exchange.floor.markets[BTC.id]
    assert (market.best(1), market.best(-1)) == (599_000, 601_000)
