"""The gate's single checks: each refuses with its own reason, exactly at its limit, and never for what only reduces."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.instrument import Instrument
from domain.verdict import Reason, Veto
from risk.gate import (
    PPM,
    Exposure,
    GateConfig,
    adds_risk,
    check_collar,
    check_exposure,
    check_self_match,
    check_size,
)
from risk.limits import (
    Measured,
    WideLimits,
    check_account,
    check_sums,
    liquidation_distance_ppm,
    loss_limit,
    money,
)

BTC = Instrument(id="BTC-USDC-PERP.PAPER", venue_symbol="BTC", price_decimals=1, qty_decimals=3)
CONFIG = GateConfig(
    unit=BTC.unit,
    min_notional=BTC.min_notional,
    max_position_notional=Decimal(60_000),
    max_order_notional=Decimal(30_000),
    max_exposure=Decimal(90_000),
    collar_ppm=50_000,
    max_reference_age_ns=60,
    messages_per_window=10,
    reserve_messages=5,
    window_ns=1_000,
)
PRICE = 600_000
SIDES = st.sampled_from([1, -1])
QTY = st.integers(0, 10**6)
EXPOSURES = st.builds(Exposure, st.integers(-(10**6), 10**6), QTY, QTY, QTY, QTY)


def reason(veto: Veto | None) -> Reason | None:
    return veto.reason if veto is not None else None


# size


@pytest.mark.parametrize(
    ("qty", "changes", "reduce_only", "expected"),
    [
        (1, {}, False, None),
        (0, {}, False, Reason.MIN_QTY),
        (-5, {}, False, Reason.MIN_QTY),
        (15, {"lot": 10}, False, Reason.MIN_QTY),
        (20, {"lot": 10}, False, None),
        (4, {"min_qty": 5}, False, Reason.MIN_QTY),
        (5, {"min_qty": 5}, False, None),
        (101, {"max_qty": 100}, False, Reason.NOTIONAL_LIMIT),
        (100, {"max_qty": 100}, False, None),
        (1, {"min_notional": Decimal(60)}, False, None),
        (1, {"min_notional": Decimal("60.01")}, False, Reason.MIN_NOTIONAL),
        (1, {"min_notional": Decimal("60.01")}, True, None),
        (4, {"min_qty": 5}, True, Reason.MIN_QTY),
        (15, {"lot": 10}, True, Reason.MIN_QTY),
    ],
)
def test_size(qty: int, changes: dict, reduce_only: bool, expected: Reason | None) -> None:
    instrument = replace(BTC, **changes)
    config = replace(CONFIG, min_notional=instrument.min_notional)
    assert reason(check_size(config, instrument, qty, PRICE, reduce_only=reduce_only)) is expected


# collar


@pytest.mark.parametrize(
    ("price", "side", "reference", "age", "expected"),
    [
        (630_000, 1, PRICE, 0, None),
        (630_001, 1, PRICE, 0, Reason.PRICE_COLLAR),
        (570_000, -1, PRICE, 0, None),
        (569_999, -1, PRICE, 0, Reason.PRICE_COLLAR),
        (1, 1, PRICE, 0, None),
        (10**9, -1, PRICE, 0, None),
        (PRICE, 1, PRICE, 60, None),
        (PRICE, 1, PRICE, 61, Reason.PRICE_UNKNOWN),
        (PRICE, 1, 0, 0, Reason.PRICE_UNKNOWN),
        (PRICE, -1, -5, 0, Reason.PRICE_UNKNOWN),
    ],
)
def test_collar(price: int, side: int, reference: int, age: int, expected: Reason | None) -> None:
    assert reason(check_collar(CONFIG, price, side, reference, age)) is expected


@given(SIDES, st.integers(1, 10**9), st.integers(1, 10**9))
def test_a_dearer_price_is_never_accepted_where_a_cheaper_one_was_refused(
    side: int, price: int, reference: int
) -> None:
    if check_collar(CONFIG, price, side, reference, 0) is not None:
        assert check_collar(CONFIG, price + side, side, reference, 0) is not None


# exposure


def test_an_order_is_bounded_by_its_own_worth() -> None:
    now = Exposure()
    assert check_exposure(CONFIG, BTC, 500, PRICE, now.worst(1) + 500) is None
    assert reason(check_exposure(CONFIG, BTC, 501, PRICE, now.worst(1) + 501)) is Reason.NOTIONAL_LIMIT


@pytest.mark.parametrize("side", [1, -1])
def test_a_position_is_bounded_with_all_that_may_still_fill(side: int) -> None:
    half = Exposure(500 * side, buys=300 if side > 0 else 0, sells=300 if side < 0 else 0)
    assert check_exposure(CONFIG, BTC, 200, PRICE, half.worst(side) + 200) is None
    assert reason(check_exposure(CONFIG, BTC, 201, PRICE, half.worst(side) + 201)) is Reason.POSITION_LIMIT


def test_an_account_is_bounded_as_a_whole() -> None:
    assert check_account(CONFIG.max_exposure, money(Decimal(90_000))) is None
    assert reason(check_account(CONFIG.max_exposure, money(Decimal("90000.01")))) is Reason.EXPOSURE_LIMIT


@given(SIDES, st.integers(1, 1000), EXPOSURES)
def test_what_passes_leads_to_no_position_past_the_limit_however_it_fills(side: int, qty: int, now: Exposure) -> None:
    if not adds_risk(side, qty, now) or check_exposure(CONFIG, BTC, qty, PRICE, now.worst(side) + qty) is not None:
        return
    furthest = side * now.position + (now.buys if side > 0 else now.sells) + qty
    assert furthest * PRICE * BTC.unit <= CONFIG.max_position_notional


@given(SIDES, st.integers(1, 10**6), EXPOSURES)
def test_what_adds_no_risk_can_lead_no_further_than_flat_or_what_is_held(side: int, qty: int, now: Exposure) -> None:
    if adds_risk(side, qty, now):
        return
    furthest = side * now.position + (now.buys if side > 0 else now.sells) + qty
    assert furthest <= max(0, side * now.position)


@given(SIDES, st.integers(1, 10**6), EXPOSURES)
def test_more_in_flight_never_makes_risk_of_an_order_smaller(side: int, qty: int, now: Exposure) -> None:
    if adds_risk(side, qty, now):
        more = replace(now, buys=now.buys + 7) if side > 0 else replace(now, sells=now.sells + 7)
        assert adds_risk(side, qty, more)


# losses


@given(st.integers(-(10**6), 10**6), st.integers(0, PPM), st.integers(-(10**6), 2 * 10**6))
def test_the_equity_at_which_a_limit_of_loss_ends_is_where_that_much_is_lost(cents: int, most: int, now: int) -> None:
    limit, equity = loss_limit(Decimal(cents) / 100, most), money(Decimal(now) / 100)
    assert (equity <= limit.floor) == (limit.lost_ppm(equity) >= most)


def test_the_last_unit_above_a_limit_of_loss_counts() -> None:
    limit = loss_limit(Decimal(100), 250_000)
    assert limit.floor == money(Decimal(75))
    assert limit.lost_ppm(limit.floor + 1) < 250_000 <= limit.lost_ppm(limit.floor)
    assert loss_limit(Decimal(0), 250_000).lost_ppm(-1) == 0, "of nothing nothing is lost"


# liquidation

WIDEST = WideLimits(
    asset_ppm=10**9, exposure=10**60, venue_exposure=None, strategy_exposure=None, leverage_ppm=10**12,
    account_leverage_ppm=10**12, liquidation_ppm=0, min_book=0, needs_book=False, warn_positions=10, positions=10,
    venue_positions=None, strategy_positions=None, age_ns=0, losses=10, drawdown_ppm=PPM, strategy_drawdown_ppm=PPM,
    day_loss_ppm=PPM,
)  # fmt: skip
SEEN = Measured(
    asset="BTC", asset_worth=0, asset_grows=False, gross_grows=True, equity=10**9, gross=0, venue_gross=-1,
    strategy_gross=-1, account_worst=0, account_equity=0, account_gross=0, account_maintenance=0, opens=False,
    positions=1,
)  # fmt: skip


@given(st.integers(-(10**7), 10**7), st.integers(1, 10**7), st.integers(0, 10**6), st.integers(0, PPM))
def test_an_account_that_is_nearer_to_its_liquidation_than_it_may_be_is_refused_more(
    equity: int, gross: int, margin: int, least: int
) -> None:
    seen = replace(SEEN, account_equity=equity, account_gross=gross, account_maintenance=margin)
    veto = check_sums(replace(WIDEST, liquidation_ppm=least), seen)
    if equity * WIDEST.account_leverage_ppm < gross * PPM:
        assert reason(veto) is Reason.LEVERAGE
    else:
        distance = liquidation_distance_ppm(equity, gross, margin)
        assert reason(veto) is (Reason.LIQUIDATION if distance < least else None)


# self-match


@pytest.mark.parametrize(
    ("side", "price", "expected"),
    [
        (1, 99, None),
        (1, 100, Reason.SELF_MATCH),
        (1, 101, Reason.SELF_MATCH),
        (-1, 91, None),
        (-1, 90, Reason.SELF_MATCH),
        (-1, 89, Reason.SELF_MATCH),
    ],
)
def test_self_match(side: int, price: int, expected: Reason | None) -> None:
    assert reason(check_self_match(side, price, Exposure(best_bid=90, best_ask=100))) is expected


def test_with_nothing_resting_there_is_nobody_to_meet() -> None:
    assert check_self_match(1, 10**9, Exposure()) is None
    assert check_self_match(-1, 1, Exposure()) is None


def test_every_veto_says_with_which_figures() -> None:
    vetoes = [
        check_size(CONFIG, BTC, 0, PRICE, reduce_only=False),
        check_collar(CONFIG, 10**9, 1, PRICE, 0),
        check_exposure(CONFIG, BTC, 501, PRICE, 501),
        check_account(CONFIG.max_exposure, money(Decimal(10**9))),
        check_self_match(1, 100, Exposure(best_ask=100)),
    ]
    assert all(veto is not None and "=" in veto.detail for veto in vetoes)
