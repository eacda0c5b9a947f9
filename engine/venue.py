"""What the runtime needs of a venue beyond the `Venue` port."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from domain.market import FeedStatus, MarketEvent
from domain.order import ClientId, Intent
from domain.ports import Venue


class MatchingVenue(Venue, Protocol):
    """A venue that also matches against the unconflated market: the paper one."""

    def send_from_thread(self, intents: Sequence[Intent]) -> None:
        """Send from the watchdog's thread while the loop is stuck."""
        ...

    def on_market(self, event: MarketEvent | FeedStatus) -> None:
        """One unconflated event of the feed."""
        ...

    def client_ids(self) -> Sequence[ClientId]:
        """Client ids of the orders that the venue remembers; asked before `start`."""
        ...
