"""Sizing: each rule narrows what the one before allows, and the answer names the one that bound."""

from __future__ import annotations

from decimal import Decimal
from math import sqrt
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.instrument import Instrument
from risk.sizing import (
    Evidence,
    atr_volatility,
    daily_volatility,
    ewma_volatility,
    half_kelly,
    performance_factor,
    size,
    volatility_factor,
)

BTC = Instrument(id="BTC-USDC-PERP.PAPER", venue_symbol="BTC", price_decimals=1, qty_decimals=3)
LOTS = replace(BTC, lot=10)
PRICE = 600_000
EQUITY = Decimal(100_000)
SEEN = Evidence(strength=1.0, equity=EQUITY, price=PRICE, base=Decimal("0.02"), most=Decimal("0.10"))
TRADES = st.lists(st.floats(-0.5, 0.5), max_size=60)


def fraction_of(seen: Evidence) -> float:
    """The part of equity that a size is worth."""
    return float(size(seen, replace(BTC, qty_decimals=6)).qty * PRICE * replace(BTC, qty_decimals=6).unit / seen.equity)


def walk(deviation: float, count: int, seed: int = 1) -> list[int]:
    """Prices of a random walk with normal returns."""
    random, price, prices = Random(seed), 1e9, []
    for _ in range(count):
        prices.append(round(price))
        price *= 1 + random.gauss(0, deviation)
    return prices


@pytest.mark.parametrize(
    ("strength", "fraction"), [(1e-9, "0.01"), (1 / 3, "0.02"), (1.0, "0.04"), (-1.0, "-0.04"), (7.0, "0.04")]
)
def test_conviction_scales_the_base_between_a_half_and_twice(strength: float, fraction: str) -> None:
    expected = int(EQUITY * Decimal(fraction) / (PRICE * BTC.unit))
    assert abs(size(replace(SEEN, strength=strength), BTC).qty - expected) <= 1


def test_no_conviction_no_equity_or_no_price_is_no_position() -> None:
    for nothing in ({"strength": 0.0}, {"equity": Decimal(0)}, {"equity": Decimal(-5)}, {"price": 0}):
        assert size(replace(SEEN, **nothing), BTC).qty == 0


@given(st.floats(-1, 1), st.floats(0, 0.5), TRADES)
def test_size_is_whole_lots_of_the_same_sign_and_never_above_a_ceiling(
    strength: float, volatility: float, trades: list[float]
) -> None:
    seen = replace(SEEN, strength=strength, base=Decimal("0.5"), volatility=volatility, trades=trades)
    qty = size(seen, LOTS).qty
    assert qty % LOTS.lot == 0
    assert qty * strength >= 0
    assert abs(qty) * PRICE * LOTS.unit <= EQUITY * Decimal("0.10")
    if len(trades) >= 10:
        assert abs(qty) * PRICE * LOTS.unit <= EQUITY * seen.kelly_max


@given(st.floats(0, 1), st.floats(0, 1))
def test_more_conviction_is_never_a_smaller_size(a: float, b: float) -> None:
    weaker, stronger = sorted((a, b))
    if weaker > 0:
        assert size(replace(SEEN, strength=weaker), BTC).qty <= size(replace(SEEN, strength=stronger), BTC).qty


def test_twice_the_volatility_is_half_the_size_within_bounds() -> None:
    at = [fraction_of(replace(SEEN, volatility=vol, strength=1 / 3)) for vol in (0.001, 0.03, 0.06, 1.0)]
    assert at == pytest.approx([0.04, 0.02, 0.01, 0.005], rel=1e-3)
    assert volatility_factor(0.0, 0.03) == 1.0


def test_both_measures_of_volatility_find_that_of_a_random_walk() -> None:
    prices = walk(0.001, 4_000)
    assert atr_volatility(prices) == pytest.approx(0.001, rel=0.25)
    found = [ewma_volatility(walk(0.001, 200, seed)) for seed in range(40)]
    assert sqrt(sum(one * one for one in found) / len(found)) == pytest.approx(0.001, rel=0.1)
    ranges = [atr_volatility(walk(0.001, 281, seed)) for seed in range(40)]
    assert sum(ranges) / len(ranges) == pytest.approx(0.001, rel=0.1), "bars of twenty steps"


def test_the_volatility_of_a_day_is_the_larger_of_both_and_not_known_from_a_few_prices() -> None:
    prices = walk(0.0005, 400)
    larger = max(ewma_volatility(prices), atr_volatility(prices))
    assert daily_volatility(prices, 60) == pytest.approx(larger * sqrt(1440))
    assert daily_volatility(prices[:30], 60) == 0.0


def test_half_kelly_of_a_long_record_is_the_textbooks() -> None:
    # 60 % winners of the same size: f = 0.6 - 0.4 / 1 = 0.2
    trades = [0.01, 0.01, 0.01, -0.01, -0.01] * 2_000
    assert half_kelly(trades) == pytest.approx(0.1, rel=0.01)


def test_half_kelly_of_a_short_record_is_shrunk_and_of_a_few_trades_unknown() -> None:
    trades = [0.01, 0.01, 0.01, -0.01, -0.01] * 6
    assert half_kelly(trades) == pytest.approx(0.1 * 30 / 60)
    assert half_kelly(trades[:9]) is None


@pytest.mark.parametrize(("trades", "fraction"), [([-0.01] * 40, 0.01), ([0.02, 0.03, 0.01, 0.02] * 200, 0.05)])
def test_kelly_stays_between_its_bounds(trades: list[float], fraction: float) -> None:
    seen = replace(SEEN, base=Decimal("0.09"), trades=trades)
    assert fraction_of(seen) == pytest.approx(fraction, rel=1e-3)
    assert size(seen, BTC).bound == "kelly"


@given(TRADES)
def test_recent_trades_halve_a_size_at_most_and_give_a_quarter_more_at_most(trades: list[float]) -> None:
    assert 0.5 <= performance_factor(trades) <= 1.25


def test_recent_trades_that_lose_make_it_smaller_and_old_ones_do_not_count() -> None:
    assert performance_factor([-0.02, -0.03, -0.01, -0.02, -0.025]) == 0.5
    assert performance_factor([-0.02, -0.03] * 50 + [0.02, 0.021] * 10) == 1.25
    assert performance_factor([0.01, -0.01] * 10) == 1.0


@pytest.mark.parametrize(
    ("changes", "bound", "fraction"),
    [
        ({}, "base_fraction", 0.04),
        ({"most": Decimal("0.03")}, "asset_fraction", 0.03),
        ({"share": Decimal("0.5")}, "allocation", 0.02),
        ({"cut": Decimal("0.5")}, "strategy_correlation", 0.02),
        ({"part": Decimal("0.25")}, "breaker", 0.01),
        ({"share": Decimal("0.5"), "part": Decimal("0.25"), "most": Decimal("0.03")}, "breaker", 0.00375),
        ({"part": Decimal(0)}, "breaker", 0.0),
    ],
)
def test_the_rule_that_bound_is_named(changes: dict[str, Decimal], bound: str, fraction: float) -> None:
    sized = size(replace(SEEN, **changes), BTC)
    assert sized.bound == bound
    assert f"bound by {bound}" in sized.words
    assert fraction_of(replace(SEEN, **changes)) == pytest.approx(fraction, rel=1e-3)


def test_the_words_have_every_figure() -> None:
    trades = [0.01, 0.01, 0.01, -0.01, -0.01] * 6
    seen = replace(SEEN, volatility=0.06, trades=trades, most=Decimal("0.015"), cut=Decimal("0.8"))
    assert size(seen, BTC).words == (
        "2 % x strength 2.00 x volatility 0.50 x performance 1.22 = 2.44 %; asset_fraction allows 1.5 %; "
        "half Kelly of 30 trades is 5 %; correlation 80 %; bound by strategy_correlation"
    )
