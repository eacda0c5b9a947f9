"""What a venue has to bring, and the words that it shares with the machinery.

    intents ─▶ `calls` ─▶ Call ─▶ (WebSocket or REST) ─▶ Answer ─▶ `outcomes` ─▶ events
    the account's stream ─▶ `hear` ─▶ events
    Query, RequestSnapshot ─▶ `report`, `snapshot` ─▶ events

One `Dialect` speaks for one account. It knows the venue's names, numbers and oddities; everything that is the same
everywhere (order of events, what is not known, reconnecting, signing) is not its business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from msgspec import Struct, field

from domain.events import OrderReport, VenueSnapshot
from domain.order import Amend, ArmDeadMan, Cancel, Place, Query
from domain.verdict import Reason
from domain.views import KeyView
from exchanges.shared.meters import Priority, priority_of

Request: TypeAlias = Place | Amend | Cancel
"""What is answered order by order."""


class Answer(Struct, frozen=True):
    """What came back, undecoded: HTTP status (or its like on a WebSocket), headers in lower case, body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Call(Struct, kw_only=True):
    """One request to the venue that carries `parts`.

    `api`, `method`, `path` and `params` are ccxt's words for the REST endpoint. `socket` names the same request on the
    venue's WebSocket API; empty = there is none. `weight` and `orders` are what it costs of the venue's limits.
    """

    parts: list[Request]
    api: str
    method: str
    path: str
    params: dict[str, Any]
    socket: str = ""
    weight: int = 1
    orders: int = 0

    @property
    def priority(self) -> Priority:
        """When there is not room for all: that of its most ordinary part."""
        return max(priority_of(part) for part in self.parts)

    @property
    def until_ns(self) -> int:
        """When its first part is too late; 0 = never."""
        return min((part.valid_until_ns for part in self.parts if isinstance(part, Place | Amend)), default=0)


class Taken(Struct, frozen=True):
    """The venue has the order."""

    venue_id: str = ""
    ts_ns: int = 0


class Acked(Struct, frozen=True):
    """The venue has the request, and that is all: the stream tells what becomes of it."""

    venue_id: str = ""


class Changed(Struct, frozen=True):
    """The amendment is done: the order has this price and total quantity now."""

    price: int
    qty: int
    trigger: int = 0
    ts_ns: int = 0


class Gone(Struct, frozen=True):
    """The order is out of the market with `filled` in total (-1 = the stream tells)."""

    filled: int = -1
    ts_ns: int = 0


class Refused(Struct, frozen=True):
    """The venue did not do it, in its own words."""

    text: str
    reason: Reason = Reason.VENUE


class Instead(Struct, frozen=True):
    """This way it cannot be done; it is sent as another call."""

    call: Call


Outcome: TypeAlias = Taken | Acked | Changed | Gone | Refused | Instead | None
"""What became of one part of a call. None = not known: nothing is said, and the engine asks."""


class Dialect(Protocol):
    """The venue's language for one account. Whatever it cannot understand it raises as `DataError`."""

    async def check(self) -> KeyView:
        """Check clock, contracts, key and position mode, and change nothing; returns what is known of the key.

        Raises `ConfigError` with what a person has to change, `VenueError` when the venue does not answer.
        """
        ...

    async def prepare(self) -> None:
        """After `check`: set margin and leverage. Raises as `check` does."""
        ...

    def calls(self, parts: Sequence[Request]) -> list[Call]:
        """Neighbouring requests as calls, in their order, batched where the venue can.

        Every order is written with our own client id. Raises `Unrepresentable` for a part that cannot be written (the
        parts are then asked for one by one).
        """
        ...

    def outcomes(self, call: Call, answer: Answer) -> list[Outcome] | None:
        """What became of each part, in order; None when nobody knows (a server's error, no sense in it)."""
        ...

    def frame(self, call: Call, number: str) -> tuple[str, dict[str, Any]] | None:
        """The call as a message of the WebSocket API: address and message, answered under `number`. None = REST."""
        ...

    async def listen(self, live: Callable[[], None]) -> None:
        """Hold the account's stream: call `live` when it is confirmed; return or raise `VenueError` when it ends."""
        ...

    def hear(self, url: str, message: Any) -> bool:  # noqa: ANN401 - JSON of the venue
        """Take one message of a WebSocket. True = dealt with; False = it is ccxt's own affair (logins, pings)."""
        ...

    async def report(self, query: Query) -> OrderReport:
        """What the venue knows of an order. Raises `VenueError`."""
        ...

    async def snapshot(self, from_ns: int) -> VenueSnapshot:
        """Everything of the account, with fills and funding since `from_ns`. Raises `VenueError`."""
        ...

    async def dead_man(self, intent: ArmDeadMan) -> None:
        """Arm, re-arm or disarm the venue's switch. Only asked where `VenueCaps.dead_man`. Raises `VenueError`."""
        ...


class ClientSpec(Struct, frozen=True, kw_only=True):
    """How ccxt is set up for a venue.

    `actions` names what may be signed, by (METHOD, path in ccxt's words); everything else is refused before it is
    signed. `socket_action` is the same for messages on WebSockets. `point` sets the addresses of the network.
    """

    exchange: str
    point: Callable[[Any], None]
    actions: Mapping[tuple[str, str], str]
    socket_action: Callable[[Mapping[str, Any]], str]
    options: Mapping[str, Any] = field(default_factory=dict)


class Patience(Struct, frozen=True, kw_only=True):
    """How long we wait. A lost stream is tried again after a random time below `backoff_s`, doubled each time."""

    connect_timeout_s: float = 10.0
    request_timeout_s: float = 10.0
    backoff_s: float = 0.5
    backoff_max_s: float = 30.0
    ping_after_s: float = 15.0
    """A WebSocket that is silent for so long is asked for a sign of life, and given up after as long again."""
    max_clock_skew_s: float = 1.0
