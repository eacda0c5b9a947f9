"""What can be set about the paper venue: latencies, queue model, bar-fill model, seed and fault rules.

Plain structs: the YAML file is validated elsewhere and turned into these. Times are nanoseconds.
"""

from __future__ import annotations

import enum

from msgspec import Struct

MILLISECOND_NS = 1_000_000


class FillModel(enum.StrEnum):
    """How orders meet bars, where an instrument has neither trades nor a book."""

    NEXT_OPEN = "next_open"
    """What takes does so at the next bar's open; a resting limit fills only when a bar trades through it."""
    OHLC_PATH = "ohlc_path"
    """As above, but a bar that touches a limit fills it."""
    SAME_CLOSE = "same_close"
    """Benchmarks only: what takes does so at the close of the bar just seen, and every latency is zero."""


class QueueModel(enum.StrEnum):
    """How a resting order moves up when the size shown at its price shrinks without a trade."""

    RISK_AVERSE = "risk_averse"
    """It does not, unless less is shown than was thought to be ahead."""
    POWER = "power"
    """In proportion front**n to back**n, n being `queue_power`."""


class FaultKind(enum.StrEnum):
    """The ways in which the line between engine and venue can fail."""

    DROP_EVENT = "drop_event"
    DELAY_EVENT = "delay_event"
    DUPLICATE_EVENT = "duplicate_event"
    REORDER_EVENT = "reorder_event"
    CLOCK_JUMP = "clock_jump"
    """`venue_ts_ns` of an event is off by up to `span_ns` either way."""
    DROP_INTENT = "drop_intent"
    """The request is lost before the venue acts."""
    DELAY_INTENT = "delay_intent"
    DUPLICATE_INTENT = "duplicate_intent"
    REORDER_INTENT = "reorder_intent"
    LOSE_ANSWER = "lose_answer"
    """The venue acts, and the direct answer to the request is lost."""
    RATE_LIMIT = "rate_limit"
    """The venue refuses the request for its rate."""
    DISCONNECT = "disconnect"
    """The line goes down for up to `span_ns`; everything on it is lost."""


class FaultRule(Struct, frozen=True, kw_only=True):
    """One way to fail: with `probability` per message, between `from_ns` and `until_ns` (0 = for ever).

    `kinds` are lower-case names of events or intents ("filled", "place"); none means all. `span_ns`
    bounds the delay, the clock's error or the outage.
    """

    fault: FaultKind
    probability: float
    kinds: tuple[str, ...] = ()
    from_ns: int = 0
    until_ns: int = 0
    span_ns: int = 500 * MILLISECOND_NS


class PaperConfig(Struct, frozen=True, kw_only=True):
    """The paper venue's settings.

    An order sent at T meets the market of T + `entry_ns`, of which the tape, stamped at reception, tells
    `feed_ns` later; the answer comes `response_ns` after. `jitter_ns` is the largest random extra on entry
    and response. `kept_orders` and `kept_fills` bound what is remembered of finished business per venue.
    """

    venue: str = "PAPER"
    seed: int = 0
    feed_ns: int = 10 * MILLISECOND_NS
    entry_ns: int = 20 * MILLISECOND_NS
    response_ns: int = 20 * MILLISECOND_NS
    jitter_ns: int = 0
    fill_model: FillModel = FillModel.NEXT_OPEN
    queue_model: QueueModel = QueueModel.POWER
    queue_power: int = 3
    faults: tuple[FaultRule, ...] = ()
    kept_orders: int = 20_000
    kept_fills: int = 5_000
