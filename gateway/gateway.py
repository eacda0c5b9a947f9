"""What every route and every dashboard tab is given: the desk, the console, who may act, and the shared reading.

`Reader` takes one snapshot of the desk for everybody who asks within the same refresh, so that ten open
tabs cost the engine's loop as much as one.
"""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from msgspec import Struct

from domain.commands import Actor, Door
from domain.errors import MoonDevError
from domain.risk_views import RiskView, StressView
from domain.settings import Environment
from domain.views import (
    BreakerView,
    EquityPoint,
    OrderView,
    PersonView,
    PnlView,
    PositionView,
    RequestView,
    StatusView,
    StrategyView,
    TradeRow,
    VenueView,
)
from engine.desk import Desk
from gateway.activity import Activity
from gateway.auth import Auth, Session
from gateway.hub import Hub
from gateway.idempotency import Once
from gateway.source import Source
from gateway.verb_table import VerbTable

Console: TypeAlias = Callable[[Actor, str], Awaitable[str]]
"""Runs one line of the verb table for an actor and answers in plain text."""

Health: TypeAlias = Callable[[], list[str]]
"""Reasons, beyond the desk's own, why the service is not ready; empty when it is."""

CHART_POINTS = 600
RISK_REFRESH_S = 5.0
TRADE_ROWS = 50


class NotAllowed(MoonDevError):
    """A session asked to act as somebody it may not be."""


@dataclass(frozen=True, kw_only=True)
class GatewayConfig:
    """How the gateway behaves. `refresh_s` is the pace of the screens."""

    environment: Environment = Environment.PAPER
    product: str = "MoonDev AlgoTrade"
    version: str = ""
    refresh_s: float = 0.5
    chart_refresh_s: float = 2.0
    login_hint: str = "The service prints a new login link when it starts."


class Snapshot(Struct, frozen=True, kw_only=True):
    """Everything a screen shows, read at one moment."""

    status: StatusView
    positions: list[PositionView]
    orders: list[OrderView]
    strategies: list[StrategyView]
    pnl: list[PnlView]
    pending: list[RequestView]
    venues: tuple[VenueView, ...]
    trades: list[TradeRow]
    """The newest own fills, newest first."""


class RiskReading(Struct, frozen=True, kw_only=True):
    """The portfolio's risk, and what every named shock would do."""

    view: RiskView
    stress: list[StressView]
    status: StatusView
    breakers: list[BreakerView] = []
    """All of them, those that are closed too."""


class Reader:
    """Reads the desk at most once per refresh, for all screens together."""

    def __init__(self, desk: Desk, config: GatewayConfig) -> None:
        self._desk = desk
        self._config = config
        self._snapshot: Snapshot | None = None
        self._read_at = 0.0
        self._equity: list[EquityPoint] = []
        self._live: list[EquityPoint] = []
        self._equity_read_at = -math.inf
        self._risk: RiskReading | None = None
        self._risk_read_at = -math.inf

    def fresh(self) -> Snapshot:
        """Read the desk now."""
        desk = self._desk
        return Snapshot(
            status=desk.status(),
            positions=desk.positions(),
            orders=desk.orders(),
            strategies=desk.strategies(),
            pnl=desk.pnl(),
            pending=desk.pending(),
            venues=desk.venues(),
            trades=desk.trades(TRADE_ROWS),
        )

    def snapshot(self, newer: bool = False) -> Snapshot:
        """The shared snapshot, about one refresh old at most; `newer` reads the desk whatever its age."""
        now = time.monotonic()
        # half a period of slack, or tabs out of step would each read for themselves
        if newer or self._snapshot is None or now - self._read_at > self._config.refresh_s / 2:
            self._snapshot, self._read_at = self.fresh(), now
        return self._snapshot

    def risk(self) -> RiskReading:
        """The risk as it was at most some seconds ago: it costs more than the other views."""
        now = time.monotonic()
        if self._risk is None or now - self._risk_read_at > RISK_REFRESH_S:
            stress = self._desk.stress()
            shocks = [] if isinstance(stress, str) else stress
            desk = self._desk
            self._risk = RiskReading(view=desk.risk(), stress=shocks, status=desk.status(), breakers=desk.breakers())
            self._risk_read_at = now
        return self._risk

    def equity(self) -> list[EquityPoint]:
        """The equity curve thinned to what a chart can show, and what was read since its newest sample."""
        now = time.monotonic()
        if now - self._equity_read_at > self._config.chart_refresh_s / 2:
            self._equity_read_at = now
            points = self._desk.equity_curve(2000)
            step = max(1, -(-len(points) // CHART_POINTS))
            status = self.snapshot().status
            sampled_ns = points[-1].ts_ns if points else 0
            self._live = [point for point in self._live if sampled_ns < point.ts_ns < status.ts_ns]
            if status.ts_ns > sampled_ns:
                self._live.append(EquityPoint(ts_ns=status.ts_ns, equity=status.equity))
            self._equity = points[::-1][::step][::-1] + self._live[-CHART_POINTS:]
        return self._equity


@dataclass(frozen=True, kw_only=True)
class Gateway:
    """The parts behind the routes; one per app, found at `request.state.gateway`."""

    desk: Desk
    console: Console
    config: GatewayConfig
    auth: Auth
    health: Health
    reader: Reader
    activity: Activity
    source: Source
    hub: Hub
    verbs: VerbTable
    once: Once

    def find_session(self, secret: str) -> Session | None:
        """Find a living session whose person still exists."""
        session = self.auth.session(secret)
        return session if session is not None and self.desk.person(session.person) is not None else None

    def may_act(self, session: Session) -> bool:
        """Tell whether a session still stands: its pages ask before every action and at every refresh."""
        return self.auth.alive(session) and self.desk.person(session.person) is not None

    def actor(self, session: Session, person: str = "") -> Actor:
        """Who acts: the session's person or, in paper only, another one, so that approvals can be tried alone.

        Raises `NotAllowed`.
        """
        if not self.may_act(session):
            raise NotAllowed("This session has ended: log in again")
        person = person or session.person
        if person != session.person and self.config.environment is not Environment.PAPER:
            raise NotAllowed(f"Only paper lets a session act as another person ({person})")
        if self.desk.person(person) is None:
            raise NotAllowed(f"There is no person {person!r}")
        return Actor(person=person, door=Door.DASHBOARD, chat=f"session:{session.key[:12]}")

    def persons(self, session: Session) -> list[PersonView]:
        """Whom a session may act as: itself, and in paper everybody."""
        everybody = self.desk.persons()
        if self.config.environment is Environment.PAPER:
            return everybody
        return [person for person in everybody if person.id == session.person]
