"""Files into the store, through the importers that refuse files that lie."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
from msgspec import Struct

from domain.errors import DataError
from domain.instrument import Instrument, InstrumentId
from domain.market import Book, Trade
from engine.data.guess import FileKind, guess_kind
from engine.data.importers import Stamp, read_bars, read_books, read_funding, read_trades
from engine.data.l2 import L2Tape, tape_instrument
from engine.data.scale import instrument_id_from_name
from engine.data.store import frames
from engine.data.store.series import Kind, Series
from engine.data.store.store import Appended, MarketStore

_TAPE_EVENTS = 20_000
"""Of a tape, at one time in memory."""


class FileChoices(Struct, frozen=True, kw_only=True):
    """What a file does not say itself. `instrument` is an id; `instruments` are the configured ones."""

    kind: FileKind | None = None
    instrument: str = ""
    instruments: Sequence[Instrument] = ()
    stamp: Stamp = Stamp.OPEN
    time_unit: str = ""
    newest_first: bool = False
    tolerate_gaps: bool = False


class Imported(Struct, frozen=True):
    """What became of one file, by series; `notes` say what was understood or assumed."""

    series: dict[Series, Appended]
    notes: tuple[str, ...]


def import_file(store: MarketStore, path: Path, choices: FileChoices) -> Imported:
    """Store a file. Raises `DataError` for one that lies, or that differs from what is stored; then nothing of it is.

    (Of a long L2 tape, what came before the bad line is stored.)
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    kind = choices.kind or guess_kind(path)
    instrument_id, known = _instrument(path, choices)
    with path.open("rb") as file:
        source = f"{path.name} sha256:{hashlib.file_digest(file, 'sha256').hexdigest()[:16]}"
    done: dict[Series, Appended] = {}
    notes: tuple[str, ...] = ()
    if kind is FileKind.L2:
        rules, notes = (known, ()) if known else _rules_of(path, instrument_id)
        for series, frame, span in _tape(path, rules):
            stored = store.append(series, frame, source, [span], instrument=known)
            before = done.get(series, Appended(0, 0))
            done[series] = Appended(before.new + stored.new, before.known + stored.known)
        return Imported(done, notes)
    series, frame, end_ns, notes = _read(path, kind, instrument_id, choices)
    span = (int(frames.ints(frame, "ts_ns")[0]), end_ns)
    done[series] = store.append(series, frame, source, [span], instrument=known, refuse_other=True)
    return Imported(done, notes)


def _instrument(path: Path, choices: FileChoices) -> tuple[InstrumentId, Instrument | None]:
    name = choices.instrument.upper()
    for instrument in choices.instruments:
        if name and name in {instrument.id, instrument.id.partition(".")[0], *instrument.aliases}:
            return instrument.id, instrument
    if not name:
        return instrument_id_from_name(path.name), None
    return (name if "." in name else f"{name}.PAPER"), None


def _rules_of(path: Path, instrument_id: InstrumentId) -> tuple[Instrument, tuple[str, ...]]:
    instrument, note = tape_instrument(path, instrument_id, instrument_id.partition("-")[0])
    return instrument, (note,)


def _read(
    path: Path, kind: FileKind, instrument: InstrumentId, choices: FileChoices
) -> tuple[Series, pa.Table, int, tuple[str, ...]]:
    """The series, the rows, the end of the time they cover, and notes."""
    unit = choices.time_unit
    if kind is FileKind.BARS:
        bars = read_bars(
            path,
            stamp=choices.stamp,
            time_unit=unit,
            newest_first=choices.newest_first,
            tolerate_gaps=choices.tolerate_gaps,
        )
        series = Series(instrument=instrument, kind=Kind.CANDLES, interval_ns=bars.interval_ns)
        return series, frames.of_table(bars), int(bars.open_ts_ns[-1]) + bars.interval_ns, bars.notes
    if kind is FileKind.TRADES:
        trades = read_trades(path, time_unit=unit, newest_first=choices.newest_first)
        series = Series(instrument=instrument, kind=Kind.TRADES)
        return series, frames.of_table(trades), int(trades.ts_ns[-1]) + 1, trades.notes
    if kind is FileKind.FUNDING:
        rates = read_funding(path, time_unit=unit)
        series = Series(instrument=instrument, kind=Kind.FUNDING)
        return series, frames.of_table(rates), int(rates.ts_ns[-1]) + 1, rates.notes
    books = read_books(path, time_unit=unit)
    series = Series(instrument=instrument, kind=Kind.BOOKS)
    return series, frames.of_table(books), int(books.ts_ns[-1]) + 1, books.notes


def _tape(path: Path, instrument: Instrument) -> Iterator[tuple[Series, pa.Table, tuple[int, int]]]:
    """Books and trades of a tape, some thousand at a time."""
    stream = L2Tape(path, instrument).events()
    while events := list(itertools.islice(stream, _TAPE_EVENTS)):
        books = [event for event in events if isinstance(event, Book)]
        trades = [event for event in events if isinstance(event, Trade)]
        span = (events[0].ts_ns, events[-1].ts_ns + 1)
        if books:
            yield Series(instrument=instrument.id, kind=Kind.BOOKS), frames.of_books(books, instrument), span
        if trades:
            yield Series(instrument=instrument.id, kind=Kind.TRADES), frames.of_trades(trades, instrument), span
