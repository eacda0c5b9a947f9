"""Everything the engine knows, as one tree: encode it and you have a snapshot.

Only `step` and what it calls change it. Dictionaries keep the order of events, so iteration is ordered. What is written
at every event or order is no `Struct`: see `Market`.

    State
    ├── settings, installation, epoch, seq, ts_ns, timers
    ├── trading (latched and in force), and venues that are held back by themselves
    ├── markets     per instrument: last prices, book, feed state
    ├── accounts    cash and positions (domain.account)
    ├── slots       per account+instrument: owner, approved target, quotes, protection, working orders
    ├── strategies  per id: spec, status, memory, what it wants
    ├── requests    waiting for votes
    ├── breakers, matrix (what it measures too), failovers
    ├── samples     prices, equity and profit of the last day and month, which risk is measured on
    └── remembered  command ids, fill ids, closed orders (each bounded)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeAlias

from msgspec import Struct
from msgspec.msgpack import Decoder, Encoder

from domain.account import Account, VenueOperation
from domain.commands import Command
from domain.desired import NOTHING, Desired, Style
from domain.edits import ConfigVersion
from domain.facts import RequestStatus, StrategyStatus, TradingState
from domain.incident import Incident
from domain.instrument import ZERO, AccountId, InstrumentId
from domain.keys import KeyBook
from domain.market import Bar
from domain.order import ClientId, Order
from domain.settings import RoleName, Settings, StrategySpec
from domain.venue import VenueCaps
from engine.core.market import NEVER as NEVER  # noqa: PLC0414 - the state and its parts are found in one place
from engine.core.market import Market as Market  # noqa: PLC0414
from engine.core.resting import Resting
from engine.core.series import Hours as Hours  # noqa: PLC0414
from engine.core.series import Samples as Samples  # noqa: PLC0414
from engine.core.series import Series as Series  # noqa: PLC0414
from risk.breaker import Breaker
from risk.measures import Sample

STATE_VERSION = 2
"""Raise it with a migration when the meaning of a field changes, or when a build that does not know a field would
drop what must not be lost. 2: venues with a trading state of their own; a state of version 1 has none held back."""

MANUAL = "manual"
"""Kind of the built-in strategy that carries a person's orders; it has no code."""

SlotKey: TypeAlias = str
"""`ACCOUNT|INSTRUMENT`."""


class WantedQuote(Struct, frozen=True, gc=False):
    """A reviewed quote in integer scale."""

    side: int
    price: int
    qty: int
    level: int


class Left(Struct, frozen=True):
    """What was measured of a slot's owner when it was unloaded, on a PNL day: see `succession`."""

    spec: StrategySpec
    day: int
    losses_in_a_row: int
    given_back: Decimal
    envelope: Decimal | None
    trades: tuple[float, ...]


@dataclass(slots=True)
class Slot:
    """Execution slot: one account and instrument, one owner.

    `target` is the approved target in force (None = the strategy wants no change here); `sized_*`
    is what risk made of a Strength, frozen per entry. `consumed` is the entry whose protection fired.
    `added` are the exposures added without a vote: (ts_ns, `MANUAL` for a person's, quantity).
    """

    key: SlotKey
    account: AccountId
    instrument: InstrumentId
    owner: str = ""
    orders: dict[ClientId, Order] = field(default_factory=dict)
    target: int | None = None
    style: Style = Style.TAKE
    band: int = 0
    entry: str = ""
    sized_entry: str = ""
    sized_qty: int = 0
    consumed: str = ""
    hedge_lead: InstrumentId = ""
    hedge_ratio: float = 0.0
    naked_cap: int = 0
    quotes: tuple[WantedQuote, ...] = ()
    most: int | None = None
    """Largest |position| that quotes and takes may lead to, by the envelope at the last review (None = any)."""
    stop_entry: str = ""
    stop_side: int = 0
    """Sign of the position that `stop` and `take_profit` are for; 0 = as held."""
    stop: int = 0
    take_profit: int = 0
    hold: bool = False
    flat: bool = False
    cap: int | None = None
    retry_ns: int = 0
    reduce_retry_ns: int = 0
    """Nothing new before these times; what reduces has its own, so that it waits for nobody else's trouble."""
    added: list[tuple[int, str, int]] = field(default_factory=list)
    parked: str = ""
    declined: str = ""
    """Entry whose request was denied or ran out of time: it does not ask again."""
    manual_by: str = ""
    """Person who sent the last manual order here."""
    refused: str = ""
    fills: list[tuple[int, int]] = field(default_factory=list)
    """The newest own fills as (venue_ts_ns, signed quantity), to compare with venue snapshots."""
    mismatches: int = 0
    ceilings: dict[str, int] = field(default_factory=dict)
    """Largest |position| that an open breaker leaves here, by its key: what is more is closed at once."""
    refused_detail: str = ""
    sized_why: str = ""
    """How `sized_qty` came about, and which rule bound it."""
    clipped: tuple[str, int, int] = ("", 0, 0)
    """Entry, quantity wanted and what limits left of it: frozen, or a moving price would trade it up and down."""
    trade_profit: Decimal = ZERO
    trade_worth: Decimal = ZERO
    """Net profit of the trade that is open, and the most that was paid for it."""
    left: dict[str, Left] = field(default_factory=dict)
    """What the last owner left, by `manual` or `code`."""
    resting: dict[str, Resting] = field(default_factory=dict)


@dataclass(slots=True)
class StrategyState:
    """One loaded strategy. `memory` is its own struct (builtins right after decoding a snapshot)."""

    spec: StrategySpec
    status: StrategyStatus = StrategyStatus.WARMING
    detail: str = ""
    memory: Any = None
    desired: Desired = NOTHING
    source_hash: str = ""
    by: str = ""
    """The person who loaded or started it, or gave it parameters, last; "" = the configuration."""
    envelope: Decimal | None = None
    """What its quotes and takes may add, in notional; None = what counts as large for the account's equity now."""
    takes: dict[str, int] = field(default_factory=dict)
    waiting: list[Bar] = field(default_factory=list)
    """Live bars that came while its history was awaited, at most the newest `wake.MOST_WAITING`."""
    catching_up: bool = False
    """It ran before this start of the engine, and the history of what it missed has not come yet."""
    asked: int = 0
    """The event since which it waits, or has waited, for history."""
    bars_seen: dict[InstrumentId, dict[int, int]] = field(default_factory=dict)
    """Open time of the newest bar seen, per instrument and interval."""
    asleep: bool = False
    """It was stopped to shed load: it is paused and sees nothing until it begins anew."""
    overruns: int = 0
    overrun_ns: int = 0
    """Calls that took too long in the window that began then."""
    fills: int = 0
    realised: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO
    """What its positions were paid (or paid: negative) since it was loaded."""
    losses_in_a_row: int = 0
    """Losing trades since the last winning one, on the PNL day `losses_day`."""
    losses_day: int = 0
    trades: list[float] = field(default_factory=list)
    """Net profit of its newest closed trades as a fraction of what was paid; begun anew with new parameters."""
    signal_ns: int = 0
    """When what it wants changed last, whether it may act or not; 0 = not since it began."""


class Parked(Struct, frozen=True):
    """A target that waits for approval: what `Slot` fields become when it is approved."""

    slot: SlotKey
    target: int
    style: Style
    band: int
    entry: str
    price: int
    added: int = 0
    """What the voters were asked about: the quantity added to what was in force then."""


@dataclass(slots=True)
class Request:
    """Something that needs votes: a parked target or a command."""

    id: str
    what: str
    text: str
    requester: str
    needed: int
    expires_ns: int
    created_ns: int
    digest: str
    votes: list[str] = field(default_factory=list)
    status: RequestStatus = RequestStatus.PENDING
    command: Command | None = None
    parked: Parked | None = None
    role: RoleName = RoleName.RISK
    """Least role of its voters when it was opened; the stricter of this and what the settings say now holds."""
    requester_counts: bool = False
    revision: str = ""
    """Hash of the settings it was asked under."""
    asker: str = ""
    """The person or the strategy that asks."""
    denied_by: str = ""
    """Who ended it without saying why, and may still say it."""


@dataclass(slots=True)
class Standing:
    """What a person's votes depend on: when the role was given, and the account at a door linked (0 = ever)."""

    role_ns: int = 0
    links_ns: dict[str, int] = field(default_factory=dict)
    step: int = 0
    """Time step of the newest one-time code that was used."""
    misses: int = 0
    locked_until_ns: int = 0


@dataclass(slots=True)
class ReviewDue:
    """A break-glass that somebody else has to look at until `due_ns`."""

    id: str
    person: str
    text: str
    ts_ns: int
    due_ns: int
    reviewed_by: str = ""
    note: str = ""


class Override(Struct, frozen=True, kw_only=True):
    """A limit that people have loosened for a while; it ends by itself at `until_ns`."""

    rule: str
    scope: str
    value: Decimal
    since_ns: int
    until_ns: int
    persons: tuple[str, ...]
    """Who asked and who agreed."""
    reason: str
    request: str


@dataclass(slots=True)
class Budget:
    """Messages sent for one account in the current window."""

    window_ns: int = 0
    used: int = 0
    reserved_used: int = 0


@dataclass(slots=True)
class Failover:
    """Where a fail-over pair stands. `well_ns`: since when the primary is well while the backup trades (0 = not)."""

    on_backup: bool = False
    since_ns: int = 0
    well_ns: int = 0
    why: str = ""


@dataclass(slots=True)
class VenueState:
    """What is known of one venue: whether it is held back by itself, by whom and why, and what it can do."""

    latched: TradingState = TradingState.ACTIVE
    by: str = ""
    reason: str = ""
    caps: VenueCaps = field(default_factory=VenueCaps)
    down: bool = False
    """It has said in this run that it is not connected: nobody waits for it."""


@dataclass(slots=True)
class State:
    """The whole engine. See the module docstring."""

    settings: Settings = field(default_factory=Settings)
    settings_hash: str = ""
    installation: str = ""
    epoch: int = 0
    build: str = ""
    seq: int = 0
    ts_ns: int = 0
    orders_placed: int = 0
    """Orders placed by the event now in `seq`; makes client ids unique within an event."""
    latched: TradingState = TradingState.ACTIVE
    latched_reason: str = ""
    latched_by: str = ""
    halted_by: str = ""
    """The person whose halt nobody has resumed yet, whatever else has stopped trading since."""
    trading: TradingState = TradingState.REDUCING
    """The most that any account may do now; `Account.trading` is what one may."""
    starting: bool = False
    """This run has not compared every account with its venue yet."""
    venues: dict[str, VenueState] = field(default_factory=dict)
    timers: dict[str, int] = field(default_factory=dict)
    markets: dict[InstrumentId, Market] = field(default_factory=dict)
    accounts: dict[AccountId, Account] = field(default_factory=dict)
    slots: dict[SlotKey, Slot] = field(default_factory=dict)
    where: dict[ClientId, SlotKey] = field(default_factory=dict)
    strategies: dict[str, StrategyState] = field(default_factory=dict)
    requests: dict[str, Request] = field(default_factory=dict)
    requests_made: int = 0
    budgets: dict[AccountId, Budget] = field(default_factory=dict)
    commands_seen: dict[str, None] = field(default_factory=dict)
    fills_seen: dict[AccountId, dict[str, None]] = field(default_factory=dict)
    """Per account, so that a busy one does not make a quiet one's fills look new when its venue tells them again."""
    closed: dict[ClientId, Order] = field(default_factory=dict)
    day: int = 0
    day_equity: dict[AccountId, Decimal] = field(default_factory=dict)
    breakers: dict[str, dict[VenueOperation, Breaker]] = field(default_factory=dict)
    """Per venue and operation; one that never failed is not there."""
    failovers: dict[InstrumentId, Failover] = field(default_factory=dict)
    """Per instrument that has a backup and has ever failed over."""
    matrix: dict[str, Breaker] = field(default_factory=dict)
    """The other breakers, by `WATCH` or `WATCH:SCOPE`; one that never measured anything is not there."""
    samples_of: dict[str, list[Sample]] = field(default_factory=dict)
    """What they measured within their window, by the same key."""
    locked: bool = False
    """A lock-down is in force: sessions end, and nothing that adds risk reaches a signer."""
    effects_hash: bytes = b""
    """Chain over every intent this state has emitted; replay must reproduce it."""
    incidents: dict[str, Incident] = field(default_factory=dict)
    incidents_made: int = 0
    config_version: int = 0
    config_versions: list[ConfigVersion] = field(default_factory=list)
    """The newest changes of the settings; `config_version` counts all of them."""
    file_differs: tuple[str, ...] = ()
    samples: Samples = field(default_factory=Samples)
    shares: dict[str, Decimal] = field(default_factory=dict)
    """Share of equity by strategy, as the allocator set it last (`allocation`)."""
    cuts: dict[str, Decimal] = field(default_factory=dict)
    """What is left of the size of strategies that are too correlated with another."""
    allocated_ns: int = 0
    """When the allocator looked last."""
    overrides: dict[str, Override] = field(default_factory=dict)
    """Those in force, by `RULE|SCOPE`."""
    standings: dict[str, Standing] = field(default_factory=dict)
    """Of persons whose role or links are new, or who have used codes."""
    denied: dict[str, int] = field(default_factory=dict)
    """When something was last denied, by the person or strategy that asked."""
    reviews: dict[str, ReviewDue] = field(default_factory=dict)
    keys: KeyBook = field(default_factory=KeyBook)


decode_state = Decoder(State).decode
encode_state = Encoder(decimal_format="string").encode
"""Unlike `domain.codec.encode` it keeps the order of dictionaries: iteration goes by it, so it is state too."""


def slot_key(account: AccountId, instrument: InstrumentId) -> SlotKey:
    """Key of the slot of one account and instrument."""
    return f"{account}|{instrument}"
