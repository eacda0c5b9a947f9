"""Bars, trades, order books and the simulated market in one run: bars are signals where there is a book to trade in."""

import csv
from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest

from domain.errors import DataError
from domain.market import Bar, Book, Trade
from engine.config import load_config
from engine.config.source import parse_tree
from research.backtest import BacktestSettings, run_plan
from research.backtest_cli import open_document, run_opened
from research.market_data import DataKind, FileOptions, MarketData, open_file, simulated
from research.merge import Merged
from research.plan import Plan, Tested
from tests.research.test_plan import BTC, MINUTE_NS, START_NS, saw_tooth

CORE = load_config(None).to_settings()
SETTINGS = BacktestSettings(core=CORE)
SECOND_NS = 1_000_000_000
XYZ = "XYZ-USDC-PERP.PAPER"
"""Not configured: its steps are told from each file's own numbers."""


def table(folder: Path, name: str, head: str, rows: Sequence[Sequence[object]]) -> Path:
    path = folder / name
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([head.split(","), *rows])
    return path


def bars_trades_books(folder: Path) -> list[MarketData]:
    """Two hours of bars around 5000, then a book around 6000 with trades, while the bars go on."""
    saw_tooth(folder, BTC)
    since = START_NS + 120 * MINUTE_NS
    books = [[since + n * SECOND_NS, 5_999 + n % 2, 9, 6_001 + n % 2, 9] for n in range(3_600)]
    trades = [[since + n * 7 * SECOND_NS + 1, 6_000, 1, "buy" if n % 2 else "sell", n] for n in range(500)]
    head = "ts_ns,bid_price_0,bid_qty_0,ask_price_0,ask_qty_0"
    options = FileOptions(instrument=BTC, instruments=CORE.instruments, fees=CORE.instruments[0])
    return [
        open_file(folder / f"{BTC}-0.csv", options),
        open_file(table(folder, "trades.csv", "ts_ns,price,qty,side,id", trades), options),
        open_file(table(folder, "books.csv", head, books), options),
    ]


def test_one_instrument_has_bars_for_signals_and_a_book_for_its_orders(tmp_path):
    sources = bars_trades_books(tmp_path)
    assert [source.kind for source in sources] == [DataKind.BARS, DataKind.TRADES, DataKind.BOOKS]
    cross = Tested(id="cross", kind="ema_cross", params={"fast": 2, "slow": 4, "qty": 0.5})
    result = run_plan(Plan(strategies=(cross,)), sources, SETTINGS).result
    assert result.strategies[0].warmup_bars == 20
    assert result.first_ns >= START_NS + 120 * MINUTE_NS
    assert result.fills >= 4
    for trade in result.trades:
        assert 5_999 <= trade.entry_price <= 6_002
        assert 5_999 <= trade.exit_price <= 6_002
    assert {price for _, price in result.prices[BTC]} <= {6_000.0, 6_001.0}
    assert any("is used for warm-up alone" in note for note in result.notes)
    assert run_plan(Plan(strategies=(cross,)), sources, SETTINGS).result == result


def test_the_streams_are_one_in_order_of_time_and_of_the_sources(tmp_path):
    sources = bars_trades_books(tmp_path)
    streams = [source.tape(0, MINUTE_NS) if source.kind is DataKind.BARS else source.tape(0) for source in sources]
    events = list(Merged(streams, ["bars", "trades", "books"], joins=True))
    assert [event.ts_ns for event in events] == sorted(event.ts_ns for event in events)
    kinds = {kind: sum(type(event) is kind for event in events) for kind in (Bar, Trade, Book)}
    assert kinds == {Bar: 240, Trade: 500, Book: 3_600}
    rank = {Bar: 0, Trade: 1, Book: 2}
    same = [(a, b) for a, b in pairwise(events) if a.ts_ns == b.ts_ns]
    assert same
    assert all(rank[type(a)] <= rank[type(b)] for a, b in same)


def test_a_source_that_is_out_of_order_or_empty_is_named():
    def bar(ts_ns: int) -> Bar:
        return Bar(ts_ns=ts_ns, instrument=BTC, interval_ns=1, open_ts_ns=0, open=1, high=1, low=1, close=1, volume=1)

    with pytest.raises(DataError, match="second: its events are not in order of time after 5"):
        list(Merged([iter([bar(1), bar(9)]), iter([bar(5), bar(4)])], ["first", "second"]))
    with pytest.raises(DataError, match="second: no market data in it"):
        Merged([iter([bar(1)]), iter([])], ["first", "second"])
    ends = Merged([iter([bar(1), bar(3)]), iter([bar(2), bar(3), bar(7)])], ["first", "second"])
    assert [event.ts_ns for event in ends] == [1, 2, 3, 3]
    assert ends.begun_ns == 2


def test_sources_that_count_in_other_steps_are_opened_in_the_finest_of_them(tmp_path):
    saw_tooth(tmp_path, BTC)
    head = "ts_ns,bid_price_0,bid_qty_0,ask_price_0,ask_qty_0"
    rows = [[START_NS + n * SECOND_NS, 4_999.25, 9.125, 5_001.5, 9] for n in range(9_000)]
    table(tmp_path, "books.csv", head, rows)
    text = (
        "sources:\n"
        f"  - {{file: {BTC}-0.csv, instrument: {XYZ}}}\n"
        f"  - {{file: books.csv, instrument: {XYZ}}}\n"
        "strategies:\n  - {id: cross, kind: ema_cross, params: {fast: 2, slow: 4, qty: 0.5}}\n"
    )
    opened = open_document(parse_tree(text, "plan"), tmp_path, None, None, tmp_path)
    assert len({(s.instrument.price_decimals, s.instrument.qty_decimals) for s in opened.sources}) == 1
    assert opened.sources[0].instrument.price_decimals == 2
    result = run_opened(opened, as_lines=False).result
    assert result.fills
    assert {trade.entry_price for trade in result.trades} <= {4_999.25, 5_001.5}


def test_a_simulated_market_beside_another_is_its_own(tmp_path):
    span = 200 * SECOND_NS
    sources = [simulated(instrument, 7, START_NS, span) for instrument in CORE.instruments[:2]]
    makers = tuple(
        Tested(
            id=name,
            kind="market_maker",
            instruments=(source.instrument.id,),
            params={"qty": qty, "max_position": 5 * qty, "maker_fee_bps": 0.0, "min_edge_bps": 0.0, "settle_s": 2},
        )
        for name, source, qty in zip(("btc", "eth"), sources, (0.01, 0.1), strict=True)
    )
    both = run_plan(Plan(strategies=makers), sources, SETTINGS).result
    alone = run_plan(Plan(strategies=makers[:1]), sources[:1], SETTINGS).result
    assert all(each.fills for each in both.strategies)
    assert both.strategies[0].fills == alone.strategies[0].fills
    assert both.strategies[0].pnl == alone.pnl
    assert both.deposit == Decimal(100_000)
    assert "SIMULATED" in both.notes[0]
