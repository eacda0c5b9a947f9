"""Read models of the control room: alerts, mutes, and the jobs that people asked for."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from msgspec import Struct

from domain.performance import Ratio
from domain.views import EquityPoint


class AlertView(Struct, frozen=True, kw_only=True):
    """One thing that is, or was, wrong, however often it was said."""

    id: str
    """As `/ack` takes it."""
    kind: str
    title: str
    text: str
    severity: str
    state: str
    """`firing`: nobody looks after it; `acknowledged`; `over`."""
    labels: dict[str, str]
    count: int
    first_ns: int
    last_ns: int
    by: str
    """Who looks after it, "" = nobody."""
    acked_ns: int
    ended_ns: int
    hidden: str
    """Why it is not told, "" = it is."""


class MuteView(Struct, frozen=True, kw_only=True):
    """Alerts of a kind, with these labels, that are not told until `until_ns`."""

    id: str
    kind: str
    labels: dict[str, str]
    until_ns: int
    by: str
    reason: str
    is_critical: bool


class JobView(Struct, frozen=True, kw_only=True):
    """A job. `state`: waiting, running, done, failed, cancelled or interrupted; `note` says why."""

    id: str
    person: str
    text: str
    state: str
    note: str
    created_ns: int
    started_ns: int
    ended_ns: int
    progress: float | None
    """0 to 1 while it runs."""


class BacktestView(Struct, frozen=True, kw_only=True):
    """What a backtest found. A simulated market is no evidence of anything."""

    strategy: str
    params: dict[str, Any]
    instrument: str
    data: str
    data_kind: str
    fill_model: str
    approver: str
    notes: tuple[str, ...]
    first_ns: int
    last_ns: int
    currency: str
    deposit: Decimal
    equity: Decimal
    realised: Decimal
    unrealised: Decimal
    fees: Decimal
    funding: Decimal
    orders: int
    fills: int
    trades: int
    """Round trips."""
    exposure: float
    """Share of the time in which something was held."""
    sharpe: Ratio
    win_rate: Ratio
    """Of the round trips, after fees."""
    max_drawdown: Decimal
    """The deepest fall of sampled equity, as a fraction of the high before it."""
    maker_fee: Decimal
    taker_fee: Decimal
    refusals: dict[str, int]
    """What risk did not let through, by reason."""
    curve: tuple[EquityPoint, ...]
    """Thinned: of each stretch the lowest and the highest are kept."""
    alerts: tuple[str, ...]


class JobReport(Struct, frozen=True, kw_only=True):
    """A job and what came out of it."""

    job: JobView
    figures: tuple[tuple[str, str], ...]
    """Names and values as people read them; empty until it is done, and when they are no longer kept."""
    backtest: BacktestView | None


class DeliveryView(Struct, frozen=True, kw_only=True):
    """What became of the messages of one channel, in the last day; `waiting` is what is not delivered now."""

    channel: str
    waiting: int
    oldest_ns: int
    """When the oldest that waits was written; 0 = none waits."""
    sent: int
    unknown: int
    """They may have arrived: they are sent again, and say so."""
    failed: int
    """The server will never take them; those that went nowhere else either are among them."""
    failing: tuple[str, ...] = ()
    """Whom it does not reach now, and why."""
