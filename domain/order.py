"""Orders: what was wanted of a venue, what it said, and how sure we are.

Quantities and prices are integers in the instrument's scale; `side` is +1 (buy) or -1 (sell).
There is no market order: everything that takes liquidity is an IOC with a limit price.

    intent emitted ─▶ PENDING ─▶ OPEN ─▶ FILLED | CANCELLED | EXPIRED
                         │  └──▶ REJECTED | DROPPED (never left) | ABSENT (proved never arrived)
                         └──▶ UNKNOWN (no answer in time) ─▶ any of the above, by query
"""

from __future__ import annotations

import enum
import re
from decimal import Decimal
from typing import Final, TypeAlias

from msgspec import Struct

from domain.errors import Unrepresentable
from domain.instrument import ZERO, AccountId, InstrumentId

ClientId: TypeAlias = str
"""Order id that we derive: see `derive_client_id`."""

BUY: Final = 1
SELL: Final = -1


class OrderKind(enum.IntEnum):
    """How an order meets the book."""

    LIMIT = 1
    """Rests until filled or cancelled."""
    POST_ONLY = 2
    """Rests; refused if it would take."""
    IOC = 3
    """Takes what it can up to its price at once; the rest is cancelled."""
    STOP = 4
    """Rests at the venue until the trigger trades, then takes (price is the worst accepted, 0 = any)."""
    TAKE_PROFIT = 5
    """Like STOP, triggered on the profitable side."""


class Role(enum.IntEnum):
    """Why the executor has this order."""

    TARGET = 1
    QUOTE = 2
    STOP = 3
    TAKE_PROFIT = 4
    TAKE = 5
    FLATTEN = 6
    ADOPTED = 7
    """Somebody placed it at the venue; the executor only takes it out, where nothing may add risk."""
    LIMIT = 8
    """A person's own order at a price; it works beside the target."""


PROTECTIVE: Final = frozenset({Role.STOP, Role.TAKE_PROFIT})


class OrderStatus(enum.IntEnum):
    """Where an order stands; everything from FILLED up is terminal."""

    PENDING = 1
    OPEN = 2
    UNKNOWN = 3
    FILLED = 10
    CANCELLED = 11
    REJECTED = 12
    EXPIRED = 13
    DROPPED = 14
    ABSENT = 15

    @property
    def is_terminal(self) -> bool:
        """True when no further fill is expected (a late fill is still applied)."""
        return self >= OrderStatus.FILLED


class Order(Struct, gc=False):
    """The engine's record of one order; only the core changes it.

    `qty` counts the whole order, `filled` what has filled. `amend_price`/`amend_qty` hold an
    amendment in flight (0 = none), `amend_no`/`amended_no` the last one sent and answered; `cancel_ns`
    is when a cancel was last sent (0 = never).
    `venue_ts_ns` is the venue's own time of the newest word on it.
    `valid_until_ns` and `amend_until_ns` are when an unanswered Place or Amend can no longer be accepted.
    `sent_qty` is the total quantity of the newest amendment: answered or not, a copy of it may arrive until
    `sent_until_ns`. It counts until the venue's word from after that time (0 = none can arrive).
    """

    cid: ClientId
    owner: str
    account: AccountId
    instrument: InstrumentId
    side: int
    kind: OrderKind
    role: Role
    qty: int
    price: int
    trigger: int = 0
    reduce_only: bool = False
    entry: str = ""
    level: int = 0
    status: OrderStatus = OrderStatus.PENDING
    filled: int = 0
    venue_id: str = ""
    created_ns: int = 0
    updated_ns: int = 0
    venue_ts_ns: int = 0
    valid_until_ns: int = 0
    query_ns: int = 0
    cancel_ns: int = 0
    amend_no: int = 0
    amended_no: int = 0
    amend_price: int = 0
    amend_qty: int = 0
    amend_until_ns: int = 0
    fee: Decimal = ZERO
    reason: str = ""
    sent_qty: int = 0
    sent_until_ns: int = 0

    @property
    def guards(self) -> bool:
        """True for what protects a position: it outlives halts, stops and the engine."""
        return self.role in PROTECTIVE or (self.role is Role.ADOPTED and self.reduce_only)

    @property
    def leaves(self) -> int:
        """Unsigned quantity that may still fill, counting amendments that may still arrive at their larger side."""
        qty = self.qty
        if self.amend_qty > qty:  # noqa: PLR1730 - on the hot path, and max() costs thrice as much
            qty = self.amend_qty
        if self.sent_qty > qty:  # noqa: PLR1730
            qty = self.sent_qty
        return qty - self.filled


class Place(Struct, frozen=True, kw_only=True, tag="place", gc=False):
    """Ask the venue for a new order. `adds_risk` intents leave only after the journal is durable."""

    cid: ClientId
    account: AccountId
    instrument: InstrumentId
    side: int
    kind: OrderKind
    qty: int
    price: int
    trigger: int = 0
    reduce_only: bool = False
    adds_risk: bool = True
    valid_until_ns: int = 0


class Amend(Struct, frozen=True, kw_only=True, tag="amend", gc=False):
    """Change price and total quantity of a working order in place."""

    cid: ClientId
    account: AccountId
    instrument: InstrumentId
    price: int
    qty: int
    trigger: int = 0
    amend_no: int = 0
    adds_risk: bool = True
    valid_until_ns: int = 0


class Cancel(Struct, frozen=True, kw_only=True, tag="cancel", gc=False):
    """Take a working order out of the market; never waits for the journal.

    `venue_id` is set for an order that somebody else placed: its `cid` is then what the venue's adapter calls it.
    """

    cid: ClientId
    account: AccountId
    instrument: InstrumentId
    adds_risk: bool = False
    venue_id: str = ""


class Query(Struct, frozen=True, kw_only=True, tag="query"):
    """Ask the venue what became of an order whose answer never came."""

    cid: ClientId
    account: AccountId
    instrument: InstrumentId
    adds_risk: bool = False


class ArmDeadMan(Struct, frozen=True, kw_only=True, tag="arm_dead_man"):
    """Ask the venue to cancel every order of the account at `deadline_ns` unless re-armed (0 = disarm)."""

    account: AccountId
    deadline_ns: int
    adds_risk: bool = False


class RequestSnapshot(Struct, frozen=True, kw_only=True, tag="request_snapshot"):
    """Ask the venue for everything it knows of the account; answered by `events.VenueSnapshot`."""

    account: AccountId
    adds_risk: bool = False


Intent: TypeAlias = Place | Amend | Cancel | Query | ArmDeadMan | RequestSnapshot


class Liquidity(enum.IntEnum):
    """Whether a fill rested or took."""

    MAKER = 1
    TAKER = 2


def run_of_client_id(installation: str, cid: ClientId) -> tuple[int, int]:
    """(epoch, seq) of an id that `derive_client_id` made for this installation; (0, 0) for any other."""
    found = re.fullmatch(rf"{re.escape(installation)}-([0-9a-f]+)-([0-9a-f]+)-[0-9a-f]+", cid)
    return (int(found[1], 16), int(found[2], 16)) if found else (0, 0)


WATCHDOG_INDEX: Final = 0x8000
"""From this index on a client id is the watchdog's; a step never places so many orders."""


def is_watchdogs(cid: ClientId) -> bool:
    """Whether an id that `derive_client_id` made is one of the watchdog's."""
    index = cid.rpartition("-")[2]
    return re.fullmatch(r"[0-9a-f]{4,8}", index) is not None and int(index, 16) >= WATCHDOG_INDEX


def check_side(side: int) -> int:
    """The side itself. Raises `Unrepresentable` unless it is BUY or SELL."""
    if side != BUY and side != SELL:  # noqa: PLR1714 - on the hot path, where a set would be made each time
        raise Unrepresentable(f"side {side} is neither {BUY} (buy) nor {SELL} (sell)")
    return side


def derive_client_id(installation: str, epoch: int, seq: int, index: int) -> ClientId:
    """The client id of the `index`-th order placed by the step of event `seq`.

    Derived, never random: replaying the same journal gives the same ids, so an order whose answer
    was lost in a crash is found again instead of doubled. Venues map it into their own format.
    """
    return "%s-%x-%x-%x" % (installation, epoch, seq, index)  # noqa: UP031 - of every order, and half the time of an f""
