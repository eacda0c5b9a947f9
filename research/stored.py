"""Stored market data as what a backtest runs over: an instrument and a range instead of a file."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from domain.errors import DataError
from domain.instrument import Instrument
from engine.data.store import frames
from engine.data.store.series import Kind, Series, interval_text
from engine.data.store.store import MarketStore, when
from engine.data.tables import BarTable, BookTable, TradeTable
from research.market_data import DataKind, MarketData, assumed, bar_data, book_data, find_instrument, trade_data

_KINDS = {DataKind.BARS: Kind.CANDLES, DataKind.TRADES: Kind.TRADES, DataKind.BOOKS: Kind.BOOKS}
END_NS = 2**63 - 1


class StoredOptions(Struct, frozen=True, kw_only=True):
    """Which stored data: `name` is an id, symbol or base asset; times in [start_ns, end_ns), 0 and `END_NS` = all.

    Without `kind` candles are taken, else trades, else books; without `interval_ns` the finest candles.
    """

    name: str
    start_ns: int = 0
    end_ns: int = END_NS
    kind: DataKind | None = None
    interval_ns: int = 0
    tolerate_gaps: bool = False
    instruments: tuple[Instrument, ...] = ()
    fees: Instrument | None = None


def open_stored(store: MarketStore, options: StoredOptions) -> MarketData:
    """Read stored data. Raises `DataError` where it is not there, or has gaps, and says how to get it."""
    series = _series(store, options)
    frame = store.read(series, options.start_ns, options.end_ns)
    if not frame.num_rows:
        raise DataError(f"{series.name}: nothing is stored in that range; ./moondev data ls shows what is")
    missing = _missing(store, series, options)
    if missing and not options.tolerate_gaps:
        raise DataError(
            f"{series.name}: {len(missing)} stretches of that range are not there, the first {missing[0]}; fetch "
            "them, choose another range, or pass --tolerate-gaps"
        )
    notes = tuple(f"not stored: {each}" for each in missing[:3])
    if series.kind is Kind.CANDLES:
        bars = frames.to_bars(series.name, frame, series.interval_ns)
        rates = Series(instrument=series.instrument, kind=Kind.FUNDING)
        paid = store.read(rates, options.start_ns, options.end_ns)
        funding = frames.to_funding(rates.name, paid) if paid.num_rows else None
        instrument, more = _instrument(store, series, bars, options)
        return bar_data(bars, instrument, funding, frames.digest(frame, paid), (*notes, *more))
    if series.kind is Kind.TRADES:
        trades = frames.to_trades(series.name, frame)
        instrument, more = _instrument(store, series, trades, options)
        return trade_data(trades, instrument, frames.digest(frame), (*notes, *more))
    books = frames.to_books(series.name, frame)
    instrument, more = _instrument(store, series, books, options)
    return book_data(books, instrument, frames.digest(frame), (*notes, *more))


def _series(store: MarketStore, options: StoredOptions) -> Series:
    """The one series that is meant."""
    wanted = options.name.upper()
    every = [series for series in store.all() if series.kind in _KINDS.values()]
    named = [series for series in every if wanted in _names(series.instrument)]
    ids = sorted({series.instrument for series in named})
    if not ids:
        known = ", ".join(sorted({series.instrument for series in every})) or "nothing"
        raise DataError(f"{options.name}: not stored in {store.folder}; there is {known}: ./moondev data fetch")
    if len(ids) > 1:
        raise DataError(f"{options.name} is stored for several instruments: name one of {', '.join(ids)}")
    kinds = [_KINDS[options.kind]] if options.kind in _KINDS else list(_KINDS.values())
    fitting = [
        series
        for kind in kinds
        for series in sorted(named, key=lambda each: each.interval_ns)
        if series.kind is kind and (not options.interval_ns or series.interval_ns == options.interval_ns)
    ]
    if not fitting:
        raise DataError(f"{ids[0]}: of that kind nothing is stored; there is {', '.join(_told(named))}")
    return fitting[0]


def _names(instrument: str) -> tuple[str, ...]:
    symbol = instrument.partition(".")[0]
    return instrument.upper(), symbol.upper(), symbol.partition("-")[0].upper()


def _told(series: Iterable[Series]) -> list[str]:
    return [f"{each.kind} {interval_text(each.interval_ns)}" if each.interval_ns else each.kind for each in series]


def _missing(store: MarketStore, series: Series, options: StoredOptions) -> list[str]:
    """What of the range is not there, in words: at its ends, and the gaps inside."""
    found = store.manifest(series)
    last_ns = found.last_ns + series.interval_ns
    spans = [(gap.start_ns, gap.end_ns) for gap in found.gaps(series)]
    if options.start_ns:
        begins_ns = min([found.first_ns, *(start for start, _ in found.covered)])
        spans.insert(0, (options.start_ns, begins_ns if not series.interval_ns else found.first_ns))
    if options.end_ns != END_NS:
        ends_ns = max([last_ns, *(end for _, end in found.covered)])
        spans.append((ends_ns if not series.interval_ns else last_ns, options.end_ns))
    step_ns = series.interval_ns or 1
    inside = [(max(start, options.start_ns), min(end, options.end_ns)) for start, end in spans]
    return [f"{when(start)} to {when(end)}" for start, end in inside if end - start >= step_ns]


def _instrument(
    store: MarketStore, series: Series, table: BarTable | TradeTable | BookTable, options: StoredOptions
) -> tuple[Instrument, tuple[str, ...]]:
    """The contract's rules: configured, or as the venue told them, or as the numbers show."""
    known = find_instrument(series.instrument, options.instruments) or store.manifest(series).instrument
    return (known, ()) if known else assumed(series.instrument, table, options.fees)
