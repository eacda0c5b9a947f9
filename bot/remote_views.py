"""What the control room shows to who is not in a chat: alerts, mutes, jobs and their reports."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Awaitable, Sequence
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
from msgspec import Struct

from bot import records
from bot.alerting.model import Alert
from bot.deliveries import deliveries
from bot.jobs.backtest import figures_of
from bot.jobs.curve import thinned
from bot.jobs.queue import Job
from domain.answer import NotKnown, NotNow
from domain.performance import Ratio
from domain.record_views import PartView
from domain.room_views import AlertView, BacktestView, DeliveryView, JobReport, JobView, MuteView
from domain.views import EquityPoint

if TYPE_CHECKING:
    from bot.room import ControlRoom

LEAST_TRADES: Final = 30
"""Fewer round trips say nothing of a win rate; as the backtest's own summary has it."""
T = TypeVar("T")
NAME: Final = re.compile(r"J?([0-9]{1,9})", re.IGNORECASE)


class RemoteViews:
    """The read models of a control room."""

    def __init__(self, room: ControlRoom) -> None:
        self._room = room

    def alerts(self, state: str) -> list[AlertView]:
        """Alerts that are `open`, worst first, `over`, newest first, or `all`."""
        room = self._room.alerts
        found = room.open() if state != "over" else []
        return [_alert(alert) for alert in [*found, *(room.recent() if state != "open" else ())]]

    def mutes(self) -> list[MuteView]:
        """What is not told, and until when."""
        return [
            MuteView(
                id=mute.id,
                kind=mute.kind,
                labels=mute.labels,
                until_ns=mute.until_ns,
                by=mute.by,
                reason=mute.reason,
                is_critical=mute.is_critical,
            )
            for mute in self._room.alerts.book.mutes.values()
        ]

    async def jobs(self, before: int, limit: int) -> list[JobView]:
        """The newest jobs with a number below `before` (0 = all), newest first. Raises `NotNow`."""
        return [self._job(job) for job in await _read(self._room.jobs.last(limit, min(before, 1 << 62)))]

    async def job(self, job_id: str) -> JobReport:
        """One job with its report. Raises `NotKnown` and `NotNow`."""
        match = NAME.fullmatch(job_id)
        job = await _read(self._room.jobs.get(int(match[1]))) if match else None
        if job is None:
            raise NotKnown(f"there is no job {job_id[:20]!r}")
        output, result = await self._room.jobs.report(job) if job.state == "done" else ("", b"")
        return JobReport(job=self._job(job), figures=figures_of(output), backtest=_backtest(result))

    async def deliveries(self) -> list[DeliveryView]:
        """What became of the messages of each channel. Raises `NotNow`."""
        return await _read(deliveries(self._room))

    def parts(self) -> Sequence[PartView]:
        """How the parts of the control room are."""
        return records.parts(self._room)

    def _job(self, job: Job) -> JobView:
        progress = self._room.jobs.progress.get(job.id, 0.0) if job.state == "running" else None
        return JobView(
            id=job.name,
            person=job.person,
            text=job.words,
            state=job.state,
            note=job.note,
            created_ns=job.created_ns,
            started_ns=job.started_ns,
            ended_ns=job.ended_ns,
            progress=progress,
        )


async def _read(rows: Awaitable[T]) -> T:
    """What the operational database says. Raises `NotNow` while it does not answer."""
    try:
        return await rows
    except sqlite3.Error:
        raise NotNow("the database of the control room does not answer: see /health") from None


def _alert(alert: Alert) -> AlertView:
    return AlertView(
        id=alert.id,
        kind=alert.kind,
        title=alert.title,
        text=alert.text,
        severity=alert.severity.value,
        state=alert.state.value,
        labels=alert.labels,
        count=alert.count,
        first_ns=alert.first_ns,
        last_ns=alert.last_ns,
        by=alert.by,
        acked_ns=alert.acked_ns,
        ended_ns=alert.ended_ns,
        hidden=alert.hidden,
    )


class _Fall(Struct, frozen=True):
    """The deepest fall, as a fraction of the high before it."""

    fraction: float


class _Trip(Struct, frozen=True):
    """One round trip."""

    pnl: Decimal


class _Result(Struct, frozen=True, kw_only=True):
    """What of a backtest's result file is told."""

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
    exposure: float
    sharpe: Ratio
    max_drawdown: _Fall
    maker_fee: Decimal
    taker_fee: Decimal
    refusals: dict[str, int]
    trades: list[_Trip]
    samples: list[tuple[int, Decimal]]
    alerts: tuple[str, ...]


def _backtest(file: bytes) -> BacktestView | None:
    """The report in a result file; None for one that is none, or of another version."""
    try:
        found = msgspec.json.decode(file, type=_Result)
    except (msgspec.DecodeError, InvalidOperation):
        return None
    counted = {"trades", "curve", "win_rate", "max_drawdown"}
    told = {name: getattr(found, name) for name in BacktestView.__struct_fields__ if name not in counted}
    return BacktestView(
        **told,
        trades=len(found.trades),
        win_rate=_win_rate([trip.pnl for trip in found.trades]),
        max_drawdown=Decimal(str(found.max_drawdown.fraction)),
        curve=tuple(EquityPoint(ts_ns=ts_ns, equity=equity) for ts_ns, equity in thinned(found.samples)),
    )


def _win_rate(profits: Sequence[Decimal]) -> Ratio:
    """The share of round trips that earned something after fees, with what is to be known of it."""
    n = len(profits)
    few = f"insufficient data: n = {n} round trips, at least {LEAST_TRADES} needed"
    rate = sum(profit > 0 for profit in profits) / n if n >= LEAST_TRADES else None
    return Ratio(value=rate, n=n, caveat=few if n < LEAST_TRADES else f"of {n} round trips, after fees")
