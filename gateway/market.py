"""Views of one market: its book with all that is ours there, candles of the past, and own fills."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from domain.answer import BadArgument, NotKnown
from domain.instrument import InstrumentId
from domain.market_views import CandlesView, MarketView
from domain.settings import DAY_NS
from domain.views import TradeRow
from engine.desk import Desk
from gateway.asked import Moment

LONGEST_NS: Final = 31 * DAY_NS
MOST_FILLS: Final = 2_000

Name = Annotated[str, Meta(min_length=1, max_length=100, description="Its id, `BTC-USDC-PERP.PAPER`.")]


class BookAsked(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which market."""

    instrument: Name


class CandlesAsked(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which bars."""

    instrument: Name
    interval: Annotated[Literal["1m", "5m", "15m", "1h", "4h", "1d"], Meta(description="Length of a bar.")] = "1m"
    limit: Annotated[int, Meta(ge=1, le=1_000, description="How many of the newest finished bars.")] = 300


class FillsAsked(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which fills."""

    instrument: Name
    since_ns: Moment = 0
    until_ns: Moment = 0


def _known(desk: Desk, instrument: str) -> InstrumentId:
    if desk.contract(instrument) is None:
        raise NotKnown(f"There is no instrument {instrument!r}")
    return instrument


def book(desk: Desk, asked: BookAsked) -> MarketView:
    """A market now. Raises `NotKnown`."""
    found = desk.markets.view(asked.instrument)
    if found is None:
        raise NotKnown(f"There is no instrument {asked.instrument!r}")
    return found


async def candles(desk: Desk, asked: CandlesAsked) -> CandlesView:
    """Bars of the past. Raises `NotKnown`."""
    return await desk.markets.candles(_known(desk, asked.instrument), asked.interval, asked.limit)


async def fills(desk: Desk, asked: FillsAsked) -> Sequence[TradeRow]:
    """The newest own fills of a period (default: the last day), oldest first.

    Raises `NotKnown`, `BadArgument`.
    """
    instrument, until_ns = _known(desk, asked.instrument), asked.until_ns or desk.clock.now_ns()
    since_ns = asked.since_ns or until_ns - DAY_NS
    if not 0 < until_ns - since_ns <= LONGEST_NS:
        raise BadArgument("since_ns: it is before until_ns, by 31 days at most")
    found = await desk.past.fills(since_ns, until_ns, instrument)
    return found[-MOST_FILLS:]
