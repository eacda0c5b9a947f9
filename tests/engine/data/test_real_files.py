"""Recorded candles, trades and funding rates: imported, or refused for a good reason."""

import pytest

from domain.errors import DataError
from engine.data.importers import Stamp, read_bars, read_funding, read_trades
from engine.data.scale import default_instrument_for, instrument_id_from_name
from engine.data.tables import BarTable, TradeTable
from tests.needs import recorded_data

pytestmark = pytest.mark.real_data


GAPPY = {"ADA_BTC-5m", "DASH_BTC-5m", "TRX_BTC-5m", "UNITTEST_BTC-1m", "XRP_ETH-1m", "XRP_ETH-5m"}


def counted(table: BarTable | TradeTable) -> int:
    instrument, _ = default_instrument_for(
        table.name, instrument_id_from_name(table.name), table.prices(), table.quantities()
    )
    return sum(1 for _ in table.events(instrument))


def test_every_candle_file_imports_and_only_gaps_stand_in_the_way():
    paths = [
        p for p in recorded_data("candles").glob("*.parquet") if "funding" not in p.name and "trades" not in p.name
    ]
    assert len(paths) == 17
    for path in paths:
        if path.stem in GAPPY:
            with pytest.raises(DataError, match="bars are missing"):
                read_bars(path, stamp=Stamp.OPEN)
        table = read_bars(path, stamp=Stamp.OPEN, tolerate_gaps=path.stem in GAPPY)
        assert bool(table.gaps) == (path.stem in GAPPY)
        assert counted(table) == len(table.open) > 90


def test_trades_import():
    assert counted(read_trades(recorded_data("candles", "XRP_ETH-trades.parquet"))) == 12_477


def test_funding_rates_import_but_not_as_bars():
    path = recorded_data("candles", "XRP_USDT_USDT-8h-funding_rate.parquet")
    assert len(read_funding(path).rate) == 91
    with pytest.raises(DataError, match=r"open -0\.00219334 is not above zero"):
        read_bars(path, stamp=Stamp.OPEN)


def test_the_file_with_538_gaps_and_float_noise_is_rounded_to_its_tick():
    path = recorded_data("candles", "UNITTEST_BTC-1m.parquet")
    table = read_bars(path, stamp=Stamp.OPEN, tolerate_gaps=True)
    assert len(table.gaps) == 538
    instrument, _ = default_instrument_for(path.name, "UNITTEST-BTC-PERP.PAPER", table.prices(), table.quantities())
    assert instrument.price_decimals == 8


def test_mark_prices_and_funding_rates_make_marks():
    marks = read_bars(recorded_data("candles", "XRP_USDT_USDT-8h-mark.parquet"), stamp=Stamp.OPEN)
    funding = read_funding(recorded_data("candles", "XRP_USDT_USDT-8h-funding_rate.parquet"))
    instrument, _ = default_instrument_for("m", "XRP-USDT-PERP.PAPER", marks.prices(), marks.quantities())
    made = list(marks.marks(instrument, funding))
    assert len(made) == 91
    assert all(mark.funding_rate for mark in made)


def test_the_lying_file_is_refused_and_every_lie_is_named():
    path = recorded_data("bad", "BTCUSD-6h-mislabelled-newest-first.csv")
    with pytest.raises(DataError) as error:
        read_bars(path, stamp=Stamp.OPEN)
    message = str(error.value)
    assert "its rows run backwards (newest first)" in message
    assert "row 1: its low 359.74 is above its open or close (387 of 399 rows)" in message
    assert "the column called open holds the low in every row" in message
