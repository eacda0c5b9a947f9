"""What the inside needs of the outside. `main.py` joins them; nothing else knows both sides.

Clock      wall time for the edges (the core never reads it)
Venue      sends intents, pushes venue events into a sink, answers snapshots
Shown      a venue that tells of its connection and its limits
MarketFeed pushes market events into a sink
HistorySource  hands out past market data, page by page
Signer     signs bytes, never shows keys
Secrets    reads a secret by name
Journal    append-only record of inputs
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Generic, Protocol, TypeAlias, TypeVar, runtime_checkable

from msgspec import Struct

from domain.events import Event, VenueEvent
from domain.instrument import Instrument
from domain.market import Bar, Feed, FeedStatus, FundingRate, MarketEvent, Trade
from domain.order import ClientId, Intent
from domain.venue import VenueCaps as VenueCaps  # noqa: PLC0414 - whoever makes a venue finds all of it here
from domain.views import VenueView

EventSink: TypeAlias = Callable[[Event], None]
"""Takes an event into the engine's inbox; cheap, never blocks, only from the event loop's thread."""


class Clock(Protocol):
    """Wall time in nanoseconds UTC."""

    def now_ns(self) -> int:
        """Nanoseconds since the Unix epoch."""
        ...


class Venue(Protocol):
    """One venue's order side. Answers arrive as `VenueEvent`s in the sink given to `start`."""

    name: str
    caps: VenueCaps

    async def start(self, sink: Callable[[VenueEvent], None]) -> None:
        """Connect and begin to push events."""
        ...

    def send(self, intents: Sequence[Intent]) -> None:
        """Hand intents to the sender at once; synchronous, never blocks, never raises for a venue's answer."""
        ...

    async def aclose(self) -> None:
        """Disconnect; orders stay as they are."""
        ...


@runtime_checkable
class Shown(Protocol):
    """A venue that has limits, and can say how it is."""

    def view(self) -> VenueView:
        """Connection, limits, and what waits for them, now."""
        ...


class MatchingVenue(Venue, Protocol):
    """A venue that also matches against the unconflated market, and remembers its orders: the paper one."""

    def send_from_thread(self, intents: Sequence[Intent]) -> None:
        """Send from the watchdog's thread while the loop is stuck."""
        ...

    def on_market(self, event: MarketEvent | FeedStatus) -> None:
        """One unconflated event of the feed."""
        ...

    def client_ids(self) -> Sequence[ClientId]:
        """Client ids of the orders that the venue remembers."""
        ...


class MarketFeed(Protocol):
    """One source of market data: live, synthetic or from a file."""

    name: str

    async def start(self, sink: Callable[[MarketEvent | FeedStatus], None], feeds: Sequence[Feed]) -> None:
        """Subscribe and begin to push events; returns when subscribed."""
        ...

    async def subscribe(self, feeds: Sequence[Feed]) -> None:
        """Add subscriptions while running; known ones are ignored."""
        ...

    async def history(self, feed: Feed, count: int) -> Sequence[Bar]:
        """The last `count` finished bars, oldest first and gap-free, for warm-up; fewer if the source has no more."""
        ...

    async def instruments(self) -> Sequence[Instrument]:
        """The contracts this source knows."""
        ...

    async def aclose(self) -> None:
        """Disconnect."""
        ...


Row = TypeVar("Row")


class HistoryPage(Struct, Generic[Row], frozen=True):
    """Everything there is from the start that was asked for up to `until_ns` (not included), oldest first."""

    rows: Sequence[Row]
    until_ns: int


class HistorySource(Protocol):
    """Past market data of one venue. Each call asks for times in [start_ns, end_ns) and may answer a first part of it.

    All raise `VenueError` when the venue does not answer, `DataError` for an answer that makes no sense and
    `ConfigError`, with what to do instead, for what the venue does not hand out.
    """

    name: str

    async def instruments(self) -> Sequence[Instrument]:
        """The contracts this source knows."""
        ...

    async def candles(self, instrument: Instrument, interval_ns: int, start_ns: int, end_ns: int) -> HistoryPage[Bar]:
        """Finished bars, by their open."""
        ...

    async def trades(self, instrument: Instrument, start_ns: int, end_ns: int) -> HistoryPage[Trade]:
        """Public trades."""
        ...

    async def funding(self, instrument: Instrument, start_ns: int, end_ns: int) -> HistoryPage[FundingRate]:
        """Funding rates that were charged."""
        ...

    async def aclose(self) -> None:
        """Disconnect."""
        ...


class SignRequest(Struct, frozen=True, kw_only=True):
    """Bytes to sign with the key called `key`; `action` is checked against the signer's allow-list."""

    key: str
    action: str
    payload: bytes


class Signer(Protocol):
    """Signs batches; the only code that sees a plain key is behind it."""

    async def sign(self, requests: Sequence[SignRequest]) -> list[bytes]:
        """One signature for each request, in order. Raises `VenueError` for an action that is not allowed."""
        ...


class Secrets(Protocol):
    """Secrets by name. Values never appear in logs, errors, chat, journal, database or argv."""

    def get(self, name: str) -> str:
        """The secret. Raises `ConfigError` naming the secret and where to put it, never its value."""
        ...

    def has(self, name: str) -> bool:
        """True when the secret exists."""
        ...


MARKET_STREAM = 1
MAIN_STREAM = 0


class Record(Struct, frozen=True, gc=False):
    """One journal record: the encoded event `payload` of `seq` at `ts_ns` in `stream`."""

    stream: int
    seq: int
    ts_ns: int
    payload: bytes


class Journal(Protocol):
    """Append-only, in order of `seq`. Appends are buffered; a background thread writes and syncs in groups."""

    durable_seq: int
    """Everything up to this sequence number is on disk."""

    @property
    def last_seq(self) -> int:
        """The last sequence number that was appended."""
        ...

    def append(self, stream: int, seq: int, ts_ns: int, payload: bytes) -> None:
        """Buffer one record. Raises `JournalFull` once the disk has refused a write."""
        ...

    def commit(self) -> None:
        """Ask for everything appended so far to be made durable soon; returns at once."""
        ...

    def on_durable(self, callback: Callable[[int], None]) -> None:
        """Call `callback(durable_seq)` (from the journal's thread) whenever it has grown."""
        ...

    def on_failure(self, callback: Callable[[Exception], None]) -> None:
        """Call `callback(error)` once (from the journal's thread) when writing has failed for good."""
        ...

    def flush(self) -> None:
        """Block until everything appended is durable. Raises `JournalFull`."""
        ...

    def records(self, from_seq: int = 0, market: bool = True) -> Iterator[Record]:
        """Every record from `from_seq` on, both streams merged in order of seq."""
        ...

    def save_snapshot(self, seq: int, ts_ns: int, build: str, version: int, payload: bytes) -> None:
        """Store a state snapshot taken after `seq`."""
        ...

    def load_snapshot(self, before_seq: int | None = None) -> Snapshot | None:
        """The newest readable snapshot with seq <= `before_seq` (None = any)."""
        ...

    def close(self) -> None:
        """Flush and release the files."""
        ...


class Snapshot(Struct, frozen=True, kw_only=True):
    """An encoded state after the event `seq`, made by `build` in format `version`."""

    seq: int
    ts_ns: int
    build: str
    version: int
    payload: bytes
