"""Everything that can happen to the engine: one closed union, journaled before it is acted on.

Market events are in `domain.market`, others in `domain.venue`, `domain.security` and `domain.breakers`. Here: what the
venue says, what people ask, what the driver observed, and time. `seq` and `ts_ns` are set once by the loop on intake.
Encoded as arrays: a new field goes to the end and has a default.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TypeAlias

from msgspec import Struct

from domain.account import VenueOperation
from domain.breakers import Measured
from domain.commands import Actor, Command
from domain.desired import Desired
from domain.files import SettingsFileRead, StrategyFileBroken, StrategyFileChanged
from domain.instrument import AccountId, Instrument, InstrumentId
from domain.keys import KeyExpires, KeyOld, KeyStep, SignerNews, VaultAccessed, VaultTrouble
from domain.market import Bar, Bbo, Book, Feed, FeedStatus, Mark, Trade
from domain.order import ClientId, Liquidity, OrderKind, OrderStatus
from domain.security import AccessNoted, CodeMissed, PressRefused, SecurityBreach
from domain.settings import Settings
from domain.venue import BudgetLeft, VenueCaps
from domain.verdict import Reason


class EngineStarted(Struct, kw_only=True, tag="engine_started", array_like=True):
    """A run begins. The first one in a journal fixes the installation id. `settings` is None when unchanged.

    `build` is the hash of the code, `lock_hash` of the dependencies; a changed build does not replay
    foreign events but starts from a migrated snapshot. `lost` says who knew later events than the journal, whose end
    was lost then; its `seq` is above all that are known to have been used.
    """

    seq: int = 0
    ts_ns: int = 0
    installation: str
    epoch: int
    build: str
    lock_hash: str
    settings_hash: str
    settings: Settings | None = None
    lost: str = ""


class EngineStopped(Struct, kw_only=True, tag="engine_stopped", array_like=True):
    """A clean stop; a versioned snapshot follows."""

    seq: int = 0
    ts_ns: int = 0
    reason: str = ""


class Tick(Struct, kw_only=True, tag="tick", array_like=True, gc=False):
    """Time has reached `State.wake_ns`."""

    seq: int = 0
    ts_ns: int = 0


class ClockStepped(Struct, kw_only=True, tag="clock_stepped", array_like=True, gc=False):
    """The machine's clock went backwards by `back_ns` (negative: ahead); the engine's time never does."""

    seq: int = 0
    ts_ns: int = 0
    back_ns: int


class CommandReceived(Struct, kw_only=True, tag="command", array_like=True):
    """A person's command. `request_id` (door and update id) deduplicates; `sent_ts_ns` tells its age."""

    seq: int = 0
    ts_ns: int = 0
    actor: Actor
    command: Command
    request_id: str
    sent_ts_ns: int = 0


class History(Struct, kw_only=True, tag="history", array_like=True):
    """Warm-up bars for one strategy, oldest first; `complete` ends the warm-up, `problem` says why it cannot.

    `asked` is the event that this answers (the load, change or start that made the strategy wait); 0 = any.
    """

    seq: int = 0
    ts_ns: int = 0
    strategy: str
    bars: tuple[Bar, ...] = ()
    complete: bool = False
    problem: str = ""
    asked: int = 0


class StrategyFault(Struct, kw_only=True, tag="strategy_fault", array_like=True):
    """The driver saw a strategy overrun its time or hang; repeated overruns quarantine it."""

    seq: int = 0
    ts_ns: int = 0
    strategy: str
    problem: str
    quarantine: bool = True


class ContractsRead(Struct, kw_only=True, tag="contracts_read", array_like=True):
    """Contracts that their venues have otherwise now than the settings in force: new fees, margins, minimums, steps."""

    seq: int = 0
    ts_ns: int = 0
    instruments: tuple[Instrument, ...]


class Accepted(Struct, kw_only=True, tag="accepted", array_like=True, gc=False):
    """The venue has the order working."""

    seq: int = 0
    ts_ns: int = 0
    venue_ts_ns: int = 0
    cid: ClientId
    venue_id: str = ""


class Rejected(Struct, kw_only=True, tag="rejected", array_like=True, gc=False):
    """The venue refused the order; `text` is its own words."""

    seq: int = 0
    ts_ns: int = 0
    venue_ts_ns: int = 0
    cid: ClientId
    reason: Reason = Reason.VENUE
    text: str = ""


class Filled(Struct, kw_only=True, tag="filled", array_like=True, gc=False):
    """One fill. `fill_id` is the venue's and unique per account; fills may come in any order, and twice.

    `liquidation` marks a forced close by the venue (its `cid` is then the venue's own).
    """

    seq: int = 0
    ts_ns: int = 0
    venue_ts_ns: int = 0
    account: AccountId
    instrument: InstrumentId
    cid: ClientId
    fill_id: str
    side: int
    price: int
    qty: int
    fee: Decimal
    liquidity: Liquidity
    liquidation: bool = False


class Cancelled(Struct, kw_only=True, tag="cancelled", array_like=True, gc=False):
    """The order is out of the market with `filled` in total; `text` says why (asked, IOC rest, dead man, expired)."""

    seq: int = 0
    ts_ns: int = 0
    venue_ts_ns: int = 0
    cid: ClientId
    filled: int = -1
    text: str = ""


class CancelRejected(Struct, kw_only=True, tag="cancel_rejected", array_like=True, gc=False):
    """The cancel found nothing to cancel (already filled, cancelled or never known)."""

    seq: int = 0
    ts_ns: int = 0
    venue_ts_ns: int = 0
    cid: ClientId
    text: str = ""


class Amended(Struct, kw_only=True, tag="amended", array_like=True, gc=False):
    """The order now has this price and total quantity."""

    seq: int = 0
    ts_ns: int = 0
    venue_ts_ns: int = 0
    cid: ClientId
    price: int
    qty: int
    trigger: int = 0
    amend_no: int = 0


class AmendRejected(Struct, kw_only=True, tag="amend_rejected", array_like=True, gc=False):
    """The amendment did not happen; the order is as it was, or gone."""

    seq: int = 0
    ts_ns: int = 0
    venue_ts_ns: int = 0
    cid: ClientId
    amend_no: int = 0
    text: str = ""


class OrderReport(Struct, kw_only=True, tag="order_report", array_like=True):
    """Answer to a Query: what the venue knows of an order. `found` False = it does not know it."""

    seq: int = 0
    ts_ns: int = 0
    venue_ts_ns: int = 0
    cid: ClientId
    found: bool
    status: OrderStatus = OrderStatus.UNKNOWN
    filled: int = 0
    price: int = 0
    qty: int = 0
    venue_id: str = ""


class SendFailed(Struct, kw_only=True, tag="send_failed", array_like=True):
    """A request surely never left this machine (`cid` of the Place); anything less sure is UNKNOWN."""

    seq: int = 0
    ts_ns: int = 0
    cid: ClientId
    text: str = ""


class SendDropped(Struct, kw_only=True, tag="send_dropped", array_like=True):
    """A durable intent was dropped before the wire, and the venue is not to blame.

    By the last check (epoch, trading state, expiry), or because it waited in vain for the venue's limits, whose figures
    are in `text`.
    """

    seq: int = 0
    ts_ns: int = 0
    cid: ClientId
    reason: Reason
    text: str = ""


class FundingPaid(Struct, kw_only=True, tag="funding", array_like=True):
    """Funding cash flow (positive = received); `funding_id` is unique per account."""

    seq: int = 0
    ts_ns: int = 0
    venue_ts_ns: int = 0
    account: AccountId
    instrument: InstrumentId
    funding_id: str
    amount: Decimal


class OpenOrder(Struct, frozen=True, kw_only=True):
    """One working order in a `VenueSnapshot`."""

    cid: ClientId
    instrument: InstrumentId
    side: int
    kind: OrderKind
    price: int
    trigger: int
    qty: int
    filled: int
    reduce_only: bool
    venue_id: str = ""


class VenuePosition(Struct, frozen=True, kw_only=True):
    """One position in a `VenueSnapshot`; `entry_value` is the signed money paid for it.

    `margin_problem` says in words how its margin mode or leverage differs from the settings ("" = as they say, or not
    known).
    """

    instrument: InstrumentId
    qty: int
    entry_value: Decimal
    margin_problem: str = ""


class VenueSnapshot(Struct, kw_only=True, tag="venue_snapshot", array_like=True):
    """What the venue says of an account, through the read path; includes the fills and funding since the last one.

    `fills` and `funding` may repeat what is known: they are deduplicated by id.
    """

    seq: int = 0
    ts_ns: int = 0
    venue_ts_ns: int = 0
    account: AccountId
    cash: Decimal
    orders: tuple[OpenOrder, ...] = ()
    positions: tuple[VenuePosition, ...] = ()
    fills: tuple[Filled, ...] = ()
    funding: tuple[FundingPaid, ...] = ()


class VenueOpened(Struct, kw_only=True, tag="venue_opened", array_like=True):
    """A venue is about to be used in this run, and this is what it can do."""

    seq: int = 0
    ts_ns: int = 0
    venue: str
    caps: VenueCaps


class WatchdogActed(Struct, kw_only=True, tag="watchdog_acted", array_like=True):
    """While no engine lived, the watchdog cancelled, and where it was told to, flattened; `text` says what came of it.

    `epoch` is the run whose heartbeat died, `acted_ns` the watchdog's wall time.
    """

    seq: int = 0
    ts_ns: int = 0
    epoch: int
    acted_ns: int
    flattened: bool
    text: str
    halted: bool = False
    """A person told it to halt, `by` name, because no engine answered."""
    by: str = ""


class VenueStatus(Struct, kw_only=True, tag="venue_status", array_like=True):
    """The order connection of a venue came up or went down."""

    seq: int = 0
    ts_ns: int = 0
    venue: str
    connected: bool
    detail: str = ""


class VenueTrouble(Struct, kw_only=True, tag="venue_trouble", array_like=True):
    """A venue did not do its part: a 5xx, a time-out, a ban. One failure for the breaker of that operation."""

    seq: int = 0
    ts_ns: int = 0
    venue: str
    operation: VenueOperation
    text: str = ""


class InboxOverflow(Struct, kw_only=True, tag="inbox_overflow", array_like=True):
    """The inbox was full: trading halts."""

    seq: int = 0
    ts_ns: int = 0
    depth: int


class DiskLow(Struct, kw_only=True, tag="disk_low", array_like=True):
    """The disk of the data folder is filling up; `is_full`: nothing but the room kept back is left, trading halts."""

    seq: int = 0
    ts_ns: int = 0
    free_mib: int
    days_left: int = -1
    """At the pace of the last day; -1 = not known."""
    is_full: bool = False


class Decided(Struct, kw_only=True, tag="decided", array_like=True):
    """Output record, not an input: what a strategy did in the `call`-th call of the step of event `cause`.

    Written only when it changed something: what it wants, the text of what it raised (`fault`), or, when
    its code was attached, its `feeds` and `warmup`. With these, an incident replays without the code.
    `source` is the text of that code, when it is another than what was recorded of this strategy last.
    """

    seq: int = 0
    ts_ns: int = 0
    cause: int
    call: int
    strategy: str
    desired: Desired | None = None
    fault: str = ""
    feeds: tuple[Feed, ...] | None = None
    warmup: int = 0
    source: str = ""


# fmt: off
VenueEvent: TypeAlias = (
    Accepted | Rejected | Filled | Cancelled | CancelRejected | Amended | AmendRejected | OrderReport | SendFailed
    | SendDropped | FundingPaid | VenueSnapshot | VenueStatus | VenueTrouble | BudgetLeft | KeyExpires
)
MainEvent: TypeAlias = (
    EngineStarted | EngineStopped | Tick | ClockStepped | CommandReceived | History | StrategyFault
    | StrategyFileBroken | ContractsRead | FeedStatus | InboxOverflow | DiskLow | VenueOpened | WatchdogActed | Decided
    | VenueEvent | SecurityBreach | PressRefused | CodeMissed | SettingsFileRead | Measured | SignerNews
    | AccessNoted | VaultAccessed | VaultTrouble | KeyStep | KeyOld | StrategyFileChanged
)
# fmt: on
Event: TypeAlias = MainEvent | Bar | Bbo | Book | Trade | Mark
