"""The paper exchange on a real clock: the `Venue` port for `moondev run`.

    feed ── on_market ──▶ PaperExchange ── due answers, by call_later ──▶ sink (the engine's inbox)
    engine ── send ─────▶

The feed is teed here unconflated. Everything runs on the event loop's thread; the sink is never called from
inside `send` or `on_market`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from domain.events import VenueEvent, VenueStatus
from domain.market import FeedStatus, MarketEvent
from domain.order import ClientId, Intent
from domain.ports import Clock, VenueCaps
from exchanges.paper.exchange import PaperExchange

CAPS = VenueCaps(amend=True, amend_keeps_queue=True, dead_man=True, batch=100)
"""`amend_keeps_queue` holds for less quantity at the same price."""


class PaperVenue:
    """Drives a `PaperExchange` by `clock`; times of market data are when they come in here."""

    def __init__(self, exchange: PaperExchange, clock: Clock) -> None:
        self.name = exchange.config.venue
        self.caps = CAPS
        self.exchange = exchange
        self._clock = clock
        self._sink: Callable[[VenueEvent], None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ns = 0

    def client_ids(self) -> Sequence[ClientId]:
        """Client ids of the orders that the exchange remembers."""
        return list(self.exchange.floor.orders)

    async def start(self, sink: Callable[[VenueEvent], None]) -> None:
        """Open a new session and say that it is up."""
        self._sink = sink
        self.exchange.connect()
        sink(VenueStatus(venue=self.name, connected=True, detail="paper"))
        self._schedule()

    def send(self, intents: Sequence[Intent]) -> None:
        """Send requests; they arrive after the entry latency."""
        self.exchange.submit(intents, self._clock.now_ns())
        self._schedule()

    def send_from_thread(self, intents: Sequence[Intent]) -> None:
        """Send from the watchdog's thread while the loop is stuck in the engine; answers come when it turns again."""
        self.exchange.submit(intents, self._clock.now_ns())

    def on_market(self, event: MarketEvent | FeedStatus) -> None:
        """Show the exchange one unconflated event of the feed."""
        self.exchange.on_market(event, self._clock.now_ns())
        self._schedule()

    async def aclose(self) -> None:
        """End the session; orders stay as they are."""
        self._sink = None
        self._stop_timer()
        self.exchange.close()

    def _schedule(self) -> None:
        """Wake up when the exchange next has something for us."""
        due_ns = self.exchange.next_due_ns
        if due_ns == self._timer_ns or self._sink is None:
            return
        self._stop_timer()
        if due_ns:
            wait_ns = max(0, due_ns - self._clock.now_ns())
            self._timer_ns = due_ns
            self._timer = asyncio.get_running_loop().call_later(wait_ns / 1e9, self._pump)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_ns = None, 0

    def _pump(self) -> None:
        self._timer, self._timer_ns = None, 0
        for event in self.exchange.poll(self._clock.now_ns()):
            if self._sink is not None:
                self._sink(event)
        self._schedule()
