"""What a settings file may say, section by section, with the defaults of everything left out.

    Config                    the whole file
    ├── data_feed             where prices come from
    ├── instruments, accounts, paper
    ├── venues                real exchanges (venues.py)
    ├── risk, approvals, execution, breakers
    ├── failover, strategies, persons
    ├── telegram, discord, alerts, email, sms, hooks, apprise, contacts, heartbeat, gateway
    └── journal, storage, logging, vault

Amounts are in USD, fractions may be written as percent, durations carry their unit. Secrets are never in
this file: a section names the secret, and the value is in the vault or the secrets file.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Literal

from pydantic import Field

from domain.codec import digest
from domain.instrument import AccountId, Instrument, InstrumentId
from domain.settings import Settings
from engine.config.breakers import BreakersSection
from engine.config.doors import (
    AlertsSection,
    AppriseSection,
    ContactSection,
    DiscordSection,
    EmailSection,
    GatewaySection,
    HeartbeatSection,
    HookSection,
    SmsSection,
    TelegramSection,
)
from engine.config.fields import (
    AtLeastOne,
    Count,
    DurationNs,
    FeeRate,
    Fraction,
    Name,
    NotNegative,
    Positive,
    PositiveDurationNs,
    SmallFraction,
    Text,
    UserId,
)
from engine.config.machine import JournalSection, LoggingSection, StorageSection, VaultSection
from engine.config.rules import InstrumentRules, PortfolioRules, StrategyRules, VenueRules
from engine.config.section import Section
from engine.config.venues import Network, VenueSection

SECOND_NS = 10**9
MINUTE_NS = 60 * SECOND_NS
HOUR_NS = 60 * MINUTE_NS

Role = Literal["viewer", "trader", "risk", "admin"]


class SyntheticSection(Section):
    """The seeded artificial market."""

    seed: Count = 7


class DataFeedSection(Section):
    """Where prices come from, and how often the core sees them."""

    source: Literal["hyperliquid", "synthetic"] = "hyperliquid"
    fallback: Literal["synthetic", "none"] = "synthetic"
    """What to use when the source cannot be reached at start."""
    base_url: Text = "wss://api.hyperliquid.xyz/ws"
    api_url: Text = "https://api.hyperliquid.xyz"
    connect_timeout_ns: PositiveDurationNs = Field(default=10 * SECOND_NS, alias="connect_timeout")
    conflate_ns: DurationNs = Field(default=100_000_000, alias="conflate")
    """Book and quote updates of one instrument reach the core at most this often (event time); 0 = all."""
    symbols: dict[str, str] = {}
    """Instrument id to the source's symbol, where it is not the instrument's own `symbol`."""
    synthetic: SyntheticSection = SyntheticSection()


class InstrumentSection(Section):
    """One contract. Steps and quantities are in decimals, as people write them."""

    id: Text
    symbol: Text = ""
    """The symbol at the venue and at the price source; the base asset when left out."""
    tick_size: Positive
    lot_size: Positive
    price_decimals: int | None = Field(default=None, ge=0, le=12)
    qty_decimals: int | None = Field(default=None, ge=0, le=12)
    max_significant: int = Field(default=0, ge=0, le=18)
    min_qty: NotNegative = Decimal(0)
    """Smallest order in base units; 0 = one lot."""
    max_qty: NotNegative = Decimal(0)
    min_notional: NotNegative = Decimal(0)
    multiplier: Positive = Decimal(1)
    maker_fee: FeeRate = Decimal(0)
    taker_fee: FeeRate = Decimal(0)
    initial_margin: Fraction = Decimal("0.05")
    maintenance_margin: Fraction = Decimal("0.025")
    funding_interval_ns: PositiveDurationNs = Field(default=HOUR_NS, alias="funding_interval")
    aliases: list[Text] = []
    typical_price: Positive | None = None
    """Around which the synthetic market moves; its own idea of the asset when left out."""


class AccountSection(Section):
    """One venue account, `VENUE:label`."""

    id: Text
    currency: Literal["USDC", "USDT", "USD"] = "USDC"
    deposit: NotNegative = Decimal(0)
    on_foreign_order: Literal["ask", "cancel", "adopt"] = "ask"
    """What becomes of an order at the venue that this engine did not place."""


class FaultSection(Section):
    """One way in which the line to the simulated venue fails, for drills."""

    fault: Literal[
        "drop_event", "delay_event", "duplicate_event", "reorder_event", "clock_jump", "drop_intent", "delay_intent",
        "duplicate_intent", "reorder_intent", "lose_answer", "rate_limit", "disconnect",
    ]  # fmt: skip
    probability: Fraction
    """Per message."""
    kinds: list[Name] = []
    """Events or intents it befalls, such as filled or place; empty = all."""
    span_ns: PositiveDurationNs = Field(default=SECOND_NS // 2, alias="span")
    """Longest delay, clock error or outage."""


class PaperSection(Section):
    """The simulated venue. `main.py` converts this into the venue's own configuration."""

    seed: Count = 7
    feed_latency_ms: Count = 10
    entry_latency_ms: Count = 20
    response_latency_ms: Count = 20
    jitter_ms: Count = 0
    """Largest random extra on entry and response."""
    fill_model: Literal["next_open", "ohlc_path", "same_close"] = "next_open"
    """How orders fill where only bars are known."""
    queue_model: Literal["risk_averse", "power"] = "power"
    """How a resting order moves up when the size at its price shrinks without a trade."""
    queue_power: AtLeastOne = 3
    faults: list[FaultSection] = []


class LimitsSection(Section):
    """What one instrument of one account may do, worst side counted."""

    max_position_notional: Positive
    max_order_notional: Positive
    price_collar: Fraction = Decimal("0.05")
    max_reference_age_ns: PositiveDurationNs = Field(default=MINUTE_NS, alias="max_reference_age")


class RiskSection(Section):
    """Limits: of all scopes that an order falls under the strictest value holds; a missing limit refuses."""

    default_limits: LimitsSection | None = None
    limits: dict[str, LimitsSection] = {}
    max_exposure: Positive = Decimal(1000000)
    base_position_fraction: Fraction = Decimal("0.02")
    max_position_fraction: Fraction = Decimal("0.1")
    message_window_ns: PositiveDurationNs = Field(default=SECOND_NS, alias="message_window")
    messages_per_window: AtLeastOne = 50
    reserve_messages: Count = 50
    portfolio: PortfolioRules = PortfolioRules()
    """Values of the rules (`risk.rules`) for everything together."""
    venue: dict[str, VenueRules] = {}
    strategy: dict[str, StrategyRules] = {}
    instrument: dict[str, InstrumentRules] = {}


class ApprovalsSection(Section):
    """Who must agree to what."""

    enabled: bool = True
    large_fraction: Fraction = Decimal("0.05")
    window_ns: PositiveDurationNs = Field(default=10 * MINUTE_NS, alias="window")
    order_votes: AtLeastOne = 1
    override_votes: AtLeastOne = 2
    requester_counts: bool = False
    approver_role: Role = "risk"
    order_ttl_ns: PositiveDurationNs = Field(default=2 * MINUTE_NS, alias="order_ttl")
    override_ttl_ns: PositiveDurationNs = Field(default=15 * MINUTE_NS, alias="override_ttl")
    load_votes: Count | None = None
    """Votes that loading or starting a strategy by hand needs; left out: live 1, else 0."""
    policy_ttl_ns: PositiveDurationNs = Field(default=24 * HOUR_NS, alias="policy_ttl")
    """How long a request for new settings waits."""
    max_open: AtLeastOne = 5
    """Requests that one person or strategy may have open."""
    deny_pause_ns: DurationNs = Field(default=MINUTE_NS, alias="deny_pause")
    """After a denial the same person or strategy does not ask for this long."""
    role_wait_ns: DurationNs | None = Field(default=None, alias="role_wait")
    """How long a new person or role waits before it votes; left out: live 24h, else 0. Founding people never wait."""
    link_wait_ns: DurationNs | None = Field(default=None, alias="link_wait")
    """The same for a new chat account of a person."""
    price_move: Fraction = Decimal("0.02")
    """How far the price may have gone from the one that was voted on."""
    quote_age_ns: PositiveDurationNs = Field(default=30 * SECOND_NS, alias="quote_age")
    """How old the price may be at the moment of the last vote."""
    codes: bool | None = None
    """Every vote needs a one-time code (TOTP); left out: live yes, else no."""
    code_misses: AtLeastOne = 5
    code_lock_ns: PositiveDurationNs = Field(default=15 * MINUTE_NS, alias="code_lock")
    override_max_ns: PositiveDurationNs = Field(default=4 * HOUR_NS, alias="override_max")
    """The longest that an override lasts."""
    override_factor: Positive = Decimal("1.5")
    """How many times the limit an override may be, where `override_most` does not name its rule."""
    override_most: dict[str, Positive] = {}
    """The widest value of an override, by rule."""
    review_ns: PositiveDurationNs = Field(default=24 * HOUR_NS, alias="review")
    """Within this time somebody else reviews a break-glass."""


class ExecutionSection(Section):
    """How orders are worked."""

    ack_timeout_ns: PositiveDurationNs = Field(default=2 * SECOND_NS, alias="ack_timeout")
    validity_ns: PositiveDurationNs = Field(default=5 * SECOND_NS, alias="validity")
    query_every_ns: PositiveDurationNs = Field(default=2 * SECOND_NS, alias="query_every")
    retry_ns: PositiveDurationNs = Field(default=SECOND_NS, alias="retry")
    slippage: Fraction = Decimal("0.005")
    quote_tolerance_ticks: Count = 0
    quote_widening: SmallFraction = Decimal("0.0002")
    """Share of the price by which quotes may be off once half of an account's actions are gone; 25 %, 10 % and 5 %
    double it."""
    reconcile_every_ns: DurationNs | None = Field(default=None, alias="reconcile_every")
    """How often every account is compared with its venue; said by the environment where it is not said here."""
    dead_man_ns: DurationNs | None = Field(default=None, alias="dead_man")
    """How long a venue that has a dead-man's switch waits for us, 0 = it is not used; else as above."""
    equity_sample_ns: PositiveDurationNs = Field(default=MINUTE_NS, alias="equity_sample")
    stale_feed_ns: PositiveDurationNs = Field(default=30 * SECOND_NS, alias="stale_feed")
    flatten_max_age_ns: PositiveDurationNs = Field(default=MINUTE_NS, alias="flatten_max_age")


class AllocationSection(Section):
    """Risk parity: shares of equity by strategy."""

    enabled: bool = False
    """Off: every strategy is sized by all of its account's equity."""
    every_ns: PositiveDurationNs = Field(default=4 * HOUR_NS, alias="every")
    """How often shares, and the cut of correlated strategies, are looked at again."""
    turnover: Fraction = Decimal("0.05")
    """New shares are taken when they move more than this part of equity."""


class FailoverSection(Section):
    """Where the strategy that trades an instrument goes while its venue is out."""

    instrument: Text
    backup: Text
    """The same asset at another venue."""
    account: Text
    """The account at the backup's venue."""
    return_after_ns: PositiveDurationNs = Field(default=MINUTE_NS, alias="return_after")
    """How long the venue has to be well again before it is used again."""


class StrategySection(Section):
    """One strategy to load at start."""

    id: Name
    kind: Name
    account: Text
    accounts: list[Text] = []
    """One at each further venue, where it trades at several."""
    instruments: list[Text] = Field(min_length=1)
    params: dict[str, Any] = {}
    autostart: bool = True
    priority: int = Field(default=5, ge=0, le=9)
    """When load is shed, strategies of the lowest priority go first."""
    position_age_ns: DurationNs = Field(default=0, alias="position_age")
    """How old a position of it may become before the breaker position_timeout closes it; 0 = any age."""


class PersonSection(Section):
    """One human being and the chat accounts that speak for them (0 = none)."""

    id: Name
    name: Text = ""
    role: Role
    telegram_user_id: UserId = 0
    discord_user_id: UserId = 0


class OwnStrategiesSection(Section):
    """Files of the user's own. `reload` auto: a file that was changed is taken in at once, which is for paper alone."""

    reload: Literal["auto", "ask"] | None = None


class Config(Section):
    """A whole settings file, checked. `load_config` makes it; `to_settings` is what the core gets."""

    environment: Literal["paper", "testnet", "live"] = "paper"
    data_feed: DataFeedSection = DataFeedSection()
    instruments: list[InstrumentSection] = []
    accounts: list[AccountSection] = []
    paper: PaperSection = PaperSection()
    venues: list[VenueSection] = []
    risk: RiskSection = RiskSection()
    approvals: ApprovalsSection = ApprovalsSection()
    execution: ExecutionSection = ExecutionSection()
    breakers: BreakersSection = BreakersSection()
    failover: list[FailoverSection] = []
    allocation: AllocationSection = AllocationSection()
    strategies: list[StrategySection] = []
    persons: list[PersonSection] = []
    telegram: TelegramSection = TelegramSection()
    discord: DiscordSection = DiscordSection()
    alerts: AlertsSection = AlertsSection()
    email: EmailSection = EmailSection()
    sms: SmsSection = SmsSection()
    hooks: list[HookSection] = []
    apprise: list[AppriseSection] = []
    contacts: list[ContactSection] = []
    heartbeat: HeartbeatSection = HeartbeatSection()
    gateway: GatewaySection = GatewaySection()
    journal: JournalSection = JournalSection()
    storage: StorageSection = StorageSection()
    logging: LoggingSection = LoggingSection()
    vault: VaultSection = VaultSection()
    own_strategies: OwnStrategiesSection = OwnStrategiesSection()

    def to_settings(self, listed: Sequence[Instrument] = ()) -> Settings:
        """What the core carries; `listed` are the contracts as the venues have them.

        Raises `ConfigError` for an instrument whose numbers do not fit its scale, and for one that is not listed.
        """
        from engine.config.settings import to_settings

        return to_settings(self, listed)

    @property
    def content_hash(self) -> str:
        """SHA-256 (hex) of the effective settings of the core, defaults included.

        Layout and comments do not matter, nor does what the core does not know (ports, logs, chat addresses), nor the
        numbers of contracts that are read from venues.
        """
        from engine.config.settings import without_listed

        own = without_listed(self)
        return digest((own, self.venue_instruments) if self.venues else own)

    @property
    def venue_instruments(self) -> tuple[InstrumentId, ...]:
        """What the venues are asked about at every start."""
        return tuple(name for venue in self.venues for name in venue.instruments)

    @property
    def instrument_ids(self) -> list[InstrumentId]:
        """Every instrument, of paper and of the venues."""
        return [*(item.id for item in self.instruments), *self.venue_instruments]

    @property
    def account_ids(self) -> list[AccountId]:
        """Every account, of paper and of the venues."""
        return [*(item.id for item in self.accounts), *(a.id for venue in self.venues for a in venue.accounts)]

    def network_of(self, venue: VenueSection) -> Network:
        """The network that a venue is on."""
        return venue.network or ("mainnet" if self.environment == "live" else "testnet")

    def is_data_feed(self, venue: str) -> bool:
        """Whether a venue's market data is at the addresses of `data_feed`: Hyperliquid's, unless `venues` names it."""
        return venue.lower() == "hyperliquid" and all(item.name != "hyperliquid" for item in self.venues)

    @property
    def feed_symbols(self) -> dict[str, str]:
        """The price source's symbol of every instrument."""
        return {
            item.id: self.data_feed.symbols.get(item.id, item.symbol or _base(item.id)) for item in self.instruments
        }

    @property
    def fsync(self) -> bool:
        """Whether risk-adding orders wait for the disk."""
        return self.environment == "live" if self.journal.fsync is None else self.journal.fsync


def _base(instrument: str) -> str:
    return instrument.partition("-")[0]
