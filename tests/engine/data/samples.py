"""Instruments and a clock that the market-data tests share."""

import asyncio
from decimal import Decimal

from domain.instrument import Instrument

START_NS = 1_737_918_843_893_903_000
MINUTE_NS = 60_000_000_000


def perpetual(base: str, qty_decimals: int, venue: str = "PAPER") -> Instrument:
    """A contract with Hyperliquid's rules: five significant figures, 6 - qty_decimals decimals."""
    return Instrument(
        id=f"{base}-USDC-PERP.{venue}",
        venue_symbol=base,
        price_decimals=6 - qty_decimals,
        qty_decimals=qty_decimals,
        max_significant=5,
        min_notional=Decimal(10),
    )


BTC = perpetual("BTC", 5)
ETH = perpetual("ETH", 4)
SOL = perpetual("SOL", 2)


class HandClock:
    """A clock that moves when the test says so."""

    def __init__(self, now_ns: int = START_NS) -> None:
        self.ns = now_ns

    def now_ns(self) -> int:
        return self.ns


async def until(condition, seconds: float = 5.0) -> None:
    """Wait for a condition, at most `seconds`."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - the tests watch things that signal nobody
            await asyncio.sleep(0.002)
