"""Files into the store: recorded ones come in whole, lying ones and contradicting ones do not come in at all."""

import pytest

from domain.errors import DataError
from engine.data.guess import FileKind, guess_kind
from engine.data.l2 import L2Tape
from engine.data.store.intake import FileChoices, import_file
from engine.data.store.series import Kind, Series
from engine.data.store.store import MarketStore
from tests.engine.data.store.samples import BOOKS, BTC, MINUTE_NS, START_NS, TRADES
from tests.needs import recorded_data

HEADS = {
    FileKind.BARS: "ts_ns,open,high,low,close\n1737918840000000000,1,1,1,1\n",
    FileKind.TRADES: "ts_ns,price,qty,side\n1737918840000000000,1,1,buy\n",
    FileKind.BOOKS: "ts_ns,bid_price_0,bid_qty_0,ask_price_0,ask_qty_0\n1737918840000000000,1,1,2,1\n",
    FileKind.FUNDING: "ts_ns,funding_rate\n1737918840000000000,0.0001\n",
    FileKind.L2: '1737918840000000000 {"channel":"l2Book"}\n',
}


@pytest.mark.parametrize("kind", HEADS)
def test_a_file_tells_what_it_consists_of(tmp_path, kind):
    path = tmp_path / "BTC_USDC-1m.csv"
    path.write_text(HEADS[kind])
    assert guess_kind(path) is kind


@pytest.mark.parametrize("kind", [FileKind.TRADES, FileKind.BOOKS, FileKind.FUNDING])
def test_one_row_of_each_kind_comes_in_once(tmp_path, kind):
    path = tmp_path / "BTC_USDC.csv"
    path.write_text(HEADS[kind])
    store = MarketStore(tmp_path / "market")
    for new in (1, 0):
        (rows,) = import_file(store, path, FileChoices()).series.values()
        assert rows.new == new
    (series,) = store.all()
    assert series == Series(instrument="BTC-USDC-PERP.PAPER", kind=Kind(kind.value))
    assert store.manifest(series).sources[0].startswith("BTC_USDC.csv sha256:")


def test_a_file_that_contradicts_the_store_is_refused_as_a_whole(tmp_path):
    store = MarketStore(tmp_path / "market")
    path = tmp_path / "BTC_USDC-1m.csv"

    def written(close: float, count: int) -> None:
        rows = (f"{START_NS + n * MINUTE_NS},100,101,99,{close},3\n" for n in range(count))
        path.write_text("ts_ns,open,high,low,close,volume\n" + "".join(rows))

    written(100.5, 3)
    import_file(store, path, FileChoices())
    written(100.4, 5)
    with pytest.raises(DataError, match=r"3 rows differ from what is stored \(first at 2025-01-26 19:14:00\)"):
        import_file(store, path, FileChoices())
    (series,) = store.all()
    assert store.read(series).num_rows == 3


@pytest.mark.real_data
def test_a_recorded_tape_becomes_books_and_trades(tmp_path):
    path = recorded_data("l2", "hyperliquid_btcusd_20250126.gz")
    store = MarketStore(tmp_path)
    import_file(store, path, FileChoices(instrument=BTC.id, instruments=(BTC,)))
    events = list(L2Tape(path, BTC).events())
    trade_ids = {event.trade_id for event in events if hasattr(event, "trade_id")}
    assert set(store.read(TRADES).column("trade_id").to_pylist()) == trade_ids
    books = {event.venue_ts_ns for event in events if hasattr(event, "bids")}
    assert set(store.read(BOOKS).column("ts_ns").to_pylist()) == books


@pytest.mark.real_data
def test_a_real_file_that_lies_is_refused_and_one_with_gaps_comes_in_with_all_of_them_named(tmp_path):
    store = MarketStore(tmp_path)
    liar = recorded_data("bad", "BTCUSD-6h-mislabelled-newest-first.csv")
    with pytest.raises(DataError, match="run backwards"):
        import_file(store, liar, FileChoices())
    holey = recorded_data("candles", "UNITTEST_BTC-1m.parquet")
    with pytest.raises(DataError, match="bars are missing in 538 gaps"):
        import_file(store, holey, FileChoices())
    import_file(store, holey, FileChoices(tolerate_gaps=True))
    (series,) = store.all()
    assert len(store.manifest(series).gaps(series)) == 538
