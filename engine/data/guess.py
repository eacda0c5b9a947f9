"""What a file of market data consists of, by its first bytes and its columns."""

from __future__ import annotations

import enum
import gzip
from pathlib import Path

from domain.errors import DataError
from engine.data.columns import Columns, column_names


class FileKind(enum.StrEnum):
    """What the importers can read."""

    BARS = "bars"
    TRADES = "trades"
    BOOKS = "books"
    FUNDING = "funding"
    L2 = "l2"
    """A recorded WebSocket tape: book, best bid and offer, trades."""


def guess_kind(path: Path) -> FileKind:
    """The kind of a file. Raises `DataError` when it does not tell."""
    try:
        with path.open("rb") as file:
            head = file.read(2)
        opener = gzip.open if head == b"\x1f\x8b" else open
        with opener(path, "rb") as file:
            start = file.read(64)
    except (OSError, EOFError) as error:
        raise DataError(f"{path.name}: cannot be read: {error}") from error
    stamp, _, rest = start.partition(b" ")
    if len(stamp) == 19 and stamp.isdigit() and rest.lstrip().startswith(b"{"):
        return FileKind.L2
    columns = Columns(path.name, 0, {name: [] for name in column_names(path)})
    if all(columns.find(name, name[0]) for name in ("open", "high", "low", "close")):
        return FileKind.BARS
    if columns.find("bid_price_0", "bid_px_00", "bids[0]_price", "bid0_price"):
        return FileKind.BOOKS
    if columns.find("price", "px", "p"):
        return FileKind.TRADES
    if columns.find("funding_rate", "fundingrate"):
        return FileKind.FUNDING
    raise DataError(
        f"{path.name}: its columns ({', '.join(columns.data)[:200]}) are neither bars (open, high, low, close), "
        f"trades (price, quantity, side), books (bid_price_0 ...) nor funding rates; name the kind with --kind"
    )
