"""Round trips, drawdown, Sharpe and time in the market, by hand-made books."""

import random
from decimal import Decimal
from functools import reduce
from math import fsum, sqrt
from operator import add

import pytest

from domain.facts import FillBooked
from domain.order import Liquidity, Role
from research.measures.curve import curve_of, drawdowns
from risk.statistics import DAY_NS, RoundTrips, Trade, daily_returns, drawdown, sharpe


def fill(ts: int, side: int, qty: int, realised: str = "0", fee: str = "1") -> FillBooked:
    return FillBooked(
        seq=ts,
        index=0,
        ts_ns=ts,
        account="PAPER:main",
        instrument="BTC-USDC-PERP.PAPER",
        owner="it",
        cid=str(ts),
        fill_id=str(ts),
        role=Role.TARGET,
        side=side,
        price=100,
        qty=qty,
        fee=Decimal(fee),
        liquidity=Liquidity.TAKER,
        realised=Decimal(realised),
    )


def round_trips(fills: list[FillBooked], qty_scale: int) -> list[Trade]:
    counted = RoundTrips(qty_scale)
    return [trade for one in fills if (trade := counted.add(one)) is not None]


def test_a_round_trip_ends_flat_and_pays_the_fees_of_all_its_fills():
    (trade,) = round_trips([fill(1, 1, 10), fill(2, 1, 10), fill(3, -1, 5, "2"), fill(4, -1, 15, "9")], 10)
    assert (trade.side, trade.opened_ns, trade.closed_ns, trade.fills) == (1, 1, 4, 4)
    assert (trade.qty, trade.fees, trade.pnl) == (Decimal(2), Decimal(4), Decimal(7))


def test_a_fill_through_zero_ends_one_trade_and_begins_the_next_with_its_share_of_the_fee():
    fills = [fill(1, 1, 10), fill(2, -1, 30, "5", "3"), fill(3, 1, 20, "-4")]
    first, second = round_trips(fills, 1)
    assert (first.side, first.pnl, first.fees) == (1, Decimal(3), Decimal(2))
    assert (second.side, second.opened_ns, second.qty) == (-1, 2, Decimal(20))
    assert (second.pnl, second.fees) == (Decimal(-7), Decimal(3))
    assert first.pnl + second.pnl == sum(f.realised - f.fee for f in fills)


def test_an_open_position_is_no_trade_yet():
    fills = [fill(10, 1, 10), fill(30, -1, 10), fill(50, -1, 1)]
    assert len(round_trips(fills, 1)) == 1


def test_of_two_falls_the_one_of_the_larger_part_is_the_drawdown_wherever_it_is_measured():
    values = [100, 70, 1_000, 800]  # 30 of 100, then 200 of 1,000
    samples = [(at * DAY_NS, Decimal(value)) for at, value in enumerate(values)]
    worst = drawdown(samples)
    assert (worst.fraction, worst.amount, worst.peak_ns, worst.trough_ns) == (0.3, Decimal(30), 0, DAY_NS)
    deepest = drawdowns(curve_of(samples)).deepest
    assert (deepest.fraction, deepest.amount, deepest.peak_ns) == (worst.fraction, float(worst.amount), worst.peak_ns)


def test_a_sharpe_ratio_has_the_same_bits_under_every_python():
    rng = random.Random(1)
    equity, samples = 100_000.0, []
    for day in range(400):
        equity *= 1 + rng.gauss(0.001, 0.02)
        samples.append((day * DAY_NS, Decimal(repr(equity))))
    returns = daily_returns(samples)
    naive = reduce(add, returns)
    assert naive != fsum(returns)  # what sum() gives under 3.11, and not under 3.12
    mean = fsum(returns) / len(returns)
    spread = sqrt(fsum((r - mean) ** 2 for r in returns) / (len(returns) - 1))
    assert sharpe(samples).value == mean / spread * sqrt(365)


def test_the_drawdown_is_the_deepest_fall_from_the_peak_before_it():
    values = [100, 120, 90, 130, 104, 125]
    worst = drawdown([(ts, Decimal(value)) for ts, value in enumerate(values)])
    assert (worst.amount, worst.peak_ns, worst.trough_ns) == (Decimal(30), 1, 2)
    assert worst.fraction == pytest.approx(0.25)


def test_daily_returns_leave_out_the_unfinished_day_and_holes():
    days = {0: 100, 1: 110, 2: 99, 5: 120, 6: 126, 7: 500}
    samples = [(day * DAY_NS + hour, Decimal(value)) for day, value in days.items() for hour in (1, 2)]
    assert daily_returns(samples) == pytest.approx([0.1, -0.1, 0.05])


def test_too_few_days_give_no_sharpe_ratio_but_the_number_of_them():
    samples = [(day * DAY_NS, Decimal(100 + day % 2)) for day in range(12)]
    assert sharpe(samples).value is None
    assert "insufficient data: n = 10" in sharpe(samples).caveat


def test_a_sharpe_ratio_says_its_n_and_its_error():
    samples = [(day * DAY_NS, Decimal(1000 + 2 * day + day % 3)) for day in range(102)]
    ratio = sharpe(samples)
    returns = daily_returns(samples)
    mean = sum(returns) / 100
    spread = (sum((r - mean) ** 2 for r in returns) / 99) ** 0.5
    assert ratio.n == 100
    assert ratio.value == pytest.approx(mean / spread * 365**0.5)
    assert "n = 100" in ratio.caveat
    assert "standard error" in ratio.caveat


def test_equal_returns_give_no_sharpe_ratio():
    assert sharpe([(day * DAY_NS, Decimal(100)) for day in range(60)]).value is None
