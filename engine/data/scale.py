"""Floats of a file into an instrument's integers, and an instrument for a file that has none configured.

Float noise up to a millionth of a tick is rounded away; anything more is an error, because it means that the
file and the instrument do not belong together.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from domain.errors import DataError
from domain.instrument import Instrument, InstrumentId
from engine.data.noise import Ints

NOISE = 1e-6
MAX_DECIMALS = 12
MAX_QTY_DECIMALS = 8
_MAX_INTEGER = 2.0**62
CHUNK = 65_536
"""Values that are looked at together: what does not hold shows in the first of them."""
_TELLING = 2.0**49
"""Above this a float64 has too few digits left to tell decimals from noise."""


def to_integers(name: str, column: str, values: NDArray[np.float64], decimals: int, step: int = 1) -> Ints:
    """Integers of 10**-decimals that are multiples of `step`.

    Raises `DataError` with the row of the first value that is not, or does not fit into 62 bits.
    """
    steps = values * (10.0**decimals / step)
    whole = np.rint(steps)
    off = np.flatnonzero(~(np.abs(steps - whole) <= np.maximum(NOISE, 2 * np.spacing(np.abs(steps)))))
    if len(off):
        row = int(off[0])
        size = f"{step * 10.0**-decimals:.{decimals}f}"
        raise DataError(
            f"{name}, row {row + 1}: {column} {float(values[row])!r} is not a multiple of {size} "
            f"({len(off)} such rows); "
            f"the instrument's decimals or tick are not those of this file"
        )
    return _fit(name, column, whole * step)


def to_nearest(name: str, column: str, values: NDArray[np.float64], decimals: int) -> Ints:
    """The nearest integers of 10**-decimals, for volumes, which nobody has to trade.

    Raises `DataError` for what does not fit into 62 bits.
    """
    return _fit(name, column, np.rint(values * 10.0**decimals))


def _fit(name: str, column: str, whole: NDArray[np.float64]) -> Ints:
    over = np.flatnonzero(~(np.abs(whole) < _MAX_INTEGER))
    if len(over):
        raise DataError(f"{name}, row {int(over[0]) + 1}: {column} is too large for the instrument's decimals")
    return whole.astype(np.int64)


def decimals_of(values: NDArray[np.float64], limit: int) -> int | None:
    """The fewest decimals that carry every value up to float noise; None when `limit` do not or a float cannot tell."""
    for decimals in range(limit + 1):
        for first in range(0, len(values), CHUNK):
            scaled = values[first : first + CHUNK] * 10.0**decimals
            if np.any(np.abs(scaled) > _TELLING):
                return None
            if np.any(np.abs(scaled - np.rint(scaled)) > np.maximum(NOISE, 2 * np.spacing(np.abs(scaled)))):
                break
        else:
            return decimals
    return None


def _common(prices: NDArray[np.float64], scale: float) -> int:
    """The greatest common divisor of prices in units."""
    found = 0
    for first in range(0, len(prices), CHUNK):
        units = np.rint(prices[first : first + CHUNK] * scale).astype(np.int64)
        found = int(np.gcd(found, np.gcd.reduce(units)))
        if found == 1:
            break
    return found


def default_instrument_for(
    name: str, instrument_id: InstrumentId, prices: NDArray[np.float64], quantities: NDArray[np.float64]
) -> tuple[Instrument, str]:
    """An instrument that can carry a file's prices and quantities exactly, and a sentence that says what was assumed.

    The tick is the greatest common divisor of the prices where at least 100 are there to tell, else one unit.
    Fees and margins stay at their defaults (no fees): a result on such an instrument says nothing about costs.
    Raises `DataError` when the prices have no common decimals, `Unrepresentable` for a bad id.
    """
    price_decimals = decimals_of(prices, MAX_DECIMALS)
    if price_decimals is None or not len(prices):
        raise DataError(f"{name}: no instrument is configured, and its prices have no common number of decimals")
    tick = _common(prices, 10.0**price_decimals) if len(prices) >= 100 else 1
    told = decimals_of(quantities[np.isfinite(quantities)], MAX_QTY_DECIMALS)
    instrument = Instrument(
        id=instrument_id,
        venue_symbol=Path(name).stem,
        price_decimals=price_decimals,
        qty_decimals=MAX_QTY_DECIMALS if told is None else told,
        tick=max(1, tick),
    )
    note = (
        f"{name}: no instrument configured; assumed {instrument_id} with a tick of "
        f"{instrument.price_text(instrument.tick)} and quantities in steps of {instrument.qty_text(1)}, "
        f"as the file's numbers show, and no fees"
    )
    return instrument, note


def instrument_id_from_name(file_name: str, venue: str = "PAPER") -> InstrumentId:
    """Guess an instrument id from a file's name: `BTC_USDT_PERP-5m.parquet` is BTC-USDT-PERP.

    A USD quote is read as USDC: in file names it means the price, hardly ever an inverse contract.
    Raises `DataError` when the name does not tell.
    """
    symbol = re.split(r"[-.]", Path(file_name).name)[0].upper()
    parts = [part for part in symbol.split("_") if part and part != "PERP"]
    if len(parts) == 1:
        match = re.fullmatch(r"([A-Z0-9]{2,10}?)(USDT|USDC|USD|BTC|ETH)?", parts[0])
        parts = [part for part in match.groups() if part] if match else []
    if not parts or not all(re.fullmatch(r"[A-Z0-9]{2,15}", part) for part in parts[:2]):
        raise DataError(f"{file_name}: its name does not tell the instrument; name it, for example BTC-USDC-PERP.PAPER")
    quote = parts[1] if len(parts) > 1 else "USDC"
    return f"{parts[0]}-{'USDC' if quote == 'USD' else quote}-PERP.{venue}"
