"""How orders meet bars, and the EMA oracle: the final balance to the last digit."""

import random
from decimal import Decimal

import msgspec
import pytest

from domain.events import Filled
from domain.instrument import Instrument
from domain.market import Bar
from domain.order import OrderKind, Place
from exchanges.paper.config import FillModel, PaperConfig
from exchanges.paper.exchange import PaperExchange
from tests.exchanges.paper.world import ACCOUNT, BTC, INSTANT, MINUTE, World, cancel_texts, fills, names


def bars_world(model: FillModel = FillModel.NEXT_OPEN) -> World:
    world = World(msgspec.structs.replace(INSTANT, fill_model=model))
    world.bar(600_000, 600_500, 599_500, 600_000)
    return world


def test_next_open_fills_a_taker_at_the_next_bars_open():
    world = bars_world()
    assert names(world.ioc(1, 10, 605_000)) == ["Accepted"]
    assert fills(world.bar(600_100, 600_600, 599_600, 600_000)) == [(1, 600_100, 10)]


def test_next_open_cancels_a_taker_whose_limit_the_open_has_passed():
    world = bars_world()
    world.ioc(1, 10, 600_000)
    assert cancel_texts(world.bar(600_100, 600_600, 599_600, 600_000)) == ["IOC rest"]


def test_same_close_fills_at_once_at_the_close_without_any_latency():
    world = World(PaperConfig(fill_model=FillModel.SAME_CLOSE))
    world.bar(600_000, 600_500, 599_500, 600_200)
    assert fills(world.ioc(1, 10, 605_000)) == [(1, 600_200, 10)]


@pytest.mark.parametrize(("model", "is_filled"), [(FillModel.NEXT_OPEN, False), (FillModel.OHLC_PATH, True)])
def test_a_touch_fills_a_limit_only_on_the_ohlc_path(model, is_filled):
    world = bars_world(model)
    world.place(1, 10, 599_000)
    assert bool(fills(world.bar(600_000, 600_500, 599_000, 600_000))) is is_filled


def test_a_limit_fills_at_its_own_price_even_when_the_bar_opens_beyond_it():
    world = bars_world()
    world.place(1, 10, 599_000)
    assert fills(world.bar(598_000, 598_500, 597_000, 598_000)) == [(1, 599_000, 10)]


def test_a_marketable_limit_takes_at_the_open_or_rests():
    world = bars_world()
    assert names(world.place(1, 10, 600_400)) == ["Accepted"]
    assert fills(world.bar(600_100, 600_600, 599_600, 600_500)) == [(1, 600_100, 10)]
    world.place(1, 10, 600_600)
    assert not fills(world.bar(600_700, 600_900, 600_650, 600_800))
    assert fills(world.bar(600_700, 600_900, 600_500, 600_800)) == [(1, 600_600, 10)]


def test_post_only_at_the_last_close_rests_and_beyond_it_is_refused():
    world = bars_world()
    assert names(world.place(1, 10, 600_000, OrderKind.POST_ONLY)) == ["Accepted"]
    assert names(world.place(1, 10, 600_001, OrderKind.POST_ONLY)) == ["Rejected"]
    assert fills(world.bar(600_000, 600_500, 599_900, 600_400)) == [(1, 600_000, 10)]


def protected(model: FillModel = FillModel.NEXT_OPEN) -> World:
    """Long 10 from 600 000 with a stop at 598 000 and a take-profit at 602 000."""
    world = bars_world(model)
    world.ioc(1, 10, 605_000)
    world.bar(600_000, 600_500, 599_500, 600_000)
    world.place(-1, 10, 0, OrderKind.STOP, trigger=598_000, reduce_only=True, cid="stop")
    world.place(-1, 10, 0, OrderKind.TAKE_PROFIT, trigger=602_000, reduce_only=True, cid="profit")
    return world


@pytest.mark.parametrize("model", [FillModel.NEXT_OPEN, FillModel.OHLC_PATH])
def test_when_both_sides_are_touched_the_worse_comes_first(model):
    world = protected(model)
    events = world.bar(600_000, 603_000, 597_000, 602_500)
    assert [(e.cid, e.price) for e in events if isinstance(e, Filled)] == [("stop", 598_000)]
    assert world.position == 0


def test_a_take_profit_fills_at_its_trigger():
    world = protected()
    events = world.bar(600_000, 603_000, 599_000, 602_500)
    assert [(e.cid, e.price) for e in events if isinstance(e, Filled)] == [("profit", 602_000)]


def test_a_stop_fills_at_the_open_when_the_market_gapped_past_it():
    world = protected()
    events = world.bar(590_000, 591_000, 589_000, 590_000)
    assert [(e.cid, e.price) for e in events if isinstance(e, Filled)] == [("stop", 590_000)]


def test_bars_are_only_signals_where_there_are_trades_or_a_book():
    world = World()
    world.bbo(600_000, 600_010)
    world.place(1, 10, 599_000)
    assert not fills(world.bar(600_000, 601_000, 598_000, 600_000))
    assert fills(world.ioc(1, 10, 600_010)) == [(1, 600_010, 10)]


def test_an_order_that_came_in_the_middle_of_a_bar_is_not_filled_by_what_was_before_it():
    world = bars_world()
    world.t += MINUTE // 2
    world.place(1, 10, 599_000)
    world.ioc(1, 20, 605_000)
    world.t -= MINUTE // 2
    assert not fills(world.bar(600_000, 600_500, 598_000, 600_000))
    assert fills(world.bar(600_100, 600_500, 598_000, 600_000)) == [(1, 600_100, 20), (1, 599_000, 10)]


def test_longer_bars_of_the_same_instrument_only_repeat_the_shorter_ones():
    world = bars_world()
    world.bar(599_000, 600_500, 598_000, 600_000)
    world.place(1, 10, 599_000)
    hour = Bar(
        instrument=BTC.id,
        interval_ns=60 * MINUTE,
        open_ts_ns=world.t,
        open=600_000,
        high=601_000,
        low=598_000,
        close=600_000,
        volume=1,
    )
    assert not world.market(hour)


def oracle(closes: list[Decimal]) -> tuple[int, str]:
    """The exact recomputation: EMA 10/20 seeded by the first close, long or short 0.010 from the 20th bar on."""
    fast_weight, slow_weight = 2 / 11, 2 / 21
    fast = slow = float(closes[0])
    position, entry, balance, orders = 0, Decimal(0), Decimal(10_000_000), 0
    for number, close in enumerate(closes):
        fast = fast_weight * float(close) + (1 - fast_weight) * fast
        slow = slow_weight * float(close) + (1 - slow_weight) * slow
        target = 1 if fast >= slow else -1
        if number + 1 < 20 or target == position:
            continue
        qty = Decimal("0.02") if position else Decimal("0.01")
        orders += 1
        balance += (close - entry) * Decimal("0.01") * position
        balance -= (close * qty * Decimal("0.0005")).quantize(Decimal("0.00000001"))
        entry, position = close, target
    return orders, str(balance)


def test_the_ema_case_gives_the_oracles_orders_and_balance_to_the_last_digit():
    rng = random.Random(7)
    instrument = Instrument(
        id="BTC-USDT-PERP.PAPER",
        venue_symbol="BTCUSDT",
        price_decimals=1,
        qty_decimals=3,
        maker_fee=Decimal("0.0002"),
        taker_fee=Decimal("0.0005"),
    )
    price, closes = 600_000, []
    for _ in range(5_000):
        price += rng.randint(-300, 300)
        closes.append(price)
    exchange = PaperExchange([instrument], {ACCOUNT: Decimal(10_000_000)}, PaperConfig(fill_model=FillModel.SAME_CLOSE))
    fast = slow = closes[0] / 10
    position = orders = 0
    for number, close in enumerate(closes):
        ts = (number + 1) * MINUTE
        bar = Bar(
            ts_ns=ts,
            instrument=instrument.id,
            interval_ns=MINUTE,
            open_ts_ns=ts - MINUTE,
            open=close,
            high=close + 50,
            low=close - 50,
            close=close,
            volume=1,
        )
        exchange.on_market(bar)
        fast = 2 / 11 * (close / 10) + (1 - 2 / 11) * fast
        slow = 2 / 21 * (close / 10) + (1 - 2 / 21) * slow
        target = 1 if fast >= slow else -1
        if number + 1 < 20 or target == position:
            continue
        orders += 1
        qty = 20 if position else 10
        exchange.submit(
            [
                Place(
                    cid=f"c{number}",
                    account=ACCOUNT,
                    instrument=instrument.id,
                    side=target,
                    kind=OrderKind.IOC,
                    qty=qty,
                    price=close + target * 1000,
                )
            ],
            ts,
        )
        assert fills(exchange.poll(ts)) == [(target, close, qty)]
        position = target
    expected_orders, expected_balance = oracle([Decimal(close) / 10 for close in closes])
    exchange.check()
    assert orders == expected_orders > 200
    assert exchange.snapshot(ACCOUNT, 0).cash == Decimal(expected_balance)
