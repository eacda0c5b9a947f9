"""The columns of a file: Parquet or CSV (also gzipped), found by alias, numbers as float64.

Everything that can be wrong becomes a `DataError` that names the file and the row. Rows are counted from 1,
as people do; a CSV's header is not a row.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq
from msgspec import Struct
from numpy.typing import NDArray

from domain.errors import DataError
from engine.data.noise import Ints
from engine.data.times import to_ns

_EMPTY = ("", "null", "none", "nan", "na", "n/a")
_GZIP = b"\x1f\x8b"
_LONGEST_HEADER = 1_000_000
_DELIMITERS = ",;\t|"
_UNREADABLE = (pa.ArrowException, OSError, ValueError, TypeError, OverflowError)


class Columns(Struct, frozen=True):
    """One file's columns by their own names: texts (in Python or packed), or numpy arrays where the file has types."""

    name: str
    rows: int
    data: dict[str, list[str] | pa.ChunkedArray | NDArray[Any]]
    zoned: frozenset[str] = frozenset()
    """Columns of dates that name a time zone."""

    def find(self, *aliases: str) -> str | None:
        """The file's own name for the first alias it has; case, spaces and dots do not matter."""
        own = {_plain(column): column for column in reversed(self.data)}
        return next((own[alias] for alias in aliases if alias in own), None)

    def need(self, meaning: str, *aliases: str) -> str:
        """As `find`. Raises `DataError` saying which names would have been understood."""
        found = self.find(*aliases)
        if found is None:
            raise DataError(
                f"{self.name}: no column for the {meaning}: expected one called {' or '.join(aliases[:5])}; "
                f"the file has {', '.join(self.data)[:200] or 'none'}"
            )
        return found

    def numbers(self, column: str, *, allow_empty: bool = False) -> NDArray[np.float64]:
        """A column as float64; `allow_empty` lets empty cells through as NaN.

        Raises `DataError` at the first cell that is no finite number.
        """
        values = self._plain(column, pa.float64())
        if isinstance(values, list):
            array = np.empty(len(values))
            for at, text in enumerate(values):
                try:
                    array[at] = _float(text)
                except ValueError:
                    raise DataError(f"{self.name}, row {at + 1}: {column} is {text!r:.60}, not a number") from None
        elif values.dtype.kind in "iuf":
            array = values.astype(np.float64, copy=False)
        else:
            raise DataError(f"{self.name}: {column} holds {values.dtype}, not numbers")
        bad = np.flatnonzero(np.isinf(array) if allow_empty else ~np.isfinite(array))
        if len(bad):
            at = int(bad[0])
            shown = "empty or not a number (NaN)" if np.isnan(array[at]) else "infinite"
            raise DataError(f"{self.name}, row {at + 1}: {column} is {shown}")
        return array

    def texts(self, column: str) -> list[str]:
        """A column as texts."""
        values = self.data[column]
        packed: list[str] = values.to_pylist() if isinstance(values, pa.ChunkedArray) else []
        return packed or [str(value) for value in values]

    def times(self, column: str, unit: str = "") -> tuple[Ints, str]:
        """A column as UTC nanoseconds, and how it was understood: `times.to_ns`."""
        return to_ns(self.name, column, self._plain(column, pa.int64()), unit, has_zone=column in self.zoned)

    def _plain(self, column: str, kind: pa.DataType) -> list[str] | NDArray[Any]:
        """A column as numbers where all of its packed texts are some, else as it is, text by text."""
        values = self.data[column]
        if not isinstance(values, pa.ChunkedArray):
            return values
        try:
            array: NDArray[Any] = pc.cast(values, kind).to_numpy()
        except pa.ArrowInvalid:
            texts: list[str] = values.to_pylist()
            return texts
        return array


def load(path: Path, columns: Sequence[str] = ()) -> Columns:
    """Read a Parquet or CSV file. `columns` names them where a CSV has no header. Raises `DataError`."""
    raw = _bytes(path)
    if _is_parquet(path, raw):
        return _parquet(path.name, raw)
    return _csv(path.name, raw, columns)


def give_back() -> None:
    """Return what reading has left over to the system: of a million rows that is more than the rows themselves."""
    pa.default_memory_pool().release_unused()


def column_names(path: Path) -> list[str]:
    """The names of a file's columns, without reading the rest. Raises `DataError`."""
    try:
        with path.open("rb") as file:
            head = file.read(4)
        if _is_parquet(path, head):
            names: list[str] = pq.read_schema(path).names
            return names
        with gzip.open(path) if head[:2] == _GZIP else path.open("rb") as lines:
            first = lines.readline(_LONGEST_HEADER)
    except (EOFError, zlib.error, *_UNREADABLE) as error:
        raise DataError(f"{path.name}: cannot be read: {error}") from error
    return _header(path.name, _text(path.name, first.rstrip(b"\r\n")))


def _bytes(path: Path) -> bytes:
    try:
        raw = path.read_bytes()
        return gzip.decompress(raw) if raw[:2] == _GZIP else raw
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path.name}: cannot be read: {error}") from error


def _is_parquet(path: Path, raw: bytes) -> bool:
    return raw[:4] == b"PAR1" or ".parquet" in path.suffixes


def _plain(column: str) -> str:
    return column.strip().lower().replace(" ", "_").replace(".", "_")


def _float(text: str) -> float:
    plain = text.strip().lower()
    if plain in _EMPTY:
        return float("nan")
    if "_" in plain:
        raise ValueError(text)
    return float(plain)


def parquet(raw: bytes) -> pa.Table:
    """A Parquet file's content. Without threads: `read_table` starts some, which may abort a process that ends."""
    return pq.ParquetFile(pa.BufferReader(raw)).read(use_threads=False)


def _parquet(name: str, raw: bytes) -> Columns:
    try:
        table = parquet(raw)
        _check_names(name, table.column_names)
        data = {str(column): _array(table.column(at)) for at, column in enumerate(table.column_names)}
        zoned = frozenset(field.name for field in table.schema if getattr(field.type, "tz", None))
    except _UNREADABLE as error:
        raise DataError(f"{name}: not a readable Parquet file: {error}") from error
    give_back()
    return Columns(name, table.num_rows, data, zoned)


def _array(column: pa.ChunkedArray) -> list[str] | NDArray[Any]:
    """Numbers and dates as numpy, everything else as text."""
    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        nanos = column.cast(pa.timestamp("ns", getattr(kind, "tz", None))).cast(pa.int64())
        stamps: NDArray[Any] = nanos.fill_null(0).to_numpy().astype("datetime64[ns]")
        return stamps
    if pa.types.is_integer(kind) and not column.null_count:
        whole: NDArray[Any] = column.to_numpy()
        return whole
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        floats: NDArray[Any] = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
        return floats
    return ["" if value is None else str(value) for value in column.to_pylist()]


def _csv(name: str, raw: bytes, columns: Sequence[str]) -> Columns:
    packed = _packed(name, raw, columns)
    if packed is not None:
        return packed
    text = _text(name, raw)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text)))
    except csv.Error as error:
        raise DataError(f"{name}: not a readable CSV: {error}") from error
    while rows and not rows[-1]:
        rows.pop()
    header = list(columns) if columns else (rows.pop(0) if rows else [])
    _check_header(name, header, is_own=not columns)
    for at, row in enumerate(rows):
        if not row:
            raise DataError(f"{name}, row {at + 1}: the line is empty")
        if len(row) != len(header):
            raise DataError(f"{name}, row {at + 1}: {len(row)} cells, the header has {len(header)}")
    cells = zip(*rows, strict=True) if rows else ([] for _ in header)
    return Columns(name, len(rows), {column: list(cell) for column, cell in zip(header, cells, strict=True)})


def _packed(name: str, raw: bytes, columns: Sequence[str]) -> Columns | None:
    """A plain table (no quotes in its rows, every row whole) read at once; None for anything else: see `_csv`.

    A million rows as texts of Python would be most of a gigabyte.
    """
    start, end = raw.find(b"\n") + 1, len(raw)
    while end > start and raw[end - 1] in b"\r\n":
        end -= 1
    is_plain = raw.find(b'"', start, end) < 0 and raw.count(b"\r", start, end) == raw.count(b"\r\n", start, end)
    has_holes = any(raw.find(hole, max(0, start - 1), end) >= 0 for hole in (b"\n\n", b"\n\r\n"))
    if columns or not 0 < start < end or not is_plain or has_holes:
        return None
    try:
        text = _text(name, raw[:start].rstrip(b"\r\n"))
        header = _header(name, text)
        table = arrow_csv.read_csv(
            pa.py_buffer(raw).slice(start, end - start),
            read_options=arrow_csv.ReadOptions(column_names=header, use_threads=False),
            parse_options=arrow_csv.ParseOptions(delimiter=_delimiter(text), ignore_empty_lines=False),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(header, pa.string()), strings_can_be_null=False
            ),
        )
    except (pa.ArrowException, DataError):
        return None
    give_back()
    return Columns(name, table.num_rows, dict(zip(header, table.columns, strict=True)))


def _text(name: str, raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{name}: neither Parquet nor text in UTF-8 (byte {error.start})") from error


def _delimiter(text: str) -> str:
    return max(_DELIMITERS, key=text.partition("\n")[0].count)


def _header(name: str, line: str) -> list[str]:
    """The names in a CSV's first line."""
    try:
        header = next(csv.reader([line], delimiter=_delimiter(line)), [])
    except csv.Error as error:
        raise DataError(f"{name}: not a readable CSV: {error}") from error
    _check_header(name, header, is_own=True)
    return header


def _check_header(name: str, header: Sequence[str], *, is_own: bool) -> None:
    """Refuse a table without names; `is_own`: they are the file's, not the caller's."""
    if not header:
        raise DataError(f"{name}: the file is empty")
    if is_own and all(_is_number(cell) for cell in header):
        raise DataError(f"{name}: no header: its first line holds only numbers; name the columns yourself")
    _check_names(name, header)


def _check_names(name: str, header: Sequence[str]) -> None:
    """Refuse a table of which a name means two columns."""
    if len({_plain(cell) for cell in header}) < len(header):
        raise DataError(f"{name}: two columns have the same name in {', '.join(header)[:200]}")


def _is_number(text: str) -> bool:
    try:
        _float(text)
    except ValueError:
        return False
    return True
