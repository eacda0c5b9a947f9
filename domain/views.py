"""Read models of screens, chat and the API, in decimals and words. The desk builds them; the core never sees them.

Amounts are in the account's currency, quantities in base units, prices in quote units; times are nanoseconds UTC.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from msgspec import Struct

from domain.commands import Actor, Door
from domain.incident import Step

BY_HAND = "manual:"  # how owners of people's own orders begin


def owner_words(owner: str) -> str:
    """Whose an order, fill or position is, for people: a strategy's id, or that a person did it."""
    return "by hand" if owner.startswith(BY_HAND) else owner


class FeedView(Struct, frozen=True, kw_only=True):
    """State of one market-data source; `age_ms` since the last event (None = never)."""

    venue: str
    state: str
    age_ms: int | None
    detail: str = ""


class TradingAtView(Struct, frozen=True, kw_only=True):
    """What a venue may do; `is_held` until people resume it, `reason` says why it is held back by itself."""

    venue: str
    trading_state: str
    reason: str = ""
    is_held: bool = False


class DoorView(Struct, frozen=True, kw_only=True):
    """A chat channel: `text` says in words whether it is connected, since when, and what to do when it is not."""

    name: str
    ok: bool
    text: str


class BudgetView(Struct, frozen=True, kw_only=True):
    """One rate limit of a venue and its use now. `reserved` of `limit` is for cancels and reductions alone.

    `window_ns` is the span it counts over, 0 = for life; `held_ns` how long the venue has told us to stop altogether.
    """

    name: str
    used: int
    limit: int
    reserved: int
    window_ns: int
    held_ns: int = 0


class WaitingView(Struct, frozen=True, kw_only=True):
    """A request that waits for a rate limit; after `left_ns` it is dropped (0 = it waits as long as it takes)."""

    priority: str
    what: str
    waited_ns: int
    left_ns: int


class KeyView(Struct, frozen=True, kw_only=True):
    """An account's key, and how it is known that it cannot withdraw: one that can is not opened."""

    account: str
    cannot_withdraw: str
    """`told by the venue`, or, where it does not tell, `vouched for by the settings`."""
    permissions: str = ""
    """What it may do, in the venue's words; "" = the venue does not tell."""
    addresses: str = ""
    """Whether it is bound to addresses of machines, in words; "" = the venue does not tell."""
    until_ns: int = 0
    """When it ends at the venue, 0 = not, or the venue does not tell."""


class VenueView(Struct, frozen=True, kw_only=True):
    """A venue's connection, keys and limits. `breakers` are those that are not closed, in words."""

    venue: str
    network: str
    connected: bool
    detail: str = ""
    keys: tuple[KeyView, ...] = ()
    budgets: tuple[BudgetView, ...] = ()
    waiting: tuple[WaitingView, ...] = ()
    breakers: tuple[str, ...] = ()
    clock_off_ms: int | None = None
    """This machine's clock less the venue's, when they were last compared; None = they were not."""


class VenuesFound(Struct, frozen=True, kw_only=True):
    """What was found when real venues were looked at as a start looks: what is wrong, and the keys of the others."""

    problems: tuple[str, ...] = ()
    keys: tuple[KeyView, ...] = ()


class BreakerView(Struct, frozen=True, kw_only=True):
    """The breaker of an operation at a venue, or of the matrix: `venue` is then its scope, `operation` what it watches.

    `until_ns` is when an open one is tried again (0 = by people only).
    """

    venue: str
    operation: str
    state: str
    failures: int
    """That count now, in the window."""
    since_ns: int
    until_ns: int
    why: str
    name: str = ""
    """What `/breaker` calls it."""
    measure: str = ""
    """What it measures now, with its unit; `value` is the bare number."""
    threshold: str = ""
    """At which it opens; `limit` is the bare number."""
    actions: tuple[str, ...] = ()
    value: Decimal = Decimal(0)
    limit: Decimal = Decimal(0)


class FailoverView(Struct, frozen=True, kw_only=True):
    """A fail-over pair of a loaded strategy; `on_backup`: it reads and trades the backup now, since `since_ns`."""

    strategy: str
    instrument: str
    backup: str
    account: str
    on_backup: bool
    since_ns: int
    why: str


class OverrideView(Struct, frozen=True, kw_only=True):
    """A limit that people have loosened until `until_ns`; `persons` asked and agreed."""

    rule: str
    scope: str
    value: Decimal
    unit: str
    since_ns: int
    until_ns: int
    persons: tuple[str, ...]
    reason: str
    request: str


class ReviewView(Struct, frozen=True, kw_only=True):
    """A break-glass that somebody else has to look at until `due_ns`."""

    id: str
    person: str
    text: str
    due_ns: int


class StatusView(Struct, frozen=True, kw_only=True):
    """The service at a glance."""

    environment: str
    trading_state: str
    trading_reason: str
    market: str
    """What drives prices, said plainly: for example `simulated (seed 7)` or `hyperliquid live`."""
    epoch: int
    seq: int
    ts_ns: int
    data_age_ms: int | None
    equity: Decimal
    exposure: Decimal
    day_pnl: Decimal
    strategies_running: int
    strategies_total: int
    open_orders: int
    pending_requests: int
    unknown_orders: int
    feeds: tuple[FeedView, ...]
    doors: tuple[DoorView, ...] = ()
    """The chat channels that are switched on."""
    trading_at: tuple[TradingAtView, ...] = ()
    """What each venue may do."""
    breakers: tuple[BreakerView, ...] = ()
    """Those that are not closed."""
    failovers: tuple[FailoverView, ...] = ()
    """Those that are on."""
    overrides: tuple[OverrideView, ...] = ()
    """Limits that are loosened now."""
    reviews: tuple[ReviewView, ...] = ()
    """Break-glasses that nobody else has looked at."""
    budgets: tuple[str, ...] = ()
    """Accounts that have few actions left at their venue, and what that means, in words."""
    incident: str = ""
    """The open incident, how far it is and what is to be done next."""


class PositionView(Struct, frozen=True, kw_only=True):
    """One open position."""

    account: str
    instrument: str
    owner: str
    qty: Decimal
    entry_price: Decimal
    mark_price: Decimal
    notional: Decimal
    unrealised: Decimal
    realised: Decimal
    fees: Decimal
    funding: Decimal
    liquidation_price: Decimal | None = None
    """At which it alone would bring its account to the maintenance margin, by our count; None = no price does."""


class OrderView(Struct, frozen=True, kw_only=True):
    """One order, open or recent."""

    cid: str
    owner: str
    account: str
    instrument: str
    side: str
    kind: str
    role: str
    status: str
    qty: Decimal
    filled: Decimal
    price: Decimal
    trigger: Decimal
    reduce_only: bool
    age_s: float
    reason: str
    average: Decimal | None = None
    """Average price of what has filled; None while nothing has, or when its fills are not known any more."""
    fee: Decimal = Decimal(0)


class TradeRow(Struct, frozen=True, kw_only=True):
    """One own fill."""

    ts_ns: int
    account: str
    instrument: str
    owner: str
    side: str
    qty: Decimal
    price: Decimal
    fee: Decimal
    realised: Decimal
    liquidity: str
    role: str
    fill_id: str
    cid: str = ""


class StrategyView(Struct, frozen=True, kw_only=True):
    """One loaded strategy."""

    id: str
    kind: str
    account: str
    instruments: tuple[str, ...]
    status: str
    detail: str
    params: dict[str, Any]
    realised: Decimal
    unrealised: Decimal
    fees: Decimal
    fills: int
    desired: str
    """What it wants now, in words."""
    source_hash: str = ""
    """SHA-256 of the text of the code that decides."""
    last_fill_ns: int = 0
    """Of the newest fill that is remembered; 0 = none is."""
    signal: str = ""
    """What it wanted last, in words, before risk looked at it; `signal_ns` when that changed, 0 = not yet."""
    signal_ns: int = 0


class PnlView(Struct, frozen=True, kw_only=True):
    """Profit of one account; the PNL day is UTC."""

    account: str
    currency: str
    equity: Decimal
    day_start_equity: Decimal
    day_pnl: Decimal
    total_pnl: Decimal
    realised: Decimal
    unrealised: Decimal
    fees: Decimal
    funding: Decimal
    day: str


class BalanceView(Struct, frozen=True, kw_only=True):
    """Money of one account."""

    account: str
    currency: str
    cash: Decimal
    unrealised: Decimal
    equity: Decimal
    margin_used: Decimal
    free: Decimal


class LinkView(Struct, frozen=True, kw_only=True):
    """A chat account on its way to a person. `account` and `name` are known when their code has come from there."""

    asked_by: Actor
    channel: Door
    until_ns: int
    account: int = 0
    name: str = ""


class RequestView(Struct, frozen=True, kw_only=True):
    """One request that waits, or waited, for votes."""

    id: str
    what: str
    text: str
    requester: str
    votes: tuple[str, ...]
    votes_needed: int
    status: str
    expires_ns: int
    digest: str


class IncidentView(Struct, frozen=True, kw_only=True):
    """An incident, its steps oldest first, and what people have to do next. `damage` as things are now."""

    id: str
    kind: str
    text: str
    stage: str
    ts_ns: int
    closed_ns: int
    steps: tuple[Step, ...]
    damage: tuple[str, ...]
    next_step: str


class ProposalView(Struct, frozen=True, kw_only=True):
    """What a change of a setting would come to, in words; with `problems` it cannot be."""

    changes: tuple[str, ...]
    problems: tuple[str, ...]
    adds_risk: bool


class SettingsChangeView(Struct, frozen=True, kw_only=True):
    """One version of the settings: who changed what, when and why."""

    number: int
    ts_ns: int
    by: str
    why: str
    changes: tuple[str, ...]
    hash: str


class SettingsView(Struct, frozen=True, kw_only=True):
    """The settings in force. `file`: how the settings file differs from them, which is not applied by itself."""

    version: int
    hash: str
    environment: str
    changes: tuple[SettingsChangeView, ...]
    file: tuple[str, ...]


class PersonView(Struct, frozen=True, kw_only=True):
    """A person as other persons see them."""

    id: str
    name: str
    role: str


class EquityPoint(Struct, frozen=True, kw_only=True):
    """One point of the equity curve over all accounts."""

    ts_ns: int
    equity: Decimal
