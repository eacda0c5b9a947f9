"""Rule 14: numbers change their form in one place, exactly, or with a rounding whose direction is named."""

from __future__ import annotations

import decimal
import math
from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.errors import Unrepresentable
from domain.instrument import LARGEST, Instrument, parse_instrument_id


def made(price_decimals: int = 1, qty_decimals: int = 5, **changes: object) -> Instrument:
    fields: dict = {
        "id": "BTC-USDC-PERP.HYPERLIQUID",
        "venue_symbol": "BTC",
        "price_decimals": price_decimals,
        "qty_decimals": qty_decimals,
    }
    return Instrument(**(fields | changes))


BTC = made(max_significant=5)
INSTRUMENTS = st.builds(
    made,
    st.integers(0, 8),
    st.integers(0, 8),
    tick=st.sampled_from([1, 5, 25, 100]),
    lot=st.sampled_from([1, 2, 10, 1000]),
    max_significant=st.sampled_from([0, 0, 5]),
)
PRICES = st.floats(1e-6, 1e7, allow_nan=False)
NOT_NUMBERS = [math.nan, math.inf, -math.inf]


# ids


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("BTC-USDC-SPOT.HYPERLIQUID", "only linear perpetuals"),
        ("BTC-USD-PERP.BYBIT", "inverse"),
        ("BTC-USDC-PERP", "expected BASE-QUOTE-PERP.VENUE"),
        ("BTCUSDC.PAPER", "expected"),
        ("-USDC-PERP.PAPER", "expected"),
        ("BTC-USDC-PERP-240628.PAPER", "expected"),
        ("", "expected"),
    ],
)
def test_what_is_no_linear_perpetual_is_refused_with_the_reason(text: str, says: str) -> None:
    with pytest.raises(Unrepresentable, match=says):
        parse_instrument_id(text)


def test_an_id_tells_its_parts() -> None:
    assert parse_instrument_id("kPEPE-USDT-PERP.BYBIT") == ("kPEPE", "USDT", "BYBIT")
    assert (BTC.base, BTC.quote, BTC.venue) == ("BTC", "USDC", "HYPERLIQUID")


@pytest.mark.parametrize("wrong", [{"tick": 0}, {"lot": -1}, {"price_decimals": -1}, {"qty_decimals": -2}])
def test_scales_that_make_no_sense_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(Unrepresentable):
        made(**wrong)


# exact


@given(INSTRUMENTS, st.integers(0, 10**10))
def test_text_to_integer_and_back_is_the_same(instrument: Instrument, n: int) -> None:
    price, qty = n * instrument.tick, n * instrument.lot
    assume(max(price, qty) <= LARGEST)
    assert instrument.price(instrument.price_text(price)) == price
    assert instrument.qty(instrument.qty_text(qty)) == qty
    assert instrument.qty(instrument.qty_text(-qty)) == -qty


@pytest.mark.parametrize("text", ["60000.05", "NaN", "Infinity", "-Infinity", "1e400"])
def test_what_is_no_multiple_of_the_tick_is_an_error(text: str) -> None:
    with pytest.raises(Unrepresentable, match="BTC-USDC-PERP"):
        BTC.price(text)


def test_what_is_no_multiple_of_the_lot_is_an_error() -> None:
    with pytest.raises(Unrepresentable, match=r"multiple of 0\.0001"):
        made(lot=10).qty("0.00012")
    assert made(lot=10).qty("0.0012") == 120


@given(INSTRUMENTS, st.decimals(allow_nan=True, allow_infinity=True))
def test_any_decimal_converts_exactly_or_is_an_error(instrument: Instrument, value: Decimal) -> None:
    try:
        qty = instrument.qty(value)
    except Unrepresentable:
        return
    assert Decimal(qty).scaleb(-instrument.qty_decimals) == value
    assert qty % instrument.lot == 0


# floats of strategies


@given(INSTRUMENTS, PRICES)
def test_bids_round_down_asks_up_and_both_onto_the_grid(instrument: Instrument, value: float) -> None:
    assume(value * instrument.price_scale >= instrument.tick)
    bid, ask = instrument.round_price(value, 1), instrument.round_price(value, -1)
    step = instrument.price_step(int(value * instrument.price_scale))
    noise = step * 1e-5 + value * instrument.price_scale * 1e-12
    assert bid <= value * instrument.price_scale + noise or bid == step
    assert ask >= value * instrument.price_scale - noise
    assert 0 <= ask - bid <= step
    assert bid % instrument.tick == ask % instrument.tick == 0


@given(INSTRUMENTS, st.integers(1, 10**9), st.sampled_from([1, -1, 0]))
def test_a_price_on_the_grid_survives_the_way_through_float(instrument: Instrument, n: int, side: int) -> None:
    price = n * instrument.tick
    assume(price % instrument.price_step(price) == 0)
    assert instrument.round_price(instrument.price_float(price), side) == price


@given(INSTRUMENTS, st.integers(-(10**9), 10**9))
def test_a_quantity_in_lots_survives_the_way_through_float(instrument: Instrument, n: int) -> None:
    qty = n * instrument.lot
    assert instrument.round_qty(instrument.qty_float(qty)) == qty


@given(INSTRUMENTS, st.floats(-1e6, 1e6))
def test_quantities_round_towards_zero_to_whole_lots(instrument: Instrument, value: float) -> None:
    assume(abs(value) * instrument.qty_scale < LARGEST)
    qty = instrument.round_qty(value)
    assert qty % instrument.lot == 0
    assert abs(qty) <= abs(value) * instrument.qty_scale * (1 + 1e-12) + instrument.lot * 1e-5
    assert qty * value >= 0
    assert abs(abs(value) * instrument.qty_scale - abs(qty)) < instrument.lot * 1.001


@pytest.mark.parametrize("value", [*NOT_NUMBERS, 0.0, -1.0, 1e300])
def test_a_price_that_is_no_positive_number_is_an_error(value: float) -> None:
    with pytest.raises(Unrepresentable):
        BTC.round_price(value, 1)


@pytest.mark.parametrize("value", [*NOT_NUMBERS, 1e300, -1e300])
def test_a_quantity_that_is_no_number_is_an_error(value: float) -> None:
    with pytest.raises(Unrepresentable):
        BTC.round_qty(value)


def test_the_smallest_price_is_one_step() -> None:
    assert made(price_decimals=1).round_price(0.0001, 1) == 1


# five significant figures


@pytest.mark.parametrize(
    ("value", "side", "text"),
    [
        (105_056.04, 1, "105056.0"),
        (105_056.04, -1, "105057.0"),
        (12_345.67, 1, "12345.0"),
        (12_345.67, -1, "12346.0"),
        (1_234.56, 1, "1234.5"),
        (1_234.56, -1, "1234.6"),
        (99_999.5, -1, "100000.0"),
    ],
)
def test_prices_keep_to_five_significant_figures_and_whole_numbers_always_pass(
    value: float, side: int, text: str
) -> None:
    assert BTC.price_text(BTC.round_price(value, side)) == text


def test_five_figures_of_a_small_price() -> None:
    small = made(price_decimals=6, qty_decimals=0, max_significant=5)
    assert small.price_text(small.round_price(0.1234567, 1)) == "0.123450"
    assert small.price_text(small.round_price(0.0123456, -1)) == "0.012346"


@given(st.floats(0.001, 10**6), st.sampled_from([1, -1, 0]))
def test_every_rounded_price_has_at_most_five_figures_or_is_whole(value: float, side: int) -> None:
    instrument = made(price_decimals=6, qty_decimals=0, max_significant=5)
    price = Decimal(instrument.price_text(instrument.round_price(value, side)))
    figures = len(str(price.normalize().as_tuple().digits).split(",")) if price else 0
    assert price == price.to_integral_value() or len(price.normalize().as_tuple().digits) <= 5, (price, figures)


# money


@given(INSTRUMENTS, st.integers(0, LARGEST), st.integers(-LARGEST, LARGEST))
def test_notional_is_exact_and_has_the_sign_of_the_quantity(instrument: Instrument, price: int, qty: int) -> None:
    assume(price * abs(qty) < 10**26)
    exact = Decimal(instrument.price_text(price)) * Decimal(instrument.qty_text(qty))
    assert instrument.notional(price, qty) == exact


def test_a_multiplier_scales_money() -> None:
    lots_of_ten = made(multiplier=Decimal(10))
    assert lots_of_ten.notional(10, 100_000) == 10 * made().notional(10, 100_000)


def test_fees_are_rounded_once_half_to_even_and_rebates_are_negative() -> None:
    assert made().fee(1, 1, Decimal("0.5")) == Decimal("5.0E-7").quantize(Decimal("0.00000001"))
    assert made(price_decimals=4).fee(1, 1, Decimal("0.5")) == 0
    assert made(price_decimals=3).fee(1, 1, Decimal("1.5")) == Decimal("0.00000002")
    assert made().fee(600_000, -100_000, Decimal("-0.0001")) == Decimal("-6.00000000")


@given(st.decimals() | st.sampled_from([Decimal("1e999999"), Decimal("1e-999999"), Decimal("1." + "0" * 30 + "1")]))
def test_any_decimal_is_exact_or_unrepresentable(value: Decimal) -> None:
    instrument = made()
    try:
        whole = instrument.qty(value)
    except Unrepresentable:
        return
    assert Decimal(instrument.qty_text(whole)) == value
    assert abs(whole) <= LARGEST


def test_money_rounds_half_to_even_whatever_a_library_has_done_to_the_decimal_context() -> None:
    """ccxt's number formatting sets ROUND_HALF_UP for the whole thread: a replay without it would differ."""
    instrument = Instrument(id="BTC-USDC-PERP.PAPER", venue_symbol="BTC", price_decimals=0, qty_decimals=0)
    with decimal.localcontext() as context:
        context.rounding = decimal.ROUND_HALF_UP
        assert instrument.fee(1, 1, Decimal("0.000000005")) == Decimal(0)
        assert instrument.fee(1, 1, Decimal("0.000000015")) == Decimal("0.00000002")


def test_the_smallest_order_is_worth_the_least_notional_with_room_for_the_price_to_move() -> None:
    listed = made(min_notional=Decimal(100), lot=1)
    price = listed.price("62500.0")
    least = listed.least_qty(price)
    assert listed.notional(price, least) >= Decimal(102)
    assert listed.notional(price, least - listed.lot) < Decimal(102)
    assert listed.least_qty(0) == max(listed.min_qty, listed.lot), "no price, no worth"
    assert made(min_notional=Decimal(100), lot=7).least_qty(price) % 7 == 0
