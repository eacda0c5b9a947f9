"""Several paper exchanges behind one line: each with its own accounts, contracts, latencies and books."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Protocol

from domain.account import venue_of
from domain.events import VenueEvent
from domain.instrument import AccountId, InstrumentId
from domain.market import FeedStatus, MarketEvent
from domain.order import Intent
from engine.data.noise import Ints
from exchanges.paper.exchange import PaperExchange


class Exchange(Protocol):
    """What the driver needs of one exchange or several."""

    @property
    def due_ns(self) -> int:
        """When `poll` has something to do next; beyond every time when nothing is scheduled."""
        ...

    @property
    def next_due_ns(self) -> int:
        """The same with 0 for "nothing is scheduled"."""
        ...

    def on_market(self, event: MarketEvent | FeedStatus) -> None:
        """Take one event of the tape."""
        ...

    def on_rows(self, instrument: InstrumentId, rows: Ints, first: int, until_ns: int) -> int:
        """Match rows of one instrument, compiled; returns the next row."""
        ...

    def submit(self, intents: Iterable[Intent], ts_ns: int) -> None:
        """Send requests."""
        ...

    def poll(self, ts_ns: int) -> list[VenueEvent]:
        """What has reached the engine by a time."""
        ...

    def cash(self, account: AccountId) -> Decimal:
        """An account's cash by the venue's own books."""
        ...

    def check(self) -> None:
        """Raise `VenueError` when the books do not add up."""
        ...


class PaperVenues:
    """Two or more paper exchanges; answers of the same instant come in the order in which they were given here."""

    def __init__(self, exchanges: Sequence[PaperExchange]) -> None:
        self.exchanges = {exchange.config.venue: exchange for exchange in exchanges}
        self._all = tuple(exchanges)
        self._of = {name: exchange for exchange in exchanges for name in exchange.floor.instruments}
        self.due_ns = 0
        self._set_due()

    def _set_due(self) -> None:
        self.due_ns = min([exchange.due_ns for exchange in self._all])

    @property
    def next_due_ns(self) -> int:
        """When `poll` has something to do next; 0 = nothing is scheduled."""
        return min([due for exchange in self._all if (due := exchange.next_due_ns)], default=0)

    def on_market(self, event: MarketEvent | FeedStatus) -> None:
        """Show an event to the exchange that it is of; a feed's status may concern all."""
        if isinstance(event, FeedStatus):
            for exchange in self._all:
                if event.venue in {"", exchange.config.venue}:
                    exchange.on_market(event)
        else:
            self._of[event.instrument].on_market(event)
        self._set_due()

    def on_rows(self, instrument: InstrumentId, rows: Ints, first: int, until_ns: int) -> int:
        """Match rows at the exchange of their instrument; it stops early when another one has something to tell."""
        exchange = self._of[instrument]
        others_ns = min([other.due_ns for other in self._all if other is not exchange])
        row = exchange.on_rows(instrument, rows, first, min(until_ns, others_ns))
        self._set_due()
        return row

    def submit(self, intents: Iterable[Intent], ts_ns: int) -> None:
        """Send each request to its account's venue."""
        sent: dict[str, list[Intent]] = {}
        for intent in intents:
            sent.setdefault(venue_of(intent.account), []).append(intent)
        for venue, of_venue in sent.items():
            self.exchanges[venue].submit(of_venue, ts_ns)
        self._set_due()

    def poll(self, ts_ns: int) -> list[VenueEvent]:
        """What has reached the engine by a time, in order."""
        reached: list[VenueEvent] = []
        for exchange in self._all:
            if exchange.due_ns <= ts_ns:
                reached += exchange.poll(ts_ns)
        reached.sort(key=lambda event: event.ts_ns)
        self._set_due()
        return reached

    def cash(self, account: AccountId) -> Decimal:
        """An account's cash by the books of its venue."""
        return self.exchanges[venue_of(account)].cash(account)

    def check(self) -> None:
        """Raise `VenueError` when a venue's books do not add up."""
        for exchange in self._all:
            exchange.check()
