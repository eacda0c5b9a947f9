"""Instruments for files that have none, and what names tell."""

import numpy as np
import pytest

from domain.errors import DataError
from engine.data.scale import decimals_of, default_instrument_for, instrument_id_from_name, to_integers, to_nearest


def test_an_instrument_is_derived_from_the_numbers_and_says_so():
    prices = np.linspace(100, 199.5, 200)
    instrument, note = default_instrument_for("x.csv", "BTC-USDT-PERP.PAPER", prices, np.array([0.001, 5.25]))
    assert (instrument.price_decimals, instrument.tick, instrument.qty_decimals) == (1, 5, 3)
    assert note == (
        "x.csv: no instrument configured; assumed BTC-USDT-PERP.PAPER with a tick of 0.5 and quantities in steps "
        "of 0.001, as the file's numbers show, and no fees"
    )


def test_few_prices_do_not_tell_a_coarse_tick():
    instrument, _ = default_instrument_for("x.csv", "BTC-USDT-PERP.PAPER", np.array([100.0, 200.0]), np.array([1.0]))
    assert instrument.tick == 1


def test_prices_without_common_decimals_are_refused():
    with pytest.raises(DataError, match="no common number of decimals"):
        default_instrument_for("x.csv", "BTC-USDT-PERP.PAPER", np.array([1 / 3]), np.array([1.0]))


def test_numbers_with_more_digits_than_a_float_has_are_refused_and_not_wrapped_round():
    with pytest.raises(DataError, match="no common number of decimals"):
        default_instrument_for("x", "BTC-USDT-PERP.PAPER", np.array([9223373.0, 1126.6163188785786]), np.array([1.0]))


def test_large_noisy_volumes_do_not_disturb():
    assert decimals_of(np.array([134918704.7632, 62.493]), 8) == 4
    assert to_nearest("x", "volume", np.array([1.23456]), 2).tolist() == [123]


def test_what_does_not_fit_is_an_error_and_not_an_overflow():
    with pytest.raises(DataError, match="row 2: price is too large"):
        to_integers("x", "price", np.array([1.0, 1e300]), 2)


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("ADA_BTC-5m.parquet", "ADA-BTC-PERP.PAPER"),
        ("BTC_PERP-1m.parquet", "BTC-USDC-PERP.PAPER"),
        ("BTC_USDT_PERP-5m.parquet", "BTC-USDT-PERP.PAPER"),
        ("BTCUSD-1d.parquet", "BTC-USDC-PERP.PAPER"),
        ("XRP_USDT_USDT-1h-futures.parquet", "XRP-USDT-PERP.PAPER"),
        ("ethusdt.csv", "ETH-USDT-PERP.PAPER"),
    ],
)
def test_a_file_name_tells_the_instrument(file, expected):
    assert instrument_id_from_name(file) == expected


def test_a_name_that_tells_nothing_is_refused():
    with pytest.raises(DataError, match="does not tell the instrument"):
        instrument_id_from_name("£.csv")
