"""The engine room of a local venue: our `PaperExchange` matches, at once and on a clock that never stands still."""

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from domain.events import VenueEvent, VenuePosition
from domain.instrument import Instrument
from domain.market import MarketEvent
from domain.order import Intent
from exchanges.paper.config import PaperConfig
from exchanges.paper.exchange import PaperExchange


class Books(NamedTuple):
    """A user's money and positions."""

    cash: Decimal
    positions: tuple[VenuePosition, ...]


class MatchingRoom(ABC):
    """`digest` puts what the matching says into the venue's words."""

    def __init__(self, venue: str, instruments: Sequence[Instrument], deposits: Mapping[str, Decimal]) -> None:
        config = PaperConfig(venue=venue, feed_ns=0, entry_ns=0, response_ns=0)
        self.exchange = PaperExchange(instruments, dict(deposits), config)
        self.skew_ns = 0
        self._last_ns = 0

    @abstractmethod
    def digest(self, events: list[VenueEvent]) -> None:
        """Keep what has happened, and collect what the streams are to say of it."""

    def now_ns(self) -> int:
        self._last_ns = max(self._last_ns + 1, time.time_ns() + self.skew_ns)
        return self._last_ns

    def _submit(self, *intents: Intent) -> list[VenueEvent]:
        now = self.now_ns()
        self.exchange.submit(intents, now)
        events = self.exchange.poll(now)
        self.digest(events)
        return events

    def on_market(self, event: MarketEvent) -> None:
        """Move the market; what it fills is digested."""
        now = self.now_ns()
        self.exchange.on_market(event, now)
        self.digest(self.exchange.poll(now))

    def pass_time(self) -> None:
        """Dead men's switches fire."""
        self._submit()

    def books(self, user: str) -> Books:
        """What a user has now."""
        account = self.exchange.floor.accounts[user]
        positions = (
            VenuePosition(instrument=name, qty=holding.qty, entry_value=holding.entry_value)
            for name, holding in account.holdings.items()
            if holding.qty
        )
        return Books(account.cash, tuple(positions))

    def equity(self, books: Books) -> Decimal:
        """Cash, and what closing at the mark would bring."""
        floor = self.exchange.floor
        worth = books.cash
        for held in books.positions:
            worth += floor.instruments[held.instrument].notional(floor.mark(held.instrument), held.qty)
            worth -= held.entry_value
        return worth
