"""The breaker matrix in nouns: what is watched, what an open breaker does, and how soon each of that begins.

Which actions a breaker may have, the defaults and the transitions are in `risk.matrix` and `risk.breaker`.
"""

from __future__ import annotations

import enum
from decimal import Decimal

from msgspec import Struct, field

SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS


class Watch(enum.StrEnum):
    """What a breaker watches; each has one formula (docs/risk.md) and a scope: everything, or what is named."""

    PORTFOLIO_LOSS = "portfolio_loss"
    """Everything: what the PNL day has lost, as a fraction of the equity it began with."""
    DRAWDOWN = "drawdown"
    """Everything: how far equity is below its high within the window, as a fraction of that."""
    LATENCY = "latency"
    """A venue: the median round trip of orders, in milliseconds."""
    ERROR_RATE = "error_rate"
    """A venue: the part of requests that failed."""
    EXCHANGE_FAILURE = "exchange_failure"
    """A venue's connections, each by itself: failures within the window."""
    POSITION_TIMEOUT = "position_timeout"
    """A strategy that sets an age: the age of its oldest position, as a multiple of that."""
    OVERLOAD = "overload"
    """This machine: the mean use of the engine's processor or of the memory, whichever is more."""
    SECURITY = "security"
    """Everything: breaches within the window, by their source."""
    VOLATILITY = "volatility"
    """A symbol: the distance of the price from its mean of the window, as a fraction of that."""
    SPREAD = "spread"
    """A symbol: the distance between bid and ask, as a fraction of the middle."""
    FEED_AGE = "feed_age"
    """A symbol: seconds since its last price, once its feed is said to be silent."""
    DATA_GAP = "data_gap"
    """A symbol: 1 from the moment its feed says that something is missing, 0 with the next price."""


class BreakerAction(enum.StrEnum):
    """What an open breaker does in its scope."""

    EMERGENCY_STOP = "emergency_stop"
    """HALTED, everything but protections is cancelled, positions are closed."""
    SHUT_DOWN = "shut_down"
    """HALTED: quotes and entries are cancelled, protections stay."""
    LOCK_DOWN = "lock_down"
    """Every session ends, and nothing that adds risk reaches a signer."""
    FLATTEN = "flatten"
    """Positions are closed with reduce-only orders."""
    HALVE_POSITIONS = "halve_positions"
    """Every position is brought to half of what it was, once per trip."""
    REFUSE_NEW = "refuse_new"
    """Nothing that adds risk is sent."""
    PAUSE = "pause"
    """Nothing that adds risk is sent, and no quote rests."""
    FAIL_OVER = "fail_over"
    """Strategies go to the backup's venue."""
    CANCEL_PENDING = "cancel_pending"
    """Entries and quotes at the venue are cancelled."""
    REDUCE_ACTIVITY = "reduce_activity"
    """Orders and targets are a part of their size, as when half open."""
    CLOSE_OLD = "close_old"
    """Positions that are too old are closed, and their entries count as used up."""
    TELL_RISK = "tell_risk"
    """People are told; what each breaker does anyhow, named where it is all there is to do."""
    RESTART_STRATEGIES = "restart_strategies"
    """Strategies begin anew: fresh memory, warmed up again."""
    SHED_LOAD = "shed_load"
    """Strategies are stopped one after the other, those of the lowest priority first."""


class Priority(enum.IntEnum):
    """How soon an action has to have begun."""

    CRITICAL = 1
    """In the same step."""
    HIGH = 2
    """Within a second."""
    MEDIUM = 3
    """Within 5 seconds."""
    LOW = 4
    """Within 30 seconds."""


class BreachSource(enum.StrEnum):
    """Where somebody tried what only the right one can do."""

    LOGIN = "login"
    """A login link that is none, or is spent."""
    BUTTON = "button"
    """A button of an approval that this service did not make."""
    SIGNATURE = "signature"
    """A signature that does not fit what it is under."""
    KEY = "key"
    """A key that does not open what it is for."""


class BreakerRule(Struct, frozen=True, kw_only=True):
    """When a breaker opens, what it does, and how it closes.

    It opens when its measure reaches `threshold` (for connections: so many failures within the window), and has
    stayed there for `hold_ns`. It is tried again after the cool-down; `recovers` False: only people close it.
    HALF_OPEN lets `fraction` of the normal size through and closes after `probes` successes. `thresholds` are others,
    by base asset or by source, where the measure has such.
    """

    threshold: Decimal = Decimal(3)
    window_ns: int = MINUTE_NS
    cool_down_ns: int = 30 * MINUTE_NS
    recovers: bool = True
    probes: int = 3
    fraction: Decimal = Decimal("0.25")
    actions: tuple[BreakerAction, ...] = ()
    hold_ns: int = 0
    thresholds: dict[str, Decimal] = field(default_factory=dict)


class BreakerSettings(Struct, frozen=True, kw_only=True):
    """The breakers by what they watch; None = it is not watched. `risk.matrix.DEFAULTS` has all of them."""

    exchange_failure: BreakerRule = BreakerRule()
    """The rule of every connection to a venue."""
    portfolio_loss: BreakerRule | None = None
    drawdown: BreakerRule | None = None
    latency: BreakerRule | None = None
    error_rate: BreakerRule | None = None
    position_timeout: BreakerRule | None = None
    overload: BreakerRule | None = None
    security: BreakerRule | None = None
    volatility: BreakerRule | None = None
    spread: BreakerRule | None = None
    feed_age: BreakerRule | None = None
    data_gap: BreakerRule | None = None

    def rule(self, watch: Watch) -> BreakerRule | None:
        """The rule of one breaker, None when it is not watched."""
        found: BreakerRule | None = getattr(self, watch.value)
        return found


class Measured(Struct, kw_only=True, tag="measured", array_like=True, gc=False):
    """What a driver measured since the last time, for the breakers to judge.

    LATENCY: `value` is the median round trip in ns of `count` orders at the venue `scope`. ERROR_RATE: `value` of
    `count` requests failed there. OVERLOAD: `value` is the load of this machine in parts per million.
    """

    seq: int = 0
    ts_ns: int = 0
    watch: Watch
    scope: str = ""
    value: int
    count: int = 1
