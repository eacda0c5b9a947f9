"""What the engine tells the world: facts, numbered, from which screens, SQL, alerts and chat are made.

A fact carries the `seq` and `ts_ns` of the event that caused it and its `index` among the facts of that
event; (seq, index) is unique and ordered. Facts are rebuilt by replaying the journal. Prices and
quantities are in integer scale (the reader has the instruments), money is Decimal.
"""

from __future__ import annotations

import enum
from decimal import Decimal
from typing import Any, TypeAlias

from msgspec import Struct, field

from domain.commands import Actor
from domain.instrument import AccountId, InstrumentId
from domain.order import ClientId, Liquidity, OrderKind, OrderStatus, Role
from domain.verdict import Reason

FactKey: TypeAlias = tuple[int, int]
"""(seq, index) of a fact."""


class TradingState(enum.StrEnum):
    """Durable and journaled; see `docs/architecture.md`."""

    ACTIVE = "active"
    REDUCING = "reducing"
    HALTED = "halted"


class StrategyStatus(enum.StrEnum):
    """Life of a loaded strategy."""

    WARMING = "warming"
    RUNNING = "running"
    PAUSED = "paused"
    QUARANTINED = "quarantined"
    UNLOADED = "unloaded"


class RequestStatus(enum.StrEnum):
    """Life of a request that waits for votes."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"
    FAILED = "failed"
    """Approved, but the re-check at that moment refused it."""


class Severity(enum.StrEnum):
    """How loudly an alert must arrive."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


class OrderChanged(Struct, frozen=True, kw_only=True, tag="order"):
    """An order is new or differs from before; the whole row each time."""

    seq: int
    index: int
    ts_ns: int
    cid: ClientId
    owner: str
    account: AccountId
    instrument: InstrumentId
    side: int
    kind: OrderKind
    role: Role
    status: OrderStatus
    qty: int
    price: int
    trigger: int
    filled: int
    reduce_only: bool
    entry: str
    reason: str
    created_ns: int


class FillBooked(Struct, frozen=True, kw_only=True, tag="fill", gc=False):
    """A fill was booked; `realised` is what it earned before the fee."""

    seq: int
    index: int
    ts_ns: int
    account: AccountId
    instrument: InstrumentId
    owner: str
    cid: ClientId
    fill_id: str
    role: Role
    side: int
    price: int
    qty: int
    fee: Decimal
    liquidity: Liquidity
    realised: Decimal


class PositionChanged(Struct, frozen=True, kw_only=True, tag="position"):
    """A position after a fill, funding or reconciliation."""

    seq: int
    index: int
    ts_ns: int
    account: AccountId
    instrument: InstrumentId
    owner: str
    qty: int
    entry_value: Decimal
    realised: Decimal
    fees: Decimal
    funding: Decimal


class EquitySampled(Struct, frozen=True, kw_only=True, tag="equity"):
    """Equity of an account, on a fixed cadence of event time and after every fill's minute."""

    seq: int
    index: int
    ts_ns: int
    account: AccountId
    cash: Decimal
    unrealised: Decimal
    equity: Decimal
    realised: Decimal
    fees: Decimal
    funding: Decimal


class StrategyChanged(Struct, frozen=True, kw_only=True, tag="strategy"):
    """A strategy was loaded, warmed, paused, quarantined or unloaded; `detail` says why."""

    seq: int
    index: int
    ts_ns: int
    strategy: str
    kind: str
    account: AccountId
    status: StrategyStatus
    detail: str = ""


class TradingStateChanged(Struct, frozen=True, kw_only=True, tag="trading_state"):
    """ACTIVE, REDUCING or HALTED; who or what did it, and why."""

    seq: int
    index: int
    ts_ns: int
    state: TradingState
    by: str
    reason: str


class Refused(Struct, frozen=True, kw_only=True, tag="refused"):
    """Risk or the gate clipped, parked or vetoed something (repeats of the same are not repeated)."""

    seq: int
    index: int
    ts_ns: int
    strategy: str
    instrument: InstrumentId
    reason: Reason
    detail: str


class RequestChanged(Struct, frozen=True, kw_only=True, tag="request"):
    """A request for approval was opened, voted on or decided."""

    seq: int
    index: int
    ts_ns: int
    request: str
    what: str
    requester: str
    status: RequestStatus
    votes: tuple[str, ...]
    votes_needed: int
    expires_ns: int
    digest: str
    text: str
    reminder: bool = False
    """Nothing has changed, but half of its time is over."""


class CommandDone(Struct, frozen=True, kw_only=True, tag="command_done"):
    """The outcome of a command, in words for the person who sent it."""

    seq: int
    index: int
    ts_ns: int
    request_id: str
    actor: Actor
    verb: str
    ok: bool
    text: str
    reason: Reason | None = None
    request: str = ""


class Alerted(Struct, frozen=True, kw_only=True, tag="alert"):
    """Something a person should know; `kind` groups, `text` says what happened and what to do.

    `labels` say what it is about (venue, account, strategy...): kind and labels together name it.
    """

    seq: int
    index: int
    ts_ns: int
    severity: Severity
    kind: str
    text: str
    labels: dict[str, str] = field(default_factory=dict)


class OverrideChanged(Struct, frozen=True, kw_only=True, tag="override"):
    """A limit was loosened for a while, or holds again; `ended` says why it ended ("" = it is in force)."""

    seq: int
    index: int
    ts_ns: int
    rule: str
    scope: str
    value: Decimal
    since_ns: int
    until_ns: int
    persons: tuple[str, ...]
    reason: str
    request: str
    ended: str = ""


class BreakerChanged(Struct, frozen=True, kw_only=True, tag="breaker"):
    """A breaker of the matrix has another state; amounts are in the unit of its measure, `until_ns` 0 = by people."""

    seq: int
    index: int
    ts_ns: int
    name: str
    scope: str
    state: str
    measure: Decimal
    threshold: Decimal
    until_ns: int
    actions: tuple[str, ...]
    why: str


class CashKind(enum.StrEnum):
    """What moved an account's money beside fills."""

    DEPOSIT = "deposit"
    """Paid in, or out when negative; also cash that the venue reports otherwise than our books."""
    FUNDING = "funding"
    REALISED = "realised"
    """The venue splits profit otherwise: so much more is realised and less is open; equity stays."""


class CashMoved(Struct, frozen=True, kw_only=True, tag="cash"):
    """Money moved without a fill. With the fills these are the whole ledger: cash = realised - fees + these."""

    seq: int
    index: int
    ts_ns: int
    kind: CashKind
    account: AccountId
    amount: Decimal
    instrument: InstrumentId = ""
    owner: str = ""
    ref: str = ""
    """The venue's id of a funding payment."""


class PositionSampled(Struct, frozen=True, kw_only=True, tag="position_sample", gc=False):
    """An open position, valued at the reference price when equity was sampled (the same event)."""

    seq: int
    index: int
    ts_ns: int
    account: AccountId
    instrument: InstrumentId
    owner: str
    qty: int
    price: int
    unrealised: Decimal


class ParamsChanged(Struct, frozen=True, kw_only=True, tag="params"):
    """A strategy was loaded with parameters, or has other ones than `before`.

    `by` asked for it ("" = the settings), `agreed` names those who voted ("" = it needed none).
    """

    seq: int
    index: int
    ts_ns: int
    strategy: str
    kind: str
    by: str
    agreed: str
    after: dict[str, Any]
    before: dict[str, Any] = field(default_factory=dict)
    is_load: bool = False
    source_hash: str = ""


Fact: TypeAlias = (
    OrderChanged
    | FillBooked
    | PositionChanged
    | EquitySampled
    | StrategyChanged
    | TradingStateChanged
    | Refused
    | RequestChanged
    | CommandDone
    | Alerted
    | OverrideChanged
    | BreakerChanged
    | CashMoved
    | PositionSampled
    | ParamsChanged
)
