"""Settings as the core carries them: part of `State`, journaled whole with their hash.

`engine.config` builds these from the YAML file; nothing else does. Amounts are in the base currency
(USD), fractions are of equity, times are nanoseconds.
"""

from __future__ import annotations

import enum
import re
from decimal import Decimal
from typing import Any

from msgspec import Struct, field

from domain.breakers import BreakerSettings
from domain.instrument import AccountId, Instrument, InstrumentId

SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS
HOUR_NS = 60 * MINUTE_NS
DAY_NS = 24 * HOUR_NS


class Environment(enum.StrEnum):
    """Where the money is."""

    PAPER = "paper"
    TESTNET = "testnet"
    LIVE = "live"

    @property
    def label(self) -> str:
        """As screens show it: the name, and what engineers call it."""
        return f"{self.value.upper()} ({_STAGES[self.value]})"


_STAGES = {"paper": "dev", "testnet": "staging", "live": "prod"}


class RoleName(enum.IntEnum):
    """What a person may do; a higher role includes the lower ones."""

    VIEWER = 1
    TRADER = 2
    RISK = 3
    ADMIN = 4


class Person(Struct, frozen=True, kw_only=True):
    """One human being; chat accounts point at a person, roles belong to the person."""

    id: str
    name: str
    role: RoleName
    telegram_user_id: int = 0
    discord_user_id: int = 0


class Limits(Struct, frozen=True, kw_only=True):
    """What one instrument of one account may do. A missing limit refuses.

    `max_position_notional` bounds the worst side (position and all that may still fill), `max_order_notional` one
    order, both in money. The price collar is the largest distance from the reference price as a fraction.
    """

    max_position_notional: Decimal
    max_order_notional: Decimal
    price_collar: Decimal = Decimal("0.05")
    max_reference_age_ns: int = 60 * SECOND_NS


Rules = dict[str, Decimal]
"""Values by name of the rule (`risk.rules`)."""


class RiskSettings(Struct, frozen=True, kw_only=True):
    """Limits: values of the rules by scope, and what is older than those.

    Of all scopes that an order falls under the strictest value holds; a rule that no scope sets has the default of
    the environment. `limits` and `default_limits` say four of the rules for an instrument and for the portfolio,
    `max_position_fraction` and `base_position_fraction` the portfolio's `asset_fraction` and `base_fraction`.
    `max_exposure` is one account's. `messages_per_window` counts Place and Amend per account; cancels and reduce-only
    orders have `reserve_messages` of their own on top.
    """

    limits: dict[InstrumentId, Limits] = field(default_factory=dict)
    default_limits: Limits | None = None
    max_exposure: Decimal = Decimal(1000000)
    base_position_fraction: Decimal = Decimal("0.02")
    max_position_fraction: Decimal = Decimal("0.10")
    message_window_ns: int = SECOND_NS
    messages_per_window: int = 50
    reserve_messages: int = 50
    portfolio: Rules = field(default_factory=dict)
    venue: dict[str, Rules] = field(default_factory=dict)
    strategy: dict[str, Rules] = field(default_factory=dict)
    instrument: dict[str, Rules] = field(default_factory=dict)


class ApprovalSettings(Struct, frozen=True, kw_only=True):
    """Who must agree to what. `large_fraction` of equity, counted per entry over `window_ns`.

    A vote waits `role_wait_ns` after its person's role was given and `link_wait_ns` after the chat account it comes
    from was linked; founding people (those of the first settings) never do. `price_move` is how far a price may have
    gone from the one that was voted on, `quote_age_ns` how old it may be at that moment. `code_misses` wrong codes lock
    a person's votes for `code_lock_ns`. An override lasts `override_max_ns` at most and is no wider than
    `override_factor` times the limit, unless `override_most` names the widest value of its rule.
    """

    large_fraction: Decimal = Decimal("0.05")
    window_ns: int = 10 * MINUTE_NS
    order_votes: int = 1
    override_votes: int = 2
    requester_counts: bool = False
    approver_role: RoleName = RoleName.RISK
    order_ttl_ns: int = 2 * MINUTE_NS
    override_ttl_ns: int = 15 * MINUTE_NS
    enabled: bool = True
    load_votes: int = 0
    """Votes that loading or starting a strategy by hand needs."""
    policy_ttl_ns: int = 24 * HOUR_NS
    """Of requests for new settings."""
    max_open: int = 5
    """Requests that one person or strategy may have open."""
    deny_pause_ns: int = MINUTE_NS
    """After a denial the same person or strategy does not ask for this long."""
    role_wait_ns: int = 0
    link_wait_ns: int = 0
    price_move: Decimal = Decimal("0.02")
    quote_age_ns: int = 30 * SECOND_NS
    codes: bool = False
    """Every vote needs a one-time code (TOTP)."""
    code_misses: int = 5
    code_lock_ns: int = 15 * MINUTE_NS
    override_max_ns: int = 4 * HOUR_NS
    override_factor: Decimal = Decimal("1.5")
    override_most: dict[str, Decimal] = field(default_factory=dict)
    review_ns: int = 24 * HOUR_NS
    """Within this time somebody else reviews a break-glass."""


class ExecutionSettings(Struct, frozen=True, kw_only=True):
    """How the executor behaves.

    `ack_timeout_ns`: no answer for this long makes an order UNKNOWN. `validity_ns`: how long a venue
    may still accept a request after it was sent; absence counts only after that. `retry_ns`: pause
    after a rejection. `slippage` bounds an IOC from the touch. `quote_tolerance` is in ticks;
    `quote_widening` is the share of the price by which it is wider once half of an account's actions are gone, twice
    that at each further step (`domain.venue.BUDGET_STEPS`), 0 = never.
    `dead_man_ns`: how long a venue that has a dead-man's switch waits for us (0 = it is not used).
    `reconcile_every_ns`: how often every account is compared with its venue, so that a lost message cannot go
    unseen (0 = only at the start and after an outage, for lines that lose nothing).
    """

    ack_timeout_ns: int = 2 * SECOND_NS
    validity_ns: int = 5 * SECOND_NS
    query_every_ns: int = 2 * SECOND_NS
    reconcile_every_ns: int = 60 * SECOND_NS
    retry_ns: int = SECOND_NS
    slippage: Decimal = Decimal("0.005")
    quote_tolerance_ticks: int = 0
    quote_widening: Decimal = Decimal("0.0002")
    dead_man_ns: int = 0
    equity_sample_ns: int = 60 * SECOND_NS
    stale_feed_ns: int = 30 * SECOND_NS
    flatten_max_age_ns: int = 60 * SECOND_NS


class AllocationSettings(Struct, frozen=True, kw_only=True):
    """Risk parity over strategies: shares of equity that contribute the same risk; off = each is sized by all of it.

    Every `every_ns` of event time it looks at what strategies earned by hour; new shares are taken when they move more
    than `turnover` of equity. The cut of correlated strategies goes by the same clock, and is on by its rule.
    """

    enabled: bool = False
    every_ns: int = 4 * 60 * MINUTE_NS
    turnover: Decimal = Decimal("0.05")


class FailoverSpec(Struct, frozen=True, kw_only=True):
    """Where the strategy that trades `instrument` reads and trades while that venue is out: another venue's contract.

    `return_after_ns`: how long the venue has to be well again before it is used again.
    """

    instrument: InstrumentId
    backup: InstrumentId
    account: AccountId
    """The account at the backup's venue."""
    return_after_ns: int = 60 * SECOND_NS


class StrategySpec(Struct, frozen=True, kw_only=True):
    """One strategy to run: a unique id, its kind (registry name), account, instruments and parameters.

    One that trades at several venues has an account at each: `account` and `accounts`.
    """

    id: str
    kind: str
    account: AccountId
    instruments: tuple[InstrumentId, ...]
    params: dict[str, Any] = field(default_factory=dict)
    autostart: bool = True
    priority: int = 5
    """0 to 9: when load is shed, the lowest goes first."""
    position_age_ns: int = 0
    """How old a position of it may become before the breaker `position_timeout` closes it; 0 = any age."""
    accounts: tuple[AccountId, ...] = ()
    """One at each further venue that it trades at."""

    @property
    def all_accounts(self) -> tuple[AccountId, ...]:
        """Every account that it trades on."""
        return (self.account, *self.accounts)

    def account_of(self, instrument: InstrumentId) -> AccountId:
        """Which account trades an instrument: the one at its venue, `account` where it has none there."""
        if self.accounts:
            venue = instrument.partition(".")[2]
            for account in self.all_accounts:
                if account.partition(":")[0] == venue:
                    return account
        return self.account


STRATEGY_ID = re.compile(r"[a-z0-9][a-z0-9_.-]{0,39}")


def strategy_id_problem(name: str) -> str:
    """Why a strategy cannot be called so: names stand in orders, SQL and answers; "" when it can."""
    if name.startswith("manual") or name in {"all", "request"}:
        return f"the name {name!r} is reserved (all, request, manual...): choose another"
    if not STRATEGY_ID.fullmatch(name):
        return f"{name!r} is no name: 1 to 40 of a-z 0-9 _ . - and beginning with a letter or digit"
    return ""


class Strangers(enum.StrEnum):
    """What becomes of an order at the venue that this engine did not place."""

    ASK = "ask"
    """The venue is REDUCING until people have looked."""
    CANCEL = "cancel"
    """It is cancelled, unless it is reduce-only: what may protect a position is never taken away."""
    ADOPT = "adopt"
    """It belongs to the built-in strategy `manual`, where no other strategy owns the instrument."""


class AccountSpec(Struct, frozen=True, kw_only=True):
    """One venue account; `deposit` is the starting cash of a paper account."""

    id: AccountId
    currency: str = "USDC"
    deposit: Decimal = Decimal(0)
    on_foreign_order: Strangers = Strangers.ASK


class Settings(Struct, frozen=True, kw_only=True):
    """Everything the core is configured by."""

    environment: Environment = Environment.PAPER
    instruments: tuple[Instrument, ...] = ()
    accounts: tuple[AccountSpec, ...] = ()
    persons: tuple[Person, ...] = ()
    risk: RiskSettings = RiskSettings()
    approvals: ApprovalSettings = ApprovalSettings()
    execution: ExecutionSettings = ExecutionSettings()
    strategies: tuple[StrategySpec, ...] = ()
    breakers: BreakerSettings = BreakerSettings()
    failover: tuple[FailoverSpec, ...] = ()
    allocation: AllocationSettings = AllocationSettings()
