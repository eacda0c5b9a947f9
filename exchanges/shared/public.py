"""The public side of one venue, for whoever has no account there: past market data, and live."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import convert

from domain.instrument import Instrument
from domain.ports import Clock, HistorySource, MarketFeed
from exchanges.shared.setup import VenueSetup, venue_module


class PublicSide:
    """A venue by the settings' `fields`: those of a `VenueSetup`, or `ws_url` and `api_url` of the source of prices.

    Raises `ConfigError` for a venue that is not there.
    """

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._fields = fields

    def open_history(self) -> HistorySource:
        """Past market data."""
        if "api_url" in self._fields:
            from exchanges.hyperliquid.config import HyperliquidConfig
            from exchanges.hyperliquid.history import HyperliquidHistory

            return HyperliquidHistory(convert(self._fields, HyperliquidConfig))
        setup = convert(self._fields, VenueSetup)
        return venue_module(setup.venue).open_history(setup)

    def open_feed(self, clock: Clock, instruments: Sequence[Instrument]) -> MarketFeed:
        """Live market data, not started."""
        if "api_url" in self._fields:
            from exchanges.hyperliquid.config import HyperliquidConfig
            from exchanges.hyperliquid.feed import HyperliquidFeed

            return HyperliquidFeed(convert(self._fields, HyperliquidConfig), clock, instruments)
        setup = convert(self._fields, VenueSetup)
        return venue_module(setup.venue).open_feed(setup, clock, instruments)
