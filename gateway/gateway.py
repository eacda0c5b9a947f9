"""What every route is given: the desk, the console, who may act, and the risk that scrapers share."""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from msgspec import Struct

from domain.commands import Actor
from domain.errors import MoonDevError
from domain.risk_views import RiskView, StressView
from domain.settings import Environment
from domain.views import (
    BreakerView,
    PersonView,
    StatusView,
)
from engine.desk import Desk
from gateway.access.access import Access
from gateway.access.caller import Caller
from gateway.access.network import Network
from gateway.hub import Hub
from gateway.idempotency import Once
from gateway.source import Source
from gateway.verb_table import VerbTable

Console: TypeAlias = Callable[[Actor, str], Awaitable[str]]
"""Runs one line of the verb table for an actor and answers in plain text."""

Health: TypeAlias = Callable[[], list[str]]
"""Reasons, beyond the desk's own, why the service is not ready; empty when it is."""

RISK_REFRESH_S = 5.0


class NotAllowed(MoonDevError):
    """A session asked to act as somebody it may not be."""


@dataclass(frozen=True, kw_only=True)
class GatewayConfig:
    """How the gateway behaves, and what it is called."""

    environment: Environment = Environment.PAPER
    product: str = "MoonDev AlgoTrade"
    version: str = ""
    login_hint: str = "The service prints a new login link when it starts."


class RiskReading(Struct, frozen=True, kw_only=True):
    """The portfolio's risk, and what every named shock would do."""

    view: RiskView
    stress: list[StressView]
    status: StatusView
    breakers: list[BreakerView] = []
    """All of them, those that are closed too."""


class Reader:
    """Reads the risk at most once in some seconds, for everybody who asks."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._risk: RiskReading | None = None
        self._risk_read_at = -math.inf

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


@dataclass(frozen=True, kw_only=True)
class Gateway:
    """The parts behind the routes; one per app, found at `request.state.gateway`."""

    desk: Desk
    console: Console
    config: GatewayConfig
    access: Access
    network: Network
    health: Health
    reader: Reader
    source: Source
    hub: Hub
    verbs: VerbTable
    once: Once

    async def still(self, caller: Caller) -> bool:
        """Tell whether a caller may go on: who holds a connection open asks every other second.

        Raises `AccessLost`.
        """
        return await self.access.alive(caller.identity) and self.desk.person(caller.person) is not None

    def actor(self, caller: Caller, person: str = "") -> Actor:
        """Who acts: the caller's person or, in paper only, another one, so that approvals can be tried alone.

        Raises `NotAllowed`.
        """
        person = person or caller.person
        if person != caller.person and (self.config.environment is not Environment.PAPER or not caller.is_person):
            raise NotAllowed(f"Only paper lets a session act as another person ({person})")
        if self.desk.person(person) is None:
            raise NotAllowed(f"There is no person {person!r}")
        return caller.actor(person)

    def persons(self, caller: Caller) -> list[PersonView]:
        """Whom a caller may act as: itself, and in paper a session everybody."""
        everybody = self.desk.persons()
        if self.config.environment is Environment.PAPER and caller.is_person:
            return everybody
        return [person for person in everybody if person.id == caller.person]
