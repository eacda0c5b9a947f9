"""The store: each row once, whatever the order; all of a change or nothing; what was tampered with is refused."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from domain.errors import ConfigError, DataError
from engine.data.importers import Stamp, read_bars, read_trades
from engine.data.store import frames, manifest
from engine.data.store.series import Kind, Series, interval_text, parse_interval
from engine.data.store.spans import joined, without
from engine.data.store.store import PART_ROWS, MarketStore
from tests.engine.data.store import samples
from tests.engine.data.store.samples import BOOKS, BTC, CANDLES, MINUTE_NS, START_NS, TRADES, candles, minutes, trades
from tests.needs import ROOT


def parts(store: MarketStore, series: Series) -> list[Path]:
    return sorted((store.folder / series.path).glob("*.parquet"))


def test_rows_come_back_as_they_were_in_order_of_time_and_each_once(tmp_path):
    store = MarketStore(tmp_path)
    store.append(CANDLES, candles(5, 6, 7), "late", [minutes(5, 8)])
    store.append(CANDLES, candles(0, 1, 2), "early", [minutes(0, 3)])
    done = store.append(CANDLES, candles(2, 3, 4, 5), "between", [minutes(2, 6)])
    assert (done.new, done.known, done.differing) == (2, 2, ())
    frame = store.read(CANDLES)
    assert samples.times(frame) == list(range(8))
    bars = list(frames.to_bars("stored", frame, MINUTE_NS).events(BTC))
    assert [(bar.close, bar.volume) for bar in bars] == [(1_000_010, 123_456)] * 8
    assert samples.times(store.read(CANDLES, *minutes(2, 4))) == [2, 3]
    found = store.manifest(CANDLES)
    assert found.gaps(CANDLES) == []
    assert sorted(found.sources) == ["between", "early", "late"]


def test_a_part_is_a_file_that_the_importers_read(tmp_path):
    store = MarketStore(tmp_path)
    store.append(CANDLES, candles(0, 1, 2), "test", [minutes(0, 3)])
    store.append(TRADES, trades(samples.trade(1, "7"), samples.trade(2, "8")), "test", [minutes(0, 1)])
    assert len(read_bars(parts(store, CANDLES)[0], stamp=Stamp.OPEN).open_ts_ns) == 3
    assert read_trades(parts(store, TRADES)[0]).trade_id == ("7", "8")


READS = """
import os, sys
from pathlib import Path
from engine.data.importers import Stamp, read_bars
from engine.data.store.store import MarketStore
before = len(os.listdir("/proc/self/task"))
store = MarketStore(Path(sys.argv[1]))
for series in store.all():
    store.verify(series)
read_bars(Path(sys.argv[2]), stamp=Stamp.OPEN)
sys.exit(len(os.listdir("/proc/self/task")) - before)
"""


def test_reading_starts_no_threads_that_could_abort_a_process_that_ends(tmp_path):
    store = MarketStore(tmp_path)
    store.append(CANDLES, candles(0, 1, 2), "test", [minutes(0, 3)])
    command = [sys.executable, "-c", READS, str(tmp_path), str(parts(store, CANDLES)[0])]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def test_missing_candles_are_named_with_the_reason(tmp_path):
    store = MarketStore(tmp_path)
    store.append(CANDLES, candles(0, 1, 4), "test", [minutes(0, 5)])
    store.append(CANDLES, candles(10), "test", [minutes(10, 11)])
    gaps = store.manifest(CANDLES).gaps(CANDLES)
    assert [(gap.start_ns, gap.missing, gap.why) for gap in gaps] == [
        (minutes(2, 0)[0], 2, "the source has none"),
        (minutes(5, 0)[0], 5, "not fetched"),
    ]


def test_time_that_was_not_recorded_is_a_gap_of_trades(tmp_path):
    store = MarketStore(tmp_path)
    store.append(TRADES, trades(samples.trade(1, "1")), "feed", [minutes(0, 1)])
    store.append(TRADES, trades(samples.trade(200, "2")), "feed", [minutes(3, 4)])
    (gap,) = store.manifest(TRADES).gaps(TRADES)
    assert (gap.start_ns, gap.end_ns, gap.why) == (*minutes(1, 3), "not fetched or recorded")


def test_trades_are_told_apart_by_id_and_equal_ones_without_id_are_all_kept(tmp_path):
    store = MarketStore(tmp_path)
    twice = trades(samples.trade(1), samples.trade(1), samples.trade(1, qty=7))
    assert store.append(TRADES, twice, "test", [minutes(0, 1)]).new == 3
    assert store.append(TRADES, twice, "test", [minutes(0, 1)]).new == 0
    named = trades(samples.trade(1, "a"), samples.trade(1, "b"), samples.trade(1, "a"))
    assert store.append(TRADES, named, "test", [minutes(0, 1)]).new == 2


def test_equal_trades_without_id_are_kept_where_a_part_is_full(tmp_path):
    store = MarketStore(tmp_path)
    flood = trades(*[samples.trade(1)] * (PART_ROWS + 3))
    assert store.append(TRADES, flood, "test", [minutes(0, 1)]).new == PART_ROWS + 3
    assert store.append(TRADES, flood, "test", [minutes(0, 1)]).new == 0


def test_a_known_candle_stays_and_the_difference_is_said_or_refused(tmp_path):
    store = MarketStore(tmp_path)
    store.append(CANDLES, candles(0, 1), "first", [minutes(0, 2)])
    other = candles(1, 2, close=1_000_020)
    with pytest.raises(DataError, match=r"1 rows differ .* 2025-01-26 19:15:00.*first.*delete"):
        store.append(CANDLES, other, "second", [minutes(1, 3)], refuse_other=True)
    assert samples.times(store.read(CANDLES)) == [0, 1]
    done = store.append(CANDLES, other, "second", [minutes(1, 3)])
    assert (done.new, done.differing) == (1, (minutes(1, 0)[0],))
    assert store.read(CANDLES).column("close").to_pylist() == [100_001.0, 100_001.0, 100_002.0]


def test_rows_that_lie_are_refused_and_nothing_is_stored(tmp_path):
    store = MarketStore(tmp_path)
    bad = samples.bar(1)
    bad.high = 1
    with pytest.raises(DataError, match=r"row 2: its high 0\.1 is below"):
        store.append(CANDLES, frames.of_bars([samples.bar(0), bad], BTC), "liar", [minutes(0, 2)])
    off = samples.bar(1)
    off.open_ts_ns += 1
    with pytest.raises(DataError, match="whole number of intervals"):
        store.append(CANDLES, frames.of_bars([samples.bar(0), off], BTC), "liar", [minutes(0, 2)])
    assert store.all() == []
    assert store.read(CANDLES).num_rows == 0


def test_a_recording_is_a_few_files_cut_at_midnight(tmp_path):
    store = MarketStore(tmp_path)
    day = START_NS // (1440 * MINUTE_NS) * 1440 * MINUTE_NS
    for minute in (1438, 1439, 1440, 1441):
        at = (day + minute * MINUTE_NS - START_NS) / 1e9
        span = (day + minute * MINUTE_NS, day + (minute + 1) * MINUTE_NS)
        store.append(BOOKS, frames.of_books([samples.book(at), samples.book(at + 30)], BTC), "feed", [span])
    assert [path.name[:9] for path in parts(store, BOOKS)] == ["20250126T", "20250127T"]
    assert store.read(BOOKS).num_rows == 8
    table = frames.to_books("stored", store.read(BOOKS))
    assert table.bid_price.shape[1] == 2
    assert next(table.events(BTC)).bids == samples.book(0).bids


def test_many_rows_become_several_parts(tmp_path):
    store = MarketStore(tmp_path)
    count = PART_ROWS + 10
    store.append(CANDLES, candles(*range(count)), "test", [minutes(0, count)])
    assert len(parts(store, CANDLES)) == 2
    assert store.manifest(CANDLES).rows == count
    assert samples.times(store.read(CANDLES, *minutes(PART_ROWS - 1, PART_ROWS + 1))) == [PART_ROWS - 1, PART_ROWS]


def test_a_part_that_was_changed_or_deleted_is_refused_by_name(tmp_path):
    store = MarketStore(tmp_path)
    store.append(CANDLES, candles(0, 1), "test", [minutes(0, 2)])
    (path,) = parts(store, CANDLES)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(DataError, match=f"{path.name} was changed after it was stored"):
        store.verify(CANDLES)
    path.unlink()
    with pytest.raises(DataError, match=f"{path.name} is gone"):
        store.verify(CANDLES)
    (store.folder / CANDLES.path / manifest.NAME).write_text("{")
    with pytest.raises(DataError, match=r"manifest\.json: cannot be read"):
        store.manifest(CANDLES)


def _append_for_ever(folder: Path) -> None:
    store = MarketStore(folder)
    for minute in range(100_000):
        store.append(CANDLES, candles(minute), "killed", [minutes(minute, minute + 1)])


def test_whatever_moment_a_writer_is_killed_at_the_store_is_whole(tmp_path):
    store = MarketStore(tmp_path)
    context = multiprocessing.get_context("forkserver")
    before = 0
    for wait_s in (0.01, 0.023, 0.05):
        writer = context.Process(target=_append_for_ever, args=(tmp_path,))
        writer.start()
        while store.manifest(CANDLES).rows <= before and writer.is_alive():
            time.sleep(0.005)
        time.sleep(wait_s)
        os.kill(writer.pid or 0, signal.SIGKILL)
        writer.join()
        rows = store.read(CANDLES).num_rows
        assert samples.times(store.read(CANDLES)) == list(range(rows))
        assert store.manifest(CANDLES).covered == [minutes(0, rows)]
        before = rows
    store.append(CANDLES, candles(before + 5), "after", [minutes(before + 5, before + 6)])
    assert [path.name for path in parts(store, CANDLES)] == [part.file for part in store.manifest(CANDLES).parts]


def test_a_killed_writers_strays_are_not_data_and_go_with_the_next_change(tmp_path):
    store = MarketStore(tmp_path)
    store.append(CANDLES, candles(0), "test", [minutes(0, 1)])
    stray = store.folder / CANDLES.path / "20200101T000000Z-000099.parquet"
    stray.write_bytes(b"half a fi")
    assert samples.times(store.read(CANDLES)) == [0]
    store.append(CANDLES, candles(1), "test", [minutes(1, 2)])
    assert not stray.exists()


def test_names_of_series_are_folders_and_back(tmp_path):
    store = MarketStore(tmp_path)
    for series in (CANDLES, TRADES):
        frame = candles(0) if series is CANDLES else trades(samples.trade(1, "1"))
        store.append(series, frame, "test", [minutes(0, 1)], instrument=BTC)
    assert store.all() == [CANDLES, TRADES]
    assert str(CANDLES.path) == "HYPERLIQUID/BTC-USDC-PERP/candles-1m"
    assert store.manifest(TRADES).instrument == BTC
    with pytest.raises(ConfigError, match="cannot be the name"):
        Series(instrument="X/Y-USDC-PERP.PAPER", kind=Kind.TRADES)
    with pytest.raises(ConfigError, match="interval belongs to candles"):
        Series(instrument=BTC.id, kind=Kind.CANDLES)


@pytest.mark.parametrize("text", ["1m", "15m", "4h", "1d", "1w", "3d", "30s"])
def test_intervals_are_written_as_people_write_them(text):
    assert interval_text(parse_interval(text)) == text


def test_a_strange_interval_is_an_error_that_says_what_is_expected():
    with pytest.raises(ConfigError, match="such as 1m, 4h or 1d"):
        parse_interval("1 minute")


def test_spans_join_and_subtract():
    assert joined([(5, 7), (1, 3), (3, 4), (9, 9)]) == [(1, 4), (5, 7)]
    assert without((0, 10), [(1, 4), (5, 7)]) == [(0, 1), (4, 5), (7, 10)]
    assert without((2, 3), [(1, 4)]) == []
    assert without((0, 2), []) == [(0, 2)]
