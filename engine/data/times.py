"""Times out of a file's column: UTC nanoseconds, with the unit told from the numbers or stated, never assumed.

Seconds, milli-, micro- and nanoseconds since 1970 cannot be mistaken for one another between the years 1990
and 2100; anything outside is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.errors import DataError
from engine.data.noise import Ints

UNITS_NS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
EARLIEST_NS, LATEST_NS = 631_152_000 * 10**9, 4_102_444_800 * 10**9
"""1990 to 2100."""

NAIVE = "dates without a time zone, taken as UTC"
"""How times were understood that may be of any place."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_ns(
    name: str, column: str, values: Sequence[str] | NDArray[Any], unit: str = "", *, has_zone: bool = False
) -> tuple[Ints, str]:
    """A column's times as UTC nanoseconds, and how they were understood, in words.

    `name` is the file's, for the errors. `unit` (s, ms, us, ns) is what the caller knows; a column name that
    ends in `_ms` states it too. `has_zone`: the file's own dates name one. Raises `DataError` for a time that cannot be
    read, a stated unit that contradicts the numbers, mixed units, dates with and without a zone, and years before 1990
    or after 2100.
    """
    if unit and unit not in UNITS_NS:
        raise DataError(f"time unit {unit!r}: expected one of {', '.join(UNITS_NS)}")
    if len(values) == 0:
        raise DataError(f"{name}: no rows")
    if not isinstance(values, np.ndarray):
        if _decimal(values[0]) is None:
            return _dates(name, column, values)
        counts = [_count(name, column, row, text) for row, text in enumerate(values, 1)]
    elif values.dtype.kind == "M":
        stamps: Ints = values.astype("datetime64[ns]").astype(np.int64)
        return _in_range(name, column, stamps, values), "dates" if has_zone else NAIVE
    elif values.dtype.kind in "iu":
        return _scaled(name, column, values.astype(np.int64), unit)
    else:
        counts = [_count(name, column, row, repr(value)) for row, value in enumerate(values.tolist(), 1)]
    return _scaled(name, column, counts, unit)


def _decimal(text: str) -> Decimal | None:
    try:
        value = Decimal(text.strip())
    except InvalidOperation:
        return None
    return value if value.is_finite() and "_" not in text else None


def _count(name: str, column: str, row: int, text: str) -> Decimal:
    value = _decimal(text)
    if value is None or value.adjusted() > 19:
        raise DataError(f"{name}, row {row}: {column} is {text!r}, not a time")
    return value


def _scaled(name: str, column: str, counts: Ints | list[Decimal], unit: str) -> tuple[Ints, str]:
    first = counts[0]
    found = next((u for u, ns in UNITS_NS.items() if EARLIEST_NS <= int(first) * ns <= LATEST_NS), None)
    if found is None:
        raise DataError(
            f"{name}, row 1: {column} is {first}; in no unit (s, ms, us, ns) is that a time between 1990 and 2100"
        )
    suffix = column.lower().rpartition("_")[2]
    stated = unit or (suffix if suffix in UNITS_NS else "")
    if stated and stated != found:
        raise DataError(f"{name}, row 1: {column} is said to be in {stated}, but {first} only makes sense in {found}")
    factor = UNITS_NS[found]
    low, high = EARLIEST_NS // factor, LATEST_NS // factor
    if isinstance(counts, np.ndarray):
        outside = np.flatnonzero((counts < low) | (counts > high))
    else:
        outside = np.flatnonzero([not low <= count <= high for count in counts])
    if len(outside):
        row = int(outside[0])
        raise DataError(f"{name}, row {row + 1}: {column} is {counts[row]}; row 1 ({first}) is in {found}, this is not")
    if isinstance(counts, np.ndarray):
        stamps = counts * factor
    else:
        stamps = np.array([int(count * factor) for count in counts], np.int64)
    return stamps, f"times in {found}" if stated else f"times in {found}, told from their size"


def _dates(name: str, column: str, texts: Sequence[str]) -> tuple[Ints, str]:
    stamps = np.zeros(len(texts), np.int64)
    zone: timedelta | None = None
    changed = ""
    for at, text in enumerate(texts):
        try:
            moment = datetime.fromisoformat(text.strip())
            since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH
        except (ValueError, OverflowError):
            raise DataError(
                f"{name}, row {at + 1}: {column} is {text!r}, not a time; "
                f"expected 2024-01-31T23:59:00Z, or a count of s, ms, us or ns since 1970"
            ) from None
        stamps[at] = since // timedelta(microseconds=1) * 1_000 if abs(since.days) < 100_000 else 0
        offset = moment.utcoffset()
        if at and (offset is None) != (zone is None):
            has, lacks = (at, 0) if zone is None else (0, at)
            raise DataError(
                f"{name}, row {at + 1}: {column} is {text.strip()!r:.60}: row {has + 1} names a time zone and row "
                f"{lacks + 1} does not; the file mixes both"
            )
        if at and offset != zone and not changed:
            changed = f"; their offset from UTC changes at row {at + 1}, {texts[at - 1].strip()} to {text.strip()}"
        zone = offset
    how = NAIVE if zone is None else f"dates{changed}"
    return _in_range(name, column, stamps, texts), how


def _in_range(name: str, column: str, stamps: Ints, shown: Sequence[str] | NDArray[Any]) -> Ints:
    outside = np.flatnonzero((stamps < EARLIEST_NS) | (stamps > LATEST_NS))
    if len(outside):
        row = int(outside[0])
        raise DataError(f"{name}, row {row + 1}: {column} is {shown[row]}, not between 1990 and 2100")
    return stamps
