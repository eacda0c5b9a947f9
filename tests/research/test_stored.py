"""A backtest names stored data instead of a file: the same result, and no silence about what is not there."""

import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from domain.errors import DataError
from domain.market import FundingRate
from engine.data.store import frames
from engine.data.store.intake import FileChoices, import_file
from engine.data.store.series import Kind, Series
from engine.data.store.store import MarketStore
from research.backtest import run_backtest
from research.market_data import DataKind, FileOptions, open_file
from research.stored import StoredOptions, open_stored
from tests.engine.data.store import samples
from tests.engine.data.store.samples import BOOKS, BTC, CANDLES, MINUTE_NS, START_NS, TRADES, candles, minutes, trades
from tests.needs import ROOT
from tests.research.test_backtest import CORE, SETTINGS, TURTLE, bar_file


def stored(tmp_path: Path, **options):
    return open_stored(MarketStore(tmp_path), StoredOptions(**{"name": "BTC", **options}))


def test_a_file_and_the_same_file_stored_give_the_same_backtest(tmp_path):
    path = bar_file(tmp_path)
    import_file(MarketStore(tmp_path), path, FileChoices())
    fees = CORE.instruments[0]
    from_file = run_backtest(TURTLE, open_file(path, FileOptions(fees=fees)), SETTINGS)
    from_store = run_backtest(TURTLE, stored(tmp_path, fees=fees), SETTINGS)
    assert from_file.result.fills
    assert from_store.result.fills == from_file.result.fills
    assert from_store.result.equity == from_file.result.equity


def test_a_range_is_cut_out_and_its_hash_does_not_depend_on_the_parts(tmp_path):
    store = MarketStore(tmp_path / "a")
    store.append(CANDLES, candles(*range(20)), "venue", [minutes(0, 20)], instrument=BTC)
    other = MarketStore(tmp_path / "b")
    for first in (10, 0):
        other.append(CANDLES, candles(*range(first, first + 10)), "venue", [minutes(first, first + 10)])
    start_ns, end_ns = minutes(3, 12)
    one, two = (stored(tmp_path / name, start_ns=start_ns, end_ns=end_ns) for name in ("a", "b"))
    assert (one.rows, one.first_ns, one.last_ns) == (9, start_ns, end_ns)
    assert one.sha256 == two.sha256
    assert one.instrument == BTC, "the rules that the venue told"


def test_what_is_not_there_is_refused_and_named_unless_gaps_are_tolerated(tmp_path):
    store = MarketStore(tmp_path)
    store.append(CANDLES, candles(0, 1, 4, 5), "venue", [minutes(0, 6)], instrument=BTC)
    with pytest.raises(DataError, match=r"1 stretches .* 19:16:00 to 2025-01-26 19:18:00; fetch them"):
        stored(tmp_path)
    with pytest.raises(DataError, match="2025-01-26 19:10:00 to 2025-01-26 19:14:00"):
        stored(tmp_path, start_ns=START_NS - 4 * MINUTE_NS, end_ns=minutes(0, 2)[1])
    with pytest.raises(DataError, match="2025-01-26 19:20:00 to 2025-01-26 19:22:00"):
        stored(tmp_path, start_ns=minutes(4, 0)[0], end_ns=minutes(0, 8)[1])
    assert stored(tmp_path, end_ns=minutes(0, 2)[1]).rows == 2
    tolerated = stored(tmp_path, tolerate_gaps=True)
    assert tolerated.rows == 4
    assert "not stored: 2025-01-26 19:16:00 to 2025-01-26 19:18:00" in tolerated.notes
    with pytest.raises(DataError, match="nothing is stored in that range"):
        stored(tmp_path, start_ns=minutes(50, 0)[0])
    with pytest.raises(DataError, match=r"DOGE: not stored .* there is BTC-USDC-PERP\.HYPERLIQUID"):
        stored(tmp_path, name="DOGE")
    with pytest.raises(DataError, match="of that kind nothing is stored; there is candles 1m"):
        stored(tmp_path, kind=DataKind.TRADES)


def test_one_name_for_two_venues_has_to_be_said_in_full(tmp_path):
    store = MarketStore(tmp_path)
    for venue in ("HYPERLIQUID", "BINANCE"):
        series = Series(instrument=f"BTC-USDC-PERP.{venue}", kind=Kind.CANDLES, interval_ns=MINUTE_NS)
        store.append(series, candles(0, 1), venue, [minutes(0, 2)])
    with pytest.raises(DataError, match=r"name one of BTC-USDC-PERP\.BINANCE, BTC-USDC-PERP\.HYPERLIQUID"):
        stored(tmp_path)
    assert stored(tmp_path, name="btc-usdc-perp.binance").rows == 2


def test_recorded_trades_and_books_are_sources_too_and_stored_funding_is_paid(tmp_path):
    store = MarketStore(tmp_path)
    store.append(TRADES, trades(samples.trade(1, "1"), samples.trade(2, "2")), "feed", [minutes(0, 1)], instrument=BTC)
    assert [event.trade_id for event in stored(tmp_path).tape(0, 0)] == ["1", "2"]
    store.append(BOOKS, frames.of_books([samples.book(1)], BTC), "feed", [minutes(0, 1)], instrument=BTC)
    assert next(stored(tmp_path, kind=DataKind.BOOKS).tape(0, 0)).bids == samples.book(1).bids
    store.append(CANDLES, candles(0, 1), "venue", [minutes(0, 2)], instrument=BTC)
    rates = Series(instrument=BTC.id, kind=Kind.FUNDING)
    paid = frames.of_funding([FundingRate(ts_ns=START_NS, instrument=BTC.id, rate=Decimal("0.01"))])
    unpaid = stored(tmp_path).sha256
    store.append(rates, paid, "venue", [minutes(0, 2)])
    source = stored(tmp_path)
    assert source.sha256 != unpaid, "what is paid is part of the data"
    assert source.kind is DataKind.BARS
    assert any("funding from" in note for note in source.notes)


def test_the_command_line_takes_a_name_and_a_range(tmp_path):
    path = bar_file(tmp_path)
    import_file(MarketStore(tmp_path / "market"), path, FileChoices())
    words = ["--stored", "BTC", "--store", str(tmp_path), "--from", "2025-10-09T09:00", "--to", "2025-10-09T12:00"]
    command = [
        sys.executable,
        "main.py",
        "backtest",
        "--no-keep",
        "--strategy",
        "turtle",
        *words,
        "--params",
        "atr_bars=10",
    ]

    def run(*more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*command, *more], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)

    done = run()
    assert done.returncode == 0, done.stderr
    assert "BTC-USDC-PERP.PAPER candles 1m" in done.stdout
    both = subprocess.run(
        [*command, "--simulated-hours", "1"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert both.returncode == 1
    assert "say what to run over" in both.stderr
