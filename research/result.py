"""What came out of a backtest, as plain values: for reports, for programs (`--json`), and to be run again.

Money is in `currency`; all accounts' currencies count as one. Times are nanoseconds UTC.
"""

from __future__ import annotations

import enum
from decimal import Decimal
from typing import Any, TypeAlias

from msgspec import Struct

from domain.instrument import ZERO
from domain.performance import Ratio
from domain.settings import Settings
from exchanges.paper.config import FillModel, PaperConfig
from research.market_data import DataKind
from risk.statistics import Drawdown, Trade

Money: TypeAlias = tuple[tuple[int, Decimal], ...]
"""(ts_ns, amount), in order of time."""


class Approver(enum.StrEnum):
    """Who answers when an order is large enough to need a vote."""

    AUTO = "auto"
    """Nobody is asked: approvals are off."""
    NEVER = "never"
    """Large orders wait for a vote that never comes, and expire."""


class StrategyResult(Struct, frozen=True, kw_only=True):
    """One strategy's part. `traded` is the notional of its fills, `exposure` the share of the time in any position.

    `realised` is before fees and funding; pnl = realised + unrealised - fees + funding. `trades` counts closed round
    trips, `samples` are (ts_ns, pnl).
    """

    id: str
    kind: str
    params: dict[str, Any]
    source_hash: str
    instruments: tuple[str, ...]
    accounts: tuple[str, ...]
    orders: int
    fills: int
    realised: Decimal
    unrealised: Decimal
    fees: Decimal
    funding: Decimal
    pnl: Decimal
    traded: Decimal
    trades: int
    exposure: float
    status: str
    warmup_bars: int
    samples: Money
    share: Decimal = Decimal(1)
    """Of its account's equity that it was sized by at the end: what the allocator and the cut of correlation left."""


class SourceResult(Struct, frozen=True, kw_only=True):
    """One source of market data as it was used, and the terms of its instrument and venue."""

    instrument: str
    venue: str
    name: str
    kind: DataKind
    sha256: str
    first_ns: int
    last_ns: int
    rows: int
    interval_ns: int
    intervals_ns: tuple[int, ...]
    """Of the bars that were played; empty = the source's own."""
    maker_fee: Decimal
    taker_fee: Decimal
    latency_ms: dict[str, float]
    notes: tuple[str, ...]
    traded_a_day: float | None = None
    """Notional that its market traded a day; None = the source does not say."""
    carry: float = 0.0
    """Funding of one who held long through the run, as a fraction of what was held, by the rates at the samples."""


class AccountResult(Struct, frozen=True, kw_only=True):
    """One account's books at the end: equity = deposit + realised + unrealised - fees + funding."""

    id: str
    currency: str
    deposit: Decimal
    equity: Decimal
    realised: Decimal
    unrealised: Decimal
    fees: Decimal
    funding: Decimal


class OpenPosition(Struct, frozen=True, kw_only=True):
    """What was still open at the end, valued at the last price."""

    account: str
    instrument: str
    strategy: str
    qty: Decimal
    entry_price: float
    unrealised: Decimal


class Provenance(Struct, frozen=True, kw_only=True):
    """What the result follows from: equal hashes, equal result. `run_id` is a hash over all of them.

    `code_hash` is the product's source, a strategy's own source is in its part of the result; `command` is how the run
    was asked for ("" = not from the command line).
    """

    run_id: str
    code_hash: str
    lock_hash: str
    settings_hash: str
    data_hash: str
    seed: int
    command: str


class Result(Struct, frozen=True, kw_only=True):
    """Everything a run says of itself.

    Fields that name one thing (`strategy`, `params`, `instrument`, `data` ...) are the only one's where there is one,
    else all of them joined, or those of the first; `strategies`, `sources` and `accounts` have each by itself.
    """

    strategy: str
    source_hash: str
    params: dict[str, Any]
    instrument: str
    data: str
    data_kind: DataKind
    """Of the first source; simulated where any is."""
    data_sha256: str
    notes: tuple[str, ...]
    first_ns: int
    last_ns: int
    events: int
    warmup_bars: int
    fill_model: FillModel
    latency_ms: dict[str, float]
    maker_fee: Decimal
    taker_fee: Decimal
    approver: Approver
    conflate_ms: float
    currency: str
    deposit: Decimal
    equity: Decimal
    realised: Decimal
    unrealised: Decimal
    fees: Decimal
    funding: Decimal
    traded: Decimal
    """Notional turned over."""
    slippage: Decimal | None = None
    """Money lost (positive) by `slipped_fills` against the last price when they were decided on; None = no such fill.
    Stops and quotes wait for prices of their own and are not among them."""
    slipped_fills: int = 0
    orders: int
    fills: int
    open_qty: Decimal
    """Of the only instrument; 0 where there are several: see `open_positions`."""
    open_positions: tuple[OpenPosition, ...]
    strategies: tuple[StrategyResult, ...]
    sources: tuple[SourceResult, ...]
    accounts: tuple[AccountResult, ...]
    trades: tuple[Trade, ...]
    max_drawdown: Drawdown
    sharpe: Ratio
    exposure: float
    samples: Money
    """Equity of all accounts together."""
    prices: dict[str, tuple[tuple[int, float], ...]]
    """Reference prices of each instrument at the times of the samples, from the first that is known."""
    gross: Money
    """Sum of |position| at the reference prices, at the times of the samples."""
    net: Money
    sample_ns: int
    refusals: dict[str, int]
    breakers: dict[str, int]
    """Breakers of the matrix that were watched, and how often each opened."""
    alerts: tuple[str, ...]
    strategy_status: str
    state_hash: str
    effects_hash: str
    provenance: Provenance
    settings: Settings
    """Everything the engine went by. The team's persons are no part of a test: a result is passed around."""
    venues: dict[str, PaperConfig]
    """The paper exchange's terms, by venue."""
    asked: dict[str, Any]
    """The plan as a file has it, for `moondev backtest --again`; empty when it was not asked for by one."""

    @property
    def pnl(self) -> Decimal:
        """Profit after fees and funding, open positions at the last price."""
        return self.equity - self.deposit


class Outcome(Struct, frozen=True, kw_only=True):
    """A result and how long it took; only `result` is the same from run to run."""

    result: Result
    wall_s: float

    @property
    def events_per_s(self) -> float:
        """Market events a second, over the run without the opening of the file."""
        return self.result.events / self.wall_s if self.wall_s else 0.0


def wins(result: Result) -> int:
    """Round trips that earned something after fees."""
    return sum(trade.pnl > ZERO for trade in result.trades)
