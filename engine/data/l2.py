"""Recorded WebSocket tapes: lines of "<local receive time, ns> <raw JSON>", plain or gzipped.

    tape = L2Tape(path, instrument)
    tape.events()   Book, Bbo and Trade as the recorder saw them, lazily
    tape.rows()     the same tape unthinned, as integer rows for the matching rules

Binance USD-M and spot, and Hyperliquid, are told apart by their first line. Every problem is a `DataError`
with the file and the line.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np

from domain.errors import DataError, Unrepresentable
from domain.instrument import Instrument, InstrumentId
from domain.market import MarketEvent
from engine.data.arrays import LEVEL, TRADE
from engine.data.l2_binance import BinanceReader
from engine.data.l2_hyperliquid import HyperliquidReader
from engine.data.l2_output import EventOutput, Output, RowOutput
from engine.data.noise import Ints

_SAMPLE_LINES = 2_000
_FINE = 8


class L2Tape:
    """A recorded tape of one instrument; `depth` is how many levels a `Book` shows.

    After a run, `notes` say what was left out and how the clocks compare.
    """

    def __init__(self, path: Path, instrument: Instrument, depth: int = 20) -> None:
        self.path = path
        self.instrument = instrument
        self.depth = depth
        self.notes: tuple[str, ...] = ()

    def events(self) -> Iterator[MarketEvent]:
        """Every event in the order of its receipt. Raises `DataError`."""
        output = EventOutput(self.instrument, self.depth)
        reader: BinanceReader | HyperliquidReader | None = None
        ahead_ns: list[int] = []
        for number, ts_ns, raw in _lines(self.path):
            reader = reader or self._reader(raw, output)
            self._read(reader, number, ts_ns, raw)
            for event in output.events:
                if event.venue_ts_ns and len(ahead_ns) < _SAMPLE_LINES:
                    ahead_ns.append(event.ts_ns - event.venue_ts_ns)
                yield event
            output.events.clear()
        self.notes = tuple(_notes(reader, output.crossed, ahead_ns))

    def rows(self, lines: int = 0) -> Ints:
        """The whole tape, or its first `lines`, as rows (`engine.data.arrays`). Raises `DataError`."""
        output = RowOutput()
        reader: BinanceReader | HyperliquidReader | None = None
        for number, ts_ns, raw in _lines(self.path):
            reader = reader or self._reader(raw, output)
            self._read(reader, number, ts_ns, raw)
            if number == lines:
                break
        return output.writer.rows()

    def _reader(self, raw: bytes, output: Output) -> BinanceReader | HyperliquidReader:
        if b'"channel"' in raw[:200]:
            return HyperliquidReader(self.instrument, output)
        if b'"stream"' in raw[:200] or b'"lastUpdateId"' in raw[:200]:
            return BinanceReader(self.instrument, output)
        raise DataError(f"{self.path.name}, line 1: neither a Binance stream nor a Hyperliquid channel")

    def _read(self, reader: BinanceReader | HyperliquidReader, number: int, ts_ns: int, raw: bytes) -> None:
        try:
            reader.read(ts_ns, raw)
        except (DataError, Unrepresentable, msgspec.DecodeError, ArithmeticError, ValueError) as error:
            raise DataError(f"{self.path.name}, line {number}: {error}") from error


def tape_instrument(path: Path, instrument_id: InstrumentId, venue_symbol: str) -> tuple[Instrument, str]:
    """An instrument that carries a tape's first 2,000 lines exactly, and a sentence that says what was assumed.

    Raises `DataError` for a tape without prices.
    """
    fine = Instrument(id=instrument_id, venue_symbol=venue_symbol, price_decimals=_FINE, qty_decimals=_FINE)
    rows = L2Tape(path, fine).rows(_SAMPLE_LINES)
    rows = rows[((rows[:, 1] == LEVEL) | (rows[:, 1] == TRADE)) & (rows[:, 3] > 0)]
    if not len(rows):
        raise DataError(f"{path.name}: no prices in its first {_SAMPLE_LINES} lines")
    tick, lot = int(np.gcd.reduce(rows[:, 3])), int(np.gcd.reduce(rows[:, 4])) or 1
    price_cut, qty_cut = _zeros(tick), _zeros(lot)
    instrument = Instrument(
        id=instrument_id,
        venue_symbol=venue_symbol,
        price_decimals=_FINE - price_cut,
        qty_decimals=_FINE - qty_cut,
        tick=tick // 10**price_cut,
        lot=lot // 10**qty_cut,
    )
    note = (
        f"{path.name}: no instrument configured; assumed {instrument_id} with a tick of "
        f"{instrument.price_text(instrument.tick)} and a lot of {instrument.qty_text(instrument.lot)}, "
        f"as its first lines show, and no fees"
    )
    return instrument, note


def _zeros(value: int) -> int:
    """How many decimals are never used."""
    cut = 0
    while cut < _FINE and value % 10 ** (cut + 1) == 0:
        cut += 1
    return cut


def _lines(path: Path) -> Iterator[tuple[int, int, bytes]]:
    """Line number, local time and JSON of every line; times may not fall."""
    last_ns = 0
    try:
        with path.open("rb") as probe:
            packed = probe.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                stamp, _, raw = line.partition(b" ")
                if not stamp.isdigit() or len(stamp) != 19 or not raw.strip():
                    raise DataError(f"{path.name}, line {number}: expected a time in ns and a JSON message")
                ts_ns = int(stamp)
                if ts_ns < last_ns:
                    raise DataError(f"{path.name}, line {number}: its time is before that of line {number - 1}")
                last_ns = ts_ns
                yield number, ts_ns, raw
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path.name}: cannot be read: {error}") from error
    if not last_ns:
        raise DataError(f"{path.name}: the tape is empty")


def _notes(reader: BinanceReader | HyperliquidReader | None, crossed: int, ahead_ns: list[int]) -> Iterator[str]:
    if reader is not None and reader.outside:
        yield f"{reader.outside} trades left out (sent as history, or not from the book)"
    if crossed:
        yield f"{crossed} crossed books left out"
    if ahead_ns:
        middle_ms = sorted(ahead_ns)[len(ahead_ns) // 2] / 1e6
        yield f"receipt minus venue time: {middle_ms:.0f} ms in the middle; below zero, the recorder's clock was slow"
