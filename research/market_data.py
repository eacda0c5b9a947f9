"""What a backtest runs over: a recorded file or the simulated market, as an instrument and a stream of events.

    open_file(path, FileOptions(...))   bars, trades, books (Parquet, CSV) or a recorded L2 tape
    simulated(instrument, seed, ...)    the synthetic market: for trying things out, proof of nothing

`MarketData.tape(latency_ns, *intervals_ns)` starts anew at every call.
"""

from __future__ import annotations

import enum
import hashlib
import itertools
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from domain.errors import DataError, Unrepresentable
from domain.instrument import Instrument, InstrumentId
from domain.market import Feed, FeedKind, MarketEvent
from engine.data.columns import give_back
from engine.data.guess import FileKind, guess_kind
from engine.data.importers import Stamp, read_bars, read_books, read_funding, read_trades
from engine.data.l2 import L2Tape, tape_instrument
from engine.data.scale import MAX_QTY_DECIMALS, default_instrument_for, instrument_id_from_name
from engine.data.store.store import DAY_NS, when
from engine.data.synthetic import SyntheticMarket
from engine.data.tables import BarTable, BookTable, FundingTable, TradeTable
from research.aggregate import coarser, traded_a_day, with_bars
from research.merge import Merged
from research.unchanged import Unchanged

SECOND_NS = 1_000_000_000
READS = {
    "bars": frozenset({FeedKind.BAR}),
    "trades": frozenset({FeedKind.TRADE, FeedKind.BAR}),
    "books": frozenset({FeedKind.BOOK, FeedKind.BBO}),
    "l2": frozenset({FeedKind.BOOK, FeedKind.BBO, FeedKind.TRADE, FeedKind.BAR}),
    "simulated": frozenset(FeedKind),
}


class DataKind(enum.StrEnum):
    """What a source consists of."""

    BARS = "bars"
    TRADES = "trades"
    BOOKS = "books"
    L2 = "l2"
    """A recorded WebSocket tape: book, best bid and offer, trades."""
    SIMULATED = "simulated"


class FileOptions(Struct, frozen=True, kw_only=True):
    """What a file does not say itself. `instruments` are the configured ones; `funding` is a second file."""

    kind: DataKind | None = None
    instrument: str = ""
    instruments: tuple[Instrument, ...] = ()
    stamp: Stamp = Stamp.OPEN
    interval_ns: int = 0
    tolerate_gaps: bool = False
    newest_first: bool = False
    """Such a file is turned round; one that is not refused."""
    funding: Path | None = None
    fees: Instrument | None = None
    """Fees and margins of an instrument that is not configured are taken from this one."""


class MarketData(Struct, frozen=True, kw_only=True):
    """One source. `reads` are the feeds that a strategy can have of it; times are 0 where they are not known.

    `tape(latency_ns, *intervals_ns)` gives its events, stamped `latency_ns` after they happened, with bars of the
    intervals (none or 0 = none, or those of the file); where several close at once, the finer comes first.
    """

    name: str
    kind: DataKind
    instrument: Instrument
    tape: Callable[..., Iterator[MarketEvent]]
    interval_ns: int = 0
    first_ns: int = 0
    last_ns: int = 0
    rows: int = 0
    sha256: str = ""
    notes: tuple[str, ...] = ()
    traded_a_day: float | None = None
    """Notional that its market traded a day; None = not known."""
    notes_of: Callable[..., tuple[str, ...]] = lambda *_: ()
    """What there is to tell of its bars of these intervals."""

    @property
    def reads(self) -> frozenset[FeedKind]:
        """Feeds that a strategy can read from it."""
        return READS[self.kind.value]


def open_file(path: Path, options: FileOptions) -> MarketData:
    """Open a recorded file. Raises `DataError` for a file that lies or cannot be understood, with the reason."""
    if not path.is_file():
        raise DataError(f"{path}: {'it is a folder, name a file in it' if path.is_dir() else 'no such file'}")
    files = Unchanged(path, options.funding)
    source = _opened(path, options)
    files.check()
    give_back()
    return source


def _opened(path: Path, options: FileOptions) -> MarketData:
    kind = options.kind or _told_by(path)
    if kind is DataKind.L2:
        return _l2(path, options)
    if kind is DataKind.TRADES:
        return _trades(path, options, read_trades(path, newest_first=options.newest_first))
    if kind is DataKind.BOOKS:
        return _books(path, options, read_books(path))
    return _bars(
        path,
        options,
        read_bars(
            path,
            stamp=options.stamp,
            interval_ns=options.interval_ns,
            newest_first=options.newest_first,
            tolerate_gaps=options.tolerate_gaps,
        ),
    )


def _told_by(path: Path) -> DataKind:
    kind = guess_kind(path)
    if kind is FileKind.FUNDING:
        raise DataError(f"{path.name}: these are funding rates; pass them with --funding, beside the bars in --data")
    return DataKind(kind.value)


def _hash(*paths: Path | None) -> str:
    digest = hashlib.sha256()
    for path in paths:
        if path is not None:
            with path.open("rb") as file:
                while block := file.read(2**20):
                    digest.update(block)
    return digest.hexdigest()


def _instrument(
    path: Path, options: FileOptions, table: BarTable | TradeTable | BookTable
) -> tuple[Instrument, tuple[str, ...]]:
    """The configured instrument that was named, or one that carries the file's numbers."""
    configured = find_instrument(options.instrument, options.instruments)
    return (configured, ()) if configured else assumed(_id(path, options), table, options.fees)


def assumed(
    instrument_id: InstrumentId, table: BarTable | TradeTable | BookTable, fees: Instrument | None
) -> tuple[Instrument, tuple[str, ...]]:
    """An instrument that carries a table's numbers, and what to tell about it. Raises `DataError`."""
    instrument, note = default_instrument_for(table.name, instrument_id, table.prices(), table.quantities())
    if isinstance(table, BarTable):
        instrument, note = with_fine_lot(instrument, note, float(np.median(table.close)))
    return with_fees(instrument, note, fees)


def with_fine_lot(instrument: Instrument, note: str, price: float) -> tuple[Instrument, str]:
    """Volumes of bars do not tell the lot: a step worth at most a hundredth of the quote currency is assumed."""
    decimals = min(MAX_QTY_DECIMALS, max(instrument.qty_decimals, math.ceil(math.log10(price)) + 2))
    finer = replace(instrument, qty_decimals=decimals)
    return finer, note.replace(f"in steps of {instrument.qty_text(1)}", f"in steps of {finer.qty_text(1)}")


def _id(path: Path, options: FileOptions) -> InstrumentId:
    name = options.instrument
    if not name:
        return instrument_id_from_name(path.name)
    return name if "." in name else f"{name}.PAPER"


def find_instrument(name: str, instruments: tuple[Instrument, ...]) -> Instrument | None:
    """A configured instrument by its id or alias, whatever the case; None when no such is configured."""
    wanted = name.upper()
    for instrument in instruments:
        if wanted and wanted in {instrument.id, instrument.id.partition(".")[0], *instrument.aliases}:
            return instrument
    return None


def with_fees(instrument: Instrument, note: str, model: Instrument | None) -> tuple[Instrument, tuple[str, ...]]:
    """The assumed instrument with the fees and margins of the configured one, and what to tell about it."""
    if model is None:
        return instrument, (note,)
    charged = replace(
        instrument,
        maker_fee=model.maker_fee,
        taker_fee=model.taker_fee,
        initial_margin=model.initial_margin,
        maintenance_margin=model.maintenance_margin,
    )
    return charged, (note.replace("and no fees", f"with the fees and margins of {model.id}"),)


def _bars(path: Path, options: FileOptions, table: BarTable) -> MarketData:
    instrument, notes = _instrument(path, options, table)
    funding = read_funding(options.funding) if options.funding is not None else None
    return bar_data(table, instrument, funding, _hash(path, options.funding), notes)


def bar_data(
    table: BarTable, instrument: Instrument, funding: FundingTable | None, sha256: str, notes: tuple[str, ...]
) -> MarketData:
    """Bars as a source, with funding paid on their closes where rates are given."""
    if funding is not None and len(funding.ts_ns) > 1:
        instrument = replace(instrument, funding_interval_ns=int(np.median(np.diff(funding.ts_ns))))
    if table.gaps:
        missing = sum(gap.missing for gap in table.gaps)
        notes = (*notes, f"{missing} bars are missing in {len(table.gaps)} gaps")
    if funding is not None:
        notes = (*notes, *_funding_notes(table, funding))

    def coarse(*intervals_ns: int) -> tuple[str, ...]:
        tables = [coarser(table, interval_ns) for interval_ns in _intervals(intervals_ns)]
        return tuple(f"{table.name}: {bars.notes[-1]}" for bars in tables if bars is not table)

    last_ns = int(table.open_ts_ns[-1]) + table.interval_ns

    def tape(latency_ns: int, *intervals_ns: int) -> Iterator[MarketEvent]:
        tables = [coarser(table, interval_ns) for interval_ns in _intervals(intervals_ns)] or [table]
        if funding is None and len(tables) == 1:
            return tables[0].events(instrument, latency_ns)
        streams: list[Iterator[MarketEvent]] = [bars.events(instrument, latency_ns) for bars in tables]
        if funding is not None:
            streams.insert(0, _marks(tables[0], instrument, funding, latency_ns))
        return iter(Merged(streams, [table.name] * len(streams), joins=True))

    return MarketData(
        name=table.name,
        kind=DataKind.BARS,
        instrument=instrument,
        tape=tape,
        interval_ns=table.interval_ns,
        first_ns=int(table.open_ts_ns[0]),
        last_ns=last_ns,
        rows=len(table.open_ts_ns),
        sha256=sha256,
        notes=(*notes, *table.notes),
        traded_a_day=traded_a_day(table.volume, table.close, last_ns - int(table.open_ts_ns[0])),
        notes_of=coarse,
    )


def _funding_notes(bars: BarTable, funding: FundingTable) -> Iterator[str]:
    """What of the time of the bars has rates. Raises `DataError` when none has."""
    yield f"funding from {funding.name}, paid on the closes"
    first_ns, last_ns = int(bars.open_ts_ns[0]), int(bars.open_ts_ns[-1]) + bars.interval_ns
    begins_ns, ends_ns = int(funding.ts_ns[0]), int(funding.ts_ns[-1])
    # a venue charges every few hours: bars of a morning may lie between two charges
    if begins_ns > last_ns or ends_ns < first_ns - DAY_NS:
        raise DataError(
            f"{funding.name}: its rates are from {when(begins_ns)} to {when(ends_ns)}, the bars of {bars.name} from "
            f"{when(first_ns)} to {when(last_ns)}"
        )
    if begins_ns - first_ns > DAY_NS:
        yield f"funding is known only from {when(begins_ns)}: none is paid before"
    if last_ns - ends_ns > DAY_NS:
        yield f"funding is known only until {when(ends_ns)}: the last rate is paid on after it"


def _intervals(intervals_ns: tuple[int, ...]) -> list[int]:
    """The intervals that are asked for, finest first."""
    return sorted({interval_ns for interval_ns in intervals_ns if interval_ns})


def _marks(bars: BarTable, instrument: Instrument, funding: FundingTable, latency_ns: int) -> Iterator[MarketEvent]:
    for mark in bars.marks(instrument, funding):
        mark.ts_ns += latency_ns
        yield mark


def _trades(path: Path, options: FileOptions, table: TradeTable) -> MarketData:
    instrument, notes = _instrument(path, options, table)
    return trade_data(table, instrument, _hash(path), notes)


def trade_data(table: TradeTable, instrument: Instrument, sha256: str, notes: tuple[str, ...]) -> MarketData:
    """Trades as a source; bars are made of them."""

    def tape(latency_ns: int, *intervals_ns: int) -> Iterator[MarketEvent]:
        return _with_bars(table.events(instrument, latency_ns), intervals_ns)

    return _ticks(DataKind.TRADES, table, instrument, tape, sha256, notes)


def _with_bars(events: Iterator[MarketEvent], intervals_ns: tuple[int, ...]) -> Iterator[MarketEvent]:
    """The events with bars made of their trades; the coarsest are put in first, so that the finest come first."""
    for interval_ns in reversed(_intervals(intervals_ns)):
        events = with_bars(events, interval_ns)
    return events


def _books(path: Path, options: FileOptions, table: BookTable) -> MarketData:
    instrument, notes = _instrument(path, options, table)
    return book_data(table, instrument, _hash(path), notes)


def book_data(table: BookTable, instrument: Instrument, sha256: str, notes: tuple[str, ...]) -> MarketData:
    """Book snapshots as a source."""
    return _ticks(
        DataKind.BOOKS, table, instrument, lambda latency_ns, *_: table.events(instrument, latency_ns), sha256, notes
    )


def _ticks(
    kind: DataKind,
    table: TradeTable | BookTable,
    instrument: Instrument,
    tape: Callable[..., Iterator[MarketEvent]],
    sha256: str,
    notes: tuple[str, ...],
) -> MarketData:
    span_ns = int(table.ts_ns[-1] - table.ts_ns[0])
    return MarketData(
        name=table.name,
        kind=kind,
        instrument=instrument,
        tape=tape,
        first_ns=int(table.ts_ns[0]),
        last_ns=int(table.ts_ns[-1]),
        rows=len(table.ts_ns),
        sha256=sha256,
        notes=(*notes, *table.notes),
        traded_a_day=traded_a_day(table.qty, table.price, span_ns) if isinstance(table, TradeTable) else None,
    )


def _l2(path: Path, options: FileOptions) -> MarketData:
    """A tape carries the recorder's receive times already, so no latency is added."""
    found = find_instrument(options.instrument, options.instruments)
    notes: tuple[str, ...] = ()
    if found is None:
        instrument, note = tape_instrument(path, _tape_id(path, options), path.stem)
        found, notes = with_fees(instrument, note, options.fees)
    instrument, file = found, Unchanged(path)

    def tape(_: int, *intervals_ns: int) -> Iterator[MarketEvent]:
        file.check()
        yield from _with_bars(L2Tape(path, instrument).events(), intervals_ns)
        file.check()

    return MarketData(
        name=path.name, kind=DataKind.L2, instrument=instrument, tape=tape, sha256=_hash(path), notes=notes
    )


def _tape_id(path: Path, options: FileOptions) -> InstrumentId:
    """A tape's name has its own habits: usdm_btcusdt_20240808.gz."""
    if options.instrument:
        return _id(path, options)
    for part in path.name.split(".")[0].split("_"):
        try:
            guess = instrument_id_from_name(part)
        except (DataError, Unrepresentable):
            continue
        if not guess.startswith(f"{part.upper()}-"):
            return guess
    return instrument_id_from_name(path.name)


def simulated(instrument: Instrument, seed: int, start_ns: int, span_ns: int) -> MarketData:
    """The synthetic market of one instrument for a while."""
    market = SyntheticMarket((instrument,), seed, start_ns)
    end_ns = start_ns + span_ns

    def tape(latency_ns: int, *intervals_ns: int) -> Iterator[MarketEvent]:
        feeds = [Feed(kind=kind, instrument=instrument.id) for kind in FeedKind if kind is not FeedKind.BAR]
        feeds += [
            Feed(kind=FeedKind.BAR, instrument=instrument.id, interval_ns=interval_ns)
            for interval_ns in _intervals(intervals_ns)
        ]
        for event in itertools.takewhile(lambda e: e.ts_ns < end_ns, market.events(feeds)):
            event.ts_ns += latency_ns
            yield event

    return MarketData(
        name=f"simulated market, seed {seed}",
        kind=DataKind.SIMULATED,
        instrument=instrument,
        tape=tape,
        first_ns=start_ns,
        last_ns=end_ns,
        sha256=hashlib.sha256(msgspec.msgpack.encode((seed, instrument.id, start_ns, span_ns))).hexdigest(),
        notes=("SIMULATED: made up by a seeded random walk; a result on it is no evidence of anything",),
    )
